"""Train the critic: a few minutes on one core. `saberlm.eval.critic` runs what is written here.

Songs are kept apart: a tenth of the training songs choose the best step and set the scale of the
log-odds; the valid split only measures.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn
from torch.nn import functional

from saberlm.eval.critic import (
    DILATIONS,
    FACTS_NAME,
    FORMAT,
    KERNEL,
    WEIGHTS_NAME,
    Critic,
)
from saberlm.eval.critic_features import BAR_FEATURES, NOTE_FEATURES, CriticInput
from saberlm.finetune.critic_data import FAMILIES, HUMAN, CropSampler, Example
from saberlm.finetune.critic_report import balanced

HELD_PERCENT = 10
QUANTILES = 21


@dataclass(frozen=True)
class CriticConfig:
    """How the critic is trained."""

    width: int = 64
    steps: int = 1500
    crops: int = 12  # of human maps, and as many of machines', in a batch
    crop_bars: int = 24
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    dropout: float = 0.2
    check_every: int = 150
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        for name in ("width", "steps", "crops", "crop_bars", "check_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, found {getattr(self, name)}")


class CriticNet(nn.Module):
    """The network of `saberlm.eval.critic.forward` in torch, with dropout for training."""

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.note = nn.Linear(NOTE_FEATURES, width)
        self.layer = nn.ModuleList(nn.Linear(KERNEL * width, width) for _ in DILATIONS)
        self.bar = nn.Linear(2 * width + BAR_FEATURES, width)
        self.out = nn.Linear(width, 1)
        self.dropout = dropout

    def forward(self, notes: Tensor, bar_of_row: Tensor, bars: Tensor) -> Tensor:
        """Log-odds ``(B,)`` of rows ``(R, N)``, their bars ``(R,)`` and the bars' features ``(B,
        G)``."""
        real = (bar_of_row >= 0)[:, None]
        x = functional.relu(self.note(self._drop(notes))) * real
        for layer, dilation in zip(self.layer, DILATIONS, strict=True):
            reach = dilation * (KERNEL // 2)
            wide = functional.pad(x, (0, 0, reach, reach))
            near = [wide[k * dilation : k * dilation + len(x)] for k in range(KERNEL)]
            x = (x + functional.relu(layer(self._drop(torch.cat(near, 1))))) * real
        rows, at = x[real[:, 0]], bar_of_row[real[:, 0]]
        none = x.new_zeros(len(bars), x.shape[1])
        size = torch.bincount(at, minlength=len(bars)).clamp(min=1)[:, None]
        mean = none.index_add(0, at, rows) / size
        most = none.scatter_reduce(0, at[:, None].expand_as(rows), rows, "amax")
        hidden = functional.relu(self.bar(self._drop(torch.cat([mean, most, bars], 1))))
        out: Tensor = self.out(hidden)
        return out[:, 0]

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout, self.training)

    def weights(self) -> dict[str, np.ndarray]:
        """Tensors as `saberlm.eval.critic.forward` names them, float32."""
        return {
            name: (value.T if value.ndim == 2 else value).detach().float().numpy().copy()
            for name, value in self.state_dict().items()
        }


def split_songs(examples: Sequence[Example], seed: int) -> tuple[list[Example], list[Example]]:
    """Examples to learn from and to choose by; no song is in both."""
    songs = sorted({one.song for one in examples})
    order = np.random.default_rng(seed).permutation(len(songs))
    held = {songs[i] for i in order[: max(1, len(songs) * HELD_PERCENT // 100)]}
    return (
        [one for one in examples if one.song not in held],
        [one for one in examples if one.song in held],
    )


def train_critic(
    examples: Sequence[Example],
    config: CriticConfig,
    log: Callable[[str], None] = lambda line: None,
) -> tuple[Critic, list[Example]]:
    """Train on a split's examples.

    Args:
        examples: of at least two songs.
        config: settings; the seed makes a run repeatable on one machine.
        log: takes a line at each check.

    Returns:
        The critic, its log-odds scaled on songs that it did not learn from, and their examples.
    """
    torch.manual_seed(config.seed)
    learn, choose = split_songs(examples, config.seed)
    net = CriticNet(config.width, config.dropout)
    optimiser = torch.optim.AdamW(
        net.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step / config.steps))
    draws = CropSampler(learn, config.crop_bars, config.seed)
    best, best_loss = net.weights(), math.inf
    running = 0.0
    for step in range(1, config.steps + 1):
        net.train()
        batch, labels = draws.draw(config.crops)
        odds = net(*_tensors(batch))
        target = torch.from_numpy(labels)
        each = functional.binary_cross_entropy_with_logits(odds, target, reduction="none")
        loss = (each[target > 0].mean() + each[target == 0].mean()) / 2
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        running += float(loss.detach())
        if step % config.check_every == 0 or step == config.steps:
            found = balanced(Critic(net.weights()), choose)
            taught = running / (step % config.check_every or config.check_every)
            log(
                f"step {step}: loss {taught:.4f}, songs to choose by {found.loss():.4f},"
                f" AUC {found.auc():.4f}"
            )
            running = 0.0
            if found.loss() < best_loss:
                best, best_loss = net.weights(), found.loss()
    scale, shift = balanced(Critic(best), choose).calibration()
    best["out.weight"] = best["out.weight"] * scale
    best["out.bias"] = best["out.bias"] * scale + shift
    log(f"log-odds scaled by {scale:.3f} and moved by {shift:+.3f}")
    facts = {
        "format": FORMAT,
        "training": {
            **asdict(config),
            "songs": len({one.song for one in learn}),
            "songs to choose by": len({one.song for one in choose}),
            "kinds": sorted({one.kind for one in learn}),
            "shares of machine bars": FAMILIES,
        },
    }
    return Critic({k: v.astype(np.float32) for k, v in best.items()}, facts), choose


def save_critic(critic: Critic, out: Path) -> None:
    """Write the weights (float16) and the facts."""
    out.mkdir(parents=True, exist_ok=True)
    small = {
        name: np.ascontiguousarray(value, dtype=np.float16)
        for name, value in critic.weights.items()
    }
    save_file(small, out / WEIGHTS_NAME)
    text = json.dumps(critic.facts, indent=1, ensure_ascii=False)
    (out / FACTS_NAME).write_text(text + "\n", encoding="utf-8")


def human_quantiles(critic: Critic, examples: Sequence[Example]) -> list[float]:
    """Evenly spaced quantiles of the mean log-odds of human maps, the least first."""
    scores = [float(critic.log_odds(one.seen).mean()) for one in examples if one.kind == HUMAN]
    return [round(float(q), 3) for q in np.quantile(scores, np.linspace(0, 1, QUANTILES))]


def _rate(done: float) -> float:
    return min(1.0, done / 0.05 + 0.02) * (0.5 + 0.5 * math.cos(math.pi * min(done, 1.0)))


def _tensors(seen: CriticInput) -> tuple[Tensor, Tensor, Tensor]:
    return (
        torch.from_numpy(seen.notes),
        torch.from_numpy(seen.bar_of_row),
        torch.from_numpy(seen.bars),
    )


__all__ = [
    "CriticConfig",
    "CriticNet",
    "human_quantiles",
    "save_critic",
    "split_songs",
    "train_critic",
]
