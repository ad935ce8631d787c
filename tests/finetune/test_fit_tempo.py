"""The conditional logit that the tempo's choices are fitted with."""

import numpy as np
import pytest

from saberlm.finetune.fit_tempo import Choice, fit_confidence, fit_logit, folds_of


def _choices(weights: np.ndarray, count: int) -> list[Choice]:
    chance = np.random.default_rng(0)
    made = []
    for _ in range(count):
        features = chance.standard_normal((5, len(weights)))
        noise = chance.gumbel(size=5)  # the logit's own noise (McFadden 1974)
        made.append(Choice(features, int(np.argmax(features @ weights + noise))))
    return made


def test_the_weights_behind_choices_are_found() -> None:
    truth = np.array([2.0, -1.0, 0.0])
    assert fit_logit(_choices(truth, 2000)) == pytest.approx(truth, abs=0.15)


def test_choices_that_one_feature_decides_stay_finite() -> None:
    made = [Choice(np.array([[0.0], [1.0]]), 1)] * 20
    weights = fit_logit(made)
    assert np.isfinite(weights).all()
    assert weights[0] > 0


def test_confidence_is_the_share_that_is_right() -> None:
    rows = [np.array([1.0])] * 400
    weights = fit_confidence(rows, [number % 4 > 0 for number in range(400)])
    assert 1 / (1 + np.exp(-weights[0])) == pytest.approx(0.75, abs=0.01)


def test_folds_hold_each_song_once() -> None:
    keys = [f"{number:04d}" for number in range(23)]
    folds = folds_of(keys, 5)
    assert sorted(folds) == keys
    counts = np.bincount(list(folds.values()))
    assert counts.max() - counts.min() <= 1
    assert folds == folds_of(keys, 5)
