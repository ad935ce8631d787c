"""What the learned critic looks at: notes along each hand, and bars.

Every note is seen from its own hand (the left hand's notes are mirrored), so a map and its mirror
image look alike. Times are gaps, so it does not matter where beat 0 lies. Lights, walls, bombs,
sliders' arcs and the sound play no part: other judges look at those.

Shapes: **R** rows (one a note, the right hand's and then the left's, with `PADDING` empty rows
after each), **N** note features, **B** bars that hold notes, **G** bar features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saberlm.eval.note_arrays import (
    BAR_BEATS,
    TICKS_PER_BEAT,
    Bools,
    Floats,
    Ints,
    NoteArrays,
    moment_hashes,
    ngram_hashes,
    note_arrays,
    tempo_scale,
    to_ticks,
)
from saberlm.prompts.beatmap import DIFFICULTIES, NUM_COLUMNS, NUM_ROWS, Beatmap
from saberlm.prompts.tempo import TempoMap

Features = npt.NDArray[np.float32]

PADDING = 16
"""Empty rows after each hand: more than the network looks ahead, so hands and maps do not mix."""
GAP_TICKS = (0, 3, 6, 8, 12, 16, 24, 32, 36, 48, 72, 96, 144, 192)
"""Gaps with a class of their own, 48 ticks a beat; further classes: longer, and none of these."""
GAP_CLASSES = len(GAP_TICKS) + 2
BAR_LAGS = (1, 2, 4, 8, -1)
"""Bars back (or ahead) that a bar is compared with."""
PATTERN = 3
"""Moments in a pattern whose returns in the map are counted."""
NOTE_FEATURES = NUM_COLUMNS * NUM_ROWS + 9 + 2 * (GAP_CLASSES + 1) + 6 + 8 + 6
BAR_FEATURES = 2 * len(BAR_LAGS) + 8 + len(DIFFICULTIES)

_D = 0.5**0.5
_DIRECTION = np.array(
    [(0, 1), (0, -1), (-1, 0), (1, 0), (-_D, _D), (_D, _D), (-_D, -_D), (_D, -_D), (0, 0)]
)
_MIN_SECONDS, _MAX_SECONDS = 0.02, 4.0
_HALF_SECOND = 0.5
_BAR_TICKS = int(BAR_BEATS * TICKS_PER_BEAT)


@dataclass(frozen=True, eq=False)
class CriticInput:
    """A map as the network sees it.

    Attributes:
        notes: (R, N) float32; rows of padding are 0.
        bar_of_row: (R,) index of each row's bar, -1 for padding.
        bars: (B, G) float32.
        bar_beats: (B,) beat of the map at which each bar starts.
        bar_notes: (B,) notes in each bar.
        left_out: Notes that the unmodded game cannot play.
    """

    notes: Features
    bar_of_row: Ints
    bars: Features
    bar_beats: Floats
    bar_notes: Ints
    left_out: int = 0


def critic_input(beatmap: Beatmap, tempo: TempoMap, difficulty: str) -> CriticInput:
    """Features of a map.

    Args:
        beatmap: Any beatmap; modded notes are left out.
        tempo: Its beats in seconds.
        difficulty: Its name in the files (``ExpertPlus``).

    Raises:
        ValueError: The difficulty's name is not one of the five.
    """
    if difficulty not in DIFFICULTIES:
        raise ValueError(
            f"difficulty: expected one of {', '.join(DIFFICULTIES)}, found {difficulty!r}: likely "
            "a display name such as Expert+"
        )
    scale = tempo_scale(tempo)
    notes = note_arrays(beatmap, scale)
    if not len(notes):
        empty = np.zeros(0)
        nothing = np.zeros(0, dtype=np.int64)
        rows = np.zeros((0, NOTE_FEATURES), dtype=np.float32)
        bars = np.zeros((0, BAR_FEATURES), dtype=np.float32)
        return CriticInput(rows, nothing, bars, empty, nothing, notes.left_out)
    seconds = np.asarray(tempo.to_seconds(notes.beat / scale))
    number, bar = np.unique(to_ticks(notes.beat) // _BAR_TICKS, return_inverse=True)
    hands = [_hand_rows(notes, seconds, hand) for hand in (1, 0)]
    pad = np.zeros((PADDING, NOTE_FEATURES), dtype=np.float32)
    none = np.full(PADDING, -1, dtype=np.int64)
    return CriticInput(
        np.concatenate([part for _, rows in hands for part in (rows, pad)]),
        np.concatenate([part for index, _ in hands for part in (bar[index], none)]),
        _bar_rows(notes, seconds, number, bar, difficulty),
        np.asarray(number * BAR_BEATS / scale, dtype=np.float64),
        np.bincount(bar, minlength=len(number)).astype(np.int64),
        notes.left_out,
    )


def _hand_rows(notes: NoteArrays, seconds: Floats, hand: int) -> tuple[Ints, Features]:
    """One hand's notes in order: their indices, and their features (n, N)."""
    order = [_hand_order(notes, one) for one in (hand, 1 - hand)]
    own, other = order
    x, direction = notes.folded()
    x, y, direction = x[own], notes.y[own], direction[own]
    beat, second, moment = notes.beat[own], seconds[own], notes.moment[own]
    place = np.stack([x, y], 1).astype(np.float64)
    cut = _DIRECTION[direction]
    first = np.arange(len(own)) == 0
    before = np.maximum(np.arange(len(own)) - 1, 0)
    dot, cross = (
        (cut * cut[before]).sum(1),
        cut[:, 0] * cut[before, 1] - cut[:, 1] * cut[before, 0],
    )
    step = place - place[before]
    travel = np.hypot(*(step - 0.5 * (cut + cut[before])).T)  # from where one ends to the next
    moved = np.stack([*(step / 3).T, dot, cross, travel / 3, first], 1)
    moved[first, :-1] = 0
    beats, start = notes.moment_beat, np.minimum.reduceat(seconds, notes.start)
    earlier = np.maximum(moment - 1, 0)
    rows = [
        _one_hot(x * NUM_ROWS + y, NUM_COLUMNS * NUM_ROWS),
        _one_hot(direction, 9),
        _gaps(beat - beat[before], second - second[before], first),
        _gaps(
            beats[moment] - beats[earlier],
            start[moment] - start[earlier],
            moment == 0,
        ),
        moved,
        *_other_hand(notes, seconds, own, other, hand, place),
    ]
    return own, np.concatenate(rows, 1).astype(np.float32)


def _hand_order(notes: NoteArrays, hand: int) -> Ints:
    """Indices of a hand's notes by moment, then row, then column and direction as the right hand
    sees them, which a mirror leaves as they are."""
    x, direction = notes.folded()
    order = np.lexsort((direction, x, notes.y, notes.moment))
    return np.asarray(order[notes.color[order] == hand], dtype=np.int64)


def _other_hand(
    notes: NoteArrays, seconds: Floats, own: Ints, other: Ints, hand: int, place: Floats
) -> tuple[Floats, Floats]:
    """What the other hand does at the same moment (n, 8), and what it did last (n, 6), seen from
    this hand."""
    if not len(other):
        return np.zeros((len(own), 8)), np.zeros((len(own), 6))
    moment = notes.moment[own]
    next_other = np.searchsorted(notes.moment[other], moment, side="left")
    after = np.searchsorted(notes.moment[other], moment, side="right")
    x = notes.x[other] if hand == 1 else NUM_COLUMNS - 1 - notes.x[other]
    turn = np.array([1.0 if hand == 1 else -1.0, 1.0])
    cut = _DIRECTION[notes.direction[other]] * turn
    spot = np.stack([x, notes.y[other]], 1)
    alike = np.searchsorted(moment, moment, side="right") - np.searchsorted(
        moment, moment, side="left"
    )
    at = np.minimum(next_other, len(other) - 1)
    both = after > next_other
    together = np.concatenate(
        [
            (spot[at] - place) / 3,
            cut[at],
            np.stack([both, notes.direction[other][at] == 8, (after - next_other) / 2], 1),
        ],
        1,
    ) * np.repeat(both[:, None], 7, 1)
    last = np.maximum(next_other - 1, 0)
    had = next_other > 0
    wait = _log_seconds(seconds[own] - seconds[other][last])
    past = np.concatenate([(spot[last] - place) / 3, cut[last], wait[:, None], had[:, None]], 1)
    return np.concatenate([together, (alike[:, None] - 1) / 2], 1), past * had[:, None]


def _gaps(beats: Floats, seconds: Floats, first: Bools) -> Floats:
    """Class of each gap and its length, (n, `GAP_CLASSES` + 1); zeros where nothing came before."""
    ticks = to_ticks(beats)
    known = np.array(GAP_TICKS)
    nearest = np.abs(ticks[:, None] - known).argmin(1)
    kind = np.where(np.abs(ticks - known[nearest]) <= 1, nearest, len(known) + 1)
    kind = np.where(ticks > known[-1] + 1, len(known), kind)
    row = np.concatenate([_one_hot(kind, GAP_CLASSES), _log_seconds(seconds)[:, None]], 1)
    row[first] = 0
    return row


def _log_seconds(seconds: Floats) -> Floats:
    """Octaves from half a second, a third of them."""
    return np.log2(np.clip(seconds, _MIN_SECONDS, _MAX_SECONDS) / _HALF_SECOND) / 3


def _one_hot(index: Ints, size: int) -> Floats:
    return np.eye(size)[index]


def _bar_rows(
    notes: NoteArrays, seconds: Floats, number: Ints, bar: Ints, difficulty: str
) -> Features:
    """Features of the bars that hold notes, (B, G): repetition, density, doubles, hands."""
    count = len(number)
    size = np.bincount(bar, minlength=count)
    turn = np.exp(2j * np.pi * notes.beat * TICKS_PER_BEAT).mean()
    phase = np.angle(turn) / (2 * np.pi * TICKS_PER_BEAT) if abs(turn) > 1e-9 else 0.0
    tick = to_ticks(notes.beat - phase) % _BAR_TICKS
    columns = [
        _likeness(number[bar], items, number, lag)
        for items in (tick * 216 + notes.code, tick)
        for lag in BAR_LAGS
    ]
    of_moment = bar[notes.start]
    moments = np.bincount(of_moment, minlength=count)
    per_moment = np.bincount(notes.moment)
    beats = notes.moment_beat
    patterns = ngram_hashes(moment_hashes(notes), to_ticks(np.diff(beats)), PATTERN)
    _, which, times = np.unique(patterns, return_inverse=True, return_counts=True)
    returns = np.log2(times[which]) if len(which) else np.zeros(0)
    home = of_moment[: len(returns)]
    safe = np.maximum(moments, 1)
    bar_seconds = max((seconds.max() - seconds.min()) / max(np.ptp(number) + 1, 1), 0.1)
    rate = np.log2(np.maximum(size, 1) / bar_seconds / 4)
    whole = np.log2(len(notes) / (bar_seconds * count) / 4)
    right = np.bincount(bar, weights=notes.color == 1, minlength=count)
    columns += [
        np.bincount(home, weights=returns, minlength=count) / safe / 4,
        np.bincount(home, weights=returns > 0, minlength=count) / safe,
        np.bincount(of_moment, weights=per_moment > 1, minlength=count) / safe,
        rate / 2,
        np.full(count, whole / 2),
        rate - whole,
        np.abs(2 * right / np.maximum(size, 1) - 1),
        np.full(count, len(np.unique(patterns)) / max(len(patterns), 1)),
    ]
    named = np.tile(_one_hot(np.array([DIFFICULTIES.index(difficulty)]), 5), (count, 1))
    return np.concatenate([np.stack(columns, 1), named], 1).astype(np.float32)


def _likeness(bar: Ints, item: Ints, number: Ints, lag: int) -> Floats:
    """What each bar has in common with the bar ``lag`` earlier: items of both over items of
    either, (B,)."""
    _, small = np.unique(item, return_inverse=True)
    width = int(small.max()) + 1
    lowest = int(bar.min()) - max(abs(one) for one in BAR_LAGS)
    keys = np.unique((bar - lowest) * width + small)
    shared = np.isin(keys - lag * width, keys, assume_unique=True)
    at = np.searchsorted(number, keys // width + lowest)
    both = np.bincount(at, weights=shared, minlength=len(number))
    mine = np.bincount(at, minlength=len(number))
    there = np.searchsorted(number, number - lag)
    there = np.minimum(there, len(number) - 1)
    theirs = np.where(number[there] == number - lag, mine[there], 0)
    return np.asarray(both / np.maximum(mine + theirs - both, 1))
