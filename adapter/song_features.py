"""A song's features on its grid, bar by bar: what the tower is fed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from saberlm.adapter.frontend import (
    GRID_PER_BEAT,
    FrontEnd,
    cell_edges,
    grid_edges,
    grid_frames,
)

BEATS_PER_BAR = 4


class SongFeatures(NamedTuple):
    """Grid frames ``(F, D)``, the mean frame of each bar ``(K, D)``, and the number of bars K."""

    audio: Tensor
    sketch: Tensor
    num_bars: int


def song_features(
    samples: np.ndarray,
    front: FrontEnd,
    *,
    bpm: float | None = None,
    offset_seconds: float = 0.0,
    seconds_of: Callable[[np.ndarray], np.ndarray] | None = None,
    margin_bars: int = 0,
) -> SongFeatures:
    """Features of a whole song.

    Args:
        samples: mono, at the front end's rate, ``(T,)``.
        front: the front end.
        bpm: tempo of a steady grid.
        offset_seconds: time of its beat 0, the first bar's start.
        seconds_of: a grid of any tempo, instead of the two: beats from the first bar's start,
            rising and below 0 too, to seconds.
        margin_bars: bars of context to add either side; the grid frames begin so many before bar 0.

    Raises:
        ValueError: neither or both of ``bpm`` and ``seconds_of``.
    """
    frames = front.encode(torch.from_numpy(np.ascontiguousarray(samples))).numpy()
    seconds = len(samples) / front.sample_rate
    first = -margin_bars * BEATS_PER_BAR
    if bpm is not None and seconds_of is None:
        bars = max(1, int(np.ceil((seconds - offset_seconds) * bpm / 60 / BEATS_PER_BAR)))
        num_beats = (bars + 2 * margin_bars) * BEATS_PER_BAR
        edges = grid_edges(bpm, offset_seconds, first, num_beats)
    elif seconds_of is not None and bpm is None:
        bars = _bars_until(seconds, seconds_of)
        edges = seconds_of(cell_edges(first, (bars + 2 * margin_bars) * BEATS_PER_BAR))
    else:
        raise ValueError("expected one of bpm and seconds_of, found both or neither")
    grid = grid_frames(frames, front.frame_rate, edges)
    cells = BEATS_PER_BAR * GRID_PER_BEAT
    inner = grid[margin_bars * cells : (margin_bars + bars) * cells]
    sketch = inner.reshape(bars, cells, -1).mean(1)
    return SongFeatures(torch.from_numpy(grid), torch.from_numpy(sketch), bars)


def _bars_until(seconds: float, seconds_of: Callable[[np.ndarray], np.ndarray]) -> int:
    """Bars, at least one, from beat 0 until ``seconds``, the last one whole."""
    most = 1
    while seconds_of(np.array([float(most * BEATS_PER_BAR)]))[0] < seconds:
        most *= 2
    starts = seconds_of(BEATS_PER_BAR * np.arange(1.0, most + 1))
    return 1 + int((starts < seconds).sum())
