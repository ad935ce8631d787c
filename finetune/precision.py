"""Which precision a run computes in: bf16 where the processor has it.

A CPU without bf16 arithmetic (x86 without AVX-512, most home machines) emulates it: a product of
matrices takes some eight times as long as in float32. A run that asks for bf16 there gets float32.
"""

from __future__ import annotations

import logging

import torch
from transformers import TrainingArguments

_log = logging.getLogger(__name__)


def has_bf16(device: str | torch.device = "cpu") -> bool:
    """Whether a device computes in bf16 without emulating it; of a GPU it is taken for granted, as
    trainers check that themselves."""
    if torch.device(device).type != "cpu":
        return True
    return torch.backends.mkldnn.is_available() and bool(
        torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


def settle_precision(args: TrainingArguments, quantize: str = "none") -> None:
    """Turn ``bf16`` off where the run's device would emulate it, and say so.

    Args:
        args: of the run, changed.
        quantize: what the base is held in; 4 bits compute in bf16, emulated or not.

    Raises:
        ValueError: a quantised base without ``bf16``.
    """
    if quantize != "none":
        if not args.bf16:
            raise ValueError(
                f"expected bf16: true with quantize: {quantize} (it computes in bf16), found false"
            )
    elif args.bf16 and not has_bf16(args.device):
        args.bf16 = False
        args.mixed_precision = "no"
        _log.warning(
            "this processor has no bf16 arithmetic (and would take about 8 times as long to"
            " emulate it): training in float32"
        )
