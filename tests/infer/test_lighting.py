"""Two passes: a lit map's notes are those of its first pass, and what is lit is what was made."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from saberlm.adapter.frontend import LogMelFrontEnd
from saberlm.adapter.loading import LoadedModel
from saberlm.infer.amounts import held_to
from saberlm.infer.engine import Engine
from saberlm.infer.lighting import (
    LIT_NOTE_LOGIT,
    Passes,
    generate_lit,
    lights_row,
    make_passes,
    note_ticks,
)
from saberlm.infer.pipeline import Song, completed, encode_song, seed_of, to_beatmap
from saberlm.infer.sampling import SamplingParams
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import Beatmap, BpmEvent
from saberlm.prompts.context import split_lights
from saberlm.prompts.header import Conditions, without_lights

PARAMS = SamplingParams(max_segment_tokens=40, seed=4)


def song(bpm: float = 128.0, offset: float = 0.7, seconds: float = 12.0) -> Song:
    rng = np.random.default_rng(0)
    samples = rng.normal(size=int(24_000 * seconds)).astype(np.float32) * 0.1
    return Song(samples, 24_000, bpm, offset)


def passes(loaded: LoadedModel, on: Song, asked: Conditions) -> Passes:
    encoding = encode_song(loaded.model, loaded.frontend, on)
    conditions = completed(loaded.model, on, asked)
    return make_passes(loaded.model, encoding, on, conditions, seed_of(PARAMS.seed, asked))


def map_song(
    loaded: LoadedModel, on: Song, asked: Sequence[Conditions], params: SamplingParams
) -> dict[str, Beatmap]:
    rows = [passes(loaded, on, one) for one in asked]
    made = generate_lit(Engine(loaded.model), rows, [params] * len(rows))
    return {
        one.difficulty or "": to_beatmap(generated, on)[0]
        for one, generated in zip(asked, made, strict=True)
    }


@pytest.fixture
def loaded(tiny_model: Any) -> LoadedModel:
    return LoadedModel(tiny_model, LogMelFrontEnd(), "tiny")


def test_the_notes_are_those_of_the_first_pass_and_all_bars_are_told(loaded: LoadedModel) -> None:
    row = passes(loaded, song(), Conditions("Hard", 2.0, style="tech, dense lights", lights=True))
    assert row.notes.conditions.lights is False
    assert row.notes.conditions.style == "tech"
    assert row.lights is not None
    assert row.lights.conditions.style == "tech, dense lights"
    engine = Engine(loaded.model)
    first = passes(loaded, song(), Conditions("Hard", 2.0, lights=True)).notes
    (dark,) = engine.generate([held_to(first, {})], PARAMS)
    told: list[int] = []
    other = passes(loaded, song(), Conditions("Hard", 2.0, lights=True))
    (made,) = generate_lit(engine, [other], [PARAMS], told.append)
    assert [split_lights(bar)[0] for bar in made.bars] == dark.bars
    assert any(split_lights(bar)[1] for bar in made.bars)
    assert sum(told) == 2 * len(made.bars)


def test_lights_are_expected_where_notes_are(loaded: LoadedModel) -> None:
    row = passes(loaded, song(), Conditions("Hard", 2.0, lights=True)).lights
    assert row is not None
    bars = [[v.token_id("position", 48), v.token_id("note", 9), v.token_id("note", 200)], []]
    assert note_ticks(bars) == [48]
    lit = lights_row(row, bars, note_ticks(bars))
    logits = lit.onset_logits
    assert float(logits[48, 0]) == pytest.approx(LIT_NOTE_LOGIT)
    rest = torch.arange(len(logits)) != 48
    assert (logits[rest, 0] < -20).all()
    assert torch.equal(logits[rest, 1], row.onset_logits[rest, 1])
    assert lit.density is None


@pytest.mark.parametrize("style", [None, "", "dense lights", "dense lights, sparse lights"])
def test_no_word_is_left(style: str | None) -> None:
    assert without_lights(Conditions("Hard", style=style)).style is None


def test_a_song_becomes_the_asked_difficulties_and_repeats(tiny_model: Any) -> None:
    loaded = LoadedModel(tiny_model, LogMelFrontEnd(), "tiny")
    asked = [Conditions("Hard", 2.0, lights=True), Conditions("Expert", lights=False)]
    params = SamplingParams(max_segment_tokens=40, seed=4)
    first, second = (map_song(loaded, song(), asked, params) for _ in range(2))
    assert first == second
    assert set(first) == {"Hard", "Expert"}
    assert not first["Expert"].lights
    alone = map_song(loaded, song(), asked[:1], params)
    assert alone["Hard"] == first["Hard"], "another difficulty in the run changes nothing"
    last = 12.0 - 2.0
    for beatmap in first.values():
        assert all(0 <= 0.7 + n.beat * 60 / 128 <= last + 0.5 for n in beatmap.color_notes)


def test_changes_that_change_nothing_give_the_steady_song_s_map(tiny_model: Any) -> None:
    loaded = LoadedModel(tiny_model, LogMelFrontEnd(), "tiny")
    params = SamplingParams(max_segment_tokens=40, seed=4)
    asked = [Conditions("Hard", 2.0, lights=True)]
    steady = song()
    same = replace(steady, bpm_events=(BpmEvent(3.0, steady.bpm), BpmEvent(9.0, steady.bpm)))
    heard = [encode_song(tiny_model, loaded.frontend, one) for one in (steady, same)]
    assert heard[0].num_bars == heard[1].num_bars == same.num_bars
    assert torch.allclose(heard[0].latents, heard[1].latents, atol=1e-4)
    made = [map_song(loaded, one, asked, params)["Hard"] for one in (steady, same)]
    assert made[0] == replace(made[1], bpm_events=())
    assert made[1].bpm_events == same.bpm_events
