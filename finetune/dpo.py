"""Direct preference optimisation through TRL's `DPOTrainer`: a fresh LoRA on the decoder of a
trained model, which is told better bars from worse ones.

The reference is the same model with the LoRA off, its log-probabilities computed once beforehand.
Tower, projector, embeddings and head are frozen, and the sound comes as latents made once. The
losses that fit are the ones that divide by a completion's length (``sigmoid_norm``, ``ipo``), with
an ``sft`` term that keeps the chosen bars likely.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from trl import DPOConfig, DPOTrainer

from saberlm.adapter.bases import is_on_base
from saberlm.adapter.decoder_lora import (
    PREFERENCE_NAME,
    lora_of_state,
    merge_lora,
    read_lora,
    save_lora,
)
from saberlm.adapter.loading import SFT_SUFFIX, load_model, model_folder, without_preference
from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.adapter.on_base import LORA_TARGETS
from saberlm.adapter.processing_saber import SaberProcessor
from saberlm.finetune.lora import LoraSettings
from saberlm.finetune.precision import settle_precision
from saberlm.finetune.preference_collator import (
    DataCollatorForPreference,
    cached_latents,
    check_hearing,
)
from saberlm.finetune.preference_corruptions import SOURCE as CORRUPTED
from saberlm.finetune.preference_report import PairResult, measure_pairs, summary, table
from saberlm.finetune.preferences import PreferencePair, load_pairs
from saberlm.finetune.quantize import quantize_decoder
from saberlm.finetune.resume import EpochSampler, TellEpoch, newest_checkpoint
from saberlm.finetune.schedule import Clock
from saberlm.finetune.shards import load_dataset
from saberlm.prompts.vocab import fingerprint

_log = logging.getLogger(__name__)
LORA_PATTERN = rf".*language_model.*\.({'|'.join(LORA_TARGETS)})"
FOR_LENGTHS = ("sigmoid_norm", "ipo", "sft")
"""Losses that are about the mean token and not about the sum of a completion's."""


@dataclass(frozen=True)
class DpoRunConfig:
    """One run, read from YAML beside TRL's own `DPOConfig` (unknown keys fail).

    ``minutes`` is a budget of wall time, 0 for none; ``corrupted_share`` the share of the
    corruptions among the train pairs that is used: they are cheap, and would outnumber the rest.
    """

    data_dir: str = "cache/nano"
    pairs_dir: str = "cache/pairs"
    model: str = "nano"  # a saberlm model, by name or folder, to change
    decoder: str | None = None  # the base that it must stand on; None: whatever it is
    # a model that hears at its ticks does so here, too; without it a LoRA cannot learn to tell the
    # train songs by their sound (EXPERIMENTS 19)
    hear: bool = True
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    quantize: str = "none"  # nf4 holds the decoder in 4 bits
    corrupted_share: float = 1.0
    minutes: float = 20.0
    slice_minutes: float = 0.0  # stop this call then, with a checkpoint to resume from; 0: never
    valid_pairs: int = 400
    rate_warmup_steps: int = 10
    threads: int = 0  # torch threads, 0 for its own choice

    def __post_init__(self) -> None:
        """Check what would only fail later."""
        self.lora()
        if not 0 <= self.corrupted_share <= 1:
            raise ValueError(
                f"corrupted_share: expected a share from 0 to 1, found {self.corrupted_share:g}"
            )

    def lora(self) -> LoraSettings:
        """The settings of the LoRA, checked."""
        return LoraSettings(self.lora_rank, self.lora_alpha, self.lora_dropout, self.quantize)


class SaberDPOTrainer(DPOTrainer):
    """TRL's trainer with pairs as they are, the clock's schedule, an order of rows that a resume
    repeats, and held-out pairs measured by source."""

    def __init__(self, *args: Any, clock: Clock, valid: list[dict[str, Any]], **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.clock, self.valid = clock, valid
        self._results: tuple[int, list[PairResult]] | None = None
        rows = self.train_dataset
        whole = self.args.train_batch_size * self.args.gradient_accumulation_steps
        self.order = EpochSampler(len(rows), self.args.seed, _lengths(rows), whole)
        self.add_callback(clock)
        self.add_callback(TellEpoch(self.order))

    def _prepare_dataset(self, dataset: Any, *_args: Any, **_kwargs: Any) -> Any:
        """Pairs are tokens already; TRL would take them for text."""
        return dataset

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        """The order of the rows."""
        return self.order

    def create_model_card(self, *_args: Any, **_kwargs: Any) -> None:
        """No card: the report says more."""

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The clock's cosine."""
        self.lr_scheduler = self.clock.scheduler(optimizer or self.optimizer)
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """TRL's loss; one that is no number stops the run."""
        loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        value = loss[0] if return_outputs else loss
        if not bool(torch.isfinite(value)):
            raise ValueError(
                f"expected a loss that is a number, found {float(value)} after step"
                f" {self.state.global_step}: likely too high a learning rate; --resume goes on from"
                " the newest checkpoint"
            )
        return loss

    def measured(self, *, intervals: bool = False) -> dict[str, Any]:
        """Figures of the held-out pairs by source, made once a step; see
        `saberlm.finetune.preference_report`."""
        if self._results is None or self._results[0] != self.state.global_step:
            results = measure_pairs(
                self.accelerator.unwrap_model(self.model),
                self.valid,
                self.data_collator,
                batch=self.args.per_device_eval_batch_size,
                bf16=bool(self.args.bf16),
            )
            self._results = self.state.global_step, results
        return summary(self._results[1], intervals=intervals)

    def evaluate(
        self, *_args: Any, metric_key_prefix: str = "eval", **_kwargs: Any
    ) -> dict[str, float]:
        """The held-out pairs, logged and kept in ``valid.jsonl`` (the library asks twice at the end
        of a run)."""
        told = self._results is not None and self._results[0] == self.state.global_step
        figures = self.measured()
        metrics = {
            f"{metric_key_prefix}_{source}_{name}": value
            for source, one in figures.items()
            for name, value in one.items()
        }
        self.log(metrics)
        if self.is_world_process_zero() and not told:
            row = {"step": self.state.global_step, "seconds": round(self.clock.elapsed), **figures}
            with (Path(self.args.output_dir) / "valid.jsonl").open("a") as f:
                f.write(json.dumps(row) + "\n")
        return metrics


def run_dpo(run: DpoRunConfig, args: DPOConfig, *, resume: bool = False) -> Path:
    """Train a preference LoRA, and save it and the changed model.

    Args:
        run: what to train.
        args: TRL's settings; those that TRL gets wrong for audio are set here.
        resume: go on from the newest whole checkpoint in ``output_dir``, or from the start if
            there is none.

    Returns:
        The folder ``final`` of the changed model, which loads wherever the one before did (beside
        it ``lora`` holds the LoRA alone), or the checkpoint where ``slice_minutes`` ended the call.

    Raises:
        ValueError: no pairs, no data, no such model, or a loss that is no number.
    """
    if run.threads:
        torch.set_num_threads(run.threads)
    _set_up(run, args)
    output = Path(args.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    train = _kept(load_pairs(Path(run.pairs_dir) / "train"), run.corrupted_share, args.seed)
    valid = _few(load_pairs(Path(run.pairs_dir) / "valid"), run.valid_pairs, args.seed)
    model = _load(run, args)
    wanted = {pair.song for pair in (*train, *valid)}
    songs = [
        song
        for split in ("train", "valid")
        for song in load_dataset(Path(run.data_dir), split)
        if song.key in wanted
    ]
    if missing := wanted - {song.key for song in songs}:
        raise ValueError(
            f"{run.data_dir}: expected the songs of the pairs, found {len(missing)} missing"
            f" ({min(missing)}, ...): likely pairs of another dataset"
        )
    hears = run.hear and model.model.projector.tick is not None
    kept = Path(run.pairs_dir) / "latents"
    collator = DataCollatorForPreference(cached_latents(model, songs, kept) if hears else None)
    del songs
    if run.quantize == "nf4":
        quantize_decoder(model, torch.bfloat16, "cpu" if args.use_cpu else args.device)
    clock = Clock(
        run.minutes or None, args.max_steps, run.rate_warmup_steps, run.slice_minutes or None
    )
    trainer = SaberDPOTrainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list([asdict(pair) for pair in train]),
        eval_dataset=Dataset.from_list([asdict(pair) for pair in valid[:1]]),  # see `evaluate`
        processing_class=SaberProcessor().tokenizer,
        data_collator=collator,
        peft_config=LoraConfig(
            r=run.lora_rank,
            lora_alpha=run.lora_alpha,
            lora_dropout=run.lora_dropout,
            target_modules=LORA_PATTERN,
        ),
        clock=clock,
        valid=[asdict(pair) for pair in valid],
    )
    checkpoint = newest_checkpoint(output) if resume else None
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if clock.sliced:
        return output / f"checkpoint-{trainer.state.global_step}"
    figures = trainer.measured(intervals=True)
    if not trainer.is_world_process_zero():
        return output / "final"
    final = save_changed(run, trainer.accelerator.unwrap_model(trainer.model), output)
    (output / "log.json").write_text(json.dumps(trainer.state.log_history, indent=1))
    (output / "report.json").write_text(json.dumps(figures, indent=1))
    counts = Counter(pair.source for pair in train)
    told = ", ".join(f"{n} {source}" for source, n in counts.items())
    (output / "report.md").write_text(
        f"{trainer.state.global_step} steps on {told} pairs, {clock.elapsed / 60:.1f} minutes.\n"
        f"Held-out pairs; brackets: 95 % by bootstrap over songs.\n\n{table(figures)}\n"
    )
    return final


def _set_up(run: DpoRunConfig, args: DPOConfig) -> None:
    """TRL's settings that only one value fits, and those that would mislead."""
    folder = model_folder(run.model)
    settle_precision(args, run.quantize)
    args.max_length = None
    args.remove_unused_columns = False
    args.precompute_ref_log_probs = True
    args.disable_dropout = True
    if not is_on_base(folder):
        args.gradient_checkpointing = False  # a small decoder has the memory
    unfit = [loss for loss in args.loss_type if loss not in FOR_LENGTHS]
    if unfit:
        _log.warning(
            "loss %s sums over a completion: long ones saturate it; %s do not",
            ", ".join(unfit),
            ", ".join(FOR_LENGTHS),
        )
    if set(args.loss_type) == {"sft"}:
        raise ValueError("loss_type: expected a loss over pairs beside sft, found sft alone")


def _lengths(rows: Any) -> list[int]:
    """Tokens of each pair's longer row: pairs of like length batch together."""
    sides = zip(rows["prompt"], rows["chosen"], rows["rejected"], strict=True)
    return [len(prompt) + max(len(one), len(other)) for prompt, one, other in sides]


def _kept(pairs: list[PreferencePair], share: float, seed: int) -> list[PreferencePair]:
    corrupted = [pair for pair in pairs if pair.source == CORRUPTED]
    out = [pair for pair in pairs if pair.source != CORRUPTED]
    out += Random(seed).sample(corrupted, round(share * len(corrupted)))
    if not out:
        raise ValueError("expected pairs to train on, found none left: corrupted_share is too low")
    return out


def _few(pairs: list[PreferencePair], most: int, seed: int) -> list[PreferencePair]:
    """Held-out pairs, of every source as many as the smallest share allows."""
    sources = sorted({pair.source for pair in pairs})
    out: list[PreferencePair] = []
    for i, source in enumerate(
        sorted(sources, key=lambda name: sum(pair.source == name for pair in pairs))
    ):
        some = [pair for pair in pairs if pair.source == source]
        share = (most - len(out)) // (len(sources) - i)
        out += Random(f"{seed} {source}").sample(some, min(len(some), share))
    return out


def _load(run: DpoRunConfig, args: DPOConfig) -> SaberForConditionalGeneration:
    """The model to change; a large decoder's layers in half precision, as in its own training."""
    on_base = is_on_base(model_folder(run.model))
    model = load_model(run.model, fingerprint()).model
    check_hearing(model, run.model)
    found = (model.config.decoder_base or {}).get("name")
    if run.decoder is not None and found != run.decoder:
        raise ValueError(
            f"{run.model}: expected a model on {run.decoder}, found one on {found or 'no base'}"
        )
    if on_base and args.bf16:
        decoder = model.model.language_model
        decoder.layers.to(torch.bfloat16)
        decoder.norm.to(torch.bfloat16)
    return model if args.use_cpu or run.quantize == "nf4" else model.to(args.device)


def save_changed(run: DpoRunConfig, model: Any, output: Path) -> Path:
    """Write ``lora`` (the LoRA and a configuration) and ``final`` (the changed model, for itself).

    A model that already carried a preference LoRA gets both as one. On a base the changed model
    keeps the LoRA as a file of its own beside the weights: neither is rounded twice.

    Args:
        run: the run.
        model: PEFT's, after training.
        output: folder of the run.

    Returns:
        ``final``.
    """
    folder = model_folder(run.model)
    before = load_model(run.model, fingerprint())
    own = model.get_base_model().state_dict()
    scale = run.lora_alpha / run.lora_rank
    lora = lora_of_state(own, scale, root_of(run.model), before.model)
    if (folder / PREFERENCE_NAME).is_file() and not without_preference(run.model):
        lora = lora.after(read_lora(folder / PREFERENCE_NAME))
    lone, final = output / "lora", output / "final"
    for place in (lone, final):
        place.mkdir(parents=True, exist_ok=True)
    save_lora(lora, lone / PREFERENCE_NAME)
    before.model.config.save_pretrained(lone)
    if is_on_base(folder):
        for file in folder.iterdir():
            if file.is_file() and file.name != PREFERENCE_NAME:
                shutil.copy2(file, final / file.name)
        save_lora(lora, final / PREFERENCE_NAME)
    else:
        changed = load_model(root_of(run.model), fingerprint()).model
        merge_lora(changed, read_lora(lone / PREFERENCE_NAME), lone)
        changed.save_pretrained(final)
    return final


def root_of(name_or_dir: str) -> str:
    """The model that a preference LoRA of this one is for: itself without the one it carries."""
    folder = model_folder(name_or_dir)
    path = folder / PREFERENCE_NAME
    if folder.name == name_or_dir:  # a shipped model, whose preference may come later
        return f"{name_or_dir}{SFT_SUFFIX}"
    if path.is_file() and not without_preference(name_or_dir):
        return read_lora(path).base
    return name_or_dir if without_preference(name_or_dir) else str(folder.resolve())
