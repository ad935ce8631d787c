"""Writing a level: Info.dat, difficulties and what else a version needs, as a folder or a zip.

Version 2 is Info 2.1.0 with difficulties 2.2.0, version 3 Info 2.1.0 with 3.3.0, version 4 Info
4.0.1 with 4.1.0, lightshow files and AudioData.dat. Every field is explicit and the same level
gives the same bytes. What a version cannot hold is counted.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saberlm.prompts import schema_v2, schema_v3, schema_v4
from saberlm.prompts.audio_data import AudioData
from saberlm.prompts.beatmap import Difficulty, LevelInfo
from saberlm.prompts.errors import LevelError, shown
from saberlm.prompts.info_v2 import difficulty_filename, info_v2_to_dict
from saberlm.prompts.info_v4 import info_v4_to_dict
from saberlm.prompts.level_tempo import audio_data_for, changes_tempo, in_one_tempo
from saberlm.prompts.levelzip import check_member_name, write_folder, write_zip
from saberlm.prompts.tempo_files import audio_data_to_dict, bpm_info_to_dict

VERSIONS = (2, 3, 4)
INFO_NAME, AUDIO_DATA_NAME, BPM_INFO_NAME = "Info.dat", "AudioData.dat", "BPMInfo.dat"


_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RenderedLevel:
    """A level's own files by name, Info.dat first, and what the version could not hold: of the
    level, and of each difficulty in the order given."""

    files: dict[str, bytes]
    lost: Counter[str]
    lost_of: tuple[Counter[str], ...]


def write_level(
    path: Path,
    info: LevelInfo,
    difficulties: Sequence[Difficulty],
    files: Mapping[str, bytes | Path],
    *,
    version: int = 3,
    audio: AudioData | None = None,
    lost: Counter[str] | None = None,
) -> None:
    """Writes a level: a zip if the path ends in ``.zip``, else a folder; always the same bytes.

    Args:
        path: Where to; the folder it lies in must exist. An older zip is replaced.
        info: What Info.dat says; its sound and cover names should be among ``files``.
        difficulties: Written under their own file names, or `difficulty_filename` where they have
            none.
        files: Everything else (sound, cover), by name: bytes, or the path of a file to copy.
        version: 2, 3 or 4.
        audio: As in `render_level`.
        lost: Takes a phrase and a count for everything that the version cannot hold; when None,
            that is a warning.

    Raises:
        LevelError: If a name is unsafe or used twice, a number is not finite, a file to copy is
            missing or the level cannot be written. Then no partly written file is left.
    """
    rendered = render_level(info, difficulties, version=version, audio=audio, others=files)
    write_files(Path(path), rendered.files, files)
    left_out = sum(rendered.lost_of, rendered.lost)
    if lost is not None:
        lost.update(left_out)
    elif left_out:
        _log.warning("%s: version %d cannot hold: %s", path, version, dict(left_out))


def render_level(
    info: LevelInfo,
    difficulties: Sequence[Difficulty],
    *,
    version: int = 3,
    audio: AudioData | None = None,
    others: Collection[str] = (),
) -> RenderedLevel:
    """Makes the contents of a level's own files.

    Args:
        info: What Info.dat says.
        difficulties: The difficulties.
        version: 2, 3 or 4.
        audio: The song's length in samples and its tempo, for the tempo file: AudioData.dat in
            version 4, which cannot do without one and takes what the level says when this is None;
            else BPMInfo.dat, which is left out then. Version 4 keeps its tempo regions where they
            are the difficulties' tempo, and else takes the difficulties'.
        others: Names of the level's other files, which new files do not take.

    Raises:
        LevelError: If the version is none of these, a difficulty's name is unknown or there twice,
            or a number is not finite.
    """
    if version not in VERSIONS:
        raise LevelError(f"expected version 2, 3 or 4 to write, found {version}: no such format")
    lost: Counter[str] = Counter()
    names = _Names(others)
    if version == 4:
        info_dict, lost_of = _render_v4(info, difficulties, audio, names, lost)
    else:
        info_dict, lost_of = _render_v2(info, difficulties, audio, version, names, lost)
    return RenderedLevel(
        {INFO_NAME: dump_json(info_dict, INFO_NAME), **names.files}, lost, tuple(lost_of)
    )


def write_files(path: Path, own: Mapping[str, bytes], others: Mapping[str, bytes | Path]) -> None:
    """Writes a level's own files (Info.dat) and its others; see `write_level`."""
    rest: dict[str, bytes | Path] = {}
    taken: set[str] = set()
    for name, content in (*own.items(), *others.items()):
        check_member_name(name, path)
        if "/" in name or "\\" in name or name.lower() in taken:
            raise _used_twice(path, name)
        taken.add(name.lower())
        rest[name] = content
    contents = {name: rest[name] for name in sorted(rest, key=lambda n: (n != INFO_NAME, n))}
    try:
        (write_zip if path.suffix.lower() == ".zip" else write_folder)(path, contents)
    except OSError as error:
        raise LevelError(
            f"{path}: expected to write the level, found {error.strerror or error}: "
            "likely a missing or read-only folder, a missing file to copy, or a full disk"
        ) from error


def _used_twice(where: object, name: str) -> LevelError:
    return LevelError(
        f"{where}: expected a flat list of different file names, "
        f"found {shown(name)}: likely used twice"
    )


class _Names:
    """Finds names for contents: equal ones may share a file, as difficulties of real levels do."""

    def __init__(self, others: Collection[str]) -> None:
        self.files: dict[str, bytes] = {}
        self._taken: dict[str, bytes | None] = {name.lower(): None for name in others}
        self._taken[INFO_NAME.lower()] = b""  # equal to nothing that is written

    def put(self, data: bytes, wanted: Sequence[str], *, may_be_there: bool = False) -> str:
        """Keeps ``data`` under the first of the names that no other content has, and returns it.

        ``may_be_there`` lets a name be that of one of the level's other files, for `write_files` to
        refuse.
        """
        names = [name for name in wanted if name]
        numbered = (f"{number}{names[-1]}" for number in range(2, len(self._taken) + 3))
        for name in (*names, *numbered):
            there = self._taken.get(name.lower(), data)
            if there == data or (may_be_there and there is None):
                break
        if self._taken.get(name.lower()) == data:
            return next(there for there in self.files if there.lower() == name.lower())
        self._taken[name.lower()] = data
        self.files[name] = data
        return name


def _render_v2(
    info: LevelInfo,
    difficulties: Sequence[Difficulty],
    audio: AudioData | None,
    version: int,
    names: _Names,
    lost: Counter[str],
) -> tuple[dict[str, Any], list[Counter[str]]]:
    """Info.dat v2, and difficulties of version 2 or 3."""
    listed, lost_of = [], []
    for difficulty in difficulties:
        own = Counter[str]()
        if version == 2:
            data = schema_v2.serialize(difficulty.beatmap, own, info.bpm)
        else:
            data = schema_v3.serialize(difficulty.beatmap, own)
        listed.append(_named(difficulty, data, names))
        lost_of.append(own)
    if audio is not None:
        info = replace(info, duration=0.0)  # the tempo file holds it
        if version == 2 and changes_tempo(info, difficulties):
            audio = audio_data_for(info, difficulties, replace(audio, regions=()), (), lost)
        names.put(
            dump_json(bpm_info_to_dict(audio), BPM_INFO_NAME), [BPM_INFO_NAME], may_be_there=True
        )
        lost.update({"loudness of a stretch of the song": len(audio.lufs)} if audio.lufs else {})
        lost.update({"checksum of the song": 1} if audio.checksum else {})
    return info_v2_to_dict(info, listed, lost), lost_of


def _render_v4(
    info: LevelInfo,
    difficulties: Sequence[Difficulty],
    audio: AudioData | None,
    names: _Names,
    lost: Counter[str],
) -> tuple[dict[str, Any], list[Counter[str]]]:
    """Info.dat v4, and the difficulties, lightshows and audio data."""
    events = difficulties[0].beatmap.bpm_events if difficulties else ()
    audio = audio_data_for(info, difficulties, audio, events, lost)
    audio_name = info.audio_data_filename or AUDIO_DATA_NAME
    names.put(dump_json(audio_data_to_dict(audio), audio_name), [audio_name], may_be_there=True)
    lightshows: dict[bytes, str] = {}
    shows, listed, lost_of = [], [], []
    for difficulty in difficulties:
        own = Counter[str]()
        beatmap = in_one_tempo(difficulty.beatmap, info.bpm, events, own)
        data, lights = schema_v4.serialize(beatmap, own)
        listed.append(_named(difficulty, data, names))
        shows.append(dump_json(lights, listed[-1].filename))
        lost_of.append(own)
    for number, (difficulty, show) in enumerate(zip(listed, shows, strict=True)):
        if show not in lightshows:
            usual = f"{difficulty.name}{difficulty.characteristic}.lightshow.dat"
            lightshows[show] = names.put(show, [difficulty.lightshow_filename, usual])
        listed[number] = replace(difficulty, lightshow_filename=lightshows[show])
    info = replace(
        info,
        audio_data_filename=audio_name,
        duration=info.duration or audio.sample_count / audio.frequency,
    )
    return info_v4_to_dict(info, listed, lost), lost_of


def _named(difficulty: Difficulty, data: dict[str, Any], names: _Names) -> Difficulty:
    """The difficulty with the name of its file, which is kept."""
    usual = difficulty_filename(difficulty.name, difficulty.characteristic)
    rendered = dump_json(data, difficulty.filename or usual)
    name = names.put(rendered, [difficulty.filename, usual], may_be_there=True)
    return replace(difficulty, filename=name)


def dump_json(data: Mapping[str, Any], name: str, *, indent: int | None = None) -> bytes:
    """A file's contents as bytes, on one line where ``indent`` is None.

    Raises:
        LevelError: If it holds what JSON cannot; ``name`` is the file's.
    """
    separators = (",", ":") if indent is None else (",", ": ")
    try:
        return json.dumps(
            data, ensure_ascii=False, allow_nan=False, separators=separators, indent=indent
        ).encode()
    except (ValueError, TypeError) as error:
        raise LevelError(
            f"{name}: expected values that JSON can hold, found {error}: likely a NaN, infinity or "
            "broken text in the level"
        ) from error
