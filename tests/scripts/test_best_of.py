"""The script behind the figures of best-of-N: its table's arithmetic, its file, and that what it
keeps is what the engine keeps."""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from saberlm.infer.sampling import SamplingParams
from saberlm.prompts.beatmap import Beatmap, ColorNote, Difficulty, LevelInfo
from saberlm.prompts.mapfile import write_level
from saberlm.scripts import best_of

RATE, BPM = 24_000, 150.0


def row(song: str, best: int, *f1: float | None) -> dict[str, Any]:
    others = dict.fromkeys(best_of.MEASURES)
    return {"song": song, "best": best, "maps": [{**others, "f1@50": one} for one in f1]}


def cells(text: str) -> dict[str, list[str]]:
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {name: rest for name, *rest in lines[2:]}


def test_the_table_compares_within_a_song() -> None:
    rows = [row("a", 1, 0.5, 0.7, 0.6), row("b", 2, 0.2, 0.1, 0.6), row("c", 2, None, 0.9, 0.9)]
    found = cells(best_of.table(rows, 0))
    assert list(found) == ["F1@50"], "what no song has is left out"
    first, usual, kept, gain, over = found["F1@50"]
    assert (first, usual, kept) == ("0.350", "0.450", "0.650")
    assert gain == "+0.300 [+0.200, +0.400]"
    assert over == "+0.200 [+0.100, +0.300]"
    (alone,) = cells(best_of.table(rows[:1], 0)).values()
    assert alone[3] == "+0.200", "no interval from one song"


def test_songs_are_made_once_and_settings_are_held_to(
    tiny_model: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pack, model, out = tmp_path / "pack", tmp_path / "tiny", tmp_path / "runs" / "best.jsonl"
    pack.mkdir()
    tiny_model.save_pretrained(model)
    notes = [ColorNote(4 + i / 2, i % 4, i % 3, i % 2, i // 2 % 2) for i in range(60)]
    rows = []
    for n in range(2):
        level = Difficulty("Standard", "Expert", 14.0, 0.0, Beatmap(color_notes=tuple(notes)))
        write_level(pack / str(n), LevelInfo(f"song {n}", BPM), [level], {})
        noise = np.random.default_rng(n).normal(size=RATE * 8) * 0.1
        soundfile.write(pack / f"{n}.wav", noise, RATE)
        rows.append({"n": n, "dat": str(n), "audio": f"{n}.wav", "split": "valid"})
    (pack / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    short = partial(SamplingParams.preset, max_segment_tokens=20)
    monkeypatch.setattr(SamplingParams, "preset", lambda name, **given: short(name, **given))

    def run(*more: str) -> int:
        common = ["--model", str(model), "--candidates", "2", "--out", str(out)]
        return best_of.main([str(pack), *common, *more])

    assert run("--n", "1") == 0
    first = out.read_text()
    made = json.loads(first)
    scores = [one["score"] for one in made["maps"]]
    assert made["best"] == scores.index(max(scores))
    assert len(scores) == 2
    assert "best of 2, 1 songs" in capsys.readouterr().out
    out.write_text(first + '{"song": "half a li')
    assert run("--n", "2") == 0
    assert out.read_text().startswith(first), "kept as it was, and nothing half written"
    assert len(out.read_text().splitlines()) == 2
    assert "best of 2, 2 songs" in capsys.readouterr().out
    whole = out.read_text()
    monkeypatch.setattr(best_of, "candidates", None)  # nothing is made again
    assert run("--n", "2") == 0
    assert out.read_text() == whole
    assert run("--seed", "1") == 1
    assert "found another seed" in capsys.readouterr().err
    same = shutil.copytree(model, tmp_path / "the same")
    assert run("--model", str(same)) == 1
    assert "found another model" in capsys.readouterr().err
    assert run("--split", "test") == 1
    assert "likely another split" in capsys.readouterr().err
    assert run("--n", "0") == 1
