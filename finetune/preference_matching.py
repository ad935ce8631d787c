"""Pairs of samples that differ in how good they are and in little else.

Best against worst of some samples differs in more than faults: where a hand hardly moves, or both
cut at once, less can go wrong, and a model that is shown such pairs learns to place just that
(`finetune/EXPERIMENTS.md` 26). So pairs are chosen by minimisation, as clinical trials balance
their arms (Pocock and Simon, 1975): of a window's clear pairs the one that keeps the sums, over all
pairs so far, of the differences in what should not differ nearest to where they should be. That is
what the humans' bars of the same windows have more or less of than the samples, so that a round of
training takes back what an earlier one has shifted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saberlm.eval.note_arrays import NUM_DIRECTIONS, note_arrays
from saberlm.finetune.preferences import Bars, played
from saberlm.prompts.beatmap import NUM_COLUMNS, NUM_ROWS

Floats = npt.NDArray[np.float64]

LEAST_GAP = 2.0
"""Points (`saberlm.finetune.preference_score`) between the better and the worse."""
CLEAR_SHARE = 0.7
"""Of a window's largest gap, that a pair must have."""
LIKE_NOTES = (0.85, 1.18)
"""Notes of the worse against the better: with one rhythm, that is how many come two at a time."""
PAIRS_A_WINDOW = 2
STYLE_PULL = 3.0
"""How far the pairs lean toward what the humans' bars have more of, times that difference: a round
takes back less than its pairs lean (`finetune/EXPERIMENTS.md` 40)."""
TRAIT_GROUPS = {
    "doubles": 1,
    "cells": NUM_COLUMNS * NUM_ROWS,
    "directions": NUM_DIRECTIONS,
    "others": 2,
    "turns": NUM_DIRECTIONS**2,
}
"""Sizes of the parts of `traits`, in order."""


@dataclass(frozen=True)
class Way:
    """One way on from a stretch, judged.

    Attributes:
        bars: Tokens.
        value: `saberlm.finetune.preference_score.StretchScore.value`.
        notes: Colour notes.
    """

    bars: tuple[tuple[int, ...], ...]
    value: float
    notes: int


def traits(bars: Bars) -> Floats:
    """What the two sides of a pair should have in common, ``(105,)``: the share of note moments
    with both hands; shares of the notes in each cell and of each direction, left hands mirrored;
    bombs and walls a note; a hand's steps from each direction to each, a note. Zeros without
    notes."""
    beatmap = played(bars)
    if beatmap is None or not beatmap.color_notes:
        return np.zeros(sum(TRAIT_GROUPS.values()))
    notes = note_arrays(beatmap)
    x, direction = notes.folded()
    cells = np.bincount(notes.y * NUM_COLUMNS + x, minlength=TRAIT_GROUPS["cells"])
    directions = np.bincount(direction, minlength=NUM_DIRECTIONS)
    others = np.array([len(beatmap.bombs), len(beatmap.obstacles)])
    turns = np.zeros(NUM_DIRECTIONS**2)
    for color in (0, 1):
        own = direction[notes.color == color]
        turns += np.bincount(own[:-1] * NUM_DIRECTIONS + own[1:], minlength=len(turns))
    shares = np.concatenate([cells, directions, others, turns]) / len(notes)
    return np.concatenate([[notes.hands.all(axis=1).mean()], shares])


def matched_pairs(
    windows: Sequence[Sequence[Way]], humans: Sequence[Bars] = ()
) -> list[list[tuple[int, int]]]:
    """Pairs of each window's ways, by number, the better first.

    No way is in two pairs. In every pair the gap is at least `LEAST_GAP` and `CLEAR_SHARE` of the
    window's largest, and the notes are like many; of those the choice is by minimisation, a group
    of `TRAIT_GROUPS` weighing as much as another.

    Args:
        windows: ways on, window by window; the order has a say.
        humans: the human's bars of each window; none for sides that should not differ at all.
    """
    seen = [[traits(way.bars) for way in ways] for ways in windows]
    spread = np.std([one for some in seen for one in some], axis=0) if any(seen) else np.ones(1)
    sizes = np.concatenate([np.full(n, n, np.float64) for n in TRAIT_GROUPS.values()])
    scale = np.divide(1, spread * np.sqrt(sizes), out=np.zeros(len(sizes)), where=spread > 1e-9)
    lacking = np.zeros(len(sizes))
    if humans and any(seen):
        made = [np.mean(own, axis=0) for own in seen if own]
        meant = [traits(bars) for bars, own in zip(humans, seen, strict=True) if own]
        lacking = STYLE_PULL * (np.mean(meant, axis=0) - np.mean(made, axis=0)) * scale
    tilt, out = np.zeros(len(sizes)), []
    for ways, own in zip(windows, seen, strict=True):
        chosen: list[tuple[int, int]] = []
        clear = _clear(ways)
        while clear and len(chosen) < PAIRS_A_WINDOW:
            tilts = [tilt + (own[i] - own[j]) * scale - lacking for i, j in clear]
            best = int(np.argmin([np.sum(one**2) for one in tilts]))
            tilt = tilts[best]
            chosen.append(clear[best])
            clear = [pair for pair in clear if not set(pair) & set(chosen[-1])]
        out.append(chosen)
    return out


def _clear(ways: Sequence[Way]) -> list[tuple[int, int]]:
    gaps = {
        (i, j): one.value - other.value
        for i, one in enumerate(ways)
        for j, other in enumerate(ways)
        if i != j and like_many(other.notes, one.notes) and one.bars != other.bars
    }
    least = max(LEAST_GAP, CLEAR_SHARE * max(gaps.values(), default=0.0))
    return sorted((pair for pair, gap in gaps.items() if gap >= least), key=lambda p: -gaps[p])


def like_many(notes: int, other: int) -> bool:
    """Whether two numbers of notes are near enough."""
    return other > 0 and LIKE_NOTES[0] <= notes / other <= LIKE_NOTES[1]


def tilt_table(pairs: Iterable[tuple[Bars, Bars]]) -> dict[str, float]:
    """What is left of the differences between the better and the worse sides of pairs.

    Returns:
        ``doubles`` of each side (``doubles better``, ``doubles worse``: mean shares), and half the
        summed differences between the two sides' mean shares of ``cells`` and ``directions`` (total
        variation, 0 to 1). Empty without pairs.
    """
    sides = [(traits(one), traits(other)) for one, other in pairs]
    if not sides:
        return {}
    better, worse = np.mean(sides, axis=0)
    apart = np.abs(better - worse) / 2
    cells = slice(1, 1 + TRAIT_GROUPS["cells"])
    directions = slice(cells.stop, cells.stop + TRAIT_GROUPS["directions"])
    return {
        "doubles better": float(better[0]),
        "doubles worse": float(worse[0]),
        "cells": float(apart[cells].sum()),
        "directions": float(apart[directions].sum()),
    }
