"""Supervised fine-tuning through TRL's `SFTTrainer`: the decoder's next-token loss with the
tower's onset loss alongside."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoConfig
from trl import SFTConfig, SFTTrainer

from saberlm.adapter.configuration_saber import SaberAudioConfig, SaberConfig
from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.adapter.processing_saber import SaberProcessor
from saberlm.finetune.collator import (
    DataCollatorForBeatmapModeling,
    task_batches,
    window_table,
)
from saberlm.finetune.lessons import DEFAULT_TASKS, check_tasks
from saberlm.finetune.schedule import Clock
from saberlm.finetune.shards import load_dataset
from saberlm.finetune.validation import validate, validate_tasks
from saberlm.finetune.warmup import fit_feature_statistics, warm_up
from saberlm.prompts import vocab as v

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunConfig:
    """One run, read from YAML beside TRL's own `SFTConfig` (unknown keys fail).

    Sizes are of the decoder; ``minutes`` and ``warmup_minutes`` are budgets of wall time, 0 for
    none.
    """

    data_dir: str = "cache/nano"
    base_model: str | None = None  # a saberlm model folder to go on from; None starts from scratch
    minutes: float = 60.0
    warmup_minutes: float = 15.0
    warmup_learning_rate: float = 1.5e-3
    window_bars: int = 8
    field_dropout: float = 0.15
    # chances of the context tasks, see saberlm.finetune.lessons; {} for none
    context_tasks: dict[str, float] = field(default_factory=lambda: dict(DEFAULT_TASKS))
    onset_weight: float = 0.5
    tower_rate: float = 0.1  # the warm tower's learning rate as a share of the decoder's
    hidden_size: int = 320
    intermediate_size: int = 960
    num_hidden_layers: int = 6
    num_attention_heads: int = 5
    num_key_value_heads: int = 1
    max_positions: int = 4096
    audio_hidden_size: int = 192
    audio_num_layers: int = 4
    tick_latents: bool = True  # what a tick sounds like joins the tokens said at it
    frontend: str = "logmel"
    resampler: str = "perceiver"
    valid_windows: int = 64
    rate_warmup_steps: int = 100
    threads: int = 0  # torch threads, 0 for its own choice

    def __post_init__(self) -> None:
        """Check what would only fail hours later."""
        if self.window_bars < 1 or not 0 <= self.field_dropout < 1:
            raise ValueError(
                f"window_bars must be positive and field_dropout in [0, 1),"
                f" found {self.window_bars}"
                f" and {self.field_dropout}"
            )
        check_tasks(self.context_tasks)


def new_config(run: RunConfig) -> SaberConfig:
    """The model's configuration for a run from scratch: a small Llama over the map vocabulary."""
    text = AutoConfig.for_model(
        "llama",
        vocab_size=-(-v.VOCAB_SIZE // 64) * 64,
        hidden_size=run.hidden_size,
        intermediate_size=run.intermediate_size,
        num_hidden_layers=run.num_hidden_layers,
        num_attention_heads=run.num_attention_heads,
        num_key_value_heads=run.num_key_value_heads,
        head_dim=run.hidden_size // run.num_attention_heads,
        max_position_embeddings=run.max_positions,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=v.END_MAP,
        pad_token_id=v.PAD,
    )
    audio = SaberAudioConfig(
        frontend=run.frontend,
        resampler=run.resampler,
        hidden_size=run.audio_hidden_size,
        num_hidden_layers=run.audio_num_layers,
    )
    return SaberConfig(
        audio_config=audio,
        text_config=text,
        audio_token_id=v.AUDIO,
        sketch_token_id=v.SKETCH,
        tick_latents=run.tick_latents,
        position_token_id=v.OFFSETS["position"],
        segment_token_id=v.SEG,
        end_segment_token_id=v.END_SEG,
        vocab_fingerprint=v.fingerprint(),
        context_segments=run.window_bars,
    )


def base_model(folder: str, *, tick_latents: bool) -> SaberForConditionalGeneration:
    """A trained model to go on from, in float32.

    Args:
        folder: of the model.
        tick_latents: open that road in a model which has none; it starts with zeros, so the model
            begins as it was.
    """
    config = SaberConfig.from_pretrained(folder)
    opened = tick_latents and not config.tick_latents
    config.tick_latents = config.tick_latents or tick_latents
    model = SaberForConditionalGeneration.from_pretrained(
        folder, config=config, dtype=torch.float32
    )
    if opened:
        torch.nn.init.zeros_(model.model.projector.tick.weight)
    return model


class SaberSFTTrainer(SFTTrainer):
    """TRL's trainer with three additions: the onset loss, the clock's schedule, and validation by
    kind of token."""

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
        owner = owner.get_base_model() if hasattr(owner, "get_base_model") else owner
        onset, owner.model.onset_loss = owner.model.onset_loss, None
        if onset is not None:
            steps = (
                self.current_gradient_accumulation_steps if num_items_in_batch is not None else 1
            )
            loss = loss + self.onset_weight * onset / steps
            self._metrics["train" if model.training else "eval"]["onset_loss"].append(onset.item())
        return loss

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
        path = Path(self.args.output_dir) / "valid.jsonl"
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
        resume: go on from the newest checkpoint in ``output_dir``.

    Returns:
        The folder of the trained model.
    """
    if run.threads:
        torch.set_num_threads(run.threads)
    args.max_length = None
    args.remove_unused_columns = False
    args.dataset_kwargs = {"skip_prepare_dataset": True}
    args.gradient_checkpointing = False
    output = Path(args.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    data = Path(run.data_dir)
    train, valid = load_dataset(data, "train"), load_dataset(data, "valid")
    model = (
        base_model(run.base_model, tick_latents=run.tick_latents)
        if run.base_model
        else SaberForConditionalGeneration(new_config(run))
    )
    warm = output / "tower.safetensors"
    if not run.base_model and not resume:
        fit_feature_statistics(model.model.audio_tower, train)
        if warm.exists():
            _load_tower(model, warm)
            _log.info("tower taken from %s", warm)
        elif run.warmup_minutes > 0:
            warm_up(
                model.model.audio_tower,
                train,
                valid,
                output_dir=output / "warmup",
                minutes=run.warmup_minutes,
                learning_rate=run.warmup_learning_rate,
                bf16=bool(args.bf16),
                use_cpu=bool(args.use_cpu),
                seed=args.seed,
            )
            _save_tower(model, warm)
    collator = DataCollatorForBeatmapModeling(
        train,
        run.window_bars,
        field_dropout=run.field_dropout,
        seed=args.seed + 1000 * args.process_index,  # processes augment differently
        tasks=run.context_tasks,
    )
    check = DataCollatorForBeatmapModeling(valid, run.window_bars, augment=False)
    table = Dataset.from_dict(window_table(valid, run.window_bars, run.valid_windows))
    rows = [table[i] for i in range(len(table))]
    batches = [check(rows[i : i + 8]) for i in range(0, len(rows), 8)]
    trainer = SaberSFTTrainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_dict(window_table(train, run.window_bars)),
        eval_dataset=table,
        processing_class=SaberProcessor().tokenizer,
        data_collator=collator,
        clock=Clock(run.minutes or None, args.max_steps, run.rate_warmup_steps),
        onset_weight=run.onset_weight,
        tower_rate=run.tower_rate,
        valid_batches=batches,
    )
    trainer.train(resume_from_checkpoint=resume or None)
    trainer.task_batches = {
        task: task_batches(valid, run.window_bars, rows, task, 8)
        for task, chance in run.context_tasks.items()
        if chance > 0
    }
    trainer.evaluate()
    final = output / "final"
    if not trainer.is_world_process_zero():
        return final
    model.save_pretrained(final)
    (output / "log.json").write_text(json.dumps(trainer.state.log_history, indent=1))
    return final


def _save_tower(model: SaberForConditionalGeneration, path: Path) -> None:
    from safetensors.torch import save_file

    save_file({k: t.contiguous() for k, t in model.model.audio_tower.state_dict().items()}, path)


def _load_tower(model: SaberForConditionalGeneration, path: Path) -> None:
    from safetensors.torch import load_file

    model.model.audio_tower.load_state_dict(load_file(path))
