"""Collators: window numbers to padded batches with labels.

The datasets that trainers see hold only numbers (song, difficulty, bar); the collators own the
shards and make the rows, so that
every epoch is augmented afresh and nothing but integers passes through the trainer's data code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saberlm.finetune.lessons import TaskPick, check_tasks, draw_task
from saberlm.finetune.shards import SongShard
from saberlm.finetune.windows import (
    MARGIN_BARS,
    UNKNOWN_TICK,
    WindowRow,
    make_row,
    mirrored,
    window_starts,
)
from saberlm.prompts import vocab as v

IGNORE = -100


MOST_REPEATS = 3


def repeats(songs: list[SongShard]) -> dict[str | None, int]:
    """How often windows of each difficulty come in a pass over the data: the square root of how
    much rarer its maps are than the commonest's, at most `MOST_REPEATS` times."""
    maps = Counter(d.conditions.difficulty for song in songs for d in song.difficulties)
    most = max(maps.values(), default=1)
    return {name: min(MOST_REPEATS, round((most / n) ** 0.5)) for name, n in maps.items()}


def window_table(
    songs: list[SongShard], size: int, limit: int | None = None, *, balance: bool = False
) -> dict[str, list[int]]:
    """Columns of every window of every difficulty, for `datasets.Dataset.from_dict`.

    Args:
        songs: the shards.
        size: bars a window.
        limit: take that many windows, evenly spread; None for all.
        balance: let rare difficulties come more often (`repeats`).

    Returns:
        ``song``, ``difficulty``, ``bar`` and ``length``, about the tokens of the window: rows of
        like length batch together.
    """
    times = repeats(songs) if balance else {}
    rows = [
        (i, j, start)
        for i, song in enumerate(songs)
        for j, stream in enumerate(song.difficulties)
        for start in window_starts(stream, song.num_bars, size)
        for _ in range(times.get(stream.conditions.difficulty, 1))
    ]
    if limit is not None and len(rows) > limit:
        rows = [rows[k] for k in np.linspace(0, len(rows) - 1, limit).round().astype(int)]
    return {
        "song": [r[0] for r in rows],
        "difficulty": [r[1] for r in rows],
        "bar": [r[2] for r in rows],
        "length": [
            sum(len(bar) for bar in songs[i].difficulties[j].bars[start : start + size])
            + songs[i].num_bars
            for i, j, start in rows
        ],
    }


class DataCollatorForBeatmapModeling:
    """Windows to batches for `SaberForConditionalGeneration` (right-padded, labels on map tokens
    only).

    What chance decides about a row depends on the seed, the epoch and the row alone, so that
    neither a resume, nor workers, nor processes change it. `epoch` is for the trainer to set.

    Args:
        songs: the shards that the rows number.
        size: bars a window.
        field_dropout: chance for a header field to be unknown.
        augment: shift the window's start, mirror, jitter and mask; off for validation.
        seed: of the augmentation and of the tasks.
        tasks: chances of the context tasks (`saberlm.prompts.context`); None for none.
        places: False for rows without places for the sound (`saberlm.finetune.windows`).
        latents: of each song ``(K * 16, H_a)`` for such rows, None for a song whose sound is not
            at hand; None hears nothing at all.

    Raises:
        ValueError: unknown tasks, or chances that sum to more than 1.
    """

    def __init__(
        self,
        songs: list[SongShard],
        size: int,
        *,
        field_dropout: float = 0.15,
        augment: bool = True,
        seed: int = 0,
        tasks: Mapping[str, float] | None = None,
        places: bool = True,
        latents: Sequence[np.ndarray | None] | None = None,
    ) -> None:
        self.songs = songs
        self.size = size
        self.field_dropout = field_dropout
        self.augment = augment
        self.seed = seed
        # in shared memory: workers that live from epoch to epoch are told, too
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self.places = places
        self.latents = latents
        self.tasks = dict(tasks or {})
        check_tasks(self.tasks)
        self.sketches: dict[int, np.ndarray] = {}
        self.mirrors: dict[tuple[int, int], tuple[np.ndarray, ...]] = {}

    @property
    def epoch(self) -> int:
        """Passes over the data so far."""
        return int(self._epoch)

    @epoch.setter
    def epoch(self, value: int) -> None:
        self._epoch.fill_(value)

    def row(self, song_index: int, difficulty_index: int, bar: int) -> WindowRow:
        """The row of a window; augmented if this collator augments."""
        random = Random(f"{self.seed} {self.epoch} {song_index} {difficulty_index} {bar}")
        song = self.songs[song_index]
        stream = song.difficulties[difficulty_index]
        if song_index not in self.sketches:
            self.sketches[song_index] = song.sketch() if self.places else np.zeros((0, 1))
        mirror = self.augment and random.random() < 0.5
        if self.augment:
            shift = random.randrange(-self.size // 2, self.size // 2 + 1)
            bar = min(max(0, bar + shift), song.num_bars - 1)
        return make_row(
            song,
            stream,
            self.bars(song_index, difficulty_index, mirror),
            bar,
            self.size,
            self.sketches[song_index],
            random if self.augment else None,
            field_dropout=self.field_dropout,
            pick=self.pick(song_index, difficulty_index, mirror, random),
            latents=None if self.latents is None else self.latents[song_index],
            places=self.places,
        )

    def bars(self, song: int, difficulty: int, mirror: bool) -> tuple[np.ndarray, ...]:
        """All bars of a map, mirrored or not; mirrors are kept."""
        stream = self.songs[song].difficulties[difficulty]
        if not mirror:
            return stream.bars
        if (song, difficulty) not in self.mirrors:
            self.mirrors[song, difficulty] = mirrored(stream)
        return self.mirrors[song, difficulty]

    def pick(self, song: int, difficulty: int, mirror: bool, random: Random) -> TaskPick | None:
        """Draw a window's task, and another of the song's maps where the task needs one."""
        task = draw_task(self.songs[song], difficulty, self.tasks, random)
        if task is None:
            return None
        share = random.random()
        if task != "difficulty":
            return TaskPick(task, share)
        streams = self.songs[song].difficulties
        other = random.choice([i for i in range(len(streams)) if i != difficulty])
        return TaskPick(task, share, (streams[other].conditions, self.bars(song, other, mirror)))

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor | int]:
        """See the class."""
        return collate([self.row(r["song"], r["difficulty"], r["bar"]) for r in rows], self.size)


def task_batches(
    songs: list[SongShard], size: int, rows: list[dict[str, Any]], task: str, batch: int
) -> list[dict[str, Any]]:
    """Batches of those windows that can show a task, all of them showing it, for validation.

    Args:
        songs: the shards that the rows number.
        size: bars a window.
        rows: of `window_table`.
        task: see `saberlm.prompts.context`.
        batch: rows a batch.
    """
    collator = DataCollatorForBeatmapModeling(songs, size, augment=False, tasks={task: 1.0})
    made = [collator.row(r["song"], r["difficulty"], r["bar"]) for r in rows]
    shown = [row for row in made if row.task == task]
    return [collate(shown[i : i + batch], size) for i in range(0, len(shown), batch)]


PAD_MULTIPLE = 32
"""Few distinct widths: the CPU's matrix kernels are prepared once for each."""


def _pad(rows: list[list[int]], value: int) -> Tensor:
    width = -(-max(map(len, rows)) // PAD_MULTIPLE) * PAD_MULTIPLE
    return torch.tensor([row + [value] * (width - len(row)) for row in rows])


def collate(rows: list[WindowRow], size: int) -> dict[str, Tensor | int]:
    """Pad rows of at most ``size`` bars into one batch of model inputs, labels included."""
    ids = _pad([row.stream.ids for row in rows], v.PAD)
    mask = _pad([row.stream.loss_mask for row in rows], 0)
    live = _pad([[1] * len(row.stream.ids) for row in rows], 0)
    tokens: dict[str, Tensor | int] = {
        "input_ids": ids,
        "attention_mask": live,
        "labels": ids.masked_fill(mask == 0, IGNORE),
    }
    if not len(rows[0].features):
        return tokens | _heard(rows)
    targets = torch.full((len(rows), size * v.TICKS_PER_SEGMENT), UNKNOWN_TICK, dtype=torch.int8)
    sketch = torch.zeros(len(rows), max(len(r.sketch) for r in rows), rows[0].sketch.shape[1])
    for i, row in enumerate(rows):
        targets[i, : len(row.onset_targets)] = torch.from_numpy(row.onset_targets)
        sketch[i, : len(row.sketch)] = torch.from_numpy(row.sketch)
    return tokens | {
        "audio_features": torch.from_numpy(np.stack([row.features for row in rows])),
        "audio_num_bars": torch.tensor([row.num_bars for row in rows]),
        "audio_first_bar": torch.tensor([row.first_bar for row in rows]),
        "audio_margin_bars": MARGIN_BARS,
        "sketch_features": sketch,
        "sketch_num_bars": torch.tensor([len(row.sketch) for row in rows]),
        "onset_conditions": torch.from_numpy(np.stack([row.onset_conditions for row in rows])),
        "onset_targets": targets,
    }


def _heard(rows: list[WindowRow]) -> dict[str, Tensor | int]:
    """Latents of rows without places ``(B, N, H_a)``, zeros where there are none; nothing if no row
    hears."""
    given = [row.latents for row in rows if row.latents is not None]
    if not given:
        return {}
    out = torch.zeros(len(rows), max(map(len, given)), given[0].shape[1])
    for row, into in zip(rows, out, strict=True):
        if row.latents is not None:
            into[: len(row.latents)] = torch.from_numpy(row.latents)
    return {"audio_latents": out}


__all__ = ["DataCollatorForBeatmapModeling", "collate", "task_batches", "window_table"]
