"""Baselines: as many notes as asked, where asked, and nothing that breaks a hand's flow."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saberlm.eval.baselines import (
    LEAD_SECONDS,
    TAIL_SECONDS,
    flowing_map,
    half_beat_map,
    onset_peak_map,
    onset_strength,
)
from saberlm.eval.judge import judge_map
from saberlm.prompts.beatmap import DIFFICULTIES
from saberlm.prompts.tempo import TempoMap

TEMPI = st.floats(60, 300)


def faultless(beatmap, bpm):
    for difficulty in DIFFICULTIES:
        judged = judge_map(beatmap, TempoMap(bpm), difficulty)
        # how fast and how evenly it goes is what was asked for
        asked = ("too_fast", "burst_break", "burst_clutter", "speed_pause")
        assert [one for one in judged.findings if one.rule not in asked] == []
        assert judged.left_out == {}


@given(st.lists(st.integers(1, 64), max_size=60), st.data(), TEMPI)
def test_a_flowing_map_breaks_no_rule(gaps, data, bpm):
    beats = (np.cumsum(gaps) / 4).tolist()
    doubles = data.draw(st.sets(st.sampled_from(beats))) if beats else set()
    beatmap = flowing_map(beats, doubles)
    assert len(beatmap.color_notes) == len(beats) + len(doubles)
    faultless(beatmap, bpm)


@given(TEMPI, st.floats(0, 60))
def test_half_beats_fill_the_song(bpm, seconds):
    beatmap = half_beat_map(bpm, seconds)
    beats = [note.beat for note in beatmap.color_notes]
    times = [beat * 60 / bpm for beat in beats]
    assert all(LEAD_SECONDS - 1e-6 <= t <= seconds - TAIL_SECONDS + 1e-6 for t in times)
    assert all(b - a == 0.5 for a, b in pairwise(beats))
    if seconds > LEAD_SECONDS + TAIL_SECONDS + 2 * 60 / bpm:
        assert beats
    faultless(beatmap, bpm)


@given(st.integers(0, 300), st.data(), st.integers(0, 9))
def test_peaks_give_as_many_notes_as_asked(notes, data, seed):
    doubles = data.draw(st.integers(0, notes // 2))
    strength = np.random.default_rng(seed).random(60 * 86)
    beatmap = onset_peak_map(strength, 86.0, 120.0, notes, doubles=doubles)
    assert len(beatmap.color_notes) == notes
    beats = [note.beat for note in beatmap.color_notes]
    assert len(beats) - len(set(beats)) == doubles
    assert all(4 * beat == int(4 * beat) for beat in beats)
    faultless(beatmap, 120.0)


def test_peaks_are_the_loudest_quarters():
    strength = np.full(6000, 0.01)
    strength[[400, 950, 1300]] = [3, 9, 5]  # seconds 4, 9.5 and 13: beats 8, 19, 26
    beatmap = onset_peak_map(strength, 100.0, 120.0, 4, doubles=1)
    assert [note.beat for note in beatmap.color_notes] == [8, 19, 19, 26]


def test_a_song_with_fewer_quarters_has_fewer_notes():
    assert len(onset_peak_map(np.ones(500), 100.0, 120.0, 999).color_notes) == 13
    assert onset_peak_map(np.ones(100), 100.0, 120.0, 50).color_notes == ()
    assert onset_peak_map([], 100.0, 120.0, 50, seconds=10.0).color_notes != ()


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: half_beat_map(0, 60), "expected a tempo above 0"),
        (lambda: half_beat_map(120, float("inf")), "expected a tempo above 0 and a length"),
        (lambda: half_beat_map(300, 1e9), "expected a song of at most"),
        (lambda: onset_peak_map([1.0], 100.0, 120, 3, doubles=2), "expected 0 to 1 doubles"),
        (lambda: flowing_map([1.0, 1.1]), "expected beats more than an eighth apart"),
    ],
)
def test_nonsense_is_refused(made, message):
    with pytest.raises(ValueError, match=message):
        made()


def test_librosa_hears_clicks():
    samples = np.zeros(44_100 * 4, np.float32)
    for second in (1, 2, 3):
        samples[44_100 * second : 44_100 * second + 400] = 0.5
    strength, rate = onset_strength(samples, 44_100)
    loudest = np.sort(np.argsort(-strength)[:3] / rate)
    assert np.abs(loudest - [1, 2, 3]).max() < 0.05
