"""A full spread: sparser step by step, and no moment that the harder one lacks."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from saberlm.adapter.frontend import LogMelFrontEnd
from saberlm.adapter.loading import LoadedModel
from saberlm.infer import Mapper
from saberlm.infer.spread import MOST_SHARE
from saberlm.prompts.beatmap import DIFFICULTIES


@pytest.mark.parametrize("rhythm", ["planned", "drawn"])
def test_easier_maps_keep_to_the_rhythm_of_harder_ones(
    tiny_model: Any, tmp_path: Path, rhythm: str
) -> None:
    noise = np.random.default_rng(3).normal(size=22_050 * 48).astype(np.float32) * 0.1
    soundfile.write(tmp_path / "a.wav", noise, 22_050)
    mapper = Mapper(LoadedModel(tiny_model, LogMelFrontEnd(), "tiny"))
    level = mapper.map(
        tmp_path / "a.wav", full_spread=True, bpm=120.0, offset=0.0, lights=False,
        max_segment_tokens=40, rhythm=rhythm, nps=[4.0, 4.0, 4.0, 4.0, 6.0],
    )  # fmt: skip
    assert tuple(level.beatmaps) == DIFFICULTIES
    for easier, harder in pairwise(level.beatmaps.values()):
        assert 0 < len(easier.color_notes) <= (MOST_SHARE + 0.1) * len(harder.color_notes)
        beats = [{note.beat for note in one.color_notes} for one in (easier, harder)]
        assert len(beats[0] - beats[1]) <= 0.02 * len(beats[0])
