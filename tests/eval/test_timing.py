"""Onset F1 against mir_eval and at the edges."""

from __future__ import annotations

import math

import mir_eval
import numpy as np
import pytest

from saberlm.eval.timing import onset_f1, unique_onsets


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
    score = onset_f1(reference, estimate)
    assert (score.f1, score.precision, score.recall) == pytest.approx((f1, precision, recall))
    assert score.count_ratio == pytest.approx(len(estimate) / len(reference))


def test_one_to_one_and_any_order() -> None:
    score = onset_f1([1.0, 1.04], [1.02])
    assert (score.precision, score.recall, score.matched) == (1.0, 0.5, 1)
    assert onset_f1([3, 1, 2], [2, 3, 1]).f1 == 1.0
    # pairing each with its nearest would lose a match
    assert onset_f1([1.0, 1.06], [1.045, 1.1], window=0.05).matched == 2


def test_doubles_count_once() -> None:
    score = onset_f1([1.0, 1.0, 2.0], [1.0, 1.0005, 2.0])
    assert (score.reference, score.estimate, score.f1, score.count_ratio) == (2, 2, 1.0, 1.0)


def test_edges() -> None:
    both = onset_f1([], [])
    assert (both.precision, both.recall, both.f1, both.count_ratio) == (1, 1, 1, 1)
    missed = onset_f1([1.0, 2.0], [])
    assert (missed.precision, missed.recall, missed.f1, missed.count_ratio) == (0, 0, 0, 0)
    spurious = onset_f1([], [1.0, 2.0])
    assert (spurious.f1, spurious.count_ratio) == (0, 2)


@pytest.mark.parametrize("window", [0.0, -1.0, math.nan, math.inf])
def test_bad_windows(window: float) -> None:
    with pytest.raises(ValueError, match="window"):
        onset_f1([1.0], [1.0], window)


def test_bad_times() -> None:
    with pytest.raises(ValueError, match="finite"):
        onset_f1([math.nan], [1.0])
