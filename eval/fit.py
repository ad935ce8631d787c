"""Fit: as dense as asked, dense where the human is dense, and big where the song is loud.

Conventions: notes a second are over the time from the first to the last note, as in
`saberlm.eval.counts`. The density curve counts notes in windows of four bars of the *reference*,
laid over both maps by their seconds, so that maps of one song may differ in tempo, beat 0 and
length. Emphasis needs the sound's onset strength and no reference. What is undefined is None.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from saberlm.eval.note_arrays import (
    BAR_BEATS,
    TICKS_PER_BEAT,
    Bools,
    Floats,
    NoteArrays,
    note_arrays,
)
from saberlm.eval.timing import check_strength
from saberlm.prompts.beatmap import NUM_ROWS, Beatmap
from saberlm.prompts.tempo import TempoMap

WINDOW_BARS = 4
MIN_WINDOWS = 3
"""A correlation over fewer windows says nothing: two points always lie on a line."""
MAX_WINDOWS = 10_000
LOUDNESS_SECONDS = 0.025
"""A moment is as loud as the strongest onset this close to it."""
FAR_CELLS = 2.0
"""A hand that comes from this many cells away makes a high swing."""
HALF_TICK = 0.5 / TICKS_PER_BEAT
MIN_MOMENTS = 8
"""Fewer moments give too few shifts for a null."""


@dataclass(frozen=True)
class RateFit:
    """Notes a second against those asked.

    Attributes:
        nps: None with fewer than two distinct note times.
        asked: Notes a second asked, or the human's.
        ratio: ``nps / asked``; None where either is unknown or nothing is asked.
        error: ``nps - asked``; None where either is unknown.
    """

    nps: float | None
    asked: float | None
    ratio: float | None
    error: float | None

    def to_dict(self) -> dict[str, object]:
        """The fit as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class DensityFit:
    """Density curves of two maps of one song, window by window.

    Attributes:
        windows: Windows of four bars from the first note of either map to the last of either.
        correlation: Pearson's, of notes per window; None with fewer than `MIN_WINDOWS` windows,
            where a map has as many notes in each, or past `MAX_WINDOWS`.
        rms_nps: Root mean square of the difference in notes a second; None without windows.
    """

    windows: int
    correlation: float | None
    rms_nps: float | None

    def to_dict(self) -> dict[str, object]:
        """The fit as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Emphasis:
    """Whether one kind of moment falls on louder onsets than the others.

    Attributes:
        moments: Moments of the kind.
        others: Moments not of the kind.
        auc: Chance that one of the kind is louder than another, ties counting half: 0.5 is no
            emphasis. None where either is empty.
        z: ``auc`` against the kind moved around the map's moments (every circular shift), in
            deviations; None where auc is, with fewer than `MIN_MOMENTS`, or no deviation.
    """

    moments: int
    others: int
    auc: float | None
    z: float | None


@dataclass(frozen=True)
class EmphasisReport:
    """Emphasis of doubles (both hands at once) against singles, and of high swings (a note in the
    top row, or the hand coming from `FAR_CELLS` away or more) against low ones."""

    doubles: Emphasis
    high_swings: Emphasis

    def to_dict(self) -> dict[str, object]:
        """The report as plain JSON values."""
        return asdict(self)


def notes_per_second(beatmap: Beatmap, tempo: TempoMap) -> float | None:
    """Colour notes over the seconds from first to last; None with fewer than two note times."""
    beats = [note.beat for note in beatmap.color_notes]
    seconds = tempo.to_seconds(max(beats)) - tempo.to_seconds(min(beats)) if beats else 0.0
    return len(beats) / seconds if seconds > 0 else None


def rate_fit(nps: float | None, asked: float | None) -> RateFit:
    """Compare notes a second with those asked (or the human's).

    Raises:
        ValueError: A number is not finite or below 0.
    """
    for what, value in (("found", nps), ("asked", asked)):
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise ValueError(f"expected notes a second {what} of 0 or more, found {value}")
    if nps is None or asked is None:
        return RateFit(nps, asked, None, None)
    return RateFit(nps, asked, nps / asked if asked > 0 else None, nps - asked)


def density_fit(
    reference: Beatmap, reference_tempo: TempoMap, estimate: Beatmap, estimate_tempo: TempoMap
) -> DensityFit:
    """Compare how two maps of one song spread their notes over it.

    Windows are counted from beat 0 of the reference.
    """
    ours = _beats(reference)
    theirs = reference_tempo.to_beats(estimate_tempo.to_seconds(_beats(estimate)))
    # A note a rounding error before a bar belongs to it.
    ours, theirs = ours + HALF_TICK, theirs + HALF_TICK
    both = np.concatenate([ours, theirs])
    if not len(both):
        return DensityFit(0, None, None)
    size = WINDOW_BARS * BAR_BEATS
    first, last = math.floor(both.min() / size), math.floor(both.max() / size)
    count = last - first + 1
    if count > MAX_WINDOWS:
        return DensityFit(count, None, None)
    curves = [
        np.bincount((np.floor(beats / size) - first).astype(np.int64), minlength=count)
        for beats in (ours, theirs)
    ]
    edges = reference_tempo.to_seconds(np.arange(first, last + 2) * size)
    difference = (curves[1] - curves[0]) / np.diff(edges)
    correlation = pearson(curves[0], curves[1]) if count >= MIN_WINDOWS else None
    return DensityFit(count, correlation, float(np.sqrt(np.mean(difference**2))))


def emphasis(
    beatmap: Beatmap, tempo: TempoMap, strength: npt.ArrayLike, frame_rate: float
) -> EmphasisReport:
    """Ask whether the map's large gestures fall on the song's loud onsets.

    Args:
        beatmap: The map to judge.
        tempo: Its tempo; beat 0 is second 0 of the sound.
        strength: (F,) onset strength, frame f speaking of second f / ``frame_rate``. Moments
            outside it are left out.
        frame_rate: Frames a second.

    Raises:
        ValueError: A strength or the frame rate is not a finite number, or a wrong shape.
    """
    heard = check_strength(strength, frame_rate)
    notes = note_arrays(beatmap)
    reach = round(LOUDNESS_SECONDS * frame_rate)
    frames = np.rint(
        np.clip(tempo.to_seconds(notes.moment_beat) * frame_rate, -1, len(heard))
    ).astype(np.int64)
    inside = (frames >= 0) & (frames < len(heard))
    around = np.clip(
        frames[inside][:, None] + np.arange(-reach, reach + 1), 0, max(0, len(heard) - 1)
    )
    loudness = heard[around].max(axis=1) if inside.any() else np.zeros(0)
    double, high = _gestures(notes)
    return EmphasisReport(
        doubles=louder(loudness, double[inside]), high_swings=louder(loudness, high[inside])
    )


def louder(loudness: Floats, chosen: Bools) -> Emphasis:
    """Area under the ROC curve of loudness for telling the chosen moments from the others.

    Args:
        loudness: (M,) loudness of each moment, in time order.
        chosen: (M,) which moments are of the kind.
    """
    moments, others = int(chosen.sum()), int((~chosen).sum())
    if not moments or not others:
        return Emphasis(moments, others, None, None)
    ranks = _ranks(loudness)
    # Rank sum of the kind under every circular shift; the first is unshifted (Mann-Whitney's U).
    shifted = np.fft.irfft(
        np.conj(np.fft.rfft(chosen.astype(np.float64))) * np.fft.rfft(ranks), n=len(ranks)
    )
    auc = (shifted - moments * (moments + 1) / 2) / (moments * others)
    deviation = float(auc.std())
    z = None
    if len(ranks) >= MIN_MOMENTS and deviation > 1e-9:
        z = float((auc[0] - auc.mean()) / deviation)
    return Emphasis(moments, others, float(np.clip(auc[0], 0, 1)), z)


def pearson(first: npt.ArrayLike, second: npt.ArrayLike) -> float | None:
    """Pearson's correlation; None where either does not vary (or there are fewer than two)."""
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    for each in (one, two):
        # Of equal numbers the mean may be a rounding error off.
        if len(each) < 2 or np.ptp(each) <= 1e-12 * np.abs(each).max():
            return None
    one, two = one - one.mean(), two - two.mean()
    return float(np.clip(one @ two / np.sqrt((one @ one) * (two @ two)), -1, 1))


def _beats(beatmap: Beatmap) -> Floats:
    return np.array([note.beat for note in beatmap.color_notes], dtype=np.float64)


def _gestures(notes: NoteArrays) -> tuple[Bools, Bools]:
    """Which moments are doubles, and which have a high swing, (M,) each."""
    hands = notes.hands
    high = np.zeros(len(hands), dtype=bool)
    high[notes.moment[notes.y == NUM_ROWS - 1]] = True
    for color in (0, 1):
        of_hand = notes.color == color
        moment, x, y = notes.moment[of_hand], notes.x[of_hand], notes.y[of_hand]
        far = np.hypot(np.diff(x), np.diff(y)) >= FAR_CELLS
        high[moment[1:][far & (np.diff(moment) > 0)]] = True
    return hands[:, 0] & hands[:, 1], high


def _ranks(values: Floats) -> Floats:
    """Ranks from 1, ties sharing their mean."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes)
    mean: Floats = (2 * ends - sizes + 1) / 2
    return mean[group]
