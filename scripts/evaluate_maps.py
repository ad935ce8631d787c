"""The maps that an evaluation made of a song, kept as tokens: judged again by a newer judge they
need not be made again, and a run that was stopped loses one system's maps of one song at most."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saberlm.finetune.held_out import HeldOutSong
from saberlm.finetune.retime import retime
from saberlm.infer.engine import GeneratedMap
from saberlm.infer.pipeline import Song, to_beatmap
from saberlm.prompts.beatmap import Beatmap, BpmEvent

SETTINGS_NAME = "settings.json"
"""What an evaluation was run with, in its folder."""


@dataclass(frozen=True)
class MadeMaps:
    """What a system made of a song.

    Attributes:
        bpm: The grid that the model was given or found.
        offset_seconds: Song time of its beat 0.
        seconds: Wall time of decoding all difficulties together.
        maps: By difficulty.
        bpm_events: Changes of tempo that were found, in beats from beat 0.
    """

    bpm: float
    offset_seconds: float
    seconds: float
    maps: Mapping[str, GeneratedMap]
    bpm_events: tuple[BpmEvent, ...] = ()


class KeptMaps:
    """The maps of one song by system, in ``DIR/maps/KEY.json``.

    Args:
        out: Folder of the run.
        key: The song's.
    """

    def __init__(self, out: Path, key: str) -> None:
        self.path = out / "maps" / f"{key}.json"
        self._kept: dict[str, Any] = {}
        if self.path.exists():
            self._kept = json.loads(self.path.read_text(encoding="utf-8"))

    def get(self, system: str) -> MadeMaps | None:
        """What a system made; None where it has not yet."""
        kept = self._kept.get(system)
        if kept is None:
            return None
        maps = {
            name: GeneratedMap(one["bars"], Counter(one["counts"]))
            for name, one in kept["maps"].items()
        }
        events = tuple(BpmEvent(*event) for event in kept.get("bpm_events", ()))
        return MadeMaps(kept["bpm"], kept["offset_seconds"], kept["seconds"], maps, events)

    def put(self, system: str, made: MadeMaps) -> None:
        """Keep what a system made, at once."""
        self._kept[system] = {
            "bpm": made.bpm,
            "offset_seconds": made.offset_seconds,
            "bpm_events": [[event.beat, event.bpm] for event in made.bpm_events],
            "seconds": made.seconds,
            "maps": {
                name: {"bars": one.bars, "counts": dict(one.counts)}
                for name, one in made.maps.items()
            },
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, json.dumps(self._kept, separators=(",", ":")))


def on_human_grid(made: MadeMaps, name: str, song: HeldOutSong) -> Beatmap:
    """A made map in beats of the human's fitted grid, each object at its own second."""
    beats = [note.beat for one in song.maps.values() for note in one.beatmap.color_notes]
    # nothing is heard here: silence, long enough that no object lies after it
    bars = max(len(one.bars) for one in made.maps.values())
    seconds = int(made.offset_seconds + (max(beats) + 4 * bars) * 240 / made.bpm) + 60
    silence = Song(np.zeros(seconds, np.float32), 1, made.bpm, made.offset_seconds, made.bpm_events)
    beatmap = to_beatmap(made.maps[name], silence)[0]
    grid = song.grid
    shift = type(grid)(grid.bpm, grid.offset_seconds - made.offset_seconds, grid.on_grid)
    return retime(beatmap, silence.tempo, shift)


def settings_of(folder: Path) -> dict[str, Any]:
    """The settings of a finished evaluation.

    Raises:
        ValueError: the folder has none.
    """
    path = folder / SETTINGS_NAME
    if not path.is_file():
        raise ValueError(f"expected a run of `saberlm evaluate`, found no {path}")
    settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return settings


def first_system(folder: Path) -> str:
    """The system whose maps an evaluation kept first.

    Raises:
        ValueError: it kept none.
    """
    for path in sorted((folder / "maps").glob("*.json")):
        for system in json.loads(path.read_text(encoding="utf-8")):
            return str(system)
    raise ValueError(f"expected made maps in {folder / 'maps'}, found none")


def weights_of(folder: Path) -> str:
    """What tells one training of a model from the next: the start of its weights' SHA-256."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:12]


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
