"""Strict validity of a level, folder or zip: would BeatSaver, the game and the tools accept it?

Looks at the raw files, not at what our lenient reader makes of them. Info.dat versions 2 and 4 and
difficulties of versions 2 to 4 are judged; an older Info is an error that says so.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from saberlm.eval.fields import json_name
from saberlm.eval.findings import BAD_JSON, Finding, FindingLog, strict_json
from saberlm.eval.validity_beatmap import check_difficulty, check_version
from saberlm.eval.validity_info import InfoSummary, check_info
from saberlm.eval.validity_info_v4 import check_info_v4
from saberlm.eval.validity_media import check_audio, check_cover
from saberlm.eval.validity_v4 import check_audio_data, check_lightshow
from saberlm.prompts.mapfile import LevelFiles, info_version, open_level_files

INFO_NAME = "Info.dat"
MAX_ZIP_BYTES = 15 * 2**20
"""BeatSaver's default limit for a zip; some accounts may send larger ones."""
MAX_PART_BYTES = 50 * 2**20
"""BeatSaver's limit for one unpacked difficulty or the audio."""


def validate_level(path: Path) -> tuple[Finding, ...]:
    """All findings for a level, errors first; no error means valid.

    Raises:
        ValueError: The path is no readable level folder or zip at all (`open_level_files`).
    """
    return validate_files(open_level_files(path), path)


def validate_files(files: LevelFiles, path: Path) -> tuple[Finding, ...]:
    """As `validate_level`, for files already opened."""
    log = FindingLog()
    packed = path.is_file()
    if packed:
        _check_zip(files, path, log)
    info = _read_info(files, packed, log)
    duration: float | None = None
    if info.audio is not None and info.audio in files:
        data = _read(files, info.audio, log)
        duration = check_audio(data, log) if data is not None else None
    if info.cover is not None and info.cover in files:
        data = _read(files, info.cover, log)
        if data is not None:
            check_cover(data, log)
    last_beat: float | None = None
    if info.audio_data is not None and info.audio_data in files:
        parsed = _parsed(files, info.audio_data, log)
        if parsed is not BAD_JSON:
            last_beat = check_audio_data(parsed, duration, log)
    lit: set[str] = set()  # difficulties of version 4: the others' lightshow files are ignored
    for name in info.difficulties:
        parsed = _parsed(files, name, log)
        if parsed is not BAD_JSON:
            version = check_difficulty(parsed, info.bpm, duration, log, last_beat=last_beat)
            lit |= {name} if version is not None and version[0] == 4 else set()
            if info.version == 2 and name in lit:
                text = "expected version 2 or 3 beside an Info.dat of version 2, found 4"
                log.warn("version.mixed", "", text)
    end = last_beat if last_beat is not None else math.inf
    for show in dict.fromkeys(show for name, show in info.lightshows if show and name in lit):
        parsed = _parsed(files, show, log)
        if parsed is not BAD_JSON:
            check_lightshow(parsed, end, log)
    return log.findings()


def _parsed(files: LevelFiles, name: str, log: FindingLog) -> Any:
    data = _read(files, name, log)
    return strict_json(data, log) if data is not None else BAD_JSON


def _check_zip(files: LevelFiles, path: Path, log: FindingLog) -> None:
    log.enter(path.name)
    size = path.stat().st_size
    if size > MAX_ZIP_BYTES:
        text = f"expected at most {MAX_ZIP_BYTES} bytes, found {size}: most accounts cannot upload"
        log.warn("zip.size", "", text)
    if files.prefix:
        text = f"expected {INFO_NAME} at the zip's root, found it in {files.prefix!r}"
        log.error("zip.folder", "", text)
    inner = [name for name in files.names() if "/" in name]
    if inner:
        log.warn("zip.subfolder", "", f"expected a flat zip, found {inner[0]!r}")
    folded = [name.lower() for name in files.names()]
    if len(set(folded)) != len(folded):
        log.error("zip.name_twice", "", "expected names that differ in more than letter case")


def _read_info(files: LevelFiles, packed: bool, log: FindingLog) -> InfoSummary:
    log.enter(INFO_NAME)
    spelled = files.find(INFO_NAME)
    if spelled is None:
        log.error("info.missing", "", f"expected {INFO_NAME}, found no such file: not a level?")
        return InfoSummary()
    if spelled != INFO_NAME:
        note = log.error if packed else log.warn
        note("info.spelling", "", f"expected the name {INFO_NAME}, found {spelled!r}")
    data = _read(files, spelled, log)
    parsed = strict_json(data, log) if data is not None else BAD_JSON
    if parsed is BAD_JSON:
        return InfoSummary()
    if not isinstance(parsed, dict):
        log.error("json.object", "", f"expected a JSON object, found {json_name(parsed)}")
        return InfoSummary()
    version = check_version(parsed, log)
    if version is not None and version[0] not in (2, 4):
        text = f"expected version 2 or 4, found {version[0]}: not judged"
        log.error("version.unknown", "", text)
        return InfoSummary()
    names = {name.lower() for name in files.names()}
    if version[0] == 4 if version is not None else info_version(parsed) == 4:
        return check_info_v4(parsed, version or (4, 0, 1), names, log)
    return check_info(parsed, version or (2, 1), names, log)


def _read(files: LevelFiles, name: str, log: FindingLog) -> bytes | None:
    log.enter(name)
    try:
        data = files.read(name)
    except ValueError as problem:
        log.error("file.unreadable", "", str(problem))
        return None
    if len(data) > MAX_PART_BYTES:
        text = f"expected at most {MAX_PART_BYTES} bytes unpacked, found {len(data)}"
        log.error("file.size", "", text)
    return data
