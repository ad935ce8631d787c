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
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

GRID_PER_BEAT = 12
"""Grid cells a beat that the Conformer sees."""
PRETRAINED = Path(__file__).parent / "pretrained"
SHIPPED_CODEC = "dac-nano"


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
    """Triangles on Slaney's mel scale (Auditory Toolbox, 1998: linear up to 1 kHz, then 27 mel for
    each factor 6.4), each of equal area, from 30 Hz up, ``(M, F)``: what ``librosa.filters.mel``
    and transformers' ``mel_filter_bank`` give, which take seconds to import."""
    mel_a_hertz, knee, step = 3 / 200, 15.0, 27 / math.log(6.4)
    top = knee + step * math.log(sample_rate / 2 / 1000)
    mels = np.linspace(30.0 * mel_a_hertz, top, num_mels + 2)
    curved = 1000 * np.exp((np.maximum(mels, knee) - knee) / step)
    edges = np.where(mels < knee, mels / mel_a_hertz, curved)  # Hz
    bins = np.linspace(0, sample_rate // 2, n_fft // 2 + 1)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    filters = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return torch.from_numpy(filters.astype(np.float32))


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
    """Continuous latents of a codec of Descript's architecture, frozen.

    The official 44.1 kHz one gives a frame every 512 samples, 1024 wide; ``dac-nano``, which ships,
    a frame every 256 samples at 24 kHz, 128 wide.

    Args:
        model: a transformers `DacModel`; `from_pretrained` loads one.
        quantized: take the latents after the residual quantiser (what the decoder hears) instead
            of before it, where nothing is lost to the codebooks.
    """

    _chunk_seconds = 2.0

    def __init__(self, model: nn.Module, *, quantized: bool = False) -> None:
        config = model.config
        self.model = model.eval().requires_grad_(False)
        self.quantized = quantized
        self.sample_rate = int(config.sampling_rate)
        self.hop = math.prod(config.downsampling_ratios)
        self.frame_rate = self.sample_rate / self.hop
        self.num_features = int(config.hidden_size)
        self.margin = heard_frames(config.downsampling_ratios)
        self.name = f"dac-{self.sample_rate}-{self.hop}-{'zq' if quantized else 'z'}"

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, *, quantized: bool = False) -> DacFrontEnd:
        """Load a codec from disk; nothing is downloaded.

        Args:
            name_or_path: the name of one that ships (``dac-nano``), a `DacModel` folder, a ``.pth``
                file of Descript's own, or the Hugging Face id of one that was fetched before
                (``descript/dac_44khz``).
            quantized: see the class.

        Raises:
            ValueError: none of these, or its weights do not read.
        """
        return cls(load_codec(name_or_path), quantized=quantized)

    @torch.no_grad()
    def encode(self, samples: Tensor) -> Tensor:
        """See `FrontEnd.encode`; two-second chunks with a margin (longer ones are slower on a
        CPU)."""
        chunk = max(1, round(self._chunk_seconds * self.frame_rate))
        margin, hop = self.margin, self.hop
        num_frames = samples.shape[-1] // hop + 1
        # the codec centres frame i at (i + 1/2) hops: half a hop earlier puts it at i hops
        padded = nn.functional.pad(
            samples.float(), (margin * hop + hop // 2, (margin + chunk + 1) * hop)
        )
        frames = []
        for first in range(0, num_frames, chunk):
            piece = padded[first * hop : (first + chunk + 2 * margin) * hop]
            latents = self.model.encoder(piece[None, None])  # (1, D, chunk + 2 margin)
            if self.quantized:
                latents = self.model.quantizer(latents)[0]
            frames.append(latents[0, :, margin : margin + chunk].T)
        return torch.cat(frames)[:num_frames]


def make_frontend(name: str, path: str | None = None) -> FrontEnd:
    """The front end a config names.

    Args:
        name: ``logmel`` or ``dac``.
        path: the codec of ``dac``, see `DacFrontEnd.from_pretrained`; the one that ships by
            default.

    Raises:
        ValueError: unknown name, or no such codec.
    """
    if name == "logmel":
        return LogMelFrontEnd()
    if name == "dac":
        return DacFrontEnd.from_pretrained(path or SHIPPED_CODEC)
    raise ValueError(f"frontend must be 'logmel' or 'dac', found {name!r}")


def heard_frames(ratios: Sequence[int]) -> int:
    """Frames to either side of one that the encoder of Descript's architecture hears with it.

    Every level has three residual units (kernel 7, dilations 1, 3 and 9), then a convolution with a
    kernel of twice its stride; a kernel of 7 comes before them all and one of 3 frames after.
    """
    step, samples = 1, 3
    for ratio in ratios:
        samples += step * (3 * (1 + 3 + 9) + ratio)
        step *= ratio
    return math.ceil(samples / step) + 1


def load_codec(name_or_path: str | Path) -> nn.Module:
    """A `DacModel` in float32; see `DacFrontEnd.from_pretrained`.

    Raises:
        ValueError: no such codec, or its weights do not read.
    """
    from transformers import DacModel

    shipped = PRETRAINED / str(name_or_path)
    path = Path(name_or_path)
    if path.is_file():
        from saberlm.adapter.descript import load_descript

        return load_descript(path)
    if "/" not in str(name_or_path) and (shipped / "config.json").is_file() and not path.exists():
        path = shipped
    if path.is_dir() and '"dac"' not in _text(path / "config.json"):
        raise ValueError(
            f"{path}: expected a codec's folder (config.json with model_type dac), found another"
        )
    try:
        return DacModel.from_pretrained(
            path if path.is_dir() else str(name_or_path),
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
        )
    except (OSError, RuntimeError, ValueError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ValueError(
            f"codec: expected {SHIPPED_CODEC}, a DacModel folder, a .pth file of Descript's codec"
            " or the id of one in the Hugging Face cache (`hf download descript/dac_44khz` puts"
            f" it there), found {str(name_or_path)!r}: {first}"
        ) from None


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


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


def cell_edges(
    first_beat: float, num_beats: int, cells_per_beat: int = GRID_PER_BEAT
) -> np.ndarray:
    """Edges in beats of the grid cells of ``num_beats`` beats from ``first_beat``; cell i is
    centred on tick i of so many a beat."""
    cells = np.arange(num_beats * cells_per_beat + 1) - 0.5
    return first_beat + cells / cells_per_beat


def grid_edges(
    bpm: float,
    offset_seconds: float,
    first_beat: float,
    num_beats: int,
    cells_per_beat: int = GRID_PER_BEAT,
) -> np.ndarray:
    """The same edges in seconds, under a steady tempo with beat 0 at ``offset_seconds``."""
    return offset_seconds + cell_edges(first_beat, num_beats, cells_per_beat) * 60.0 / bpm
