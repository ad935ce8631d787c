"""A song's beats to look at: onset strength with beats and downbeats, and how the sound drifts from
the grid."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saberlm.infer.onsets import OnsetCurve
from saberlm.infer.tempo_estimate import TempoEstimate
from saberlm.infer.tempo_phase import EARLY_SECONDS

Floats = npt.NDArray[np.float64]

BEATS_A_BAR = 4
DRIFT_BEATS = 8  # beats that each point of the drift is read from
SHOWN_SECONDS = 12.0  # of onset strength, at the start, the middle and the end


def grid_beats(found: TempoEstimate, seconds: float) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Times (N,) of the estimate's beats inside a song, and their numbers (N,) from beat 0."""
    starts = [found.offset_seconds, *(piece.seconds for piece in found.events), seconds]
    tempi = [found.bpm, *(piece.bpm for piece in found.events)]
    before = int(np.floor(found.offset_seconds * found.bpm / 60 + 1e-9))
    times = [found.offset_seconds - np.arange(before, 0, -1) * 60 / found.bpm]
    for start, end, bpm in zip(starts, starts[1:], tempi, strict=False):
        count = max(0, int(np.ceil((end - start) * bpm / 60 - 1e-6)))
        times.append(start + np.arange(count) * 60 / bpm)
    joined = np.concatenate(times)
    return joined, np.arange(len(joined)) - before


@dataclass(frozen=True)
class Drift:
    """How far onsets lie from a grid along a song.

    Attributes:
        seconds: (P,) middles of stretches of ``DRIFT_BEATS`` beats.
        late: (P,) seconds that onsets near the quarters of a beat come later than the usual
            ``EARLY_SECONDS`` after them, by their mean direction on the circle; within an eighth of
            a beat.
        clear: (P,) 0-1, how well they agree.
    """

    seconds: Floats
    late: Floats
    clear: Floats


def drift(curve: OnsetCurve, beats: Floats) -> Drift:
    """How far a song's onsets lie from its beats (N,), in seconds, ``DRIFT_BEATS`` of them or
    more."""
    numbers = np.interp(curve.times, beats, np.arange(len(beats)), left=np.nan, right=np.nan)
    turned = curve.full * np.exp(2j * np.pi * 4 * np.nan_to_num(numbers))
    turned[np.isnan(numbers)] = 0
    places = np.arange(0, len(beats) - DRIFT_BEATS + 1, DRIFT_BEATS)
    edges = np.searchsorted(curve.times, beats[[*places, min(len(beats) - 1, places[-1] + 8)]])
    sums = np.array([turned[a:b].sum() for a, b in pairwise(edges)])
    whole = np.array([curve.full[a:b].sum() for a, b in pairwise(edges)])
    middles = (beats[places] + beats[np.minimum(places + DRIFT_BEATS, len(beats) - 1)]) / 2
    step = np.median(np.diff(beats)) / 4
    # turned back by what is usual first, so that the circle is cut far from 0
    angles = np.angle(sums * np.exp(-2j * np.pi * EARLY_SECONDS / step))
    return Drift(middles, angles / (2 * np.pi) * step, np.abs(sums) / (whole + 1e-9))


def check_plot_name(out: Path) -> None:
    """Refuse a name that says no kind of picture, or lies nowhere.

    Raises:
        ValueError: a suffix other than ``.svg`` and ``.png``, or a folder that is not there or
            must not be written to.
    """
    if out.suffix.lower() not in {".svg", ".png"}:
        raise ValueError(f"--plot: expected a name ending in .svg or .png, found {out.name}")
    if not out.parent.is_dir():
        raise ValueError(f"--plot: expected a folder to write to, found none at {out.parent}")
    if not os.access(out.parent, os.W_OK):
        raise ValueError(
            f"--plot: expected a folder to write to, found that {out.parent} must not be written to"
        )


def plot_tempo(found: TempoEstimate, curve: OnsetCurve, out: Path, title: str) -> None:
    """Draw the estimate over the song's onset strength into an SVG or PNG file.

    Raises:
        ValueError: another suffix.
        ModuleNotFoundError: matplotlib, of the extra ``report``, is not installed.
    """
    check_plot_name(out)
    from matplotlib.figure import Figure

    beats, numbers = grid_beats(found, curve.duration)
    figure = Figure(figsize=(12, 9), layout="constrained")
    spans = (0.0, curve.duration / 2 - SHOWN_SECONDS / 2, curve.duration - SHOWN_SECONDS)
    *rows, last = figure.subplots(4, 1, height_ratios=(1, 1, 1, 1.3))
    for axis, start, where in zip(rows, spans, ("start", "middle", "end"), strict=True):
        _draw_span(axis, curve, beats, numbers, max(0.0, start))
        axis.set_ylabel(f"onset strength,\n{where}")
    rows[0].set_title(
        f"{title}: {found.bpm:g} BPM, first bar at {found.offset_seconds:.3f} s, confidence"
        f" {found.confidence:.2f}"
    )
    rows[0].legend(loc="upper right", ncols=3, fontsize=8)
    if len(beats) > DRIFT_BEATS:
        found_drift = drift(curve, beats)
        shades = last.scatter(
            found_drift.seconds,
            1000 * found_drift.late,
            c=found_drift.clear,
            cmap="Greys",
            vmin=0,
            vmax=0.6,
            s=22,
            edgecolors="0.5",
        )
        figure.colorbar(shades, ax=last, label="agreement", pad=0.01)
    for piece in found.events:
        last.axvline(piece.seconds, color="tab:red", linewidth=1)
        last.annotate(f"{piece.bpm:g}", (piece.seconds, 38), color="tab:red", fontsize=8)
    last.axhspan(-10, 10, color="tab:green", alpha=0.12)
    last.set(
        xlim=(0, curve.duration),
        ylim=(-45, 45),
        xlabel="seconds",
        ylabel="onsets after the grid, ms\n(8 beats a point)",
    )
    last.grid(alpha=0.3)
    partial = out.with_name(out.name + ".partial")
    figure.savefig(partial, format=out.suffix.lower()[1:], dpi=110)
    partial.replace(out)


def _draw_span(
    axis: Any, curve: OnsetCurve, beats: Floats, numbers: npt.NDArray[np.int64], start: float
) -> None:
    """``SHOWN_SECONDS`` of onset strength with the beats on it."""
    end = min(curve.duration, start + SHOWN_SECONDS)
    inside = (curve.times >= start) & (curve.times <= end)
    top = float(curve.full[inside].max()) * 1.05 + 1e-6
    shown = (beats >= start) & (beats <= end)
    first = numbers % BEATS_A_BAR == 0
    axis.vlines(beats[shown & ~first], 0, top, color="tab:orange", linewidth=1, label="beat")
    axis.vlines(beats[shown & first], 0, top, color="tab:red", linewidth=2, label="first of bar")
    axis.plot(curve.times[inside], curve.full[inside], color="0.2", linewidth=0.8, label="onsets")
    axis.set(xlim=(start, end), ylim=(0, top), yticks=[])
