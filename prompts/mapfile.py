"""Levels on disk: a folder or zip of Info v1, v2 or v4 and its difficulties, v1 to v4, in any
mixture.

Which version a file is goes by what it holds: the field that should say so is missing or wrong in
many. Reading is tolerant: what cannot be read of a level is named, and the rest is read. Rules:
BeatSaver's upload validator (beatsaver-common-mp) and the community wiki.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from saberlm.prompts import schema_v2, schema_v3, schema_v4
from saberlm.prompts.audio_data import AudioData
from saberlm.prompts.beatmap import Beatmap, BpmEvent, Difficulty, Level, LevelInfo
from saberlm.prompts.errors import LevelError
from saberlm.prompts.info_v1 import SongFields, read_info_v1, split_song_fields
from saberlm.prompts.info_v2 import read_info_v2
from saberlm.prompts.info_v4 import read_info_v4
from saberlm.prompts.json_lenient import read_json_lenient
from saberlm.prompts.level_entries import DifficultyEntry
from saberlm.prompts.level_tempo import TEMPO_TOLERANCE
from saberlm.prompts.level_writer import BPM_INFO_NAME, INFO_NAME, write_level
from saberlm.prompts.levelzip import LevelFiles, open_level_files
from saberlm.prompts.retempo import tempo_gap
from saberlm.prompts.tempo_files import bpm_events_of, read_audio_data, read_bpm_info

__all__ = [
    "LevelFiles",
    "difficulty_version",
    "info_filename",
    "info_version",
    "open_level_files",
    "read_json_lenient",
    "read_level",
    "write_level",
]

INFO_V1_NAME = "info.json"
MAX_DIFFICULTIES = 200
"""The game has 8 characteristics of 5 difficulties each."""

_INFO_SIGNS = {
    2: ("_beatsPerMinute", "_difficultyBeatmapSets", "_songName"),
    4: ("audio", "song", "difficultyBeatmaps"),
    1: ("beatsPerMinute", "difficultyLevels", "songName"),
}
_V3_SIGNS = """
sliders burstSliders basicBeatmapEvents colorBoostBeatmapEvents bpmEvents rotationEvents
lightColorEventBoxGroups
"""
_V4_SIGNS = "colorNotesData bombNotesData obstaclesData arcs arcsData chains chainsData"
_DIFFICULTY_SIGNS = {
    2: ("_notes", "_obstacles", "_events", "_sliders"),
    3: _V3_SIGNS.split(),
    4: _V4_SIGNS.split(),
}


def read_level(path: Path, *, characteristic: str | None = "Standard") -> Level:
    """Reads a level from a folder or a zip; its sound and cover are neither needed nor read.

    Args:
        path: The level's folder or zip.
        characteristic: Read the difficulties of this set only (in any letter case); None for all. A
            level without that set has no difficulties.

    Returns:
        The level. Difficulty files that cannot be read are in its ``unread``; each difficulty's
        ``notes_on_reading`` counts what was mended, kept or dropped.

    Raises:
        LevelError: If the path is missing, unsafe or no level, Info.dat is missing or faulty, or
            none of the difficulties asked for can be read; one line saying expected, found and
            likely cause.
    """
    files = open_level_files(path)
    info_name = info_filename(files)
    where = f"{path}: {info_name}"
    raw, mended = _read_object(files, info_name, where)
    version = info_version(raw)
    read_info = {1: read_info_v1, 2: read_info_v2, 4: read_info_v4}[version]
    info, entries, on_info = read_info(raw, where)
    if len(entries) > MAX_DIFFICULTIES:
        raise LevelError(
            f"{where}: expected at most {MAX_DIFFICULTIES} difficulties, found {len(entries)}: "
            "likely a damaged or malicious level"
        )
    if info.environments == (info.environment,):
        info = replace(info, environments=())  # one way to say one thing
    notes = Counter(mended) + Counter(on_info)
    audio = _read_audio_data(files, info, version, notes)
    events = bpm_events_of(audio, info.bpm) if audio is not None else ()
    reader = _DifficultyReader(files, version, events)
    difficulties: list[Difficulty] = []
    unread: list[tuple[str, str]] = []
    songs: list[SongFields] = []
    for entry in entries:
        if characteristic is None or entry.characteristic.lower() == characteristic.lower():
            try:
                difficulty, song = reader.read(entry)
            except LevelError as error:
                unread.append((entry.filename, str(error)))
                continue
            difficulties.append(difficulty)
            songs += [song] if song is not None else []
    if unread and not difficulties:
        raise LevelError(unread[0][1])
    if songs:
        info = replace(info, shuffle=songs[0].shuffle, shuffle_period=songs[0].shuffle_period)
        notes["difficulty that states another tempo than the level"] += sum(
            song.bpm not in (0, info.bpm) for song in songs
        )
    if audio is not None and audio.regions:
        notes["difficulty whose tempo is not that of the tempo file"] += sum(
            _differs(info, d.beatmap, events, audio) for d in difficulties
        )
    return Level(info, tuple(difficulties), audio, tuple(unread), dict(+notes))


def info_filename(files: LevelFiles) -> str:
    """Returns how the level spells the name of its Info.dat, or of its ``info.json`` (version 1).

    Raises:
        LevelError: If it has neither.
    """
    found = files.find(INFO_NAME) or files.find(INFO_V1_NAME)
    if found is None:
        raise LevelError(
            f"{files.path}: expected an {INFO_NAME}, found {len(files.names())} other files: "
            "likely not a level"
        )
    return found


def info_version(raw: Mapping[str, Any]) -> int:
    """Returns which version a parsed Info.dat is, by what it holds: 1, 2 or 4."""
    return _by_signs(raw, _INFO_SIGNS) or (4 if _declared(raw) == 4 else 2)


def difficulty_version(raw: Mapping[str, Any]) -> int:
    """Returns which version a parsed difficulty file is, by what it holds: 2 (and 1), 3 or 4."""
    notes = raw.get("colorNotes")
    if ("_notes" in raw) != ("colorNotes" in raw):  # the notes decide, whatever else is there
        if "_notes" in raw:
            return 2
        signs = {version: _DIFFICULTY_SIGNS[version] for version in (3, 4)}
        if found := _by_signs(raw, signs):
            return found
        items = notes if isinstance(notes, list) else []
        indexed = any(isinstance(note, dict) and "i" in note for note in items)
        return 4 if indexed or (not items and _declared(raw) == 4) else 3
    if found := _by_signs(raw, _DIFFICULTY_SIGNS):
        return found
    return declared if (declared := _declared(raw)) in (3, 4) else 2


class _DifficultyReader:
    """Reads the difficulty files of one level, each once however often Info.dat names it."""

    def __init__(self, files: LevelFiles, info_version: int, events: tuple[BpmEvent, ...]) -> None:
        self._files = files
        self._info_version = info_version
        self._events = events
        self._lightshows: dict[str, tuple[dict[str, Any] | None, Counter[str]]] = {}
        self._found: dict[tuple[str, str], tuple[Difficulty, SongFields | None]] = {}

    def read(self, entry: DifficultyEntry) -> tuple[Difficulty, SongFields | None]:
        """Reads one, and what a v1 file says of the song."""
        key = entry.filename.lower(), entry.lightshow_filename.lower()
        if key not in self._found:
            self._found[key] = self._read(entry)
        difficulty, song = self._found[key]
        named = replace(
            difficulty,
            characteristic=entry.characteristic,
            name=entry.name,
            njs=entry.njs if song is None else song.njs,
            offset=entry.offset if song is None else song.offset,
            filename=entry.filename,
            environment_index=entry.environment_index,
            color_scheme_index=entry.color_scheme_index,
            mappers=entry.mappers,
            lighters=entry.lighters,
            extra=entry.extra,
        )
        return named, song

    def _read(self, entry: DifficultyEntry) -> tuple[Difficulty, SongFields | None]:
        where = f"{self._files.path}: {entry.filename}"
        raw, mended = _read_object(self._files, entry.filename, where)
        notes = Counter(mended)
        version = difficulty_version(raw)
        if _declared(raw) not in (None, version, *((1,) if version == 2 else ())):
            notes["version that is not the file's own: went by its content"] += 1
        song = None
        if self._info_version == 1:
            raw, song = split_song_fields(raw, where)
        try:
            beatmap, counts = self._beatmap(raw, version, entry, notes)
        except LevelError as error:
            raise LevelError(f"{where}: {error}") from error
        notes.update(counts)
        difficulty = Difficulty(
            characteristic=entry.characteristic,
            name=entry.name,
            njs=entry.njs,
            offset=entry.offset,
            beatmap=beatmap,
            version=str(raw.get("_version") or raw.get("version") or ""),
            notes_on_reading=dict(notes),
            lightshow_filename=entry.lightshow_filename if version == 4 else "",
        )
        return difficulty, song

    def _beatmap(
        self, raw: dict[str, Any], version: int, entry: DifficultyEntry, notes: Counter[str]
    ) -> tuple[Beatmap, dict[str, int]]:
        if version == 2:
            return schema_v2.deserialize(raw)
        if version == 3:
            return schema_v3.deserialize(raw)
        beatmap, counts = schema_v4.deserialize(raw, self._lightshow(entry, notes))
        return replace(beatmap, bpm_events=self._events), counts

    def _lightshow(self, entry: DifficultyEntry, notes: Counter[str]) -> dict[str, Any] | None:
        name = entry.lightshow_filename
        if not name or name not in self._files:
            notes["lightshow file missing"] += 1
            return None
        if name.lower() not in self._lightshows:
            try:
                show, mended = _read_object(self._files, name, f"{self._files.path}: {name}")
                self._lightshows[name.lower()] = show, Counter(mended)
            except LevelError:
                ignored = Counter({"lightshow file that cannot be read ignored": 1})
                self._lightshows[name.lower()] = None, ignored
        found, counts = self._lightshows[name.lower()]
        notes.update(counts)
        return found


def _read_audio_data(
    files: LevelFiles, info: LevelInfo, version: int, notes: Counter[str]
) -> AudioData | None:
    name = info.audio_data_filename or (BPM_INFO_NAME if version != 4 else "")
    if not name or name not in files:
        notes["audio data file missing"] += version == 4
        return None
    where = f"{files.path}: {name}"
    try:
        raw, mended = _read_object(files, name, where)
        is_bpm_info = "_regions" in raw or "_songSampleCount" in raw
        audio, counts = (read_bpm_info if is_bpm_info else read_audio_data)(raw, where)
    except LevelError:
        notes["tempo file that cannot be read ignored"] += 1
        return None
    notes.update(mended)
    notes.update(counts)
    return audio


def _differs(
    info: LevelInfo, beatmap: Beatmap, events: tuple[BpmEvent, ...], audio: AudioData
) -> bool:
    end = max((region.end_beat for region in audio.regions), default=0.0)
    return tempo_gap(info.bpm, beatmap.bpm_events, events, end) > TEMPO_TOLERANCE


def _declared(raw: Mapping[str, Any]) -> int | None:
    """The major version that a file gives itself, if it does."""
    text = str(raw.get("_version") or raw.get("version") or "").partition(".")[0]
    return int(text) if text.isdecimal() else None


def _by_signs(raw: Mapping[str, Any], signs: Mapping[int, Any]) -> int | None:
    """The version most of whose telling fields are there; of several, the one declared."""
    found = {version: sum(key in raw for key in keys) for version, keys in signs.items()}
    most = max(found.values())
    best = [version for version, count in found.items() if count == most > 0]
    declared = _declared(raw)
    return declared if declared in best else next(iter(best), None)


def _read_object(files: LevelFiles, name: str, where: str) -> tuple[dict[str, Any], dict[str, int]]:
    raw, mended = read_json_lenient(files.read(name), where)
    if isinstance(raw, dict):
        return raw, mended
    raise LevelError(
        f"{where}: expected a JSON object, found {type(raw).__name__}: likely another kind of file"
    )
