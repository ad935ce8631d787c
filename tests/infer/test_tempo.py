"""Tempo, first beat and bars of synthesised drums, and what is refused."""

import math

import numpy as np
import pytest
from synth import RATE, bars, clicks, drums

from saberlm.infer.tempo import check_flags, estimate_tempo


def _phase_error(found: float, true: float, bpm: float) -> float:
    beats = (found - true) * bpm / 60
    return (beats - round(beats)) * 60 / bpm


@pytest.mark.parametrize(
    ("bpm", "offset"),
    [(97, 0.1), (110, 1.2), (128, 0.0), (128.37, 0.37), (150, 0.2), (160.5, 0.37), (174, 1.2)],
)
def test_tempo_and_phase_of_drums(bpm: float, offset: float) -> None:
    found = estimate_tempo(drums(bpm, offset), RATE)
    assert abs(found.bpm / bpm - 1) < 2e-4
    assert abs(_phase_error(found.offset_seconds, offset, bpm)) < 0.015
    assert 0 <= found.offset_seconds < 4 * 60 / found.bpm
    assert 0.5 < found.confidence <= 1
    assert (found.method, found.events) == ("found", ())


@pytest.mark.parametrize("bpm", [50, 90, 250])
def test_slow_and_fast_songs_come_out_in_some_octave(bpm: float) -> None:
    found = estimate_tempo(drums(bpm, 0.3), RATE)
    assert abs(math.remainder(math.log2(found.bpm / bpm), 1)) < 1e-3
    assert abs(_phase_error(found.offset_seconds, 0.3, max(found.bpm, bpm))) < 0.015


@pytest.mark.parametrize(("bpm", "meter"), [(150, 3), (140, 7)])
def test_odd_meters_have_their_beats_right(bpm: float, meter: int) -> None:
    found = estimate_tempo(bars(bpm, meter), RATE)
    assert found.bpm == bpm
    assert abs(_phase_error(found.offset_seconds, 0.3, bpm)) < 0.015


def test_click_track_and_silence_in_front() -> None:
    found = estimate_tempo(clicks(124, 31.0, 60.0), RATE)
    assert found.bpm == 124
    assert abs(_phase_error(found.offset_seconds, 31.0, 124)) < 0.015


def test_a_record_that_wanders_keeps_its_tempo() -> None:
    samples = drums(124, 0.3, seconds=60)
    place = np.arange(len(samples)) / RATE
    turned = place + 0.003 * 10 / (2 * np.pi) * np.sin(2 * np.pi * place / 10)  # +-0.3 % of speed
    found = estimate_tempo(np.interp(turned, place, samples), RATE)
    assert found.bpm == pytest.approx(124, rel=1e-3)


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
    assert (found.bpm, found.offset_seconds) == (128.0, -1.25)
    assert found.method == "found+given offset"
    assert {other.offset_seconds for other in found.alternatives} <= {-1.25}
    assert found.bpm not in {other.bpm for other in found.alternatives}


def test_both_given_need_no_sound() -> None:
    found = estimate_tempo(np.zeros(10), RATE, bpm=99.5, offset_seconds=0.5)
    assert (found.bpm, found.offset_seconds, found.method) == (99.5, 0.5, "given")


def test_sound_without_a_beat_has_little_confidence() -> None:
    chance = np.random.default_rng(0)
    noise = chance.standard_normal(40 * RATE).astype(np.float32) * 0.1
    drops = noise * 0.1 + (chance.random(len(noise)) < 0.003) * noise * 10
    for samples in (noise, drops):
        found = estimate_tempo(samples, RATE)
        assert found.confidence < 0.5
        assert len(found.alternatives) == 2


def test_readings_share_out_what_is_left_of_one() -> None:
    found = estimate_tempo(drums(133.3, 0.1), RATE)
    chances = [found.confidence, *(other.probability for other in found.alternatives)]
    assert sum(chances) <= 1 + 1e-9
    assert found.alternatives[0].probability >= found.alternatives[1].probability
    readings = {(o.bpm, o.offset_seconds) for o in found.alternatives}
    assert len(readings | {(found.bpm, found.offset_seconds)}) == 3


def test_the_same_sound_gives_the_same_answer() -> None:
    samples = drums(133.3, 0.1, seconds=20)
    assert estimate_tempo(samples, RATE) == estimate_tempo(samples, RATE)


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
