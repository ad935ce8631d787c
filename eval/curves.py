"""Density curves and histograms of one map, small enough to keep and plot beside others'."""

from __future__ import annotations

import numpy as np

from saberlm.eval.style import StyleCounts
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.vanilla import fault_of

MAX_WINDOWS = 5000
HISTOGRAMS = ("cells", "directions", "gaps")


def density_curve(beatmap: Beatmap, tempo: TempoMap, window_seconds: float) -> list[float]:
    """Notes a second in each window of the song, from second 0 to the last note.

    Args:
        beatmap: Notes that the unmodded game cannot play are left out.
        tempo: Its tempo.
        window_seconds: Length of a window, above 0. It is doubled until the curve has at most
            `MAX_WINDOWS`.

    Raises:
        ValueError: The window is not above 0.
    """
    if not window_seconds > 0:
        raise ValueError(f"expected a window above 0 seconds, found {window_seconds}")
    beats = np.array([n.beat for n in beatmap.color_notes if fault_of(n) is None], np.float64)
    if not len(beats):
        return []
    seconds = tempo.to_seconds(beats)
    while float(seconds.max()) / window_seconds >= MAX_WINDOWS:
        window_seconds *= 2
    counts = np.bincount((seconds / window_seconds).astype(np.int64))
    curve: list[float] = np.round(counts / window_seconds, 4).tolist()
    return curve


def histograms(beatmap: Beatmap, tempo: TempoMap) -> dict[str, dict[str, float]]:
    """Shares of `HISTOGRAMS`, the left hand folded onto the right, by value as text.

    Cells are ``4 * row + column``, directions the format's, gaps ticks of 1/48 beat. An aspect is
    empty where there is nothing to count.
    """
    found = StyleCounts.of(beatmap, tempo).histograms
    shares = {}
    for aspect in HISTOGRAMS:
        values, counts = found[aspect]
        total = max(1.0, float(counts.sum()))
        pairs = zip(values.tolist(), counts.tolist(), strict=True)
        shares[aspect] = {str(value): round(count / total, 6) for value, count in pairs}
    return shares
