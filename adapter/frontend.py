"""Front ends: sound to frames, and frames to the beat grid.

A front end turns mono audio into frames ``(F, D)`` at a constant `frame_rate`; `grid_frames` then
averages frames over the
cells of the beat grid, so that everything after it counts in beats. Two are here, chosen by
config: ``logmel`` (spectrogram and
its flux, light enough for a CPU) and ``dac`` (the Descript Audio Codec's continuous latents
through transformers' `DacModel`;
codebook *indices* are labels, not numbers, and are never fed to a network).
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

GRID_PER_BEAT = 12
"""Grid cells a beat that the Conformer sees."""


class FrontEnd(Protocol):
    """What the tower needs of a front end."""

    name: str
    sample_rate: int
    frame_rate: float
    num_features: int

    def encode(self, samples: Tensor) -> Tensor:
        """Mono audio ``(T,)`` at `sample_rate` to frames ``(F, D)``; frame i is centred at i /
        frame_rate seconds."""
        ...


@cache
def _mel_filters(sample_rate: int, n_fft: int, num_mels: int) -> Tensor:
    import librosa

    return torch.from_numpy(
        librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=num_mels, fmin=30.0)
    )


class LogMelFrontEnd:
    """80 log-mel bands and 40 bands of positive flux, 100 frames a second.

    The flux is the rise over 20 ms in pairs of bands, widened by one frame either side: the cue
    that says "something starts".
    """

    name = "logmel-24k-100fps-80-40-v1"
    sample_rate = 24_000
    hop = 240
    n_fft = 1024
    num_mels = 80
    frame_rate = 100.0
    num_features = 120
    _block_seconds = 30

    def encode(self, samples: Tensor) -> Tensor:
        """See `FrontEnd.encode`; blocks of 30 s keep the memory flat on long songs."""
        window = torch.hann_window(self.n_fft)
        mel_filters = _mel_filters(self.sample_rate, self.n_fft, self.num_mels)
        num_frames = samples.shape[-1] // self.hop + 1
        half = self.n_fft // 2
        padded = nn.functional.pad(samples.float(), (half, half + self.hop))
        block = int(self._block_seconds * self.frame_rate)
        mels = []
        for first in range(0, num_frames, block):
            last = min(first + block, num_frames)
            piece = padded[first * self.hop : (last - 1) * self.hop + self.n_fft]
            power = torch.stft(
                piece, self.n_fft, self.hop, window=window, center=False, return_complex=True
            ).abs()
            mels.append(torch.log(mel_filters @ power + 1e-3))
        mel = torch.cat(mels, dim=1)  # (80, F)
        before = torch.cat([mel[:, :1], mel[:, :1], mel[:, :-2]], dim=1)[:, : mel.shape[1]]
        flux = (mel - before).clamp(min=0).view(self.num_mels // 2, 2, -1).mean(1)
        flux = nn.functional.max_pool1d(flux[None], 3, stride=1, padding=1)[0]
        return torch.cat([mel, flux]).T.contiguous()


class DacFrontEnd:
    """Continuous latents of the Descript Audio Codec: 44.1 kHz, a frame every 512 samples, 1024
    wide, frozen.

    Args:
        model: a transformers `DacModel`; `from_pretrained` loads one from a folder.
        quantized: take the latents after the residual quantiser (what the decoder hears) instead
            of before it.
    """

    _chunk_seconds = 2.0

    def __init__(self, model: nn.Module, *, quantized: bool = True) -> None:
        config = model.config
        self.model = model.eval().requires_grad_(False)
        self.quantized = quantized
        self.sample_rate = int(config.sampling_rate)
        self.hop = math.prod(config.downsampling_ratios)
        self.frame_rate = self.sample_rate / self.hop
        self.num_features = int(config.hidden_size)
        self.name = f"dac-{self.sample_rate}-{self.hop}-{'zq' if quantized else 'z'}"

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, quantized: bool = True) -> DacFrontEnd:
        """Load a `DacModel` folder (safetensors) from disk; nothing is downloaded."""
        from transformers import DacModel

        return cls(DacModel.from_pretrained(folder, local_files_only=True), quantized=quantized)

    @torch.no_grad()
    def encode(self, samples: Tensor) -> Tensor:
        """See `FrontEnd.encode`; two-second chunks with a margin (longer ones are slower on a
        CPU)."""
        chunk = max(1, round(self._chunk_seconds * self.frame_rate))
        margin = 8  # frames of context either side of a chunk
        num_frames = math.ceil(samples.shape[-1] / self.hop)
        padded = nn.functional.pad(
            samples.float(), (margin * self.hop, (margin + chunk) * self.hop)
        )
        frames = []
        for first in range(0, num_frames, chunk):
            piece = padded[first * self.hop : (first + chunk + 2 * margin) * self.hop]
            latents = self.model.encoder(piece[None, None])  # (1, D, chunk + 2 margin)
            if self.quantized:
                latents = self.model.quantizer(latents)[0]
            frames.append(latents[0, :, margin : margin + chunk].T)
        return torch.cat(frames)[:num_frames]


def grid_frames(frames: np.ndarray, frame_rate: float, edges_seconds: np.ndarray) -> np.ndarray:
    """Average frames over consecutive cells of time.

    Each cell takes the exact integral of the frames taken as a step function, so nothing aliases
    whatever the tempo. Outside
    the song the first or last frame holds.

    Args:
        frames: ``(F, D)``; frame i covers (i - 0.5 .. i + 0.5) / frame_rate seconds.
        frame_rate: frames a second.
        edges_seconds: ``(N + 1,)`` rising times of the cells' edges.

    Returns:
        ``(N, D)`` float32.
    """
    num_frames = len(frames)
    place = edges_seconds * frame_rate + 0.5
    low = int(np.clip(np.floor(place[0]) - 1, 0, num_frames - 1))
    high = int(np.clip(np.ceil(place[-1]) + 1, low + 1, num_frames))
    part = frames[low:high].astype(np.float32)
    summed = np.zeros((len(part) + 1, part.shape[1]), dtype=np.float64)
    np.cumsum(part, axis=0, dtype=np.float64, out=summed[1:])
    inside = np.clip(place - low, 0, len(part))
    whole = np.minimum(np.floor(inside).astype(np.int64), len(part) - 1)
    integral = summed[whole] + (inside - whole)[:, None] * part[whole]
    # beyond the ends the edge frame goes on
    integral += np.minimum(place - low, 0)[:, None] * part[0]
    integral += np.maximum(place - low - len(part), 0)[:, None] * part[-1]
    width = np.maximum(np.diff(place), 1e-9)[:, None]
    return (np.diff(integral, axis=0) / width).astype(np.float32)


def cell_edges(first_beat: float, num_beats: int) -> np.ndarray:
    """Edges in beats of the grid cells of ``num_beats`` beats from ``first_beat``; cell i is
    centred on tick i of 12 a beat."""
    cells = np.arange(num_beats * GRID_PER_BEAT + 1) - 0.5
    return first_beat + cells / GRID_PER_BEAT


def grid_edges(bpm: float, offset_seconds: float, first_beat: float, num_beats: int) -> np.ndarray:
    """The same edges in seconds, under a steady tempo with beat 0 at ``offset_seconds``."""
    return offset_seconds + cell_edges(first_beat, num_beats) * 60.0 / bpm
