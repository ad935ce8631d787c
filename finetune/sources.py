"""Where maps come from: a manifest with audio and an archive, or plain level folders and zips."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from saberlm.prompts.beatmap import Level
from saberlm.prompts.header import MAX_MAPPER_CHARACTERS
from saberlm.prompts.mapfile import read_level

VALID_PERCENT = 10
MIN_MAPS_OF_A_MAPPER = 5


@dataclass(frozen=True)
class MapSource:
    """One level to build from; ``audio`` is None when it lies in the level itself."""

    key: str
    level: Path
    audio: Path | None
    split: str
    rating: float | None = None
    stars: float | None = None
    year: int | None = None
    mapper: str | None = None  # where the manifest has at least MIN_MAPS_OF_A_MAPPER of theirs


def find_sources(maps_dir: Path, work_dir: Path) -> list[MapSource]:
    """All maps under a folder.

    With a ``manifest.jsonl`` (and ``dat.tar.xz`` or the zips of `saberlm.finetune.beatsaver_store`
    beside it) the manifest rules: its splits are kept. Otherwise every folder that holds an
    Info.dat and every zip is a level, and a tenth of them, chosen by a hash of the name, is the
    valid split.

    Args:
        maps_dir: the folder to search.
        work_dir: where an archive may be unpacked.

    Raises:
        ValueError: nothing to build from.
    """
    if not maps_dir.is_dir():
        raise ValueError(f"expected a folder of maps, found no folder at {maps_dir}")
    manifest = maps_dir / "manifest.jsonl"
    sources = _from_manifest(manifest, work_dir) if manifest.exists() else _from_levels(maps_dir)
    if not sources:
        raise ValueError(
            f"expected level folders, zips or a manifest.jsonl in {maps_dir}, found none of them"
        )
    return sources


def read_levels(sources: Sequence[MapSource]) -> Iterator[tuple[MapSource, Level]]:
    """The sources' levels, with a progress bar; those that cannot be read are passed over (the data
    build counts and names them)."""
    from tqdm import tqdm

    for source in tqdm(sources, desc="levels", unit="song", disable=not sources):
        try:
            level = read_level(source.level)
        except (ValueError, OSError):
            continue
        yield source, level


def _from_manifest(manifest: Path, work_dir: Path) -> list[MapSource]:
    archive = manifest.parent / "dat.tar.xz"
    levels = manifest.parent
    if archive.exists():
        levels = work_dir / "dat"
        if not (levels / ".unpacked").exists():
            levels.mkdir(parents=True, exist_ok=True)
            with tarfile.open(archive) as tar:
                tar.extractall(levels, filter="data")
            (levels / ".unpacked").touch()
    lines = manifest.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line.strip()]
    mappers = Counter(row.get("mapper") for row in rows)
    sources = []
    for row in rows:
        quality = row.get("quality") or {}
        mapper = row.get("mapper")
        known = mapper and mappers[mapper] >= MIN_MAPS_OF_A_MAPPER
        sources.append(
            MapSource(
                key=f"{int(row['n']):04d}",
                level=levels / row["dat"],
                audio=manifest.parent / row["audio"] if row.get("audio") else None,
                split=row.get("split", "train"),
                rating=quality.get("rating"),
                stars=quality.get("stars"),
                year=row.get("year"),
                mapper=str(mapper)[:MAX_MAPPER_CHARACTERS] if known else None,
            )
        )
    return sources


def _from_levels(maps_dir: Path) -> list[MapSource]:
    infos = (p for p in maps_dir.rglob("*") if p.name.lower() == "info.dat")
    levels = sorted({p.parent for p in infos} | set(maps_dir.rglob("*.zip")))
    sources = []
    for level in levels:
        digest = hashlib.sha256(level.name.encode()).hexdigest()
        split = "valid" if int(digest[:8], 16) % 100 < VALID_PERCENT else "train"
        sources.append(MapSource(f"{level.stem[:40]}-{digest[:8]}", level, None, split))
    return sources
