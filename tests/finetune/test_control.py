"""Control runs: the stretch that is mapped, and the maps that are asked for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from saberlm.adapter.frontend import LogMelFrontEnd
from saberlm.adapter.loading import LoadedModel
from saberlm.finetune.control import ControlPlan, control_rows, stretch
from saberlm.finetune.held_out import HeldOutMap, HeldOutSong
from saberlm.finetune.sources import MapSource
from saberlm.infer.sampling import SamplingParams
from saberlm.prompts.beatmap import Beatmap, ColorNote
from saberlm.prompts.grid import FittedGrid
from saberlm.prompts.header import Conditions

RATE = 24_000
BPM = 120.0  # bars of two seconds


def held_out(audio: Path, first_beat: float, offset: float = 0.0) -> HeldOutSong:
    notes = tuple(ColorNote(first_beat + i, 1, 0, i % 2, 1) for i in range(8))
    human = HeldOutMap(Beatmap(color_notes=notes), Conditions("Expert"), 16.0, 0.0)
    source = MapSource("7", audio.parent, audio, "valid")
    return HeldOutSong(source, audio.name, FittedGrid(BPM, offset, 1.0), BPM, {"Expert": human})


def plan(**changes: Any) -> ControlPlan:
    settings: dict[str, Any] = {
        "difficulty": "Expert", "nps": (2.0, 6.0), "words": ("wide",), "scale": 2.0, "bars": 4,
        "playability": "off", "seed": 0,
    }  # fmt: skip
    return ControlPlan(**{**settings, **changes})


@pytest.mark.parametrize(
    ("first_beat", "offset", "start"),
    [(0.0, 0.0, 0.0), (9.0, 0.0, 4.0), (0.0, -0.5, 1.5), (8.0, -0.5, 3.5)],
)
def test_the_stretch_begins_in_the_bar_of_the_first_note(
    first_beat: float, offset: float, start: float, tmp_path: Path
) -> None:
    samples = np.arange(20 * RATE, dtype=np.float32)
    song = held_out(tmp_path / "a.wav", first_beat, offset)
    cut = stretch(samples, RATE, song, 4)
    assert cut.samples[0] == start * RATE, "a bar line at or before the note, inside the sound"
    assert cut.seconds == 8.0
    assert cut.num_bars == 4
    with pytest.raises(ValueError, match="first note"):
        stretch(samples[: 2 * RATE], RATE, held_out(tmp_path / "a.wav", 40.0), 4)


def test_every_ask_has_its_map(
    tiny_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[SamplingParams] = []

    def short(**settings: Any) -> SamplingParams:
        asked.append(SamplingParams(max_segment_tokens=20, **settings))
        return asked[-1]

    monkeypatch.setattr("saberlm.finetune.control.SamplingParams", short)
    path = tmp_path / "a.wav"
    samples = np.random.default_rng(0).normal(size=12 * RATE).astype(np.float32) * 0.1
    soundfile.write(path, samples, RATE)
    loaded = LoadedModel(tiny_model, LogMelFrontEnd(), "tiny")
    song = held_out(path, 0.0)
    rows = control_rows(loaded, song, plan())
    assert [(row.nps_asked, row.word, row.avoided, row.scale) for row in rows] == [
        (2.0, None, None, 1.0),
        (6.0, None, None, 1.0),
        (None, None, None, 1.0),
        (None, "wide", None, 1.0),
        (None, None, "wide", 1.0),
        (None, None, None, 2.0),
        (None, "wide", None, 2.0),
        (None, None, "wide", 2.0),
    ]
    assert [one.negative_style for one in asked] == [None] * 4 + ["wide", None, None, "wide"]
    assert {row.song for row in rows} == {"7"}
    low, high = rows[:2]
    assert low.notes < high.notes
    assert high.nps is not None
    assert high.nps >= high.notes / 8, "over the time from the first note to the last"
    again = control_rows(loaded, song, plan(nps=(2.0,), words=()))
    assert [row.to_dict() for row in again] == [low.to_dict()], "other asks change nothing"
    unguided = control_rows(loaded, song, plan(nps=(), scale=1.0))
    assert len(unguided) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"words": ("chill",)}, "words"),
        ({"nps": (0.0,)}, "notes a second"),
        ({"nps": (float("nan"),)}, "notes a second"),
        ({"nps": (), "words": ()}, "found none of them"),
        ({"bars": 2}, "bars"),
    ],
)
def test_what_cannot_be_tried_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(**changes)
