"""Structure: which bars of a map resemble which, and does a chorus come back as a chorus?

Conventions: a bar is four beats of the *reference*, counted from its beat 0; the estimate is laid
over it by seconds. A bar is a bag of features: each moment's place in the bar, what is hit there
(`saberlm.eval.note_arrays.moment_hashes`), both together, and each moment with the next of its bar.
Similarity is the cosine of two bags, so 0 to 1; two bars without notes are alike, and unlike any
other. Compared are the bars that lie between the first and the last note of both maps. What is
undefined is None.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from saberlm.eval.fit import pearson
from saberlm.eval.note_arrays import (
    BAR_BEATS,
    TICKS_PER_BEAT,
    Floats,
    Ints,
    NoteArrays,
    mix,
    moment_hashes,
    ngram_hashes,
    note_arrays,
    to_ticks,
)
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.tempo import TempoMap

MIN_BARS = 4
"""Three bars have only three similarities among them."""
MAX_BARS = 2000
"""More bars than any song has; their matrix would not fit."""
_FEATURES = 1024  # the bag's length after hashing


@dataclass(frozen=True)
class StructureFit:
    """Two maps' self-similarity.

    Attributes:
        bars: Bars compared.
        correlation: Pearson's, of the two matrices' entries above the diagonal; None with fewer
            than `MIN_BARS` or more than `MAX_BARS` bars, or where all bars of a map are alike.
        reference_similarity: Mean entry above the diagonal: how repetitive the reference is; None
            with fewer than two bars or more than `MAX_BARS`.
        estimate_similarity: The same of the estimate.
    """

    bars: int
    correlation: float | None
    reference_similarity: float | None
    estimate_similarity: float | None

    def to_dict(self) -> dict[str, object]:
        """The fit as plain JSON values."""
        return asdict(self)


def structure_fit(
    reference: Beatmap, reference_tempo: TempoMap, estimate: Beatmap, estimate_tempo: TempoMap
) -> StructureFit:
    """Compare how two maps of one song repeat themselves."""
    ours, theirs = note_arrays(reference), note_arrays(estimate)
    our_beats = ours.moment_beat
    seconds = estimate_tempo.to_seconds(theirs.moment_beat)
    their_beats = reference_tempo.to_beats(seconds)
    if not len(our_beats) or not len(their_beats):
        return StructureFit(0, None, None, None)
    spans = [_span(beats) for beats in (our_beats, their_beats)]
    first, last = max(one[0] for one in spans), min(one[1] for one in spans)
    bars = max(0, last - first + 1)
    if bars < 2 or bars > MAX_BARS:
        return StructureFit(bars, None, None, None)
    above = np.triu_indices(bars, 1)
    one = _matrix(ours, our_beats, first, bars)[above]
    two = _matrix(theirs, their_beats, first, bars)[above]
    correlation = pearson(one, two) if bars >= MIN_BARS else None
    return StructureFit(bars, correlation, float(one.mean()), float(two.mean()))


def _matrix(notes: NoteArrays, beats: Floats, first: int, bars: int) -> Floats:
    per_bar = int(BAR_BEATS * TICKS_PER_BEAT)
    ticks = to_ticks(beats)
    bar, place = ticks // per_bar - first, mix(ticks % per_bar)
    hit = moment_hashes(notes)
    pair = ngram_hashes(hit, np.diff(ticks), 2)[np.diff(bar) == 0]
    pair_bar = bar[:-1][np.diff(bar) == 0]
    bag = np.zeros((bars, _FEATURES + 1))
    for row, features in ((bar, place), (bar, hit), (bar, place + hit), (pair_bar, pair)):
        within = (row >= 0) & (row < bars)
        column: Ints = (mix(features[within]) % np.uint64(_FEATURES)).astype(np.int64)
        np.add.at(bag, (row[within], column), 1.0)
    bag[~bag.any(axis=1), _FEATURES] = 1.0  # a rest is a rest
    bag /= np.linalg.norm(bag, axis=1, keepdims=True)
    return np.clip(bag @ bag.T, 0.0, 1.0)


def _span(beats: Floats) -> tuple[int, int]:
    bars = to_ticks(beats) // int(BAR_BEATS * TICKS_PER_BEAT)
    return int(bars.min()), int(bars.max())
