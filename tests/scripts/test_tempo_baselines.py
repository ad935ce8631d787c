"""The plain ways to find a tempo that the bench compares with."""

import numpy as np
import pytest

from saberlm.scripts.tempo_baselines import line_fit


@pytest.mark.parametrize("bpm", [61.5, 128.0, 174.3])
@pytest.mark.parametrize("start", [-0.03, 0.7])
def test_a_line_through_even_beats_is_exact(bpm: float, start: float) -> None:
    beats = start + np.arange(200) * 60 / bpm
    assert line_fit(beats) == pytest.approx((bpm, start))


def test_beats_left_out_and_jitter_hardly_matter() -> None:
    rng = np.random.default_rng(0)
    beats = 0.5 + np.arange(300) * 60 / 140 + rng.normal(0, 0.005, 300)
    kept = np.delete(beats, [20, 21, 150, 240])
    bpm, start = line_fit(kept)
    assert bpm == pytest.approx(140, rel=2e-5)
    assert start == pytest.approx(0.5, abs=0.003)
