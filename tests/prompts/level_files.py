"""Small levels for the tests of reading and writing: one as our writer makes it, one by hand."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saberlm.prompts.beatmap import (
    Beatmap,
    Bomb,
    BpmEvent,
    ColorNote,
    Difficulty,
    Level,
    LevelInfo,
)
from saberlm.prompts.info_v2 import difficulty_filename

SOUND = b"OggS" + bytes(range(256)) * 8
FILES: Mapping[str, bytes | Path] = {"song.egg": SOUND, "cover.png": b"\x89PNG"}
INFO = LevelInfo(
    title="Übung",
    bpm=128.5,
    subtitle="feat. nobody",
    artist="A",
    mapper="B",
    environment="NiceEnvironment",
    preview_start=3.5,
    version="2.1.0",
    custom_data={"_editors": {"_lastEditedBy": "test"}},
)


def difficulty(name: str, characteristic: str = "Standard") -> Difficulty:
    beatmap = Beatmap(
        color_notes=(ColorNote(1.0, 1, 0, 0, 1), ColorNote(1.25, 2, 0, 1, 8, 15)),
        bombs=(Bomb(3.0, 0, 2),),
        bpm_events=(BpmEvent(0.0, 128.5),),
    )
    filename = difficulty_filename(name, characteristic)
    return Difficulty(characteristic, name, 16.0, -0.5, beatmap, filename, "3.3.0")


LEVEL = Level(INFO, (difficulty("Hard"), difficulty("ExpertPlus"), difficulty("Easy", "OneSaber")))


def write_files(folder: Path, files: Mapping[str, bytes | str]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
    return folder


def zip_files(path: Path, files: Mapping[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def hand_info(**changes: Any) -> dict[str, Any]:
    entry = {"_difficulty": "Expert", "_beatmapFilename": "Expert.dat"}
    group = {"_beatmapCharacteristicName": "Standard", "_difficultyBeatmaps": [entry]}
    return {
        "_version": "2.0.0",
        "_songName": "x",
        "_beatsPerMinute": 120,
        "_difficultyBeatmapSets": [group],
    } | changes


def hand_level(**changes: Any) -> dict[str, str]:
    notes: dict[str, list[Any]] = {"_notes": [], "_obstacles": [], "_events": []}
    return {"info.dat": json.dumps(hand_info(**changes)), "EXPERT.dat": json.dumps(notes)}
