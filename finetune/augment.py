"""Augmentation of the sound that keeps the map true: small shifts, gain, tone and pitch, and masks
over time and frequency.

Features are the ``logmel`` front end's grid frames (80 log-mel bands, 40 flux bands); other widths
are masked alone.
"""

from __future__ import annotations

from random import Random

import numpy as np

JITTER_SECONDS = 0.006
_NUM_MELS, _NUM_FLUX = 80, 40
_MOST_PITCH = 2
"""Flux bands (pairs of mel bands) that the pitch moves at most: about two semitones."""


def jitter_seconds(random: Random) -> float:
    """A shift of the sound against the grid, Gaussian of 6 ms: mappers' timing is no better."""
    return random.gauss(0, JITTER_SECONDS)


def augment_features(features: np.ndarray, random: Random) -> np.ndarray:
    """A changed copy of grid frames ``(F, D)``."""
    rng = np.random.default_rng(random.getrandbits(32))
    out = features.copy()
    frames, width = out.shape
    if width == _NUM_MELS + _NUM_FLUX:
        pitch = int(rng.integers(-_MOST_PITCH, _MOST_PITCH + 1))
        if rng.random() < 0.5:
            out[:, :_NUM_MELS] = _moved(out[:, :_NUM_MELS], 2 * pitch)
            out[:, _NUM_MELS:] = _moved(out[:, _NUM_MELS:], pitch)
        tone = np.interp(
            np.arange(_NUM_MELS), np.linspace(0, _NUM_MELS - 1, 5), rng.normal(0, 0.4, 5)
        )
        out[:, :_NUM_MELS] += tone + rng.normal(0, 0.5)
        out[:, _NUM_MELS:] *= np.exp(rng.normal(0, 0.15))
    quiet = out.mean(0)
    for _ in range(int(rng.integers(0, 3))):
        if width == _NUM_MELS + _NUM_FLUX:
            low, span = int(rng.integers(0, 35)), int(rng.integers(1, 7))
            bands = [
                *range(2 * low, 2 * (low + span)),
                *range(_NUM_MELS + low, _NUM_MELS + low + span),
            ]
            bands = [b for b in bands if b < width]
        else:
            low, span = int(rng.integers(0, width)), int(rng.integers(1, width // 10 + 2))
            bands = list(range(low, min(width, low + span)))
        out[:, bands] = quiet[bands]
    for _ in range(int(rng.integers(0, 3))):
        start, span = int(rng.integers(0, frames)), int(rng.integers(2, 18))
        out[start : start + span] = quiet
    return out


def _moved(bands: np.ndarray, count: int) -> np.ndarray:
    """Bands ``(F, D)`` moved up by ``count``, the outermost repeated: the song at another pitch."""
    places = np.clip(np.arange(bands.shape[1]) - count, 0, bands.shape[1] - 1)
    return bands[:, places]
