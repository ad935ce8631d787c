"""Levels of version 1: ``info.json`` and difficulties that carry their own note jump speed."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from saberlm.prompts.beatmap import Bomb, ColorNote
from saberlm.prompts.convert import convert_level
from saberlm.prompts.mapfile import read_level

INFO: dict[str, Any] = {
    "songName": "Title",
    "songSubName": "sub",
    "authorName": "Artist",
    "beatsPerMinute": 140.0,
    "previewStartTime": 12,
    "previewDuration": 10,
    "coverImagePath": "cover.jpg",
    "environmentName": "NiceEnvironment",
    "contributors": [{"name": "X"}],
    "difficultyLevels": [
        {
            "difficulty": "Expert",
            "difficultyRank": 4,
            "audioPath": "song.ogg",
            "jsonPath": "Expert.json",
            "offset": 120,
            "oldOffset": 100,
            "chromaToggle": "Off",
            "customColors": False,
            "odd": 1,
        }
    ],
}
NOTE = {"_time": 4, "_lineIndex": 1, "_lineLayer": 0, "_type": 0, "_cutDirection": 1}
DIFFICULTY: dict[str, Any] = {
    "_version": "1.5.0",
    "_beatsPerMinute": 140,
    "_beatsPerBar": 16,
    "_noteJumpSpeed": 12,
    "_noteJumpStartBeatOffset": -1,
    "_shuffle": 0.5,
    "_shufflePeriod": 0.25,
    "_time": 30,
    "_notes": [NOTE, {**NOTE, "_time": 5, "_type": 3}],
    "_obstacles": [],
    "_events": [],
}


def write(folder: Path, info: dict[str, Any] = INFO, **changes: Any) -> Path:
    folder.mkdir()
    (folder / "info.json").write_text(json.dumps(info))
    (folder / "Expert.json").write_text(json.dumps(DIFFICULTY | changes))
    (folder / "song.ogg").write_bytes(b"OggS")
    return folder


def test_everything_of_version_1_is_read(tmp_path: Path) -> None:
    level = read_level(write(tmp_path / "level"))
    info, (expert,) = level.info, level.difficulties
    assert (info.title, info.artist, info.bpm) == ("Title", "Artist", 140.0)
    assert (info.audio_filename, info.cover_filename) == ("song.ogg", "cover.jpg")
    assert (info.shuffle, info.shuffle_period) == (0.5, 0.25)
    assert info.custom_data == {"_contributors": [{"name": "X"}]}
    assert (expert.name, expert.njs, expert.offset, expert.version) == ("Expert", 12, -1, "1.5.0")
    assert expert.beatmap.color_notes == (ColorNote(4.0, 1, 0, 0, 1),)
    assert expert.beatmap.bombs == (Bomb(5.0, 1, 0),)
    assert expert.extra == {
        "odd": 1,
        "customData": {
            "_editorOffset": 120,
            "_editorOldOffset": 100,
            "_chromaToggle": "Off",
            "_customColors": False,
        },
    }
    assert level.notes_on_reading == {}


def test_a_zip_with_the_level_inside_a_folder_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "level")
    with zipfile.ZipFile(tmp_path / "level.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"Title/{path.name}")
    assert read_level(tmp_path / "level.zip") == read_level(folder)


def test_one_saber_and_other_tempos_and_songs_are_told(tmp_path: Path) -> None:
    two = [INFO["difficultyLevels"][0], {**INFO["difficultyLevels"][0], "audioPath": "b.ogg"}]
    info = INFO | {"oneSaber": True, "difficultyLevels": two}
    level = read_level(write(tmp_path / "level", info, _beatsPerMinute=70), characteristic=None)
    assert {one.characteristic for one in level.difficulties} == {"OneSaber"}
    assert level.notes_on_reading == {
        "difficulty with another song file: the first one's taken": 1,
        "difficulty that states another tempo than the level": 2,
    }


@pytest.mark.parametrize("speed", ["fast", [], float("inf")])
def test_a_speed_that_is_no_number_makes_the_difficulty_unreadable(
    tmp_path: Path, speed: object
) -> None:
    with pytest.raises(ValueError, match=r"Expert\.json: expected a finite number for `_noteJump"):
        read_level(write(tmp_path / "level", _noteJumpSpeed=speed))


@pytest.mark.parametrize("version", [2, 3, 4])
def test_it_converts_into_every_version(tmp_path: Path, version: int) -> None:
    source = write(tmp_path / "level")
    conversion = convert_level(source, tmp_path / "out", version=version)
    assert conversion.copied == ("song.ogg",)
    before, after = read_level(source), read_level(tmp_path / "out")
    assert after.difficulties[0].filename == "ExpertStandard.dat"
    assert after.difficulties[0].njs == 12
    assert after.difficulties[0].beatmap == before.difficulties[0].beatmap
    assert not (tmp_path / "out" / "info.json").exists()
