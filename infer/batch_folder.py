"""The folder of a batch run: its lock, the levels that are done and the summary.

A level is done when its zip is there and its own record has the request's fingerprint: writing the
zip is the one step that finishes a song, so a run may be killed at any moment. ``summary.jsonl``
has a line a song and is only a report; lines that a kill kept from being written come back from the
zips.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from saberlm.prompts.levelzip import open_level_files

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK_NAME, SUMMARY_NAME, WORK_NAME = ".saberlm-batch.lock", "summary.jsonl", ".saberlm-work"
_LOCKED_BYTE = 1 << 20  # past what is written, which others may read


@contextmanager
def locked(folder: Path) -> Iterator[str | None]:
    """Hold a folder for one run; the system lets go when the process ends, however it ends.

    Yields:
        Who left a lock behind without holding it any more (``process 123 on host``), or None.

    Raises:
        ValueError: another run holds it, named with its process.
    """
    path = folder / LOCK_NAME
    with path.open("a+", encoding="utf-8") as stream:
        stream.seek(0)
        left = stream.read().strip()
        if not _take(stream):
            raise ValueError(
                f"{folder}: expected a folder that no other run uses, found"
                f" {left or 'another process'} at work in it: wait for it, or give another --out"
            )
        stream.truncate(0)
        stream.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        stream.flush()
        try:
            yield left or None
        finally:
            stream.truncate(0)  # a lock with nothing in it was given back


def _take(stream: IO[str]) -> bool:
    """Lock the file for this process; False where another has it."""
    try:
        if sys.platform == "win32":
            stream.seek(_LOCKED_BYTE)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def clear_leftovers(folder: Path) -> int:
    """Remove what a run that ended early left half written; call it under the lock. Returns how
    many."""
    parts = [path for path in folder.glob(".*.part") if path.is_file()]
    for path in parts:
        path.unlink(missing_ok=True)
    work = folder / WORK_NAME
    if work.is_dir():
        shutil.rmtree(work, ignore_errors=True)
    return len(parts)


def made_here(path: Path) -> str | None:
    """The fingerprint in a level's record; None where it is no level of a batch run or cannot be
    read."""
    try:
        info = json.loads(open_level_files(path).read("Info.dat"))
        found = info["_customData"]["_saberlm"]["fingerprint"]
    except (ValueError, KeyError, TypeError, OSError):
        return None
    return found if isinstance(found, str) else None


@dataclass
class Summary:
    """``summary.jsonl``: one line a song, the newest of each output.

    Args:
        folder: of the run.
    """

    folder: Path

    def __post_init__(self) -> None:
        """Read what an earlier run wrote; a line that a kill cut short is left out."""
        self.rows: dict[str, dict[str, Any]] = {}
        path = self.folder / SUMMARY_NAME
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for line in lines:
            try:
                row = json.loads(line)
                self.rows[row["output"]] = row
            except (ValueError, KeyError, TypeError):
                continue

    def put(self, row: Mapping[str, Any]) -> None:
        """Add a song's line, whole, at the end."""
        self.rows[row["output"]] = dict(row)
        path = self.folder / SUMMARY_NAME
        cut = path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
        with path.open("a", encoding="utf-8") as stream:
            stream.write(("\n" if cut else "") + _line(row))

    def rewrite(self, outputs: Mapping[str, object]) -> None:
        """Write the lines of these outputs alone, in their order, each once."""
        path = self.folder / SUMMARY_NAME
        part = path.with_name(f".{SUMMARY_NAME}.part")
        text = "".join(_line(self.rows[one]) for one in outputs if one in self.rows)
        part.write_text(text, encoding="utf-8")
        part.replace(path)


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"
