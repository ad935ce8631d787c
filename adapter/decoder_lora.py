"""A LoRA in a model's decoder as a file of its own: what players' preference changed in it, or one
mapper's manner (`saberlm.adapter.style_pack`).

The file holds the two factors of every decoder matrix that changed, named after it
(``... .q_proj.lora_A.weight``), and in its header rank, alpha, the model it is for and that model's
norms. Merged, nothing of it is left but other weights. ``preference.safetensors`` in a model folder
with weights is for them; in a folder without it names the model to load.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

PREFERENCE_NAME = "preference.safetensors"
"""Of what preference training changed, in a model's folder."""
MAX_NORM_CHANGE = 0.005
"""Weights rounded to bf16 change their norm by a thousandth; another training's differ by more."""


@dataclass(frozen=True)
class DecoderLora:
    """The factors, and what they are for.

    Attributes:
        factors: ``(rank, in)`` and ``(out, rank)`` by the name of the matrix that they change,
            alpha / rank counted into the second.
        base: name or folder of the model that it was trained on.
        norms: Frobenius norms of that model's matrices.
        header: of the file that it was read from, with what else was noted there.
    """

    factors: dict[str, tuple[Tensor, Tensor]]
    base: str
    norms: dict[str, float]
    header: dict[str, str] = field(default_factory=dict)

    def after(self, first: DecoderLora) -> DecoderLora:
        """This change on top of an earlier one, as a single one on the earlier one's model."""
        joined = dict(first.factors)
        for name, (a, b) in self.factors.items():
            if name in joined:
                a, b = torch.cat([joined[name][0], a]), torch.cat([joined[name][1], b], dim=1)
            joined[name] = (a, b)
        return DecoderLora(joined, first.base, {**self.norms, **first.norms})


def lora_of_state(
    state: Mapping[str, Tensor], scale: float, base: str, model: nn.Module
) -> DecoderLora:
    """The factors among a model's weights.

    Args:
        state: weights with PEFT's layers inside, by name.
        scale: alpha / rank.
        base: name or folder of the model.
        model: as it was before, for its norms.

    Raises:
        ValueError: there is no LoRA.
    """
    plain = {name.replace(".default.", "."): tensor for name, tensor in state.items()}
    ends = ".lora_A.weight", ".lora_B.weight"
    names = sorted(n.removesuffix(ends[0]) for n in plain if n.endswith(ends[0]))
    if not names:
        raise ValueError("expected LoRA layers in the model, found none")
    factors = {
        n.removeprefix("base_model.model."): (
            plain[n + ends[0]].detach().float().cpu(),
            plain[n + ends[1]].detach().float().cpu() * scale,
        )
        for n in names
    }
    weights = dict(model.named_parameters())
    norms = {n: float(weights[f"{n}.weight"].detach().float().norm()) for n in factors}
    return DecoderLora(factors, base, norms)


def save_lora(
    lora: DecoderLora,
    path: Path,
    dtype: torch.dtype = torch.bfloat16,
    *,
    notes: Mapping[str, str] | None = None,
) -> float:
    """Write the file, under another name first; returns its megabytes. ``notes`` go into its
    header."""
    tensors = {}
    for name, (a, b) in lora.factors.items():
        tensors[f"{name}.lora_A.weight"] = a.to(dtype).contiguous()
        tensors[f"{name}.lora_B.weight"] = b.to(dtype).contiguous()
    about = {
        **(notes or {}),
        "format": "pt",
        "rank": str(max(len(a) for a, _ in lora.factors.values())),
        "scale": "1",  # counted into lora_B
        "base": lora.base,
        "norms": json.dumps(lora.norms),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    save_file(tensors, temporary, metadata=about)
    temporary.replace(path)
    return path.stat().st_size / 1e6


def read_lora(path: Path) -> DecoderLora:
    """Read the file.

    Raises:
        ValueError: it does not read, or is something else.
    """
    try:
        with safe_open(path, framework="pt") as f:
            about = f.metadata() or {}
            tensors = {name: f.get_tensor(name).float() for name in f.keys()}  # noqa: SIM118
        names = sorted(n.removesuffix(".lora_A.weight") for n in tensors if ".lora_A." in n)
        factors = {n: (tensors[f"{n}.lora_A.weight"], tensors[f"{n}.lora_B.weight"]) for n in names}
        return DecoderLora(factors, about["base"], json.loads(about["norms"]), about)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ValueError(
            f"{path}: expected the LoRA of a decoder, found {str(error).splitlines()[0][:200]}:"
            " likely a download that was cut short, or another file of that name"
        ) from None


@torch.no_grad()
def merge_lora(
    model: nn.Module, lora: DecoderLora, where: object, *, rounded: bool = False
) -> None:
    """Add the change to a model's weights.

    Args:
        model: the one that it was trained on, in any precision.
        lora: the change.
        where: named in errors.
        rounded: matrices that bf16 holds exactly stay so: a processor reads these at half the bytes
            (`saberlm.infer.kernels`).

    Raises:
        ValueError: it was trained on another model.
    """
    weights = dict(model.named_parameters())
    for name, (a, b) in lora.factors.items():
        weight = weights.get(f"{name}.weight")
        if weight is None or tuple(weight.shape) != (b.shape[0], a.shape[1]):
            found = "none" if weight is None else f"one of {tuple(weight.shape)}"
            raise ValueError(
                f"{where}: expected a matrix {name} of {(b.shape[0], a.shape[1])}, found {found}:"
                f" likely trained on another model than {lora.base}"
            )
        norm, told = float(weight.float().norm()), lora.norms[name]
        if abs(norm - told) > MAX_NORM_CHANGE * told:
            raise ValueError(
                f"{where}: expected weights {name} of norm {told:.4f}, found {norm:.4f}: it was"
                f" trained on another model ({lora.base}); train it again on this one"
            )
    for name, (a, b) in lora.factors.items():
        weight = weights[f"{name}.weight"]
        changed = weight.float() + (b @ a).to(weight.device)
        if rounded and weight.float().equal(weight.bfloat16().float()):
            changed = changed.bfloat16()
        weight.copy_(changed.to(weight.dtype))
