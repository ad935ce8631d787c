"""Swings and parity on patterns whose answer is known."""

from __future__ import annotations

from saberlm.eval.swing import build_swings, parity_errors
from saberlm.prompts.beatmap import Beatmap, Bomb, ColorNote, CutDirection
from saberlm.prompts.tempo import TempoMap

UP, DOWN, LEFT, RIGHT = (CutDirection(one) for one in range(4))
UP_LEFT, UP_RIGHT, DOWN_LEFT, DOWN_RIGHT, DOT = (CutDirection(one) for one in range(4, 9))
TEMPO = TempoMap(120.0)


def _stream(*directions: int, color: int = 1, step: float = 0.5) -> tuple[ColorNote, ...]:
    return tuple(ColorNote(i * step, 2, 0, color, int(d)) for i, d in enumerate(directions))


def _errors(notes: tuple[ColorNote, ...], bombs: tuple[Bomb, ...] = ()) -> int:
    return parity_errors(Beatmap(color_notes=notes, bombs=bombs), TEMPO).errors


def test_swings_join_close_notes_and_dots_inherit() -> None:
    notes = (
        ColorNote(0, 2, 0, 1, DOT),
        ColorNote(1 / 16, 2, 1, 1, DOWN),
        ColorNote(3 / 16, 2, 2, 1, DOT),
        ColorNote(0, 1, 0, 0, UP),
        ColorNote(1, 2, 0, 1, DOT),
    )
    first, second = build_swings(notes, 1)
    assert (first.beat, first.end_beat, first.direction, first.notes) == (0, 3 / 16, DOWN, 3)
    assert (second.direction, second.notes) == (DOT, 1)
    assert len(build_swings(notes, 0)) == 1
    assert build_swings((), 0) == ()


def test_alternation_is_clean_for_both_hands() -> None:
    for color in (0, 1):
        assert _errors(_stream(DOWN, UP, DOWN, UP, DOWN, color=color)) == 0
        assert _errors(_stream(DOWN, DOT, DOWN, DOT, DOT, UP, color=color)) == 0


def test_the_same_way_twice_is_an_error_with_its_place() -> None:
    report = parity_errors(Beatmap(color_notes=_stream(DOWN, UP, UP, DOWN, UP)), TEMPO)
    assert report.where == ((1.0, 1),)
    assert (report.errors, report.swings, report.notes) == (1, 5, 5)
    assert report.per_100_notes == 20.0


def test_an_error_resets_the_hand() -> None:
    assert _errors(_stream(DOWN, DOWN, DOWN, UP, DOWN)) == 2


def test_the_first_arrow_decides_the_opening() -> None:
    assert _errors(_stream(DOT, DOWN, UP)) == 0
    assert _errors(_stream(UP, DOWN, UP)) == 0


def test_sides_are_mirrored() -> None:
    assert _errors(_stream(DOWN, RIGHT, LEFT, UP, color=1)) == 0
    assert _errors(_stream(DOWN, LEFT, RIGHT, UP, color=0)) == 0
    report = parity_errors(Beatmap(color_notes=_stream(DOWN, LEFT, DOWN)), TEMPO)
    assert (report.errors, report.borderline) == (0, 1)
    assert (
        parity_errors(Beatmap(color_notes=_stream(DOWN, LEFT, DOWN, color=0)), TEMPO).borderline
        == 0
    )


def test_a_long_pause_resets_freely() -> None:
    near, far = _stream(DOWN, DOWN, step=1.4), _stream(DOWN, DOWN, step=1.6)
    assert (_errors(near), _errors(far)) == (1, 0)
    report = parity_errors(Beatmap(color_notes=near), TEMPO, reset_seconds=0.5)
    assert report.errors == 0


def test_bombs_reset() -> None:
    notes = _stream(DOWN, DOWN, UP, step=1.0)
    assert _errors(notes) == 1
    report = parity_errors(Beatmap(color_notes=notes, bombs=(Bomb(0.6, 2, 0),)), TEMPO)
    assert (report.errors, report.resets) == (0, 1)
    assert _errors(notes, (Bomb(0.6, 3, 0),)) == 1  # an outer lane
    assert _errors(notes, (Bomb(0.1, 2, 0),)) == 1  # too soon after the swing
    assert _errors(_stream(DOWN, UP, UP, step=1.0), (Bomb(1.5, 1, 2),)) == 0


def test_one_hand_does_not_disturb_the_other_and_empty_is_clean() -> None:
    both = _stream(DOWN, UP, DOWN) + _stream(UP, DOWN, UP, color=0)
    assert _errors(both) == 0
    empty = parity_errors(Beatmap(), TEMPO)
    assert (empty.errors, empty.swings, empty.per_100_notes) == (0, 0, 0.0)
