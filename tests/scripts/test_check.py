"""`saberlm check` from its arguments to its exit code."""

from __future__ import annotations

import argparse
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from saberlm.prompts.beatmap import Beatmap, ColorNote, Difficulty, LevelInfo, LightEvent
from saberlm.prompts.mapfile import write_level
from saberlm.scripts import check


def _level(path: Path, notes: tuple[ColorNote, ...], pixels: int = 256) -> Path:
    sound, cover = io.BytesIO(), io.BytesIO()
    noise = np.random.default_rng(0).normal(0, 0.05, 22050 * 12)
    soundfile.write(sound, noise, 22050, format="OGG", subtype="VORBIS")
    Image.new("RGB", (pixels, pixels)).save(cover, "PNG")
    beatmap = Beatmap(color_notes=notes, lights=tuple(LightEvent(4 + i, 1, 3) for i in range(11)))
    difficulty = Difficulty("Standard", "Expert", 14.0, 0.0, beatmap)
    info = LevelInfo(title="A song", bpm=120.0)
    files = {info.audio_filename: sound.getvalue(), info.cover_filename: cover.getvalue()}
    write_level(path, info, [difficulty], files)
    return path


def _run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    check.add_arguments(parser)
    return check.run(parser.parse_args(words))


NOTES = (ColorNote(4, 1, 0, 0, 1), ColorNote(4, 2, 0, 1, 1), ColorNote(5, 1, 0, 0, 1))


def test_what_we_write_is_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _level(tmp_path / "level.zip", NOTES)
    assert _run(str(path)) == 0
    text = capsys.readouterr().out
    assert "valid (0 errors, 0 warnings)" in text
    assert "3 notes" in text
    assert "parity: 1 error in" in text


def test_json_is_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _level(tmp_path / "level.zip", NOTES)
    assert _run(str(path), "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["valid"] is True
    assert report.keys() == {
        "level", "title", "bpm", "valid", "problems", "difficulties", "mended",
    }  # fmt: skip
    assert report["problems"] == []
    (expert,) = report["difficulties"].values()
    assert (expert["difficulty"], expert["notes"], expert["njs"]) == ("Expert", 3, 14)
    assert expert["parity"]["where"] == [{"beat": 5, "color": 0}]


def test_an_invalid_level_exits_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _level(tmp_path / "level.zip", (ColorNote(100, 1, 0, 0, 1),), pixels=64)
    assert _run(str(path), "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert {one["rule"] for one in report["problems"]} == {"cover.size", "beat.after_end"}


@pytest.mark.parametrize(
    "notes",
    [
        (),
        NOTES[:1],
        NOTES[:2],  # one moment
        tuple(replace(NOTES[0], beat=4 + i / 200, color=i % 2) for i in range(3000)),
        (NOTES[0], replace(NOTES[1], beat=1e15)),
        tuple(replace(one, x=1000 * one.x, direction=1045) for one in NOTES),  # all modded
    ],
)
@pytest.mark.parametrize("sound", [True, False])
def test_odd_maps_have_defined_scores(
    notes: tuple[ColorNote, ...],
    sound: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = _level(tmp_path / "level", notes)
    if not sound:
        (path / LevelInfo(title="", bpm=1).audio_filename).unlink()
    _run(str(path), "--json")
    report = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)  # NaN, Infinity
    (expert,) = report["difficulties"].values()
    critic = expert["critic"]["score"]
    assert critic is None if expert["notes"] == 0 else -25 <= critic <= 10
    assert all(math.isfinite(rate) for rate in expert["per_100_notes"].values())
    assert sound or {"file.missing"} <= {one["rule"] for one in report["problems"]}
    _run(str(path))
    assert f"{expert['notes']} note" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["missing", "text", "empty folder"])
def test_no_level_exits_1_without_a_traceback(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "level.zip"
    if kind == "text":
        path.write_text("not a zip")
    elif kind == "empty folder":
        path.mkdir()
    assert _run(str(path)) == 1
    shown = capsys.readouterr()
    assert "expected" in shown.out + shown.err
    assert "Traceback" not in shown.out + shown.err


def test_modded_objects_and_unreadable_files_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _level(tmp_path / "level", (*NOTES, ColorNote(6, 9, 0, 0, 1)))
    assert _run(str(path), "--json") == 1
    (expert,) = json.loads(capsys.readouterr().out)["difficulties"].values()
    assert expert["notes"] == 3
    assert expert["modded"] == {"note off the 4x3 grid dropped": 1}
    _run(str(path))
    assert (
        "left out of the counts above: note off the 4x3 grid dropped 1" in capsys.readouterr().out
    )
    (path / "ExpertStandard.dat").write_text("{")
    assert _run(str(path), "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert "level.unreadable" in {one["rule"] for one in report["problems"]}


def test_the_page_shows_findings_bar_by_bar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    path, out = _level(tmp_path / "level", NOTES), tmp_path / "page.html"
    assert _run(str(path), "--html", str(out)) == 0
    assert "parity" in capsys.readouterr().out
    text = out.read_text(encoding="utf-8")
    assert "Bar 2" in text
    assert "data:image/svg+xml;base64," in text
    assert 'src="http' not in text
    # a level that cannot be read, and one without a note, have a page too
    (path / "ExpertStandard.dat").write_text("{")
    assert _run(str(path), "--html", str(out)) == 1
    assert "level.unreadable" in out.read_text(encoding="utf-8")
    assert _run(str(_level(tmp_path / "empty", ())), "--html", str(out)) in (0, 1)
    assert "No playability findings" in out.read_text(encoding="utf-8")


def test_the_findings_are_in_the_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run(str(_level(tmp_path / "level", NOTES)), "--json")
    report = json.loads(capsys.readouterr().out)
    assert report["problems"] == []
    expert = report["difficulties"]["ExpertStandard"]
    finding, again, short = expert["findings"]
    assert [one["rule"] for one in (again, short)] == ["double_directional", "short_map"]
    assert (finding["rule"], finding["beat"], finding["seconds"]) == ("parity", 5, 2.5)
    assert finding["weight"] > 0
    assert finding["objects"]
    assert expert["per_100_notes"]["parity"] == pytest.approx(33.333, abs=0.001)
    assert "critic" in expert
