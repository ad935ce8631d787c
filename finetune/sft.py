"""Supervised fine-tuning through TRL's `SFTTrainer`: the decoder's next-token loss with the
tower's onset loss alongside."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from saberlm.adapter.decoder_lora import lora_of_state, save_lora
from saberlm.adapter.loading import load_model
from saberlm.adapter.modeling_saber import SaberAudioTower, SaberForConditionalGeneration
from saberlm.adapter.on_base import (
    load_trained,
    save_trained,
)
from saberlm.adapter.processing_saber import SaberProcessor
from saberlm.finetune.collator import (
    DataCollatorForBeatmapModeling,
    task_batches,
    window_table,
)
from saberlm.finetune.precision import settle_precision
from saberlm.finetune.resume import EpochSampler, TellEpoch, newest_checkpoint, save_bad_batch
from saberlm.finetune.run_config import RunConfig, make_model
from saberlm.finetune.schedule import Clock
from saberlm.finetune.shards import SongShard, load_dataset
from saberlm.finetune.tower import TOWER_NAME, all_latents, take_weights, tower_weights
from saberlm.finetune.validation import validate, validate_tasks
from saberlm.finetune.warmup import fit_feature_statistics, warm_up
from saberlm.finetune.windows import UNKNOWN_TICK
from saberlm.prompts.vocab import fingerprint

LORA_NAME = "lora.safetensors"
"""What a run of `RunConfig.lora_alone` leaves in ``final``."""
VALID_NAME = "valid.jsonl"
"""A run's validations, one a line."""
_log = logging.getLogger(__name__)


class SaberSFTTrainer(SFTTrainer):
    """TRL's trainer with additions: the onset loss, the clock's schedule, validation by kind of
    token, an order of rows that a resume repeats, and a stop at a loss that is no number."""

    def __init__(
        self,
        *args: Any,
        clock: Clock,
        onset_weight: float,
        tower_rate: float,
        valid_batches: list[dict[str, Any]],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.clock = clock
        self.onset_weight = onset_weight
        self.tower_rate = tower_rate
        self.valid_batches = valid_batches
        self.task_batches: dict[str, list[dict[str, Any]]] = {}
        self.add_callback(clock)
        self.order = self._order()
        self.add_callback(
            TellEpoch(*(p for p in (self.order, self.data_collator) if hasattr(p, "epoch")))
        )

    def _order(self) -> EpochSampler:
        grouped = self.args.train_sampling_strategy == "group_by_length"
        rows = self.train_dataset
        return EpochSampler(
            len(rows),
            self.args.seed,
            list(rows[self.args.length_column_name]) if grouped else None,
            self.args.train_batch_size * self.args.gradient_accumulation_steps,
        )

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        """The order of the rows."""
        return self.order

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """On a base only what is trained is written."""
        model = self.accelerator.unwrap_model(self.model)
        if model.config.decoder_base is None:
            super()._save(output_dir, state_dict)
        else:
            save_trained(model, Path(output_dir or self.args.output_dir), state=state_dict)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """The counterpart of `_save`; sharded checkpoints are the library's to read."""
        owner = self.accelerator.unwrap_model(model or self.model)
        if owner.config.decoder_base is None or self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            load_trained(owner, Path(resume_from_checkpoint))

    def create_optimizer(self, model: Any = None) -> Any:
        """AdamW with a gentler rate for the tower: at the decoder's rate a warm tower goes deaf.

        Weight decay is for matrices alone.
        """
        made: Any = getattr(self, "optimizer", None)
        if made is None:
            groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
            for name, parameter in self.model.named_parameters():
                if parameter.requires_grad:
                    key = ("audio_tower" in name, parameter.ndim > 1 and "bias" not in name)
                    groups.setdefault(key, []).append(parameter)
            rate = self.args.learning_rate
            made = torch.optim.AdamW(
                [
                    {
                        "params": parameters,
                        "lr": rate * (self.tower_rate if is_tower else 1.0),
                        "weight_decay": self.args.weight_decay if is_matrix else 0.0,
                    }
                    for (is_tower, is_matrix), parameters in groups.items()
                ],
                betas=(self.args.adam_beta1, self.args.adam_beta2),
                eps=self.args.adam_epsilon,
            )
            self.optimizer = made
        return made

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The clock's cosine instead of one over a number of steps that nobody knows."""
        self.lr_scheduler = self.clock.scheduler(optimizer or self.optimizer)
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """TRL's loss plus the onset loss that the same forward left behind.

        Outputs are not asked of TRL: it would make them by a second forward, whose onset loss has
        no gradient.
        """
        if return_outputs:
            raise ValueError("outputs are not kept in training; use saberlm.finetune.validation")
        loss = super().compute_loss(model, inputs, False, num_items_in_batch)
        owner = self.accelerator.unwrap_model(model)
        onset, owner.model.onset_loss = owner.model.onset_loss, None
        if onset is not None:
            steps = (
                self.current_gradient_accumulation_steps if num_items_in_batch is not None else 1
            )
            onset = onset * self._share_of_ticks(inputs["onset_targets"])
            loss = loss + self.onset_weight * onset / steps
            self._metrics["train" if model.training else "eval"]["onset_loss"].append(onset.item())
        if not bool(torch.isfinite(loss)):
            path = save_bad_batch(
                inputs,
                Path(self.args.output_dir),
                self.state.global_step,
                self.accelerator.process_index,
            )
            raise ValueError(
                f"expected a loss that is a number, found {float(loss)} after step"
                f" {self.state.global_step}; its batch is saved in {path}: likely too high a"
                " learning rate, or damaged data; --resume goes on from the newest checkpoint"
            )
        return loss

    def _share_of_ticks(self, targets: torch.Tensor) -> torch.Tensor | float:
        """This process's known ticks against the mean process's: the mean over processes of their
        losses, weighted so, is the loss of the whole batch."""
        processes = self.accelerator.num_processes
        if processes == 1:
            return 1.0
        count = (targets != UNKNOWN_TICK).sum().float()
        return count * processes / self.accelerator.reduce(count, "sum").clamp(min=1)

    def evaluate(
        self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any
    ) -> dict[str, float]:
        """Loss and accuracy on the valid split by kind of token, again with another song's audio,
        and by context task where ``task_batches`` holds any."""
        model = self.accelerator.unwrap_model(self.model)
        bf16 = bool(self.args.bf16)
        found = validate(model, self.valid_batches, bf16=bf16)
        found |= validate_tasks(model, self.task_batches, bf16=bf16)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in found.items()}
        self.log(metrics)
        if not self.is_world_process_zero():
            return metrics
        path = Path(self.args.output_dir) / VALID_NAME
        with path.open("a") as f:
            row = {"step": self.state.global_step, "seconds": round(self.clock.elapsed), **metrics}
            f.write(json.dumps(row) + "\n")
        return metrics


def run_sft(run: RunConfig, args: SFTConfig, *, resume: bool = False) -> Path:
    """Train, and save the model to ``args.output_dir/final``.

    Args:
        run: what to train.
        args: TRL's settings; those that TRL gets wrong for audio (``max_length``, dataset
            preparation) are set here.
        resume: go on from the newest whole checkpoint in ``output_dir``, or from the start if
            there is none.

    Returns:
        The folder of the trained model (of its LoRA with ``lora_alone``), or of the checkpoint
        where ``slice_minutes`` ended it.

    Raises:
        ValueError: no data, a base that is not there or another, or a loss that is no number.
    """
    began = time.monotonic()
    if run.threads:
        torch.set_num_threads(run.threads)
    args.max_length = None
    args.remove_unused_columns = False
    args.dataset_kwargs = {"skip_prepare_dataset": True}
    settle_precision(args, run.quantize)
    if not run.on_base:
        args.gradient_checkpointing = False  # a small decoder has the memory
    output = Path(args.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    data = Path(run.data_dir)
    train, valid = load_dataset(data, "train"), load_dataset(data, "valid")
    for folder in run.more_data:
        train += load_dataset(Path(folder), "train")
    if run.audio == "interleaved":
        _refuse_silent(train, valid)
    checkpoint = newest_checkpoint(output) if resume else None
    model = make_model(run, args, train[0].frames.shape[1])
    tower = model.model.audio_tower
    if run.tower_from:
        weights, _, file = tower_weights(run.tower_from)
        take_weights(tower, weights, file)
    elif not run.base_model and checkpoint is None:
        fit_feature_statistics(tower, train)
        _warm_tower(tower, run, args, train, valid)
    heard: tuple[list[np.ndarray | None] | None, ...] = (None, None)
    if run.audio == "ticks":
        tower.requires_grad_(False)
        heard = (all_latents(tower, train), all_latents(tower, valid))
    if run.freeze_decoder:
        _learn_road_alone(model)
    if run.audio != "interleaved":
        model.config.audio_places = False
        model.config.context_segments = run.window_bars
    collator = DataCollatorForBeatmapModeling(
        train,
        run.window_bars,
        field_dropout=run.field_dropout,
        seed=args.seed,
        tasks=run.context_tasks,
        places=run.audio == "interleaved",
        latents=heard[0],
    )
    check = DataCollatorForBeatmapModeling(
        valid,
        run.window_bars,
        augment=False,
        places=run.audio == "interleaved",
        latents=heard[1],
    )
    table = Dataset.from_dict(window_table(valid, run.window_bars, run.valid_windows))
    rows = [table[i] for i in range(len(table))]
    batches = [check(rows[i : i + 8]) for i in range(0, len(rows), 8)]
    left = None  # of this call, the tower's warm-up and all loading counted
    if run.slice_minutes:
        left = max(1e-6, run.slice_minutes - (time.monotonic() - began) / 60)
    clock = Clock(run.minutes or None, args.max_steps, run.rate_warmup_steps, left)
    trainer = SaberSFTTrainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_dict(window_table(train, run.window_bars, balance=True)),
        eval_dataset=table,
        processing_class=SaberProcessor().tokenizer,
        data_collator=collator,
        clock=clock,
        onset_weight=run.onset_weight,
        tower_rate=run.tower_rate,
        valid_batches=batches,
    )
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if clock.sliced:
        return output / f"checkpoint-{trainer.state.global_step}"
    trainer.task_batches = {
        task: task_batches(valid, run.window_bars, rows, task, 8)
        for task, chance in run.context_tasks.items()
        if chance > 0 and run.audio == "interleaved"
    }
    trainer.evaluate()
    final = output / "final"
    state = trainer.accelerator.get_state_dict(trainer.model) if trainer.is_fsdp_enabled else None
    if not trainer.is_world_process_zero():
        return final
    if run.lora_alone and run.base_model:
        before = load_model(run.base_model, fingerprint()).model
        scale = run.lora_alpha / run.lora_rank
        own = lora_of_state(model.state_dict(), scale, run.base_model, before)
        save_lora(own, final / LORA_NAME)
    elif run.on_base:
        save_trained(model, final, dtype=torch.bfloat16, state=state)
    else:
        model.save_pretrained(final, state_dict=state)
    (output / "log.json").write_text(json.dumps(trainer.state.log_history, indent=1))
    return final


def _learn_road_alone(model: SaberForConditionalGeneration) -> None:
    """Nothing but the road to the ticks learns, from zero: a decoder that learned along came out
    worse than deaf (`finetune/EXPERIMENTS.md` 19)."""
    road = model.model.projector.tick
    if road is None:
        raise ValueError("freeze_decoder: expected a model with tick_latents, found one without")
    model.requires_grad_(False)
    torch.nn.init.zeros_(road.weight)
    road.requires_grad_(True)


def _refuse_silent(*parts: list[SongShard]) -> None:
    silent = [song.key for songs in parts for song in songs if not song.has_audio]
    if silent:
        raise ValueError(
            f"expected songs with their sound, found {len(silent)} without ({silent[0]}, ...):"
            " learn from them with audio: ticks or none"
        )


def _warm_tower(
    tower: SaberAudioTower,
    run: RunConfig,
    args: SFTConfig,
    train: list[SongShard],
    valid: list[SongShard],
) -> None:
    """Warm the tower up, or take it as an earlier try of this run left it."""
    from safetensors.torch import load_file, save_file

    warm = Path(args.output_dir) / TOWER_NAME
    if warm.exists():
        tower.load_state_dict(load_file(warm))
        _log.info("tower taken from %s", warm)
    elif run.warmup_minutes > 0:
        warm_up(
            tower,
            train,
            valid,
            output_dir=warm.parent / "warmup",
            minutes=run.warmup_minutes,
            learning_rate=run.warmup_learning_rate,
            bf16=bool(args.bf16),
            use_cpu=bool(args.use_cpu),
            seed=args.seed,
        )
        if args.process_index == 0:
            temporary = warm.with_suffix(".partial")
            save_file({k: t.contiguous() for k, t in tower.state_dict().items()}, temporary)
            temporary.replace(warm)
