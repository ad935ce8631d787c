"""Which tempi a song may have: combs over the spectra of its onset and beat curves.

A steady pulse makes a line in the spectrum of the onset curve at its rate and at the multiples of
it. Tempi are sought in one octave, 95-190 BPM, where each pulse has one name; which octave of it
the level states is decided elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from saberlm.infer.onsets import OnsetCurve
from saberlm.prompts.tempo import MAX_GRID_BPM, MIN_GRID_BPM, fold_bpm

Floats = npt.NDArray[np.float64]

HARMONICS = ((0.5, 0.5), (1.0, 1.0), (2.0, 1.0), (4.0, 0.7))  # (times the beat rate, weight)
SHARP_HARMONICS = ((2.0, 1.0), (4.0, 1.0), (8.0, 1.0), (16.0, 0.5))
"""Of the comb that a tempo's last digits are read with: onsets on quarters and eighths of a beat
pin it down better (80 % of 176 maps' tempi to 3 ms at the song's ends; ``HARMONICS`` 59 %)."""
NUM_PEAKS = 12  # tempi that the comb proposes
APART = 3e-3  # tempi nearer than this share of one another are one tempo and its side lobes
ROUND_SECONDS = 0.020  # most that a whole or half BPM may move the beats at either end of the song
ROUND_STRENGTH = 0.9  # least share of the comb's strength that it keeps


class Comb:
    """Strength of any tempo, from one zero-padded FFT of a centred curve.

    Args:
        curve: (F,) values of 0 or more.
        fps: frames a second.
    """

    def __init__(self, curve: npt.NDArray[np.float32], fps: float) -> None:
        root = np.sqrt(curve)
        size = 1 << math.ceil(math.log2(len(curve) * 8))
        self.spectrum: Floats = np.abs(np.fft.rfft(root - root.mean(), size)).astype(np.float64)
        self.spectrum /= math.sqrt(float(((root - root.mean()) ** 2).sum()) * len(curve)) + 1e-9
        self.bins_a_hertz = size / fps

    def at(self, bpm: Floats, harmonic: float = 1.0) -> Floats:
        """(N,) strength, 0-1, of the lines at ``harmonic`` times tempi (N,) in BPM."""
        place = np.asarray(bpm, np.float64) / 60 * harmonic * self.bins_a_hertz
        low = np.minimum(place.astype(np.int64), len(self.spectrum) - 2)
        upper = np.clip(place - low, 0, 1)
        line: Floats = (1 - upper) * self.spectrum[low] + upper * self.spectrum[low + 1]
        return line

    def __call__(self, bpm: Floats, harmonics: Sequence[tuple[float, float]] = HARMONICS) -> Floats:
        """(N,) weighed sum over harmonics."""
        total = np.zeros(len(bpm))
        for harmonic, weight in harmonics:
            total += weight * self.at(bpm, harmonic)
        return total


def find_tempi(comb: Comb, duration: float, count: int = NUM_PEAKS) -> Floats:
    """The tempi in BPM, 95-190, strongest first, that the comb proposes: ``count`` at most.

    Args:
        comb: over the whole song.
        duration: the song's length in seconds.
        count: how many.
    """
    # the fourth harmonic's main lobe is 60 / (4 T) BPM wide to either side
    step = 60 / (duration * 16)
    grid = np.arange(MIN_GRID_BPM, MAX_GRID_BPM, step)
    score = comb(grid)
    peaks = np.flatnonzero((score >= np.roll(score, 1)) & (score >= np.roll(score, -1)))
    found: list[float] = []
    for peak in peaks[np.argsort(-score[peaks])]:
        if all(abs(grid[peak] / bpm - 1) > APART for bpm in found):
            found.append(sharpen(comb, float(grid[peak]), step))
            if len(found) == count:
                break
    return np.array(found)


def sharpen(comb: Comb, bpm: float, step: float) -> float:
    """The strongest tempo within ``step`` BPM or a little more of ``bpm``, to 0.001 BPM or
    finer."""
    for harmonics, reach in ((HARMONICS, step), (SHARP_HARMONICS, step)):
        while reach > 5e-4:
            grid = bpm + reach * np.linspace(-1, 1, 9)
            bpm = float(grid[np.argmax(comb(grid, harmonics))])
            reach /= 3
    return fold_bpm(bpm)


def whole_bpm(comb: Comb, bpm: float, duration: float) -> float:
    """``bpm`` made whole, or half, where the sound cannot tell the two apart.

    That is where beats at the song's ends move by ``ROUND_SECONDS`` at most and the comb keeps
    ``ROUND_STRENGTH`` of its strength: of 180 human maps' tempi nine in ten are whole.
    """
    strength = float(comb(np.array([bpm]), SHARP_HARMONICS)[0])
    for unit in (1.0, 0.5):
        rounded = round(bpm / unit) * unit
        kept = float(comb(np.array([rounded]), SHARP_HARMONICS)[0]) / (strength + 1e-12)
        if abs(rounded / bpm - 1) * duration / 2 <= ROUND_SECONDS and kept >= ROUND_STRENGTH:
            return rounded
    return round(bpm, 3)


def coherence(curve: OnsetCurve, bpm: float) -> float:
    """Agreement in phase of the song's single beats at the beat, half or quarter rate, 0-1."""
    fps = len(curve.full) / curve.duration
    stretch = max(1, round(60 / bpm * fps))
    used = max(1, len(curve.full) // stretch) * stretch
    full = np.pad(curve.full, (0, max(0, used - len(curve.full))))[:used].astype(np.float64)
    best = 0.0
    for harmonic in (1, 2, 4):
        turned = full * np.exp(-2j * np.pi * harmonic * bpm / 60 * np.arange(used) / fps)
        parts = turned.reshape(-1, stretch).sum(axis=1)
        best = max(best, float(np.abs(parts.sum()) / (np.abs(parts).sum() + 1e-9)))
    return best
