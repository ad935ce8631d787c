"""Each rule of version 4's validity check, broken alone in an otherwise valid level."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from level_kit import KitV4

Change = Callable[[KitV4], object]


def _set(part: str, array: str, name: str, value: Any) -> Change:
    return lambda kit: getattr(kit, part)[array][0].__setitem__(name, value)


def _row(array: str, name: str, value: Any) -> Change:
    return _set("v4", array, name, value)


def _lights(array: str, name: str, value: Any) -> Change:
    return _set("lights", array, name, value)


def _entry(name: str, value: Any) -> Change:
    return _set("info", "difficultyBeatmaps", name, value)


def _scheme(name: str, value: Any) -> Change:
    return _set("info", "colorSchemes", name, value)


def _audio(name: str, value: Any) -> Change:
    return lambda kit: kit.info["audio"].__setitem__(name, value)


def _box(kit: KitV4, group: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = kit.lights["eventBoxGroups"][group]["e"][0]
    return found


DIFFICULTY_ARRAYS = """
colorNotes colorNotesData bombNotes bombNotesData obstacles obstaclesData arcs arcsData chains
chainsData
"""
LIGHTSHOW_ARRAYS = """
basicEvents basicEventsData colorBoostEvents colorBoostEventsData waypoints waypointsData
eventBoxGroups indexFilters lightColorEventBoxes lightColorEvents lightRotationEventBoxes
lightRotationEvents lightTranslationEventBoxes lightTranslationEvents fxEventBoxes floatFxEvents
"""


def _without(part: str, name: str) -> Change:
    return lambda kit: getattr(kit, part).pop(name)


def _gone(name: str) -> Change:
    return lambda kit: kit.files.update({name: None})


ERRORS_V4: list[tuple[str, Change]] = [
    # the difficulty
    *(("collection.missing", _without("v4", name)) for name in DIFFICULTY_ARRAYS.split()),
    ("collection.type", lambda kit: kit.v4.update(colorNotes={})),
    ("collection.type", lambda kit: kit.v4.update(colorNotesData=3)),
    ("index", _row("colorNotes", "i", 3)),
    ("index", _row("colorNotes", "i", -1)),
    ("index", _row("bombNotes", "i", 1)),
    ("index", _row("obstacles", "i", 1)),
    ("index", _row("arcs", "hi", 3)),
    ("index", _row("arcs", "ti", 3)),
    ("index", _row("arcs", "ai", 1)),
    ("index", _row("chains", "i", 9)),
    ("index", _row("chains", "ci", 1)),
    ("index", _row("njsEvents", "i", 1)),
    ("grid.x", _row("colorNotesData", "x", 4)),
    ("grid.y", _row("bombNotesData", "y", 3)),
    ("color", _row("colorNotesData", "c", 2)),
    ("direction", _row("colorNotesData", "d", 9)),
    ("wall.size", _row("obstaclesData", "w", 0)),
    ("wall.outside", _row("obstaclesData", "w", 2)),
    ("wall.duration", _row("obstaclesData", "d", -1)),
    ("chain.squish", _row("chainsData", "s", 0)),
    ("chain.slices", _row("chainsData", "c", 0)),
    ("chain.head", _row("chains", "i", 0)),
    ("arc.anchor", _row("arcsData", "a", 3)),
    ("easing", _row("njsEventData", "e", 31)),
    ("field.range", _row("njsEventData", "p", 2)),
    ("tail.before_head", _row("arcs", "tb", 5)),
    ("tail.before_head", _row("chains", "tb", 5)),
    ("beat.negative", _row("colorNotes", "b", -1)),
    ("beat.after_end", _row("colorNotes", "b", 61)),
    ("field.type", _row("colorNotesData", "x", "1")),
    ("field.type", _row("colorNotes", "r", 0.5)),
    ("field.type", lambda kit: kit.v4["colorNotesData"].append(3)),
    ("version.array", lambda kit: kit.v4.update(version="4.0.0")),
    ("version.array", lambda kit: kit.v4.update(spawnRotations=[], spawnRotationsData=[])),
    # the lightshow
    *(("collection.missing", _without("lights", name)) for name in LIGHTSHOW_ARRAYS.split()),
    ("field.missing", _without("lights", "basicEventTypesWithKeywords")),
    ("index", _lights("basicEvents", "i", 1)),
    ("index", _lights("colorBoostEvents", "i", 1)),
    ("index", lambda kit: _box(kit).update(f=1)),
    ("index", lambda kit: _box(kit, 1).update(e=1)),
    ("index", lambda kit: _box(kit, 2)["l"][0].update(i=1)),
    ("index", lambda kit: _box(kit, 3)["l"][0].update(i=-1)),
    ("field.type", lambda kit: _box(kit)["l"].append(3)),
    ("field.type", lambda kit: kit.lights["eventBoxGroups"][0]["e"].append(3)),
    ("group.type", _lights("eventBoxGroups", "t", 5)),
    ("event.type", _lights("basicEventsData", "t", -1)),
    ("filter", _lights("indexFilters", "f", 0)),
    ("distribution", _lights("lightColorEventBoxes", "d", 0)),
    ("axis", _lights("lightRotationEventBoxes", "a", 3)),
    ("color", _lights("lightColorEvents", "c", 3)),
    ("rotation", _lights("lightRotationEvents", "d", 3)),
    ("easing", _lights("floatFxEvents", "e", 50)),
    ("field.range", _lights("colorBoostEventsData", "b", 2)),
    ("json.object", lambda kit: kit.files.update({"Lights.dat": b"[]"})),
    # AudioData.dat
    ("audio_data.samples", _set("audio", "bpmData", "ei", 10**7)),
    ("audio_data.samples", _set("audio", "bpmData", "si", -1)),
    ("audio_data.samples", _set("audio", "lufsData", "si", 10**6)),
    ("audio_data.beats", _set("audio", "bpmData", "eb", -1)),
    ("audio_data.length", lambda kit: kit.audio.update(songFrequency=0)),
    ("field.type", lambda kit: kit.audio.update(songSampleCount=1.5)),
    ("field.missing", _without("audio", "lufsData")),
    ("field.type", lambda kit: kit.audio["bpmData"].append(3)),
    ("json.object", lambda kit: kit.files.update({"AudioData.dat": b"3"})),
    # Info.dat
    ("field.missing", _without("info", "song")),
    ("field.missing", _without("info", "songPreviewFilename")),
    ("field.missing", lambda kit: kit.info["audio"].pop("lufs")),
    ("field.missing", lambda kit: kit.info["difficultyBeatmaps"][0].pop("beatmapAuthors")),
    ("field.type", _audio("bpm", "120")),
    ("info.title", lambda kit: kit.info["song"].update(title=" ")),
    ("info.bpm", _audio("bpm", 9)),
    ("info.preview", _audio("previewStartTime", -1)),
    ("info.duration", _audio("songDuration", -1)),
    ("info.environment", lambda kit: kit.info.update(environmentNames=[])),
    ("info.environment", lambda kit: kit.info.update(environmentNames=["NowhereEnvironment"])),
    ("info.color", _scheme("saberAColor", "80C0FF")),
    ("info.color", _scheme("saberAColor", "80C0FFXX")),
    ("info.color_override", _scheme("useOverride", True)),
    ("field.missing", lambda kit: kit.info["colorSchemes"][0].pop("overrideLights")),
    ("info.no_sets", lambda kit: kit.info.update(difficultyBeatmaps=[])),
    ("info.characteristic", _entry("characteristic", "Tabs")),
    ("info.difficulty", _entry("difficulty", "Expert+")),
    ("info.difficulty_twice", _entry("difficulty", "Expert")),
    ("info.njs", _entry("noteJumpMovementSpeed", -1)),
    ("info.index", _entry("environmentNameIdx", 1)),
    ("info.index", _entry("beatmapColorSchemeIdx", 1)),
    ("field.type", _entry("beatmapAuthors", {"mappers": [1], "lighters": []})),
    ("info.custom_data", _entry("customData", {"requirements": "Chroma"})),
    ("version.both", lambda kit: kit.info.update(_version="2.1.0")),
    # files
    *(
        ("file.missing", _gone(name))
        for name in ("song.egg", "cover.png", "AudioData.dat", "Lights.dat", "Expert.dat")
    ),
]
WARNINGS_V4: list[tuple[str, Change]] = [
    ("field.defaulted", lambda kit: kit.v4["colorNotesData"][0].pop("a")),
    ("stacked", lambda kit: kit.v4["colorNotes"].insert(1, {"b": 4, "r": 0, "i": 0})),
    ("beat.after_end", _lights("basicEvents", "b", 70)),
    ("audio_data.gap", _set("audio", "bpmData", "eb", 19)),
    ("audio_data.length", lambda kit: kit.audio.update(songSampleCount=10**6)),
    ("json.duplicate", lambda kit: kit.files.update({"Lights.dat": _twice(kit)})),
]


def _twice(kit: KitV4) -> bytes:
    return kit.contents()["Lights.dat"].replace(b"{", b'{"version": "4.0.0", ', 1)
