"""Warm the audio tower up on its onset head, before the decoder: a decoder left to itself does not
listen (DESIGN section 4)."""

from __future__ import annotations

import logging
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import Trainer, TrainingArguments

from saberlm.adapter.modeling_saber import SaberAudioTower
from saberlm.adapter.onset_head import onset_loss
from saberlm.finetune.augment import augment_features, jitter_seconds
from saberlm.finetune.schedule import Clock
from saberlm.finetune.shards import SongShard
from saberlm.finetune.windows import MARGIN_BARS, onset_targets, taught_bars
from saberlm.prompts.header import drop_fields, onset_conditions

_log = logging.getLogger(__name__)


class TowerWithOnsetLoss(nn.Module):
    """The tower as a trainer wants it: windows of songs in, loss out; the difficulties of a song
    share its encoding."""

    def __init__(self, tower: SaberAudioTower) -> None:
        super().__init__()
        self.tower = tower

    def forward(
        self, audio_features: Tensor, rows: Tensor, conditions: Tensor, targets: Tensor
    ) -> dict[str, Tensor]:
        """``(B, F, D)``; for each of R difficulties its song's row ``(R,)``, conditions ``(R,
        4)``, targets ``(R, T)``."""
        mask = torch.ones(audio_features.shape[:2], dtype=torch.bool, device=audio_features.device)
        latents = self.tower(audio_features, mask)
        margin = MARGIN_BARS * self.tower.config.latents_per_bar
        latents = latents[:, margin : latents.shape[1] - margin][rows]
        live = torch.ones(latents.shape[:2], dtype=torch.bool, device=latents.device)
        logits = self.tower.onsets(latents, live, conditions)
        return {"loss": onset_loss(logits, targets)}


class OnsetCollator:
    """Song numbers to batches of random windows with the targets of every difficulty."""

    def __init__(self, songs: list[SongShard], size: int, *, augment: bool, seed: int = 0) -> None:
        self.songs = songs
        self.size = size
        self.augment = augment
        self.random = Random(seed)

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        """See the class; without augmentation the window is the middle of the song."""
        features, owners, conditions, targets = [], [], [], []
        for i, row in enumerate(rows):
            song = self.songs[row["song"]]
            last = max(1, song.num_bars - self.size // 2)
            first = self.random.randrange(last) if self.augment else song.num_bars // 3
            shift = jitter_seconds(self.random) if self.augment else 0.0
            frames = song.grid(first - MARGIN_BARS, self.size + 2 * MARGIN_BARS, shift)
            features.append(augment_features(frames, self.random) if self.augment else frames)
            for stream in song.difficulties:
                _, end = taught_bars(stream, song.num_bars)
                bars = list(stream.bars[first : first + self.size])
                bars += [np.zeros(0, np.int16)] * (self.size - len(bars))
                learn = [first + k < end for k in range(self.size)]
                asked = stream.conditions
                if self.augment:
                    asked = drop_fields(asked, 0.2, self.random)
                owners.append(i)
                conditions.append(onset_conditions(asked))
                targets.append(onset_targets(bars, learn))
        return {
            "audio_features": torch.from_numpy(np.stack(features)),
            "rows": torch.tensor(owners),
            "conditions": torch.from_numpy(np.stack(conditions)),
            "targets": torch.from_numpy(np.stack(targets)),
        }


class _ClockTrainer(Trainer):
    def __init__(self, *args: Any, clock: Clock, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.clock = clock
        self.add_callback(clock)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        self.lr_scheduler = self.clock.scheduler(optimizer or self.optimizer)
        self._created_lr_scheduler = True
        return self.lr_scheduler


def fit_feature_statistics(tower: SaberAudioTower, songs: list[SongShard]) -> None:
    """Set the tower's feature mean and deviation from the training songs' grid frames (every
    eighth bar)."""
    rows = np.concatenate([song.grid(0, song.num_bars)[::8] for song in songs])
    tower.feature_mean.copy_(torch.from_numpy(rows.mean(0)))
    tower.feature_std.copy_(torch.from_numpy(rows.std(0) + 1e-3))


def warm_up(
    tower: SaberAudioTower,
    train: list[SongShard],
    valid: list[SongShard],
    *,
    output_dir: Path,
    minutes: float | None,
    learning_rate: float,
    max_steps: int | None = None,
    batch_size: int = 6,
    size: int = 14,
    bf16: bool = True,
    use_cpu: bool = True,
    seed: int = 0,
) -> None:
    """Train the tower's onset head for some minutes or steps, in place.

    Args:
        tower: with its feature statistics set.
        train: songs to learn.
        valid: songs to report the loss on.
        output_dir: for the trainer's logs.
        minutes: budget; None for none.
        learning_rate: at its highest.
        max_steps: another budget, in steps; None for none.
        batch_size: windows a step; each brings all its difficulties.
        size: bars a window.
        bf16: autocast to bf16.
        use_cpu: do not look for a GPU.
        seed: of order and augmentation.
    """
    weights = [max(1, song.num_bars // size) for song in train]
    table = [i for i, n in enumerate(weights) for _ in range(n)]
    args = TrainingArguments(
        output_dir=str(output_dir),
        per_device_train_batch_size=batch_size,
        per_device_eval_batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=0.05,
        adam_beta2=0.98,
        max_grad_norm=1.0,
        num_train_epochs=100_000,
        max_steps=max_steps or -1,
        bf16=bf16,
        use_cpu=use_cpu,
        logging_steps=25,
        eval_strategy="steps",
        eval_steps=100,
        save_strategy="no",
        report_to="none",
        remove_unused_columns=False,
        label_names=["targets"],
        seed=seed,
    )
    trainer = _ClockTrainer(
        model=TowerWithOnsetLoss(tower),
        args=args,
        train_dataset=Dataset.from_dict({"song": table}),
        eval_dataset=Dataset.from_dict({"song": list(range(len(valid)))}),
        data_collator=OnsetCollator(train, size, augment=True, seed=seed),
        clock=Clock(minutes, max_steps, warmup_steps=60),
    )
    check = OnsetCollator(valid, size, augment=False)
    trainer.get_eval_dataloader = lambda *_: torch.utils.data.DataLoader(
        Dataset.from_dict({"song": list(range(len(valid)))}),
        batch_size=batch_size,
        collate_fn=check,
    )
    trainer.train()
