"""Each playability rule on the smallest patterns that break it and that do not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saberlm.eval.playability import judge_playability
from saberlm.eval.playability_rules import (
    RULES,
    HammerHit,
    Handclap,
    Loloppe,
    ParityBreak,
    SwingCollision,
    VisionBlock,
    WallBlocked,
)
from saberlm.prompts.beatmap import DIFFICULTIES, Beatmap, Bomb, ColorNote, CutDirection, Obstacle
from saberlm.prompts.mirror import mirror
from saberlm.prompts.tempo import TempoMap

UP, DOWN, LEFT, RIGHT = (int(one) for one in list(CutDirection)[:4])
UP_LEFT, UP_RIGHT, DOWN_LEFT, DOWN_RIGHT, DOT = (int(one) for one in list(CutDirection)[4:])
RED, BLUE = 0, 1
TEMPO = TempoMap(120.0)


def _broken(beatmap: Beatmap, difficulty: str = "Expert") -> dict[str, int]:
    counts = judge_playability(beatmap, TEMPO, difficulty).counts
    return {rule: count for rule, count in counts.items() if count}


def _notes(*notes: tuple[float, int, int, int, int]) -> Beatmap:
    return Beatmap(tuple(ColorNote(*note) for note in sorted(notes)))


def test_a_hand_must_alternate() -> None:
    twice = _notes((0, 2, 0, BLUE, DOWN), (1, 2, 0, BLUE, DOWN))
    assert _broken(twice) == {ParityBreak.name: 1}
    assert _broken(_notes((0, 2, 0, BLUE, DOWN), (1, 2, 0, BLUE, UP))) == {}


@pytest.mark.parametrize(
    ("first", "second", "broken"),
    [
        ((0, 2, 2, BLUE, DOWN), (1 / 16, 2, 1, BLUE, DOWN), False),
        ((0, 2, 2, BLUE, DOWN), (1 / 16, 2, 1, BLUE, DOT), False),
        ((0, 2, 1, BLUE, DOT), (1 / 16, 2, 2, BLUE, DOT), False),
        ((0, 2, 2, BLUE, DOWN), (1 / 16, 2, 1, BLUE, DOWN_RIGHT), False),
        ((0, 2, 2, BLUE, DOWN), (1 / 16, 2, 1, BLUE, RIGHT), True),  # too sharp a turn
        ((0, 2, 1, BLUE, DOWN), (1 / 16, 2, 2, BLUE, DOWN), True),  # behind
        ((0, 2, 1, BLUE, DOWN), (1 / 16, 3, 1, BLUE, DOWN), True),  # beside
        ((0, 2, 1, BLUE, DOT), (1 / 16, 2, 1, BLUE, DOT), True),  # the same cell
        ((0, 2, 2, BLUE, DOWN), (0, 2, 1, BLUE, DOT), False),
        ((0, 2, 1, BLUE, DOWN), (0, 3, 2, BLUE, DOT), False),  # half off the line still passes
        ((0, 2, 1, BLUE, DOWN), (0, 3, 1, BLUE, DOT), True),  # a dot beside an arrow
        ((0, 2, 1, BLUE, DOT), (0, 3, 1, BLUE, DOT), False),
        ((0, 1, 1, BLUE, DOWN), (0, 1, 2, BLUE, RIGHT), True),
        ((0, 1, 1, BLUE, DOWN), (0, 1, 2, RED, RIGHT), False),  # two hands
    ],
)
def test_one_swing_needs_one_path(
    first: tuple[float, int, int, int, int], second: tuple[float, int, int, int, int], broken: bool
) -> None:
    assert (SwingCollision.name in _broken(_notes(first, second))) is broken


@pytest.mark.parametrize(
    ("first", "second", "broken"),
    [
        ((1, 0, DOWN), (2, 0, DOWN), True),
        ((1, 0, DOWN), (3, 0, DOWN_RIGHT), True),
        ((1, 0, DOWN), (1, 1, DOWN), False),  # a stack
        ((1, 0, DOWN), (2, 2, DOWN), False),  # a slanted window
        ((1, 0, UP_RIGHT), (2, 1, UP_RIGHT), False),
        ((1, 0, UP_LEFT), (2, 1, UP_LEFT), True),
        ((1, 0, DOT), (2, 0, DOT), False),
    ],
)
def test_parallel_arrows(
    first: tuple[int, int, int], second: tuple[int, int, int], broken: bool
) -> None:
    (x, y, d), (x2, y2, d2) = first, second
    assert (_broken(_notes((0, x, y, RED, d), (0, x2, y2, RED, d2))) == {Loloppe.name: 1}) is broken


def test_an_angle_offset_turns_the_arrow() -> None:
    upright = Beatmap((ColorNote(0, 1, 0, RED, DOWN), ColorNote(0, 2, 0, RED, DOWN)))
    turned = Beatmap((ColorNote(0, 1, 0, RED, DOWN, 90), ColorNote(0, 2, 0, RED, DOWN, 90)))
    assert _broken(upright) == {Loloppe.name: 1}
    assert _broken(turned) == {}


@pytest.mark.parametrize(
    ("red", "blue", "broken"),
    [
        ((1, 0, RIGHT), (2, 0, LEFT), True),
        ((1, 0, UP_RIGHT), (2, 0, UP_LEFT), True),
        ((1, 0, UP), (2, 0, UP), False),
        ((1, 0, LEFT), (2, 0, RIGHT), False),  # away from each other
        ((0, 1, RIGHT), (2, 1, LEFT), True),
        ((0, 1, UP_RIGHT), (2, 1, UP_LEFT), False),
        ((0, 1, RIGHT), (3, 1, LEFT), False),  # far enough
        ((1, 2, DOWN), (1, 1, UP), True),
        ((1, 0, UP_RIGHT), (2, 1, DOWN_LEFT), True),
        ((1, 0, RIGHT), (2, 1, LEFT), False),  # past each other in two rows
        ((1, 0, DOT), (2, 0, LEFT), False),
    ],
)
def test_hands_do_not_clap(
    red: tuple[int, int, int], blue: tuple[int, int, int], broken: bool
) -> None:
    (x, y, d), (x2, y2, d2) = red, blue
    together = _notes((0, x, y, RED, d), (0, x2, y2, BLUE, d2))
    assert (Handclap.name in _broken(together)) is broken
    apart = _notes((0, x, y, RED, d), (1 / 4, x2, y2, BLUE, d2))
    assert Handclap.name not in _broken(apart)


@pytest.mark.parametrize(
    ("beat", "x", "color", "difficulty", "broken"),
    [
        (1.0, 1, BLUE, "Expert", True),  # 0.5 s after
        (1.0, 0, BLUE, "Expert", True),
        (1.0, 2, BLUE, "Expert", False),  # the other half
        (1.0, 1, RED, "Expert", False),  # the hand that cuts the first
        (0.125, 1, BLUE, "Expert", False),  # one pattern
        (0.125, 1, BLUE, "Easy", True),
        (1.5, 1, BLUE, "Expert", False),  # 0.75 s: time to read
        (1.5, 1, BLUE, "Hard", True),
        (1.0, 1, BLUE, "ExpertPlus", True),
        (1.25, 1, BLUE, "ExpertPlus", False),
    ],
)
def test_what_a_centre_note_hides(
    beat: float, x: int, color: int, difficulty: str, broken: bool
) -> None:
    beatmap = _notes((0, 1, 1, RED, DOT), (beat, x, 0, color, DOT))
    assert (_broken(beatmap, difficulty) == {VisionBlock.name: 1}) is broken


def test_only_the_latest_centre_note_hides() -> None:
    beatmap = _notes((0, 1, 1, RED, DOT), (0.9, 1, 1, BLUE, DOT), (1.0, 0, 0, BLUE, DOT))
    assert _broken(beatmap) == {VisionBlock.name: 1}, "the second centre note alone is hidden"


@pytest.mark.parametrize(
    ("beat", "x", "y", "broken"),
    [
        (0.0, 2, 0, True),
        (0.25, 2, 0, True),
        (0.3, 2, 0, False),  # room to follow through
        (-0.5, 2, 0, False),
        (0.0, 2, 2, False),  # behind the arrow
        (0.0, 1, 0, False),
    ],
)
def test_no_bomb_where_the_arrow_points(beat: float, x: int, y: int, broken: bool) -> None:
    notes = (ColorNote(1.0, 2, 1, BLUE, DOWN),)
    beatmap = Beatmap(notes, bombs=(Bomb(1.0 + beat, x, y),))
    assert (_broken(beatmap) == {HammerHit.name: 1}) is broken


@pytest.mark.parametrize(
    ("beat", "x", "y", "broken"),
    [
        (1.0, 0, 0, True),
        (2.0, 1, 2, True),
        (3.0, 0, 1, True),
        (0.9, 0, 0, False),
        (3.1, 0, 0, False),
        (2.0, 2, 0, False),
    ],
)
def test_nothing_stands_in_a_wall(beat: float, x: int, y: int, broken: bool) -> None:
    walls = (Obstacle(1.0, 0, 0, 2.0, 2, 5), Obstacle(1.5, 0, 0, 0.1, 1, 1))
    note = Beatmap((ColorNote(beat, x, y, RED, DOT),), obstacles=walls)
    bomb = Beatmap(bombs=(Bomb(beat, x, y),), obstacles=walls)
    for beatmap in (note, bomb):
        assert (_broken(beatmap) == {WallBlocked.name: 1}) is broken


def test_a_crouch_wall_covers_the_top_row_alone() -> None:
    wall = (Obstacle(0.0, 0, 2, 4.0, 4, 3),)
    notes = tuple(ColorNote(1.0, 2, y, BLUE, UP) for y in range(3))
    assert _broken(Beatmap(notes, obstacles=wall)) == {WallBlocked.name: 1}


def test_the_report_counts_places_and_names() -> None:
    beatmap = _notes((0, 1, 0, RED, DOWN), (0, 2, 0, RED, DOWN), (4, 1, 0, RED, DOWN))
    report = judge_playability(beatmap, TEMPO, "Hard")
    assert list(report.counts) == [rule.name for rule in RULES]
    assert report.per_100_notes[Loloppe.name] == pytest.approx(100 / 3)
    (finding,) = report.findings
    assert (finding.beat, finding.rule, finding.color, finding.x) == (
        0,
        Loloppe.name,
        RED,
        1,
    )  # the outer one
    assert report.to_dict()["total"] == 1
    assert judge_playability(Beatmap(), TEMPO, "Easy").per_100_notes[Loloppe.name] == 0
    with pytest.raises(ValueError, match="expected one of Easy"):
        judge_playability(beatmap, TEMPO, "Expert+")


_CELLS = st.tuples(st.integers(0, 3), st.integers(0, 2))
_TICKS = st.integers(0, 40).map(lambda tick: tick / 8)
_NOTE = st.tuples(_TICKS, _CELLS, st.integers(0, 1), st.integers(0, 8), st.sampled_from([0, 30]))
_BOMB = st.tuples(_TICKS, _CELLS)
_WALL = st.tuples(_TICKS, _CELLS, st.integers(1, 96), st.integers(1, 4), st.integers(1, 5))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(_NOTE, max_size=60),
    st.lists(_BOMB, max_size=20),
    st.lists(_WALL, max_size=3),
    st.sampled_from(DIFFICULTIES),
)
def test_a_mirror_image_breaks_the_same_rules(
    notes: list[tuple[float, tuple[int, int], int, int, int]],
    bombs: list[tuple[float, tuple[int, int]]],
    walls: list[tuple[float, tuple[int, int], int, int, int]],
    difficulty: str,
) -> None:
    unique = {(beat, cell): (color, d, a) for beat, cell, color, d, a in notes}
    beatmap = Beatmap(
        tuple(sorted(ColorNote(b, *cell, *rest) for (b, cell), rest in unique.items())),
        bombs=tuple(sorted(Bomb(beat, *cell) for beat, cell in set(bombs))),
        obstacles=tuple(
            sorted(
                Obstacle(beat, x, y, length / 48, min(width, 4 - x), min(height, 5 - y))
                for beat, (x, y), length, width, height in walls
            )
        ),
    )
    counts = judge_playability(beatmap, TEMPO, difficulty).counts
    mirrored = judge_playability(mirror(beatmap), TEMPO, difficulty).counts
    assert counts == mirrored
