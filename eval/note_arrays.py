"""A beatmap's notes as numpy arrays, grouped into moments, for the metrics that compare maps.

A **moment** is what is hit at one time: notes within `SAME_BEAT` of the note before belong to it
(doubles, stacks). Notes that the unmodded game cannot play (`saberlm.prompts.vanilla`) are left out
and counted. Times are beats; ``beat_scale`` stretches them, for maps that state half or double the
tempo (`tempo_scale`). Knows nothing of seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from saberlm.prompts.beatmap import NUM_COLUMNS, Beatmap, CutDirection
from saberlm.prompts.mirror import MIRRORED_DIRECTION
from saberlm.prompts.tempo import TempoMap, fold_bpm
from saberlm.prompts.vanilla import fault_of

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Hashes: TypeAlias = npt.NDArray[np.uint64]
Bools: TypeAlias = npt.NDArray[np.bool_]

TICKS_PER_BEAT = 48
BAR_BEATS = 4.0
SAME_BEAT = 0.01
"""Notes this close (beats) to the note before are one moment, as in `saberlm.eval.counts`."""
NUM_DIRECTIONS = len(CutDirection)

_MIRROR = np.array(MIRRORED_DIRECTION, dtype=np.int64)
_LAST_TICK = 2**40  # later beats than any song has are held here, so that ticks fit an integer


@dataclass(frozen=True, eq=False)
class NoteArrays:
    """Notes by moment, then hand, column, row, direction.

    Attributes:
        beat: (N,) beats, times ``beat_scale``.
        x: (N,) columns 0-3.
        y: (N,) rows 0-2.
        color: (N,) hands, 0 left and 1 right.
        direction: (N,) cut directions 0-8; angle offsets are not looked at.
        moment: (N,) number of the note's moment, from 0 without gaps.
        start: (M,) index of each moment's first note.
        left_out: Notes that the unmodded game cannot play.
    """

    beat: Floats
    x: Ints
    y: Ints
    color: Ints
    direction: Ints
    moment: Ints
    start: Ints
    left_out: int = 0

    def __len__(self) -> int:
        """Number of notes."""
        return len(self.beat)

    @property
    def moment_beat(self) -> Floats:
        """(M,) beat of each moment: its earliest note's."""
        return np.minimum.reduceat(self.beat, self.start) if len(self) else self.beat

    @property
    def gaps(self) -> Ints:
        """(N - 1,) ticks from each note to the next, 0 within a moment."""
        return to_ticks(np.diff(self.moment_beat[self.moment]))

    @property
    def code(self) -> Ints:
        """(N,) hand, cell and direction in one number, 0-215."""
        return note_code(self.color, self.x, self.y, self.direction)

    def mirrored(self) -> NoteArrays:
        """The notes of the map's mirror image, in its own order."""
        return _ordered(
            self.beat,
            NUM_COLUMNS - 1 - self.x,
            self.y,
            1 - self.color,
            _MIRROR[self.direction],
            self.moment,
            self.left_out,
        )

    def mirror_order(self) -> npt.NDArray[np.intp]:
        """Which note each of `mirrored` is the image of, (N,)."""
        return np.lexsort(
            (
                _MIRROR[self.direction],
                self.y,
                NUM_COLUMNS - 1 - self.x,
                1 - self.color,
                self.moment,
            )
        )

    @property
    def hands(self) -> Bools:
        """(M, 2) which hands play at each moment."""
        found = np.zeros((len(self.start), 2), dtype=bool)
        found[self.moment, self.color] = True
        return found

    def folded(self) -> tuple[Ints, Ints]:
        """Columns and directions as if the right hand played all: the left hand's are mirrored."""
        right = self.color == 1
        x = np.where(right, self.x, NUM_COLUMNS - 1 - self.x)
        return x, np.where(right, self.direction, _MIRROR[self.direction])


def note_arrays(beatmap: Beatmap, beat_scale: float = 1.0) -> NoteArrays:
    """The playable notes of a beatmap as arrays.

    Args:
        beatmap: Any beatmap; its notes need not be sorted.
        beat_scale: Factor on all beats, above 0.
    """
    rows = [
        (n.beat, n.x, n.y, n.color, n.direction) for n in beatmap.color_notes if fault_of(n) is None
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    table = table[np.argsort(table[:, 0], kind="stable")]
    beat = table[:, 0]
    x, y, color, direction = table[:, 1:].T.astype(np.int64)
    moment = np.cumsum(np.diff(beat, prepend=beat[:1]) > SAME_BEAT, dtype=np.int64)
    left_out = len(beatmap.color_notes) - len(rows)
    return _ordered(beat * beat_scale, x, y, color, direction, moment, left_out)


def tempo_scale(tempo: TempoMap) -> float:
    """Beats of the octave 95-190 BPM in a beat of the map: 2 for a map that states half tempo."""
    return fold_bpm(tempo.bpm) / tempo.bpm


def to_ticks(beats: Floats) -> Ints:
    """Nearest tick, 48 a beat."""
    ticks = np.clip(np.rint(beats * TICKS_PER_BEAT), -_LAST_TICK, _LAST_TICK)
    return ticks.astype(np.int64)


def to_bars(beats: Floats) -> Ints:
    """Number of the bar of four beats each beat is in, after rounding to the tick."""
    return to_ticks(beats) // int(BAR_BEATS * TICKS_PER_BEAT)


def note_code(color: Ints, x: Ints, y: Ints, direction: Ints) -> Ints:
    """Hand, cell and direction in one number, 0-215."""
    return ((color * 3 + y) * NUM_COLUMNS + x) * NUM_DIRECTIONS + direction


def mix(values: Ints | Hashes) -> Hashes:
    """A 64-bit hash of each number (splitmix64's finaliser), the same on every machine."""
    bits = np.atleast_1d(values).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def moment_hashes(notes: NoteArrays, code: Ints | None = None) -> Hashes:
    """(M,) hash of what is hit at each moment, whatever the order of its notes.

    Args:
        notes: The notes.
        code: (N,) what to hash of each note; `NoteArrays.code` by default.
    """
    hashed = mix(notes.code if code is None else code)
    return np.add.reduceat(hashed, notes.start) if len(notes) else hashed


def mirrored_moment_hashes(notes: NoteArrays) -> Hashes:
    """(M,) `moment_hashes` of the map's mirror image."""
    last = NUM_COLUMNS - 1
    code = note_code(1 - notes.color, last - notes.x, notes.y, _MIRROR[notes.direction])
    return moment_hashes(notes, code)


def ngram_hashes(items: Hashes, gaps: Ints, size: int) -> Hashes:
    """Hash of each run of ``size`` items and the gaps inside it.

    Args:
        items: (M,) hashes in order.
        gaps: (M - 1,) gap after each item but the last, in ticks.
        size: Items in a run.

    Returns:
        (max(0, M - size + 1),) hashes.
    """
    count = max(0, len(items) - size + 1)
    hashed = mix(items[:count])
    for i in range(1, size):
        hashed = mix(hashed ^ mix(gaps[i - 1 : i - 1 + count]))
        hashed = mix(hashed + items[i : i + count])
    return hashed


def _ordered(
    beat: Floats, x: Ints, y: Ints, color: Ints, direction: Ints, moment: Ints, left_out: int
) -> NoteArrays:
    order = np.lexsort((direction, y, x, color, moment))
    start = np.flatnonzero(np.diff(moment[order], prepend=-1))
    return NoteArrays(
        beat[order],
        x[order],
        y[order],
        color[order],
        direction[order],
        moment[order],
        start,
        left_out,
    )
