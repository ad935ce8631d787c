"""Fit each human map's grid: the tempo octave and phase that put its notes on the beat.

About half of the real maps carry a constant offset between their notes and beat 0, and some state
half or double the tempo
(DESIGN section 2). Training on the raw grid would teach noise, so the data build fits the grid
first and reports what it did; work on a human's level finds the beats in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saberlm.prompts.tempo import fold_bpm

_SIGMA_SECONDS = 0.006
_SUBDIVISIONS = ((1, 0.4), (2, 0.3), (4, 1.0))


@dataclass(frozen=True)
class FittedGrid:
    """A steady grid: beat b falls at ``offset_seconds + b * 60 / bpm``; ``on_grid`` is the share
    of notes on its quarters."""

    bpm: float
    offset_seconds: float
    on_grid: float


def fit_phase(seconds: np.ndarray, bpm: float) -> float:
    """Phase in beats (0 <= phase < 1) of the grid at ``bpm`` that best explains note times.

    Scores phases by how near the notes lie to whole, half and quarter beats (Gaussian of 6 ms),
    prefers the stated phase 0
    within 3 %, and refines the winner by the median residual.
    """
    beats = seconds * bpm / 60
    sigma = _SIGMA_SECONDS * bpm / 60
    phases = np.arange(0, 1, 1 / 480)
    # scores repeat with the fraction of the beat, so histogram it instead of comparing every note
    # with every phase
    counts = np.bincount(np.round((beats % 1) * 1920).astype(int) % 1920, minlength=1920)
    places = np.arange(1920) / 1920
    offset = places[None, :] - phases[:, None]
    scores = np.zeros(len(phases))
    for division, weight in _SUBDIVISIONS:
        distance = np.abs(offset * division - np.round(offset * division)) / division
        scores += weight * (np.exp(-0.5 * (distance / sigma) ** 2) @ counts)
    best = int(scores.argmax())
    if scores[0] >= 0.97 * scores[best]:
        return 0.0
    phase = float(phases[best])
    residual = (beats - phase) * 4
    residual -= np.round(residual)
    near = np.abs(residual) / 4 < 2 * sigma
    if near.any():
        phase += float(np.median(residual[near])) / 4
    return phase % 1


def on_quarters(seconds: np.ndarray, bpm: float, phase: float) -> float:
    """Share of notes within 1/96 beat of a quarter of a beat."""
    quarters = (seconds * bpm / 60 - phase) * 4
    return float((np.abs(quarters - np.round(quarters)) / 4 <= 1 / 96).mean())


def choose_downbeat(seconds: np.ndarray, bpm: float, phase: float) -> int:
    """Which beat of four starts the bar, 0-3, from where the notes' weight falls; 0 unless another
    is clearly fuller.

    Mappers place beat 0 on a downbeat, so the stated bar holds unless the evidence is strong.
    """
    beats = seconds * bpm / 60 - phase
    whole = np.round(beats)
    near = np.abs(beats - whole) < 1 / 48
    counts = np.bincount(whole[near].astype(int) % 4, minlength=4)
    return int(counts.argmax()) if counts.max() > 1.5 * max(1, counts[0]) else 0


def fit_grid(seconds: np.ndarray, stated_bpm: float) -> FittedGrid:
    """The grid of a song from all of its notes' times.

    Args:
        seconds: times of the notes of all difficulties, any order, at least one.
        stated_bpm: the tempo that Info.dat gives.
    """
    bpm = fold_bpm(stated_bpm)
    phase = fit_phase(seconds, bpm)
    start = phase + choose_downbeat(seconds, bpm, phase)
    # as near to the song's start as whole bars allow, and not after it: bar 0 holds second 0
    start -= 4 * np.ceil(start / 4) if start > 1e-9 else 0
    return FittedGrid(bpm, float(start) * 60 / bpm, on_quarters(seconds, bpm, phase))
