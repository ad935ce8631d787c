"""Levels on disk: reading and writing Info.dat v2 and its difficulties, in a folder or a zip.

Reads Info v2.0/2.1 with difficulties v2.x and v3.x; writes Info 2.1.0 with difficulties 3.3.0,
every field explicit and the same bytes for the same level. Rules: BeatSaver's upload validator
(beatsaver-common-mp) and the community wiki.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from saberlm.prompts import schema_v2, schema_v3
from saberlm.prompts.beatmap import DIFFICULTIES, Difficulty, Level, LevelInfo
from saberlm.prompts.info_v2 import (
    difficulty_filename,
    filename_of,
    info_to_dict,
    number_of,
    objects_of,
    read_info,
    read_json_lenient,
)
from saberlm.prompts.levelzip import (
    LevelFiles,
    check_member_name,
    open_level_files,
    write_folder,
    write_zip,
)

__all__ = [
    "LevelFiles",
    "difficulty_filename",
    "info_to_dict",
    "open_level_files",
    "read_json_lenient",
    "read_level",
    "write_level",
]

INFO_NAME = "Info.dat"

_log = logging.getLogger(__name__)


def read_level(path: Path, *, characteristic: str | None = "Standard") -> Level:
    """Reads a level from a folder or a zip; its sound and cover are neither needed nor read.

    Args:
        path: The level's folder or zip.
        characteristic: Read the difficulties of this set only (in any letter case); None for all. A
            level without that set has no difficulties.

    Returns:
        The level; each difficulty's ``notes_on_reading`` counts what was mended or dropped.

    Raises:
        ValueError: If the path is missing, unsafe or no level, Info.dat is missing, not of version
            2 or faulty, a difficulty file is missing, or a file is not JSON; one line saying
            expected, found and likely cause.
    """
    files = open_level_files(path)
    if INFO_NAME not in files:
        raise ValueError(
            f"{path}: expected an {INFO_NAME}, found {len(files.names())} other files: likely not "
            "a level"
        )
    where = f"{path}: {INFO_NAME}"
    raw, mended = _read_object(files, INFO_NAME, where)
    if mended:
        _log.info("%s: %s", where, mended)
    if "_beatsPerMinute" not in raw and "version" in raw:
        raise ValueError(
            f"{where}: expected version 2, found {raw['version']}: version 4 is not read yet"
        )
    difficulties: list[Difficulty] = []
    environments: list[int] = []
    for group in objects_of(raw, "_difficultyBeatmapSets", where):
        name = str(group.get("_beatmapCharacteristicName", "Standard"))
        if characteristic is None or name.lower() == characteristic.lower():
            for entry in objects_of(group, "_difficultyBeatmaps", where):
                difficulties.append(_read_difficulty(files, name, entry))
                environments.append(int(number_of(entry, "_environmentNameIdx", where, 0)))
    return Level(read_info(raw, where, environments[0] if environments else 0), tuple(difficulties))


def write_level(
    path: Path,
    info: LevelInfo,
    difficulties: Sequence[Difficulty],
    files: Mapping[str, bytes | Path],
) -> None:
    """Writes a level: a zip if the path ends in ``.zip``, else a folder; always the same bytes.

    Args:
        path: Where to; the folder it lies in must exist. An older zip is replaced.
        info: What Info.dat says; its sound and cover names should be among ``files``.
        difficulties: Written as v3.3.0 under their own file names, or `difficulty_filename` where
            they have none.
        files: Everything else (sound, cover), by name: bytes, or the path of a file to copy.

    Raises:
        ValueError: If a name is unsafe or used twice, a number is not finite, a file to copy is
            missing or the level cannot be written. Then no partly written file is left.
    """
    path = Path(path)
    info_bytes = _dump(info_to_dict(info, difficulties), INFO_NAME)
    rest: dict[str, bytes | Path] = {}
    taken = {INFO_NAME.lower()}
    written = [
        (filename_of(d), _dump(schema_v3.serialize(d.beatmap), filename_of(d)))
        for d in difficulties
    ]
    for name, content in (*written, *files.items()):
        check_member_name(name, path)
        if "/" in name or "\\" in name or name.lower() in taken:
            raise ValueError(
                f"{path}: expected a flat list of different file names, found {name!r}: likely "
                "used twice"
            )
        taken.add(name.lower())
        rest[name] = content
    contents: dict[str, bytes | Path] = {
        INFO_NAME: info_bytes,
        **{name: rest[name] for name in sorted(rest)},
    }
    try:
        (write_zip if path.suffix.lower() == ".zip" else write_folder)(path, contents)
    except OSError as error:
        raise ValueError(
            f"{path}: expected to write the level, found {error}: "
            "likely a missing or read-only folder, a missing file to copy, or a full disk"
        ) from error


def _read_difficulty(
    files: LevelFiles, characteristic: str, entry: Mapping[str, Any]
) -> Difficulty:
    filename = str(entry.get("_beatmapFilename", ""))
    where = f"{files.path}: {filename}"
    raw, mended = _read_object(files, filename, where)
    version = str(raw.get("_version") or raw.get("version") or "")
    if version.startswith("4"):
        raise ValueError(
            f"{where}: expected a difficulty of version 2 or 3, found {version}: version 4 is not "
            "read yet"
        )
    try:
        schema = schema_v3 if "colorNotes" in raw or version.startswith("3") else schema_v2
        beatmap, counts = schema.deserialize(raw)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    return Difficulty(
        characteristic=characteristic,
        name=_difficulty_name(str(entry.get("_difficulty", ""))),
        njs=number_of(entry, "_noteJumpMovementSpeed", where, 0.0),
        offset=number_of(entry, "_noteJumpStartBeatOffset", where, 0.0),
        beatmap=beatmap,
        filename=filename,
        version=version,
        notes_on_reading={**mended, **counts},
    )


def _read_object(files: LevelFiles, name: str, where: str) -> tuple[dict[str, Any], dict[str, int]]:
    raw, mended = read_json_lenient(files.read(name), where)
    if isinstance(raw, dict):
        return raw, mended
    raise ValueError(
        f"{where}: expected a JSON object, found {type(raw).__name__}: likely another kind of file"
    )


def _difficulty_name(name: str) -> str:
    plain = name.lower().replace("+", "plus")
    return next((known for known in DIFFICULTIES if known.lower() == plain), name)


def _dump(data: object, name: str) -> bytes:
    try:
        return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{name}: expected values that JSON can hold, found {error}: likely a NaN, infinity or "
            "broken text in the level"
        ) from error
