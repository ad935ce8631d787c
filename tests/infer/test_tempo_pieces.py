"""Made-up songs of changing tempo are followed within 15 ms; steady ones keep their one tempo."""

from dataclasses import replace

import numpy as np
import pytest

from saberlm.infer.beat_tracking import beat_evidence, track_beats
from saberlm.infer.onsets import FPS, OnsetCurve, onset_curve
from saberlm.infer.tempo_estimate import TempoEstimate
from saberlm.infer.tempo_pieces import events_of, find_pieces, follow_tempo
from saberlm.scripts.bench_tempo_changes import judge
from saberlm.scripts.synthetic_songs import (
    RATE,
    SyntheticSong,
    drift_song,
    free_intro_song,
    steady_song,
    step_song,
)


def steady_reading(bpm: float, offset: float = 0.3) -> TempoEstimate:
    return TempoEstimate(bpm, offset, 0.5, "test")


def curve_of(song: SyntheticSong) -> OnsetCurve:
    return onset_curve(song.samples, RATE)


@pytest.mark.parametrize(
    ("song", "bpm", "most"),
    [
        (step_song(0, seconds=60), 120.0, 4),
        (step_song(1, seconds=60), 132.0, 4),
        (drift_song(0, seconds=60), 118.2, 8),
        (free_intro_song(3, seconds=40), 120.0, 12),
    ],
    ids=["step, read as the first", "step, read as the second", "drift", "free intro"],
)
def test_a_changing_tempo_is_followed_from_onsets_alone(
    song: SyntheticSong, bpm: float, most: int
) -> None:
    found = follow_tempo(None, curve_of(song), steady_reading(bpm))
    result = judge(song, found)
    assert result.median_ms < 8
    assert result.max_ms < 15
    assert 1 < result.num_pieces <= most
    assert found.method == "test+changes"


def test_noise_of_sums_does_not_reach_the_level() -> None:
    curve = curve_of(drift_song(0, seconds=60))
    noise = 1 + np.random.default_rng(0).normal(scale=1e-7, size=len(curve.full))
    once, again = (
        follow_tempo(None, replace(curve, full=full), steady_reading(118.2))
        for full in (curve.full, (curve.full * noise).astype(np.float32))
    )
    assert len(once.events) > 0
    assert events_of(once) == events_of(again)


@pytest.mark.parametrize("seed", range(4))
def test_a_steady_song_keeps_its_reading(seed: int) -> None:
    song = steady_song(seed, seconds=40)
    steady = steady_reading(60 / float(np.diff(song.beats).mean()), float(song.beats[0]))
    curve = curve_of(song)
    assert follow_tempo(None, curve, steady) is steady
    assert find_pieces(None, curve, steady) == ()
    # a grid half a beat late is another's business
    late = replace(steady, offset_seconds=steady.offset_seconds + 30 / steady.bpm)
    assert follow_tempo(None, curve, late) is late


@pytest.mark.parametrize("octave", [0.5, 2.0])
def test_the_octave_is_the_steady_reading_s(octave: float) -> None:
    song = step_song(4, seconds=50)
    curve = curve_of(song)
    plain = follow_tempo(None, curve, steady_reading(120.0))
    other = follow_tempo(None, curve, steady_reading(120.0 * octave))
    assert other.bpm == pytest.approx(plain.bpm * octave)
    assert [p.seconds for p in other.events] == [p.seconds for p in plain.events]
    pieces = find_pieces(None, curve, steady_reading(120.0))
    assert (pieces[0].seconds, pieces[0].bpm) == (plain.offset_seconds, plain.bpm)
    assert pieces[1:] == plain.events


def test_the_beat_network_is_heard_too() -> None:
    """Where onsets say nothing of the beat, activations alone lead."""
    beats = 0.4 + np.concatenate([[0.0], np.cumsum(np.repeat([0.5, 60 / 132], 50))])
    frames = int(48 * FPS)
    curve = OnsetCurve(*np.full((2, frames), 0.1, np.float32))
    times = np.arange(48 * 50) / 50
    chances = np.exp(-0.5 * ((times[:, None] - beats) / 0.02) ** 2).max(axis=1)

    class Activations:
        beat = chances.astype(np.float32)
        downbeat = (chances * np.isin(np.abs(times[:, None] - beats).argmin(1) % 4, 2)).astype(
            np.float32
        )
        fps = 50.0

    found = follow_tempo(Activations(), curve, steady_reading(120.0))  # type: ignore[arg-type]
    assert found.bpm == pytest.approx(120, abs=1)
    assert found.events[-1].bpm == pytest.approx(132, abs=1.5)
    song = SyntheticSong("x", np.zeros(1, np.float32), beats)
    assert judge(song, found).median_ms < 15
    assert (found.offset_seconds - beats[2]) % 2.0 == pytest.approx(0, abs=0.04) or (
        beats[2] - found.offset_seconds
    ) % 2.0 == pytest.approx(0, abs=0.04)


@pytest.mark.parametrize("seconds", [2.5, 6.0])
def test_short_or_beatless_sound_keeps_its_reading(seconds: float) -> None:
    noise = np.random.default_rng(0).normal(size=int(seconds * RATE)).astype(np.float32) * 0.1
    steady = steady_reading(140.0)
    assert follow_tempo(None, onset_curve(noise, RATE), steady) is steady


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_steady(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(size=60 * RATE).astype(np.float32) * 0.1
    steady = steady_reading(140.0)
    assert follow_tempo(None, onset_curve(noise, RATE), steady) is steady


def test_beats_are_tracked_straight_through_silence() -> None:
    song = steady_song(5, seconds=40)
    samples = song.samples.copy()
    samples[15 * RATE : 22 * RATE] = 0
    bpm = 60 / float(np.diff(song.beats).mean())
    beats = track_beats(beat_evidence(None, onset_curve(samples, RATE)), bpm)
    apart = np.abs(beats[:, None] - song.beats).min(axis=1)
    inside = (beats > song.beats[0] - 0.1) & (beats < song.beats[-1] + 0.1)
    assert np.median(apart[inside]) < 0.008
    assert apart[(beats > 23) & inside].max() < 0.02
