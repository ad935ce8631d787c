"""Rules about hitboxes: the smallest map that breaks each and the nearest that does not."""

from __future__ import annotations

import pytest
from rule_kit import (
    BLUE,
    DOT,
    DOWN,
    DOWN_LEFT,
    DOWN_RIGHT,
    LEFT,
    RED,
    RIGHT,
    UP,
    UP_LEFT,
    broken,
    notes,
)

from saberlm.eval.playability_hitbox import (
    FusedObjects,
    HitboxInline,
    HitboxPath,
    HitboxReverseStaircase,
    HitboxStaircase,
    InlineAngle,
    ShradoAngle,
    StackedObjects,
)
from saberlm.eval.playability_scene import SetUp
from saberlm.prompts.beatmap import Beatmap, Bomb, ColorNote

Place = tuple[int, int, int, int]


@pytest.mark.parametrize(
    ("gap", "x", "found"), [(0, 2, 1), (0.009, 2, 1), (0.011, 2, 0), (0, 1, 0)]
)
def test_one_object_in_a_cell(gap: float, x: int, found: int) -> None:
    both = notes((0, 2, 0, BLUE, DOT), (gap, x, 0, RED, DOT))
    assert len(broken(both, [StackedObjects()])) == found
    bomb = Beatmap((ColorNote(0, 2, 0, BLUE, DOT),), bombs=(Bomb(gap, x, 0),))
    assert len(broken(bomb, [StackedObjects()])) == found


@pytest.mark.parametrize(("gap", "found"), [(0.019, 1), (0.021, 0)])
def test_bombs_in_one_cell(gap: float, found: int) -> None:
    bombs = Beatmap(bombs=(Bomb(0, 1, 1), Bomb(gap, 1, 1)))
    assert len(broken(bombs, [StackedObjects()])) == found


@pytest.mark.parametrize(
    ("gap", "njs", "found"),
    [(0.04, 10, 1), (0.051, 10, 0), (0.04, 15, 0), (0.04, None, 0), (0.0, 10, 0), (0.04, 0, 1)],
)
def test_objects_do_not_fuse(gap: float, njs: float | None, found: int) -> None:
    """Half a metre: 50 ms at 10 m/s. A level that says 0 has the game's 12 on Expert."""
    both = notes((0, 2, 0, BLUE, DOWN), (gap, 2, 0, RED, DOWN))
    assert len(broken(both, [FusedObjects()], set_up=SetUp(njs))) == found
    bombs = Beatmap(bombs=(Bomb(0, 1, 1), Bomb(gap, 1, 1)))
    assert broken(bombs, [FusedObjects()], set_up=SetUp(njs)) == {}


@pytest.mark.parametrize(
    ("gap", "x", "direction", "found"),
    [
        (0.15, 2, LEFT, 1),
        (0.16, 2, LEFT, 0),
        (0.15, 2, UP_LEFT, 0),
        (0.15, 2, UP, 0),
        (0.15, 1, LEFT, 0),
        (0.15, 2, DOT, 0),
    ],
)
def test_inline_notes_are_met_swinging_back(gap: float, x: int, direction: int, found: int) -> None:
    beatmap = notes((0, 2, 0, BLUE, DOWN), (gap, x, 0, BLUE, direction))
    assert len(broken(beatmap, [InlineAngle()])) == found


@pytest.mark.parametrize(
    ("gap", "color", "x", "njs", "found"),
    [
        (0.14, RED, 2, None, 1),
        (0.16, RED, 2, None, 0),
        (0.14, BLUE, 2, None, 0),
        (0.14, RED, 1, None, 0),
        (0.16, RED, 2, 8.0, 1),  # 1.28 m
        (0.14, RED, 2, 12.0, 0),  # 1.68 m
        (0.0, RED, 2, None, 0),
    ],
)
def test_room_behind_a_note(gap: float, color: int, x: int, njs: float | None, found: int) -> None:
    beatmap = notes((0, 2, 0, BLUE, DOWN), (gap, x, 0, color, UP))
    assert len(broken(beatmap, [HitboxInline()], set_up=SetUp(njs))) == found


@pytest.mark.parametrize(
    ("first", "later", "gap", "found"),
    [
        ((2, 1, BLUE, DOWN), (2, 0, RED, DOWN), 0.125, 1),
        ((2, 1, BLUE, DOWN), (2, 0, RED, DOT), 0.125, 1),
        ((2, 1, BLUE, DOWN), (1, 0, RED, DOWN), 0.125, 0),
        ((2, 1, BLUE, DOWN), (2, 2, RED, DOWN), 0.125, 0),
        ((2, 1, BLUE, DOWN_LEFT), (1, 0, RED, DOWN), 0.125, 1),
        ((2, 1, BLUE, DOT), (2, 0, RED, DOWN), 0.125, 0),
        ((2, 1, BLUE, DOWN), (2, 0, RED, DOWN), 0.15, 0),
        ((2, 1, BLUE, DOWN), (2, 0, RED, DOWN), 0.0, 0),
    ],
)
def test_room_to_follow_through(first: Place, later: Place, gap: float, found: int) -> None:
    beatmap = notes((0, *first), (gap, *later))
    assert len(broken(beatmap, [HitboxStaircase()])) == found


def test_a_double_is_no_staircase() -> None:
    double = notes((0, 2, 1, BLUE, DOWN), (0.125, 2, 0, RED, DOWN), (0.125, 3, 0, BLUE, UP))
    assert broken(double, [HitboxStaircase()]) == {}


def test_a_saber_that_has_gone_on_is_no_staircase() -> None:
    """The pace of the hand before: it will be elsewhere by then."""
    run = notes((0, 3, 1, BLUE, UP), (0.14, 2, 1, BLUE, DOWN), (0.26, 2, 0, RED, DOWN))
    assert len(broken(run, [HitboxStaircase()])) == 1
    late = notes((0, 3, 1, BLUE, UP), (0.14, 2, 1, BLUE, DOWN), (0.285, 2, 0, RED, DOWN))
    assert broken(late, [HitboxStaircase()]) == {}


@pytest.mark.parametrize(
    ("first", "later", "gap", "found"),
    [
        ((2, 1, BLUE, UP), (2, 0, RED, DOWN), 0.1, 1),
        ((2, 1, BLUE, UP), (2, 0, RED, UP), 0.1, 0),
        ((2, 2, BLUE, UP), (2, 0, RED, DOWN), 0.1, 0),  # two cells away
        ((2, 1, BLUE, UP), (1, 0, RED, DOWN), 0.1, 0),
        ((2, 1, BLUE, UP), (1, 0, RED, DOWN_LEFT), 0.1, 1),
        ((2, 1, BLUE, UP), (2, 0, BLUE, DOWN), 0.13, 0),
        ((2, 1, BLUE, UP), (2, 0, RED, DOWN), 0.12, 0),
        ((2, 1, BLUE, UP), (2, 0, RED, DOT), 0.1, 0),
    ],
)
def test_room_to_swing(first: Place, later: Place, gap: float, found: int) -> None:
    beatmap = notes((0, *first), (gap, *later))
    assert len(broken(beatmap, [HitboxReverseStaircase()])) == found


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ((1, 1, RED, LEFT), (2, 1, BLUE, DOWN), 1),  # red comes through blue
        ((0, 1, RED, LEFT), (2, 1, BLUE, DOWN), 1),
        ((0, 1, RED, LEFT), (3, 1, BLUE, DOWN), 0),
        ((1, 1, RED, RIGHT), (2, 1, BLUE, DOWN), 0),
        ((1, 1, RED, LEFT), (2, 0, BLUE, DOWN), 0),
        ((1, 1, RED, LEFT), (2, 1, RED, LEFT), 0),
        ((1, 1, RED, DOT), (2, 1, BLUE, DOWN), 0),
    ],
)
def test_a_free_way_to_the_note(first: Place, second: Place, found: int) -> None:
    assert len(broken(notes((0, *first), (0, *second)), [HitboxPath()])) == found
    assert broken(notes((0, *first), (0.5, *second)), [HitboxPath()]) == {}


@pytest.mark.parametrize(("x", "found"), [(2, 1), (0, 0)])
def test_a_bomb_on_the_way(x: int, found: int) -> None:
    beatmap = Beatmap((ColorNote(0, 1, 1, RED, LEFT),), bombs=(Bomb(0, x, 1),))
    assert len(broken(beatmap, [HitboxPath()])) == found


@pytest.mark.parametrize(
    ("before", "x", "direction", "gap", "found"),
    [
        (DOWN_RIGHT, 0, UP, 0.25, 1),
        (DOWN_RIGHT, 1, UP, 0.25, 0),  # over two lanes alone
        (DOWN_RIGHT, 0, UP, 0.3, 0),
        (DOWN_LEFT, 0, UP, 0.25, 0),
        (DOWN_RIGHT, 0, UP_LEFT, 0.25, 0),
    ],
)
def test_a_curve_the_arm_can_follow(
    before: int, x: int, direction: int, gap: float, found: int
) -> None:
    beatmap = notes((0, 2, 0, RED, before), (gap, x, 0, RED, direction))
    assert len(broken(beatmap, [ShradoAngle()])) == found
