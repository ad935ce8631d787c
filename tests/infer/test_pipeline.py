from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from saberlm.infer.engine import GeneratedMap
from saberlm.infer.pipeline import Song, playable_seconds, to_beatmap
from saberlm.infer.tempo_estimate import TempoEstimate, TempoPiece
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import BpmEvent
from saberlm.prompts.tempo import TempoMap


def song(bpm: float = 128.0, offset: float = 0.7, seconds: float = 12.0) -> Song:
    rng = np.random.default_rng(0)
    samples = rng.normal(size=int(24_000 * seconds)).astype(np.float32) * 0.1
    return Song(samples, 24_000, bpm, offset)


@pytest.mark.parametrize("offset", [0.0, 0.7, 5.3, -0.4, -9.1])
@pytest.mark.parametrize("bpm", [60.0, 128.0, 240.0])
def test_bar_zero_is_a_downbeat_at_or_just_before_the_start(bpm: float, offset: float) -> None:
    s = song(bpm, offset)
    bar = 240 / s.grid_bpm
    assert 95 <= s.grid_bpm < 190
    assert -bar - 1e-9 < s.bar_zero_seconds <= 1e-9
    bars_between = (s.offset_seconds - s.bar_zero_seconds) / bar
    assert bars_between == pytest.approx(round(bars_between), abs=1e-6)


@pytest.mark.parametrize("bpm", [60.0, 128.0, 240.0])
def test_tokens_keep_their_time_whatever_the_octave(bpm: float) -> None:
    s = song(bpm, 0.7)
    bars: list[list[int]] = [[] for _ in range(6)]
    bars[2] = [v.token_id("position", 48), v.token_id("note", 9)]
    beatmap, counts = to_beatmap(GeneratedMap(bars), s)
    (note,) = beatmap.color_notes
    expected = s.bar_zero_seconds + (2 * 4 + 1) * 60 / s.grid_bpm
    assert s.offset_seconds + note.beat * 60 / bpm == pytest.approx(expected)
    assert not counts


def test_what_lies_outside_the_song_is_dropped_and_counted() -> None:
    s = song(128.0, 0.7)
    bars = [[v.token_id("position", 0), v.token_id("note", 9)], *[[] for _ in range(20)]]
    bars[20] = [v.token_id("position", 0), v.token_id("note", 9)]
    beatmap, counts = to_beatmap(GeneratedMap(bars, Counter()), s)
    assert not beatmap.color_notes
    assert counts["dropped: note outside the song"] == 2


CHANGES = (BpmEvent(8.0, 132.0), BpmEvent(17.0, 99.5))


@pytest.mark.parametrize("offset", [0.0, 0.7, 5.3, -0.4, -9.1])
@pytest.mark.parametrize("bpm", [71.3, 128.0, 224.0])
def test_a_steady_song_is_on_the_closed_formula_to_the_last_bit(bpm: float, offset: float) -> None:
    s = song(bpm, offset)
    beats = np.arange(-4, 40, 1 / 24)
    assert (s.seconds_of(beats) == s.bar_zero_seconds + beats * 60 / s.grid_bpm).all()
    assert s.grid_beat_at(3.21) == (3.21 - offset) * s.grid_bpm / 60


@pytest.mark.parametrize("factor", [1.0, 0.5, 2.0])
def test_notes_keep_their_time_through_changes_of_tempo(factor: float) -> None:
    events = tuple(BpmEvent(e.beat * factor, e.bpm * factor) for e in CHANGES)
    s = replace(song(120.0 * factor, 0.7), bpm_events=events)
    assert (s.grid_bpm, s.octave) == (132.0, 1 / factor)
    bars: list[list[int]] = [[] for _ in range(s.num_bars)]
    for bar in range(1, s.num_bars - 2):
        bars[bar] = [v.token_id("position", 48), v.token_id("note", 9)]
    beatmap, counts = to_beatmap(GeneratedMap(bars), s)
    assert not counts
    assert beatmap.bpm_events == events
    found = s.offset_seconds + TempoMap(s.bpm, beatmap.bpm_events).to_seconds(
        np.array([note.beat for note in beatmap.color_notes])
    )
    expected = s.seconds_of(4.0 * np.arange(1, s.num_bars - 2) + 1)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert len(set(np.round(np.diff(expected), 3))) > 2


def test_the_longest_piece_names_the_octave_of_the_whole_song() -> None:
    s = replace(song(80.0, 0.0, seconds=60.0), bpm_events=(BpmEvent(4.0, 100.0),))
    assert (s.usual_bpm, s.grid_bpm, s.octave) == (100.0, 100.0, 1.0)
    assert s.bar_tempo.bpm == 80.0


def test_an_estimate_s_changes_become_events_on_beats() -> None:
    estimate = TempoEstimate(120.0, 0.25, 1.0, "x", (TempoPiece(4.25, 150.0), TempoPiece(8.25, 90)))
    s = Song.on_estimate(song().samples, 24_000, estimate)
    assert s.bpm_events == (BpmEvent(8.0, 150.0), BpmEvent(18.0, 90))
    many = [TempoPiece(0.0, 0.0)]
    for i in range(60):  # rounded times add up to nothing
        many.append(TempoPiece(round(many[-1].seconds + 60 / (100 + i), 4), 101.0 + i))
    estimate = TempoEstimate(100.0, 0.0, 1.0, "x", tuple(many[1:]))
    s = Song.on_estimate(song().samples, 24_000, estimate)
    assert [event.beat for event in s.bpm_events] == list(range(1, 61))
    assert s.tempo.to_seconds(60.0) == pytest.approx(many[-1].seconds, abs=0.01)


def test_quiet_ticks_and_playable_seconds_go_by_the_clock() -> None:
    s = replace(song(120.0, 0.7, seconds=40.0), bpm_events=CHANGES)
    ticks = s.num_bars * 192
    logits = torch.zeros(ticks)
    assert playable_seconds(logits, s) == pytest.approx(
        float(np.diff(s.seconds_of(np.array([0.0, 4 * s.num_bars])))[0])
    )
    steady = song(120.0, 0.7)
    assert playable_seconds(logits, steady) == s.num_bars * 4 * 60 / 120.0
