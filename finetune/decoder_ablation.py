"""Ablations of the decoder: small runs from nothing under one budget, each changing one thing of a
base that knows maps alone (``audio: none``).

All are measured on the same bars of the valid songs, cut into windows of each variant's size. Those
that hear have a trained tower that stays as it is; their windows show lights, too, so they are to
be compared with each other alone.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.finetune.ablation import SmallBudget, SmallRun, Split
from saberlm.finetune.collator import DataCollatorForBeatmapModeling, window_table
from saberlm.finetune.precision import has_bf16
from saberlm.finetune.resume import EpochSampler
from saberlm.finetune.run_config import RunConfig, new_config
from saberlm.finetune.schedule import Clock
from saberlm.finetune.shards import SongShard
from saberlm.finetune.tower import load_tower
from saberlm.finetune.validation import validate
from saberlm.prompts import vocab as v

SPAN_BARS = 32
"""Valid bars come in stretches of so many, which every window size divides."""
_REPORTED = ("position", "note", "other")
_EVAL_BATCH = 8


@dataclass(frozen=True)
class Budget(SmallBudget):
    """What every run gets; ``valid_spans`` stretches of `SPAN_BARS` are reported."""

    steps: int = 150
    valid_spans: int = 24
    rate_warmup_steps: int = 20


@dataclass(frozen=True)
class DecoderVariant:
    """One change of the base decoder or of how it is taught.

    Args:
        name: as reports have it.
        settings: fields of `RunConfig` that differ from the base's.
        needs: name of a dataset whose maps join; None for the songs alone.
        smoothing: share of a position's target that each neighbouring tick takes over.
        sketch: False hides the song's outline behind the mean of all songs.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs: str | None = None
    smoothing: float = 0.0
    sketch: bool = True


BASE = DecoderVariant(
    "base",
    {
        "audio": "none",
        "context_tasks": {},
        "window_bars": 16,
        "hidden_size": 192,
        "intermediate_size": 576,
        "num_hidden_layers": 4,
        "num_attention_heads": 3,
    },
)
"""nano's kind of decoder, smaller, in windows of 16 bars."""
_HEARS = {"audio": "interleaved", "window_bars": 8, "tick_latents": False}

VARIANTS = (
    BASE,
    DecoderVariant("windows of 8 bars", {"window_bars": 8}),
    DecoderVariant("windows of 32 bars", {"window_bars": 32}),
    DecoderVariant("96 wide", {"hidden_size": 96, "intermediate_size": 288}),
    DecoderVariant(
        "320 wide", {"hidden_size": 320, "intermediate_size": 960, "num_attention_heads": 5}
    ),
    DecoderVariant("2 layers", {"num_hidden_layers": 2}),
    DecoderVariant("8 layers", {"num_hidden_layers": 8}),
    DecoderVariant("positions smoothed, .1 a neighbour", smoothing=0.1),
    DecoderVariant("maps without songs too", needs="flow"),
    DecoderVariant("hears, in places", _HEARS),
    DecoderVariant("hears, in places, no sketch", _HEARS, sketch=False),
    DecoderVariant("hears, in places and at ticks", {**_HEARS, "tick_latents": True}),
)


@dataclass(frozen=True)
class Run(SmallRun):
    """A run of a decoder; ``found`` is `validate`'s."""

    found: dict[str, float]


def next_token_loss(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy of the next token, nats.

    Args:
        logits: ``(B, S, V)``.
        labels: ``(B, S)``, negative where nothing is learnt.
        smoothing: share of a position's target that goes to each of the ticks beside it in its
            bar.
    """
    wanted = labels[:, 1:]
    learnt = wanted >= 0
    wanted = wanted[learnt]
    log_chances = functional.log_softmax(logits[:, :-1][learnt].float(), dim=-1)  # (n, V)
    loss = functional.nll_loss(log_chances, wanted, reduction="none")
    if smoothing:
        ticks = v.block_range("position")
        for step in (-1, 1):
            beside = wanted + step
            moves = (wanted >= ticks.start) & (wanted < ticks.stop)
            moves &= (beside >= ticks.start) & (beside < ticks.stop)
            own = log_chances.gather(1, wanted[:, None])[:, 0]
            other = log_chances.gather(1, torch.where(moves, beside, wanted)[:, None])[:, 0]
            loss = loss + smoothing * (own - other)
    return loss.mean()


def shared_windows(songs: Sequence[SongShard], size: int, spans: int) -> list[tuple[int, int, int]]:
    """Song, difficulty and first bar of windows of ``size`` bars that tile the same stretches of
    the songs whatever the size is.

    Raises:
        ValueError: ``size`` does not divide `SPAN_BARS`.
    """
    if SPAN_BARS % size:
        raise ValueError(f"expected windows that tile {SPAN_BARS} bars, found {size}")
    table = window_table(list(songs), SPAN_BARS)
    whole = [
        (song, difficulty, bar)
        for song, difficulty, bar in zip(
            table["song"], table["difficulty"], table["bar"], strict=True
        )
        if bar + SPAN_BARS <= songs[song].num_bars
    ]
    picked = np.linspace(0, len(whole) - 1, min(spans, len(whole))).round().astype(int)
    return [
        (song, difficulty, bar + step)
        for song, difficulty, bar in (whole[i] for i in picked)
        for step in range(0, SPAN_BARS, size)
    ]


def _batches(
    collator: DataCollatorForBeatmapModeling, rows: Mapping[str, list[int]], seed: int, size: int
) -> Iterator[dict[str, Any]]:
    """Augmented batches without end, windows of like length together."""
    table = [dict(zip(rows, one, strict=True)) for one in zip(*rows.values(), strict=True)]
    order = EpochSampler(len(table), seed, rows["length"], size)
    while True:
        numbers = list(order)
        for start in range(0, len(numbers) - size + 1, size):
            yield collator([table[i] for i in numbers[start : start + size]])
        order.epoch += 1
        collator.epoch = order.epoch


def run(
    variant: DecoderVariant,
    songs: Mapping[str | None, Split],
    seed: int,
    budget: Budget,
    tower: str = "nano",
) -> Run:
    """Train a variant and measure it.

    Args:
        variant: what differs.
        songs: by name of their dataset; None names those with sound.
        seed: of weights, order and augmentation.
        budget: of the run.
        tower: name or folder of the model whose tower hears, for variants that do.
    """
    settings = RunConfig(**{**BASE.settings, **variant.settings})
    train, valid = list(songs[None].train), list(songs[None].valid)
    if variant.needs is not None:
        train += songs[variant.needs].train
    model = _model(settings, tower, seed)
    places = settings.audio == "interleaved"
    size = settings.window_bars
    collator = DataCollatorForBeatmapModeling(train, size, seed=seed, places=places)
    check = DataCollatorForBeatmapModeling(valid, size, augment=False, places=places)
    if not variant.sketch:
        mean = model.model.audio_tower.feature_mean.numpy()
        for one in (collator, check):
            one.sketches = {
                i: np.tile(mean, (song.num_bars, 1)) for i, song in enumerate(one.songs)
            }
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        weights, budget.learning_rate, betas=(0.9, 0.98), weight_decay=0.05
    )
    schedule = Clock(None, budget.steps, budget.rate_warmup_steps).scheduler(optimizer)
    batches = _batches(collator, window_table(train, size, balance=True), seed, budget.batch_size)
    began = time.process_time()
    total = 0.0
    model.train()
    model.model.audio_tower.eval()
    for _ in range(budget.steps):
        batch = next(batches)
        labels = batch.pop("labels")
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_bf16()):
            logits = model(**batch).logits
        loss = next_token_loss(logits, labels, variant.smoothing)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        total += float(loss.detach())
    cpu_seconds = time.process_time() - began
    windows = shared_windows(valid, size, budget.valid_spans)
    rows = [{"song": i, "difficulty": j, "bar": bar} for i, j, bar in windows]
    found = validate(
        model,
        [check(rows[i : i + _EVAL_BATCH]) for i in range(0, len(rows), _EVAL_BATCH)],
        bf16=has_bf16(),
    )
    return Run(
        variant.name,
        seed,
        asdict(budget),
        sum(p.numel() for p in weights),
        round(cpu_seconds, 1),
        round(total / budget.steps, 4),
        found,
    )


def _model(settings: RunConfig, tower: str, seed: int) -> SaberForConditionalGeneration:
    """A decoder from nothing, on a trained tower that stays as it is where it hears."""
    torch.manual_seed(seed)
    if settings.audio != "interleaved":
        model = SaberForConditionalGeneration(new_config(settings))
        model.config.audio_places = False
        model.model.audio_tower.requires_grad_(False)
        model.model.projector.requires_grad_(False)
        return model
    trained = load_tower(tower)
    config = new_config(settings)
    config.audio_config = trained.config
    model = SaberForConditionalGeneration(config)
    model.model.audio_tower.load_state_dict(trained.state_dict())
    model.model.audio_tower.requires_grad_(False)
    return model


def render(runs: Sequence[Run]) -> str:
    """The runs as a Markdown table, a line a variant: means over seeds, nats a token; ``deaf`` is
    with another song's sound."""
    by_name: dict[str, list[Run]] = defaultdict(list)
    for one in runs:
        by_name[one.variant].append(one)
    head = ["variant", "seeds", *_REPORTED, "position, deaf", "note, deaf"]
    head += ["CPU s", "weights, M"]
    lines = [f"| {' | '.join(head)} |", "| --- |" + " --- |" * (len(head) - 1)]
    names = [f"{kind}_loss" for kind in _REPORTED] + ["wrong_position_loss", "wrong_note_loss"]
    for variant, found in by_name.items():
        cells = [variant, ", ".join(str(one.seed) for one in found)]
        for name in names:
            values = [one.found[name] for one in found if name in one.found]
            cells.append(f"{np.mean(values):.3f}" if values else "")
        cells.append(f"{np.mean([one.cpu_seconds for one in found]):.0f}")
        cells.append(f"{found[0].weights / 1e6:.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
