"""How sure a mean over songs is: the songs are drawn again and again, all maps of a song together.

Maps of one song are not independent, so it is songs that are drawn. Intervals are the percentiles
of the drawn means; the same seed draws the same songs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

DRAWS = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over maps with its confidence interval.

    Attributes:
        mean: None without maps.
        low: Lower end; None with fewer than two songs.
        high: Upper end, likewise.
        maps: Maps with a value.
        songs: Songs that they are of.
    """

    mean: float | None
    low: float | None
    high: float | None
    maps: int
    songs: int

    def to_dict(self) -> dict[str, float | int | None]:
        """The interval as plain JSON values."""
        return asdict(self)

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies above or below 0."""
        return self.low is not None and self.high is not None and self.low * self.high > 0


def mean_interval(
    by_song: Mapping[str, Sequence[float | None]],
    seed: int = 0,
    level: float = LEVEL,
    draws: int = DRAWS,
) -> Interval:
    """Mean of all values, and its interval over draws of songs.

    Args:
        by_song: Values of each song's maps; None is left out.
        seed: Of the draws.
        level: Share of the draws inside the interval, between 0 and 1.
        draws: How many times the songs are drawn.

    Raises:
        ValueError: A value is not finite, or the level or the draws mean nothing.
    """
    if not 0 < level < 1 or draws < 1:
        raise ValueError(f"expected a level in (0, 1) and draws, found {level} and {draws}")
    sums, counts = [], []
    for song in sorted(by_song):
        values = [value for value in by_song[song] if value is not None]
        if not all(math.isfinite(value) for value in values):
            raise ValueError(f"expected finite values, found one that is not: song {song}")
        if values:
            sums.append(math.fsum(values))
            counts.append(len(values))
    if not counts:
        return Interval(None, None, None, 0, 0)
    mean = math.fsum(sums) / sum(counts)
    if len(counts) < 2:
        return Interval(mean, None, None, sum(counts), 1)
    drawn = np.random.default_rng(seed).integers(len(counts), size=(draws, len(counts)))
    means = np.array(sums)[drawn].sum(axis=1) / np.array(counts)[drawn].sum(axis=1)
    low, high = np.quantile(means, ((1 - level) / 2, (1 + level) / 2))
    return Interval(mean, float(low), float(high), sum(counts), len(counts))
