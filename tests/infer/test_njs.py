"""NJS arithmetic against hand-computed values, and the ranges of what is chosen."""

import math

import pytest

from saberlm.eval.playability_setup import half_jump_beats
from saberlm.infer.njs import (
    choose_njs,
    peak_swings,
)
from saberlm.prompts.beatmap import DIFFICULTIES, Beatmap, BpmEvent, ColorNote
from saberlm.prompts.tempo import TempoMap


def reaction_time(njs: float, bpm: float, offset: float) -> float:
    return half_jump_beats(njs, offset, bpm) * 60 / bpm


RANGES = {
    "Easy": (10, 12),
    "Normal": (10, 12),
    "Hard": (10, 15),
    "Expert": (12, 18),
    "ExpertPlus": (15, 23),
}


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
@pytest.mark.parametrize("bpm", [40, 60, 95, 128, 174, 190, 250, 400, 1000])
@pytest.mark.parametrize("swings", [0, 0.5, 1.5, 3, 5, 8, 12, 20])
def test_chosen_values_stay_in_range(difficulty: str, bpm: float, swings: float) -> None:
    jump = choose_njs(difficulty, swings, bpm)
    low, high = RANGES[difficulty]
    assert low <= jump.njs <= high
    assert jump.njs * 2 == round(jump.njs * 2)
    assert 0.35 <= reaction_time(jump.njs, bpm, jump.offset_beats) <= 1.2
    assert reaction_time(jump.njs, bpm, jump.offset_beats) >= 0.41 or bpm > 400
    assert jump.offset_beats == round(jump.offset_beats, 2)


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
@pytest.mark.parametrize("bpm", [95, 128, 174])
@pytest.mark.parametrize("swings", [0.5, 3, 5, 8, 12])
def test_a_jump_is_as_long_as_map_check_wants(difficulty: str, bpm: float, swings: float) -> None:
    jump = choose_njs(difficulty, swings, bpm)
    seconds = reaction_time(jump.njs, bpm, jump.offset_beats)
    assert 18 <= 2 * jump.njs * seconds <= 36


def test_density_speeds_up_and_shortens() -> None:
    slow, fast = choose_njs("ExpertPlus", 3, 170), choose_njs("ExpertPlus", 12, 170)
    assert slow.njs < fast.njs
    assert reaction_time(slow.njs, 170, slow.offset_beats) > reaction_time(
        fast.njs, 170, fast.offset_beats
    )


def test_a_given_njs_is_kept() -> None:
    jump = choose_njs("Expert", 4, 128, njs=21.3)
    assert jump.njs == 21.3
    assert 0.5 <= reaction_time(21.3, 128, jump.offset_beats) <= 0.85


def test_peak_swings_counts_both_hands_and_merges_sliders() -> None:
    notes = [ColorNote(beat / 2, 1, 0, beat % 2, 1) for beat in range(80)]
    assert peak_swings(Beatmap(tuple(notes)), TempoMap(120)) == pytest.approx(4.0, rel=0.03)
    doubled = [*notes, *(ColorNote(n.beat + 0.0625, 2, 0, n.color, 1) for n in notes)]
    assert peak_swings(Beatmap(tuple(sorted(doubled))), TempoMap(120)) == peak_swings(
        Beatmap(tuple(notes)), TempoMap(120)
    )
    assert peak_swings(Beatmap(), TempoMap(120)) == 0


def test_peak_swings_counts_seconds_through_changes_of_tempo() -> None:
    notes = tuple(ColorNote(beat / 2, 1, 0, beat % 2, 1) for beat in range(160))
    doubled = TempoMap(120, (BpmEvent(40, 240),))
    assert peak_swings(Beatmap(notes), doubled) == pytest.approx(8.0, rel=0.03)


@pytest.mark.parametrize(
    ("difficulty", "swings", "bpm"),
    [
        ("Expert+", 3, 120),
        ("Expert", math.nan, 120),
        ("Expert", -1, 120),
        ("Expert", 3, 0),
        ("Expert", 3, math.nan),
    ],
)
def test_bad_arguments(difficulty: str, swings: float, bpm: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        choose_njs(difficulty, swings, bpm)


@pytest.mark.parametrize("njs", [0, -3, math.nan, math.inf])
def test_a_given_njs_is_checked(njs: float) -> None:
    with pytest.raises(ValueError, match="NJS"):
        choose_njs("Expert", 3, 120, njs=njs)
