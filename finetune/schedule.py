"""Learning rate over a budget of minutes: a training that stops when it was told to, with its rate
brought down by then.

On a shared CPU the steps an hour holds are not known beforehand, so the schedule runs on the clock
(or on steps, whichever is
further along) and survives a resume: the minutes already spent are kept with the checkpoint.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerCallback

from saberlm.finetune.resume import CLOCK_NAME


class Clock(TrainerCallback):
    """Counts training time, keeps it in checkpoints, and stops the trainer at the end of the
    budget.

    Args:
        max_minutes: the budget; None for none.
        max_steps: another, in steps; None or less than 1 for none.
        warmup_steps: of the learning rate.
        slice_minutes: stop this call after so many minutes with a checkpoint, wherever the budget
            stands; None for no such stop.
    """

    def __init__(
        self,
        max_minutes: float | None,
        max_steps: int | None,
        warmup_steps: int,
        slice_minutes: float | None = None,
    ) -> None:
        self.max_seconds = None if max_minutes is None else 60 * max_minutes
        self.slice_seconds = None if slice_minutes is None else 60 * slice_minutes
        self.sliced = False  # this call ended before the budget did
        self._at_start = 0.0
        self.max_steps = max_steps
        self.warmup_steps = warmup_steps
        self.spent = 0.0
        self._since: float | None = None
        self._agreed: float | None = None  # what all processes take the time to be

    @property
    def elapsed(self) -> float:
        """Seconds of training so far, those before a resume included; the same in every process of
        a distributed run."""
        return self._local() if self._agreed is None else self._agreed

    def _local(self) -> float:
        return self.spent + (0.0 if self._since is None else time.monotonic() - self._since)

    def progress(self, step: int) -> float:
        """How much of the budget is gone, 0-1."""
        parts = [0.0]
        if self.max_seconds:
            parts.append(self.elapsed / self.max_seconds)
        if self.max_steps and self.max_steps > 0:
            parts.append(step / self.max_steps)
        return min(1.0, max(parts))

    def rate(self, step: int) -> float:
        """Factor on the learning rate: linear warm-up, then half a cosine down to 1 %."""
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        return warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * self.progress(step))))

    def scheduler(self, optimizer: Optimizer) -> LambdaLR:
        """A torch scheduler that asks this clock."""
        return LambdaLR(optimizer, self.rate)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start, or go on from what a checkpoint has."""
        if state.global_step > 0:
            saved = Path(args.output_dir) / f"checkpoint-{state.global_step}" / CLOCK_NAME
            if saved.exists():
                self.spent = float(json.loads(saved.read_text())["seconds"])
        self._at_start = self.spent
        self._since = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Agree on the time between processes, and stop at the end of the budget."""
        if torch.distributed.is_initialized():
            # on the process's own device: NCCL knows no tensors on the CPU
            agreed = torch.tensor([self._local()], dtype=torch.float64, device=args.device)
            torch.distributed.broadcast(agreed, src=0)
            self._agreed = float(agreed)
        if self.max_seconds and self.elapsed >= self.max_seconds:
            control.should_training_stop = True
        elif self.slice_seconds and self.elapsed - self._at_start >= self.slice_seconds:
            self.sliced = not 0 < args.max_steps <= state.global_step
            control.should_training_stop = True
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep the time spent beside the weights; this also marks the checkpoint as whole."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if folder.exists() and state.is_world_process_zero:
            temporary = folder / (CLOCK_NAME + ".partial")
            temporary.write_text(json.dumps({"seconds": self.elapsed}))
            temporary.replace(folder / CLOCK_NAME)
