"""The scripts behind the control plots and the page of bars, on made songs."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("matplotlib")

from saberlm.infer.engine import GeneratedMap
from saberlm.infer.sampling import SamplingParams
from saberlm.prompts.beatmap import Beatmap, ColorNote, Difficulty, LevelInfo
from saberlm.prompts.mapfile import write_level
from saberlm.prompts.tokens import encode
from saberlm.scripts import bars_page, control
from saberlm.scripts.evaluate_maps import KeptMaps, MadeMaps, on_human_grid

RATE, BPM = 24_000, 150.0


def beatmap(start: float = 4.0) -> Beatmap:
    return Beatmap(
        color_notes=tuple(
            ColorNote(start + i / 2, i % 4, i % 3, i % 2, i // 2 % 2) for i in range(60)
        )
    )


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three songs of noise; the last has no sound file."""
    root = tmp_path_factory.mktemp("pack")
    rows = []
    for n in range(3):
        level = Difficulty("Standard", "Expert", 14.0, 0.0, beatmap())
        write_level(root / str(n), LevelInfo(f"song {n}", BPM), [level], {})
        if n < 2:
            noise = np.random.default_rng(n).normal(size=RATE * 15) * 0.1
            soundfile.write(root / f"{n}.wav", noise, RATE)
        rows.append({"n": n, "dat": str(n), "audio": f"{n}.wav", "split": "valid"})
    (root / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return root


def run_control(pack: Path, out: Path, model: Path, *more: str) -> int:
    words = ["--nps", "2", "6", "--words", "wide", "--bars", "4"]
    return control.main([str(pack), "--out", str(out), "--model", str(model), *words, *more])


def test_control_writes_its_files_and_goes_on(
    pack: Path,
    tiny_model: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    short = partial(SamplingParams, max_segment_tokens=20)
    monkeypatch.setattr("saberlm.finetune.control.SamplingParams", short)
    model, out = tmp_path / "tiny", tmp_path / "out"
    tiny_model.save_pretrained(model)
    assert run_control(pack, out, model) == 0
    printed = capsys.readouterr()
    assert "song 0002 left out" in printed.err
    found = json.loads((out / "control.json").read_text())
    assert found["songs"] == 2
    assert len(found["maps"]) == 2 * 8
    notes = [[one["notes"] for one in found["maps"] if one["nps_asked"] == nps] for nps in (2, 6)]
    assert sum(notes[0]) < sum(notes[1])
    assert (out / "control.md").read_text().strip() in printed.out
    assert (out / "control.png").read_bytes()[:4] == b"\x89PNG"
    monkeypatch.setattr("saberlm.finetune.control.control_rows", None)  # kept songs are not made
    before = (out / "control.json").read_bytes()
    with pytest.raises(TypeError):
        run_control(pack, out, model)  # the song without sound is tried again
    (out / "songs" / "0002.json").write_text("[]")
    assert run_control(pack, out, model) == 0
    assert (out / "control.json").read_bytes() == before
    assert run_control(pack, out, model, "--seed", "1") == 1
    assert "with other seed" in capsys.readouterr().err
    assert run_control(pack, tmp_path / "x", model, "-d", "Easy") == 1
    assert "found none: likely another split" in capsys.readouterr().err


@pytest.fixture
def judged(pack: Path, tmp_path: Path) -> Path:
    """A run whose maps of the first song are the human's, a bar of the model's early, on a grid of
    half the tempo; the second song's are not made yet."""
    settings = {"split": "valid", "difficulties": ["Expert"]}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    made = MadeMaps(BPM / 2, 240 / BPM, 1.0, {"Expert": GeneratedMap(encode(beatmap()))})
    KeptMaps(tmp_path, "0000").put("m off", made)
    return tmp_path


def test_made_maps_move_onto_the_humans_grid(pack: Path, judged: Path) -> None:
    from saberlm.finetune.held_out import read_held_out
    from saberlm.finetune.sources import find_sources

    song = read_held_out(find_sources(pack, judged)[0], ["Expert"])[0]
    made = KeptMaps(judged, "0000").get("m off")
    assert song is not None
    assert made is not None
    moved = on_human_grid(made, "Expert", song)
    assert [n.beat for n in moved.color_notes] == pytest.approx(
        [n.beat for n in song.maps["Expert"].beatmap.color_notes]
    ), "bar 0 of the model lies at second 0 whatever the beat 0 it was told"


def test_the_page_is_picked_by_its_seed(
    pack: Path, judged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def page(name: str, *more: str) -> str:
        out = judged / name
        assert bars_page.main([str(judged), str(pack), "--out", str(out), *more]) == 0
        text = out.read_text(encoding="utf-8")
        return text[text.index("<g ") :]

    first = page("a.svg", "--n", "2")
    assert "0000, Expert, bars" in first
    assert "0001, Expert" not in first, "no map was made of it"
    titles = [line for line in first.splitlines() if "Expert, bars" in line]
    again = [line for line in page("b.svg", "--n", "2").splitlines() if "Expert, bars" in line]
    other = page("c.svg", "--n", "2", "--seed", "5", "--made-only")
    assert titles == again
    assert "human" in first
    assert "human" not in other
    for arguments, message in (
        (["--system", "m strict"], "'m strict'"),
        (["--n", "0"], "1 or more"),
        (["--out", "x.pdf"], "png or svg"),
    ):
        out = ["--out", str(judged / "d.png")] if "--out" not in arguments else []
        assert bars_page.main([str(judged), str(pack), *out, *arguments]) == 1
        assert message in capsys.readouterr().err.replace("in .png or .svg", "png or svg")
    assert bars_page.main([str(pack), str(pack), "--out", str(judged / "e.png")]) == 1
    assert "expected a run of `saberlm evaluate`" in capsys.readouterr().err
