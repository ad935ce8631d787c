"""Validation by kind of token, with right and with wrong audio: the second shows whether the model
listens at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.prompts import vocab as v

KINDS = {
    "position": ("position",),
    "note": ("note",),
    "light": ("light", "laser", "boost", "brightness"),
}
"""Kinds reported by name; ``</seg>`` counts as a position (it answers the same question), the rest
is ``other``."""


def kind_table() -> np.ndarray:
    """For every token id the index of its reported kind, ``(V,)``; the last index is ``other``."""
    table = np.full(v.VOCAB_SIZE, len(KINDS))
    for i, blocks in enumerate(KINDS.values()):
        for block in blocks:
            table[list(v.block_range(block))] = i
    table[v.END_SEG] = 0
    return table


def _with_other_audio(batch: dict[str, Any]) -> dict[str, Any]:
    """The batch with each row given the next row's sound."""
    return {
        name: value.roll(1, 0) if name == "audio_features" else value
        for name, value in batch.items()
    }


@torch.no_grad()
def validate(
    model: SaberForConditionalGeneration,
    batches: list[dict[str, Any]],
    *,
    bf16: bool,
    wrong_audio: bool = True,
) -> dict[str, float]:
    """Mean loss and accuracy by kind of token and the onset loss; ``wrong_...`` with another
    song's audio.

    Args:
        model: left in the mode it was in.
        batches: collated windows.
        bf16: autocast to bf16, as in training.
        wrong_audio: measure with another song's audio, too.
    """
    was_training = model.training
    model.eval()
    table = torch.from_numpy(kind_table())
    names = [*KINDS, "other"]
    found: dict[str, float] = {}
    device = next(model.parameters()).device
    wrong_audio = wrong_audio and all("audio_features" in batch for batch in batches)
    for prefix in ("", "wrong_") if wrong_audio else ("",):
        loss = torch.zeros(len(names))
        right = torch.zeros(len(names))
        count = torch.zeros(len(names))
        onset = []
        for batch in batches:
            used = _with_other_audio(batch) if prefix else batch
            inputs = {k: t.to(device) if isinstance(t, Tensor) else t for k, t in used.items()}
            labels = inputs.pop("labels")[:, 1:]
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
                logits = model(**inputs).logits[:, :-1]
            mask = labels >= 0
            wanted = labels[mask]
            logits = logits[mask].float()
            nll = torch.nn.functional.cross_entropy(logits, wanted, reduction="none").cpu()
            hit = (logits.argmax(-1) == wanted).float().cpu()
            kind = table[wanted.cpu()]
            loss.index_add_(0, kind, nll)
            right.index_add_(0, kind, hit)
            count.index_add_(0, kind, torch.ones_like(nll))
            if model.model.onset_loss is not None:  # there was sound
                onset.append(float(model.model.onset_loss))
                model.model.onset_loss = None
        for i, name in enumerate(names):
            if count[i] > 0:
                found[f"{prefix}{name}_loss"] = round(float(loss[i] / count[i]), 4)
                if not prefix:
                    found[f"{name}_accuracy"] = round(float(right[i] / count[i]), 4)
        found[f"{prefix}loss"] = round(float(loss.sum() / count.sum().clamp(min=1)), 4)
        if onset:
            found[f"{prefix}onset_loss"] = round(float(np.mean(onset)), 4)
    model.train(was_training)
    return found


def validate_tasks(
    model: SaberForConditionalGeneration, batches: dict[str, list[dict[str, Any]]], *, bf16: bool
) -> dict[str, float]:
    """``TASK_loss`` and ``TASK_KIND_loss`` for each context task and kind of token: beside the
    plain losses they show whether what is given helps.

    Args:
        model: left in the mode it was in.
        batches: collated windows by task; tasks without any are left out.
        bf16: autocast to bf16, as in training.
    """
    out: dict[str, float] = {}
    for task, windows in batches.items():
        if windows:
            found = validate(model, windows, bf16=bf16, wrong_audio=False)
            out |= {
                f"{task}_{name}": value
                for name, value in found.items()
                if name.endswith("loss") and name != "onset_loss"
            }
    return out
