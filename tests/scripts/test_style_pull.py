"""How far a reference or a pack pulls style, on made songs and a tiny model."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from saberlm.adapter.style_pack import save_pack
from saberlm.prompts.beatmap import Beatmap, ColorNote, Difficulty, LevelInfo
from saberlm.prompts.mapfile import write_level
from saberlm.scripts import style_pull

RATE, BPM = 24_000, 150.0
PART = "model.language_model.layers.0.mlp.up_proj"


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    """Three songs of noise with one map each."""
    root = tmp_path / "maps"
    root.mkdir()
    rows = []
    for n in range(3):
        notes = tuple(ColorNote(4 + i / 2, i % 4, n, i % 2, i // 2 % 2) for i in range(60))
        made = [Difficulty("Standard", "Expert", 14.0, 0.0, Beatmap(color_notes=notes))]
        write_level(root / str(n), LevelInfo(f"song {n}", BPM), made, {})
        noise = np.random.default_rng(n).normal(size=RATE * 15) * 0.1
        soundfile.write(root / f"{n}.wav", noise, RATE)
        rows.append({"n": n, "dat": str(n), "audio": f"{n}.wav", "split": "valid"})
    (root / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return root


def test_the_nearer_map_has_the_gain() -> None:
    from saberlm.eval.style import StyleCounts
    from saberlm.prompts.tempo import TempoMap

    def counts(row: int) -> Any:
        notes = tuple(ColorNote(i / 2, 1, row, i % 2, i // 2 % 2) for i in range(40))
        return StyleCounts.of(Beatmap(color_notes=notes), TempoMap(BPM))

    low, high = counts(0), counts(2)
    towards = style_pull._gain(low, high, high)
    assert towards["cells"] == pytest.approx(1.0)
    assert towards["directions"] == towards["gaps"] == pytest.approx(0.0)
    assert 0 < towards["mean"] < 1
    assert style_pull._gain(high, low, high)["cells"] == pytest.approx(-1.0)


def test_references_and_packs_are_measured(
    maps: Path,
    tiny_model: Any,
    make_pack: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = tmp_path / "tiny"
    copy.deepcopy(tiny_model).save_pretrained(model)
    words = [str(maps), "--model", str(model), "--n", "2", "--bars", "4"]
    assert style_pull.main([*words, "--json", str(tmp_path / "out.json")]) == 0
    told = capsys.readouterr().out
    assert "| the reference | 2, 4 |" in told
    found = json.loads((tmp_path / "out.json").read_text())
    assert found.keys() == {"the reference", "another reference"}
    none = make_pack(PART, model, "none", 0.0)
    save_pack(none, tmp_path / "none.safetensors")
    pack = ["--lora", str(tmp_path / "none.safetensors"), "--toward", str(maps)]
    assert style_pull.main([*words, *pack, "--json", str(tmp_path / "out.json")]) == 0
    (rows,) = json.loads((tmp_path / "out.json").read_text()).values()
    for (row,) in rows.values():
        assert all(gain in (0.0, None) for gain in row.values()), "a pack that changes nothing"
    assert style_pull.main([*words, "-d", "Easy"]) == 1
    with pytest.raises(SystemExit):
        style_pull.main([*words, "--lora", "x"])
