"""How often arcs, chains, bombs and walls are used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from map_kit import notes_at, random_map

from saberlm.eval.objects import (
    ObjectReference,
    ObjectUse,
    human_objects,
    object_use,
    write_references,
)
from saberlm.prompts.beatmap import DIFFICULTIES, Arc, Beatmap, Bomb, Chain, Obstacle
from saberlm.prompts.mirror import mirror

ARC = Arc(0.0, 0, 0, 0, 1, 1.0, 0, 2, 0)
CHAIN = Chain(0.0, 1, 2, 0, 1, 0.25, 1, 0, 3)


def test_use() -> None:
    notes = notes_at(*range(50)).color_notes
    use = object_use(Beatmap(color_notes=notes, arcs=(ARC,), chains=(CHAIN,) * 2))
    assert use.counts == {"arcs": 1, "chains": 2, "bombs": 0, "walls": 0}
    assert use.per_100_notes == {"arcs": 2.0, "chains": 4.0, "bombs": 0.0, "walls": 0.0}
    assert object_use(mirror(random_map(1))) == object_use(random_map(1))


def test_what_the_game_cannot_play_is_not_counted() -> None:
    bombs = (Bomb(1.0, 1, 1), Bomb(1.0, 4000, 1))
    walls = (Obstacle(1.0, 0, 0, 1.0, 1, 5), Obstacle(1.0, 0, 0, -3.0, 1, 5))
    use = object_use(Beatmap(bombs=bombs, obstacles=walls))
    assert (use.counts["bombs"], use.counts["walls"], use.per_100_notes["bombs"]) == (1, 1, None)


def bombs(*numbers: int, notes: int = 100) -> list[ObjectUse]:
    """Maps of so many bombs."""
    colored = notes_at(*range(notes)).color_notes
    each = (tuple(Bomb(float(i), 1, 0) for i in range(n)) for n in numbers)
    return [object_use(Beatmap(color_notes=colored, bombs=one)) for one in each]


def test_rates_and_percentiles() -> None:
    maps = bombs(0, 10, 20, 30)
    human = ObjectReference.from_uses(maps)
    spread = human.spread()
    assert spread["bombs"].share_of_maps == 0.75
    assert spread["bombs"].median == 20
    assert (spread["arcs"].share_of_maps, spread["arcs"].median) == (0, None)
    found = human.percentiles(maps[2])
    assert found["bombs"] == pytest.approx(0.625)  # two use less, one as many, one more
    assert found["arcs"] == 0.5
    thirds = bombs(1, notes=3)
    assert ObjectReference.from_uses(thirds).percentiles(thirds[0])["bombs"] == 0.5


def test_edges() -> None:
    nothing = ObjectReference.from_uses([])
    assert nothing.spread()["walls"].share_of_maps is None
    empty = object_use(Beatmap())
    assert nothing.percentiles(empty) == dict.fromkeys(empty.counts)
    some = object_use(replace(notes_at(1), bombs=(Bomb(1.0, 1, 0),)))
    # a map without notes has no rate, and is none to measure against
    assert ObjectReference.from_uses([empty]).percentiles(some)["bombs"] is None
    assert ObjectReference.from_uses([some]).percentiles(empty)["bombs"] is None


def test_references_are_kept(tmp_path: Path) -> None:
    human, path = ObjectReference.from_uses(bombs(0, 7)), tmp_path / "human.json"
    write_references(path, {"Hard": human})
    assert human_objects("Hard", path) == human
    assert human_objects("Easy", path) is None
    assert human_objects("Hard", tmp_path / "missing.json") is None


def test_what_ships_knows_every_difficulty() -> None:
    for name in DIFFICULTIES:
        human = human_objects(name)
        assert human is not None
        assert human.percentiles(object_use(random_map(1)))["bombs"] > 0.5
