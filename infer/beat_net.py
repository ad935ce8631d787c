"""The beat network: how likely each moment of a song is a beat, and a bar's first beat.

A small convolutional front end over frequency, then dilated residual convolutions over time, in the
manner of Davies and Böck ("Temporal convolutional networks for musical audio beat tracking",
EUSIPCO 2019), which see some 20 s either side. `saberlm.finetune.train_beats` trains it on the
grids of human maps, whose tempi are folded into 95-190 BPM: between two octaves it follows the
mappers. Knows nothing of tempo: what beats follow from the chances is for others.

Shapes: **B** batch, **F** frames, **M** mel bands, **C** channels.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional

from saberlm.infer.beat_features import FORMAT, FPS, NUM_BANDS, beat_features
from saberlm.infer.onsets import Array

SHIPPED = Path(__file__).parent / "pretrained" / "beats"
WEIGHTS_NAME, CONFIG_NAME = "model.safetensors", "config.json"
BLOCK_FRAMES = 6000  # frames that are worked on at a time, besides those they see: two minutes
_POOL = 4  # bands that each of the front end's two poolings joins


@dataclass(frozen=True)
class BeatNetConfig:
    """Sizes of the network."""

    front_channels: int = 16  # of the convolutions over frequency and time
    channels: int = 64  # of the convolutions over time
    kernel: int = 5  # frames that each layer looks at, its dilation apart
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # one layer each
    dropout: float = 0.1  # in training
    features: int = FORMAT  # of `saberlm.infer.beat_features`

    def __post_init__(self) -> None:
        """Refuse sizes that make no network."""
        sizes = (self.front_channels, self.channels, *self.dilations)
        if not self.dilations or min(sizes) < 1 or self.kernel < 1 or self.kernel % 2 == 0:
            raise ValueError(f"expected sizes of 1 or more and an odd kernel, found {self}")
        if self.features != FORMAT:
            raise ValueError(
                f"expected a beat network for features of format {FORMAT}, found one for"
                f" {self.features}: it is from another version of saberlm; train it again"
            )

    @property
    def reach(self) -> int:
        """Frames to either side that an output depends on."""
        return sum(self.dilations) * (self.kernel // 2) + 2  # 2: the front end's two convolutions


@dataclass(frozen=True)
class BeatActivations:
    """What the network hears.

    Attributes:
        beat: (F,) chances of a beat, 0-1; frame f speaks of second f / ``fps``. A beat between two
            frames raises both.
        downbeat: (F,) chances of a bar's first beat.
        fps: frames a second.
    """

    beat: Array
    downbeat: Array
    fps: float


class _Layer(nn.Module):
    """A residual dilated convolution over time, (B, C, F) -> (B, C, F)."""

    def __init__(self, config: BeatNetConfig, dilation: int) -> None:
        super().__init__()
        size = config.channels
        self.conv = nn.Conv1d(
            size, size, config.kernel, dilation=dilation, padding="same", bias=False
        )
        self.norm = nn.BatchNorm1d(size)
        self.dropout = nn.Dropout1d(config.dropout)
        self.out = nn.Conv1d(size, size, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.out(self.dropout(functional.relu(self.norm(self.conv(x)))))
        return x + y


class BeatNet(nn.Module):
    """Log-mel frames (B, F, M) to log-odds (B, F, 2): of a beat, and of a downbeat if it is a beat.

    In evaluation a song's result does not depend on the others in its batch, and beyond ``reach``
    frames nothing is heard.
    """

    def __init__(self, config: BeatNetConfig | None = None) -> None:
        super().__init__()
        config = self.config = config or BeatNetConfig()
        front = config.front_channels
        self.scale = nn.BatchNorm1d(NUM_BANDS, affine=False)  # each band to mean 0, deviation 1
        self.front = nn.ModuleList(
            [
                nn.Conv2d(1, front, 3, padding=1, bias=False),
                nn.Conv2d(front, front, 3, padding=1, bias=False),
            ]
        )
        self.front_norm = nn.ModuleList(nn.BatchNorm2d(front) for _ in self.front)
        self.project = nn.Conv1d(front * (NUM_BANDS // _POOL**2), config.channels, 1)
        self.layers = nn.ModuleList(_Layer(config, dilation) for dilation in config.dilations)
        self.norm = nn.BatchNorm1d(config.channels)
        self.head = nn.Conv1d(config.channels, 2, 1)
        nn.init.constant_(self.head.bias, -1.5)  # beats are rare

    def forward(self, features: Tensor) -> Tensor:
        """Log-odds (B, F, 2) of a beat, and of a downbeat where there is a beat."""
        x = self.scale(features.transpose(1, 2)).unsqueeze(1)  # (B, 1, M, F)
        for conv, norm in zip(self.front, self.front_norm, strict=True):
            x = functional.max_pool2d(functional.relu(norm(conv(x))), (_POOL, 1))
        x = self.project(x.flatten(1, 2))  # (B, C, F)
        for layer in self.layers:
            x = layer(x)
        odds: Tensor = self.head(functional.relu(self.norm(x)))
        return odds.transpose(1, 2)


@torch.inference_mode()
def activations_of(features: npt.ArrayLike, net: BeatNet) -> BeatActivations:
    """What the network hears in `saberlm.infer.beat_features` features (F, M).

    Long songs go through it in blocks that overlap by what it sees, on the device it lies on; the
    result is that of the whole song at once.
    """
    device = net.head.weight.device
    frames = torch.as_tensor(np.asarray(features, np.float32))
    was_training = net.training
    net.eval()
    reach, parts = net.config.reach, []
    for start in range(0, len(frames), BLOCK_FRAMES):
        first = max(0, start - reach)
        block = frames[first : start + BLOCK_FRAMES + reach].to(device)
        odds = net(block.unsqueeze(0))[0, start - first : start - first + BLOCK_FRAMES]
        parts.append(torch.sigmoid(odds.float()).cpu())
    net.train(was_training)
    chances = torch.cat(parts).numpy() if parts else np.zeros((0, 2), np.float32)
    return BeatActivations(chances[:, 0].copy(), chances[:, 0] * chances[:, 1], FPS)


def beat_activations(samples: npt.ArrayLike, sample_rate: int, net: BeatNet) -> BeatActivations:
    """What the network hears in a song.

    Args:
        samples: (T,) or (1, T) mono samples.
        sample_rate: samples a second.
        net: see `load_beat_net`; works on the device it lies on.

    Raises:
        ValueError: not one channel, not finite, shorter than two seconds, or silent.
    """
    return activations_of(beat_features(samples, sample_rate), net)


def load_beat_net(path: str | Path | None = None) -> BeatNet:
    """A trained network, ready for inference on the CPU.

    Args:
        path: folder with ``model.safetensors`` and ``config.json``; None for the shipped one.

    Raises:
        ValueError: files are missing, do not fit together or are for other features.
    """
    folder = SHIPPED if path is None else Path(path)
    for name in (CONFIG_NAME, WEIGHTS_NAME):
        if not (folder / name).is_file():
            raise ValueError(
                f"expected a beat network in {folder}, found no {name} there; is the path right?"
            )
    try:
        facts: dict[str, Any] = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
        sizes = facts["network"]
        config = BeatNetConfig(**{**sizes, "dilations": tuple(sizes["dilations"])})
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{folder / CONFIG_NAME}: expected a beat network's sizes, found {error!r}; is the file"
            " from another version of saberlm, or damaged?"
        ) from error
    net = BeatNet(config)
    try:
        weights = load_file(folder / WEIGHTS_NAME)
        net.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in weights.items()}
        )
    except Exception as error:  # safetensors and torch raise their own kinds
        raise ValueError(
            f"{folder / WEIGHTS_NAME}: expected the weights of {CONFIG_NAME} beside it, found"
            f" something else ({error})"
        ) from error
    return net.eval()


def save_beat_net(net: BeatNet, folder: Path, training: dict[str, Any]) -> None:
    """Write weights (float16, the norms' statistics float32) and sizes with what is known of the
    training."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: (value.half() if name.endswith(("weight", "bias")) else value).cpu().contiguous()
        for name, value in net.state_dict().items()
    }
    facts = {"network": asdict(net.config), "training": training}
    text = json.dumps(facts, indent=1) + "\n"
    # the weights last: where they lie, the folder is whole
    for name, data in ((CONFIG_NAME, text.encode("utf-8")), (WEIGHTS_NAME, save(weights))):
        partial = folder / (name + ".partial")
        partial.write_bytes(data)
        partial.replace(folder / name)
