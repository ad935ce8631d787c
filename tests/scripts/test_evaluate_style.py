"""Style of a system's maps together: nearer for maps of the same kind, and a yardstick of as
many."""

from pathlib import Path

import numpy as np
import pytest

from saberlm.eval.evaluation import HUMAN, Evaluation, style_lines
from saberlm.eval.style import StyleReference
from saberlm.finetune.held_out import HeldOutMap, HeldOutSong
from saberlm.finetune.sources import MapSource
from saberlm.infer.engine import GeneratedMap
from saberlm.prompts.beatmap import Beatmap, ColorNote
from saberlm.prompts.grid import FittedGrid
from saberlm.prompts.header import Conditions
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.tokens import encode
from saberlm.scripts.evaluate_maps import KeptMaps, MadeMaps
from saberlm.scripts.evaluate_style import styles_of

TEMPO = TempoMap(120.0)


def beatmap(seed: int, lanes: tuple[int, ...] = (1, 2)) -> Beatmap:
    rng = np.random.default_rng(seed)
    return Beatmap(
        color_notes=tuple(
            ColorNote(4 + i / 2, int(rng.choice(lanes)), int(rng.integers(3)), i % 2, i // 2 % 2)
            for i in range(60)
        )
    )


def song(out: Path, key: int, made: Beatmap) -> HeldOutSong:
    source = MapSource(key=str(key), level=out, audio=None, split="valid", rating=None)
    human = HeldOutMap(beatmap(100 + key), Conditions(difficulty="Hard"), 10.0, 0.0)
    grid = FittedGrid(120.0, 0.0, 1.0)
    bars = encode(made)
    KeptMaps(out, str(key)).put("m off", MadeMaps(120, 0, 1, {"Hard": GeneratedMap(bars)}))
    return HeldOutSong(source, "song.ogg", grid, 120.0, {"Hard": human})


def test_maps_of_another_style_are_further_away(tmp_path: Path) -> None:
    reference = StyleReference.from_maps((beatmap(i), TEMPO) for i in range(12))
    songs = [song(tmp_path, key, beatmap(200 + key, lanes=(0, 3))) for key in range(3)]
    found = styles_of(tmp_path, songs, ["m off"], {"Hard": reference}, 0)
    by_system = {one.system: one for one in found}
    assert set(by_system) == {HUMAN, "m off"}
    human, ours = by_system[HUMAN], by_system["m off"]
    assert human.maps == ours.maps == 3
    assert human.yardstick == pytest.approx(ours.yardstick)
    assert 0.5 < (human.ratio("cells") or 0) < 2, "maps of the reference's own kind"
    assert (ours.ratio("cells") or 0) > 2 * (human.ratio("cells") or 0)
    again = Evaluation.from_dict(Evaluation({}, (), styles=tuple(found)).to_dict())
    assert again.styles == tuple(found)
    assert any("| Hard | m off | 3 |" in line for line in style_lines(again))


def test_no_yardstick_no_figure(tmp_path: Path) -> None:
    songs = [song(tmp_path, 0, beatmap(1))]
    reference = StyleReference.from_maps([(beatmap(0), TEMPO)])
    assert styles_of(tmp_path, songs, ["m off"], {"Hard": reference}, 0) == []
    assert styles_of(tmp_path, songs, ["m off"], {}, 0) == []
    assert style_lines(Evaluation({}, ())) == []
