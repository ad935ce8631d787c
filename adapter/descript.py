"""Descript's own codec files (``weights_44khz_8kbps.pth`` and its like) as transformers'
`DacModel`.

The two write one network in two ways: Descript numbers the layers of its sequences and keeps each
convolution as direction and size (weight normalisation), transformers names them and keeps the
product. Sizes are read from the weights; only the sample rate must be stated in the file.
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import DacConfig, DacModel

_UNIT_LAYERS = ("snake1", "conv1", "snake2", "conv2")
"""Of a residual unit, in Descript's order."""


def load_descript(path: Path) -> DacModel:
    """Read a file that ``dac.DAC.save`` of descript-audio-codec 1.0 wrote.

    Args:
        path: the ``.pth`` file. It is read as plain tensors and numbers: nothing in it is run.

    Raises:
        ValueError: not such a file, or not the codec's weights in it.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"{path}: expected a file of Descript's codec weights, found one that does not read"
            f" ({str(error).splitlines()[0] if str(error) else type(error).__name__}): likely a"
            " download that was cut short"
        ) from None
    kwargs = found.get("metadata", {}).get("kwargs", {}) if isinstance(found, dict) else {}
    if not isinstance(found, dict) or "state_dict" not in found or "sample_rate" not in kwargs:
        raise ValueError(
            f"{path}: expected state_dict and metadata with a sample_rate, as Descript's codec"
            " saves them, found something else: likely another model's weights"
        )
    return from_descript(found["state_dict"], int(kwargs["sample_rate"]), str(path))


def from_descript(state: dict[str, Tensor], sample_rate: int, name: str = "weights") -> DacModel:
    """The model of a state dict of ``dac.DAC``.

    Args:
        state: with ``weight_g`` and ``weight_v`` of each convolution.
        sample_rate: the codec's, in Hz.
        name: what to call the weights in errors.

    Raises:
        ValueError: names or shapes are not those of the codec.
    """
    merged = merge_weight_norm(state)
    try:
        sizes = _sizes(merged)
    except KeyError as error:
        raise ValueError(
            f"{name}: expected the weights of Descript's codec, found none called {error}"
        ) from None
    try:
        mapped = {
            transformers_name(key, sizes["encoder_blocks"], sizes["decoder_blocks"]): tensor
            for key, tensor in merged.items()
        }
    except KeyError as error:
        raise ValueError(
            f"{name}: expected the weights of Descript's codec alone, found {error} too"
        ) from None
    model = DacModel(DacConfig(sampling_rate=sample_rate, **sizes["config"]))
    try:
        model.load_state_dict(mapped)
    except RuntimeError as error:
        raise ValueError(
            f"{name}: expected the weights of Descript's codec, found others:"
            f" {' '.join(str(error).split())[:200]}"
        ) from None
    return model


def merge_weight_norm(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Direction and size multiplied out: ``weight = g * v / |v|``, the norm over all but the first
    axis (Salimans and Kingma 2016)."""
    out = {}
    for key, tensor in state.items():
        if key.endswith("weight_g"):
            continue
        if key.endswith("weight_v"):
            size = state[key[:-1] + "g"]
            norm = tensor.flatten(1).norm(dim=1).view(-1, *[1] * (tensor.ndim - 1))
            out[key[: -len("_v")]] = tensor * (size / norm)
        else:
            out[key] = tensor
    return out


def transformers_name(key: str, encoder_blocks: int, decoder_blocks: int) -> str:
    """What transformers calls one of Descript's weights.

    Raises:
        KeyError: no weight of the codec.
    """
    if key.startswith("quantizer."):
        return key
    match = re.fullmatch(r"(encoder\.block|decoder\.model)\.(\d+)\.(.+)", key)
    if match is None:
        raise KeyError(key)
    side, place, rest = match[1].partition(".")[0], int(match[2]), match[3]
    blocks = encoder_blocks if side == "encoder" else decoder_blocks
    if place in (0, blocks + 1, blocks + 2):
        layer = {0: "conv1", blocks + 1: "snake1", blocks + 2: "conv2"}[place]
        return f"{side}.{layer}.{rest}"
    inner = re.fullmatch(r"block\.(\d+)\.(?:block\.(\d+)\.)?(\w+)", rest)
    if inner is None or place > blocks:
        raise KeyError(key)
    number, weight = int(inner[1]), inner[3]
    # an encoder's block: three residual units, then down; a decoder's: up, then three units
    units = (0, 1, 2) if side == "encoder" else (2, 3, 4)
    outer = {3: "snake1", 4: "conv1"} if side == "encoder" else {0: "snake1", 1: "conv_t1"}
    block = f"{side}.block.{place - 1}"
    if inner[2] is None and number in outer:
        return f"{block}.{outer[number]}.{weight}"
    if inner[2] is None or number not in units or int(inner[2]) >= len(_UNIT_LAYERS):
        raise KeyError(key)
    return f"{block}.res_unit{units.index(number) + 1}.{_UNIT_LAYERS[int(inner[2])]}.{weight}"


def _sizes(state: dict[str, Tensor]) -> dict[str, Any]:
    """Numbers of blocks, and the fields of a `DacConfig`."""

    def count(pattern: str) -> int:
        return len({m[1] for m in (re.match(pattern, key) for key in state) if m})

    down = count(r"encoder\.block\.(\d+)\.block\.4\.weight")
    up = count(r"decoder\.model\.(\d+)\.block\.1\.weight")
    codebook = state["quantizer.quantizers.0.codebook.weight"]
    # a strided convolution's kernel is twice its stride
    config = {
        "encoder_hidden_size": state["encoder.block.0.weight"].shape[0],
        "downsampling_ratios": [
            state[f"encoder.block.{i}.block.4.weight"].shape[2] // 2 for i in range(1, down + 1)
        ],
        "hidden_size": state[f"encoder.block.{down + 2}.weight"].shape[0],
        "decoder_hidden_size": state["decoder.model.0.weight"].shape[0],
        "upsampling_ratios": [
            state[f"decoder.model.{i}.block.1.weight"].shape[2] // 2 for i in range(1, up + 1)
        ],
        "n_codebooks": count(r"quantizer\.quantizers\.(\d+)\.codebook\.weight"),
        "codebook_size": codebook.shape[0],
        "codebook_dim": codebook.shape[1],
    }
    return {"encoder_blocks": down, "decoder_blocks": up, "config": config}
