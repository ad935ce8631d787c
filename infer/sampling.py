"""Sampling settings and the filters they stand for. Rows draw from generators of their own, so
neighbours change nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SamplingParams:
    """How tokens are drawn.

    Positions (when) and the rest (what) have temperatures of their own; 0 takes the likeliest.
    ``hazard`` is the weight of what
    the tower hears against ``decoder``, the weight of the decoder's own opinion on when something
    happens. ``repetition_penalty``
    divides the chance of notes among the row's last ``repetition_window`` notes (1 changes
    nothing). ``rhythm`` is ``planned`` over the whole song from what the tower hears
    (`saberlm.infer.rhythm`), with ``rhythm_noise`` so that seeds differ in it, or ``drawn``,
    position after position.
    """

    temperature: float = 1.0
    position_temperature: float = 0.6
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    repetition_window: int = 16
    hazard: float = 1.0
    decoder: float = 0.25
    rhythm: str = "planned"
    rhythm_noise: float = 0.0
    max_segment_tokens: int = 400
    playability: str = "soft"  # off, soft or strict; see saberlm.infer.playability
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        if self.temperature < 0 or self.position_temperature < 0:
            raise ValueError(f"temperature must be 0 or more, found {self.temperature}")
        if self.playability not in ("off", "soft", "strict"):
            raise ValueError(f"playability must be off, soft or strict, found {self.playability!r}")
        if self.rhythm not in ("drawn", "planned"):
            raise ValueError(f"rhythm must be drawn or planned, found {self.rhythm!r}")
        if self.rhythm_noise < 0:
            raise ValueError(f"rhythm noise must be 0 or more, found {self.rhythm_noise}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top-p must lie in (0, 1], found {self.top_p}")
        if self.top_k < 0:
            raise ValueError(f"top-k must be 0 (off) or more, found {self.top_k}")
        if self.repetition_penalty <= 0:
            raise ValueError(f"repetition penalty must be above 0, found {self.repetition_penalty}")


def filter_logits(log_probs: Tensor, top_p: float, top_k: int) -> Tensor:
    """Keep the ``top_k`` likeliest, and of these the fewest that hold ``top_p`` of the chance;
    ``(B, V)`` to the same."""
    if top_k:
        kth = log_probs.topk(min(top_k, log_probs.shape[1]), dim=1).values[:, -1:]
        log_probs = log_probs.masked_fill(log_probs < kth, -torch.inf)
    if top_p < 1:
        ordered, index = log_probs.sort(dim=1, descending=True)
        chance = ordered.softmax(1)
        beyond = chance.cumsum(1) - chance >= top_p
        log_probs = log_probs.masked_fill(beyond.scatter(1, index, beyond), -torch.inf)
    return log_probs


def draw(log_probs: Tensor, uniform: Tensor) -> Tensor:
    """Inverse-transform sampling: the token at which the cumulated chance passes ``uniform``
    ``(B,)``; ``(B, V)`` -> ``(B,)``."""
    chance = log_probs.double().softmax(1)
    total = chance.cumsum(1)
    picked = (total <= (uniform * total[:, -1])[:, None]).sum(1)
    # rounding can land past the last token that has any chance at all
    last = chance.shape[1] - 1 - (chance > 0).flip(1).int().argmax(1)
    return torch.minimum(picked, last)
