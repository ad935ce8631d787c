from collections import Counter
from typing import Any

import numpy as np
import pytest

from saberlm.adapter.frontend import LogMelFrontEnd
from saberlm.adapter.loading import LoadedModel
from saberlm.infer.engine import GeneratedMap
from saberlm.infer.pipeline import Song, map_song, to_beatmap
from saberlm.infer.sampling import SamplingParams
from saberlm.prompts import vocab as v
from saberlm.prompts.header import Conditions


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


def test_a_song_becomes_the_asked_difficulties_and_repeats(tiny_model: Any) -> None:
    loaded = LoadedModel(tiny_model, LogMelFrontEnd(), "tiny")
    asked = [Conditions("Hard", 2.0, lights=True), Conditions("Expert", lights=False)]
    params = SamplingParams(max_segment_tokens=40, seed=4)
    first, second = (map_song(loaded, song(), asked, params) for _ in range(2))
    assert first.beatmaps == second.beatmaps
    assert set(first.beatmaps) == {"Hard", "Expert"}
    assert not first.beatmaps["Expert"].lights
    assert {"encode", "decode"} <= first.seconds.keys()
    alone = map_song(loaded, song(), asked[:1], params)
    assert alone.beatmaps["Hard"] == first.beatmaps["Hard"], (
        "another difficulty in the run changes nothing"
    )
    last = 12.0 - 2.0
    for beatmap in first.beatmaps.values():
        assert all(0 <= 0.7 + n.beat * 60 / 128 <= last + 0.5 for n in beatmap.color_notes)
