"""Which bars of a song sound alike, by what the tower makes of them.

A bar is compared by the cosine of its latents, the song's mean taken off, and in its surroundings:
two bars of which the neighbours are alike, too, are the same place of a verse that comes again
rather than two hits of the same drum.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

REACH_BARS = 2
"""Bars either side that make a bar's surroundings."""
LEAST_BARS_BACK = 2
"""The bar just before is a continuation rather than a place that comes again."""


class Echoes(NamedTuple):
    """For each bar the earlier one of which the surroundings sound most like its own, ``(K,)``; -1
    where there is none, and how much, -1 to 1, ``(K,)``."""

    bar: npt.NDArray[np.int64]
    likeness: Floats


def bar_cosines(latents: npt.NDArray[np.floating]) -> Floats:
    """Cosines between bars ``(K, K)``.

    Args:
        latents: ``(K, D)``, a row a bar.
    """
    x = latents.astype(np.float64)
    x = x - x.mean(axis=0)
    x /= np.linalg.norm(x, axis=1, keepdims=True) + 1e-9
    out: Floats = x @ x.T
    return out


def around(cosines: Floats, reach: int = REACH_BARS) -> Floats:
    """The mean over bars and those before and after them, ``(K, K)``: of (i, j) with (i - 1, j - 1)
    and so on, as far as both exist."""
    count = len(cosines)
    total, terms = np.zeros_like(cosines), np.zeros_like(cosines)
    for step in range(-reach, reach + 1):
        first, last = max(0, -step), min(count, count - step)
        if first < last:
            here, there = slice(first, last), slice(first + step, last + step)
            total[here, here] += cosines[there, there]
            terms[here, here] += 1
    out: Floats = total / terms
    return out


def echoes(latents: npt.NDArray[np.floating]) -> Echoes:
    """See `Echoes`.

    Args:
        latents: ``(K, D)``, a row a bar.
    """
    like = around(bar_cosines(latents))
    count = len(like)
    bars, found = np.full(count, -1, np.int64), np.zeros(count)
    for bar in range(LEAST_BARS_BACK, count):
        earlier = like[bar, : bar - LEAST_BARS_BACK + 1]
        bars[bar] = int(earlier.argmax())
        found[bar] = earlier[bars[bar]]
    return Echoes(bars, found)
