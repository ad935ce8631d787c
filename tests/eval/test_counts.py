"""Counts of a small difficulty worked out by hand."""

from __future__ import annotations

import pytest

from saberlm.eval.counts import ObjectCounts, count_objects
from saberlm.prompts.beatmap import Beatmap, Bomb, BpmEvent, ColorNote, LightEvent
from saberlm.prompts.tempo import TempoMap

TEMPO = TempoMap(120.0)


def test_counts_by_hand() -> None:
    notes = (
        ColorNote(4, 1, 0, 0, 1),
        ColorNote(4, 2, 0, 1, 1),
        ColorNote(6, 1, 0, 0, 0),
        ColorNote(24, 3, 2, 1, 8),
    )
    lights = (
        LightEvent(0, 1, 3),  # before the first note's bar
        LightEvent(5, 1, 0),  # off
        LightEvent(9, 8, 0),  # a ring
        LightEvent(13, 0, 5),
        LightEvent(14, 1, 5),
        LightEvent(24, 4, 1),
    )
    found = count_objects(Beatmap(color_notes=notes, bombs=(Bomb(1, 0, 0),), lights=lights), TEMPO)
    assert (found.notes, found.bombs, found.lights) == (4, 1, 6)
    assert found.seconds == pytest.approx(10.0)
    assert found.nps == pytest.approx(0.4)
    assert found.peak_nps == pytest.approx(0.75)
    assert (found.red_share, found.blue_share) == (0.5, 0.5)
    assert (found.cells, found.distinct_directions) == (3, 3)
    assert found.doubles_share == pytest.approx(1 / 3)
    assert found.lit_bar_share == pytest.approx(2 / 6)
    assert found.directions["DOWN"] == 2
    assert found.directions["LEFT"] == 0
    assert sum(found.directions.values()) == 4


def test_edges() -> None:
    nothing = count_objects(Beatmap(), TEMPO)
    assert nothing.directions == dict.fromkeys(nothing.directions, 0)
    assert {**nothing.to_dict(), "directions": {}} == ObjectCounts().to_dict()
    one = count_objects(Beatmap(color_notes=(ColorNote(4, 1, 0, 0, 1),)), TEMPO)
    assert (one.nps, one.red_share, one.blue_share) == (0.0, 1.0, 0.0)


def test_tempo_changes_count_in_seconds() -> None:
    notes = (ColorNote(0, 1, 0, 0, 1), ColorNote(8, 1, 0, 0, 1))
    tempo = TempoMap(120.0, (BpmEvent(4, 60),))
    assert count_objects(Beatmap(color_notes=notes), tempo).seconds == pytest.approx(6.0)
