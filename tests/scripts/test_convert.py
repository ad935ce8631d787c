"""`saberlm convert` from its arguments to its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from level_kit import BPM, SECONDS, picture, sound

from saberlm.prompts.beatmap import Arc, Beatmap, ColorNote, Difficulty, LevelInfo, Obstacle
from saberlm.prompts.mapfile import read_level, write_level
from saberlm.scripts import cli

NOTE = ColorNote(4, 1, 0, 0, 1)


def _level(path: Path) -> Path:
    beatmap = Beatmap(
        (NOTE,), obstacles=(Obstacle(8, 9, 0, 1, 1, 5),), arcs=(Arc(4, 1, 0, 0, 1, 5, 1, 2, 0),)
    )
    difficulties = [
        Difficulty("Standard", "Expert", 14.0, 0.0, beatmap),
        Difficulty("OneSaber", "Hard", 12.0, 0.0, Beatmap((NOTE,))),
    ]
    info = LevelInfo("A song", BPM)
    files = {"song.egg": sound(), "cover.png": picture(), "extra.txt": b"extra"}
    write_level(path, info, difficulties, files)
    return path


def test_text_tells_what_is_kept_and_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert cli.main(["convert", str(_level(tmp_path / "in")), str(out), "--version", "2"]) == 0
    text = capsys.readouterr().out
    assert "Standard Expert (ExpertStandard.dat, 3.3.0)" in text
    assert "version 2 cannot hold: arc: 1" in text
    assert "kept, though only mods can play it: wall " in text
    assert "OneSaber Hard" in text
    assert "other files copied: cover.png, extra.txt, song.egg" in text
    assert read_level(out, characteristic="OneSaber").difficulties[0].version == "2.2.0"


@pytest.mark.parametrize("source", ["in", "in.zip"])
def test_json_is_one_object_and_the_song_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    path, out = _level(tmp_path / source), tmp_path / "out.zip"
    assert cli.main(["convert", str(path), str(out), "--version", "4", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["version"] == 4
    assert told["lost"] == {}
    assert [one["name"] for one in told["difficulties"]] == ["Expert", "Hard"]
    assert told["copied"] == ["cover.png", "extra.txt", "song.egg"]
    audio = read_level(out).audio_data
    assert audio is not None
    assert (audio.sample_count, audio.frequency) == (round(SECONDS * 22050), 22050)


def test_an_unreadable_song_is_no_hindrance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _level(tmp_path / "in")
    (path / "song.egg").write_bytes(b"not a sound")
    assert cli.main(["convert", str(path), str(tmp_path / "out"), "--version", "4"]) == 0
    shown = capsys.readouterr()
    assert "song length estimated: 1" in shown.out
    assert "song.egg" in shown.err


@pytest.mark.parametrize("wrong", ["unreadable", "missing", "same"])
def test_what_cannot_be_converted_exits_1_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    path, out = _level(tmp_path / "in"), tmp_path / "out"
    if wrong == "unreadable":
        (path / "HardOneSaber.dat").write_text("{")
    source = tmp_path / "nothing" if wrong == "missing" else path
    target = path if wrong == "same" else out
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    assert cli.main(["convert", str(source), str(target)]) == 1
    assert "expected" in capsys.readouterr().err
    assert not out.exists()
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    if wrong == "unreadable":
        assert cli.main(["convert", str(source), str(target), "--skip-unreadable"]) == 0
        assert "left out HardOneSaber.dat" in capsys.readouterr().out
        assert len(read_level(out).difficulties) == 1
