"""Plain ways to find a steady tempo, that `bench_tempo` sets the real one beside."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from saberlm.infer.onsets import OnsetCurve
from saberlm.infer.tempo_comb import Comb, find_tempi, whole_bpm
from saberlm.infer.tempo_phase import PHASES, profile

Floats = npt.NDArray[np.float64]


LIBROSA_LAG_SECONDS = 0.041
"""Librosa's beats come this much after the mappers' beats: the median over the 71 train songs whose
tempo the line through them gets right. With it, no line would be within 20 ms at both ends."""


def librosa_beats(samples: npt.NDArray[np.float32], rate: int) -> tuple[float, Floats]:
    """Tempo in BPM of ``librosa.beat.beat_track`` as it comes, and its beat times in seconds less
    their usual lag."""
    import librosa

    tempo, beats = librosa.beat.beat_track(y=samples, sr=rate, units="time")
    return float(np.atleast_1d(tempo)[0]), np.asarray(beats, np.float64) - LIBROSA_LAG_SECONDS


def line_fit(beats: Floats) -> tuple[float, float]:
    """Tempo in BPM and first beat of the least-squares line through beat times; beats left out
    are counted by the median step."""
    steps = np.maximum(1, np.round(np.diff(beats) / np.median(np.diff(beats))))
    numbers = np.concatenate([[0], np.cumsum(steps)])
    slope, start = np.polyfit(numbers, beats, 1)
    return float(60 / slope), float(start)


def comb_alone(curve: OnsetCurve) -> tuple[float, float]:
    """The strongest comb in 95-190 BPM, the half beat and beat of the bar with most onsets and low
    band: what saberlm did before it had a beat network."""
    comb = Comb(curve.full, len(curve.full) / curve.duration)
    bpm = whole_bpm(comb, float(find_tempi(comb, curve.duration, 1)[0]), curve.duration)
    beats = curve.times * bpm / 60
    bar, low = profile(curve.full, beats, 4), profile(curve.low, beats, 4)
    bar, low = bar / (bar.sum() + 1e-9), low / (low.sum() + 1e-9)
    fine = int(np.argmax(bar.reshape(-1, PHASES // 2).sum(axis=0)))
    beat = (bar + 0.5 * low).reshape(4, PHASES).sum(axis=0)
    phase = max((fine, fine + PHASES // 2), key=lambda place: float(beat[place]))
    first = max(range(4), key=lambda number: float(low[phase + number * PHASES]))
    return bpm, float((phase / PHASES + first) * 60 / bpm)
