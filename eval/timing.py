"""Timing: note times against a reference map's, as in onset detection, and against the sound.

Notes at one moment (doubles, stacks) count once: times within `SAME_ONSET_SECONDS` of the first of
a group are one onset. Matching is one-to-one and as large as possible, within ``window`` seconds to
either side, which is what ``mir_eval.onset`` scores (50 ms there too). F1 rewards over-mapping and
is high for metre alone, so it is to be read beside the count ratio and another song's audio.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.tempo import TempoMap

Floats = npt.NDArray[np.float64]

SAME_ONSET_SECONDS = 0.001
WINDOWS_SECONDS = (0.01, 0.02, 0.04, 0.05)
"""The tolerances that mappers' papers and programs report, so that scores can be compared."""
NEAR_SECONDS = 0.1
"""Shifts smaller than this are no null: an onset's strength is spread over its neighbourhood."""

TOLERANCE_SECONDS = 0.015
"""Deviation of the Gaussian that onset strength is smoothed with before notes are laid on it.
Without it a map 10 ms off scores as one without a plan: of 240 human maps the lowest tenth had a z
below 0, with it below 1.5, while maps 60 ms late stay at -0.6 (median)."""


@dataclass(frozen=True)
class TimingScore:
    """Precision, recall, F1 (0 to 1) and estimated onsets over reference onsets.

    Edges: two empty lists agree (all 1; mir_eval says 0); one empty list scores 0. ``count_ratio``
    divides by at least one onset, so that it is always finite.
    """

    precision: float
    recall: float
    f1: float
    count_ratio: float
    reference: int = 0
    estimate: int = 0
    matched: int = 0


@dataclass(frozen=True)
class TimingReport:
    """Scores at several tolerances.

    Attributes:
        scores: By tolerance in milliseconds, as text ("50").
        count_ratio: Estimated over reference onsets; None without reference onsets.
        mean_error_seconds: Mean of estimate minus reference (above 0: the estimate is late) over
            the pairs that are each other's nearest within the widest tolerance; None without any.
        paired: Number of those pairs.
    """

    scores: dict[str, TimingScore]
    count_ratio: float | None
    mean_error_seconds: float | None
    paired: int

    def to_dict(self) -> dict[str, object]:
        """The report as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class AlignmentScore:
    """How well note times sit on what is heard, without a reference.

    Attributes:
        z: Mean onset strength at the notes, minus its mean over circular shifts of all notes by
            `NEAR_SECONDS` or more, in deviations over those shifts. None where that deviation is 0
            (silence) or there are no such shifts.
        best_shift_seconds: Shift within `NEAR_SECONDS` that would hit the most (above 0: the notes
            are early); 0 is preferred among equals. None where z is.
        onsets: Distinct note times inside the sound, that the score is of.
        outside: Distinct note times outside the sound, left out.
    """

    z: float | None
    best_shift_seconds: float | None
    onsets: int
    outside: int

    def to_dict(self) -> dict[str, object]:
        """The score as plain JSON values."""
        return asdict(self)


def note_seconds(beatmap: Beatmap, tempo: TempoMap) -> Floats:
    """Times of the colour notes in seconds, sorted, ``(n,)``."""
    beats = np.array([note.beat for note in beatmap.color_notes], dtype=np.float64)
    return np.sort(tempo.to_seconds(beats))


def unique_onsets(seconds: Iterable[float]) -> list[float]:
    """Sorted times with those within 1 ms of an onset's first time dropped.

    Raises:
        ValueError: A time is not finite.
    """
    onsets: list[float] = []
    for time in sorted(float(one) for one in seconds):
        if not math.isfinite(time):
            raise ValueError(f"expected onset times in finite seconds, found {time}: a bad tempo?")
        if not onsets or time - onsets[-1] > SAME_ONSET_SECONDS:
            onsets.append(time)
    return onsets


def count_matches(reference: list[float], estimate: list[float], window: float) -> int:
    """Size of the largest one-to-one matching of two sorted lists within ``window`` seconds.

    With one window for all, pairing the earliest that can still be paired is optimal: whatever a
    later choice could use, the earlier one could too.
    """
    matched = left = right = 0
    while left < len(reference) and right < len(estimate):
        if reference[left] < estimate[right] - window:
            left += 1
        elif reference[left] > estimate[right] + window:
            right += 1
        else:
            matched += 1
            left += 1
            right += 1
    return matched


def timing_report(
    reference_seconds: Iterable[float],
    estimate_seconds: Iterable[float],
    windows: Sequence[float] = WINDOWS_SECONDS,
) -> TimingReport:
    """Score note times against a reference at several tolerances.

    Args:
        reference_seconds: The human's note times, in any order.
        estimate_seconds: The times to score, in any order.
        windows: Tolerances in seconds, at least one.

    Raises:
        ValueError: A time is not finite, a window is not a positive number, or there is none.
    """
    if not windows:
        raise ValueError("expected at least one window in seconds, found none")
    for window in windows:
        _check_window(window)
    reference, estimate = unique_onsets(reference_seconds), unique_onsets(estimate_seconds)
    errors = paired_errors(reference, estimate, max(windows))
    return TimingReport(
        scores={f"{1000 * one:g}": _score(reference, estimate, one) for one in windows},
        count_ratio=len(estimate) / len(reference) if reference else None,
        mean_error_seconds=float(errors.mean()) if len(errors) else None,
        paired=len(errors),
    )


def paired_errors(reference: Sequence[float], estimate: Sequence[float], window: float) -> Floats:
    """Estimate minus reference of the pairs that are each other's nearest, within ``window``.

    The largest matching is not used here: it pairs the earliest that fit, which biases the error.

    Args:
        reference: Sorted distinct times in seconds.
        estimate: Sorted distinct times in seconds.
        window: Largest distance in seconds, inclusive.

    Returns:
        (P,) errors in seconds, in the order of the reference.
    """
    ours, theirs = np.asarray(reference, np.float64), np.asarray(estimate, np.float64)
    if not len(ours) or not len(theirs):
        return np.zeros(0)
    there = _nearest(theirs, ours)
    back = _nearest(ours, theirs)
    errors = (theirs[there] - ours)[back[there] == np.arange(len(ours))]
    return errors[np.abs(errors) <= window]


def onset_alignment(
    seconds: Iterable[float], strength: npt.ArrayLike, frame_rate: float
) -> AlignmentScore:
    """Score note times against the sound alone.

    The strength is smoothed by `TOLERANCE_SECONDS`; each note time takes its nearest frame's (the
    ends of the sound are joined). The null is every circular shift of the
    notes by at least `NEAR_SECONDS`; shifts by whole beats are among them, so a map that follows
    the metre but not the song gains little.

    Args:
        seconds: Note times in seconds of the sound, in any order.
        strength: (F,) onset strength, frame f speaking of second f / ``frame_rate``.
        frame_rate: Frames a second.

    Raises:
        ValueError: A time, a strength or the frame rate is not a finite number, or a wrong shape.
    """
    heard = check_strength(strength, frame_rate)
    times = np.array(unique_onsets(seconds))
    frames = np.rint(np.clip(times * frame_rate, -1, len(heard))).astype(np.int64)
    inside = (frames >= 0) & (frames < len(heard))
    onsets, outside = int(inside.sum()), int((~inside).sum())
    near = math.ceil(NEAR_SECONDS * frame_rate)
    if not onsets or len(heard) <= 2 * near + 1:
        return AlignmentScore(None, None, onsets, outside)
    notes = np.bincount(frames[inside], minlength=len(heard)).astype(np.float64)
    # Mean strength at the notes moved by s frames, for every s at once.
    cycles = np.fft.rfftfreq(len(heard), 1 / frame_rate)
    smoothing = np.exp(-2 * (np.pi * cycles * TOLERANCE_SECONDS) ** 2)
    spectrum = np.conj(np.fft.rfft(notes)) * np.fft.rfft(heard) * smoothing
    mean = np.fft.irfft(spectrum, n=len(heard)) / onsets
    null = mean[near : len(heard) - near + 1]
    deviation = float(null.std())
    if deviation <= 1e-9 * float(np.abs(heard).max(initial=0.0)):
        return AlignmentScore(None, None, onsets, outside)
    shifts = np.array(sorted(range(-near, near + 1), key=abs))
    # Rounding of the transform must not decide between equals.
    best = shifts[np.argmax(np.round((mean[shifts] - null.mean()) / deviation, 6))]
    z = (float(mean[0]) - float(null.mean())) / deviation
    return AlignmentScore(z, float(best) / frame_rate, onsets, outside)


def check_strength(strength: npt.ArrayLike, frame_rate: float) -> Floats:
    """The onset strength as an array, validated.

    Raises:
        ValueError: A strength or the frame rate is not a finite number, or a wrong shape.
    """
    heard = np.asarray(strength, dtype=np.float64)
    if heard.ndim != 1:
        raise ValueError(
            f"expected onset strength as one row of frames, found shape {heard.shape}: "
            "likely several channels or bands"
        )
    if not np.isfinite(heard).all():
        raise ValueError("expected finite onset strength, found NaN or infinity: a broken sound?")
    if not (math.isfinite(frame_rate) and frame_rate > 0):
        raise ValueError(f"expected a frame rate above 0 a second, found {frame_rate}")
    return heard


def _score(reference: list[float], estimate: list[float], window: float) -> TimingScore:
    if not reference and not estimate:
        return TimingScore(1.0, 1.0, 1.0, 1.0)
    matched = count_matches(reference, estimate, window)
    precision = matched / len(estimate) if estimate else 0.0
    recall = matched / len(reference) if reference else 0.0
    f1 = 2 * matched / (len(reference) + len(estimate))
    ratio = len(estimate) / max(1, len(reference))
    return TimingScore(precision, recall, f1, ratio, len(reference), len(estimate), matched)


def _nearest(times: Floats, wanted: Floats) -> npt.NDArray[np.intp]:
    """Index of the sorted ``times`` nearest to each wanted one, the earlier of two as near."""
    after = np.clip(np.searchsorted(times, wanted), 1, max(1, len(times) - 1))
    if len(times) == 1:
        return np.zeros(len(wanted), dtype=np.intp)
    before = after - 1
    return np.where(wanted - times[before] <= times[after] - wanted, before, after)


def _check_window(window: float) -> None:
    if not (math.isfinite(window) and window > 0):
        raise ValueError(f"expected a window above 0 seconds, found {window}")
