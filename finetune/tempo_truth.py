"""The steady grids of human maps that a tempo finder is fitted to and judged by.

A song counts when its notes agree with its sound (the manifest's ``sync_z0`` of at least 0.8) and
no difficulty changes the tempo. The grid is the one fitted to the notes of all difficulties
(DESIGN section 2); the stated tempo is Info.dat's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saberlm.eval.timing import note_seconds
from saberlm.finetune.build import MIN_NOTES
from saberlm.finetune.sources import MapSource, find_sources
from saberlm.prompts.grid import FittedGrid, fit_grid
from saberlm.prompts.mapfile import read_level
from saberlm.prompts.tempo import TempoMap

MIN_SYNC = 0.8


@dataclass(frozen=True)
class TrueTempo:
    """What a song's map says of its tempo.

    Attributes:
        source: the song.
        audio: file with its sound.
        stated_bpm: Info.dat's tempo, in the octave that the mapper chose.
        grid: fitted to the notes; its BPM is the stated one folded into 95-190.
        note_seconds: times of all difficulties' notes, in order.
    """

    source: MapSource
    audio: Path
    stated_bpm: float
    grid: FittedGrid
    note_seconds: np.ndarray

    @property
    def key(self) -> str:
        """Name of the song in reports and caches."""
        return self.source.key

    @property
    def first_seconds(self) -> float:
        """Song time of the first note."""
        return float(self.note_seconds[0])

    @property
    def last_seconds(self) -> float:
        """Song time of the last note."""
        return float(self.note_seconds[-1])


def read_true_tempi(
    maps_dir: Path, work_dir: Path, split: str
) -> tuple[list[TrueTempo], Counter[str]]:
    """The songs of a split whose tempo is known, and why others are left out.

    Args:
        maps_dir: see `saberlm.finetune.sources.find_sources`; sound must lie outside of zips.
        work_dir: where an archive may be unpacked.
        split: ``train`` or ``valid``.

    Raises:
        ValueError: no maps, or none in the split.
    """
    left_out: Counter[str] = Counter()
    rows = _manifest_rows(maps_dir)
    found: list[TrueTempo] = []
    for source in find_sources(maps_dir, work_dir):
        if source.split != split:
            continue
        row = rows.get(source.key)
        if row is not None and (row.get("sync_z0") is None or row["sync_z0"] < MIN_SYNC):
            left_out[f"notes and sound agree too little (sync_z0 under {MIN_SYNC:g})"] += 1
        elif row is not None and any(one["bpm_changes"] for one in row["difficulties"]):
            left_out["changes of tempo"] += 1
        else:
            reason = _read(source, found)
            if reason:
                left_out[reason] += 1
    if not found:
        raise ValueError(f"expected songs of the split {split} in {maps_dir}, found none to use")
    return found, left_out


def _manifest_rows(maps_dir: Path) -> Mapping[str, Mapping[str, Any]]:
    manifest = maps_dir / "manifest.jsonl"
    if not manifest.exists():
        return {}
    rows = map(json.loads, filter(str.strip, manifest.read_text(encoding="utf-8").splitlines()))
    return {f"{int(row['n']):04d}": row for row in rows}


def _read(source: MapSource, found: list[TrueTempo]) -> str:
    """Append the song's tempo to ``found``; a reason where it has none."""
    try:
        level = read_level(source.level)
    except (ValueError, OSError):
        return "cannot be read"
    if any(one.beatmap.bpm_events for one in level.difficulties):
        return "changes of tempo"
    tempo = TempoMap(level.info.bpm)
    seconds = [note_seconds(one.beatmap, tempo) for one in level.difficulties]
    seconds = [times for times in seconds if len(times) >= MIN_NOTES]
    if not seconds:
        return f"no difficulty of {MIN_NOTES} notes"
    audio = source.audio or source.level / level.info.audio_filename
    if not audio.is_file():
        return "no sound"
    notes = np.sort(np.concatenate(seconds))
    grid = fit_grid(notes, level.info.bpm)
    found.append(TrueTempo(source, audio, level.info.bpm, grid, notes))
    return ""
