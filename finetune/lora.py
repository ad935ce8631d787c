"""LoRA layers of PEFT in a decoder: in a pre-trained one, frozen in half precision (or in 4 bits)
with everything new in float32 around it, or in one of our own for a style pack."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from saberlm.adapter.bases import base_folder
from saberlm.adapter.configuration_saber import SaberConfig
from saberlm.adapter.loading import load_model
from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.adapter.on_base import LORA_TARGETS, TOKEN_EMBEDDING, TRAINED_WHOLE, build_on_base
from saberlm.prompts.vocab import fingerprint

_log = logging.getLogger(__name__)
QUANTIZATIONS = ("none", "nf4")


@dataclass(frozen=True)
class LoraSettings:
    """Rank, scale (``alpha / rank``) and dropout of the LoRA, and how the base is held."""

    rank: int = 32
    alpha: int = 32
    dropout: float = 0.05
    quantize: str = "none"  # or nf4: the base in 4 bits (QLoRA), for small cards

    def __post_init__(self) -> None:
        """Check what would only fail after the base is loaded."""
        if self.rank < 1 or self.alpha < 1 or not 0 <= self.dropout < 1:
            raise ValueError(
                f"lora: expected a rank and an alpha of at least 1 and a dropout in [0, 1), found"
                f" {self.rank}, {self.alpha} and {self.dropout}"
            )
        if self.quantize not in QUANTIZATIONS:
            raise ValueError(
                f"quantize: expected one of {', '.join(QUANTIZATIONS)}, found {self.quantize!r}"
            )


def best_attention() -> str:
    """FlashAttention 2 where it is installed and a GPU is there, else torch's own kernels."""
    if torch.cuda.is_available() and importlib.util.find_spec("flash_attn") is not None:
        return "flash_attention_2"
    return "sdpa"


def nf4(compute_dtype: torch.dtype) -> Any:
    """The QLoRA paper's settings (arXiv 2305.14314), stored so that FSDP can shard them."""
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ValueError(
            "quantize: expected the package bitsandbytes for nf4, found it is not installed: it"
            ' comes with pip install "saberlm[train]"'
        )
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute_dtype,
        bnb_4bit_quant_storage=compute_dtype,
    )


def model_with_lora(
    config: SaberConfig,
    name: str,
    folder: Path | None,
    lora: LoraSettings,
    *,
    use_cpu: bool,
    local_rank: int = 0,
    dtype: torch.dtype = torch.bfloat16,
) -> SaberForConditionalGeneration:
    """A model on a base, ready to train: LoRA in the decoder, the rest of it frozen; tower,
    projector, map embeddings and head trained whole.

    Args:
        config: of the new model; its decoder's sizes are the base's.
        name: of the base.
        folder: where it lies; None for its place (`saberlm.adapter.bases.base_folder`).
        lora: its settings.
        use_cpu: no GPU is used.
        local_rank: the GPU to quantise onto.
        dtype: the frozen base is held in it.

    Raises:
        ValueError: no such base, or another than its name says.
    """
    folder = folder or base_folder(name)
    config.decoder_base = {**(config.decoder_base or {}), "name": name}
    on_gpu = torch.cuda.is_available() and not use_cpu
    model = build_on_base(
        config,
        folder,
        dtype=dtype,
        attention="sdpa" if use_cpu else best_attention(),
        quantization=nf4(torch.bfloat16) if lora.quantize == "nf4" else None,
        device_map={"": local_rank} if lora.quantize == "nf4" and on_gpu else None,
    )
    _insert_lora(model, lora, (*TRAINED_WHOLE, TOKEN_EMBEDDING))
    return model


def model_for_pack(name_or_dir: str, lora: LoraSettings) -> SaberForConditionalGeneration:
    """A trained model whose decoder gets a LoRA that alone learns, in float32.

    Args:
        name_or_dir: of the model.
        lora: its settings.

    Raises:
        ValueError: as `saberlm.adapter.loading.load_model`; also a model that hears the song in its
            sequence, which maps without songs cannot teach.
    """
    model = load_model(name_or_dir, fingerprint(), dtype=torch.float32).model
    if model.config.audio_places:
        raise ValueError(
            f"{name_or_dir}: expected a model without places for sound in its sequence, such as"
            " nano, found one with"
        )
    model.config.decoder_base = None  # what it stood on is merged: it is trained as one whole
    _insert_lora(model, lora, ())
    return model


def _insert_lora(
    model: SaberForConditionalGeneration, lora: LoraSettings, whole: Sequence[str]
) -> None:
    """Put LoRA layers into the decoder; they and the parts named train, in float32."""
    from peft import LoraConfig, inject_adapter_in_model

    settings = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(LORA_TARGETS),
    )
    inject_adapter_in_model(settings, model.model.language_model)
    for key, parameter in model.named_parameters():
        trained = ".lora_" in key or key.startswith(tuple(f"{part}." for part in whole))
        parameter.requires_grad_(trained)
        if trained:
            parameter.data = parameter.data.float()
    counts = [sum(p.numel() for p in model.parameters() if p.requires_grad == t) for t in (1, 0)]
    _log.info("%.1f M weights train on a base of %.1f M", counts[0] / 1e6, counts[1] / 1e6)
