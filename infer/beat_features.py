"""The log-mel spectrogram that the beat network hears.

50 frames a second at the rate and with the bands' formula of `saberlm.infer.onsets`; frame f is
centred on second f / ``FPS``. Knows nothing of beats.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from saberlm.infer.onsets import RATE, Array, mel_bands, prepare_samples

HOP = 441  # samples between frames
FPS = RATE / HOP  # 50 frames a second
WINDOW = 1024  # samples: 46 ms
NUM_BANDS = 64
COMPRESSION = 1000.0  # log(1 + COMPRESSION * magnitude), magnitude 1 being a full-scale sine
FORMAT = 1
"""Of the features: weights trained on another format are refused."""
_BLOCK = 4096  # frames a block


def log_mel(prepared: Array) -> Array:
    """Features of sound that `saberlm.infer.onsets.prepare_samples` has prepared.

    Args:
        prepared: (T,) samples at ``RATE``.

    Returns:
        features: (1 + T // HOP, NUM_BANDS), 0 or more; block by block, to spare memory.
    """
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    weights = mel_bands(NUM_BANDS, WINDOW).T * np.float32(COMPRESSION * 2 / window.sum())
    padded = np.pad(prepared, WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    out = np.empty((len(frames), NUM_BANDS), np.float32)
    for start in range(0, len(frames), _BLOCK):
        spectrum = np.fft.rfft(frames[start : start + _BLOCK] * window, axis=1)
        out[start : start + _BLOCK] = np.log1p(np.abs(spectrum).astype(np.float32) @ weights)
    return out


def beat_features(samples: npt.ArrayLike, sample_rate: int) -> Array:
    """Features (F, NUM_BANDS) of a song; frame f is centred on second f / ``FPS``.

    Args:
        samples: (T,) or (1, T) mono samples.
        sample_rate: samples a second.

    Raises:
        ValueError: not one channel, not finite, shorter than two seconds, or silent.
    """
    return log_mel(prepare_samples(samples, sample_rate))
