"""How strongly something starts at each moment of a song: the curve that tempo and first beat are
read from.

Knows nothing of beats, maps or models. A frame's value is the rise of the log magnitude spectrum
over the last 10 ms, summed over bands; ``low`` is the same for 43-129 Hz (kick, bass), which tell a
beat from the half beat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr

Array = npt.NDArray[np.float32]

RATE = 22050  # Hz that songs are analysed at
HOP = 110  # samples between frames: 200.45 frames a second
WINDOW = 512  # samples: 23 ms
BANDS = 24
LOW_BINS = slice(1, 4)  # of the spectrum: 43-129 Hz
LAG = 2  # frames that a rise is taken over
COMPRESSION = 30.0  # log(1 + COMPRESSION * magnitude), magnitude 1 being a full-scale sine
MEAN_SECONDS = (
    1.0  # a running mean over this long is taken off, so that loud parts do not own the curve
)
SILENCE = 1e-4  # peak sample value under which a song is silent (-80 dB of full scale)
FPS = RATE / HOP
_BLOCK = 8192  # frames a block


@dataclass(frozen=True)
class OnsetCurve:
    """Onset strength at ``FPS`` frames a second; frame f speaks of f / FPS s (1 ms on drums).

    Attributes:
        full: (F,) mean rise of all bands.
        low: (F,) mean rise of the low bins.
    """

    full: Array
    low: Array

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.full) / FPS

    @property
    def times(self) -> npt.NDArray[np.float64]:
        """The song time in seconds that each frame speaks of, (F,)."""
        times: npt.NDArray[np.float64] = np.arange(len(self.full)) / FPS
        return times


def mel_bands(num_bands: int, window: int) -> Array:
    """Triangles (num_bands, window // 2 + 1), evenly spaced in mel from 30 Hz up, each summing to 1
    (or to 0 where it is narrower than a bin and holds none)."""
    edges = 700 * np.expm1(np.linspace(np.log1p(30 / 700), np.log1p(RATE / 2 / 700), num_bands + 2))
    hertz = np.arange(window // 2 + 1) * RATE / window
    rising = (hertz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - hertz) / (edges[2:] - edges[1:-1])[:, None]
    bands = np.maximum(0, np.minimum(rising, falling))
    scaled: Array = (bands / (bands.sum(axis=1, keepdims=True) + 1e-9)).astype(np.float32)
    return scaled


def _spectrum(samples: Array) -> Array:
    """Compressed magnitudes (F, BANDS + 3), low bins last; block by block, to spare memory."""
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    mel = mel_bands(BANDS, WINDOW)
    padded = np.pad(samples, (WINDOW // 2, WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][
        : 1 + len(samples) // HOP
    ]
    scale = COMPRESSION * 2 / window.sum()
    out = np.empty((len(frames), BANDS + LOW_BINS.stop - LOW_BINS.start), np.float32)
    for start in range(0, len(frames), _BLOCK):
        magnitude = np.abs(np.fft.rfft(frames[start : start + _BLOCK] * window, axis=1)).astype(
            np.float32
        )
        bands = np.concatenate([magnitude @ mel.T, magnitude[:, LOW_BINS]], axis=1)
        out[start : start + _BLOCK] = np.log1p(scale * bands)
    return out


def _running_mean(curve: Array, width: int) -> Array:
    sums = np.concatenate([[0.0], np.cumsum(curve, dtype=np.float64)])
    left = np.clip(np.arange(len(curve)) - width // 2, 0, len(curve))
    right = np.clip(left + width, 0, len(curve))
    mean: Array = ((sums[right] - sums[left]) / np.maximum(1, right - left)).astype(np.float32)
    return mean


def prepare_samples(samples: npt.ArrayLike, sample_rate: int) -> Array:
    """A song as it is analysed: checked, at ``RATE``, its loudest sample 1.

    Args:
        samples: (T,) or (1, T) mono samples, full scale 1.
        sample_rate: samples a second.

    Raises:
        ValueError: not one channel, not finite, shorter than two seconds, or silent.
    """
    audio = np.asarray(samples, np.float32)
    if audio.ndim == 2 and audio.shape[0] == 1:
        audio = audio[0]
    if audio.ndim != 1:
        raise ValueError(
            f"expected mono samples (T,), found shape {audio.shape}; mix the channels first"
        )
    if len(audio) < 2 * sample_rate:
        found = len(audio) / max(1, sample_rate)
        raise ValueError(
            f"expected at least 2 s of audio, found {found:.2f} s; is the file cut off?"
        )
    if not np.isfinite(audio).all():
        raise ValueError(
            "expected finite samples, found NaN or infinity; the decoded audio is damaged"
        )
    peak = float(np.abs(audio).max())
    if peak < SILENCE:
        raise ValueError(
            f"expected a song, found silence (peak {peak:.1e} of full scale); is it the right file?"
        )
    if sample_rate != RATE:
        audio = soxr.resample(audio, sample_rate, RATE, quality="MQ").astype(np.float32)
    return np.asarray(audio / np.float32(peak), np.float32)


def onset_curve(samples: npt.ArrayLike, sample_rate: int) -> OnsetCurve:
    """The onset strength of a song.

    Args:
        samples: (T,) mono samples, full scale 1.
        sample_rate: samples a second.

    Returns:
        Curves whose values are 0 or more; a second of constant sound gives zeros.

    Raises:
        ValueError: not one channel, not finite, shorter than two seconds, or silent.
    """
    spectrum = _spectrum(prepare_samples(samples, sample_rate))
    before = np.zeros((LAG, spectrum.shape[1]), np.float32)  # silence comes before the song
    rise = np.maximum(0, spectrum - np.concatenate([before, spectrum[:-LAG]]))
    curves = []
    for part in (rise[:, :BANDS].mean(axis=1), rise[:, BANDS:].mean(axis=1)):
        curves.append(
            np.maximum(0, part - _running_mean(part, round(MEAN_SECONDS * FPS))).astype(np.float32)
        )
    return OnsetCurve(curves[0], curves[1])
