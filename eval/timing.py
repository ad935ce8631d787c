"""Timing against a reference: F1 of note times, as in onset detection.

Notes at one moment (doubles, stacks) count once: times within `SAME_ONSET_SECONDS` of the first of
a group are one onset. Matching is one-to-one and as large as possible, within ``window`` seconds to
either side, which is what ``mir_eval.onset`` scores (50 ms there too).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

SAME_ONSET_SECONDS = 0.001
WINDOW_SECONDS = 0.05


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


def onset_f1(
    reference_seconds: Iterable[float],
    estimate_seconds: Iterable[float],
    window: float = WINDOW_SECONDS,
) -> TimingScore:
    """Score note times against a reference.

    Args:
        reference_seconds: The human's note times, in any order.
        estimate_seconds: The times to score, in any order.
        window: Largest distance of a match in seconds, inclusive.

    Raises:
        ValueError: A time is not finite, or the window is not a positive number.
    """
    if not (math.isfinite(window) and window > 0):
        raise ValueError(f"expected a window above 0 seconds, found {window}")
    reference, estimate = unique_onsets(reference_seconds), unique_onsets(estimate_seconds)
    if not reference and not estimate:
        return TimingScore(1.0, 1.0, 1.0, 1.0)
    matched = count_matches(reference, estimate, window)
    precision = matched / len(estimate) if estimate else 0.0
    recall = matched / len(reference) if reference else 0.0
    f1 = 2 * matched / (len(reference) + len(estimate))
    ratio = len(estimate) / max(1, len(reference))
    return TimingScore(precision, recall, f1, ratio, len(reference), len(estimate), matched)
