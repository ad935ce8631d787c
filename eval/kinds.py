"""What a map is made of, in many kinds of small pieces: what tells a model's maps from mappers'.

The style of `saberlm.eval.style` is six aspects; a map can have them all and still not play like a
mapper's. Here many more are counted, to be looked through for those in which a set of maps lies
further from mappers' than these lie from each other (`compare_kinds`). A finder of faults, no
score: kinds overlap, and a kind may differ for a good reason.

Conventions: beats are those of the tempo's octave 95-190 BPM; mirror images count as the same;
every map weighs as much as any other; distances are Jensen-Shannon's to base 2, 0 to 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from saberlm.eval.note_arrays import (
    BAR_BEATS,
    TICKS_PER_BEAT,
    Ints,
    NoteArrays,
    mirrored_moment_hashes,
    moment_hashes,
    note_arrays,
    tempo_scale,
    to_ticks,
)
from saberlm.eval.style import Histogram, js_distance
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.tempo import TempoMap

Counts = Mapping[Hashable, float]
Kinds = Mapping[str, Counts]

GAPS = ("1/8", "1/6", "1/4", "1/3", "3/8", "1/2", "2/3", "3/4", "7/8", "1", "1-2", "2", "2-4", "4+")
"""Of a beat: between two moments; each from the one before it on."""
_GAP_EDGES = np.array([8, 12, 13, 18, 24, 25, 36, 37, 48, 49, 96, 97, 192])
LONGEST_RUN = 9
SWING_TICKS = 6
"""Notes of a hand this close are one swing."""
_BAR_TICKS = int(BAR_BEATS * TICKS_PER_BEAT)
_QUARTER = TICKS_PER_BEAT // 4
_SWAP = str.maketrans("LR", "RL")
MIN_NOTES = 30
"""A map of fewer has no kinds."""


@dataclass(frozen=True)
class Difference:
    """How far a set of maps is from mappers' in one kind.

    Attributes:
        kind: its name.
        times: its distance from the reference, as a multiple of that of random parts of it of the
            same size.
        human: the same of other human maps; None where there are none.
        most: what differs most: value, share in the set, share in the reference.
    """

    kind: str
    times: float
    human: float | None
    most: tuple[tuple[str, float, float], ...]


def kinds_of(beatmap: Beatmap, tempo: TempoMap) -> dict[str, Counter[Hashable]] | None:
    """Count a map's pieces; None for a map of fewer than `MIN_NOTES` playable notes."""
    notes = note_arrays(beatmap, tempo_scale(tempo))
    if len(notes) < MIN_NOTES:
        return None
    counts: dict[str, Counter[Hashable]] = {}
    _count_rhythm(notes, counts)
    _count_hands(notes, counts)
    for hand in (0, 1):
        _count_swings(notes, hand, counts)
    _count_doubles(notes, counts)
    return counts


def _into(counts: dict[str, Counter[Hashable]], kind: str, values: Iterable[Hashable]) -> None:
    counts.setdefault(kind, Counter()).update(values)


def _gap_names(ticks: Ints) -> list[str]:
    return [GAPS[i] for i in np.searchsorted(_GAP_EDGES, np.diff(ticks), side="right")]


def _runs(values: Sequence[Hashable]) -> list[tuple[Hashable, int]]:
    """Runs of equal values with their lengths, `LONGEST_RUN` at most."""
    runs: list[tuple[Hashable, int]] = []
    for value in values:
        if runs and runs[-1][0] == value:
            runs[-1] = value, min(runs[-1][1] + 1, LONGEST_RUN)
        else:
            runs.append((value, 1))
    return runs


def _count_rhythm(notes: NoteArrays, counts: dict[str, Counter[Hashable]]) -> None:
    ticks = to_ticks(notes.moment_beat)
    gaps = _gap_names(ticks)
    _into(counts, "gaps, two", pairwise(gaps))
    _into(counts, "gaps, three", zip(gaps, gaps[1:], gaps[2:], strict=False))
    _into(counts, "gaps, runs", _runs(gaps))
    _into(counts, "place in bar", (ticks % _BAR_TICKS // _QUARTER).tolist())
    bars: dict[int, list[int]] = {}
    for tick in ticks.tolist():
        bars.setdefault(tick // _BAR_TICKS, []).append(tick % _BAR_TICKS // _QUARTER)
    every = [tuple(bars.get(bar, ())) for bar in range(min(bars), max(bars) + 1)]
    _into(counts, "bar, rhythm", every)
    _into(counts, "bar, moments", map(len, every))
    again = [
        (lag, a == b) for lag in (1, 2, 4, 8) for a, b in zip(every, every[lag:], strict=False)
    ]
    _into(counts, "bar, rhythm again", again)
    _into(counts, "seen ago", _seen_ago(notes))


def _seen_ago(notes: NoteArrays) -> list[int]:
    """For each moment how many ago the same notes or their mirror image were hit, as the number
    of its binary digits; 0: never."""
    last: dict[int, int] = {}
    found = []
    both = zip(moment_hashes(notes).tolist(), mirrored_moment_hashes(notes).tolist(), strict=True)
    for i, pair in enumerate(both):
        key = min(pair)
        found.append((i - last[key]).bit_length() if key in last else 0)
        last[key] = i
    return found


def _count_hands(notes: NoteArrays, counts: dict[str, Counter[Hashable]]) -> None:
    hands = "".join("D" if both.all() else "LR"[int(both[1])] for both in notes.hands)
    gaps = _gap_names(to_ticks(notes.moment_beat))

    def folded(start: int, size: int) -> str:
        here = hands[start : start + size]
        return min(here, here.translate(_SWAP))

    for size, name in ((3, "three"), (5, "five")):
        _into(counts, f"hands, {name}", (folded(i, size) for i in range(len(hands) - size + 1)))
    timed = ((folded(i, 3), gaps[i], gaps[i + 1]) for i in range(len(hands) - 2))
    _into(counts, "hands, three with gaps", timed)
    sizes = np.diff(np.append(notes.start, len(notes))).tolist()
    _into(counts, "notes at a moment", zip(sizes, (hand == "D" for hand in hands), strict=True))


def _count_swings(notes: NoteArrays, hand: int, counts: dict[str, Counter[Hashable]]) -> None:
    x, direction = notes.folded()
    own = np.flatnonzero(notes.color == hand)
    ticks = to_ticks(notes.beat[own])
    first = np.diff(ticks, prepend=-_BAR_TICKS) > SWING_TICKS
    own, ticks = own[first], ticks[first]
    cuts = list(zip(x[own].tolist(), notes.y[own].tolist(), direction[own].tolist(), strict=True))
    gaps = _gap_names(ticks)
    ways = [cut[2] for cut in cuts]
    _into(counts, "swing, gap", gaps)
    _into(counts, "swing, cut", cuts)
    _into(counts, "swing, cells of two", ((a[:2], b[:2]) for a, b in pairwise(cuts)))
    _into(counts, "swing, cuts of two", pairwise(cuts))
    _into(counts, "swing, ways of two with gap", zip(ways, ways[1:], gaps, strict=False))
    _into(counts, "swing, ways of three", zip(ways, ways[1:], ways[2:], strict=False))
    back = (a == b for a, b in zip(cuts, cuts[2:], strict=False))
    _into(counts, "swing, back to the last but one", back)


def _count_doubles(notes: NoteArrays, counts: dict[str, Counter[Hashable]]) -> None:
    x, direction = notes.folded()
    stop = np.append(notes.start[1:], len(notes))
    pairs = [
        sorted((x[i], notes.y[i], direction[i]) for i in range(a, b))
        for a, b, hands in zip(notes.start, stop, notes.hands, strict=True)
        if hands.all() and b - a == 2
    ]
    _into(counts, "double, cells", ((a[:2], b[:2]) for a, b in pairs))
    _into(counts, "double, ways", ((a[2], b[2]) for a, b in pairs))


def pooled(maps: Iterable[Kinds], kind: str) -> dict[Hashable, float]:
    """Shares of a kind over maps, each map as much as any other; empty where none has it."""
    total: dict[Hashable, float] = {}
    number = 0
    for counts in maps:
        size = sum(counts.get(kind, {}).values())
        if size:
            number += 1
            for value, count in counts[kind].items():
                total[value] = total.get(value, 0.0) + count / size
    return {value: count / number for value, count in total.items()}


def distance(first: Counts, second: Counts) -> float | None:
    """`saberlm.eval.style.js_distance` of two sets of shares."""
    number = {value: i for i, value in enumerate(dict.fromkeys([*first, *second]))}

    def histogram(shares: Counts) -> Histogram:
        parts = sorted((number[value], share) for value, share in shares.items())
        return np.array([at for at, _ in parts], np.int64), np.array([one for _, one in parts])

    return js_distance(histogram(first), histogram(second))


def compare_kinds(
    made: Sequence[Kinds],
    reference: Sequence[Kinds],
    human: Sequence[Kinds] = (),
    *,
    seed: int = 0,
    parts: int = 30,
    most: int = 5,
) -> list[Difference]:
    """The kinds in which maps differ from a reference, the furthest first.

    Args:
        made: the maps in question.
        reference: mappers' maps, more of them than of the former.
        human: other mappers' maps, to see what is usual.
        seed: of the random parts.
        parts: of the reference, whose mean distance from the rest is the yardstick.
        most: values that are told.

    Raises:
        ValueError: no maps, or a reference with no more maps than there are.
    """
    if not made or len(reference) <= len(made):
        raise ValueError(
            f"expected maps and a larger reference, found {len(made)} and {len(reference)}"
        )
    random = np.random.default_rng(seed)
    orders = [random.permutation(len(reference)) for _ in range(parts)]
    found = []
    for kind in sorted({kind for one in reference for kind in one}):
        pool = pooled(reference, kind)
        halves = [
            distance(
                pooled((reference[i] for i in order[: len(made)]), kind),
                pooled((reference[i] for i in order[len(made) :]), kind),
            )
            for order in orders
        ]
        known = [one for one in halves if one is not None]
        own = pooled(made, kind)
        far, usual = distance(own, pool), distance(pooled(human, kind), pool)
        if far is None or not known or not np.mean(known):
            continue
        yardstick = float(np.mean(known))
        apart = sorted(pool.keys() | own.keys(), key=repr)
        apart.sort(key=lambda value: -abs(own.get(value, 0.0) - pool.get(value, 0.0)))
        shown = tuple((str(one), own.get(one, 0.0), pool.get(one, 0.0)) for one in apart[:most])
        found.append(
            Difference(kind, far / yardstick, None if usual is None else usual / yardstick, shown)
        )
    return sorted(found, key=lambda one: -one.times)
