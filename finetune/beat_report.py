"""How well the beat network's peaks meet the beats of human maps.

Conventions: beats of the fitted grid between the first and the last note are the reference; peaks
of the chances there are the estimate, refined between frames. An estimate meets a reference at most
once, each its nearest, within a tolerance. F1 counts peaks of at least `THRESHOLD`; average
precision ranks all peaks of at least `LEAST` by their height. ``bar`` is the share of songs whose
beats of four hear their downbeat at the reference's, on the average. All are means over songs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from saberlm.finetune.beat_data import BEATS_A_BAR, BeatSong
from saberlm.infer.beat_net import BeatActivations, BeatNet, activations_of

THRESHOLD, LEAST = 0.3, 0.02
APART_FRAMES = 6  # peaks are the highest within this many frames to either side: 0.12 s
WIDE, NARROW = 0.07, 0.02  # tolerances in seconds

Floats = npt.NDArray[np.float64]


def peaks(chances: npt.ArrayLike, fps: float, least: float) -> tuple[Floats, Floats]:
    """Times in seconds and heights of a curve's peaks, the time from a parabola through three
    frames' logarithms."""
    curve = np.asarray(chances, np.float64)
    if len(curve) < 3:
        return np.zeros(0), np.zeros(0)
    padded = np.pad(curve, APART_FRAMES, constant_values=-1.0)
    around = np.lib.stride_tricks.sliding_window_view(padded, APART_FRAMES).max(axis=1)
    before, after = around[: len(curve)], around[APART_FRAMES + 1 :]
    at = np.flatnonzero((curve > before) & (curve >= after) & (curve >= least))
    at = at[(at > 0) & (at < len(curve) - 1)]
    left, middle, right = (np.log(np.maximum(curve[at + step], 1e-6)) for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    moved = np.where(bend < -1e-9, 0.5 * (left - right) / np.minimum(bend, -1e-9), 0.0)
    return (at + np.clip(moved, -0.5, 0.5)) / fps, curve[at]


def met(estimates: Floats, references: Floats, tolerance: float) -> npt.NDArray[np.bool_]:
    """Which estimates (E,) meet one of the sorted references (R,), (E,)."""
    found = np.zeros(len(estimates), bool)
    if not len(estimates) or not len(references):
        return found
    right = np.clip(np.searchsorted(references, estimates), 1, max(1, len(references) - 1))
    right = np.minimum(right, len(references) - 1)
    left = np.maximum(right - 1, 0)
    nearer_left = np.abs(estimates - references[left]) <= np.abs(estimates - references[right])
    nearest = np.where(nearer_left, left, right)
    apart = np.abs(estimates - references[nearest])
    taken: set[int] = set()
    for one in np.argsort(apart, kind="stable"):
        if apart[one] <= tolerance and int(nearest[one]) not in taken:
            taken.add(int(nearest[one]))
            found[one] = True
    return found


def f1(hits: int, estimates: int, references: int) -> float:
    """F1 of counts; 0 where there is nothing on either side."""
    return 2 * hits / max(1, estimates + references)


def average_precision(heights: Floats, hit: npt.NDArray[np.bool_], references: int) -> float:
    """Mean precision at each reference met, peaks ranked by height; those never met count 0."""
    ranked = hit[np.argsort(-heights, kind="stable")]
    precision = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return float(precision[ranked].sum() / max(1, references))


def measure(net: BeatNet, songs: Sequence[BeatSong]) -> dict[str, float]:
    """Mean F1 and average precision over songs, by name, as the module says."""
    rows = [_measure_song(net, song) for song in songs]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]} if rows else {}


def _measure_song(net: BeatNet, song: BeatSong) -> dict[str, float]:
    heard = activations_of(song.features, net)
    row = {"bar": float(_first_of_bar(song, heard) == 0)}
    for name, chances, step in (
        ("beat", heard.beat, 1),
        ("downbeat", heard.downbeat, BEATS_A_BAR),
    ):
        length = step * 60 / song.bpm
        first = np.ceil((song.first_seconds - song.offset_seconds) / length - 1e-6)
        last = np.floor((song.last_seconds - song.offset_seconds) / length + 1e-6)
        true = song.offset_seconds + np.arange(first, last + 1) * length
        times, heights = peaks(chances, heard.fps, LEAST)
        inside = (times >= song.first_seconds - WIDE) & (times <= song.last_seconds + WIDE)
        times, heights = times[inside], heights[inside]
        high = heights >= THRESHOLD
        for tolerance in (WIDE, NARROW):
            hits = int(met(times[high], true, tolerance).sum())
            label = f"{name} F1@{tolerance * 1000:.0f}"
            row[label] = f1(hits, int(high.sum()), len(true))
        row[f"{name} AP@{WIDE * 1000:.0f}"] = average_precision(
            heights, met(times, true, WIDE), len(true)
        )
    return row


def _first_of_bar(song: BeatSong, heard: BeatActivations) -> int:
    """Which beat of four, counted from the reference's downbeats, is heard as a downbeat, 0-3."""
    beats = np.arange(
        np.ceil((song.first_seconds - song.offset_seconds) * song.bpm / 60),
        np.ceil((song.last_seconds - song.offset_seconds) * song.bpm / 60),
    )
    frames = np.round((song.offset_seconds + beats * 60 / song.bpm) * heard.fps).astype(int)
    chances = heard.downbeat[np.clip(frames, 0, len(heard.downbeat) - 1)]
    place = beats.astype(int) % BEATS_A_BAR
    sums = np.bincount(place, chances, BEATS_A_BAR)
    return int((sums / np.maximum(1, np.bincount(place, minlength=BEATS_A_BAR))).argmax())
