"""Corruptions change what they say, and nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from itertools import pairwise

import pytest
from map_kit import TEMPO, notes_at, random_map

from saberlm.eval.corruptions import CORRUPTIONS, SHIFT_SECONDS
from saberlm.prompts.beatmap import Arc, Beatmap, BpmEvent, Chain, ColorNote
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.vanilla import vanilla

HUMAN = random_map(5, 160)


@pytest.fixture(params=CORRUPTIONS)
def name(request) -> str:
    return request.param


def test_pure_and_seeded(name: str) -> None:
    before = repr(HUMAN)
    one, again = (CORRUPTIONS[name](HUMAN, TEMPO, 3) for _ in range(2))
    assert one == again != HUMAN
    assert repr(HUMAN) == before


def test_still_sorted_and_playable(name: str) -> None:
    corrupted = CORRUPTIONS[name](HUMAN, TEMPO, 1)
    assert vanilla(corrupted)[1] == Counter()
    for each in fields(Beatmap):
        things = getattr(corrupted, each.name)
        if isinstance(things, tuple) and things and hasattr(things[0], "beat"):
            assert list(things) == sorted(things)
    if name != "strip lights":
        assert corrupted.lights == HUMAN.lights


@pytest.mark.parametrize("beats", [(), (4,), (4, 4.5)])
def test_edges(name: str, beats: tuple[float, ...]) -> None:
    assert isinstance(CORRUPTIONS[name](notes_at(*beats), TEMPO, 0), Beatmap)


def test_a_stray_note_far_off(name: str) -> None:
    CORRUPTIONS[name](notes_at(0, 1, 2, 1e9), TEMPO, 0)


def _facts(beatmap: Beatmap, *names: str) -> Counter[tuple[object, ...]]:
    return Counter(tuple(getattr(n, one) for one in names) for n in beatmap.color_notes)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("mirror one hand", ("beat", "y", "color")),
        ("shuffle directions", ("beat", "x", "y", "color")),
        ("shuffle directions", ("direction", "color")),
        ("random cells", ("beat", "color", "direction")),
        ("shuffle bars", ("x", "y", "color", "direction")),
        ("off beat", ("x", "y", "color", "direction")),
        ("break parity", ("beat", "x", "y", "color")),
        ("strip lights", ("beat", "x", "y", "color", "direction")),
    ],
)
def test_what_stays(name: str, kept: tuple[str, ...]) -> None:
    assert _facts(CORRUPTIONS[name](HUMAN, TEMPO, 2), *kept) == _facts(HUMAN, *kept)


def test_shift_is_in_seconds() -> None:
    tempo = TempoMap(60.0, (BpmEvent(10.0, 240.0),))
    moved = CORRUPTIONS["shift by 60 ms"](notes_at(2, 20), tempo, 0)
    for note, beat in zip(moved.color_notes, (2, 20), strict=True):
        late = tempo.to_seconds(note.beat) - tempo.to_seconds(float(beat))
        assert late == pytest.approx(SHIFT_SECONDS)


def test_how_many() -> None:
    even = notes_at(*range(101))
    assert len(CORRUPTIONS["thin by half"](even, TEMPO, 0).color_notes) == 51
    assert len(CORRUPTIONS["double"](even, TEMPO, 0).color_notes) == 201
    pause = CORRUPTIONS["double"](notes_at(0, 1, 9), TEMPO, 0)
    assert [n.beat for n in pause.color_notes] == [0, 0.5, 1, 9]


def test_random_cells_do_not_meet() -> None:
    corrupted = CORRUPTIONS["random cells"](HUMAN, TEMPO, 0)
    assert max(_facts(corrupted, "beat", "x", "y").values()) == 1


def test_repeated_bar() -> None:
    corrupted = CORRUPTIONS["repeat one bar"](HUMAN, TEMPO, 0)
    bars: dict[int, set[ColorNote]] = {}
    for note in corrupted.color_notes:
        bar = int(note.beat // 4)
        bars.setdefault(bar, set()).add(replace(note, beat=note.beat - 4 * bar))
    assert len(bars) == 20
    assert len({frozenset(bar) for bar in bars.values()}) == 1


def test_parity_repeats_the_direction_before() -> None:
    notes = tuple(ColorNote(float(i), 2, 0, 1, i % 2) for i in range(200))
    turns = [n.direction for n in CORRUPTIONS["break parity"](Beatmap(notes), TEMPO, 0).color_notes]
    same = sum(a == b for a, b in pairwise(turns))
    assert 60 < same < 180


def test_arcs_and_chains_follow_their_notes(name: str) -> None:
    notes = (ColorNote(4.0, 1, 0, 0, 1), ColorNote(8.0, 2, 2, 1, 1), ColorNote(14.0, 0, 2, 0, 0))
    arc = Arc(4.0, 1, 0, 0, 1, 14.0, 0, 2, 0)
    chain = Chain(8.0, 2, 2, 1, 1, 8.5, 2, 0, 3)
    human = Beatmap(color_notes=notes, arcs=(arc,), chains=(chain,))
    for seed in range(8):
        found = CORRUPTIONS[name](human, TEMPO, seed)
        heads = {(n.beat, n.x, n.y, n.color, n.direction) for n in found.color_notes}
        for each in (*found.arcs, *found.chains):
            assert (each.beat, each.x, each.y, each.color, each.direction) in heads
        if name not in ("thin by half", "repeat one bar"):
            assert (len(found.arcs), len(found.chains)) == (1, 1)
        for each in found.chains:
            assert each.tail_beat - each.beat == pytest.approx(0.5)
