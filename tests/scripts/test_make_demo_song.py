"""The demo song: as long, as fast and as varied as the README and other tests count on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from saberlm.adapter.audio import is_ogg_vorbis
from saberlm.scripts import make_demo_song as demo

COMMITTED = Path(__file__).parents[2] / "examples" / "demo_song.ogg"
BEAT_SECONDS = 60 / demo.BPM


@pytest.fixture(scope="module")
def song() -> np.ndarray:
    return demo.make_song()


def section(samples: np.ndarray, first_bar: int, num_bars: int) -> np.ndarray:
    frames = [
        round((demo.FIRST_BEAT_SECONDS + 4 * bar * BEAT_SECONDS) * demo.SAMPLE_RATE)
        for bar in (first_bar, first_bar + num_bars)
    ]
    return samples[:, slice(*frames)]


def decibels(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(samples**2)))


def test_length_and_level(song):
    assert song.shape == (2, round(demo.SONG_SECONDS * demo.SAMPLE_RATE))
    assert demo.SONG_SECONDS >= 48
    assert 0.5 < np.abs(song).max() < 0.95
    assert np.abs(song.mean(axis=1)).max() < 1e-3  # no constant offset


def test_sections_differ_in_energy(song):
    intro = decibels(section(song, 0, demo.INTRO_BARS))
    verse = decibels(section(song, demo.VERSE_START_BAR, demo.VERSE_BARS))
    chorus = decibels(section(song, demo.CHORUS_START_BAR, demo.CHORUS_BARS))
    assert intro + 3 < verse
    assert verse + 4 < chorus


def test_chorus_strikes_on_every_beat(song):
    mono = song.mean(axis=0)
    window = round(0.02 * demo.SAMPLE_RATE)
    for beat in range(4 * demo.CHORUS_START_BAR, 4 * demo.ENDING_START_BAR + 1):
        at = round((demo.FIRST_BEAT_SECONDS + beat * BEAT_SECONDS) * demo.SAMPLE_RATE)
        # The kick's click is in the highs, which the first difference lets through.
        before, after = np.diff(mono[at - window : at]), np.diff(mono[at : at + window])
        assert np.mean(after**2) > 2 * np.mean(before**2), f"beat {beat}"


def test_song_is_the_same_each_time(song):
    np.testing.assert_array_equal(song, demo.make_song())


def test_command_writes_vorbis(tmp_path, monkeypatch):
    short = np.zeros((2, demo.SAMPLE_RATE))
    monkeypatch.setattr(demo, "make_song", lambda: short)
    assert demo.main([str(tmp_path / "song.ogg")]) == 0
    assert is_ogg_vorbis(tmp_path / "song.ogg")


def test_committed_file_is_this_song(song):
    assert COMMITTED.stat().st_size < 900_000
    assert is_ogg_vorbis(COMMITTED)
    committed, rate = sf.read(COMMITTED)
    assert rate == demo.SAMPLE_RATE
    assert committed.shape == song.T.shape
    assert decibels(committed.T - song) < decibels(song) - 10
