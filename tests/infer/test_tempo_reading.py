"""Choices by weights: what they are given, and that they choose by it."""

import numpy as np
import pytest
from synth import RATE, drums

from saberlm.infer.beat_net import BeatActivations
from saberlm.infer.onsets import onset_curve
from saberlm.infer.tempo_phase import Heard, bar_features, find_phases
from saberlm.infer.tempo_reading import (
    SIZES,
    Evidence,
    chances,
    estimate_from,
    load_weights,
    read_song,
    weights_from,
)


def _told(bpm: float, offset: float, bar: int = 0) -> Heard:
    """Drums with a network that hears beats just there, a bar's first on beat ``bar`` of four."""
    curve = onset_curve(drums(bpm, offset, seconds=30), RATE)
    frames = np.arange(int(curve.duration * 50)) / 50

    def near(step: float, start: float) -> np.ndarray:
        apart = (frames - start + step / 2) % step - step / 2
        return np.exp(-0.5 * (apart / 0.012) ** 2).astype(np.float32)

    beat = 60 / bpm
    return Heard(
        curve, BeatActivations(near(beat, offset), near(4 * beat, offset + bar * beat), 50.0)
    )


@pytest.mark.parametrize("late", [0.0, 0.5])
def test_the_network_tells_the_beat_from_the_half_beat(late: float) -> None:
    offset = 0.3 + late * 60 / 128
    heard = _told(128, 0.3)
    heard = Heard(heard.curve, _told(128, offset).beats)
    found = estimate_from(Evidence(heard), None, load_weights())
    beats = (found.offset_seconds - offset) * 128 / 60
    assert found.bpm == 128
    assert abs(beats - round(beats)) < 0.04


@pytest.mark.parametrize("bar", [0, 2])
def test_the_network_tells_the_first_kick_of_the_bar(bar: int) -> None:
    heard = _told(120, 0.3)
    heard = Heard(heard.curve, _told(120, 0.3, bar).beats)
    found = estimate_from(Evidence(heard), 120.0, load_weights())
    assert found.offset_seconds % 2 == pytest.approx((0.3 + bar * 0.5) % 2, abs=0.015)


def test_readings_share_out_one() -> None:
    found = read_song(Evidence(_told(140, 0.2)), None, load_weights())
    chance = [one.probability for one in found]
    assert chance == sorted(chance, reverse=True)
    assert 0.9 < sum(chance) <= 1 + 1e-9
    assert all(0 <= one.place < 1 for one in found)


def test_candidates_have_all_features() -> None:
    heard = _told(140, 0.2)
    evidence = Evidence(heard)
    assert evidence.tempi.features.shape[1] == len(SIZES["tempo"])
    assert evidence.octaves(140.0).shape == (3, len(SIZES["octave"]))
    assert find_phases(heard, 140.0).features.shape[1] == len(SIZES["phase"])
    assert bar_features(heard, 140.0, 0.4).shape == (4, len(SIZES["bar"]))


def test_chances_are_a_softmax() -> None:
    share = chances(np.array([[1000.0], [1001.0]]), np.array([1.0]))
    assert share == pytest.approx([0.2689, 0.7311], abs=1e-4)


def test_weights_of_another_version_are_refused() -> None:
    table = {choice: dict.fromkeys(names, 0.0) for choice, names in SIZES.items()}
    assert weights_from(table).bar.shape == (len(SIZES["bar"]),)
    table["bar"]["moon"] = 1.0
    with pytest.raises(ValueError, match="tempo weights, bar"):
        weights_from(table)
