"""A loaded decoder put into 4 bits, for a LoRA on top of it (QLoRA, arXiv 2305.14314)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.adapter.on_base import LORA_TARGETS
from saberlm.finetune.lora import nf4


def quantize_decoder(
    model: SaberForConditionalGeneration, compute_dtype: torch.dtype, device: Any
) -> int:
    """Put the matrices of the decoder's layers into nf4 with doubly quantised scales.

    For models that come together only after loading (a base with a LoRA merged); a base alone is
    quantised as it is read (`saberlm.finetune.lora.model_with_lora`).

    Args:
        model: changed in place; all but these matrices stays as it is.
        compute_dtype: of the products.
        device: where it is to be.

    Returns:
        Weights put into 4 bits.

    Raises:
        ValueError: bitsandbytes is not installed.
    """
    settings = nf4(compute_dtype)
    import bitsandbytes as bnb

    count = 0
    for parent in list(model.model.language_model.modules()):
        for name, child in list(parent.named_children()):
            if name not in LORA_TARGETS or not isinstance(child, nn.Linear):
                continue
            made = bnb.nn.Linear4bit(
                child.in_features,
                child.out_features,
                bias=child.bias is not None,
                compute_dtype=compute_dtype,
                compress_statistics=settings.bnb_4bit_use_double_quant,
                quant_type=settings.bnb_4bit_quant_type,
            )
            made.weight = bnb.nn.Params4bit(
                child.weight.data.to(compute_dtype).contiguous(),
                requires_grad=False,
                compress_statistics=settings.bnb_4bit_use_double_quant,
                quant_type=settings.bnb_4bit_quant_type,
            )
            if child.bias is not None:
                made.bias = nn.Parameter(child.bias.data, requires_grad=False)
            setattr(parent, name, made)
            count += child.weight.numel()
    model.to(device)  # this is when bitsandbytes quantises
    model.is_loaded_in_4bit = True  # what PEFT goes by to put its layers on 4-bit ones
    return count
