"""What makes a killed run go on as if it had not been: order and augmentation that depend on the
epoch and the row alone, checkpoints that are whole or not taken, and the batch that broke a run."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import Sampler
from transformers import TrainerCallback
from transformers.trainer_pt_utils import get_length_grouped_indices

_log = logging.getLogger(__name__)
CLOCK_NAME = "clock.json"
"""Written last into a checkpoint: what has it is whole."""


class HasEpoch(Protocol):
    """A sampler or collator that is told the epoch."""

    epoch: int


class EpochSampler(Sampler[int]):
    """A shuffled order that the seed and the epoch decide, whatever ran before.

    Args:
        size: rows.
        seed: of the run.
        lengths: put rows of like length together; None for a plain shuffle.
        batch: rows of a step, for the grouping.
    """

    def __init__(self, size: int, seed: int, lengths: list[int] | None, batch: int) -> None:
        self.size, self.seed, self.lengths, self.batch = size, seed, lengths, batch
        self.epoch = 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator()
        generator.manual_seed(1_000_003 * self.seed + self.epoch)
        if self.lengths is None:
            yield from torch.randperm(self.size, generator=generator).tolist()
        else:
            yield from get_length_grouped_indices(self.lengths, self.batch, generator=generator)


class TellEpoch(TrainerCallback):
    """Tells samplers and collators which epoch begins, after a resume too.

    Args:
        parts: to tell.
    """

    def __init__(self, *parts: HasEpoch) -> None:
        self.parts = list(parts)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Steps done and steps an epoch give the number."""
        batches = len(kwargs["train_dataloader"])
        steps = max(1, -(-batches // args.gradient_accumulation_steps))
        for part in self.parts:
            part.epoch = state.global_step // steps


def newest_checkpoint(output: Path) -> Path | None:
    """The newest whole checkpoint of a run; those that a kill left half written are removed."""
    found = sorted(output.glob("checkpoint-*"), key=lambda p: int(p.name.rpartition("-")[2]))
    while found:
        last = found.pop()
        if (last / CLOCK_NAME).is_file():
            return last
        _log.warning("%s was not finished when the run stopped: removed", last)
        shutil.rmtree(last, ignore_errors=True)  # another process may be at it, too
    return None


def save_bad_batch(batch: dict[str, Any], folder: Path, step: int, process: int) -> Path:
    """Keep the batch on which the loss was no number.

    Args:
        batch: model inputs.
        folder: of the run.
        step: steps done before it.
        process: of the distributed run.

    Returns:
        The safetensors file.
    """
    path = folder / f"bad_batch_step{step}_process{process}.safetensors"
    tensors = {k: t.detach().cpu().contiguous() for k, t in batch.items() if isinstance(t, Tensor)}
    rest = {k: t for k, t in batch.items() if isinstance(t, bool | int | float | str)}
    save_file(tensors, path, metadata={"step": str(step), "rest": json.dumps(rest)})
    return path
