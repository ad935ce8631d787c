"""Onset F1 against mir_eval and at the edges."""

from __future__ import annotations

import math

import mir_eval
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from saberlm.eval.timing import (
    TOLERANCE_SECONDS,
    WINDOWS_SECONDS,
    onset_alignment,
    paired_errors,
    timing_report,
    unique_onsets,
)

TIMES = st.lists(st.floats(0, 30).map(lambda t: round(t, 3)), max_size=40)


def f1_at_50(reference, estimate):
    return timing_report(reference, estimate, (0.05,)).scores["50"]


@pytest.mark.parametrize("seed", range(40))
def test_same_as_mir_eval(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dense = 10.0 if seed % 2 else 40.0
    reference = np.unique(np.round(rng.uniform(0, dense, rng.integers(1, 120)), 2))
    moved = rng.choice(reference, rng.integers(1, len(reference) + 1), replace=False)
    moved = moved + rng.normal(0, 0.04, len(moved))
    estimate = np.sort(np.concatenate([moved, rng.uniform(0, dense, rng.integers(0, 60))]))
    estimate = np.array(unique_onsets(estimate.clip(0)))
    f1, precision, recall = mir_eval.onset.f_measure(reference, estimate, window=0.05)
    score = f1_at_50(reference, estimate)
    assert (score.f1, score.precision, score.recall) == pytest.approx((f1, precision, recall))
    assert score.count_ratio == pytest.approx(len(estimate) / len(reference))


def test_one_to_one_and_any_order() -> None:
    score = f1_at_50([1.0, 1.04], [1.02])
    assert (score.precision, score.recall, score.matched) == (1.0, 0.5, 1)
    assert f1_at_50([3, 1, 2], [2, 3, 1]).f1 == 1.0
    # pairing each with its nearest would lose a match
    assert f1_at_50([1.0, 1.06], [1.045, 1.1]).matched == 2


def test_doubles_count_once() -> None:
    score = f1_at_50([1.0, 1.0, 2.0], [1.0, 1.0005, 2.0])
    assert (score.reference, score.estimate, score.f1, score.count_ratio) == (2, 2, 1.0, 1.0)


def test_edges() -> None:
    both = f1_at_50([], [])
    assert (both.precision, both.recall, both.f1, both.count_ratio) == (1, 1, 1, 1)
    missed = f1_at_50([1.0, 2.0], [])
    assert (missed.precision, missed.recall, missed.f1, missed.count_ratio) == (0, 0, 0, 0)
    spurious = f1_at_50([], [1.0, 2.0])
    assert (spurious.f1, spurious.count_ratio) == (0, 2)


@pytest.mark.parametrize("window", [0.0, -1.0, math.nan, math.inf])
def test_bad_windows(window: float) -> None:
    with pytest.raises(ValueError, match="window"):
        timing_report([1.0], [1.0], (window,))


def test_bad_times() -> None:
    with pytest.raises(ValueError, match="finite"):
        f1_at_50([math.nan], [1.0])


@pytest.mark.parametrize("seed", range(10))
def test_every_window_as_mir_eval(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference = np.array(unique_onsets(rng.uniform(0, 10, 60)))
    estimate = np.array(unique_onsets(reference[::2] + rng.normal(0, 0.03, 30)))
    report = timing_report(reference, estimate)
    for window in WINDOWS_SECONDS:
        expected = mir_eval.onset.f_measure(reference, estimate.clip(0), window=window)
        score = report.scores[f"{1000 * window:g}"]
        assert (score.f1, score.precision, score.recall) == pytest.approx(expected)


@given(TIMES)
def test_report_of_itself(times: list[float]) -> None:
    report = timing_report(times, times)
    assert {one.f1 for one in report.scores.values()} == {1.0}
    assert report.count_ratio == (1.0 if times else None)
    assert report.mean_error_seconds == (0.0 if times else None)


@given(TIMES, TIMES)
def test_report_in_bounds(reference: list[float], estimate: list[float]) -> None:
    report = timing_report(reference, estimate)
    f1 = [report.scores[key].f1 for key in ("10", "20", "40", "50")]
    assert f1 == sorted(f1)
    assert all(0 <= one <= 1 for one in f1)
    if report.mean_error_seconds is not None:
        assert abs(report.mean_error_seconds) <= 0.05 + 1e-12
    back = timing_report(estimate, reference)
    assert back.scores["20"].precision == report.scores["20"].recall


def test_mean_error_is_of_the_nearest() -> None:
    late = timing_report([1.0, 2.0, 3.0], [1.01, 2.03, 3.02, 3.5])
    assert late.mean_error_seconds == pytest.approx(0.02)
    # the earliest that fits would be 1.00, which is 40 ms off
    assert paired_errors([1.0, 1.04], [1.04], 0.05).tolist() == [0.0]
    assert len(paired_errors([1.0], [1.2], 0.05)) == 0


def test_no_windows() -> None:
    with pytest.raises(ValueError, match="at least one window"):
        timing_report([1.0], [1.0], [])


def _clicks(seconds: list[float], length: float = 30.0, rate: float = 100.0) -> np.ndarray:
    strength = np.random.default_rng(0).uniform(0, 0.1, round(length * rate))
    strength[np.rint(np.array(seconds) * rate).astype(int)] += 1
    return strength


def test_notes_on_the_sound_stand_out() -> None:
    times = np.sort(np.random.default_rng(1).uniform(1, 28, 50)).round(2).tolist()
    strength = _clicks(times)
    on = onset_alignment(times, strength, 100)
    late = onset_alignment([t + 0.06 for t in times], strength, 100)
    assert on.z is not None
    assert late.z is not None
    assert on.z > 5
    assert on.best_shift_seconds == 0
    assert late.z < on.z / 3
    assert late.best_shift_seconds == pytest.approx(-0.06)


def test_the_null_moves_all_notes_at_once() -> None:
    times = [1.0, 2.5, 7.25, 9.0]
    strength = _clicks(times, 12.0)
    frames = np.rint(np.array(times) * 100).astype(int)
    smooth = gaussian_filter1d(strength, TOLERANCE_SECONDS * 100, mode="wrap", truncate=8)
    means = [smooth[(frames + s) % len(strength)].mean() for s in range(len(strength))]
    null = np.array(means[10 : len(means) - 9])
    expected = (means[0] - null.mean()) / null.std()
    assert onset_alignment(times, strength, 100).z == pytest.approx(expected, rel=0.02)


def test_alignment_edges() -> None:
    nothing = onset_alignment([], _clicks([1.0]), 100)
    assert (nothing.z, nothing.best_shift_seconds, nothing.onsets) == (None, None, 0)
    assert onset_alignment([1.0], np.zeros(3000), 100).z is None  # silence
    assert onset_alignment([1.0], np.full(3000, 0.7), 100).z is None
    assert onset_alignment([0.0], [1.0, 0.0, 0.0], 100).z is None  # too short for a null
    assert onset_alignment([0.0], [], 100).z is None
    outside = onset_alignment([-1.0, 1.0, 99.0], _clicks([1.0]), 100)
    assert (outside.onsets, outside.outside) == (1, 2)


@pytest.mark.parametrize(
    ("strength", "rate", "why"),
    [
        ([[1.0], [2.0]], 100, "one row"),
        ([math.nan], 100, "finite onset strength"),
        ([1.0], 0, "frame rate"),
        ([1.0], math.inf, "frame rate"),
    ],
)
def test_alignment_refuses(strength: list[float], rate: float, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        onset_alignment([0.0], strength, rate)
