"""No long run of notes as in a map that the models learnt from.

By chance, mostly in a plain stream, a row may say note for note what a training map says. Of
`GRAM_NOTES` notes in a row (hand, cell, direction, and the distances between them) the package
holds a fingerprint for all that the train maps and their mirror images have, from which no map can
be read back. While a row's last notes are such a run, what would make another is as good as ruled
out: so no run of more than `GRAM_NOTES` is shared with one map (`saberlm.eval.copied` measures it).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from saberlm.eval.note_arrays import Ints, NoteArrays, mix, note_arrays, tempo_scale, to_ticks
from saberlm.infer.hands import NOTES
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.tempo import TempoMap, fold_bpm

GRAM_NOTES = 15
"""A run of the maps that is known; human maps of different songs share some of up to 20."""
LOSS = 30.0
"""Nats that a note loses which would go on with a known run; where a row may say nothing else, it
still may say that."""
SHIPPED = Path(__file__).parent / "pretrained" / "copies" / "grams.npz"

Grams = npt.NDArray[np.uint32]

_WEIGHTS = mix(np.arange(2 * GRAM_NOTES)) | np.uint64(1)
_CODES = np.arange(len(NOTES))


def fingerprints(codes: Ints, gaps: Ints) -> Grams:
    """Fingerprints ``(N,)`` of runs of notes.

    Args:
        codes: ``(N, GRAM_NOTES)``, hand, cell and direction of each (`NoteArrays.code`).
        gaps: ``(N, GRAM_NOTES - 1)``, ticks from each to the next.
    """
    parts = np.concatenate([mix(codes), mix(gaps + len(NOTES))], axis=1)
    summed = (parts * _WEIGHTS[: parts.shape[1]]).sum(axis=1, dtype=np.uint64)
    return (summed >> np.uint64(32)).astype(np.uint32)


def grams_of(maps: Iterable[tuple[Beatmap, TempoMap]]) -> Grams:
    """Fingerprints of all runs in maps and their mirror images, sorted, each once."""
    found = [np.zeros(0, np.uint32)]
    for beatmap, tempo in maps:
        notes = note_arrays(beatmap, tempo_scale(tempo))
        found += [_grams(notes), _grams(notes.mirrored())]
    return np.unique(np.concatenate(found))


def _grams(notes: NoteArrays) -> Grams:
    if len(notes) < GRAM_NOTES:
        return np.zeros(0, np.uint32)
    windows = np.lib.stride_tricks.sliding_window_view
    return fingerprints(windows(notes.code, GRAM_NOTES), windows(notes.gaps, GRAM_NOTES - 1))


def write_grams(path: Path, grams: Grams) -> None:
    """Write them whole or not at all: the differences of sorted fingerprints, compressed."""
    temporary = path.with_name(path.name + ".partial")
    with temporary.open("wb") as file:
        np.savez_compressed(file, steps=np.diff(grams, prepend=np.uint32(0)))
    temporary.replace(path)


@cache
def known_grams(path: Path = SHIPPED) -> Grams | None:
    """What ships with the package, sorted; None in a copy without the file, or with none in it."""
    if not path.is_file():
        return None
    with np.load(path) as data:
        grams: Grams = np.cumsum(data["steps"], dtype=np.uint32)
    return grams if len(grams) else None


class CopyLimit:
    """Keeps a row from long runs of known maps; a `saberlm.infer.row_sampler.LogitBias`.

    Args:
        known: `grams_of` the maps.
        bpm: of the row's grid.
    """

    def __init__(self, known: Grams, bpm: float) -> None:
        self._known = known
        self._scale = fold_bpm(bpm) / bpm
        self._codes: deque[int] = deque(maxlen=GRAM_NOTES)
        self._ticks: deque[int] = deque(maxlen=GRAM_NOTES)
        self._copying = False

    def adjust(self, logits: npt.NDArray[np.float32], tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        if not self._copying:
            return
        past = np.array(self._codes)[1:]
        codes = np.column_stack([np.tile(past, (len(_CODES), 1)), _CODES])
        gaps = np.tile(self._gaps([*self._ticks, tick])[1:], (len(_CODES), 1))
        logits[NOTES.start : NOTES.stop][self._is_known(codes, gaps)] -= LOSS

    def say(self, token: int, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        if token not in NOTES:
            return
        self._codes.append(token - NOTES.start)
        self._ticks.append(tick)
        if len(self._codes) == GRAM_NOTES:
            codes = np.array(self._codes)[np.newaxis]
            self._copying = bool(self._is_known(codes, self._gaps(self._ticks)[np.newaxis])[0])

    def _gaps(self, ticks: Iterable[int]) -> Ints:
        return to_ticks(np.diff(list(ticks)) * self._scale / v.TICKS_PER_BEAT)

    def _is_known(self, codes: Ints, gaps: Ints) -> npt.NDArray[np.bool_]:
        found = fingerprints(codes, gaps)
        at = np.searchsorted(self._known, found)
        return self._known[np.minimum(at, len(self._known) - 1)] == found
