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

_STATE_NAME = "clock.json"


class Clock(TrainerCallback):
    """Counts training time, keeps it in checkpoints, and stops the trainer at the end of the
    budget."""

    def __init__(self, max_minutes: float | None, max_steps: int | None, warmup_steps: int) -> None:
        self.max_seconds = None if max_minutes is None else 60 * max_minutes
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
            saved = Path(args.output_dir) / f"checkpoint-{state.global_step}" / _STATE_NAME
            if saved.exists():
                self.spent = float(json.loads(saved.read_text())["seconds"])
        self._since = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Agree on the time between processes, and stop at the end of the budget."""
        if torch.distributed.is_initialized():
            agreed = torch.tensor([self._local()], dtype=torch.float64)
            torch.distributed.broadcast(agreed, src=0)
            self._agreed = float(agreed)
        if self.max_seconds and self.elapsed >= self.max_seconds:
            control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep the time spent beside the weights."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if folder.exists():
            (folder / _STATE_NAME).write_text(json.dumps({"seconds": self.elapsed}))
