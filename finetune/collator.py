"""Collators: window numbers to padded batches with labels.

The datasets that trainers see hold only numbers (song, difficulty, bar); the collators own the
shards and make the rows, so that
every epoch is augmented afresh and nothing but integers passes through the trainer's data code.
"""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor

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


def window_table(
    songs: list[SongShard], size: int, limit: int | None = None
) -> dict[str, list[int]]:
    """Columns of every window of every difficulty, for `datasets.Dataset.from_dict`.

    Args:
        songs: the shards.
        size: bars a window.
        limit: take that many windows, evenly spread; None for all.

    Returns:
        ``song``, ``difficulty``, ``bar`` and ``length``, about the tokens of the window: rows of
        like length batch together.
    """
    rows = [
        (i, j, start)
        for i, song in enumerate(songs)
        for j, stream in enumerate(song.difficulties)
        for start in window_starts(stream, song.num_bars, size)
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

    Args:
        songs: the shards that the rows number.
        size: bars a window.
        field_dropout: chance for a header field to be unknown.
        augment: shift the window's start, mirror, jitter and mask; off for validation.
        seed: of the augmentation.
    """

    def __init__(
        self,
        songs: list[SongShard],
        size: int,
        *,
        field_dropout: float = 0.15,
        augment: bool = True,
        seed: int = 0,
    ) -> None:
        self.songs = songs
        self.size = size
        self.field_dropout = field_dropout
        self.augment = augment
        self.random = Random(seed)
        self.sketches: dict[int, np.ndarray] = {}
        self.mirrors: dict[tuple[int, int], tuple[np.ndarray, ...]] = {}

    def row(self, song_index: int, difficulty_index: int, bar: int) -> WindowRow:
        """The row of a window; augmented if this collator augments."""
        song = self.songs[song_index]
        stream = song.difficulties[difficulty_index]
        if song_index not in self.sketches:
            self.sketches[song_index] = song.sketch()
        bars = stream.bars
        if not self.augment:
            return make_row(song, stream, bars, bar, self.size, self.sketches[song_index], None)
        if self.random.random() < 0.5:
            key = (song_index, difficulty_index)
            if key not in self.mirrors:
                self.mirrors[key] = mirrored(stream)
            bars = self.mirrors[key]
        bar = min(
            max(0, bar + self.random.randrange(-self.size // 2, self.size // 2 + 1)),
            song.num_bars - 1,
        )
        return make_row(
            song,
            stream,
            bars,
            bar,
            self.size,
            self.sketches[song_index],
            self.random,
            field_dropout=self.field_dropout,
        )

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor | int]:
        """See the class."""
        return collate([self.row(r["song"], r["difficulty"], r["bar"]) for r in rows], self.size)


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
    targets = torch.full((len(rows), size * v.TICKS_PER_SEGMENT), UNKNOWN_TICK, dtype=torch.int8)
    sketch = torch.zeros(len(rows), max(len(r.sketch) for r in rows), rows[0].sketch.shape[1])
    for i, row in enumerate(rows):
        targets[i, : len(row.onset_targets)] = torch.from_numpy(row.onset_targets)
        sketch[i, : len(row.sketch)] = torch.from_numpy(row.sketch)
    return {
        "input_ids": ids,
        "attention_mask": live,
        "labels": ids.masked_fill(mask == 0, IGNORE),
        "audio_features": torch.from_numpy(np.stack([row.features for row in rows])),
        "audio_num_bars": torch.tensor([row.num_bars for row in rows]),
        "audio_first_bar": torch.tensor([row.first_bar for row in rows]),
        "audio_margin_bars": MARGIN_BARS,
        "sketch_features": sketch,
        "sketch_num_bars": torch.tensor([len(row.sketch) for row in rows]),
        "onset_conditions": torch.from_numpy(np.stack([row.onset_conditions for row in rows])),
        "onset_targets": targets,
    }


__all__ = ["DataCollatorForBeatmapModeling", "collate", "window_table"]
