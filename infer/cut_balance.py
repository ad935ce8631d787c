"""The balance of cuts: a map that says one cut over and over comes to say it less.

Sampled below temperature 1, and with a memory of what was said before, a model makes its likeliest
cuts likelier still: the bottom row and straight cuts grow, the top row and diagonals fade, and now
and then a map is caught in one rare cut for good (`finetune/EXPERIMENTS.md` 29). So the logits of
notes are held to how often mappers of the difficulty use each cell and direction, gently, as a map
may have a taste of its own:

    nats of cut c = -strength * log((n_c / h_c + PRIOR_NOTES) / (n + PRIOR_NOTES))

n_c being how often the map said the cut of late (older notes fade), n all its notes and h_c the
mappers' share (`saberlm.eval.usual_style`). How likely a note of a hand is at all stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from saberlm.eval.usual_style import usual_style
from saberlm.prompts import vocab as v
from saberlm.prompts.mirror import mirrored_note_token

NUM_CUTS = 3 * 4 * 9
"""Row, column and direction of a right-hand note; a left-hand one is its mirror image."""
MEMORY_NOTES = 256.0
"""What was said counts less by 1/e after as many notes."""
PRIOR_NOTES = 48.0
"""Notes of the mappers' shares that are taken as said."""
LEAST_SHARE = 0.001
"""Of any cut: what mappers hardly ever use is not asked for, and one such note is no surplus."""

Floats = npt.NDArray[np.float32]
Shares = npt.NDArray[np.float64]


def right_hand_cuts() -> npt.NDArray[np.int64]:
    """For every note token which cut it is, folded onto the right hand, ``(216,)``."""
    notes = v.block_range("note")
    right = [
        token if token - notes.start >= NUM_CUTS else mirrored_note_token(token) for token in notes
    ]
    return np.array(right, np.int64) - notes.start - NUM_CUTS


_CUTS = right_hand_cuts()


@cache
def human_shares(difficulty: str) -> Shares | None:
    """How often mappers of a difficulty use each cut, ``(NUM_CUTS,)``, summing to 1; None for one
    of which the package knows no human maps."""
    usual = usual_style(difficulty)
    if usual is None:
        return None
    cuts, counts = usual.pooled.histograms["cuts"]
    shares = np.zeros(NUM_CUTS)
    shares[cuts] = counts
    return _floored(shares / shares.sum())


def _floored(shares: Shares) -> Shares:
    """No share below `LEAST_SHARE`, all summing to 1."""
    out: Shares = np.maximum(shares, LEAST_SHARE)
    return out / out.sum()


def balanced_shares(given: Mapping[str, Sequence[float]], difficulty: str) -> Shares | None:
    """The shares that a difficulty is held to: those of a style pack, or else what is usual.

    Raises:
        ValueError: there are not as many as cuts, or not all are shares.
    """
    if difficulty not in given:
        return human_shares(difficulty)
    shares = np.array(given[difficulty], np.float64)
    if shares.shape != (NUM_CUTS,) or not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(
            f"style pack: expected {NUM_CUTS} shares of cuts of {difficulty}, found"
            f" {len(shares)} numbers: likely a damaged file"
        )
    return _floored(shares)


def count_cuts(bars: Iterable[Sequence[int] | npt.NDArray[np.integer[Any]]]) -> Shares:
    """How often each cut is in a map's bars of tokens, ``(NUM_CUTS,)``."""
    notes = v.block_range("note")
    ids = np.concatenate([np.zeros(0, np.int64), *(np.asarray(bar, np.int64) for bar in bars)])
    own = ids[(ids >= notes.start) & (ids < notes.stop)] - notes.start
    return np.bincount(_CUTS[own], minlength=NUM_CUTS).astype(np.float64)


class CutBalance:
    """Holds a row's cuts to the mappers' shares; a `saberlm.infer.row_sampler.LogitBias`.

    Args:
        shares: of the mappers, ``(NUM_CUTS,)``, positive.
        strength: see the module.
        tilt: nats for each cut by which the map is to differ from the mappers'
            (`saberlm.infer.style_words`): from the first note on, and in what it is held to.

    Attributes:
        held: the shares that the map is held to, ``(NUM_CUTS,)``.
    """

    def __init__(self, shares: Shares, strength: float, tilt: Shares | None = None) -> None:
        self._tilt = np.zeros(NUM_CUTS) if tilt is None else tilt
        self.held = _floored(shares * np.exp(self._tilt) / (shares @ np.exp(self._tilt)))
        self._strength = strength
        self._said = np.zeros(NUM_CUTS)
        self._left = float(np.exp(-1 / MEMORY_NOTES))
        self._nats = self._tilt[_CUTS].astype(np.float32)
        self._grown = np.exp(self._tilt)[_CUTS]
        notes = v.block_range("note")
        self._first, self._notes = notes.start, slice(notes.start, notes.stop)

    def adjust(self, logits: Floats, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        both = logits[self._notes]
        for hand in (slice(0, NUM_CUTS), slice(NUM_CUTS, 2 * NUM_CUTS)):
            own = both[hand]
            top = own.max()
            if np.isfinite(top):
                chance = np.exp(own - top)
                grown = float(chance @ self._grown[hand]) / float(chance.sum())
                both[hand] = own + (self._nats[hand] - np.float32(np.log(grown)))

    def say(self, token: int, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        if not self._notes.start <= token < self._notes.stop:
            return
        self._said *= self._left
        self._said[_CUTS[token - self._first]] += 1
        surplus = (self._said / self.held + PRIOR_NOTES) / (self._said.sum() + PRIOR_NOTES)
        nats = self._tilt - self._strength * np.log(surplus)
        self._nats = nats[_CUTS].astype(np.float32)
        self._grown = np.exp(nats)[_CUTS]
