"""The balance of turns: a hand that follows one cut with the same one over and over comes to vary.

`saberlm.infer.cut_balance` holds how often a map uses each cut, not what follows what: straight
cuts after straight ones may still be too many. So the logits of a hand's next note are held to how
often mappers of the difficulty follow its last direction with each other one:

    nats of direction d after e = -strength * log((n_ed / h_ed + PRIOR_TURNS) / (n_e + PRIOR_TURNS))

n_ed being how often the map turned from e to d of late (both hands together, the left one
mirrored), n_e its turns from e and h_ed the mappers' share (`saberlm.eval.usual_style`), moved by
what the map is to differ in: to a map held to more slanted cuts, more turns into slanted ones are
usual. How likely a note of a hand is at all stays as it was, and so do further notes of a hand at
one moment.

Mappers' maps hold turns that break parity, too. Those of a right angle or less can, so they are
only made rarer, never likelier, unless the hand has rested (`saberlm.eval.swing.RESET_SECONDS`).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from saberlm.eval.note_arrays import NUM_DIRECTIONS
from saberlm.eval.playability_geometry import DIRECTION_ANGLES
from saberlm.eval.usual_style import usual_style
from saberlm.infer.cut_balance import NUM_CUTS, human_shares, right_hand_cuts
from saberlm.prompts import vocab as v

MEMORY_TURNS = 256.0
"""What was said counts less by 1/e after as many turns."""
PRIOR_TURNS = 12.0
"""Turns from a direction that are taken as said."""
LEAST_SHARE = 0.005
"""Of any turn from a direction: what mappers hardly ever do is no surplus when it comes once."""

Floats = npt.NDArray[np.float32]
Shares = npt.NDArray[np.float64]

_DIRECTION = right_hand_cuts() % NUM_DIRECTIONS


def _may_break_parity() -> npt.NDArray[np.bool_]:
    """Turns of a right angle or less between two directions, ``(9, 9)``; a dot has no angle."""
    angle = np.deg2rad(DIRECTION_ANGLES)
    close = np.cos(angle[:, None] - angle) > -1e-6
    return np.pad(close, (0, 1))


_MAY_BREAK = _may_break_parity()


@cache
def human_turns(difficulty: str) -> Shares | None:
    """How often mappers of a difficulty turn from a direction (row) to each, ``(9, 9)``, rows
    summing to 1, one direction's of a hand; None where the package knows no human maps."""
    usual = usual_style(difficulty)
    if usual is None:
        return None
    turns, counts = usual.pooled.histograms["direction_pairs"]
    shares = np.zeros(NUM_DIRECTIONS * NUM_DIRECTIONS)
    shares[turns] = counts
    # a direction that no map uses is followed by any
    table = shares.reshape(NUM_DIRECTIONS, NUM_DIRECTIONS) + 1e-6
    out: Shares = table / table.sum(1, keepdims=True)
    return out


def held_turns(difficulty: str, held: Shares) -> Shares | None:
    """The turns that a map is held to, ``(9, 9)``: the mappers', moved by what its cuts are held to
    more or less than theirs; None where the package knows no human maps.

    Args:
        difficulty: of the map.
        held: shares of its cuts, ``(NUM_CUTS,)``.
    """
    turns, usual = human_turns(difficulty), human_shares(difficulty)
    if turns is None or usual is None:
        return None
    more = held.reshape(-1, NUM_DIRECTIONS).sum(0) / usual.reshape(-1, NUM_DIRECTIONS).sum(0)
    moved = turns * more
    moved = np.maximum(moved / moved.sum(1, keepdims=True), LEAST_SHARE)
    out: Shares = moved / moved.sum(1, keepdims=True)
    return out


class TurnBalance:
    """Holds a row's turns to the mappers' shares; a `saberlm.infer.row_sampler.LogitBias`.

    Args:
        shares: of turns, ``(9, 9)``, positive (`held_turns`).
        strength: see the module.
        rest_ticks: after as many a hand has rested.
    """

    def __init__(self, shares: Shares, strength: float, rest_ticks: float) -> None:
        self._shares = shares
        self._strength = strength
        self._rest_ticks = rest_ticks
        self._said = np.zeros((NUM_DIRECTIONS, NUM_DIRECTIONS))
        self._left = float(np.exp(-1 / MEMORY_TURNS))
        self._last: list[tuple[int, int] | None] = [None, None]  # tick and direction, by hand
        notes = v.block_range("note")
        self._first, self._stop = notes.start, notes.stop
        self._nats = np.zeros((NUM_DIRECTIONS, NUM_DIRECTIONS), np.float32)

    def adjust(self, logits: Floats, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        for hand in (0, 1):
            last = self._last[hand]
            if last is None or last[0] == tick:
                continue
            start = self._first + hand * NUM_CUTS
            own = logits[start : start + NUM_CUTS]
            top = own.max()
            if np.isfinite(top):
                nats = self._nats[last[1]]
                if tick - last[0] <= self._rest_ticks:
                    nats = np.where(_MAY_BREAK[last[1]], np.minimum(nats, 0), nats)
                moved = own + nats[_DIRECTION[hand * NUM_CUTS :][:NUM_CUTS]]
                before, after = np.exp(own - top).sum(), np.exp(moved - top).sum()
                own[:] = moved + np.float32(np.log(before / after))

    def say(self, token: int, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        if not self._first <= token < self._stop:
            return
        hand, direction = (token - self._first) // NUM_CUTS, int(_DIRECTION[token - self._first])
        last = self._last[hand]
        if last is not None and last[0] == tick:
            return
        self._last[hand] = tick, direction
        if last is None:
            return
        self._said *= self._left
        self._said[last[1], direction] += 1
        said = self._said[last[1]]
        surplus = (said / self._shares[last[1]] + PRIOR_TURNS) / (said.sum() + PRIOR_TURNS)
        self._nats[last[1]] = -self._strength * np.log(surplus)
