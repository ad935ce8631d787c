"""Rules about walls: the smallest map that breaks each and the nearest that does not."""

from __future__ import annotations

import pytest
from rule_kit import broken

from saberlm.eval.playability_walls import (
    WALL_RULES,
    CrouchAgain,
    ManyDodges,
    WallCentre,
    WallDamage,
    WallShort,
)
from saberlm.prompts.beatmap import Beatmap, Obstacle


def walls(*each: tuple[float, int, int, float, int, int]) -> Beatmap:
    return Beatmap(obstacles=tuple(Obstacle(*one) for one in sorted(each)))


def full(beat: float, x: int, width: int = 1, seconds: float = 1.0) -> tuple:
    return (beat, x, 0, seconds, width, 5)


def crouch(beat: float, seconds: float = 0.5, x: int = 0, width: int = 4) -> tuple:
    return (beat, x, 2, seconds, width, 3)


@pytest.mark.parametrize(
    ("each", "found"),
    [
        ((full(0, 0, 4),), {"wall damage": 1}),
        ((full(0, 0, 2), full(0.5, 2, 2)), {"wall damage": 1}),
        ((full(0, 0, 2), full(1.1, 2, 2)), {"wall centre": 1}),  # gone, but only just
        ((full(0, 0, 2), full(1.3, 2, 2)), {}),
        ((full(0, 0, 3),), {"wall centre": 1}),
        ((full(0, 1, 2),), {"wall centre": 1}),
        ((full(0, 1), full(0.5, 2)), {"wall centre": 1}),
        ((full(0, 1), full(1.2, 2)), {"wall centre": 1}),
        ((full(0, 1), full(1.3, 2)), {}),
        ((full(0, 0, 2),), {}),
        ((full(0, 0), full(0, 3)), {}),
        (((0, 1, 0, 1.0, 2, 1),), {}),  # a rail on the floor
        ((crouch(0),), {}),
        ((full(0, 0, 2), crouch(0.5)), {}),
    ],
)
def test_a_way_past_the_walls(each: tuple, found: dict[str, int]) -> None:
    assert broken(walls(*each), [WallDamage(), WallCentre()]) == found


@pytest.mark.parametrize(
    ("each", "found"),
    [
        ((full(0, 1, 1, 0.014),), 1),
        ((full(0, 1, 1, 0.016),), 0),
        ((full(0, 0, 1, 0.01),), 0),  # not in the way
        ((full(0, 0, 2, 0.01),), 1),
        ((full(0, 1, 1, 1.0), full(0.5, 1, 1, 0.01)), 0),  # within another
        ((full(0, 1, 1, 1.0), full(1.0, 1, 1, 0.01)), 1),
        ((crouch(0, 0.01),), 1),
    ],
)
def test_walls_last(each: tuple, found: int) -> None:
    assert len(broken(walls(*each), [WallShort()])) == found


@pytest.mark.parametrize(
    ("gap", "difficulty", "found"),
    [
        (2.9, "Expert", 1),
        (3.0, "Expert", 0),
        (2.9, "ExpertPlus", 0),
        (1.9, "ExpertPlus", 1),
        (0.2, "Expert", 0),  # one crouch
    ],
)
def test_time_to_stand_up(gap: float, difficulty: str, found: int) -> None:
    twice = walls(crouch(0), crouch(0.5 + gap))
    assert len(broken(twice, [CrouchAgain()], difficulty=difficulty)) == found
    aside = walls(crouch(0), crouch(0.5 + gap, x=0, width=2))
    assert broken(aside, [CrouchAgain()], difficulty=difficulty) == {}


@pytest.mark.parametrize(("gap", "found"), [(0.28, 1), (0.29, 0)])
def test_dodges_a_second(gap: float, found: int) -> None:
    """Four dodges need 3 / 3.5 s = 0.857 s."""
    dodges = walls(*(full(i * gap, 1 + i % 2, 1, 0.1) for i in range(5)))
    assert len(broken(dodges, [ManyDodges()])) == found
    one_side = walls(*(full(i * gap, 1, 1, 0.1) for i in range(5)))
    assert broken(one_side, [ManyDodges()]) == {}


def test_no_walls_break_nothing() -> None:
    assert broken(Beatmap(), WALL_RULES) == {}
