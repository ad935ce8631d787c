"""Which cached songs are the same recording, and by how much one starts later.

A recording is known by the rhythm of its loudness: the magnitude of its spectrum does not change
when silence is put in front, so alike spectra name candidates and their correlation the lag. The
spectrograms laid over each other decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saberlm.finetune.shards import SongShard

ALIKE = 0.6
"""Cosine of two fingerprints from which on the songs are compared."""
SAME = 0.85
"""Correlation of two spectrograms from which on they are one recording. Of 205 songs of the train
split three pairs reach it (.91 to .99, all of them one song); covers and remixes come to .78."""
OVERLAP = 0.6
"""Share of the longer song that both must have: a cut version has other bars."""
_RATE = 25.0
_SPECTRUM = 2**14
_BINS = 1024

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SameRecording:
    """Two songs by their places in the list; the second one's sound comes ``lag_seconds`` later.

    ``correlation`` says how sure that is.
    """

    first: int
    second: int
    lag_seconds: float
    correlation: float


def loudness(song: SongShard) -> Floats:
    """Course of a song's loudness, `_RATE` a second, its mean and trend taken off, ``(T,)``."""
    level = song.frames.astype(np.float32).mean(1).astype(np.float64)
    total = np.concatenate([[0.0], np.cumsum(level)])
    edges = np.arange(0, len(level) / song.frame_rate, 1 / _RATE) * song.frame_rate
    course = np.diff(np.interp(edges, np.arange(len(total)), total))  # means, so nothing folds over
    steps = np.diff(course, prepend=course[:1])
    return np.asarray(steps - steps.mean())


def fingerprint(course: Floats) -> Floats:
    """Magnitudes of the course's spectrum, in `_BINS` bands, of length 1."""
    spectrum = np.abs(np.fft.rfft(course[:_SPECTRUM], _SPECTRUM))[1:]
    bands = np.sqrt(spectrum.reshape(_BINS, -1).mean(1))
    bands -= bands.mean()
    length = np.linalg.norm(bands)
    return np.asarray(bands / length if length > 0 else bands)


def lag_of(first: Floats, second: Floats, rate: float) -> tuple[float, float]:
    """By how many seconds the second course comes later, and the correlation at that lag."""
    size = 1 << (len(first) + len(second)).bit_length()
    product = np.fft.irfft(np.fft.rfft(second, size) * np.conj(np.fft.rfft(first, size)), size)
    norm = np.linalg.norm(first) * np.linalg.norm(second)
    at = int(np.argmax(product))
    step = at if at < size // 2 else at - size
    # between the frames: the top of a parabola through the peak and its neighbours
    before, peak, after = product[at - 1], product[at], product[(at + 1) % size]
    curve = before - 2 * peak + after
    part = 0.5 * (before - after) / curve if curve < 0 else 0.0
    return (step + part) / rate, float(peak / norm) if norm > 0 else 0.0


def same_recordings(songs: Sequence[SongShard]) -> list[SameRecording]:
    """All pairs of songs that are one recording."""
    if len(songs) < 2:
        return []
    courses = [loudness(song) for song in songs]
    prints = np.stack([fingerprint(course) for course in courses])
    alike = np.argwhere(np.triu(prints @ prints.T, 1) >= ALIKE)
    found = []
    for i, j in alike.tolist():
        lag, _ = lag_of(courses[i], courses[j], _RATE)
        correlation = overlaid(songs[i], songs[j], lag)
        if correlation >= SAME:
            found.append(SameRecording(i, j, _fine_lag(songs[i], songs[j], lag), correlation))
    return found


def overlaid(first: SongShard, second: SongShard, lag_seconds: float) -> float:
    """Correlation of two spectrograms, the second moved; 0 where they overlap too little."""
    if first.frame_rate != second.frame_rate:
        return 0.0
    step = round(lag_seconds * first.frame_rate)
    a, b = first.frames[max(0, -step) :], second.frames[max(0, step) :]
    length = min(len(a), len(b))
    if length < OVERLAP * max(len(first.frames), len(second.frames)):
        return 0.0
    x, y = (f[:length].astype(np.float32) for f in (a, b))
    x, y = x - x.mean(0), y - y.mean(0)
    norm = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum() / norm) if norm > 0 else 0.0


def _fine_lag(first: SongShard, second: SongShard, lag: float) -> float:
    """The lag to a fraction of a frame, from the full frames around it."""
    levels = [np.diff(s.frames.astype(np.float32).mean(1).astype(float)) for s in (first, second)]
    exact, _ = lag_of(levels[0], levels[1], first.frame_rate)
    return exact if abs(exact - lag) < 2 / _RATE else lag
