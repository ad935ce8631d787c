"""What preference training changed: how far the model's chances moved over held-out windows, and
bars that both models made after the same bars with the same seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.eval.bar_plots import BarPair
from saberlm.finetune.collator import DataCollatorForBeatmapModeling, window_table
from saberlm.finetune.critic_samples import encode_shard
from saberlm.finetune.preference_samples import sample_stretches
from saberlm.finetune.preferences import Stretch, played
from saberlm.finetune.shards import SongShard
from saberlm.finetune.validation import KINDS, kind_table
from saberlm.infer.sampling import SamplingParams


@dataclass(frozen=True)
class Shift:
    """Two models at the places where humans put tokens of one kind.

    Attributes:
        tokens: How many.
        divergence: Kullback-Leibler divergence of the second model's chances from the first's, mean
            nats a token.
        before: The first model's loss, nats a token.
        after: The second's.
        entropy_before: The first's entropy, nats a token.
        entropy_after: The second's: lower where the choice narrowed.
    """

    tokens: int
    divergence: float
    before: float
    after: float
    entropy_before: float
    entropy_after: float


@torch.no_grad()
def shifts(
    before: SaberForConditionalGeneration,
    after: SaberForConditionalGeneration,
    songs: Sequence[SongShard],
    *,
    windows: int,
    batch: int = 4,
) -> dict[str, Shift]:
    """Shifts by kind of token (`saberlm.finetune.validation`), and over ``all``.

    Args:
        before: model without places for sound, in evaluation mode.
        after: one of the same tower.
        songs: held-out songs; their windows are taken evenly spread, lights and all where the
            model hears.
        windows: how many.
        batch: windows a forward.
    """
    size = int(before.config.context_segments)
    hears = before.model.projector.tick is not None
    table = window_table(list(songs), size, limit=windows)
    latents: dict[int, np.ndarray] = {}
    if hears:
        latents = {i: encode_shard(before, songs[i]).latents.numpy() for i in set(table["song"])}
    collator = DataCollatorForBeatmapModeling(
        list(songs),
        size,
        augment=False,
        places=False,
        latents=[latents.get(i) for i in range(len(songs))] if hears else None,
    )
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    kinds = torch.from_numpy(kind_table())
    names = [*KINDS, "other"]
    sums = torch.zeros(len(names), 6, dtype=torch.float64)
    for i in range(0, len(rows), batch):
        made: dict[str, Any] = collator(rows[i : i + batch])
        labels = made.pop("labels")[:, 1:]
        ids = labels[labels >= 0]
        old, new = (_log_probs(model, made, labels >= 0) for model in (before, after))
        figures = torch.stack(
            [
                torch.ones(len(ids)),
                (new.exp() * (new - old)).sum(-1),
                -old.gather(1, ids[:, None])[:, 0],
                -new.gather(1, ids[:, None])[:, 0],
                -(old.exp() * old).sum(-1),
                -(new.exp() * new).sum(-1),
            ],
            dim=1,
        )
        sums.index_add_(0, kinds[ids], figures.double())
    out = {name: _shift(row) for name, row in zip(names, sums, strict=True) if row[0] > 0}
    return {**out, "all": _shift(sums.sum(0))}


def _log_probs(
    model: SaberForConditionalGeneration, made: dict[str, Any], wanted: Tensor
) -> Tensor:
    return model(**made).logits[:, :-1][wanted].float().log_softmax(-1)


def _shift(sums: Tensor) -> Shift:
    count, *means = sums.tolist()
    return Shift(int(count), *(round(value / count, 4) for value in means))


def shift_table(found: dict[str, Shift]) -> str:
    """Shifts as a table in Markdown."""
    lines = [
        "| tokens | n | divergence | loss | entropy |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {name} | {one.tokens} | {one.divergence:.4f} | {one.before:.3f} -> {one.after:.3f}"
        f" | {one.entropy_before:.3f} -> {one.entropy_after:.3f} |"
        for name, one in found.items()
    ]
    return "\n".join(lines)


def changed_bars(
    before: SaberForConditionalGeneration,
    after: SaberForConditionalGeneration,
    stretches: Sequence[Stretch],
    params: SamplingParams,
) -> list[BarPair]:
    """What both models make of the stretches, where that differs, in the order given.

    The bars stand in beats of their own; where an arc crosses their border they are left out.

    Args:
        before: drawn on the left.
        after: drawn on the right.
        stretches: see `saberlm.finetune.preference_samples.choose_stretches`.
        params: of both.
    """
    made = []
    for model in (before, after):
        batches = sample_stretches(model, stretches, 1, params)
        made.append({_place(one.at): one.ways[0] for batch in batches for one in batch})
    out = []
    for at in stretches:
        ways = [ways[_place(at)] for ways in made]
        beatmaps = [played(way) for way in ways]
        if ways[0] == ways[1] or beatmaps[0] is None or beatmaps[1] is None:
            continue
        title = f"song {at.song.key}, {at.difficulty}, bars from {at.split_bar + 1}"
        out.append(BarPair(title, 0.0, beatmaps[0], beatmaps[1]))
    return out


def _place(at: Stretch) -> tuple[str, str, int]:
    return at.song.key, at.difficulty, at.split_bar
