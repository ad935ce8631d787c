"""Strict validity of a level, folder or zip: would BeatSaver, the game and the tools accept it?

Looks at the raw files, not at what our lenient reader makes of them. Versions 2 and 3 are judged; a
version 4 file is an error that says so, since nothing here can vouch for it.
"""

from __future__ import annotations

from pathlib import Path

from saberlm.eval.fields import json_name
from saberlm.eval.findings import BAD_JSON, Finding, FindingLog, strict_json
from saberlm.eval.validity_beatmap import check_difficulty, check_version
from saberlm.eval.validity_info import InfoSummary, check_info
from saberlm.eval.validity_media import check_audio, check_cover
from saberlm.prompts.mapfile import LevelFiles, open_level_files

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
    for name in info.difficulties:
        data = _read(files, name, log)
        if data is None:
            continue
        parsed = strict_json(data, log)
        if parsed is not BAD_JSON:
            check_difficulty(parsed, info.bpm, duration, log)
    return log.findings()


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
    if version is not None and version[0] != 2:
        log.error("version.unknown", "", f"expected version 2, found {version[0]}: not judged")
        return InfoSummary()
    names = {name.lower() for name in files.names()}
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
