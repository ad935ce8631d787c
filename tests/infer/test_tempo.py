"""Tempo and first beat on synthesised drums, and what is refused."""

import math

import numpy as np
import pytest
from synth import RATE, drums

from saberlm.infer.tempo import check_flags, estimate_tempo


def _phase_error(found: float, true: float, bpm: float) -> float:
    beats = (found - true) * bpm / 60
    return (beats - round(beats)) * 60 / bpm


@pytest.mark.parametrize("offset", [0.0, 0.1, 0.37, 1.2])
@pytest.mark.parametrize("bpm", [97, 110, 120, 128, 128.37, 133.3, 150, 160.5, 174, 180])
def test_tempo_and_phase_of_drums(bpm: float, offset: float) -> None:
    found = estimate_tempo(drums(bpm, offset), RATE)
    assert abs(found.bpm / bpm - 1) < 5e-4
    assert abs(_phase_error(found.offset_seconds, offset, bpm)) < 0.015
    assert 0 <= found.offset_seconds < 4 * 60 / found.bpm
    assert found.confidence > 0.9
    assert found.method == "comb"


@pytest.mark.parametrize("offset", [0.0, 0.37])
def test_a_slow_tempo_comes_out_doubled(offset: float) -> None:
    found = estimate_tempo(drums(90, offset), RATE)
    assert found.bpm == pytest.approx(180, rel=5e-4)
    assert abs(_phase_error(found.offset_seconds, offset, 180)) < 0.015


def test_beat_zero_is_the_loud_kick() -> None:
    found = estimate_tempo(drums(120, 0.37), RATE)
    assert found.offset_seconds == pytest.approx(0.37, abs=0.015)


def test_other_rates_and_a_leading_axis() -> None:
    found = estimate_tempo(drums(128, 0.2, rate=48000)[None], 48000)
    assert found.bpm == 128
    assert abs(_phase_error(found.offset_seconds, 0.2, 128)) < 0.015


def test_given_bpm_keeps_and_finds_the_offset() -> None:
    found = estimate_tempo(drums(128, 0.3), RATE, bpm=64.0)
    assert (found.bpm, found.method) == (64.0, "given")
    assert abs(_phase_error(found.offset_seconds, 0.3, 128)) < 0.015


def test_given_offset_is_kept() -> None:
    found = estimate_tempo(drums(128, 0.3), RATE, offset_seconds=-1.25)
    assert (found.bpm, found.offset_seconds, found.method) == (128.0, -1.25, "comb+given offset")


def test_both_given_need_no_sound() -> None:
    found = estimate_tempo(np.zeros(10), RATE, bpm=99.5, offset_seconds=0.5)
    assert (found.bpm, found.offset_seconds, found.method) == (99.5, 0.5, "given")


def test_noise_has_little_confidence() -> None:
    noise = np.random.default_rng(0).standard_normal(40 * RATE).astype(np.float32) * 0.1
    assert estimate_tempo(noise, RATE).confidence < 0.5


def test_the_same_sound_gives_the_same_answer() -> None:
    assert estimate_tempo(drums(133.3, 0.1), RATE) == estimate_tempo(drums(133.3, 0.1), RATE)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(10 * RATE), "silence"),
        (np.zeros(RATE // 2), "0.50 s"),
        (np.full(10 * RATE, np.nan), "NaN"),
        (np.ones((2, 10 * RATE)), "mono"),
        (0.3 * np.sin(np.arange(10 * RATE) * 2 * np.pi * 440 / RATE), "onsets"),
    ],
)
def test_sound_without_a_beat_is_refused(samples: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        estimate_tempo(samples, RATE)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("bpm", [0, -120, 9.99, 1000.1, math.nan, math.inf])
def test_bad_bpm_flags(bpm: float) -> None:
    with pytest.raises(ValueError, match="--bpm"):
        check_flags(bpm, None)


@pytest.mark.parametrize("offset", [math.nan, -math.inf])
def test_bad_offset_flags(offset: float) -> None:
    with pytest.raises(ValueError, match="--offset"):
        check_flags(None, offset)


def test_flags_at_the_edges_pass() -> None:
    check_flags(10, -5.0)
    check_flags(1000, None)
