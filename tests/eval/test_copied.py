"""Shared runs of notes with indexed maps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from map_kit import TEMPO, notes_at, random_map

from saberlm.eval.copied import GRAM_NOTES, MAX_PLACES, PatternIndex
from saberlm.prompts.beatmap import Beatmap, ColorNote
from saberlm.prompts.mirror import mirror
from saberlm.prompts.tempo import TempoMap

INDEX = PatternIndex.from_maps((f"song {seed}", random_map(seed), TEMPO) for seed in range(3))


def test_a_copy_is_found_with_its_source() -> None:
    human = random_map(1)
    found = INDEX.copied(human, TEMPO)
    assert (found.longest_run, found.source) == (len(human.color_notes), "song 1")
    assert found.share_in_long_runs == 1.0


@pytest.mark.parametrize("change", ["later", "mirror", "half tempo"])
def test_a_disguised_copy(change: str) -> None:
    human, tempo = random_map(2), TEMPO
    if change == "mirror":
        copy = mirror(human)
    elif change == "later":
        notes = tuple(replace(n, beat=n.beat + 7.5) for n in human.color_notes)
        copy = Beatmap(color_notes=notes)
    else:
        notes = tuple(replace(n, beat=n.beat / 2) for n in human.color_notes)
        copy, tempo = Beatmap(color_notes=notes), TempoMap(60.0)
    found = INDEX.copied(copy, tempo)
    assert found.longest_run == len(human.color_notes)
    assert found.share_in_long_runs == 1.0
    if change == "mirror":
        assert INDEX.copied(copy, tempo, or_mirrored=False).longest_run == 0


def test_a_stranger_shares_nothing() -> None:
    found = INDEX.copied(random_map(99), TEMPO)
    assert (found.longest_run, found.source, found.share_in_long_runs) == (0, None, 0.0)


def test_the_songs_own_maps_can_be_left_out() -> None:
    assert INDEX.copied(random_map(1), TEMPO, exclude="song 1").longest_run == 0
    assert INDEX.copied(random_map(1), TEMPO, exclude="song 2").longest_run > 100
    assert INDEX.copied(random_map(1), TEMPO, exclude="no such song").longest_run > 100


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 100), st.integers(1, 40), st.booleans())
def test_a_quotation_has_its_length(start: int, length: int, turned: bool) -> None:
    """A stretch of a known map inside notes of a stranger's."""
    source = random_map(0).color_notes[start : start + length]
    # gaps of 0.7 beats are in no known map
    before = tuple(ColorNote(i * 0.7, i % 4, 2, i % 2, 8) for i in range(20))
    middle = tuple(replace(n, beat=n.beat + 200) for n in source)
    after = tuple(ColorNote(500 + i * 0.7, i % 4, 2, i % 2, 8) for i in range(20))
    quoting = Beatmap(color_notes=before + middle + after)
    found = INDEX.copied(mirror(quoting) if turned else quoting, TEMPO)
    assert found.longest_run == (len(source) if len(source) >= GRAM_NOTES else 0)
    inside = len(source) if len(source) >= 16 else 0
    assert found.share_in_long_runs == pytest.approx(inside / (40 + len(source)))


def test_streams_of_one_pattern_are_bounded() -> None:
    stream = notes_at(*range(2 * MAX_PLACES))
    index = PatternIndex.from_maps([("stream", stream, TEMPO)])
    found = index.copied(stream, TEMPO)
    assert found.grams_cut > 0
    assert found.longest_run >= MAX_PLACES
    assert found.share_in_long_runs == 1.0


@pytest.mark.parametrize("beats", [(), (1,), range(GRAM_NOTES - 1)])
def test_edges(beats) -> None:
    small = notes_at(*beats)
    for index in (INDEX, PatternIndex.from_maps([]), PatternIndex.from_maps([("s", small, TEMPO)])):
        found = index.copied(small, TEMPO)
        assert (found.longest_run, found.source, found.notes) == (0, None, len(beats))
        assert found.share_in_long_runs == (0.0 if beats else None)
