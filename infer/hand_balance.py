"""The balance of hands: which hand swings after which, as mappers have it.

Left to the decoder, hands take turns more than mappers' do: a hand swings again after 10 % of
moments where theirs do after 17 %, and after both hands at once one goes on where theirs go on
together every other time (Expert; `finetune/EXPERIMENTS.md` 51). And mappers write passages: after
four doubles in a row a fifth follows in two cases of three, where ours came in one of two
(`finetune/EXPERIMENTS.md` 54). So which hands swing is held to the mappers' shares
(`saberlm.eval.relations`), by what swung before, for how many moments and how long ago, with
`saberlm.infer.class_balance`. That there is a note stays as likely as it was; how often doubles
begin is `saberlm.infer.emphasis`'s to hold.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from saberlm.eval.relations import (
    AFTER_BOTH,
    AFTER_ONE,
    Relations,
    hand_time_class,
    run_class,
)
from saberlm.infer.class_balance import ClassBalance
from saberlm.infer.hands import HANDS, NOTES, SWING_TICKS, hand_of, share_out
from saberlm.prompts import vocab as v

Floats = npt.NDArray[np.float32]
MOST_ON = 3.0
"""Nats that a double after doubles gains at most: passages are rare, and are to go on."""

_AGAIN, _OTHER, _TOO = (AFTER_ONE.index(name) for name in ("again", "other", "both"))
_ONE, _BOTH = (AFTER_BOTH.index(name) for name in ("one", "both"))


class HandBalance:
    """Holds which hands swing to the mappers' shares; a `saberlm.infer.row_sampler.LogitBias`.

    Args:
        usual: the mappers' counts.
        bpm: of the row's grid.
        strength: of the balance.
    """

    def __init__(self, usual: Relations, bpm: float, strength: float) -> None:
        self._tick_seconds = 60 / (bpm * v.TICKS_PER_BEAT)
        self._after_one = [
            [ClassBalance(row, strength) for row in rows] for rows in usual.after_one
        ]
        self._after_both = [
            [ClassBalance(row, strength, prior=6.0, most_gain=MOST_ON) for row in rows]
            for rows in usual.after_both
        ]
        self._tick = -1  # of the moment at hand, and the hands that began a swing there
        self._hands: set[int] = set()
        self._before: tuple[int, frozenset[int]] | None = None
        self._run_before = 0  # moments in a row that the hands before have swung
        self._note = [-(10**6), -(10**6)]  # tick of each hand's last note

    def adjust(self, logits: Floats, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        if tick == self._tick:
            present, before, moments = self._hands, self._before, self._run_before
        else:
            present, before, moments = set(), self._moment(), self._run()
        if before is None or len(present) == 2 or self._swings_on(tick):
            return
        time = hand_time_class((tick - before[0]) * self._tick_seconds)
        run, one = run_class(moments), len(before[1]) == 1
        nats = (self._after_one if one else self._after_both)[time][run].nats
        if not present:
            if one:
                (last,) = before[1]
                again, other = float(nats[_AGAIN]), float(nats[_OTHER])
                share_out(logits, (again, other) if last == 0 else (other, again))
            return
        (first,) = present
        if one:
            more = nats[_TOO] - nats[_AGAIN if first in before[1] else _OTHER]
        else:
            more = nats[_BOTH] - nats[_ONE]
        logits[HANDS[1 - first]] += more

    def say(self, token: int, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        if token not in NOTES:
            return
        hand = hand_of(token)
        goes_on = 0 < tick - self._note[hand] <= SWING_TICKS
        self._note[hand] = tick
        if goes_on:
            return
        if tick != self._tick:
            self._count()
            self._run_before, self._before = self._run(), self._moment()
            self._tick, self._hands = tick, set()
        self._hands.add(hand)

    def _moment(self) -> tuple[int, frozenset[int]] | None:
        """Tick and hands of the newest moment; None before any."""
        return (self._tick, frozenset(self._hands)) if self._hands else None

    def _run(self) -> int:
        """Moments in a row that the hands of the newest one have swung."""
        return self._run_before + 1 if self._before and self._before[1] == self._hands else 1

    def _swings_on(self, tick: int) -> bool:
        """Whether a note at a tick may belong to a swing that began before."""
        return any(0 < tick - last <= SWING_TICKS for last in self._note)

    def _count(self) -> None:
        """The newest moment is over."""
        if self._before is None:
            return
        tick, before = self._before
        time, run = hand_time_class((self._tick - tick) * self._tick_seconds), self._run_before
        both = len(self._hands) == 2
        if len(before) == 2:
            self._after_both[time][run_class(run)].say(_BOTH if both else _ONE)
        else:
            again = _AGAIN if self._hands == before else _OTHER
            self._after_one[time][run_class(run)].say(_TOO if both else again)
