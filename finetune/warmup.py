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
from saberlm.finetune.augment import (
    LOGMEL,
    Augmentation,
    Bands,
    augment_features,
    change_speed,
    draw_speed,
    jitter_seconds,
)
from saberlm.finetune.precision import settle_precision
from saberlm.finetune.schedule import Clock
from saberlm.finetune.shards import DifficultyStream, SongShard
from saberlm.finetune.windows import MARGIN_BARS, onset_targets, taught_bars
from saberlm.prompts import vocab as v
from saberlm.prompts.header import drop_fields, onset_conditions

_log = logging.getLogger(__name__)


class TowerWithOnsetLoss(nn.Module):
    """The tower as a trainer wants it: windows of songs in, loss out; the difficulties of a song
    share its encoding. ``smoothing`` is `onset_loss`'s."""

    def __init__(self, tower: SaberAudioTower, smoothing: float = 0.0) -> None:
        super().__init__()
        self.tower = tower
        self.smoothing = smoothing

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
        return {"loss": onset_loss(logits, targets, self.smoothing)}


class OnsetCollator:
    """Song numbers to batches of random windows with the targets of every difficulty.

    Which windows come does not depend on how their sound is changed.

    Args:
        songs: the shards that the rows number.
        size: bars a window.
        augmentation: of the sound; None for windows as they are, the middle of each song.
        seed: of windows and augmentation.
        layout: of the features, for the augmentation.
    """

    def __init__(
        self,
        songs: list[SongShard],
        size: int,
        *,
        augmentation: Augmentation | None,
        seed: int = 0,
        layout: tuple[Bands, ...] = LOGMEL,
    ) -> None:
        self.songs = songs
        self.size = size
        self.augmentation = augmentation
        self.layout = layout
        self.random = Random(seed)
        self.sound = Random(f"{seed} sound")

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        """See the class."""
        features, owners, conditions, targets = [], [], [], []
        for i, row in enumerate(rows):
            song = self.songs[row["song"]]
            last = max(1, song.num_bars - self.size // 2)
            first = song.num_bars // 3 if self.augmentation is None else self.random.randrange(last)
            song, beat, frames = self._hear(song, first)
            features.append(frames)
            for stream in song.difficulties:
                asked = stream.conditions
                if self.augmentation is not None:
                    asked = drop_fields(asked, 0.2, self.random)
                owners.append(i)
                conditions.append(onset_conditions(asked))
                targets.append(self._targets(song, stream, first, beat))
        return {
            "audio_features": torch.from_numpy(np.stack(features)),
            "rows": torch.tensor(owners),
            "conditions": torch.from_numpy(np.stack(conditions)),
            "targets": torch.from_numpy(np.stack(targets)),
        }

    def _hear(self, song: SongShard, first: int) -> tuple[SongShard, int, np.ndarray]:
        """The song at the speed that it is heard at, the beat of bar ``first`` that its window
        begins on, and the window's features with margins."""
        kinds = self.augmentation
        reach = self.size + 2 * MARGIN_BARS
        if kinds is None:
            return song, 0, song.grid(first - MARGIN_BARS, reach)
        if kinds.speed:
            song = change_speed(song, draw_speed(self.sound))
        beat = self.sound.randrange(v.BEATS_PER_SEGMENT) if kinds.bar_phase else 0
        shift = jitter_seconds(self.sound) if kinds.jitter else 0.0
        start = first - MARGIN_BARS + beat / v.BEATS_PER_SEGMENT
        frames = song.grid(start, reach, shift)
        return song, beat, augment_features(frames, self.sound, kinds, self.layout)

    def _targets(
        self, song: SongShard, stream: DifficultyStream, first: int, beat: int
    ) -> np.ndarray:
        """`onset_targets` of the window that begins on a beat of bar ``first``."""
        _, end = taught_bars(stream, song.num_bars)
        count = self.size + 1 if beat else self.size
        bars = list(stream.bars[first : first + count])
        bars += [np.zeros(0, np.int16)] * (count - len(bars))
        targets = onset_targets(bars, [first + k < end for k in range(count)])
        tick = beat * v.TICKS_PER_BEAT
        return targets[tick : tick + self.size * v.TICKS_PER_SEGMENT]


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
    augmentation: Augmentation | None = None,
    layout: tuple[Bands, ...] = LOGMEL,
    smoothing: float = 0.0,
) -> float:
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
        bf16: autocast to bf16, where the device has it.
        use_cpu: do not look for a GPU.
        seed: of order and augmentation.
        augmentation: of the sound; None for `Augmentation`'s defaults.
        layout: of the features, for the augmentation.
        smoothing: of the targets, see `saberlm.adapter.onset_head.onset_loss`.

    Returns:
        The mean training loss.
    """
    augmentation = augmentation or Augmentation()
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
    settle_precision(args)
    trainer = _ClockTrainer(
        model=TowerWithOnsetLoss(tower, smoothing),
        args=args,
        train_dataset=Dataset.from_dict({"song": table}),
        eval_dataset=Dataset.from_dict({"song": list(range(len(valid)))}),
        data_collator=OnsetCollator(
            train, size, augmentation=augmentation, seed=seed, layout=layout
        ),
        clock=Clock(minutes, max_steps, warmup_steps=60),
    )
    check = OnsetCollator(valid, size, augmentation=None)
    trainer.get_eval_dataloader = lambda *_: torch.utils.data.DataLoader(
        Dataset.from_dict({"song": list(range(len(valid)))}),
        batch_size=batch_size,
        collate_fn=check,
    )
    return float(trainer.train().training_loss)
