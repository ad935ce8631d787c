"""How often arcs, chains, bombs and walls are used."""

from __future__ import annotations

from dataclasses import replace

import pytest
from map_kit import notes_at, random_map

from saberlm.eval.objects import object_percentiles, object_rates, object_use
from saberlm.prompts.beatmap import Arc, Beatmap, Bomb, Chain, Obstacle
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


def test_rates_and_percentiles() -> None:
    notes = notes_at(*range(100)).color_notes
    maps = [
        object_use(Beatmap(color_notes=notes, bombs=tuple(Bomb(float(i), 1, 0) for i in range(n))))
        for n in (0, 10, 20, 30)
    ]
    rates = object_rates(maps)
    assert rates["bombs"].share_of_maps == 0.75
    assert rates["bombs"].median == 20
    assert (rates["arcs"].share_of_maps, rates["arcs"].median) == (0, None)
    found = object_percentiles(maps[2], maps)
    assert found["bombs"] == pytest.approx(0.625)  # two use less, one as many, one more
    assert found["arcs"] == 0.5


def test_edges() -> None:
    assert object_rates([])["walls"].share_of_maps is None
    empty = object_use(Beatmap())
    assert object_percentiles(empty, [empty]) == dict.fromkeys(empty.counts)
    some = object_use(replace(notes_at(1), bombs=(Bomb(1.0, 1, 0),)))
    assert object_percentiles(some, [empty])["bombs"] is None
    # bombs without notes are used, at no rate
    bombs = object_use(Beatmap(bombs=(Bomb(1.0, 1, 0),)))
    rates = object_rates([bombs])["bombs"]
    assert (rates.share_of_maps, rates.median) == (1.0, None)
