"""Info.dat v4.0.0-4.0.1 to and from `LevelInfo`; writes 4.0.1.

Rules: BeatSaver's upload validator (beatsaver-common-mp) and the community wiki's page on Info.dat.
Colours are hexadecimal (``RRGGBBAA``, 8 bits a channel) in the file and 0-1 here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from saberlm.prompts.beatmap import (
    DIFFICULTIES,
    DIFFICULTY_RANK,
    ColorScheme,
    Difficulty,
    LevelInfo,
)
from saberlm.prompts.errors import LevelError, shown
from saberlm.prompts.extra_fields import CUSTOM_DATA, writable_extra
from saberlm.prompts.info_v2 import (
    difficulty_name,
    filename_of,
    number_of,
    objects_of,
    text_of,
)
from saberlm.prompts.level_entries import DifficultyEntry

INFO_VERSION = "4.0.1"
COLOR_NAMES = (
    "saberAColor",
    "saberBColor",
    "obstaclesColor",
    "environmentColor0",
    "environmentColor1",
    "environmentColor0Boost",
    "environmentColor1Boost",
)
WHITE_COLOR_NAMES = ("environmentColorW", "environmentColorWBoost")
"""Colours that a scheme may leave out."""

_Item: TypeAlias = Mapping[str, Any]
_Color: TypeAlias = tuple[float, float, float, float]

_DIFFICULTIES = "difficultyBeatmaps"
_DEFAULT_ENVIRONMENT = "DefaultEnvironment"
_INFO_KEYS = frozenset(
    [
        "version",
        "song",
        "audio",
        "songPreviewFilename",
        "coverImageFilename",
        "environmentNames",
        "colorSchemes",
        "difficultyBeatmaps",
        "customData",
    ]
)
_SONG_KEYS = frozenset(("title", "subTitle", "author"))
_AUDIO_KEYS = frozenset(
    [
        "songFilename",
        "songDuration",
        "audioDataFilename",
        "bpm",
        "lufs",
        "previewStartTime",
        "previewDuration",
    ]
)
_ENTRY_KEYS = frozenset(
    [
        "characteristic",
        "difficulty",
        "beatmapAuthors",
        "environmentNameIdx",
        "beatmapColorSchemeIdx",
        "noteJumpMovementSpeed",
        "noteJumpStartBeatOffset",
        "beatmapDataFilename",
        "lightshowDataFilename",
        "customData",
    ]
)
_SCHEME_KEYS = frozenset(
    ("colorSchemeName", "useOverride", "overrideNotes", "overrideLights", *COLOR_NAMES)
) | frozenset(WHITE_COLOR_NAMES)
_TURNING = ("90Degree", "360Degree")
_CHANNEL_MAX = 255
_ROUNDING = 1e-4  # of a step: what a float32 of a colour's fraction may be off


def read_info_v4(
    raw: Mapping[str, Any], where: str
) -> tuple[LevelInfo, list[DifficultyEntry], dict[str, int]]:
    """Reads a parsed Info.dat v4.

    Args:
        raw: The parsed Info.dat.
        where: The file's name, for messages.

    Returns:
        What it says of the song, of each difficulty in the file's order, and how often each kind of
        thing was mended or dropped. The mapper is every difficulty's mappers in one text.

    Raises:
        LevelError: If the tempo is missing or not above 0, a number is not one, or the list of
            difficulties is missing.
    """
    counts: Counter[str] = Counter()
    song, audio = _part(raw, "song", counts), _part(raw, "audio", counts)
    bpm = number_of(audio, "bpm", where, math.nan)
    if not bpm > 0:
        raise LevelError(
            f"{where}: expected a `bpm` above 0, "
            f"found {shown(audio.get('bpm'))}: likely a damaged or "
            "unfinished level"
        )
    entries = [_entry(item, where, counts) for item in objects_of(raw, _DIFFICULTIES, where)]
    names = raw.get("environmentNames")
    environments = tuple(map(str, names)) if isinstance(names, list) else ()
    custom = raw.get(CUSTOM_DATA)
    extra = _unknown(raw, _INFO_KEYS)
    for key, part, known in (("song", song, _SONG_KEYS), ("audio", audio, _AUDIO_KEYS)):
        if unknown := _unknown(part, known):
            extra[key] = unknown
    info = LevelInfo(
        title=text_of(song, "title"),
        bpm=bpm,
        subtitle=text_of(song, "subTitle"),
        artist=text_of(song, "author"),
        mapper=_joined([entry.mappers for entry in entries]),
        audio_filename=text_of(audio, "songFilename") or "song.egg",
        cover_filename=text_of(raw, "coverImageFilename"),
        environment=_environment(environments, entries),
        preview_start=number_of(audio, "previewStartTime", where, 0.0),
        preview_duration=number_of(audio, "previewDuration", where, 10.0),
        version=text_of(raw, "version"),
        custom_data=dict(custom) if isinstance(custom, dict) else {},
        environments=environments,
        color_schemes=_schemes(raw.get("colorSchemes"), counts),
        lufs=number_of(audio, "lufs", where, 0.0),
        duration=number_of(audio, "songDuration", where, 0.0),
        preview_filename=text_of(raw, "songPreviewFilename"),
        audio_data_filename=text_of(audio, "audioDataFilename"),
        extra=extra or None,
    )
    return info, entries, dict(counts)


def info_v4_to_dict(
    info: LevelInfo, difficulties: Sequence[Difficulty], lost: Counter[str]
) -> dict[str, Any]:
    """Makes an Info.dat 4.0.1 with every field explicit, the difficulties in the order given.

    Args:
        info: What Info.dat says of the song.
        difficulties: The difficulties, whose beatmaps are not looked at; one without mappers of its
            own has the level's.
        lost: Takes a phrase and a count for everything that version 4 cannot hold.

    Raises:
        LevelError: If a difficulty's name is unknown, or given twice in one characteristic.
    """
    _check_names(difficulties)
    _count_lost(info, difficulties, lost)
    unknown = writable_extra(info.extra, lost, _INFO_KEYS - {"song", "audio"})
    of_song, of_audio = (_dict(unknown.pop(key, None)) for key in ("song", "audio"))
    environments, turned = _environments(info, difficulties)
    return {
        "version": INFO_VERSION,
        "song": {
            "title": info.title,
            "subTitle": info.subtitle,
            "author": info.artist,
            **of_song,
        },
        "audio": {
            "songFilename": info.audio_filename,
            "songDuration": info.duration,
            "audioDataFilename": info.audio_data_filename,
            "bpm": info.bpm,
            "lufs": info.lufs,
            "previewStartTime": info.preview_start,
            "previewDuration": info.preview_duration,
            **of_audio,
        },
        "songPreviewFilename": info.preview_filename or info.audio_filename,
        "coverImageFilename": info.cover_filename,
        "environmentNames": environments,
        "colorSchemes": [_scheme_item(scheme, lost) for scheme in info.color_schemes],
        _DIFFICULTIES: [
            _entry_item(difficulty, info.mapper, turned, lost) for difficulty in difficulties
        ],
        CUSTOM_DATA: info.custom_data,
        **unknown,
    }


def _entry(item: _Item, where: str, counts: Counter[str]) -> DifficultyEntry:
    authors = _part(item, "beatmapAuthors", counts)
    extra = _unknown(item, _ENTRY_KEYS)
    if item.get(CUSTOM_DATA):
        extra[CUSTOM_DATA] = item[CUSTOM_DATA]
    if unknown := authors.keys() - {"mappers", "lighters"}:
        counts["unknown field of a difficulty's authors dropped"] += len(unknown)
    return DifficultyEntry(
        characteristic=text_of(item, "characteristic") or "Standard",
        name=difficulty_name(text_of(item, "difficulty")),
        njs=number_of(item, "noteJumpMovementSpeed", where, 0.0),
        offset=number_of(item, "noteJumpStartBeatOffset", where, 0.0),
        filename=text_of(item, "beatmapDataFilename"),
        lightshow_filename=text_of(item, "lightshowDataFilename"),
        environment_index=int(number_of(item, "environmentNameIdx", where, 0)),
        color_scheme_index=int(number_of(item, "beatmapColorSchemeIdx", where, -1)),
        mappers=_texts(authors, "mappers", counts),
        lighters=_texts(authors, "lighters", counts),
        extra=extra or None,
    )


def _entry_item(
    difficulty: Difficulty, mapper: str, turned: int | None, lost: Counter[str]
) -> dict[str, Any]:
    mappers = difficulty.mappers or ((mapper,) if mapper else ())
    environment = difficulty.environment_index
    if turned is not None and difficulty.characteristic in _TURNING:
        environment = turned
    return {
        "characteristic": difficulty.characteristic,
        "difficulty": difficulty.name,
        "beatmapAuthors": {"mappers": list(mappers), "lighters": list(difficulty.lighters)},
        "environmentNameIdx": environment,
        "beatmapColorSchemeIdx": difficulty.color_scheme_index,
        "noteJumpMovementSpeed": difficulty.njs,
        "noteJumpStartBeatOffset": difficulty.offset,
        "lightshowDataFilename": difficulty.lightshow_filename,
        "beatmapDataFilename": filename_of(difficulty),
        **writable_extra(difficulty.extra, lost, _ENTRY_KEYS),
    }


def _environments(
    info: LevelInfo, difficulties: Sequence[Difficulty]
) -> tuple[list[str], int | None]:
    """The names that difficulties number. A level without such a list (v2.0) has one for turning
    maps: its number, too."""
    if info.environments:
        return list(info.environments), None
    if any(difficulty.characteristic in _TURNING for difficulty in difficulties):
        return [info.environment, info.all_directions_environment], 1
    return [info.environment], None


def _check_names(difficulties: Sequence[Difficulty]) -> None:
    seen: set[tuple[str, str]] = set()
    for difficulty in difficulties:
        if difficulty.name not in DIFFICULTY_RANK:
            raise LevelError(
                f"expected a difficulty of {', '.join(DIFFICULTIES)}, "
                f"found {shown(difficulty.name)}: "
                "likely a display name"
            )
        name = difficulty.characteristic, difficulty.name
        if name in seen:
            raise LevelError(
                f"expected each difficulty once, found {' '.join(name)} twice: likely two levels "
                "merged into one"
            )
        seen.add(name)


def _count_lost(info: LevelInfo, difficulties: Sequence[Difficulty], lost: Counter[str]) -> None:
    usual, (environments, _) = LevelInfo("", 1.0), _environments(info, difficulties)
    named = [
        difficulty.mappers or ((info.mapper,) if info.mapper else ()) for difficulty in difficulties
    ]
    single = {
        "mapper of the level, for each difficulty has its own": _joined(named) != info.mapper,
        "environment for all directions": info.all_directions_environment
        not in (usual.all_directions_environment, *environments),
        "environment beside the list, where it is not the first difficulty's": info.environment
        != _environment(environments, difficulties),
        "time offset of the song": info.time_offset != 0,
        "shuffle": (info.shuffle, info.shuffle_period) != (0, usual.shuffle_period),
    }
    lost.update({what: 1 for what, is_lost in single.items() if is_lost})


def _schemes(items: object, counts: Counter[str]) -> tuple[ColorScheme, ...]:
    """Colour schemes in the file's order; one that cannot be read becomes an empty one, so that the
    difficulties' numbers still fit."""
    schemes: list[ColorScheme] = []
    for item in items if isinstance(items, list) else ():
        if not isinstance(item, dict):
            counts["colour scheme that cannot be read emptied"] += 1
            schemes.append(ColorScheme("", False, False, {}))
            continue
        colors: dict[str, _Color] = {}
        for name in (*COLOR_NAMES, *WHITE_COLOR_NAMES):
            if (text := item.get(name)) is None:
                continue
            if (color := _color(text)) is None:
                counts["colour that cannot be read dropped"] += 1
            else:
                colors[name] = color
        override = item.get("useOverride", False)  # before 4.0.1 one word for both
        schemes.append(
            ColorScheme(
                text_of(item, "colorSchemeName"),
                bool(item.get("overrideNotes", override)),
                bool(item.get("overrideLights", override)),
                colors,
                _unknown(item, _SCHEME_KEYS) or None,
            )
        )
    return tuple(schemes)


def _scheme_item(scheme: ColorScheme, lost: Counter[str]) -> dict[str, Any]:
    colors = dict(scheme.colors)
    for name in COLOR_NAMES:
        if name not in colors:
            lost["absence of a colour in a colour scheme, written as transparent"] += 1
            colors[name] = (0.0, 0.0, 0.0, 0.0)
    return {
        "colorSchemeName": scheme.name,
        "overrideNotes": scheme.override_notes,
        "overrideLights": scheme.override_lights,
        **{name: _hex(color, lost) for name, color in sorted(colors.items())},
        **writable_extra(scheme.extra, lost, _SCHEME_KEYS),
    }


def _color(text: object) -> _Color | None:
    digits = str(text).removeprefix("#")
    if len(digits) == len("RRGGBB"):
        digits += "ff"
    try:
        red, green, blue, alpha = bytes.fromhex(digits)
    except ValueError:
        return None
    return (
        red / _CHANNEL_MAX,
        green / _CHANNEL_MAX,
        blue / _CHANNEL_MAX,
        alpha / _CHANNEL_MAX,
    )


def _hex(color: Sequence[float], lost: Counter[str]) -> str:
    steps = [channel * _CHANNEL_MAX for channel in color]
    whole = [min(_CHANNEL_MAX, max(0, round(step))) for step in steps]
    if any(abs(step - near) > _ROUNDING for step, near in zip(steps, whole, strict=True)):
        lost["colour rounded to 8 bits a channel"] += 1
    return bytes(whole).hex().upper()


def _environment(
    environments: Sequence[str], entries: Sequence[DifficultyEntry | Difficulty]
) -> str:
    """The first difficulty's, by its number."""
    index = entries[0].environment_index if entries else 0
    if 0 <= index < len(environments):
        return environments[index]
    return environments[0] if environments else _DEFAULT_ENVIRONMENT


def _joined(mappers: Sequence[Sequence[str]]) -> str:
    return ", ".join(dict.fromkeys(name for names in mappers for name in names))


def _part(raw: _Item, key: str, counts: Counter[str]) -> _Item:
    value = raw.get(key)
    if value is not None and not isinstance(value, dict):
        counts[f"{key} that is not an object dropped"] += 1
    return _dict(value)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(item: _Item, key: str, counts: Counter[str]) -> tuple[str, ...]:
    value = item.get(key)
    if isinstance(value, list):
        return tuple(str(text) for text in value if text is not None)
    if value is not None:
        counts[f"{key} that is not a list dropped"] += 1
    return ()


def _unknown(raw: _Item, known: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if key not in known}
