"""A level's files in a folder or a zip: safe, case-insensitive reading and all-or-nothing writing.

A level comes from strangers: a zip is judged by its directory before anything of it is unpacked,
and nothing is ever unpacked to disk.
"""

from __future__ import annotations

import lzma
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from saberlm.prompts.errors import LevelError, shown

MAX_MEMBERS = 2000
MAX_UNPACKED_BYTES = 512 * 2**20
MAX_RATIO = 200
RATIO_FLOOR_BYTES = 64 * 2**20
"""A compression ratio above `MAX_RATIO` is refused only from this size on: small repetitive files
compress as well."""

_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say
_STORED_SUFFIXES = (".egg", ".ogg", ".jpg", ".jpeg", ".png")
_INFO_NAMES = ("info.dat", "info.json")  # the latter is version 1's
_COPY_BYTES = 2**20
_PACKING_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError)
_UNPACK_ERRORS = (*_PACKING_ERRORS, RuntimeError, OSError)  # RuntimeError: an encrypted zip


class LevelFiles:
    """The files of a level; get one from `open_level_files`.

    In a folder these are the files directly in it. In a zip whose only Info.dat is inside one
    folder, that folder is the level (BeatSaver moves it to the root) and names are relative to it;
    ``prefix`` tells, and ``outside`` how many files the zip has beside that folder.
    """

    def __init__(self, path: Path) -> None:
        """Lists the files of ``path``; see `open_level_files` for what is refused."""
        self.path = path
        self._is_zip = not path.is_dir()
        listed = _zip_names(path) if self._is_zip else _folder_names(path)
        self.prefix = _level_prefix(listed) if self._is_zip else ""
        self._names = {n[len(self.prefix) :]: n for n in listed if n.startswith(self.prefix)}
        self.outside = len(listed) - len(self._names)
        self._folded: dict[str, str] = {}
        for name in self._names:
            self._folded.setdefault(name.lower(), name)

    def names(self) -> tuple[str, ...]:
        """Returns the names as they are spelled, in alphabetical order."""
        return tuple(sorted(self._names))

    def find(self, name: str) -> str | None:
        """Returns how ``name`` is spelled here, in any letter case, or None if it is not here."""
        return name if name in self._names else self._folded.get(name.lower())

    def __contains__(self, name: object) -> bool:
        """Says whether the file is there, in any letter case."""
        return isinstance(name, str) and self.find(name) is not None

    def read(self, name: str) -> bytes:
        """Returns a file's contents.

        Raises:
            LevelError: If there is no such file, in any letter case, or it cannot be read or
                unpacked.
        """
        spelled = self.find(name)
        if spelled is None:
            raise LevelError(
                f"{self.path}: expected a file {shown(name)}, found {_some(self.names())}: "
                "likely renamed, or left out when the level was packed"
            )
        try:
            if not self._is_zip:
                return _read_file(self.path / spelled)
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(self._names[spelled])
        except _UNPACK_ERRORS as error:
            raise LevelError(
                f"{self.path}: expected to read {shown(spelled)}, found {error}: likely a damaged "
                "or encrypted file"
            ) from error


def open_level_files(path: Path) -> LevelFiles:
    """Opens a level's folder or zip.

    Raises:
        LevelError: If the path is missing; is neither a folder nor a zip; holds more than 2000
            files; or is a zip with a name that leads out of it, or one that unpacks to over 512
            MiB, or to over 64 MiB at a ratio above 200.
    """
    path = Path(path)
    try:
        if path.is_dir() or path.is_file():
            return LevelFiles(path)
        found = "no plain file" if path.exists() else "nothing there"
        raise LevelError(
            f"{path}: expected a level's folder or zip, found {found}: likely a mistyped path"
        )
    except OSError as error:
        raise LevelError(
            f"{path}: expected a readable level, found {error.strerror or error}: likely missing "
            "permissions"
        ) from error


def check_member_name(name: str, where: object) -> None:
    """Refuses a name that is absolute, empty or leads out of the level.

    Raises:
        LevelError: If it is; ``where`` names the level.
    """
    plain = name.replace("\\", "/")
    parts = PurePosixPath(plain).parts
    drive = len(plain) > 1 and plain[0].isalpha() and plain[1] == ":"
    if not plain or drive or plain.startswith("/") or ".." in parts or "\0" in plain:
        raise LevelError(
            f"{where}: expected file names inside the level, "
            f"found {shown(name)}: likely a damaged or "
            "malicious level"
        )


def write_zip(path: Path, files: Mapping[str, bytes | Path]) -> None:
    """Writes a zip in the mapping's order with fixed times: equal files give equal bytes.

    Raises:
        OSError: If it cannot be written; then nothing is left behind and an older file at ``path``
            stays.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream, zipfile.ZipFile(stream, "w") as archive:
            for member, content in files.items():
                entry = zipfile.ZipInfo(member, _FIXED_TIME)
                entry.create_system = 3  # Unix, so that the permissions below count
                entry.external_attr = 0o644 << 16
                stored = member.lower().endswith(_STORED_SUFFIXES)
                entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
                entry.file_size = (
                    len(content) if isinstance(content, bytes) else content.stat().st_size
                )
                with archive.open(entry, "w") as target:
                    _copy(content, target.write)
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_folder(path: Path, files: Mapping[str, bytes | Path]) -> None:
    """Writes the files into a folder, new or existing; other files in it stay.

    Raises:
        OSError: If they cannot all be written; then no partly written file is left behind.
    """
    with _temporary_folder(path) as part:
        for member, content in files.items():
            (part / member).parent.mkdir(parents=True, exist_ok=True)
            with (part / member).open("wb") as target:
                _copy(content, target.write)
        part.chmod(0o755)
        if not path.exists():
            part.rename(path)
            return
        for member in files:
            (path / member).parent.mkdir(parents=True, exist_ok=True)
            (part / member).replace(path / member)


@contextmanager
def _temporary_folder(path: Path) -> Iterator[Path]:
    part = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _copy(content: bytes | Path, write: Callable[[bytes], object]) -> None:
    if isinstance(content, bytes):
        write(content)
        return
    with content.open("rb") as source:
        while block := source.read(_COPY_BYTES):
            write(block)


def _folder_names(path: Path) -> list[str]:
    names = []
    for entry in path.iterdir():
        if entry.is_file():
            names.append(entry.name)
        if len(names) > MAX_MEMBERS:
            raise LevelError(
                f"{path}: expected at most {MAX_MEMBERS} files, found more: likely not one level"
            )
    return sorted(names)


def _read_file(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MAX_UNPACKED_BYTES:
        raise OSError(f"{size} bytes, over the limit of {MAX_UNPACKED_BYTES}")
    return path.read_bytes()


def _zip_names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (*_UNPACK_ERRORS, ValueError) as error:
        raise LevelError(
            f"{path}: expected a level's folder or zip, found {error}: likely another kind of "
            "file, or a download cut short"
        ) from error
    if len(members) > MAX_MEMBERS:
        raise LevelError(
            f"{path}: expected at most {MAX_MEMBERS} files in the zip, found {len(members)}: "
            "likely not one level"
        )
    for member in members:
        check_member_name(member.filename, path)
    files = [member for member in members if not member.is_dir()]
    whole = (sum(m.file_size for m in files), sum(m.compress_size for m in files))
    if whole[0] > MAX_UNPACKED_BYTES:
        raise LevelError(
            f"{path}: expected at most {MAX_UNPACKED_BYTES} bytes unpacked, found {whole[0]}: "
            "likely a zip bomb or not one level"
        )
    for size, packed in (whole, *((m.file_size, m.compress_size) for m in files)):
        if size > RATIO_FLOOR_BYTES and size > MAX_RATIO * packed:
            raise LevelError(
                f"{path}: expected a compression ratio of at most {MAX_RATIO}, found {size} bytes "
                f"packed in {packed}: likely a zip bomb"
            )
    return [member.filename for member in files]


def _level_prefix(names: list[str]) -> str:
    for wanted in _INFO_NAMES:
        infos = [name for name in names if PurePosixPath(name).name.lower() == wanted]
        if infos:
            return infos[0][: -len(wanted)] if len(infos) == 1 else ""
    return ""


def _some(names: tuple[str, ...], limit: int = 8) -> str:
    return (", ".join(names[:limit]) or "no files") + (", ..." if len(names) > limit else "")
