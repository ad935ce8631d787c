"""What the beat network hears: frames where they should be, of any rate and level."""

import numpy as np
import pytest
from synth import RATE, drums

from saberlm.infer.beat_features import FPS, HOP, NUM_BANDS, beat_features, log_mel
from saberlm.infer.onsets import prepare_samples


def test_shape_and_range() -> None:
    samples = drums(120, 0.0, seconds=5.0)
    found = beat_features(samples, RATE)
    assert found.shape == (1 + len(samples) // HOP, NUM_BANDS)
    assert found.dtype == np.float32
    assert found.min() >= 0


@pytest.mark.parametrize("second", [0.5, 1.0, 2.22])
def test_a_click_is_loudest_in_its_frame(second: float) -> None:
    samples = np.zeros(4 * RATE, np.float32)
    samples[round(second * RATE)] = 1.0
    assert int(beat_features(samples, RATE).sum(axis=1).argmax()) == round(second * FPS)


def test_a_tone_is_loudest_in_its_band() -> None:
    time = np.arange(3 * RATE) / RATE
    bands = [
        int(beat_features(np.sin(2 * np.pi * hertz * time), RATE)[75].argmax())
        for hertz in (60, 200, 1000, 4000, 9000)
    ]
    assert bands == sorted(set(bands))


def test_sound_later_by_whole_frames_is_features_later() -> None:
    samples = drums(128, 0.2, seconds=6.0)
    later = np.concatenate([np.zeros(7 * HOP, np.float32), samples])
    np.testing.assert_allclose(
        beat_features(later, RATE)[7 + 2 :], beat_features(samples, RATE)[2:], atol=1e-5
    )


def test_level_rate_and_a_leading_axis_hardly_matter() -> None:
    plain = beat_features(drums(120, 0.0, seconds=5.0), RATE)
    np.testing.assert_allclose(
        beat_features(0.1 * drums(120, 0.0, seconds=5.0)[None], RATE), plain, atol=1e-4
    )
    other = beat_features(drums(120, 0.0, seconds=5.0, rate=44100), 44100)
    kick = slice(0, 8)  # hats are noise drawn anew for each rate
    assert np.corrcoef(other[: len(plain), kick].ravel(), plain[:, kick].ravel())[0, 1] > 0.95


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = prepare_samples(drums(120, 0.0, seconds=5.0), RATE)
    whole = log_mel(samples)
    monkeypatch.setattr("saberlm.infer.beat_features._BLOCK", 17)
    np.testing.assert_allclose(log_mel(samples), whole, atol=1e-5)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, RATE * 4)), "mono"),
        (np.zeros(RATE), "at least 2 s"),
        (np.zeros(RATE * 4), "silence"),
        (np.full(RATE * 4, np.nan), "finite"),
    ],
)
def test_bad_sound_is_refused(samples: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        beat_features(samples, RATE)
