"""The second, optional layer of constraints: keep each hand's swings possible while sampling.

Follows the judge's own model (`saberlm.eval.swing`): a hand alternates forehand and backhand,
notes within an eighth of a beat are one
swing, a long pause frees the hand. ``soft`` makes a note that breaks this `SOFT_PENALTY` nats less
likely, ``strict`` rules it out while
anything else is possible, ``off`` leaves the model alone. Never on in training, and quality is
reported without it too.
"""

from __future__ import annotations

import numpy as np

from saberlm.eval.swing import BORDERLINE, GOOD, RESET_SECONDS, SWING_BEATS, Parity
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import CutDirection

MODES = ("off", "soft", "strict")
SOFT_PENALTY = 4.0
BORDERLINE_PENALTY = 0.7
STRICT_PENALTY = 60.0
_SWING_TICKS = round(SWING_BEATS * v.TICKS_PER_BEAT)
_ANGLE = (180, 0, 270, 90, 225, 135, 315, 45)  # down = 0, counter-clockwise (bsmap)


def _turn(first: int, second: int) -> int:
    """Degrees between two cut directions, 0-180; 0 when either is a dot."""
    if CutDirection.ANY in (first, second):
        return 0
    apart = abs(_ANGLE[first] - _ANGLE[second]) % 360
    return min(apart, 360 - apart)


class HandTracker:
    """What one row's hands can do next.

    Args:
        mode: ``soft`` or ``strict``.
        bpm: tempo of the grid, for the pause that frees a hand.
    """

    def __init__(self, mode: str, bpm: float) -> None:
        if mode not in MODES:
            raise ValueError(f"playability must be one of {', '.join(MODES)}, found {mode!r}")
        self.penalty = STRICT_PENALTY if mode == "strict" else SOFT_PENALTY
        self.free_ticks = RESET_SECONDS * bpm / 60 * v.TICKS_PER_BEAT
        self.last_tick = [-(10**9)] * 2
        self.direction = [int(CutDirection.ANY)] * 2
        self.expected: list[Parity | None] = [None, None]

    def penalties(self, tick: int) -> np.ndarray:
        """What to take off each note's log-probability at a tick of the song, ``(216,)`` float32,
        0 or more."""
        out = np.zeros((2, 12, 9), dtype=np.float32)
        for color in (0, 1):
            gap = tick - self.last_tick[color]
            if gap <= _SWING_TICKS:
                wide = [_turn(self.direction[color], d) > 45 for d in range(9)]
                out[color, :, wide] = self.penalty
                continue
            expected = self.expected[color]
            if expected is None or gap > self.free_ticks:
                continue
            good, just = GOOD[color][expected], BORDERLINE[color][expected]
            for direction in range(9):
                if direction in just:
                    out[color, :, direction] = BORDERLINE_PENALTY
                elif direction not in good:
                    out[color, :, direction] = self.penalty
        return out.reshape(-1)

    def place(self, tick: int, color: int, direction: int) -> None:
        """A note was placed: move that hand."""
        gap = tick - self.last_tick[color]
        self.last_tick[color] = tick
        if gap <= _SWING_TICKS:  # the same swing goes on
            if self.direction[color] == CutDirection.ANY:
                self.direction[color] = direction
            return
        self.direction[color] = direction
        expected = self.expected[color]
        if expected is None or gap > self.free_ticks:
            suits = [parity for parity in Parity if direction in GOOD[color][parity]]
            self.expected[color] = suits[0].other() if len(suits) == 1 else None
        elif direction in GOOD[color][expected] or direction in BORDERLINE[color][expected]:
            self.expected[color] = expected.other()
