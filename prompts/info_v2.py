"""Info.dat v2 to and from `LevelInfo`, and the lenient JSON parsing that all map files need.

Rules: BeatSaver's upload validator (beatsaver-common-mp) and the community wiki's page on Info.dat.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from saberlm.prompts.beatmap import DIFFICULTIES, DIFFICULTY_RANK, Difficulty, LevelInfo

INFO_VERSION = "2.1.0"
MAX_TITLE_AND_MAPPER = 100
"""BeatSaver's limit on the characters of `_songName` and `_levelAuthorName` together."""

_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"
_STRING_OR_TRAILING_COMMA = re.compile(r'"(?:[^"\\]|\\.)*"|,(?=\s*[\]}])', re.DOTALL)

_log = logging.getLogger(__name__)


def read_json_lenient(data: bytes, name: str) -> tuple[Any, dict[str, int]]:
    """Parses JSON as the map editors write it: with a byte order mark, trailing commas or NaN.

    Args:
        data: The file's bytes.
        name: The file's name, for the message.

    Returns:
        What was parsed, and how often each kind of thing was mended.

    Raises:
        ValueError: If it is not JSON even so; the message gives file and line.
    """
    mended: dict[str, int] = {}
    if data.startswith(_GZIP_MAGIC):
        raise ValueError(
            f"{name}: expected JSON text, found gzip data: likely a v4 level, which is not read yet"
        )
    if data.startswith(_UTF8_BOM):
        mended["byte order mark removed"] = 1
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("utf-8-sig", errors="replace")
        mended["bytes that are not UTF-8 replaced"] = text.count("\ufffd")
    words: list[str] = []

    def constant(word: str) -> float:
        words.append(f"{word} read as a number")
        return float(word)

    try:
        try:
            parsed = json.loads(text, parse_constant=constant)
        except json.JSONDecodeError:
            words.clear()
            without = _STRING_OR_TRAILING_COMMA.sub(lambda m: " " if m[0] == "," else m[0], text)
            parsed = json.loads(without, parse_constant=constant, strict=False)
            commas = sum(a != b for a, b in zip(text, without, strict=True))
            mended["trailing comma removed" if commas else "control character kept"] = commas or 1
        return parsed, {**mended, **Counter(words)}
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{name}: expected JSON, found a fault at line {error.lineno} column {error.colno} "
            f"({error.msg}): likely a damaged file or one edited by hand"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{name}: expected JSON, found {error}: likely a damaged or malicious file"
        ) from error


def info_to_dict(info: LevelInfo, difficulties: Sequence[Difficulty]) -> dict[str, Any]:
    """Makes an Info.dat 2.1.0 with every field explicit.

    Sets (characteristics) are in order of first use, the difficulties of each by rank. A title or
    mapper over BeatSaver's limit (100 characters together) is cut, the title first, with a warning.

    Raises:
        ValueError: If a difficulty's name is unknown, or given twice in one set.
    """
    title, mapper = _fitted(info.title, info.mapper)
    sets: dict[str, list[Difficulty]] = {}
    for difficulty in difficulties:
        if difficulty.name not in DIFFICULTY_RANK:
            raise ValueError(
                f"expected a difficulty of {', '.join(DIFFICULTIES)}, found {difficulty.name!r}: "
                "likely a display name"
            )
        members = sets.setdefault(difficulty.characteristic, [])
        if any(other.name == difficulty.name for other in members):
            raise ValueError(
                f"expected each difficulty once, found {difficulty.characteristic} "
                f"{difficulty.name} twice: likely two levels merged into one"
            )
        members.append(difficulty)
    return {
        "_version": INFO_VERSION,
        "_songName": title,
        "_songSubName": info.subtitle,
        "_songAuthorName": info.artist,
        "_levelAuthorName": mapper,
        "_beatsPerMinute": info.bpm,
        "_songTimeOffset": 0,
        "_shuffle": 0,
        "_shufflePeriod": 0.5,
        "_previewStartTime": info.preview_start,
        "_previewDuration": info.preview_duration,
        "_songFilename": info.audio_filename,
        "_coverImageFilename": info.cover_filename,
        "_environmentName": info.environment,
        "_allDirectionsEnvironmentName": "GlassDesertEnvironment",
        "_environmentNames": [info.environment],
        "_colorSchemes": [],
        "_difficultyBeatmapSets": [
            {
                "_beatmapCharacteristicName": name,
                "_difficultyBeatmaps": [
                    _difficulty_entry(d)
                    for d in sorted(members, key=lambda d: DIFFICULTY_RANK[d.name])
                ],
            }
            for name, members in sets.items()
        ],
        "_customData": info.custom_data,
    }


def difficulty_filename(name: str, characteristic: str) -> str:
    """Returns the usual name of a difficulty's file, such as ``ExpertPlusStandard.dat``."""
    return f"{name}{characteristic}.dat"


def filename_of(difficulty: Difficulty) -> str:
    """Returns the name of a difficulty's file: its own, or else the usual one."""
    return difficulty.filename or difficulty_filename(difficulty.name, difficulty.characteristic)


def read_info(raw: Mapping[str, Any], where: str, environment_index: int = 0) -> LevelInfo:
    """Reads what a parsed Info.dat v2 says of the song.

    Args:
        raw: The parsed Info.dat.
        where: The file's name, for messages.
        environment_index: Which of `_environmentNames` (v2.1) to take; they go before
            `_environmentName`.

    Raises:
        ValueError: If the tempo is missing or not above 0, or a number is not one.
    """
    bpm = number_of(raw, "_beatsPerMinute", where, math.nan)
    if not bpm > 0:
        raise ValueError(
            f"{where}: expected a `_beatsPerMinute` above 0, found {raw.get('_beatsPerMinute')!r}: "
            "likely a damaged or unfinished level"
        )
    environment = _text(raw, "_environmentName") or "DefaultEnvironment"
    names = raw.get("_environmentNames")
    if isinstance(names, list) and 0 <= environment_index < len(names):
        environment = str(names[environment_index])
    custom = raw.get("_customData")
    return LevelInfo(
        title=_text(raw, "_songName"),
        bpm=bpm,
        subtitle=_text(raw, "_songSubName"),
        artist=_text(raw, "_songAuthorName"),
        mapper=_text(raw, "_levelAuthorName"),
        audio_filename=_text(raw, "_songFilename") or "song.egg",
        cover_filename=_text(raw, "_coverImageFilename"),
        environment=environment,
        preview_start=number_of(raw, "_previewStartTime", where, 0.0),
        preview_duration=number_of(raw, "_previewDuration", where, 10.0),
        version=_text(raw, "_version"),
        custom_data=dict(custom) if isinstance(custom, dict) else {},
    )


def number_of(entry: Mapping[str, Any], key: str, where: str, default: float) -> float:
    """Returns a finite number of Info.dat, given as a number or as text; ``default`` if absent.

    Raises:
        ValueError: If it is something else; ``where`` names the file.
    """
    value = entry.get(key)
    if value is None:
        return default
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(
            f"{where}: expected a finite number for `{key}`, found {value!r}: likely a damaged file"
        )
    return number


def objects_of(entry: Mapping[str, Any], key: str, where: str) -> list[Mapping[str, Any]]:
    """Returns a list of objects of Info.dat.

    Raises:
        ValueError: If it is missing or something else; ``where`` names the file.
    """
    value = entry.get(key)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        found = "none" if value is None else type(value).__name__
        raise ValueError(
            f"{where}: expected a list of objects `{key}`, found {found}: likely a damaged or "
            "unfinished level"
        )
    return value


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key)
    return "" if value is None else str(value)


def _difficulty_entry(difficulty: Difficulty) -> dict[str, Any]:
    return {
        "_difficulty": difficulty.name,
        "_difficultyRank": DIFFICULTY_RANK[difficulty.name],
        "_beatmapFilename": filename_of(difficulty),
        "_noteJumpMovementSpeed": difficulty.njs,
        "_noteJumpStartBeatOffset": difficulty.offset,
        "_beatmapColorSchemeIdx": -1,
        "_environmentNameIdx": 0,
        "_customData": {},
    }


def _fitted(title: str, mapper: str) -> tuple[str, str]:
    over = len(title) + len(mapper) - MAX_TITLE_AND_MAPPER
    if over <= 0:
        return title, mapper
    short_title = title[: max(1, len(title) - over)].rstrip()
    short_mapper = mapper[: MAX_TITLE_AND_MAPPER - len(short_title)].rstrip()
    _log.warning(
        f"expected title and mapper of at most {MAX_TITLE_AND_MAPPER} characters together, found "
        f"{over} more: wrote them as {short_title!r} and {short_mapper!r}"
    )
    return short_title, short_mapper
