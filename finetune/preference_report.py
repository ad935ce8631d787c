"""How a model prefers, measured on held-out pairs: against the model it began as, by source.

A completion's reward is the mean over its judged tokens of the log-probability's change from the
reference, so that long and short ones compare; a pair is right where the chosen one's is higher.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saberlm.eval.bootstrap import mean_interval


@dataclass(frozen=True)
class PairResult:
    """One pair under a model and its reference.

    Attributes:
        source: Of the pair.
        kind: Of the pair.
        song: Of the pair.
        chosen: Mean log-probability of a judged token of the chosen completion.
        rejected: The same of the rejected one.
        reference_chosen: Under the reference.
        reference_rejected: Under the reference.
        divergence: Mean divergence (nats a token) of the model from the reference over the chosen
            completion's judged places.
        score_gap: Of the pair.
    """

    source: str
    kind: str
    song: str
    chosen: float
    rejected: float
    reference_chosen: float
    reference_rejected: float
    divergence: float
    score_gap: float

    @property
    def margin(self) -> float:
        """Reward of the chosen completion over the rejected one's."""
        return self.chosen - self.reference_chosen - self.rejected + self.reference_rejected


@torch.no_grad()
def token_log_probs(owner: Any, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Log-probabilities of all tokens at the judged places of a batch.

    Args:
        owner: the whole model (`SaberForConditionalGeneration`).
        batch: of `saberlm.finetune.preference_collator.DataCollatorForPreference`.

    Returns:
        ``(n, V)`` log-probabilities, rows one after the other, and the ids ``(n,)`` that stand
        there.
    """
    given = {
        name: tensor
        for name, tensor in batch.items()
        if name != "completion_mask" and not name.startswith("ref_")
    }
    hidden = owner.model(**given, use_cache=False).last_hidden_state[:, :-1]
    judged = batch["completion_mask"][:, 1:].bool()
    logits = owner.lm_head(hidden[judged]).float()
    return logits.log_softmax(-1), batch["input_ids"][:, 1:][judged]


@torch.no_grad()
def measure_pairs(
    model: Any, rows: Sequence[dict[str, Any]], collate: Any, *, batch: int, bf16: bool
) -> list[PairResult]:
    """Every pair under a model with a LoRA and under the same without it.

    Args:
        model: PEFT's, around the whole model; left in the mode it was in.
        rows: pairs as dictionaries.
        collate: makes batches of them.
        batch: pairs a batch.
        bf16: autocast to bf16, as in training.
    """
    was_training = model.training
    model.eval()
    owner = model.get_base_model()

    def both(made: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        own, ids = token_log_probs(owner, made)
        with model.disable_adapter():
            reference, _ = token_log_probs(owner, made)
        return own, reference, ids

    device = next(owner.parameters()).device
    out = _measured(both, rows, collate, device, batch, bf16)
    model.train(was_training)
    return out


@torch.no_grad()
def measure_models(
    model: Any, reference: Any, rows: Sequence[dict[str, Any]], collate: Any, *, batch: int = 8
) -> list[PairResult]:
    """Every pair under one model and under another.

    Args:
        model: the whole model, in evaluation mode.
        reference: the same of the one that rewards are against.
        rows: pairs as dictionaries.
        collate: makes batches of them.
        batch: pairs a batch.
    """

    def both(made: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        own, ids = token_log_probs(model, made)
        return own, token_log_probs(reference, made)[0], ids

    return _measured(both, rows, collate, next(model.parameters()).device, batch, False)


def _measured(
    both: Callable[[dict[str, Tensor]], tuple[Tensor, Tensor, Tensor]],
    rows: Sequence[dict[str, Any]],
    collate: Any,
    device: torch.device,
    batch: int,
    bf16: bool,
) -> list[PairResult]:
    """Results of pairs from the log-probabilities ``(n, V)`` of a batch under the model and its
    reference, and the ids ``(n,)``."""
    out = []
    for i in range(0, len(rows), batch):
        some = rows[i : i + batch]
        made = {name: tensor.to(device) for name, tensor in collate(some).items()}
        counts = made["completion_mask"][:, 1:].sum(1).tolist()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
            own, reference, ids = both(made)
        apart = (own.exp() * (own - reference)).sum(-1)
        columns = [t.gather(1, ids[:, None])[:, 0] for t in (own, reference)]
        means = [[float(p.mean()) if len(p) else 0.0 for p in c.split(counts)] for c in columns]
        kl = [float(p.mean()) if len(p) else 0.0 for p in apart.split(counts)]
        for k, row in enumerate(some):
            j = len(some) + k
            out.append(
                PairResult(
                    source=row["source"],
                    kind=row["kind"],
                    song=row["song"],
                    chosen=means[0][k],
                    rejected=means[0][j],
                    reference_chosen=means[1][k],
                    reference_rejected=means[1][j],
                    divergence=kl[k],
                    score_gap=row["score_gap"],
                )
            )
    return out


def summary(results: Iterable[PairResult], *, intervals: bool = False) -> dict[str, Any]:
    """Figures by source, and over all pairs as ``all``.

    Returns:
        For each: ``pairs``, ``accuracy`` (of the reward; a tie counts half), ``ranking`` and
        ``ranking_before`` (share whose chosen side is the likelier, under the model and the
        reference), ``margin`` and ``divergence`` (means, nats a token); with ``intervals`` the 95 %
        interval of the accuracy by bootstrap over songs.
    """
    groups: dict[str, list[PairResult]] = defaultdict(list)
    for one in results:
        groups[one.source].append(one)
        groups["all"].append(one)
    out: dict[str, Any] = {}
    for name, some in groups.items():
        right = [_won(one.margin) for one in some]
        out[name] = {
            "pairs": len(some),
            "accuracy": _mean(right),
            "ranking": _mean([_won(one.chosen - one.rejected) for one in some]),
            "ranking_before": _mean(
                [_won(one.reference_chosen - one.reference_rejected) for one in some]
            ),
            "margin": _mean([one.margin for one in some]),
            "divergence": _mean([one.divergence for one in some]),
        }
        if intervals:
            by_song: dict[str, list[float]] = defaultdict(list)
            for one, won in zip(some, right, strict=True):
                by_song[one.song].append(won)
            told = mean_interval(by_song)
            out[name]["accuracy_interval"] = [told.low, told.high]
    return out


def _won(difference: float) -> float:
    return 0.5 if difference == 0 else float(difference > 0)


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4)


def table(figures: dict[str, Any]) -> str:
    """Figures of `summary` as a table in Markdown."""
    lines = [
        "| source | pairs | accuracy | ranked right | before | margin | divergence |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, one in figures.items():
        low, high = one.get("accuracy_interval", (None, None))
        sure = f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else ""
        lines.append(
            f"| {name} | {one['pairs']} | {one['accuracy']:.3f}{sure} | {one['ranking']:.3f}"
            f" | {one['ranking_before']:.3f} | {one['margin']:.3f} | {one['divergence']:.4f} |"
        )
    return "\n".join(lines)
