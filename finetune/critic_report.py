"""How well the critic tells human maps from each kind of machine map.

The area under the ROC curve (AUC) is the chance that a human bar (or map, by the mean over its
bars) scores above a machine's, ties counted half: 0.5 is blind, 1 is sure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from saberlm.eval.critic import Critic
from saberlm.eval.note_arrays import Bools, Floats
from saberlm.finetune.critic_data import FAMILIES, HUMAN, UNTAUGHT, Example
from saberlm.prompts.beatmap import DIFFICULTIES

WINDOW_BARS = 4


def auc(above: Floats, below: Floats) -> float:
    """Chance that one of ``above`` exceeds one of ``below``; NaN if either is empty."""
    if not (len(above) and len(below)):
        return float("nan")
    order = np.sort(below)
    less = np.searchsorted(order, above, side="left")
    same = np.searchsorted(order, above, side="right") - less
    return float((less + same / 2).mean() / len(below))


@dataclass(frozen=True, eq=False)
class Balanced:
    """Bars with weights: half of the weight is human, the machines' half goes by `FAMILIES`.

    Attributes:
        odds: (n,) log-odds that the critic gives.
        human: (n,) whether the bar is a human's.
        weight: (n,) weights that sum to 1.
    """

    odds: Floats
    human: Bools
    weight: Floats

    def loss(self) -> float:
        """Weighted cross-entropy, nats a bar; 0.693 for a critic that knows nothing."""
        signed = np.where(self.human, 1, -1) * self.odds
        return float((np.logaddexp(0, -signed) * self.weight).sum())

    def auc(self) -> float:
        """Human bars against all machines' bars, each bar alike."""
        return auc(self.odds[self.human], self.odds[~self.human])

    def calibration(self) -> tuple[float, float]:
        """Scale and shift of the log-odds that make the loss least (Newton's method, damped)."""
        at, now = np.array([1.0, 0.0]), self.loss()
        x = np.stack([self.odds, np.ones_like(self.odds)], 1)
        for _ in range(50):
            chance = 1 / (1 + np.exp(-np.clip(x @ at, -30, 30)))
            slope = x.T @ (self.weight * (chance - self.human))
            bend = (x * (self.weight * chance * (1 - chance))[:, None]).T @ x + 1e-6 * np.eye(2)
            step = np.linalg.solve(bend, slope)
            for damping in 0.5 ** np.arange(20):
                scale, shift = at - damping * step
                there = Balanced(self.odds * scale + shift, self.human, self.weight).loss()
                if there < now:
                    at, now = at - damping * step, there
                    break
            else:
                break
        return float(at[0]), float(at[1])

    def reliability(self) -> list[dict[str, float]]:
        """What the log-odds promise and what is true, by bands of log-odds: alike where the critic
        is calibrated."""
        chance = 1 / (1 + np.exp(-np.clip(self.odds, -30, 30)))
        out = []
        for low, high in pairwise((-np.inf, -4, -2, -1, 0, 1, 2, 4, np.inf)):
            here = (self.odds >= low) & (self.odds < high)
            if total := float(self.weight[here].sum()):
                said = float((chance * self.weight)[here].sum()) / total
                true = float((self.human * self.weight)[here].sum()) / total
                row = {"promised": said, "human": true, "share of bars": total}
                out.append({name: round(value, 3) for name, value in row.items()})
        return out


def balanced(critic: Critic, examples: Sequence[Example]) -> Balanced:
    """The critic's view of examples, kinds that it cannot notice left out."""
    taught = [one for one in examples if one.kind not in UNTAUGHT]
    odds = [critic.log_odds(one.seen) for one in taught]
    families = ["" if one.kind == HUMAN else one.family for one in taught]
    size: Counter[str] = Counter()
    for family, of_map in zip(families, odds, strict=True):
        size[family] += len(of_map)
    machines = sum(share for family, share in FAMILIES.items() if size[family])
    share = {"": 0.5} | {f: 0.5 * FAMILIES[f] / machines for f in FAMILIES if size[f]}
    weight = [np.full(len(o), share[f] / size[f]) for f, o in zip(families, odds, strict=True)]
    human = [np.full(len(o), not f) for f, o in zip(families, odds, strict=True)]
    return Balanced(np.concatenate(odds), np.concatenate(human), np.concatenate(weight))


@dataclass(frozen=True)
class KindResult:
    """One kind of machine map against the human maps of the same songs and difficulties."""

    kind: str
    difficulty: str
    bars: int
    maps: int
    songs: int
    bar_auc: float
    window_auc: float
    map_auc: float
    paired: float
    """Share of maps that score below the very human map they stand beside."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; figures to three digits, None where there is nothing to compare."""
        figures = {
            name: None if np.isnan(value) else round(value, 3)
            for name in ("bar_auc", "window_auc", "map_auc", "paired")
            for value in [float(getattr(self, name))]
        }
        return {
            "kind": self.kind,
            "difficulty": self.difficulty,
            "bars": self.bars,
            "maps": self.maps,
            "songs": self.songs,
            **figures,
        }


def measure(critic: Critic, examples: Sequence[Example]) -> list[KindResult]:
    """Every kind of machine map, over all difficulties (``all``) and by difficulty."""
    odds = [critic.log_odds(one.seen) for one in examples]
    kinds = list(dict.fromkeys(one.kind for one in examples if one.kind != HUMAN))
    out = []
    for kind in kinds:
        for name in ("all", *DIFFICULTIES):
            machine = [
                (e, o)
                for e, o in zip(examples, odds, strict=True)
                if e.kind == kind and name in ("all", e.difficulty)
            ]
            if not machine:
                continue
            beside = {(e.song, e.difficulty) for e, _ in machine}
            human = {
                (e.song, e.difficulty): o
                for e, o in zip(examples, odds, strict=True)
                if e.kind == HUMAN and (e.song, e.difficulty) in beside
            }
            out.append(_result(kind, name, machine, human))
    return out


def _result(
    kind: str,
    name: str,
    machine: list[tuple[Example, Floats]],
    human: dict[tuple[str, str], Floats],
) -> KindResult:
    theirs, ours = [o for _, o in machine], list(human.values())
    lower = [
        o.mean() < human[e.song, e.difficulty].mean()
        for e, o in machine
        if (e.song, e.difficulty) in human
    ]
    return KindResult(
        kind,
        name,
        sum(map(len, theirs)),
        len(theirs),
        len({e.song for e, _ in machine}),
        auc(_bars(ours), _bars(theirs)),
        auc(_windows(ours), _windows(theirs)),
        auc(_means(ours), _means(theirs)),
        float(np.mean(lower)) if lower else float("nan"),
    )


def _bars(odds: list[Floats]) -> Floats:
    return np.concatenate([*odds, np.zeros(0)])


def _windows(odds: list[Floats]) -> Floats:
    """Means over `WINDOW_BARS` bars in a row."""
    return _bars([np.convolve(o, np.full(WINDOW_BARS, 1 / WINDOW_BARS), "valid") for o in odds])


def _means(odds: list[Floats]) -> Floats:
    return np.array([o.mean() for o in odds])


def table(results: Sequence[KindResult]) -> str:
    """The results over all difficulties as a Markdown table."""
    lines = [
        "| kind | bars | maps | songs | AUC a bar | 4 bars | a map | below its human map |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {one.kind} | {one.bars} | {one.maps} | {one.songs} | {one.bar_auc:.3f} |"
        f" {one.window_auc:.3f} | {one.map_auc:.3f} | {one.paired:.0%} |"
        for one in results
        if one.difficulty == "all"
    ]
    return "\n".join(lines)


__all__ = ["Balanced", "KindResult", "auc", "balanced", "measure", "table"]
