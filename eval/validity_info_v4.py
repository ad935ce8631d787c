"""Strict validity of Info.dat v4 on its raw JSON (`beat-saber.md` 1.2, 1.8)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from saberlm.eval.fields import Field, check_fields, json_name
from saberlm.eval.findings import FindingLog
from saberlm.eval.validity_info import (
    CHARACTERISTICS,
    COLORS,
    ENVIRONMENTS,
    STRING_LISTS,
    InfoSummary,
    check_file_listed,
    check_title,
)
from saberlm.prompts.beatmap import DIFFICULTY_RANK

_HEX_COLOR = re.compile(r"#?[0-9A-Fa-f]{8}")
_CHARACTERISTICS = CHARACTERISTICS | {"Legacy"}

_FIELDS = (
    Field("song", "dict"),
    Field("audio", "dict"),
    Field("songPreviewFilename", "str"),
    Field("coverImageFilename", "str"),
    Field("environmentNames", "list"),
    Field("colorSchemes", "list"),
    Field("difficultyBeatmaps", "list"),
    Field("customData", "dict", optional=True),
)
_SONG = (Field("title", "str"), Field("subTitle", "str"), Field("author", "str"))
_AUDIO = (
    Field("songFilename", "str"),
    Field("songDuration", "float", 0, rule="info.duration"),
    Field("audioDataFilename", "str"),
    Field("bpm", "float", 10, 1000, rule="info.bpm"),
    Field("lufs", "float"),
    Field("previewStartTime", "float", 0, rule="info.preview"),
    Field("previewDuration", "float", 0, rule="info.preview"),
)
_ENTRY = (
    Field("characteristic", "str"),
    Field("difficulty", "str"),
    Field("beatmapAuthors", "dict"),
    Field("environmentNameIdx", "int"),
    Field("beatmapColorSchemeIdx", "int"),
    Field("noteJumpMovementSpeed", "float", 0, rule="info.njs"),
    Field("noteJumpStartBeatOffset", "float"),
    Field("beatmapDataFilename", "str"),
    Field("lightshowDataFilename", "str", optional=True),
    Field("customData", "dict", optional=True),
)
_AUTHORS = (Field("mappers", "list"), Field("lighters", "list"))


def check_info_v4(
    data: dict[str, Any], version: tuple[int, ...], files: Collection[str], log: FindingLog
) -> InfoSummary:
    """Check a parsed Info.dat of version 4.

    Args:
        data: The parsed JSON object.
        version: Its version as (major, minor, patch).
        files: Lower-case names of the level's files.
        log: Takes the findings; its file must be set.
    """
    found = check_fields(data, _FIELDS, "", log)
    song = check_fields(found.get("song", {}), _SONG, "song", log) if "song" in found else {}
    audio = check_fields(found.get("audio", {}), _AUDIO, "audio", log) if "audio" in found else {}
    check_title(song.get("title"), "song.title", log)
    names = found.get("environmentNames")
    if names == []:
        log.error("info.environment", "environmentNames", "expected an environment, found none")
    for index, name in enumerate(names or []):
        if type(name) is not str or name not in ENVIRONMENTS:
            text = f"expected a known environment like DefaultEnvironment, found {json_name(name)}"
            log.error("info.environment", f"environmentNames[{index}]", text)
    schemes = found.get("colorSchemes", [])
    for index, scheme in enumerate(schemes):
        _color_scheme(scheme, version >= (4, 0, 1), f"colorSchemes[{index}]", log)
    check_file_listed(found.get("songPreviewFilename"), "songPreviewFilename", files, log)
    check_file_listed(found.get("coverImageFilename"), "coverImageFilename", files, log)
    check_file_listed(audio.get("songFilename"), "audio.songFilename", files, log)
    check_file_listed(audio.get("audioDataFilename"), "audio.audioDataFilename", files, log)
    limits = (len(schemes), len(names or []))
    pairs = list(_difficulties(found.get("difficultyBeatmaps"), limits, files, log))
    bpm = audio.get("bpm")
    return InfoSummary(
        bpm if bpm is not None and bpm > 0 else None,
        audio.get("songFilename"),
        found.get("coverImageFilename"),
        tuple(dict.fromkeys(name for name, _ in pairs)),
        tuple(pairs),
        audio.get("audioDataFilename"),
        version=4,
    )


def _color_scheme(scheme: object, split: bool, where: str, log: FindingLog) -> None:
    if not isinstance(scheme, dict):
        log.error("field.type", where, f"expected an object, found {json_name(scheme)}")
        return
    wanted = ("overrideNotes", "overrideLights") if split else ("useOverride",)
    other = ("useOverride",) if split else ("overrideNotes", "overrideLights")
    fields = [Field("colorSchemeName", "str"), *(Field(name, "bool") for name in wanted)]
    found = check_fields(scheme, [*fields, *(Field(name, "str") for name in COLORS)], where, log)
    for name in other:
        if name in scheme:
            text = f"expected {' and '.join(wanted)} in this version, found {name!r}"
            log.error("info.color_override", where, text)
    for name in COLORS:
        if name in found and not _HEX_COLOR.fullmatch(found[name]):
            text = f"expected {name!r} as 8 hexadecimal digits, found {found[name]!r}"
            log.error("info.color", where, text)


def _difficulties(
    entries: list[Any] | None, limits: tuple[int, int], files: Collection[str], log: FindingLog
) -> Iterator[tuple[str, str]]:
    """Check the difficulties; yield the file and the lightshow of each ("" where not there)."""
    if entries == []:
        log.error("info.no_sets", "difficultyBeatmaps", "expected a difficulty, found none")
    seen: set[tuple[Any, Any]] = set()
    for number, entry in enumerate(entries or []):
        where = f"difficultyBeatmaps[{number}]"
        if not isinstance(entry, dict):
            log.error("field.type", where, f"expected an object, found {json_name(entry)}")
            continue
        found = check_fields(entry, _ENTRY, where, log)
        characteristic, name = found.get("characteristic"), found.get("difficulty")
        if characteristic is not None and characteristic not in _CHARACTERISTICS:
            text = f"expected one of {', '.join(sorted(_CHARACTERISTICS))}, found "
            log.error("info.characteristic", where, f"{text}{characteristic!r}")
        if name is not None and name not in DIFFICULTY_RANK:
            text = f"expected one of {', '.join(DIFFICULTY_RANK)}, found {name!r}"
            log.error("info.difficulty", where, text)
        if (characteristic, name) in seen:
            text = f"expected {characteristic} {name} once, found it again"
            log.error("info.difficulty_twice", where, text)
        seen.add((characteristic, name))
        for key, lowest, size in (
            ("beatmapColorSchemeIdx", -1, limits[0]),
            ("environmentNameIdx", 0, limits[1]),
        ):
            if key in found and not lowest <= found[key] < max(1, size):
                text = f"expected {key!r} from {lowest} to {max(1, size) - 1}, found {found[key]}"
                log.error("info.index", where, text)
        _people(found, where, log)
        filename, lights = found.get("beatmapDataFilename"), found.get("lightshowDataFilename")
        check_file_listed(filename, where, files, log)
        check_file_listed(lights or None, where, files, log)
        if filename is not None and filename.lower() in files:
            yield filename, lights if lights and lights.lower() in files else ""


def _people(found: dict[str, Any], where: str, log: FindingLog) -> None:
    if "beatmapAuthors" in found:
        authors = check_fields(found["beatmapAuthors"], _AUTHORS, f"{where}.beatmapAuthors", log)
        for key, names in authors.items():
            if not all(type(name) is str for name in names):
                log.error("field.type", where, f"expected {key!r} as a list of strings")
    custom = found.get("customData", {})
    for key in STRING_LISTS:
        for spelled in (key, key.lstrip("_")):
            value = custom.get(spelled, [])
            if type(value) is not list or not all(type(one) is str for one in value):
                log.error("info.custom_data", where, f"expected {spelled!r} as a list of strings")
