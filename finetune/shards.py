"""The cached dataset on disk: one safetensors shard a song, and an index.

A shard holds the front end's frames (so that augmentation can shift and jitter before the grid is
laid) and, per difficulty,
the token stream of every bar. Shapes: **F** frames, **D** features, **n** tokens, **K** bars.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from saberlm.adapter.frontend import GRID_PER_BEAT, grid_edges, grid_frames
from saberlm.prompts import vocab as v
from saberlm.prompts.header import Conditions

INDEX_NAME = "index.jsonl"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DifficultyStream:
    """Tokens of one difficulty.

    ``first_bar`` .. ``last_bar`` (inclusive) hold its notes; ``finished``: it runs to near the
    song's end, so silence after its
    last note is the mapper's choice and not an unfinished map.
    """

    conditions: Conditions
    bars: tuple[np.ndarray, ...]
    first_bar: int
    last_bar: int
    finished: bool


@dataclass(frozen=True)
class SongShard:
    """A song's frames, grid and difficulties; ``cells_per_beat`` of its grid."""

    key: str
    split: str
    frames: np.ndarray
    frame_rate: float
    bpm: float
    offset_seconds: float
    num_bars: int
    difficulties: tuple[DifficultyStream, ...]
    cells_per_beat: int = GRID_PER_BEAT

    @property
    def has_audio(self) -> bool:
        """Whether the song itself was at hand; without it ``frames`` is empty."""
        return len(self.frames) > 0

    def grid(self, first_bar: float, num_bars: int, shift_seconds: float = 0.0) -> np.ndarray:
        """Grid frames ``(num_bars * 48, D)`` of bars from ``first_bar`` (may reach outside the
        song, and begin within a bar)."""
        edges = grid_edges(
            self.bpm,
            self.offset_seconds + shift_seconds,
            first_bar * v.BEATS_PER_SEGMENT,
            num_bars * v.BEATS_PER_SEGMENT,
            self.cells_per_beat,
        )
        return grid_frames(self.frames, self.frame_rate, edges)

    def sketch(self) -> np.ndarray:
        """Mean frame of every bar ``(K, D)``."""
        cells = v.BEATS_PER_SEGMENT * self.cells_per_beat
        whole = self.grid(0, self.num_bars)
        return whole.reshape(self.num_bars, cells, -1).mean(1)


def save_shard(shard: SongShard, path: Path) -> None:
    """Write a shard: to a temporary file, then renamed."""
    # in C order: safetensors writes the memory as it lies
    tensors: dict[str, np.ndarray] = {
        "frames": np.ascontiguousarray(shard.frames, dtype=np.float16)
    }
    rows = []
    for i, d in enumerate(shard.difficulties):
        tensors[f"tokens.{i}"] = np.concatenate([*d.bars, np.zeros(0)]).astype(np.int16)
        tensors[f"lengths.{i}"] = np.array([len(bar) for bar in d.bars], dtype=np.int32)
        rows.append(
            {
                "conditions": asdict(d.conditions),
                "first_bar": d.first_bar,
                "last_bar": d.last_bar,
                "finished": d.finished,
            }
        )
    about = {
        "key": shard.key,
        "split": shard.split,
        "frame_rate": shard.frame_rate,
        "bpm": shard.bpm,
        "offset_seconds": shard.offset_seconds,
        "num_bars": shard.num_bars,
        "difficulties": rows,
        "fingerprint": v.fingerprint(),
    }
    temporary = path.with_suffix(".partial")
    save_file(tensors, temporary, metadata={"about": json.dumps(about)})
    temporary.replace(path)


def load_shard(path: Path) -> SongShard:
    """Read a shard.

    Raises:
        ValueError: it was tokenised with another vocabulary.
    """
    with safe_open(path, framework="numpy") as f:
        about = json.loads(f.metadata()["about"])
        if about["fingerprint"] != v.fingerprint():
            raise ValueError(
                f"{path.name} was tokenised with vocabulary {about['fingerprint']}, this is"
                f" {v.fingerprint()}: build the data again"
            )
        difficulties = []
        for i, row in enumerate(about["difficulties"]):
            tokens, lengths = f.get_tensor(f"tokens.{i}"), f.get_tensor(f"lengths.{i}")
            difficulties.append(
                DifficultyStream(
                    Conditions(**row["conditions"]),
                    tuple(np.split(tokens, np.cumsum(lengths)[:-1])) if len(lengths) else (),
                    row["first_bar"],
                    row["last_bar"],
                    row["finished"],
                )
            )
        return SongShard(
            about["key"],
            about["split"],
            f.get_tensor("frames"),
            about["frame_rate"],
            about["bpm"],
            about["offset_seconds"],
            about["num_bars"],
            tuple(difficulties),
        )


def load_dataset(data_dir: Path, split: str) -> list[SongShard]:
    """All shards of a split, in the index's order; those that are missing or damaged are named in
    the log, counted, and left out.

    Raises:
        ValueError: no index, no song of that split that reads, or data of another vocabulary.
    """
    index = data_dir / INDEX_NAME
    if not index.exists():
        raise ValueError(
            f"expected {INDEX_NAME} in {data_dir}, found none:"
            f" run `saberlm data build MAPS {data_dir}` first"
        )
    rows = [json.loads(line) for line in index.read_text().splitlines()]
    wanted = [row["shard"] for row in rows if row["split"] == split]
    shards, damaged = [], 0
    for name in wanted:
        try:
            shards.append(load_shard(data_dir / name))
        except (SafetensorError, OSError, KeyError, TypeError, json.JSONDecodeError) as error:
            damaged += 1
            _log.warning("%s does not read (%s): left out", data_dir / name, error)
    if damaged:
        _log.warning(
            "%d of %d shards of split %s left out; build the data again to have them",
            damaged,
            len(wanted),
            split,
        )
    if not shards:
        raise ValueError(
            f"expected songs of split {split!r} in {data_dir}, found"
            f" {f'{damaged} damaged shards' if damaged else 'none'}"
        )
    return shards
