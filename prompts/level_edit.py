"""A level worked on: some difficulties changed, some added, everything else as it was.

Files that no change touches keep their bytes; of Info.dat the list of difficulties and the custom
data change, nothing else. A level of version 1 is to be converted first.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from saberlm.prompts.beatmap import DIFFICULTY_RANK, Difficulty
from saberlm.prompts.difficulty_edit import (
    PLAYABLE,
    SHOWN,
    Change,
    edit_v2,
    edit_v3,
    edit_v4,
    empty_show,
)
from saberlm.prompts.errors import LevelError, shown
from saberlm.prompts.extra_fields import CUSTOM_DATA, CUSTOM_DATA_V2
from saberlm.prompts.info_v2 import difficulty_filename, difficulty_name, text_of
from saberlm.prompts.json_lenient import read_json_lenient
from saberlm.prompts.level_writer import INFO_NAME, dump_json
from saberlm.prompts.levelzip import write_folder, write_zip
from saberlm.prompts.mapfile import (
    difficulty_version,
    info_filename,
    info_version,
    open_level_files,
    read_level,
)

_INDENT = 2
_MIN_LINES = 3
"""An Info.dat of more lines was meant to be read, and stays so."""

_FILE = {2: "_beatmapFilename", 4: "beatmapDataFilename"}
_SHOW = "lightshowDataFilename"
_NAME = {2: "_difficulty", 4: "difficulty"}
_NJS = {2: "_noteJumpMovementSpeed", 4: "noteJumpMovementSpeed"}
_OFFSET = {2: "_noteJumpStartBeatOffset", 4: "noteJumpStartBeatOffset"}
_CUSTOM = {2: CUSTOM_DATA_V2, 4: CUSTOM_DATA}
_REQUIREMENTS, _SUGGESTIONS = "_requirements", "_suggestions"
"""Mods that a difficulty is for, in its custom data."""

_Key = tuple[str, str]
"""Characteristic and name."""


class LevelDraft:
    """A level opened to be worked on; nothing is written before `save`.

    Attributes:
        path: its folder or zip.
        files: its files.
        level: as read, all characteristics.
        lost: what came and a file's version could not hold, and what else is not as before.
    """

    def __init__(self, path: Path) -> None:
        """Reads a level.

        Raises:
            LevelError: As `saberlm.prompts.mapfile.read_level`, or Info.dat is of version 1.
        """
        self.path = Path(path)
        self.level = read_level(self.path, characteristic=None)
        self.files = open_level_files(self.path)
        self.lost: Counter[str] = Counter()
        self._info_name = info_filename(self.files)
        self._info = self._read(self._info_name)
        self._version = info_version(self._info)
        if self._version not in _FILE:
            raise LevelError(
                f"{self.path}: expected an Info.dat of version 2 or 4, found version 1: convert the"
                " level first (saberlm convert LEVEL NEW.zip)"
            )
        text = self.files.read(self._info_name)
        self._indent = _INDENT if text.count(b"\n") > _MIN_LINES else None
        self._changed: dict[_Key, tuple[Difficulty, Change]] = {}
        self._added: dict[_Key, tuple[Difficulty, Difficulty, Change]] = {}
        self._custom: Mapping[str, Any] | None = None
        self._suggested: dict[_Key, str] = {}
        if self.files.outside:
            self.lost["file outside the level's folder in the zip"] += self.files.outside

    def file_version(self, difficulty: Difficulty) -> int:
        """The version (2, 3 or 4) of a difficulty's file."""
        return difficulty_version(self._read(difficulty.filename))

    def raw(self, difficulty: Difficulty) -> dict[str, Any]:
        """A difficulty's file as parsed JSON."""
        return self._read(difficulty.filename)

    @property
    def custom_data(self) -> dict[str, Any]:
        """Info.dat's custom data, a copy."""
        found = self._info.get(_CUSTOM[self._version])
        return copy.deepcopy(found) if isinstance(found, dict) else {}

    def change(self, difficulty: Difficulty, change: Change) -> None:
        """Objects of a difficulty of `level` go and come."""
        self._changed[difficulty.characteristic, difficulty.name] = difficulty, change

    def add(self, source: Difficulty, new: Difficulty, change: Change) -> None:
        """A new difficulty, made of the file of another.

        Args:
            source: Of `level`: its environment, colours and light show are the new one's, too.
            new: Name, NJS and offset are taken.
            change: What goes of the source and comes instead.
        """
        self._added[source.characteristic, new.name] = source, new, change

    def entry_custom(self, difficulty: Difficulty) -> dict[str, Any]:
        """What Info.dat's custom data says of a difficulty of `level`, a copy."""
        wanted = difficulty.characteristic, difficulty.name
        for key, entry, _ in _entries(self._info, self._version):
            found = entry.get(_CUSTOM[self._version])
            if key == wanted and isinstance(found, dict):
                return copy.deepcopy(found)
        return {}

    def needs(self, difficulty: Difficulty) -> tuple[str, ...]:
        """The mods that a difficulty of `level` says it cannot be played without."""
        return tuple(map(str, _listed(self.entry_custom(difficulty), _REQUIREMENTS)))

    def suggest(self, difficulty: Difficulty, mod: str) -> None:
        """A difficulty of `level` that is changed says that it has something for players with a
        mod."""
        self._suggested[difficulty.characteristic, difficulty.name] = mod

    def note(self, custom_data: Mapping[str, Any]) -> None:
        """Info.dat's new custom data."""
        self._custom = custom_data

    def save(self, out: Path, *, overwrite: bool = False) -> None:
        """Write the level: a zip if ``out`` ends in ``.zip``, else a folder; whole or not at all.

        Raises:
            LevelError: As `check_output`, or it cannot be written.
        """
        check_output(self.path, out, overwrite=overwrite)
        contents = self.contents()
        ordered: dict[str, bytes | Path] = {
            name: contents[name]
            for name in sorted(contents, key=lambda n: (n != self._info_name, n))
        }
        try:
            (write_zip if out.suffix.lower() == ".zip" else write_folder)(out, ordered)
        except OSError as error:
            raise LevelError(
                f"{out}: expected to write the level, found {error.strerror or error}: likely a"
                " missing or read-only folder, or a full disk"
            ) from error

    def contents(self) -> dict[str, bytes]:
        """All files of the new level by name.

        Raises:
            LevelError: A file cannot be read, or holds what JSON cannot.
        """
        files = {name: self.files.read(name) for name in self.files.names()}
        info = copy.deepcopy(self._info)
        untouched: set[str] = set()
        for key, entry, _ in _entries(info, self._version):
            if key not in self._changed:
                untouched |= {text_of(entry, _FILE[self._version]).lower()}
                untouched |= {text_of(entry, _SHOW).lower()}
        names = _FreeNames(files, untouched)
        for key, entry, _ in list(_entries(info, self._version)):
            if key in self._changed:
                difficulty, change = self._changed[key]
                self._put(names, entry, difficulty, difficulty, change)
            if key in self._suggested:
                self._suggest(entry, self._suggested[key])
        for source, new, change in self._added.values():
            self._put_new(names, info, source, new, change)
        if self._custom is not None:
            info[_CUSTOM[self._version]] = dict(self._custom)
        files.update(names.made)
        files[self._info_name] = dump_json(info, INFO_NAME, indent=self._indent)
        return files

    def _put(
        self,
        names: _FreeNames,
        entry: dict[str, Any],
        source: Difficulty,
        new: Difficulty,
        change: Change,
    ) -> None:
        """A changed file, or two in version 4, under the names that ``entry`` says, if these are
        free; else ``entry`` says others."""
        raw = self._read(source.filename)
        version = difficulty_version(raw)
        usual = difficulty_filename(new.name, source.characteristic)
        own = source is new
        if not own:  # bookmarks, mods' scenery and the like are of the source's notes
            raw = {k: v for k, v in raw.items() if k not in (CUSTOM_DATA, CUSTOM_DATA_V2)}
        if version == 4:
            raw, show = edit_v4(raw, self._show(source), change, self.lost)
            if change.touches(SHOWN):
                data = dump_json(show, source.lightshow_filename)
                show_name = f"{new.name}{source.characteristic}.lightshow.dat"
                entry[_SHOW] = names.put(data, source.lightshow_filename if own else "", show_name)
            if own and not change.touches(PLAYABLE):
                return
        elif version == 3:
            raw = edit_v3(raw, change, self.lost)
        else:
            raw = edit_v2(raw, change, self.level.info.bpm, self.lost)
        data = dump_json(raw, source.filename)
        entry[_FILE[self._version]] = names.put(data, source.filename if own else "", usual)

    def _suggest(self, entry: dict[str, Any], mod: str) -> None:
        found = entry.get(_CUSTOM[self._version])
        custom = dict(found) if isinstance(found, dict) else {}
        known = _listed(custom, _SUGGESTIONS)
        if mod not in (*known, *_listed(custom, _REQUIREMENTS)):
            entry[_CUSTOM[self._version]] = {**custom, _SUGGESTIONS: [*known, mod]}

    def _put_new(
        self,
        names: _FreeNames,
        info: dict[str, Any],
        source: Difficulty,
        new: Difficulty,
        change: Change,
    ) -> None:
        version = self._version
        wanted = source.characteristic, source.name
        entry, members = next(
            (entry, members) for key, entry, members in _entries(info, version) if key == wanted
        )
        made = copy.deepcopy(entry)
        made[_NAME[version]] = new.name
        made[_NJS[version]], made[_OFFSET[version]] = new.njs, new.offset
        if version == 2:
            made["_difficultyRank"] = DIFFICULTY_RANK[new.name]
        else:
            authors = made.get("beatmapAuthors")
            lighters = authors.get("lighters", []) if isinstance(authors, dict) else []
            made["beatmapAuthors"] = {"mappers": list(new.mappers), "lighters": lighters}
        made[_CUSTOM[version]] = {}  # labels, warnings and needs are of the source's notes
        self._put(names, made, source, new, change)
        # beside the set's others by rank; those of other sets are not looked at
        place = [
            i
            for i, other in enumerate(members)
            if isinstance(other, dict)
            and (version == 2 or text_of(other, "characteristic") == source.characteristic)
            and DIFFICULTY_RANK.get(difficulty_name(text_of(other, _NAME[version])), 0)
            < DIFFICULTY_RANK[new.name]
        ]
        members.insert(place[-1] + 1 if place else members.index(entry), made)

    def _show(self, difficulty: Difficulty) -> dict[str, Any]:
        name = difficulty.lightshow_filename
        return self._read(name) if name and name in self.files else empty_show()

    def _read(self, name: str) -> dict[str, Any]:
        raw, mended = read_json_lenient(self.files.read(name), f"{self.path}: {name}")
        if not isinstance(raw, dict):
            raise LevelError(
                f"{self.path}: {name}: expected a JSON object, found {type(raw).__name__}: likely"
                " another kind of file"
            )
        for what, count in mended.items():
            self.lost[f"{name}: {what}"] = count
        return raw


def check_output(level: Path, out: Path, *, overwrite: bool) -> None:
    """Find out before the long work whether a worked-on level can be written.

    Raises:
        LevelError: ``out`` is the level itself and this was not asked for, a folder named like a
            zip, or lies in no folder.
    """
    if out.exists() and level.exists() and out.samefile(level) and not overwrite:
        raise LevelError(
            f"{out}: expected another place than the level that is worked on, found the level"
            " itself: give another with -o, or --overwrite"
        )
    if out.is_dir() and out.suffix.lower() == ".zip":
        raise LevelError(f"{out}: expected a file to write, found a folder; give another with -o")
    if out.is_file() and out.suffix.lower() != ".zip":
        raise LevelError(f"{out}: expected a name that ends in .zip or a folder, found a file")
    if not out.absolute().parent.is_dir():
        raise LevelError(
            f"{out}: expected an existing folder, found no folder {shown(str(out.parent))}"
        )


class _FreeNames:
    """Finds names for changed files; equal contents share one."""

    def __init__(self, files: Mapping[str, bytes], untouched: set[str]) -> None:
        self.made: dict[str, bytes] = {}
        self._spelled = {name.lower(): name for name in files}
        self._untouched = untouched

    def put(self, data: bytes, own: str, usual: str) -> str:
        """Keeps ``data`` under its own name where no other difficulty needs the file of that name,
        else under the usual one or one like it; returns the name."""
        if own and own.lower() not in self._untouched:
            spelled = self._spelled.get(own.lower(), own)
            if self.made.setdefault(spelled, data) == data:
                return own
        for name in (usual, *(f"{number}{usual}" for number in range(2, 1000))):
            if self.made.get(name) == data:
                return name
            if name.lower() not in self._spelled:
                self._spelled[name.lower()] = name
                self.made[name] = data
                return name
        raise LevelError(f"expected a free file name like {usual}, found none")


def _listed(custom: Mapping[str, Any], name: str) -> list[Any]:
    found = custom.get(name)
    return found if isinstance(found, list) else []


def _entries(
    info: Mapping[str, Any], version: int
) -> Iterator[tuple[_Key, dict[str, Any], list[Any]]]:
    """Every difficulty of a parsed Info.dat: what it goes by, its entry, and the list it is in."""
    if version == 4:
        members = info["difficultyBeatmaps"]
        for entry in members:
            name = difficulty_name(text_of(entry, _NAME[4]))
            yield (text_of(entry, "characteristic") or "Standard", name), entry, members
        return
    for group in info["_difficultyBeatmapSets"]:
        characteristic = text_of(group, "_beatmapCharacteristicName") or "Standard"
        for entry in group["_difficultyBeatmaps"]:
            yield (
                (characteristic, difficulty_name(text_of(entry, _NAME[2]))),
                entry,
                group["_difficultyBeatmaps"],
            )
