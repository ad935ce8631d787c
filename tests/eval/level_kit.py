"""A small level that breaks no rule, for tests to break one rule at a time."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

SECONDS = 20.0
BPM = 120.0


@cache
def sound(kind: str = "VORBIS", container: str = "OGG", seconds: float = SECONDS) -> bytes:
    """Quiet noise as a sound file."""
    rate = 48000 if kind == "OPUS" else 22050
    noise = np.random.default_rng(0).normal(0, 0.05, int(rate * seconds))
    buffer = io.BytesIO()
    soundfile.write(buffer, noise, rate, format=container, subtype=kind)
    return buffer.getvalue()


@cache
def picture(width: int = 256, height: int = 256, kind: str = "PNG") -> bytes:
    """A plain picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (40, 80, 160)).save(buffer, kind)
    return buffer.getvalue()


def info() -> dict[str, Any]:
    """A valid Info.dat 2.1.0 with a v3 Expert and a v2 Hard."""
    colors = [
        "saberAColor",
        "saberBColor",
        "environmentColor0",
        "environmentColor1",
        "obstaclesColor",
        "environmentColor0Boost",
        "environmentColor1Boost",
    ]
    scheme = {name: {"r": 0.5, "g": 0.25, "b": 1, "a": 1} for name in colors}
    entries = [
        {
            "_difficulty": name,
            "_difficultyRank": rank,
            "_beatmapFilename": file,
            "_noteJumpMovementSpeed": 14,
            "_noteJumpStartBeatOffset": -0.25,
            "_beatmapColorSchemeIdx": 0,
            "_environmentNameIdx": 0,
            "_customData": {"_requirements": [], "_suggestions": []},
        }
        for name, rank, file in (("Hard", 5, "Hard.dat"), ("Expert", 7, "Expert.dat"))
    ]
    return {
        "_version": "2.1.0",
        "_songName": "Song",
        "_songSubName": "",
        "_songAuthorName": "Somebody",
        "_levelAuthorName": "Mapper",
        "_beatsPerMinute": BPM,
        "_songTimeOffset": 0,
        "_shuffle": 0,
        "_shufflePeriod": 0.5,
        "_previewStartTime": 2.5,
        "_previewDuration": 10,
        "_songFilename": "song.egg",
        "_coverImageFilename": "cover.png",
        "_environmentName": "BigMirrorEnvironment",
        "_allDirectionsEnvironmentName": "GlassDesertEnvironment",
        "_environmentNames": ["BigMirrorEnvironment", "WeaveEnvironment"],
        "_colorSchemes": [
            {"useOverride": True, "colorScheme": {"colorSchemeId": "User0", **scheme}}
        ],
        "_customData": {},
        "_difficultyBeatmapSets": [
            {"_beatmapCharacteristicName": "Standard", "_difficultyBeatmaps": entries}
        ],
    }


def v3() -> dict[str, Any]:
    """A valid 3.3.0 difficulty with one or two of each object."""

    def note(b: float, x: int, y: int, c: int, d: int) -> dict[str, Any]:
        return {"b": b, "x": x, "y": y, "c": c, "d": d, "a": 0}

    head = {"b": 6, "x": 2, "y": 0, "c": 1, "d": 1}
    return {
        "version": "3.3.0",
        "bpmEvents": [{"b": 0, "m": 120}],
        "rotationEvents": [],
        "colorNotes": [
            note(4, 1, 0, 0, 1),
            note(4, 2, 0, 1, 1),
            note(6, 2, 0, 1, 0),
            note(8, 1, 0, 0, 0),
            note(10, 1, 2, 0, 8),
        ],
        "bombNotes": [{"b": 12, "x": 0, "y": 0}, {"b": 12, "x": 3, "y": 0}],
        "obstacles": [{"b": 14, "d": 1.5, "x": 3, "y": 0, "w": 1, "h": 5}],
        "sliders": [
            {**head, "mu": 1, "tb": 7, "tx": 1, "ty": 2, "tc": 0, "tmu": 1.0, "m": 0},
        ],
        "burstSliders": [{**head, "tb": 6.25, "tx": 2, "ty": 2, "sc": 3, "s": 1.0}],
        "waypoints": [],
        "basicBeatmapEvents": [
            {"b": 4, "et": 1, "i": 3, "f": 1},
            {"b": 8, "et": 8, "i": 0, "f": 1},
        ],
        "colorBoostBeatmapEvents": [{"b": 8, "o": True}],
        "lightColorEventBoxGroups": [],
        "lightRotationEventBoxGroups": [],
        "lightTranslationEventBoxGroups": [],
        "vfxEventBoxGroups": [],
        "_fxEventsCollection": {"_fl": [], "_il": []},
        "basicEventTypesWithKeywords": {"d": []},
        "useNormalEventsAsCompatibleEvents": True,
    }


def v2() -> dict[str, Any]:
    """A valid 2.6.0 difficulty."""

    def note(time: float, x: int, kind: int, direction: int) -> dict[str, Any]:
        return {
            "_time": time,
            "_lineIndex": x,
            "_lineLayer": 0,
            "_type": kind,
            "_cutDirection": direction,
        }

    wall = {"_time": 12, "_lineIndex": 0, "_duration": 1, "_width": 1}
    return {
        "_version": "2.6.0",
        "_notes": [note(4, 1, 0, 1), note(5, 2, 1, 1), note(6, 0, 3, 0)],
        "_obstacles": [
            {**wall, "_type": 0},
            {**wall, "_time": 14, "_type": 2, "_lineLayer": 1, "_height": 2},
        ],
        "_sliders": [],
        "_events": [{"_time": 4, "_type": 1, "_value": 3, "_floatValue": 1}],
    }


def info_v4() -> dict[str, Any]:
    """A valid Info.dat 4.0.1 with a v4 Expert and a v3 Hard."""
    names = list(info()["_colorSchemes"][0]["colorScheme"])[1:]
    scheme = dict.fromkeys(names, "80C0FFFF")
    entries = [
        {
            "characteristic": "Standard",
            "difficulty": name,
            "beatmapAuthors": {"mappers": ["Mapper"], "lighters": []},
            "environmentNameIdx": 0,
            "beatmapColorSchemeIdx": 0,
            "noteJumpMovementSpeed": 14,
            "noteJumpStartBeatOffset": -0.25,
            "lightshowDataFilename": "Lights.dat",
            "beatmapDataFilename": file,
        }
        for name, file in (("Hard", "Hard.dat"), ("Expert", "Expert.dat"))
    ]
    return {
        "version": "4.0.1",
        "song": {"title": "Song", "subTitle": "", "author": "Somebody"},
        "audio": {
            "songFilename": "song.egg",
            "songDuration": SECONDS,
            "audioDataFilename": "AudioData.dat",
            "bpm": BPM,
            "lufs": 0,
            "previewStartTime": 2.5,
            "previewDuration": 10,
        },
        "songPreviewFilename": "song.egg",
        "coverImageFilename": "cover.png",
        "environmentNames": ["WeaveEnvironment"],
        "colorSchemes": [
            {"colorSchemeName": "x", "overrideNotes": True, "overrideLights": False, **scheme}
        ],
        "difficultyBeatmaps": entries,
    }


def v4() -> dict[str, Any]:
    """A valid 4.1.0 difficulty with one or two of each object."""
    return {
        "version": "4.1.0",
        "colorNotes": [{"b": 4, "r": 0, "i": 0}, {"b": 6, "r": 0, "i": 1}],
        "colorNotesData": [
            {"x": 1, "y": 0, "c": 0, "d": 1, "a": 0},
            {"x": 2, "y": 0, "c": 1, "d": 1, "a": 0},
            {"x": 1, "y": 2, "c": 1, "d": 0, "a": 0},
        ],
        "bombNotes": [{"b": 12, "r": 0, "i": 0}],
        "bombNotesData": [{"x": 0, "y": 0}],
        "obstacles": [{"b": 14, "r": 0, "i": 0}],
        "obstaclesData": [{"d": 1.5, "x": 3, "y": 0, "w": 1, "h": 5}],
        "arcs": [{"hb": 6, "tb": 7, "hr": 0, "tr": 0, "hi": 1, "ti": 2, "ai": 0}],
        "arcsData": [{"m": 1, "tm": 1, "a": 0}],
        "chains": [{"hb": 6, "tb": 6.25, "hr": 0, "tr": 0, "i": 1, "ci": 0}],
        "chainsData": [{"tx": 2, "ty": 2, "c": 3, "s": 1}],
        "njsEvents": [{"b": 8, "i": 0}],
        "njsEventData": [{"d": 2, "p": 0, "e": 0}],
    }


def lightshow() -> dict[str, Any]:
    """A valid 4.0.0 lightshow with every kind of event."""
    spread = {"w": 0, "d": 1, "s": 0, "t": 1, "b": 0, "e": 0}
    groups = [
        {"b": 4, "g": 0, "t": kind, "e": [{"f": 0, "e": 0, "l": [{"b": 0, "i": 0}]}]}
        for kind in (1, 2, 3, 4)
    ]
    return {
        "version": "4.0.0",
        "basicEvents": [{"b": 4, "i": 0}],
        "basicEventsData": [{"t": 1, "i": 3, "f": 1}],
        "colorBoostEvents": [{"b": 8, "i": 0}],
        "colorBoostEventsData": [{"b": 1}],
        "waypoints": [{"b": 8, "i": 0}],
        "waypointsData": [{"x": 1, "y": 0, "d": 0}],
        "basicEventTypesWithKeywords": {"d": []},
        "eventBoxGroups": groups,
        "indexFilters": [{"f": 1, "p": 1, "t": 0, "r": 0, "c": 0, "n": 0, "s": 0, "l": 0, "d": 0}],
        "lightColorEventBoxes": [spread],
        "lightColorEvents": [{"p": 0, "e": 0, "c": 1, "b": 1, "f": 0, "sb": 0, "sf": 0}],
        "lightRotationEventBoxes": [{**spread, "a": 0, "f": 0}],
        "lightRotationEvents": [{"p": 0, "e": 0, "r": 90, "d": 0, "l": 0}],
        "lightTranslationEventBoxes": [{**spread, "a": 0, "f": 0}],
        "lightTranslationEvents": [{"p": 0, "e": 0, "t": 1}],
        "fxEventBoxes": [spread],
        "floatFxEvents": [{"p": 0, "e": 0, "v": 1}],
        "useNormalEventsAsCompatibleEvents": True,
    }


def audio_data() -> dict[str, Any]:
    """A valid AudioData.dat: the second half of the song is twice as fast."""
    half = round(SECONDS * 22050 / 2)
    return {
        "version": "4.0.0",
        "songChecksum": "",
        "songSampleCount": 2 * half,
        "songFrequency": 22050,
        "bpmData": [
            {"si": 0, "ei": half, "sb": 0, "eb": 20},
            {"si": half, "ei": 2 * half, "sb": 20, "eb": 60},
        ],
        "lufsData": [{"si": 0, "ei": half, "l": -6}],
    }


@dataclass
class Kit:
    """The level's parts, to be changed before writing."""

    info: dict[str, Any] = field(default_factory=info)
    v3: dict[str, Any] = field(default_factory=v3)
    v2: dict[str, Any] = field(default_factory=v2)
    files: dict[str, bytes | None] = field(default_factory=dict)

    def entry(self, index: int = 1) -> dict[str, Any]:
        """Info.dat's entry of a difficulty: 0 the v2 Hard, 1 the v3 Expert."""
        found: dict[str, Any] = self.info["_difficultyBeatmapSets"][0]["_difficultyBeatmaps"][index]
        return found

    def contents(self) -> dict[str, bytes]:
        """File names and bytes; ``files`` replaces a file, or removes it with None."""
        made: dict[str, bytes | None] = {
            "Info.dat": json.dumps(self.info).encode(),
            "Expert.dat": json.dumps(self.v3).encode(),
            "Hard.dat": json.dumps(self.v2).encode(),
            "song.egg": sound(),
            "cover.png": picture(),
        }
        made |= self.files
        return {name: data for name, data in made.items() if data is not None}

    def folder(self, path: Path) -> Path:
        """Write the level into a new folder."""
        path.mkdir()
        for name, data in self.contents().items():
            (path / name).write_bytes(data)
        return path

    def zip(self, path: Path, prefix: str = "") -> Path:
        """Write the level as a zip, under ``prefix`` in it."""
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in self.contents().items():
                archive.writestr(prefix + name, data)
        return path


@dataclass
class KitV4(Kit):
    """The parts of a level of Info v4; its Hard is the v3 difficulty, its Expert the v4 one."""

    info: dict[str, Any] = field(default_factory=info_v4)
    v4: dict[str, Any] = field(default_factory=v4)
    lights: dict[str, Any] = field(default_factory=lightshow)
    audio: dict[str, Any] = field(default_factory=audio_data)

    def contents(self) -> dict[str, bytes]:
        """As in `Kit`."""
        made = {
            "Expert.dat": json.dumps(self.v4).encode(),
            "Hard.dat": json.dumps(self.v3).encode(),
            "Lights.dat": json.dumps(self.lights).encode(),
            "AudioData.dat": json.dumps(self.audio).encode(),
        }
        ours = {name: data for name, data in made.items() if name not in self.files}
        missing = {name for name, data in self.files.items() if data is None}
        return {k: v for k, v in (super().contents() | ours).items() if k not in missing}
