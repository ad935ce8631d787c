"""Tempi that a comb proposes."""

import numpy as np
import pytest
from synth import RATE, drums

from saberlm.infer.onsets import onset_curve
from saberlm.infer.tempo_comb import APART, Comb, coherence, find_tempi, sharpen, whole_bpm


@pytest.fixture(scope="module", params=[112.0, 147.63])
def heard(request: pytest.FixtureRequest) -> tuple[float, Comb, float]:
    curve = onset_curve(drums(request.param, 0.2), RATE)
    return request.param, Comb(curve.full, len(curve.full) / curve.duration), curve.duration


def test_the_true_tempo_is_among_the_first(heard: tuple[float, Comb, float]) -> None:
    bpm, comb, duration = heard
    found = find_tempi(comb, duration)
    assert np.abs(found[:2] / bpm - 1).min() < 2e-4
    assert ((found >= 95) & (found < 190)).all()
    apart = np.abs(found[:, None] / found - 1)[~np.eye(len(found), dtype=bool)]
    assert apart.min() > APART / 2


def test_sharpening_brings_a_near_tempo_home(heard: tuple[float, Comb, float]) -> None:
    bpm, comb, duration = heard
    assert sharpen(comb, bpm * 1.001, 60 / (duration * 16)) == pytest.approx(bpm, rel=1e-4)


def test_only_what_the_sound_cannot_tell_is_made_whole(heard: tuple[float, Comb, float]) -> None:
    bpm, comb, duration = heard
    assert whole_bpm(comb, bpm + 0.004, duration) == pytest.approx(bpm, abs=0.005)
    assert whole_bpm(comb, 112.4, 180.0) == 112.4
    assert whole_bpm(comb, 111.999, 180.0) == 112.0


def test_lines_are_shares() -> None:
    comb = Comb(np.random.default_rng(0).random(4000).astype(np.float32), 100.0)
    lines = comb.at(np.linspace(50, 500, 200))
    assert (lines >= 0).all()
    assert (lines <= 1).all()


def test_noise_coheres_less_than_drums() -> None:
    chance = np.random.default_rng(0)
    noise = onset_curve(chance.standard_normal(20 * RATE) * 0.1, RATE)
    beat = onset_curve(drums(128, 0.2, seconds=20), RATE)
    assert coherence(noise, 128) < 0.5 < coherence(beat, 128) <= 1
