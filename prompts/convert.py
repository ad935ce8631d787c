"""A level from one version of the format into another, with an account of what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from saberlm.prompts.audio_data import AudioData
from saberlm.prompts.beatmap import Beatmap, Difficulty, Level
from saberlm.prompts.errors import LevelError
from saberlm.prompts.level_tempo import changes_tempo, has_length
from saberlm.prompts.level_writer import BPM_INFO_NAME, render_level, write_files
from saberlm.prompts.levelzip import LevelFiles, open_level_files
from saberlm.prompts.mapfile import info_filename, read_level

KEPT = "kept: "
"""What readers put before a count of things that only mods can play."""

MeasureSong = Callable[[LevelFiles, str], tuple[int, int] | None]
"""Takes a level's files and the song's name; gives samples and Hz, or None where unreadable."""


@dataclass(frozen=True)
class DifficultyConversion:
    """One difficulty: what reading mended or dropped, what is kept although only mods can play it,
    what the new version cannot hold, and warnings; all with counts."""

    characteristic: str
    name: str
    filename: str
    version: str
    mended: dict[str, int]
    kept: dict[str, int]
    lost: dict[str, int]
    warnings: dict[str, int]


@dataclass(frozen=True)
class Conversion:
    """A converted level: ``mended`` and ``lost`` are about Info.dat and the tempo file, ``unread``
    names difficulty files left out with the reason, ``copied`` and ``left_out`` other files."""

    level: Path
    output: Path
    version: int
    difficulties: tuple[DifficultyConversion, ...]
    mended: dict[str, int]
    lost: dict[str, int]
    unread: tuple[tuple[str, str], ...]
    copied: tuple[str, ...]
    left_out: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """The account as plain JSON values."""
        return {
            "level": str(self.level),
            "output": str(self.output),
            "version": self.version,
            "difficulties": [
                {field.name: getattr(one, field.name) for field in fields(one)}
                for one in self.difficulties
            ],
            "mended": self.mended,
            "lost": self.lost,
            "unread": [{"file": name, "reason": reason} for name, reason in self.unread],
            "copied": list(self.copied),
            "left_out": list(self.left_out),
        }


def convert_level(
    path: Path,
    out: Path,
    *,
    version: int = 3,
    skip_unreadable: bool = False,
    measure_song: MeasureSong | None = None,
) -> Conversion:
    """Reads a level with all its characteristics and writes it in another version.

    Every file that is not the level's Info.dat, a difficulty, a lightshow or the tempo file is
    copied byte for byte; those inside subfolders, which a level cannot have, are left out.

    Args:
        path: The level's folder or zip.
        out: What to write: a zip if it ends in ``.zip``, else a folder.
        version: 2, 3 or 4; see `saberlm.prompts.level_writer`.
        skip_unreadable: Leave out difficulties that cannot be read, instead of giving up.
        measure_song: Finds the song's length, which version 4 states in samples.

    Raises:
        LevelError: If the level, or a difficulty of it, cannot be read, the output cannot be
            written or is the level itself. Then nothing is written.
    """
    if out.resolve() == path.resolve():
        raise LevelError(f"{out}: expected another place to write to, found the level itself")
    level = read_level(path, characteristic=None)
    if level.unread and not skip_unreadable:
        name, reason = level.unread[0]
        raise LevelError(
            f"{name}: expected to read every difficulty, found one unreadable: {reason}"
        )
    files = open_level_files(path)
    old = level.info.version.startswith("1")  # its difficulties are named .json
    difficulties = [replace(d, filename="") if old else d for d in level.difficulties]
    # a BPMInfo.dat is copied, unless version 2.2 moves all objects to one tempo
    moved = version == 2 and changes_tempo(level.info, difficulties)
    keeps_tempo_file = version != 4 and not level.info.audio_data_filename and not moved
    audio = None if keeps_tempo_file else _audio(level, files, version, measure_song)
    others = [name for name in files.names() if "/" not in name]
    own = {name.lower() for name in _own_files(level, files, tempo_file=not keeps_tempo_file)}
    others = [name for name in others if name.lower() not in own]
    rendered = render_level(level.info, difficulties, version=version, audio=audio, others=others)
    written = {name.lower() for name in rendered.files}
    copied = [name for name in others if name.lower() not in written]
    write_files(out, rendered.files, {name: _content(files, name) for name in copied})
    reports = (
        _report(difficulty, lost, version)
        for difficulty, lost in zip(level.difficulties, rendered.lost_of, strict=True)
    )
    gone = {name.lower() for name, _ in level.unread} | (set(map(str.lower, others)) & written)
    left_out = [name for name in files.names() if "/" in name or name.lower() in gone]
    return Conversion(
        path,
        out,
        version,
        tuple(reports),
        dict(level.notes_on_reading),
        dict(rendered.lost),
        level.unread,
        tuple(copied),
        tuple(left_out),
    )


def _audio(
    level: Level, files: LevelFiles, version: int, measure_song: MeasureSong | None
) -> AudioData | None:
    """What the new tempo file starts from: the level's own, or else the song's length."""
    audio = level.audio_data
    if version != 4 or (audio is not None and has_length(audio)):
        return audio
    if measure_song is not None and level.info.audio_filename in files:
        measured = measure_song(files, level.info.audio_filename)
        if measured is not None:
            return AudioData(*measured, lufs=audio.lufs if audio is not None else ())
    return audio


def _own_files(level: Level, files: LevelFiles, *, tempo_file: bool) -> Iterator[str]:
    """The files that the level's own records stand for, which are not copied."""
    yield info_filename(files)
    yield from (name for name, _ in level.unread)
    for difficulty in level.difficulties:
        yield difficulty.filename
        yield difficulty.lightshow_filename
    if tempo_file and level.audio_data is not None:
        yield level.info.audio_data_filename or BPM_INFO_NAME


def _content(files: LevelFiles, name: str) -> bytes | Path:
    return files.path / name if files.path.is_dir() else files.read(name)


def _report(difficulty: Difficulty, lost: Mapping[str, int], version: int) -> DifficultyConversion:
    notes = difficulty.notes_on_reading.items()
    return DifficultyConversion(
        difficulty.characteristic,
        difficulty.name,
        difficulty.filename,
        difficulty.version,
        mended={what: count for what, count in notes if not what.startswith(KEPT)},
        kept={what[len(KEPT) :]: count for what, count in notes if what.startswith(KEPT)},
        lost=dict(lost),
        warnings=dict(_untranslated(difficulty, version)),
    )


def _untranslated(difficulty: Difficulty, version: int) -> Counter[str]:
    """Custom data of objects that comes under the other family's field names: v2's Noodle
    Extensions and Chroma say ``_position`` and ``_color``, v3's and v4's ``coordinates`` and
    ``color``."""
    warnings: Counter[str] = Counter()
    if (difficulty.version[:1] in ("3", "4")) == (version >= 3):
        return warnings
    count = sum(1 for extra in _extras(difficulty.beatmap) if extra.get("customData"))
    if count:
        text = "custom data of an object (Noodle Extensions, Chroma) carried untranslated"
        warnings[text] = count
    custom = (difficulty.beatmap.extra or {}).get("customData")
    if custom:
        text = "field of the file's custom data carried untranslated"
        warnings[text] = len(custom) if isinstance(custom, dict) else 1
    return warnings


def _extras(beatmap: Beatmap) -> Iterator[Mapping[str, Any]]:
    for field in fields(beatmap):
        items = getattr(beatmap, field.name)
        if isinstance(items, tuple):
            for item in items:
                extra = getattr(item, "extra", None)
                if extra:
                    yield extra
