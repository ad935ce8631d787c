"""Style: which cells, directions, gaps and patterns a map uses, against a set of human maps.

Conventions: the left hand is folded onto the right by mirroring, so a map and its mirror image have
the same style. Beats are those of the tempo's octave 95-190 BPM, so that a map which states half
the tempo has the same gaps. Distances are Jensen-Shannon's, the square root of the divergence to
base 2: 0 the same, 1 nothing in common; None where one side has nothing to count.

A single map is always some way from a pool of maps, most of all in patterns, which are sparse. So a
`StyleReference` also holds how far each of its own maps is from the others (`human`): that is the
yardstick of a map. That of a set of maps is what two random parts of the human maps leave between
them (`StyleReference.halves`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

import numpy as np

from saberlm.eval.note_arrays import (
    NUM_DIRECTIONS,
    TICKS_PER_BEAT,
    Floats,
    Hashes,
    Ints,
    NoteArrays,
    mirrored_moment_hashes,
    mix,
    moment_hashes,
    note_arrays,
    tempo_scale,
    to_ticks,
)
from saberlm.prompts.beatmap import NUM_COLUMNS, Beatmap
from saberlm.prompts.mirror import MIRRORED_DIRECTION
from saberlm.prompts.tempo import TempoMap

ASPECTS = ("cells", "directions", "cuts", "direction_pairs", "gaps", "patterns")
PATTERN_MOMENTS = 4
GAP_BUCKETS = np.array(
    [0, 3, 4, 6, 8, 9, 12, 16, 18, 24, 30, 32, 36, 42, 48, 60, 64, 72, 84, 96, 120, 144, 168, 192]
    + [TICKS_PER_BEAT * beats for beats in (5, 6, 7, 8, 12, 16)],
    dtype=np.int64,
)
"""Ticks that gaps are rounded to: 1/16 to 1/4 of a beat, thirds, eighths, quarters, longer ones; so
that notes a tick off their beat do not look like another rhythm. Longer gaps than the last are it.
"""

_MIRROR = np.array(MIRRORED_DIRECTION, dtype=np.int64)

Histogram: TypeAlias = tuple[Ints, Floats]
"""Distinct values, sorted, and how often each occurs."""


@dataclass(frozen=True)
class StyleDistances:
    """Jensen-Shannon distance to a reference by aspect, 0 to 1, None where undefined.

    Attributes:
        cells: Of the 12 cells, per note.
        directions: Of the 9 cut directions, per note.
        cuts: Of cell and direction together, per note.
        direction_pairs: Of a hand's direction and its next, per pair of consecutive moments.
        gaps: Between consecutive moments of both hands, in beats.
        patterns: Of four consecutive moments: each hand's directions, and how the gaps between
            compare. Cells are left out: with them hardly a pattern of one map is in another (the
            median human distance is 0.99), and nothing can be told apart.
    """

    cells: float | None
    directions: float | None
    cuts: float | None
    direction_pairs: float | None
    gaps: float | None
    patterns: float | None

    def to_dict(self) -> dict[str, float | None]:
        """The distances as plain JSON values."""
        return asdict(self)

    def over(self, yardstick: StyleDistances) -> dict[str, float | None]:
        """Each distance as a multiple of another; None where either is None or that one is 0."""
        ratios: dict[str, float | None] = {}
        for aspect in ASPECTS:
            ours, theirs = getattr(self, aspect), getattr(yardstick, aspect)
            ratios[aspect] = None if ours is None or not theirs else ours / theirs
        return ratios


@dataclass(frozen=True, eq=False)
class StyleCounts:
    """One map's (or a pool's) histogram of each aspect."""

    histograms: Mapping[str, Histogram]

    @classmethod
    def of(cls, beatmap: Beatmap, tempo: TempoMap) -> StyleCounts:
        """Count a map."""
        notes = note_arrays(beatmap, tempo_scale(tempo))
        x, direction = notes.folded()
        turned = (1 - notes.color) * NUM_DIRECTIONS + _MIRROR[notes.direction]
        cuts = moment_hashes(notes, notes.color * NUM_DIRECTIONS + notes.direction)
        values = {
            "cells": notes.y * NUM_COLUMNS + x,
            "directions": direction,
            "cuts": (notes.y * NUM_COLUMNS + x) * NUM_DIRECTIONS + direction,
            "direction_pairs": _direction_pairs(notes, x, direction),
            "gaps": _gaps(notes),
            "patterns": _patterns(notes, cuts, moment_hashes(notes, turned)),
        }
        return cls({aspect: _histogram(values[aspect]) for aspect in ASPECTS})

    @classmethod
    def pool(cls, counts: Iterable[StyleCounts]) -> StyleCounts:
        """The sum of several maps' counts."""
        listed = list(counts)
        return cls({a: _sum([one.histograms[a] for one in listed]) for a in ASPECTS})

    def distances(self, other: StyleCounts) -> StyleDistances:
        """Distance of each aspect; symmetric."""
        return StyleDistances(
            **{a: js_distance(self.histograms[a], other.histograms[a]) for a in ASPECTS}
        )

    def without(self, part: StyleCounts) -> StyleCounts:
        """The pool less one of the maps in it."""
        left = {}
        for aspect in ASPECTS:
            values, counts = self.histograms[aspect]
            taken, number = part.histograms[aspect]
            counts = counts.copy()
            at = np.searchsorted(values, taken)
            known = at < len(values)
            known[known] = values[at[known]] == taken[known]
            counts[at[known]] -= number[known]
            left[aspect] = values, np.maximum(counts, 0)
        return StyleCounts(left)


@dataclass(frozen=True, eq=False)
class StyleReference:
    """A set of human maps of one difficulty to measure style against.

    Attributes:
        maps: Number of maps.
        pooled: Their counts together: long maps weigh more.
        human: By aspect, the p10, median and p90 of the distance of each map to the others; an
            aspect in which no map has one is missing (a set of one map has none).
        counts: Each map's own.
    """

    maps: int
    pooled: StyleCounts
    human: Mapping[str, tuple[float, float, float]]
    counts: tuple[StyleCounts, ...] = ()

    @classmethod
    def from_maps(cls, maps: Iterable[tuple[Beatmap, TempoMap]]) -> StyleReference:
        """Count a set of maps, which may be empty (all distances to it are None)."""
        counts = [StyleCounts.of(beatmap, tempo) for beatmap, tempo in maps]
        pooled = StyleCounts.pool(counts)
        human = {}
        rows = [one.distances(pooled.without(one)).to_dict() for one in counts]
        for aspect in ASPECTS:
            found = [row[aspect] for row in rows if row[aspect] is not None]
            if found:
                low, middle, high = np.percentile(np.array(found, np.float64), (10, 50, 90))
                human[aspect] = float(low), float(middle), float(high)
        return cls(len(counts), pooled, human, tuple(counts))

    def distances(
        self, beatmap: Beatmap, tempo: TempoMap, *, is_member: bool = False
    ) -> StyleDistances:
        """How far a map is from the set.

        Args:
            beatmap: The map to judge.
            tempo: Its tempo.
            is_member: The map is one of the set: measure it against the others.
        """
        counts = StyleCounts.of(beatmap, tempo)
        return counts.distances(self.pooled.without(counts) if is_member else self.pooled)

    def set_distances(self, maps: Iterable[tuple[Beatmap, TempoMap]]) -> StyleDistances:
        """How far a set of maps, pooled, is from the whole reference: the figure to hold against
        `halves`."""
        return StyleCounts.pool(StyleCounts.of(b, t) for b, t in maps).distances(self.pooled)

    def halves(self, seed: int = 0, size: int | None = None) -> StyleDistances:
        """Distance between two random parts of the set, each pooled: the yardstick of a set of
        maps, which is never nearer to the human maps than these are to each other.

        Args:
            seed: Of the choice.
            size: Maps in the first part, half of them where None. A set of few maps is further
                from the others for its size alone, so give the number of maps to be judged.

        Returns:
            All None where a part is empty.
        """
        order = np.random.default_rng(seed).permutation(len(self.counts))
        first = order[: len(order) // 2 if size is None else size]
        part = StyleCounts.pool(self.counts[i] for i in first)
        return part.distances(self.pooled.without(part))


def unique_windows(beatmap: Beatmap, tempo: TempoMap) -> float | None:
    """Share of distinct patterns among all runs of four moments; None with fewer than four.

    Here a pattern is the hands, cells and directions of its notes and how its gaps compare. Mirror
    images count as the same pattern.
    """
    notes = note_arrays(beatmap, tempo_scale(tempo))
    patterns = _patterns(notes, moment_hashes(notes), mirrored_moment_hashes(notes))
    return len(np.unique(patterns)) / len(patterns) if len(patterns) else None


def hand_distance(beatmap: Beatmap) -> float | None:
    """Distance between the cells of the one hand and those of the other, mirrored.

    Mappers treat the hands alike; where one is on the wrong side it shows here, though both
    together may look usual. None where a hand has no notes.
    """
    notes = note_arrays(beatmap)
    cells = notes.y * NUM_COLUMNS + notes.folded()[0]
    return js_distance(*(_histogram(cells[notes.color == color]) for color in (0, 1)))


def js_distance(first: Histogram, second: Histogram) -> float | None:
    """Jensen-Shannon distance (base 2) of two histograms; None where one is empty."""
    one_total, two_total = float(first[1].sum()), float(second[1].sum())
    if one_total <= 0 or two_total <= 0:
        return None
    values = np.union1d(first[0], second[0])
    one, two = np.zeros(len(values)), np.zeros(len(values))
    one[np.searchsorted(values, first[0])] = first[1] / one_total
    two[np.searchsorted(values, second[0])] = second[1] / two_total
    divergence = 0.5 * (_relative_entropy(one, one + two) + _relative_entropy(two, one + two))
    return float(np.sqrt(np.clip(divergence, 0.0, 1.0)))


def _relative_entropy(part: Floats, both: Floats) -> float:
    """Kullback-Leibler divergence of ``part`` from half of ``both``, in bits."""
    used = part > 0
    return float(np.sum(part[used] * np.log2(2 * part[used] / both[used])))


def _histogram(values: Ints) -> Histogram:
    distinct, counts = np.unique(values, return_counts=True)
    return distinct, counts.astype(np.float64)


def _sum(histograms: Sequence[Histogram]) -> Histogram:
    if not histograms:
        return np.zeros(0, np.int64), np.zeros(0)
    values, at = np.unique(np.concatenate([h[0] for h in histograms]), return_inverse=True)
    counts = np.zeros(len(values))
    np.add.at(counts, at, np.concatenate([h[1] for h in histograms]))
    return values, counts


def _gaps(notes: NoteArrays) -> Ints:
    """(M - 1,) gaps between moments, each as the nearest of `GAP_BUCKETS`, in ticks."""
    ticks = to_ticks(np.diff(notes.moment_beat))
    middles = (GAP_BUCKETS[:-1] + GAP_BUCKETS[1:]) / 2
    return GAP_BUCKETS[np.searchsorted(middles, ticks)]


def _direction_pairs(notes: NoteArrays, x: Ints, direction: Ints) -> Ints:
    """A hand's direction and its next as one number, one direction a moment.

    Where a hand has several notes at a moment, the first by folded column, row and direction
    stands for them: an order that does not depend on the side.
    """
    pairs = []
    for color in (0, 1):
        of_hand = np.flatnonzero(notes.color == color)
        order = of_hand[
            np.lexsort((direction[of_hand], notes.y[of_hand], x[of_hand], notes.moment[of_hand]))
        ]
        first = np.diff(notes.moment[order], prepend=-1) > 0
        turns = direction[order][first]
        pairs.append(turns[:-1] * NUM_DIRECTIONS + turns[1:])
    return np.concatenate(pairs)


def _patterns(notes: NoteArrays, hit: Hashes, mirrored: Hashes) -> Ints:
    """Hash of each run of four moments, the same as its mirror image's.

    Args:
        notes: The notes.
        hit: (M,) what is hit at each moment.
        mirrored: (M,) the same of the mirror image.
    """
    count = max(0, len(hit) - PATTERN_MOMENTS + 1)
    gaps = np.maximum(1, to_ticks(np.diff(notes.moment_beat)))
    both = []
    for items in (hit, mirrored):
        hashed = mix(items[:count])
        for i in range(1, PATTERN_MOMENTS):
            # Gaps against the first, in half octaves: 1 : 1, 2 : 3 and 1 : 2 differ, but notes a
            # tick off their beat do not.
            ratio = gaps[i - 1 : i - 1 + count] / gaps[:count]
            hashed = mix(hashed ^ mix(np.rint(2 * np.log2(ratio)).astype(np.int64)))
            hashed = mix(hashed + items[i : i + count])
        both.append(hashed)
    # 52 bits: JSON readers hold numbers as doubles.
    return (np.minimum(both[0], both[1]) >> np.uint64(12)).astype(np.int64)
