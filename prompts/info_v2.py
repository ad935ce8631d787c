"""Info.dat v2.0 and v2.1 to and from `LevelInfo`; writes 2.1.0.

Rules: BeatSaver's upload validator (beatsaver-common-mp) and the community wiki's page on Info.dat.
Nothing of a file is left out: what the format does not define stands in ``extra``, what the format
cannot hold is counted when it is written.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from saberlm.prompts.beatmap import (
    DIFFICULTIES,
    DIFFICULTY_RANK,
    ColorScheme,
    Difficulty,
    LevelInfo,
)
from saberlm.prompts.errors import LevelError, shown
from saberlm.prompts.extra_fields import CUSTOM_DATA, CUSTOM_DATA_V2, writable_extra
from saberlm.prompts.level_entries import DifficultyEntry

INFO_VERSION = "2.1.0"
MAX_TITLE_AND_MAPPER = 100
"""BeatSaver's limit on the characters of `_songName` and `_levelAuthorName` together."""

_SETS = "_difficultyBeatmapSets"
_DEFAULT_ENVIRONMENT = "DefaultEnvironment"
_ALL_DIRECTIONS = "GlassDesertEnvironment"
_INFO_FIELDS = """
_version _songName _songSubName _songAuthorName _levelAuthorName _beatsPerMinute _songTimeOffset
_shuffle _shufflePeriod _previewStartTime _previewDuration _songFilename _coverImageFilename
_environmentName _allDirectionsEnvironmentName _environmentNames _colorSchemes
_difficultyBeatmapSets _customData
"""
_INFO_KEYS = frozenset(_INFO_FIELDS.split())
_SET_KEYS = frozenset(["_beatmapCharacteristicName", "_difficultyBeatmaps"])
_ENTRY_FIELDS = """
_difficulty _difficultyRank _beatmapFilename _noteJumpMovementSpeed _noteJumpStartBeatOffset
_beatmapColorSchemeIdx _environmentNameIdx _customData
"""
_ENTRY_KEYS = frozenset(_ENTRY_FIELDS.split())
_COLORS = """
saberAColor saberBColor environmentColor0 environmentColor1 obstaclesColor environmentColor0Boost
environmentColor1Boost environmentColorW environmentColorWBoost
"""
_COLOR_NAMES = frozenset(_COLORS.split())

_log = logging.getLogger(__name__)


def info_v2_to_dict(
    info: LevelInfo, difficulties: Sequence[Difficulty], lost: Counter[str] | None = None
) -> dict[str, Any]:
    """Makes an Info.dat 2.1.0 with every field explicit.

    Sets (characteristics) are in order of first use, the difficulties of each by rank. A title or
    mapper over BeatSaver's limit (100 characters together) is cut, the title first, with a warning.

    Args:
        info: What Info.dat says of the song.
        difficulties: The difficulties, whose beatmaps are not looked at.
        lost: Takes a phrase and a count for everything that version 2 cannot hold.

    Raises:
        LevelError: If a difficulty's name is unknown, or given twice in one set.
    """
    lost = Counter() if lost is None else lost
    title, mapper = _fitted(info.title, info.mapper, lost)
    sets = _grouped(difficulties)
    unknown = writable_extra(info.extra, lost, _INFO_KEYS - {_SETS}, v2=True)
    of_sets = unknown.pop(_SETS, None)
    of_sets = of_sets if isinstance(of_sets, dict) else {}
    _count_lost(info, difficulties, lost)
    return {
        "_version": INFO_VERSION,
        "_songName": title,
        "_songSubName": info.subtitle,
        "_songAuthorName": info.artist,
        "_levelAuthorName": mapper,
        "_beatsPerMinute": info.bpm,
        "_songTimeOffset": _plain(info.time_offset),
        "_shuffle": _plain(info.shuffle),
        "_shufflePeriod": _plain(info.shuffle_period),
        "_previewStartTime": info.preview_start,
        "_previewDuration": info.preview_duration,
        "_songFilename": info.audio_filename,
        "_coverImageFilename": info.cover_filename,
        "_environmentName": info.environment,
        "_allDirectionsEnvironmentName": info.all_directions_environment,
        "_environmentNames": list(info.environments or (info.environment,)),
        "_colorSchemes": [_scheme_item(scheme, lost) for scheme in info.color_schemes],
        _SETS: [
            {
                "_beatmapCharacteristicName": name,
                "_difficultyBeatmaps": [
                    _entry_item(d, lost)
                    for d in sorted(members, key=lambda d: DIFFICULTY_RANK[d.name])
                ],
                **of_sets.get(name, {}),
            }
            for name, members in sets.items()
        ],
        "_customData": info.custom_data,
        **unknown,
    }


def difficulty_filename(name: str, characteristic: str) -> str:
    """Returns the usual name of a difficulty's file, such as ``ExpertPlusStandard.dat``."""
    return f"{name}{characteristic}.dat"


def filename_of(difficulty: Difficulty) -> str:
    """Returns the name of a difficulty's file: its own, or else the usual one."""
    return difficulty.filename or difficulty_filename(difficulty.name, difficulty.characteristic)


def difficulty_name(name: str) -> str:
    """Returns a difficulty's name as the format spells it (``expert+`` is ``ExpertPlus``); another
    text stays as it is."""
    plain = name.lower().replace("+", "plus")
    return next((known for known in DIFFICULTIES if known.lower() == plain), name)


def read_info_v2(
    raw: Mapping[str, Any], where: str
) -> tuple[LevelInfo, list[DifficultyEntry], dict[str, int]]:
    """Reads a parsed Info.dat v2.

    Args:
        raw: The parsed Info.dat.
        where: The file's name, for messages.

    Returns:
        What it says of the song, of each difficulty in the file's order, and how often each kind of
        thing was mended or dropped.

    Raises:
        LevelError: If the tempo is missing or not above 0, a number is not one, or the list of
            difficulties is missing.
    """
    counts: Counter[str] = Counter()
    bpm = number_of(raw, "_beatsPerMinute", where, math.nan)
    if not bpm > 0:
        raise LevelError(
            f"{where}: expected a `_beatsPerMinute` above 0, "
            f"found {shown(raw.get('_beatsPerMinute'))}: "
            "likely a damaged or unfinished level"
        )
    entries: list[DifficultyEntry] = []
    of_sets: dict[str, dict[str, Any]] = {}
    for group in objects_of(raw, _SETS, where):
        characteristic = text_of(group, "_beatmapCharacteristicName") or "Standard"
        unknown = _unknown(group, _SET_KEYS)
        if unknown:
            of_sets[characteristic] = unknown
        for item in objects_of(group, "_difficultyBeatmaps", where):
            entries.append(_entry(item, characteristic, where))
    extra = _unknown(raw, _INFO_KEYS) | ({_SETS: of_sets} if of_sets else {})
    names = raw.get("_environmentNames")
    environments = tuple(map(str, names)) if isinstance(names, list) else ()
    first = environments[0] if environments else _DEFAULT_ENVIRONMENT
    custom = raw.get("_customData")
    info = LevelInfo(
        title=text_of(raw, "_songName"),
        bpm=bpm,
        subtitle=text_of(raw, "_songSubName"),
        artist=text_of(raw, "_songAuthorName"),
        mapper=text_of(raw, "_levelAuthorName"),
        audio_filename=text_of(raw, "_songFilename") or "song.egg",
        cover_filename=text_of(raw, "_coverImageFilename"),
        environment=text_of(raw, "_environmentName") or first,
        preview_start=number_of(raw, "_previewStartTime", where, 0.0),
        preview_duration=number_of(raw, "_previewDuration", where, 10.0),
        version=text_of(raw, "_version"),
        custom_data=dict(custom) if isinstance(custom, dict) else {},
        environments=environments,
        all_directions_environment=text_of(raw, "_allDirectionsEnvironmentName") or _ALL_DIRECTIONS,
        color_schemes=_schemes(raw.get("_colorSchemes"), counts),
        time_offset=number_of(raw, "_songTimeOffset", where, 0.0),
        shuffle=number_of(raw, "_shuffle", where, 0.0),
        shuffle_period=number_of(raw, "_shufflePeriod", where, 0.5),
        extra=extra or None,
    )
    return info, entries, dict(counts)


def number_of(entry: Mapping[str, Any], key: str, where: str, default: float) -> float:
    """Returns a finite number of Info.dat, given as a number or as text; ``default`` if absent.

    Raises:
        LevelError: If it is something else; ``where`` names the file.
    """
    value = entry.get(key)
    if value is None:
        return default
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise LevelError(
            f"{where}: expected a finite number for `{key}`, "
            f"found {shown(value)}: likely a damaged file"
        )
    return number


def objects_of(entry: Mapping[str, Any], key: str, where: str) -> list[Mapping[str, Any]]:
    """Returns a list of objects of Info.dat.

    Raises:
        LevelError: If it is missing or something else; ``where`` names the file.
    """
    value = entry.get(key)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        found = "none" if value is None else type(value).__name__
        raise LevelError(
            f"{where}: expected a list of objects `{key}`, found {found}: likely a damaged or "
            "unfinished level"
        )
    return value


def text_of(entry: Mapping[str, Any], key: str) -> str:
    """Returns a text of Info.dat; "" if it is absent or null."""
    value = entry.get(key)
    return "" if value is None else str(value)


def _unknown(raw: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if key not in known}


def _entry(item: Mapping[str, Any], characteristic: str, where: str) -> DifficultyEntry:
    extra = _unknown(item, _ENTRY_KEYS)
    if item.get(CUSTOM_DATA_V2):
        extra[CUSTOM_DATA] = item[CUSTOM_DATA_V2]
    return DifficultyEntry(
        characteristic=characteristic,
        name=difficulty_name(text_of(item, "_difficulty")),
        njs=number_of(item, "_noteJumpMovementSpeed", where, 0.0),
        offset=number_of(item, "_noteJumpStartBeatOffset", where, 0.0),
        filename=text_of(item, "_beatmapFilename"),
        environment_index=int(number_of(item, "_environmentNameIdx", where, 0)),
        color_scheme_index=int(number_of(item, "_beatmapColorSchemeIdx", where, -1)),
        extra=extra or None,
    )


def _entry_item(difficulty: Difficulty, lost: Counter[str]) -> dict[str, Any]:
    return {
        "_difficulty": difficulty.name,
        "_difficultyRank": DIFFICULTY_RANK[difficulty.name],
        "_beatmapFilename": filename_of(difficulty),
        "_noteJumpMovementSpeed": difficulty.njs,
        "_noteJumpStartBeatOffset": difficulty.offset,
        "_beatmapColorSchemeIdx": difficulty.color_scheme_index,
        "_environmentNameIdx": difficulty.environment_index,
        CUSTOM_DATA_V2: {},
        **writable_extra(difficulty.extra, lost, _ENTRY_KEYS - {CUSTOM_DATA_V2}, v2=True),
    }


def _grouped(difficulties: Sequence[Difficulty]) -> dict[str, list[Difficulty]]:
    sets: dict[str, list[Difficulty]] = {}
    for difficulty in difficulties:
        if difficulty.name not in DIFFICULTY_RANK:
            raise LevelError(
                f"expected a difficulty of {', '.join(DIFFICULTIES)}, "
                f"found {shown(difficulty.name)}: "
                "likely a display name"
            )
        members = sets.setdefault(difficulty.characteristic, [])
        if any(other.name == difficulty.name for other in members):
            raise LevelError(
                f"expected each difficulty once, found {difficulty.characteristic} "
                f"{difficulty.name} twice: likely two levels merged into one"
            )
        members.append(difficulty)
    return sets


def _schemes(items: object, counts: Counter[str]) -> tuple[ColorScheme, ...]:
    """Colour schemes in the file's order; one that cannot be read becomes an empty one, so that the
    difficulties' numbers still fit."""
    schemes = []
    for item in items if isinstance(items, list) else []:
        inner = item.get("colorScheme") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(inner, dict):
            counts["colour scheme that cannot be read emptied"] += 1
            schemes.append(ColorScheme("", False, False, {}))
            continue
        colors = {}
        for name in sorted(_COLOR_NAMES & inner.keys()):
            color = _color(inner[name], counts)
            if color is not None:
                colors[name] = color
        override = bool(item.get("useOverride"))
        extra = _unknown(item, frozenset(["useOverride", "colorScheme"]))
        extra |= _unknown(inner, _COLOR_NAMES | {"colorSchemeId"})
        name = text_of(inner, "colorSchemeId")
        schemes.append(ColorScheme(name, override, override, colors, extra or None))
    return tuple(schemes)


def _color(value: object, counts: Counter[str]) -> tuple[float, float, float, float] | None:
    try:
        if not isinstance(value, dict):
            raise TypeError
        red, green, blue, alpha = (float(value.get(channel, 0.0)) for channel in "rgba")
        if not all(map(math.isfinite, (red, green, blue, alpha))):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        counts["colour that cannot be read dropped"] += 1
        return None
    return red, green, blue, alpha


def _scheme_item(scheme: ColorScheme, lost: Counter[str]) -> dict[str, Any]:
    if scheme.override_notes != scheme.override_lights:
        lost["colour scheme for notes or lights alone: written for both"] += 1
    colors = {name: dict(zip("rgba", color, strict=True)) for name, color in scheme.colors.items()}
    return {
        "useOverride": scheme.override_notes or scheme.override_lights,
        "colorScheme": {"colorSchemeId": scheme.name, **colors, **(scheme.extra or {})},
    }


def _count_lost(info: LevelInfo, difficulties: Sequence[Difficulty], lost: Counter[str]) -> None:
    single = {
        "loudness of the song": info.lufs != 0,
        "length of the song": info.duration > 0,
        "preview sound of its own": info.preview_filename not in ("", info.audio_filename),
    }
    lost.update({what: 1 for what, is_lost in single.items() if is_lost})
    for difficulty in difficulties:
        # Info.dat v2 names its mappers once for all difficulties
        if difficulty.mappers and ", ".join(difficulty.mappers) != info.mapper:
            lost["mappers named for a difficulty"] += 1
        if difficulty.lighters:
            lost["lighters named for a difficulty"] += 1


def _plain(number: float) -> float | int:
    """A whole number as an integer, as the editors write these fields."""
    return int(number) if float(number).is_integer() else number


def _fitted(title: str, mapper: str, lost: Counter[str]) -> tuple[str, str]:
    over = len(title) + len(mapper) - MAX_TITLE_AND_MAPPER
    if over <= 0:
        return title, mapper
    short_title = title[: max(1, len(title) - over)].rstrip()
    short_mapper = mapper[: MAX_TITLE_AND_MAPPER - len(short_title)].rstrip()
    lost["title or mapper cut to BeatSaver's limit"] += 1
    _log.warning(
        f"expected title and mapper of at most {MAX_TITLE_AND_MAPPER} characters together, found "
        f"{over} more: wrote them as {short_title!r} and {short_mapper!r}"
    )
    return short_title, short_mapper
