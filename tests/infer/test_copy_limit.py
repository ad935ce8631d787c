"""Runs of known maps: found whatever their hand and octave of tempo, broken off, else let alone."""

from pathlib import Path

import numpy as np
import pytest
from map_kit import random_map
from note_logits import NOTES

from saberlm.eval.copied import PatternIndex
from saberlm.eval.note_arrays import note_arrays, tempo_scale, to_ticks
from saberlm.infer.copy_limit import (
    GRAM_NOTES,
    LOSS,
    SHIPPED,
    CopyLimit,
    grams_of,
    known_grams,
    write_grams,
)
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.mirror import mirror
from saberlm.prompts.tempo import TempoMap

TEMPO = TempoMap(120.0)


def said(beatmap: Beatmap, scale: float = 1.0) -> list[tuple[int, int]]:
    """Tokens and ticks of a map's notes."""
    notes = note_arrays(beatmap, tempo_scale(TEMPO))
    ticks = to_ticks(notes.moment_beat[notes.moment] * scale)
    return [(NOTES.start + code, tick) for code, tick in zip(notes.code, ticks, strict=True)]


def lost(limit: CopyLimit, tick: int) -> np.ndarray:
    logits = np.zeros(v.OFFSETS["text"], np.float32)
    limit.adjust(logits, tick)
    assert set(np.unique(logits)) <= {0.0, np.float32(-LOSS)}
    return np.flatnonzero(logits)


@pytest.mark.parametrize("bpm", [120.0, 60.0, 240.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_known_run_is_broken_off(bpm: float, mirrored: bool) -> None:
    made = random_map(0)
    limit = CopyLimit(grams_of([(made, TEMPO)]), bpm)
    notes = said(mirror(made) if mirrored else made, bpm / 120)
    assert len(notes) > 2 * GRAM_NOTES
    for i, (token, tick) in enumerate(notes):
        assert lost(limit, tick).tolist() == ([token] if i >= GRAM_NOTES else [])
        limit.say(token, tick)


def test_what_is_not_known_is_let_alone() -> None:
    limit = CopyLimit(grams_of([(random_map(0), TEMPO)]), 120.0)
    for token, tick in said(random_map(1)):
        assert not len(lost(limit, tick))
        limit.say(token, tick)


def test_a_row_that_heeds_it_shares_no_longer_run() -> None:
    known = random_map(0)
    limit = CopyLimit(grams_of([(known, TEMPO)]), 120.0)
    notes, kept = known.color_notes, []
    tokens = dict(zip(sorted(notes, key=lambda n: (n.beat, n.color)), said(known), strict=True))
    for note, (token, tick) in tokens.items():
        if token not in lost(limit, tick):
            kept.append(note)
            limit.say(token, tick)
    made = Beatmap(color_notes=tuple(kept))
    index = PatternIndex.from_maps([("known", known, TEMPO)])
    assert index.copied(known, TEMPO).longest_run == len(notes)
    assert GRAM_NOTES - 1 <= index.copied(made, TEMPO).longest_run <= GRAM_NOTES


def test_what_is_written_is_read(tmp_path: Path) -> None:
    grams = grams_of([(random_map(seed), TEMPO) for seed in range(3)])
    write_grams(tmp_path / "grams.npz", grams)
    assert list(tmp_path.iterdir()) == [tmp_path / "grams.npz"]
    read = known_grams(tmp_path / "grams.npz")
    assert read is not None
    assert np.array_equal(read, grams)
    assert known_grams(tmp_path / "none.npz") is None
    write_grams(tmp_path / "empty.npz", grams_of([]))
    assert known_grams(tmp_path / "empty.npz") is None


def test_what_ships_is_sorted_and_no_map() -> None:
    known = known_grams(SHIPPED)
    assert known is not None
    assert len(known) > 100_000
    assert (np.diff(known.astype(np.int64)) > 0).all()
