"""Levels of every version with things in them that no reader knows, for tests of work on them."""

import copy
import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from saberlm.prompts import schema_v2, schema_v3, schema_v4
from saberlm.prompts.beatmap import (
    Arc,
    Beatmap,
    Bomb,
    BoostEvent,
    Chain,
    ColorNote,
    LightEvent,
    Obstacle,
)

VERSIONS = (2, 3, 4)
EXTRA = b"\x00\x01not a level's file\xff"


def random_beatmap(seed: int, version: int, beats: int = 28, per_beat: int = 2) -> Beatmap:
    """A map with all that the version holds."""
    rng = np.random.default_rng(seed)
    times = [i / per_beat for i in range(beats * per_beat)]

    def some(share: float) -> list[float]:
        return [t for t in times if rng.random() < share]

    def cell() -> tuple[int, int]:
        return int(rng.integers(4)), int(rng.integers(3))

    notes = tuple(
        ColorNote(t, *cell(), i % 2, int(rng.integers(9)), extra={"customData": {"n": i}})
        for i, t in enumerate(some(0.8))
    )
    modern = version > 2
    return Beatmap(
        color_notes=notes,
        bombs=tuple(Bomb(t + 0.25, *cell()) for t in some(0.2)),
        obstacles=tuple(Obstacle(t, 3, 0, 0.5, 1, 5) for t in some(0.1)),
        arcs=tuple(
            Arc(a.beat, a.x, a.y, a.color, a.direction, b.beat, b.x, b.y, b.direction)
            for a, b in zip(notes[::9], notes[2::9], strict=False)
        )
        * modern,
        chains=tuple(
            Chain(n.beat, n.x, n.y, n.color, n.direction, n.beat + 0.25, 1, 2, 4)
            for n in notes[3::11]
        )
        * modern,
        lights=tuple(
            LightEvent(t, int(rng.choice([0, 1, 4, 8, 12])), 1, 0.5 if modern else 1.0)
            for t in some(0.6)
        ),
        boosts=tuple(BoostEvent(t, bool(i % 2)) for i, t in enumerate(some(0.1))),
    )


def files_of(beatmap: Beatmap, version: int) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """A difficulty file and, in version 4, its lightshow, with fields that nobody knows."""
    lost: Counter[str] = Counter()
    show = None
    if version == 2:
        data = schema_v2.serialize(beatmap, lost, 120.0)
    elif version == 3:
        data = schema_v3.serialize(beatmap, lost)
    else:
        data, show = schema_v4.serialize(beatmap, lost)
        show["editorsOwn"] = {"a": [1]}
    assert not lost
    data["_unheardOf" if version == 2 else "unheardOf"] = {"kept": [1, 2.5, None]}
    return data, show


def level_files(
    version: int,
    maps: dict[str, Beatmap],
    *,
    song: bytes | None = None,
    share_show: bool = False,
    environment: str = "DefaultEnvironment",
    bpm: float = 120.0,
) -> dict[str, bytes]:
    """All files of a level; of version 3 the difficulties, under an Info.dat 2."""
    files: dict[str, bytes] = {"cover.png": b"\x89PNG", "my notes.bin": EXTRA}
    entries = []
    rank = {"Easy": 1, "Normal": 3, "Hard": 5, "Expert": 7, "ExpertPlus": 9}
    for name, beatmap in maps.items():
        data, show = files_of(beatmap, version)
        files[f"{name}.dat"] = json.dumps(data, indent=1).encode()
        shown = "shared.lightshow.dat" if share_show else f"{name}.lightshow.dat"
        if show is not None and shown not in files:
            files[shown] = json.dumps(show).encode()
        if version == 4:
            entries.append(
                {"characteristic": "Standard", "difficulty": name, "environmentNameIdx": 0,
                 "beatmapAuthors": {"mappers": ["A Person"], "lighters": ["Another"]},
                 "beatmapColorSchemeIdx": -1, "noteJumpMovementSpeed": 14,
                 "noteJumpStartBeatOffset": 0, "beatmapDataFilename": f"{name}.dat",
                 "lightshowDataFilename": shown, "unheardOf": 1}
            )  # fmt: skip
        else:
            entries.append(
                {"_difficulty": name, "_difficultyRank": rank[name],
                 "_beatmapFilename": f"{name}.dat", "_noteJumpMovementSpeed": 14,
                 "_noteJumpStartBeatOffset": 0, "_unheardOf": 1,
                 "_customData": {"_difficultyLabel": "mine"}}
            )  # fmt: skip
    if version == 4:
        samples = 44_100 * 16
        region = {"si": 0, "ei": samples, "sb": 0, "eb": 16 * bpm / 60}
        audio = {"version": "4.0.0", "songChecksum": "", "songSampleCount": samples,
                 "songFrequency": 44_100, "bpmData": [region], "lufsData": []}  # fmt: skip
        files["AudioData.dat"] = json.dumps(audio).encode()
        info: dict[str, Any] = {
            "version": "4.0.1",
            "song": {"title": "T", "subTitle": "", "author": "S"},
            "audio": {"songFilename": "song.ogg", "songDuration": 16, "bpm": bpm, "lufs": 0,
                      "audioDataFilename": "AudioData.dat", "previewStartTime": 0,
                      "previewDuration": 10},
            "coverImageFilename": "cover.png",
            "environmentNames": [environment],
            "colorSchemes": [],
            "difficultyBeatmaps": entries,
            "customData": {"mine": 1},
            "unheardOf": True,
        }  # fmt: skip
    else:
        group = {"_beatmapCharacteristicName": "Standard", "_difficultyBeatmaps": entries}
        info = {
            "_version": "2.0.0", "_songName": "T", "_songSubName": "", "_songAuthorName": "S",
            "_levelAuthorName": "A Person", "_beatsPerMinute": bpm, "_songFilename": "song.ogg",
            "_coverImageFilename": "cover.png", "_environmentName": environment,
            "_difficultyBeatmapSets": [group], "_unheardOf": True,
            "_customData": {"_editors": {"_lastEditedBy": "an editor"}, "mine": 1},
        }  # fmt: skip
    files["info.dat"] = json.dumps(info, indent=2).encode()
    if song is not None:
        files["song.ogg"] = song
    return files


def write_level(path: Path, files: dict[str, bytes], prefix: str = "") -> Path:
    """The files as a zip, or as a folder where the name is not a zip's."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(prefix + name, data)
    else:
        path.mkdir()
        for name, data in files.items():
            (path / name).write_bytes(data)
    return path


def info_without_changes(info: dict[str, Any], added: set[str]) -> dict[str, Any]:
    """A parsed Info.dat without what work on a level may change: the custom data, the entries of
    added difficulties, and names of the others' files."""
    plain = copy.deepcopy(info)
    plain.pop("_customData", None)
    plain.pop("customData", None)
    lists = [plain.get("difficultyBeatmaps")] + [
        group["_difficultyBeatmaps"] for group in plain.get("_difficultyBeatmapSets", [])
    ]
    for entries in lists:
        if entries is not None:
            entries[:] = [
                {k: v for k, v in one.items() if "ilename" not in k}
                for one in entries
                if one.get("difficulty", one.get("_difficulty")) not in added
            ]
    return plain
