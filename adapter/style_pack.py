"""Style packs: one mapper's manner as a LoRA on a model's decoder, in one small file.

``NAME.safetensors`` lies in the user's folder of packs, or anywhere. It is the file of
`saberlm.adapter.decoder_lora` with what the pack is as JSON in its header: the fingerprint of the
weights that it was trained on, and what it was trained from. It fits these weights alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from saberlm.adapter.decoder_lora import DecoderLora, merge_lora, read_lora, save_lora
from saberlm.adapter.loading import LoadedModel

SUFFIX = ".safetensors"
_HEADER = "style_pack"
_NAME = re.compile(r"\w[\w .-]{0,59}")
_DENSITIES = {"median_nps": (0.1, 16.0), "notes_per_onset": (1.0, 8.0)}
"""What a pack may say of how dense its mapper's maps are, and between which values."""


@dataclass(frozen=True)
class StylePack:
    """A pack.

    Attributes:
        name: of the pack.
        lora: the change.
        weights: fingerprint of the model that it is for (`weights_fingerprint`).
        densities: ``median_nps`` and ``notes_per_onset`` of the mapper's maps by difficulty, which
            stand in for the model's where nobody asks for notes/s.
        cut_shares: by difficulty, how often the mapper uses each cut, which decoding holds to
            (`saberlm.infer.cut_balance`).
        about: what it was trained from and how, plain JSON values.
    """

    name: str
    lora: DecoderLora
    weights: str
    densities: dict[str, dict[str, float]] = field(default_factory=dict)
    cut_shares: dict[str, list[float]] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)


def packs_folder() -> Path:
    """Where packs are kept: ``$SABERLM_PACKS``, or the user's data folder."""
    given = os.environ.get("SABERLM_PACKS")
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return Path(given) if given else data / "saberlm" / "packs"


def pack_names() -> list[str]:
    """Names of the packs that are there."""
    return sorted(path.stem for path in packs_folder().glob(f"*{SUFFIX}"))


def check_name(name: str) -> str:
    """The name itself.

    Raises:
        ValueError: one that no file can have everywhere.
    """
    if not _NAME.fullmatch(name) or name.endswith((SUFFIX, ".", " ")):
        raise ValueError(
            "name (--name): expected up to 60 letters, digits, spaces, dots, - and _, found"
            f" {name!r}"
        )
    return name


def new_pack_path(name: str) -> Path:
    """The file of a pack that is to be made.

    Raises:
        ValueError: as `check_name`.
    """
    return packs_folder() / f"{check_name(name)}{SUFFIX}"


def pack_path(name_or_file: str | os.PathLike[str]) -> Path:
    """The file of a pack by its name or path.

    Raises:
        ValueError: there is none.
    """
    given = Path(name_or_file)
    named = packs_folder() / f"{name_or_file}{SUFFIX}"
    if _NAME.fullmatch(str(name_or_file)) and named.is_file():
        return named
    if given.is_file():
        return given
    raise ValueError(
        f"lora (--lora): expected a pack's file or one of {', '.join(pack_names()) or '(none yet)'}"
        f" in {packs_folder()}, found {str(name_or_file)!r}: `saberlm train lora` makes one"
    )


def save_pack(pack: StylePack, path: Path) -> float:
    """Write a pack whole or not at all; returns its megabytes."""
    told = {
        "name": pack.name,
        "weights": pack.weights,
        "densities": pack.densities,
        "cut_shares": pack.cut_shares,
        "about": pack.about,
    }
    return save_lora(pack.lora, path, notes={_HEADER: json.dumps(told)})


def read_pack(name_or_file: str | os.PathLike[str]) -> StylePack:
    """Read a pack.

    Raises:
        ValueError: there is none, it does not read, or is something else.
    """
    path = pack_path(name_or_file)
    lora = read_lora(path)
    try:
        told = json.loads(lora.header[_HEADER])
        return StylePack(
            str(told["name"]),
            lora,
            str(told["weights"]),
            _checked(told["densities"]),
            {name: [float(x) for x in shares] for name, shares in told["cut_shares"].items()},
            dict(told["about"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: expected a style pack, found {type(error).__name__} in its header"
            f" ({str(error)[:100]}): likely a LoRA of another kind"
        ) from None


def _checked(densities: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Numbers that decoding can go by; a pack may come from anybody.

    Raises:
        ValueError: others.
    """
    out: dict[str, dict[str, float]] = {}
    for what, by_difficulty in densities.items():
        low, high = _DENSITIES[what]
        out[what] = {name: float(value) for name, value in by_difficulty.items()}
        for value in out[what].values():
            if not (math.isfinite(value) and low <= value <= high):
                raise ValueError(f"{what}: expected {low:g} to {high:g}, found {value:g}")
    return out


def weights_fingerprint(files: Sequence[Path]) -> str:
    """A hash of weight files, in their order: which model it is, whatever its folder is called."""
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()[:16]


@torch.no_grad()
def with_pack(loaded: LoadedModel, pack: StylePack) -> LoadedModel:
    """A model with a pack merged into its decoder (in place), under the names of both.

    Raises:
        ValueError: the pack is for another model.
    """
    found = weights_fingerprint(loaded.weights)
    if found != pack.weights:
        raise ValueError(
            f"lora (--lora): expected the model that the pack {pack.name!r} was trained on"
            f" ({pack.lora.base}, weights {pack.weights}), found {loaded.name} with weights"
            f" {found}: give that model with --model, or train the pack again on this one"
        )
    config = loaded.model.config
    whole = config.decoder_base is None
    merge_lora(loaded.model, pack.lora, f"style pack {pack.name}", rounded=whole)
    calibration = dict(config.calibration or {})
    for what, by_difficulty in pack.densities.items():
        calibration[what] = {**calibration.get(what, {}), **by_difficulty}
    calibration["cut_shares"] = pack.cut_shares
    calibration["mapper_taste"] = sorted(pack.cut_shares)  # stands for a level's own
    # how often walls and lights are said the pack has learnt itself, of weights without these
    calibration.pop("shifts", None)
    config.calibration = calibration
    return replace(loaded, name=f"{loaded.name} + {pack.name}")
