"""Tables of rates: groups are compared difficulty by difficulty, beyond the noise or not."""

from __future__ import annotations

import numpy as np
import pytest
from map_kit import TEMPO, random_map

from saberlm.eval.objects import ObjectReference, object_use
from saberlm.eval.rate_table import (
    RatedMap,
    comparison_table,
    difference,
    halves_table,
    objects_table,
    spread_table,
)
from saberlm.eval.style import StyleReference


def maps(rate: float, difficulty: str, number: int, name: str, spread: float = 0.1) -> list:
    rng = np.random.default_rng(number)
    return [
        RatedMap(f"{name}{i}", difficulty, None, {"per_100:parity": rate + spread * rng.normal()})
        for i in range(number)
    ]


def test_harder_maps_are_not_taken_for_worse_ones() -> None:
    """One group is mostly of the difficulty with more findings; in each it does better."""
    first = maps(1, "Easy", 5, "a") + maps(5, "Expert", 40, "b")
    second = maps(2, "Easy", 40, "c") + maps(6, "Expert", 5, "d")
    found = difference(first, second, "per_100:parity")
    assert found is not None
    assert found.first - found.second == pytest.approx(-1, abs=0.2)
    assert found.low < -1 < found.high < 0
    assert found.first == pytest.approx((5 * 1 + 40 * 5) / 45, abs=0.1)


def test_noise_is_no_difference() -> None:
    first, second = maps(3, "Hard", 20, "a", 2), maps(3, "Hard", 21, "b", 2)
    found = difference(first, second, "per_100:parity")
    assert found is not None
    assert found.low < 0 < found.high
    (row,) = comparison_table(first, second, ["per_100:parity"], ("good", "rest"))[2:]
    assert row.startswith("| `parity` |")
    assert row.endswith("|  |")


def test_the_edges() -> None:
    assert difference([], [], "per_100:parity") is None
    assert difference(maps(1, "Easy", 3, "a"), maps(1, "Hard", 3, "b"), "per_100:parity") is None
    assert difference(maps(1, "Easy", 3, "a"), maps(1, "Easy", 3, "b"), "no such metric") is None
    assert len(spread_table([], ["per_100:parity"], clean=True)) == 3


def test_spread() -> None:
    rows = [RatedMap(str(i), "Easy", None, {"a": float(i), "b": 0.0, "c": None}) for i in range(11)]
    lines = spread_table(rows, ["a", "b", "c"], clean=True)
    assert lines[0] == "|  | Easy (11) |"
    assert lines[2:] == ["| `a` | 5 [1, 9], 9% |", "| `b` | 0 |", "| `c` | - |"]
    assert spread_table(rows, ["a"], clean=False)[2] == "| `a` | 5 [1, 9] |"


def test_objects_and_halves_by_difficulty() -> None:
    maps = [random_map(seed, 40) for seed in range(20)]
    human = ObjectReference.from_uses(map(object_use, maps))
    table = "\n".join(objects_table({"Hard": human, "Expert": ObjectReference.from_uses([])}))
    assert "| arcs | 0% | - |" in table
    assert "| bombs | 100%, " in table
    lines = halves_table({"Hard": StyleReference.from_maps((one, TEMPO) for one in maps)})
    half, few = (line.split(" | ") for line in lines[2:])
    assert (half[1], few[1]) == ("10 of 20", "8 of 20")
    assert 0 < float(half[2]) < 1  # cells
