"""A file in pieces of a size that can be carried, with checksums, and back."""

from __future__ import annotations

import hashlib
from pathlib import Path


def split(path: Path, out: Path, *, piece_bytes: int) -> list[Path]:
    """Write ``NAME.part000`` and so on, and ``NAME.sha256`` of the whole and of each piece.

    Args:
        path: of the file.
        out: folder to write into.
        piece_bytes: of a piece at most.

    Returns:
        The files written.
    """
    out.mkdir(parents=True, exist_ok=True)
    whole, lines = hashlib.sha256(), []
    written: list[Path] = []
    with path.open("rb") as f:
        while (data := f.read(piece_bytes)) or not written:
            piece = out / f"{path.name}.part{len(written):03d}"
            piece.write_bytes(data)
            whole.update(data)
            lines.append(f"{hashlib.sha256(data).hexdigest()}  {piece.name}\n")
            written.append(piece)
    sums = out / f"{path.name}.sha256"
    sums.write_text(f"{whole.hexdigest()}  {path.name}\n" + "".join(lines))
    return [*written, sums]


def join(folder: Path, name: str, out: Path) -> Path:
    """Put a file together again.

    Args:
        folder: of the pieces.
        name: of the file.
        out: file to write.

    Raises:
        ValueError: a piece is missing or damaged; the message names it.
    """
    sums = folder / f"{name}.sha256"
    if not sums.is_file():
        raise ValueError(f"expected {sums.name} in {folder}, found none")
    whole, *rows = (line.split("  ", 1) for line in sums.read_text().splitlines())
    temporary = out.with_name(out.name + ".partial")
    total = hashlib.sha256()
    with temporary.open("wb") as f:
        for wanted, piece in rows:
            path = folder / piece
            data = path.read_bytes() if path.is_file() else None
            if data is None or hashlib.sha256(data).hexdigest() != wanted:
                found = "none" if data is None else "another"
                raise ValueError(f"{path}: expected the piece that was written, found {found}")
            total.update(data)
            f.write(data)
    if total.hexdigest() != whole[0]:
        raise ValueError(f"{folder}: expected the pieces of {name}, found those of another file")
    temporary.replace(out)
    return out
