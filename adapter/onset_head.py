"""The auxiliary onset head: what the tower hears, as chances per tick.

Per latent it says, for each of the ticks that begin at the latent (12 of 4 latents a beat), how
likely a note starts there and how likely something
else (a light, mostly) does where no note does. It is trained from the first step (a decoder left
to itself does not listen,
DESIGN section 4), and at inference its hazard joins the decoder's position logits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from saberlm.adapter.conformer import ConformerBlock

NUM_DIFFICULTIES = 6
"""Five and "unknown"."""
CONDITION_NOTE, CONDITION_OTHER = 0, 1
TICKS_PER_BAR = 192
"""As the vocabulary has them (`saberlm.prompts.vocab`, which this room need not know)."""


class OnsetHead(nn.Module):
    """Latents and conditions to onset logits per tick.

    Conditions are a row of four numbers: difficulty 0-4 (5 unknown), notes per second (negative
    unknown), log2(BPM / 135),
    lights (1 on, 0 off).
    """

    def __init__(
        self,
        hidden_size: int,
        num_layers: int,
        num_heads: int,
        *,
        latents_per_bar: int,
        **block: Any,
    ) -> None:
        super().__init__()
        self.ticks_per_latent = TICKS_PER_BAR // latents_per_bar
        self.difficulty = nn.Embedding(NUM_DIFFICULTIES, hidden_size)
        self.numbers = nn.Linear(4, hidden_size)
        self.condition = nn.Sequential(
            nn.Linear(hidden_size, hidden_size), nn.GELU(), nn.Linear(hidden_size, hidden_size)
        )
        self.films = nn.ModuleList(
            nn.Linear(hidden_size, 2 * hidden_size) for _ in range(num_layers)
        )
        self.layers = nn.ModuleList(
            ConformerBlock(hidden_size, num_heads, **block) for _ in range(num_layers)
        )
        self.out = nn.Linear(hidden_size, 2 * self.ticks_per_latent)

    def forward(self, latents: Tensor, mask: Tensor, conditions: Tensor) -> Tensor:
        """``(B, N, H_a)``, ``(B, N)``, ``(B, 4)`` -> logits ``(B, N * ticks a latent, 2)``: note,
        and something else given no note."""
        known = conditions[:, 1] >= 0
        numbers = torch.stack(
            [
                conditions[:, 1].clamp(min=0) / 4,
                (~known).to(latents.dtype),
                conditions[:, 2],
                conditions[:, 3],
            ],
            dim=1,
        )
        condition = self.condition(
            self.difficulty(conditions[:, 0].long())
            + self.numbers(numbers.to(self.numbers.weight.dtype))
        )
        x = latents + condition[:, None]
        for film, layer in zip(self.films, self.layers, strict=True):
            scale, shift = film(condition)[:, None].chunk(2, dim=-1)
            x = layer(x * (1 + scale) + shift, mask)
        logits = self.out(x)  # (B, N, 2 * ticks a latent)
        return logits.view(x.shape[0], -1, 2)


def onset_loss(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Binary cross-entropy over known ticks, as much as twelve of them come to.

    Args:
        logits: ``(B, T, 2)``.
        targets: ``(B, T)`` int8: 0 nothing, 1 a note starts, 2 something else does, -1 unknown, -2
            no note but lights unknown.
        smoothing: share of a note's target that each of its neighbouring ticks takes over.
    """
    known = targets != -1
    starts = (targets == 1).float()
    if smoothing:
        beside = functional.pad(starts, (1, 1))
        starts = (1 - 2 * smoothing) * starts + smoothing * (beside[:, :-2] + beside[:, 2:])
    note = functional.binary_cross_entropy_with_logits(
        logits[..., 0].float(), starts, reduction="none"
    )
    other = functional.binary_cross_entropy_with_logits(
        logits[..., 1].float(), (targets == 2).float(), reduction="none"
    )
    lit = (targets == 0) | (targets == 2)
    total = (note * known).sum() + 0.3 * (other * lit).sum()
    return total * 12 / known.sum().clamp(min=1)
