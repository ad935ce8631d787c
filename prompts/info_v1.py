"""Info v1 (``info.json``, the song loaders' format before the game had custom levels); read only.

Its difficulties are v2-like files that carry their own note jump speed and the song's shuffle. What
the loaders of its time added goes where their converter to version 2 put it: into custom data,
under version 2's names.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from saberlm.prompts.beatmap import LevelInfo
from saberlm.prompts.errors import LevelError, shown
from saberlm.prompts.info_v2 import difficulty_name, number_of, objects_of, text_of
from saberlm.prompts.level_entries import DifficultyEntry

_CUSTOM_OF_ENTRY = {
    "offset": "_editorOffset",
    "oldOffset": "_editorOldOffset",
    "chromaToggle": "_chromaToggle",
    "customColors": "_customColors",
    "difficultyLabel": "_difficultyLabel",
    "colorLeft": "_colorLeft",
    "colorRight": "_colorRight",
    "envColorLeft": "_envColorLeft",
    "envColorRight": "_envColorRight",
    "obstacleColor": "_obstacleColor",
    "requirements": "_requirements",
    "suggestions": "_suggestions",
    "warnings": "_warnings",
    "information": "_information",
}
_CUSTOM_OF_INFO = {
    "contributors": "_contributors",
    "customEnvironment": "_customEnvironment",
    "customEnvironmentHash": "_customEnvironmentHash",
}
_INFO_FIELDS = """
songName songSubName authorName beatsPerMinute previewStartTime previewDuration coverImagePath
environmentName difficultyLevels oneSaber
"""
_INFO_KEYS = frozenset(_INFO_FIELDS.split())
_ENTRY_FIELDS = """
difficulty difficultyRank audioPath jsonPath characteristic
"""
_ENTRY_KEYS = frozenset(_ENTRY_FIELDS.split())
_SONG_FIELDS = """
_beatsPerMinute _beatsPerBar _noteJumpSpeed _noteJumpStartBeatOffset _shuffle _shufflePeriod
"""
_SONG_KEYS = frozenset(_SONG_FIELDS.split())


@dataclass(frozen=True)
class SongFields:
    """What a v1 difficulty file says of the song and of its own jump: note jump speed, offset in
    beats, tempo (0 if absent) and shuffle."""

    njs: float
    offset: float
    bpm: float
    shuffle: float
    shuffle_period: float


def read_info_v1(
    raw: Mapping[str, Any], where: str
) -> tuple[LevelInfo, list[DifficultyEntry], dict[str, int]]:
    """Reads a parsed ``info.json``.

    Note jump speeds and offsets are 0 here: they are in the difficulty files, see
    `split_song_fields`.

    Args:
        raw: The parsed file.
        where: The file's name, for messages.

    Returns:
        What it says of the song, of each difficulty, and how often each kind of thing was mended.

    Raises:
        LevelError: If the tempo is missing or not above 0, a number is not one, or the list of
            difficulties is missing.
    """
    counts: Counter[str] = Counter()
    bpm = number_of(raw, "beatsPerMinute", where, math.nan)
    if not bpm > 0:
        raise LevelError(
            f"{where}: expected a `beatsPerMinute` above 0, "
            f"found {shown(raw.get('beatsPerMinute'))}: "
            "likely a damaged or unfinished level"
        )
    items = objects_of(raw, "difficultyLevels", where)
    songs = [text_of(item, "audioPath") for item in items]
    song = next(filter(None, songs), "")
    others = sum(name not in ("", song) for name in songs)
    if others:
        counts["difficulty with another song file: the first one's taken"] = others
    custom = {ours: raw[theirs] for theirs, ours in _CUSTOM_OF_INFO.items() if raw.get(theirs)}
    extra = {k: v for k, v in raw.items() if k not in _INFO_KEYS and k not in _CUSTOM_OF_INFO}
    info = LevelInfo(
        title=text_of(raw, "songName"),
        bpm=bpm,
        subtitle=text_of(raw, "songSubName"),
        artist=text_of(raw, "authorName"),
        audio_filename=song or "song.ogg",
        cover_filename=text_of(raw, "coverImagePath"),
        environment=text_of(raw, "environmentName") or "DefaultEnvironment",
        preview_start=number_of(raw, "previewStartTime", where, 0.0),
        preview_duration=number_of(raw, "previewDuration", where, 10.0),
        version="1.0.0",
        custom_data=custom,
        extra=extra or None,
    )
    only_one_saber = raw.get("oneSaber") is True
    return info, [_entry(item, only_one_saber) for item in items], dict(counts)


def split_song_fields(raw: dict[str, Any], where: str) -> tuple[dict[str, Any], SongFields]:
    """Parts a v1 difficulty file into what version 2 has too and what only version 1 keeps there.

    Raises:
        LevelError: If one of the latter is not a number.
    """
    rest = {key: value for key, value in raw.items() if key not in _SONG_KEYS}
    fields = SongFields(
        njs=number_of(raw, "_noteJumpSpeed", where, 0.0),
        offset=number_of(raw, "_noteJumpStartBeatOffset", where, 0.0),
        bpm=number_of(raw, "_beatsPerMinute", where, 0.0),
        shuffle=number_of(raw, "_shuffle", where, 0.0),
        shuffle_period=number_of(raw, "_shufflePeriod", where, 0.5),
    )
    return rest, fields


def _entry(item: Mapping[str, Any], one_saber: bool) -> DifficultyEntry:
    known = _ENTRY_KEYS | _CUSTOM_OF_ENTRY.keys()
    extra: dict[str, Any] = {key: value for key, value in item.items() if key not in known}
    custom = {ours: item[k] for k, ours in _CUSTOM_OF_ENTRY.items() if item.get(k) is not None}
    if custom:
        extra["customData"] = custom
    return DifficultyEntry(
        characteristic=text_of(item, "characteristic") or ("OneSaber" if one_saber else "Standard"),
        name=difficulty_name(text_of(item, "difficulty")),
        njs=0.0,
        offset=0.0,
        filename=text_of(item, "jsonPath"),
        extra=extra or None,
    )
