"""Tempo and first beat from the sound, for songs of one steady tempo.

A Fourier comb over the onset curve of the whole song (beat, half, double and quadruple rates) names
the tempo: folded into 95-190 BPM as mappers write it, sharpened over the whole song and made whole
(or half) when that moves the beats at either end by under 10 ms. The phase is where onsets gather;
the low band helps to tell beat from half beat, and says which beat of four begins a bar. Songs
whose tempo wanders get a low ``confidence``; nothing here follows a tempo.

A line through librosa's beats as a second witness left the number of right tempi among 74 real
songs as it was (69) and cost seconds a song, so it is not asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saberlm.infer.onsets import FPS, OnsetCurve, onset_curve
from saberlm.prompts.tempo import MAX_GRID_BPM, MIN_GRID_BPM, fold_bpm

Floats = npt.NDArray[np.float64]

MIN_BPM, MAX_BPM = 10.0, 1000.0  # what BeatSaver accepts
BEATS_A_BAR = 4
HARMONICS = ((0.5, 0.5), (1.0, 1.0), (2.0, 1.0), (4.0, 0.7))  # (times the beat rate, weight)
ROUND_SECONDS = 0.010  # drift allowed at either end of the song for a whole or half BPM
PHASES = 480  # steps of a beat that the phase is searched in
NUM_PEAKS = 12  # tempi that the comb proposes
MIN_ONSETS = 4


@dataclass(frozen=True)
class TempoEstimate:
    """A song's grid.

    Attributes:
        bpm: beats a minute.
        offset_seconds: song time of beat 0, the likely downbeat; found ones lie in the song's first
            bar.
        confidence: 0-1, how well the single beats agree in phase; a wandering
            tempo scores low.
        method: ``comb`` or ``given``, for the tempo; with ``+given offset`` when only the offset
            was given.
    """

    bpm: float
    offset_seconds: float
    confidence: float
    method: str


def check_flags(bpm: float | None, offset_seconds: float | None) -> None:
    """Refuse a ``--bpm`` or ``--offset`` that no level can carry.

    Raises:
        ValueError: a BPM outside 10-1000 or not finite, or an offset that is not finite.
    """
    if bpm is not None and not (math.isfinite(bpm) and MIN_BPM <= bpm <= MAX_BPM):
        raise ValueError(
            f"expected --bpm from {MIN_BPM:g} to {MAX_BPM:g}, found {bpm}; "
            "leave it out to have it found"
        )
    if offset_seconds is not None and not math.isfinite(offset_seconds):
        raise ValueError(
            f"expected --offset in seconds, found {offset_seconds}; leave it out to have it found"
        )


def estimate_tempo(
    samples: npt.ArrayLike,
    sample_rate: int,
    *,
    bpm: float | None = None,
    offset_seconds: float | None = None,
) -> TempoEstimate:
    """Find what is not given of a song's tempo and first beat.

    Args:
        samples: (T,) mono samples, full scale 1.
        sample_rate: samples a second.
        bpm: the tempo when known; then only the offset is sought.
        offset_seconds: the song time of beat 0 when known.

    Raises:
        ValueError: bad flags, or sound without onsets (silence, a steady tone, under two seconds).
    """
    check_flags(bpm, offset_seconds)
    if bpm is not None and offset_seconds is not None:
        return TempoEstimate(bpm, offset_seconds, 1.0, "given")
    curve = onset_curve(samples, sample_rate)
    if _num_onsets(curve) < MIN_ONSETS:
        raise ValueError(
            f"expected at least {MIN_ONSETS} onsets to find a beat in, found {_num_onsets(curve)}; "
            "give --bpm and --offset for a song without attacks"
        )
    method = "given"
    if bpm is None:
        bpm, method = find_bpm(curve), "comb"
    if offset_seconds is None:
        offset_seconds = find_offset(curve, bpm)
    else:
        method += "+given offset"
    return TempoEstimate(bpm, offset_seconds, _coherence(curve, bpm), method)


def _num_onsets(curve: OnsetCurve) -> int:
    full = curve.full
    peaks = (
        (full[1:-1] > full[:-2])
        & (full[1:-1] >= full[2:])
        & (full[1:-1] > 0.1 * full.max())
        & (full[1:-1] > 1e-3)
    )
    return int(peaks.sum())


class _Comb:
    """Comb strength of any tempo, from one zero-padded FFT of the centred onset curve."""

    def __init__(self, full: npt.NDArray[np.float32]) -> None:
        size = 1 << math.ceil(math.log2(len(full) * 8))
        self.spectrum = np.abs(np.fft.rfft(np.sqrt(full) - np.sqrt(full).mean(), size))
        self.bins_a_hertz = size / FPS

    def __call__(self, bpm: Floats) -> Floats:
        total = np.zeros_like(bpm)
        for harmonic, weight in HARMONICS:
            place = bpm / 60 * harmonic * self.bins_a_hertz
            low = place.astype(np.int64)
            upper = place - low
            total += weight * ((1 - upper) * self.spectrum[low] + upper * self.spectrum[low + 1])
        return total


def find_bpm(curve: OnsetCurve) -> float:
    """The folded tempo in BPM whose comb is strongest over the whole song."""
    comb = _Comb(curve.full)
    step = 60 / (
        curve.duration * 16
    )  # the fourth harmonic's main lobe is 60 / (4 T) BPM wide to either side
    grid = np.arange(MIN_GRID_BPM, MAX_GRID_BPM, step)
    score = comb(grid)
    peaks = np.flatnonzero((score >= np.roll(score, 1)) & (score >= np.roll(score, -1)))
    peaks = peaks[np.argsort(-score[peaks])][:NUM_PEAKS]
    refined = [_sharpen(comb, float(grid[i]), step) for i in peaks]
    bpm, _ = max(refined, key=lambda found: found[1])
    return _whole(fold_bpm(bpm), curve.duration)


def _sharpen(comb: _Comb, bpm: float, step: float) -> tuple[float, float]:
    """The best tempo near ``bpm`` to 0.001 BPM or finer, and its comb strength."""
    while step > 5e-4:
        grid = bpm + step * np.linspace(-1, 1, 9)
        bpm = float(grid[np.argmax(comb(grid))])
        step /= 3
    return bpm, float(comb(np.array([bpm]))[0])


def _whole(bpm: float, duration: float) -> float:
    """``bpm`` made whole, or half, if beats at the song's ends move ``ROUND_SECONDS`` at most."""
    for unit in (1.0, 0.5):
        rounded = round(bpm / unit) * unit
        if abs(rounded - bpm) / bpm * duration / 2 <= ROUND_SECONDS:
            return rounded
    return round(bpm, 3)


def _profile(weights: npt.NDArray[np.float32], beats: Floats, period: int) -> Floats:
    """Onset strength by place in ``period`` beats, PHASES steps a beat, smoothed over 1/60 beat."""
    size = PHASES * period
    place = beats * PHASES
    low = np.floor(place).astype(np.int64)
    upper = place - low
    raw = np.bincount(low % size, weights * (1 - upper), size) + np.bincount(
        (low + 1) % size, weights * upper, size
    )
    width = np.arange(-24, 25) / 8
    kernel = np.exp(-0.5 * width**2)
    wrapped = np.concatenate([raw[-24:], raw, raw[:24]])
    smooth: Floats = np.convolve(wrapped, kernel / kernel.sum(), "valid")
    return smooth


def find_offset(curve: OnsetCurve, bpm: float) -> float:
    """The song time in seconds, within the first bar, of the beat that most likely begins one.

    The place within half a beat is where onsets gather; half beat and beat of the bar are decided
    by the low band.
    """
    beats = curve.times * bpm / 60
    bar = _profile(curve.full, beats, BEATS_A_BAR)
    low = _profile(curve.low, beats, BEATS_A_BAR)
    bar, low = bar / (bar.sum() + 1e-9), low / (low.sum() + 1e-9)
    half = bar.reshape(-1, PHASES // 2).sum(axis=0)
    fine = int(np.argmax(half))
    both = bar + 0.5 * low
    beat = both.reshape(BEATS_A_BAR, PHASES).sum(axis=0)
    phase = max((fine, fine + PHASES // 2), key=lambda place: float(beat[place]))
    first = max(range(BEATS_A_BAR), key=lambda number: float(low[phase + number * PHASES]))
    return float((phase / PHASES + first) * 60 / bpm)


def _coherence(curve: OnsetCurve, bpm: float) -> float:
    """Agreement in phase of the song's single beats at the beat, half or quarter rate, 0-1."""
    stretch = round(60 / bpm * FPS)
    used = max(1, len(curve.full) // stretch) * stretch
    full = np.pad(curve.full, (0, max(0, used - len(curve.full))))[:used].astype(np.float64)
    best = 0.0
    for harmonic in (1, 2, 4):
        turned = full * np.exp(-2j * np.pi * harmonic * bpm / 60 * np.arange(used) / FPS)
        parts = turned.reshape(-1, stretch).sum(axis=1)
        best = max(best, float(np.abs(parts.sum()) / (np.abs(parts).sum() + 1e-9)))
    return best
