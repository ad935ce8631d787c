"""NJS arithmetic against hand-computed values, and the ranges of what is chosen."""

import math

import pytest

from saberlm.infer.njs import (
    choose_njs,
    half_jump_duration,
    jump_distance,
    peak_swings,
    reaction_time,
)
from saberlm.prompts.beatmap import DIFFICULTIES, Beatmap, ColorNote

RANGES = {
    "Easy": (10, 12),
    "Normal": (10, 12),
    "Hard": (10, 15),
    "Expert": (12, 18),
    "ExpertPlus": (15, 23),
}


@pytest.mark.parametrize(
    ("njs", "bpm", "offset", "beats"),
    [
        (10, 120, 0, 2),  # 10 * .5 * 4 = 20 m > 17.999, halved to 2 beats
        (16, 128, 0, 2),
        (10, 200, 0, 4),  # 12 m
        (20, 60, 0, 1),  # 20 m at 1 beat would halve again: the floor of 1 holds
        (16, 128, -1.5, 0.5),
        (16, 128, -3, 0.25),
        (16, 128, 0.3, 2.3),
    ],
)
def test_half_jump_duration(njs: float, bpm: float, offset: float, beats: float) -> None:
    assert half_jump_duration(njs, bpm, offset) == pytest.approx(beats)
    assert reaction_time(njs, bpm, offset) == pytest.approx(beats * 60 / bpm)
    assert jump_distance(njs, bpm, offset) == pytest.approx(2 * njs * beats * 60 / bpm)


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
    assert peak_swings(Beatmap(tuple(notes)), 120) == pytest.approx(4.0, rel=0.03)
    doubled = [*notes, *(ColorNote(n.beat + 0.0625, 2, 0, n.color, 1) for n in notes)]
    assert peak_swings(Beatmap(tuple(sorted(doubled))), 120) == peak_swings(
        Beatmap(tuple(notes)), 120
    )
    assert peak_swings(Beatmap(), 120) == 0


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
