"""The learned critic: how much a map's bars look like a human's. An aid, never the only judge.

A small network reads the notes along each hand and the bars (`saberlm.eval.critic_features`), and
gives every bar that holds notes the log-odds of being human rather than model-made, corrupted or a
baseline's, where both were as likely beforehand: 0 is undecided, 2 is 7 to 1 for a human. It hears
no song and sees no lights: a map that is late, or fits another song, looks as human as before.
It measures how usual a map is among human ones, not how good: ranked human maps do not score above
the others, and bars between -1 and 1 are a human's less often than their log-odds promise
(``facts["valid"]["reliability"]``).
`saberlm.finetune.train_critic` trains it; here it runs in numpy, without torch.

Shapes are those of `saberlm.eval.critic_features`; **C** is the network's width.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from saberlm.eval.critic_features import (
    BAR_FEATURES,
    NOTE_FEATURES,
    CriticInput,
    Features,
    critic_input,
)
from saberlm.eval.note_arrays import Floats
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.tempo import TempoMap

SHIPPED = Path(__file__).parent / "pretrained" / "critic"
WEIGHTS_NAME, FACTS_NAME = "critic.safetensors", "critic.json"
DILATIONS = (1, 2, 4)
KERNEL = 5
"""Notes of a hand that each layer looks at, `DILATIONS` apart; all layers see 14 either side."""
LOG_ODDS = (-25.0, 10.0)
"""Bars of 261 human maps lie between -24.7 and 6.4."""
MAX_BAR_NOTES = 128
"""The fullest bar of the same maps has 42 notes."""
FORMAT = 1
"""Of the features and the network: weights of another format are refused."""


@dataclass(frozen=True)
class BarScore:
    """One bar: where it starts, its notes, and its log-odds of being human."""

    beat: float
    seconds: float
    notes: int
    log_odds: float


@dataclass(frozen=True)
class CriticReport:
    """What the critic thinks of a map.

    Attributes:
        score: Mean log-odds over the bars that hold notes; None without notes. Bars of a map hang
            together, so this is no log-odds of the whole map: compare it with other maps'.
        weak_share: Share of these bars that look more like a machine's (log-odds below 0); None
            without notes.
        human_percentile: Per cent of unseen human maps with a lower score; None without notes.
        bars: The bars that hold notes, by beat.
        left_out: Notes that the unmodded game cannot play; they were not judged.
    """

    score: float | None
    weak_share: float | None
    human_percentile: float | None
    bars: tuple[BarScore, ...] = ()
    left_out: int = 0

    def weakest(self, count: int = 5) -> tuple[BarScore, ...]:
        """The bars that look least human, worst first."""
        return tuple(sorted(self.bars, key=lambda bar: (bar.log_odds, bar.beat))[:count])

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""

        def rounded(value: float | None, digits: int) -> float | None:
            return None if value is None else round(value, digits)

        return {
            "score": rounded(self.score, 3),
            "weak_share": rounded(self.weak_share, 3),
            "human_percentile": rounded(self.human_percentile, 1),
            "left_out": self.left_out,
            "weakest": [round(bar.beat, 3) for bar in self.weakest()],
            "bars": [
                {
                    "beat": round(bar.beat, 3),
                    "seconds": round(bar.seconds, 3),
                    "notes": bar.notes,
                    "log_odds": round(bar.log_odds, 2),
                }
                for bar in self.bars
            ],
        }


@dataclass(frozen=True)
class Critic:
    """The network's weights and what is known of them.

    Attributes:
        weights: Tensors by name; see `forward`.
        facts: How it was trained and measured; ``human_scores`` are evenly spaced quantiles of
            unseen human maps' scores, the least first.
    """

    weights: dict[str, Features]
    facts: dict[str, Any] = field(default_factory=dict)

    def score(self, beatmap: Beatmap, tempo: TempoMap, difficulty: str) -> CriticReport:
        """Judge a map.

        Args:
            beatmap: Any beatmap; modded notes are left out.
            tempo: Its beats in seconds.
            difficulty: Its name in the files (``ExpertPlus``).

        Raises:
            ValueError: The difficulty's name is not one of the five.
        """
        seen = critic_input(beatmap, tempo, difficulty)
        if not len(seen.bars):
            return CriticReport(None, None, None, (), seen.left_out)
        odds = self.log_odds(seen)
        seconds = np.asarray(tempo.to_seconds(seen.bar_beats))
        bars = tuple(
            BarScore(float(beat), float(second), int(notes), float(odd))
            for beat, second, notes, odd in zip(
                seen.bar_beats, seconds, seen.bar_notes, odds, strict=True
            )
        )
        score = float(odds.mean())
        weak = float((odds < 0).mean())
        return CriticReport(score, weak, self._percentile(score), bars, seen.left_out)

    def log_odds(self, seen: CriticInput) -> Floats:
        """Each bar's log-odds of being human, (B,), within `LOG_ODDS`; the lowest for a bar of more
        than `MAX_BAR_NOTES`, which is like nothing that the network was trained on."""
        odds = np.clip(forward(self.weights, seen), *LOG_ODDS)
        return np.where(seen.bar_notes > MAX_BAR_NOTES, LOG_ODDS[0], odds)

    def _percentile(self, score: float) -> float | None:
        known = self.facts.get("human_scores")
        if not known:
            return None
        return float(np.interp(score, known, np.linspace(0, 100, len(known))))


def forward(weights: dict[str, Features], seen: CriticInput) -> Floats:
    """The network.

    Args:
        weights: ``note.weight`` (N, C) and ``.bias`` (C,); ``layer.0`` to ``layer.2`` (`KERNEL` C,
            C) and (C,); ``bar`` (2 C + G, C) and (C,); ``out`` (C, 1) and (1,).
        seen: At least one bar.

    Returns:
        (B,) log-odds.
    """
    real = (seen.bar_of_row >= 0)[:, None]
    x = _relu(_linear(weights, "note", seen.notes)) * real
    for i, dilation in enumerate(DILATIONS):
        reach = dilation * (KERNEL // 2)
        wide = np.pad(x, ((reach, reach), (0, 0)))
        near = [wide[k * dilation : k * dilation + len(x)] for k in range(KERNEL)]
        x = (x + _relu(_linear(weights, f"layer.{i}", np.concatenate(near, 1)))) * real
    rows = np.flatnonzero(seen.bar_of_row >= 0)
    rows = rows[np.argsort(seen.bar_of_row[rows], kind="stable")]
    bar = seen.bar_of_row[rows]
    start = np.flatnonzero(np.diff(bar, prepend=-1))
    total = np.add.reduceat(x[rows], start, axis=0)
    mean = total / np.diff(start, append=len(rows))[:, None]
    most = np.maximum.reduceat(x[rows], start, axis=0)
    hidden = _relu(_linear(weights, "bar", np.concatenate([mean, most, seen.bars], 1)))
    return _linear(weights, "out", hidden)[:, 0].astype(np.float64)


def _linear(weights: dict[str, Features], name: str, x: Features) -> Features:
    return np.asarray(x @ weights[f"{name}.weight"] + weights[f"{name}.bias"])


def _relu(x: Features) -> Features:
    return np.maximum(x, 0)


@cache
def load_critic(folder: Path = SHIPPED) -> Critic:
    """The critic that ships with the package, or another one's folder; read once.

    Raises:
        ValueError: The folder holds no critic, or one of another format.
    """
    weights_file, facts_file = folder / WEIGHTS_NAME, folder / FACTS_NAME
    if not (weights_file.is_file() and facts_file.is_file()):
        raise ValueError(
            f"expected {WEIGHTS_NAME} and {FACTS_NAME} in {folder}, found no such files: likely "
            "not a folder that train_critic wrote"
        )
    facts = json.loads(facts_file.read_text(encoding="utf-8"))
    weights = {name: value.astype(np.float32) for name, value in load_file(weights_file).items()}
    shape = weights["note.weight"].shape[0] if "note.weight" in weights else 0
    if facts.get("format") != FORMAT or shape != NOTE_FEATURES:
        raise ValueError(
            f"expected a critic of format {FORMAT} with {NOTE_FEATURES} note features, found "
            f"format {facts.get('format')} with {shape}: likely trained by another version of "
            "saberlm; train it again"
        )
    if any(not math.isfinite(float(value.sum())) for value in weights.values()):
        raise ValueError(f"expected finite weights in {weights_file}, found NaN or infinity")
    return Critic(weights, facts)


__all__ = ["BAR_FEATURES", "BarScore", "Critic", "CriticReport", "forward", "load_critic"]
