"""The balance of relations: both hands go together, and from cut to cut, as mappers have them do.

`saberlm.infer.cut_balance` and `saberlm.infer.turn_balance` hold each hand by itself; how two cuts
stand to each other is left to the decoder, and doubles come to point anywhere: the same way in 38 %
where mappers' do in 59 % (Expert), one up and one down in 29 % where theirs do in 11 %
(`finetune/EXPERIMENTS.md` 51). So the logits of a note are held to the mappers' shares of such
relations (`saberlm.eval.relations`) with `saberlm.infer.class_balance`.

For the second hand of a moment the classes are those of doubles, by direction and by place. There a
second hand as such becomes less likely where no cut would go with the first: the hands then stand
for different ways, and a double comes better at another moment. For a hand's next swing they are
its moves, by the time it has, and its returns: hands of mappers go to and fro, the faster the more,
where ours came back to their last cut but one half as often; and the one hand answers the other
with the mirror image of its cut, most of all quickly (`finetune/EXPERIMENTS.md` 54). How likely the
hand is at all stays as it was.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from saberlm.eval.note_arrays import NUM_DIRECTIONS
from saberlm.eval.relations import (
    ANSWER_CLASS,
    DIRECTION_CLASS,
    DISTANCE_CLASS,
    PLACE_CLASS,
    RETURN_CLASS,
    Relations,
    time_class,
)
from saberlm.infer.class_balance import ClassBalance, kept_mass
from saberlm.infer.hands import HAND_NOTES, HANDS, NOTES, SWING_TICKS
from saberlm.infer.style_words import StyleWishes
from saberlm.prompts import vocab as v

MOST_WITHIN = 1.0
"""Nats that a cut of a second hand loses against its others: where all that its last cut leaves
goes ill with the first hand, the second had better not play than break parity."""

FEWER_JUMPS = np.array([1.0, 1.0, 1.0, 0.4, 0.4])
"""What is left of moves by distance (`saberlm.eval.relations.DISTANCES`) where jumps are to be
avoided."""

Floats = npt.NDArray[np.float32]

_CELL, _DIRECTION = np.divmod(np.arange(HAND_NOTES), NUM_DIRECTIONS)


def with_jumps(usual: Relations, words: StyleWishes) -> Relations:
    """The counts that a row is held to: of moves none where the style asks for jumps, fewer long
    ones where it is to be without."""
    if "jumps" in words.asked:
        return replace(usual, moves=np.zeros_like(usual.moves))
    return replace(usual, moves=usual.moves * FEWER_JUMPS) if "jumps" in words.avoided else usual


class RelationBalance:
    """Holds a row's doubles, moves, returns and answers to the mappers' shares; a
    `saberlm.infer.row_sampler.LogitBias`.

    Args:
        usual: the mappers' counts.
        bpm: of the row's grid.
        strength: see the module.
    """

    def __init__(self, usual: Relations, bpm: float, strength: float) -> None:
        self._tick_seconds = 60 / (bpm * v.TICKS_PER_BEAT)
        self._directions = ClassBalance(usual.directions, strength)
        self._places = ClassBalance(usual.places, strength)
        self._moves = [ClassBalance(row, strength) for row in usual.moves]
        self._returns = [ClassBalance(row, strength) for row in usual.returns]
        self._answers = [ClassBalance(row, strength) for row in usual.answers]
        self._tick = -1
        self._first: list[int | None] = [None, None]  # each hand's first cut of the moment
        self._last: list[tuple[int, int] | None] = [None, None]  # tick and cut before it
        self._alone: tuple[int, int, int] | None = None  # tick, hand and cut of a lone swing
        # first cuts of the swing before it and of the one before that
        self._swings: list[tuple[int | None, int | None]] = [(None, None), (None, None)]

    def adjust(self, logits: Floats, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        now = tick == self._tick
        firsts, alone = (self._first, None) if now else ([None, None], self._newest_alone())
        for hand in (0, 1):
            if firsts[hand] is not None:
                continue
            own = logits[HANDS[hand]]
            other, last = firsts[1 - hand], self._before(hand, tick)
            moved = own
            if last is not None and tick - last[0] > SWING_TICKS:
                time = time_class((tick - last[0]) * self._tick_seconds)
                moved = own + self._moves[time].nats[DISTANCE_CLASS[_CELL[last[1]]]][_CELL]
                earlier = self._last_but_one(hand, tick)
                if earlier is not None:
                    moved = moved + self._returns[time].nats[RETURN_CLASS[earlier]]
                if alone is not None and alone[1] != hand:
                    moved = moved + self._answered(alone, tick).nats[ANSWER_CLASS[alone[2]]]
                moved = moved + kept_mass(own, moved)
            if other is not None:
                moved = _as_second(moved, self._beside(other, hand))
            own[:] = moved

    def say(self, token: int, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        if token not in NOTES:
            return
        hand, cut = divmod(token - NOTES.start, HAND_NOTES)
        if tick != self._tick:
            self._close()
            self._tick, self._first = tick, [None, None]
        if self._first[hand] is not None:
            return
        last, other = self._last[hand], self._first[1 - hand]
        self._first[hand] = cut
        if last is not None and tick - last[0] > SWING_TICKS:
            time = time_class((tick - last[0]) * self._tick_seconds)
            self._moves[time].say(int(DISTANCE_CLASS[_CELL[last[1]], _CELL[cut]]))
            earlier = self._swings[hand][1]
            if earlier is not None:
                self._returns[time].say(int(RETURN_CLASS[earlier, cut]))
        if other is not None:
            left, right = (cut, other) if hand == 0 else (other, cut)
            self._directions.say(int(DIRECTION_CLASS[_DIRECTION[left], _DIRECTION[right]]))
            self._places.say(int(PLACE_CLASS[_CELL[left], _CELL[right]]))

    def _close(self) -> None:
        """The moment is over: its cuts are the hands' last ones."""
        newest, before = self._newest_alone(), self._alone
        if newest and newest is not before and before and before[1] != newest[1]:
            answer = ANSWER_CLASS[before[2], newest[2]]
            self._answered(before, newest[0]).say(int(answer))
        self._alone = newest
        for hand, cut in enumerate(self._first):
            if cut is not None:
                if not self._goes_on(hand):
                    self._swings[hand] = cut, self._swings[hand][0]
                self._last[hand] = self._tick, cut

    def _before(self, hand: int, tick: int) -> tuple[int, int] | None:
        """Tick and cut of a hand's last swing before ``tick``."""
        cut = self._first[hand]
        return self._last[hand] if tick == self._tick or cut is None else (self._tick, cut)

    def _newest_alone(self) -> tuple[int, int, int] | None:
        """Tick, hand and cut of the newest moment at which swings began, if it was one."""
        begun = [
            (self._tick, hand, cut)
            for hand, cut in enumerate(self._first)
            if cut is not None and not self._goes_on(hand)
        ]
        return begun[0] if len(begun) == 1 else None if begun else self._alone

    def _answered(self, alone: tuple[int, int, int], tick: int) -> ClassBalance:
        """What holds answers to a lone swing at ``tick``."""
        return self._answers[time_class((tick - alone[0]) * self._tick_seconds)]

    def _goes_on(self, hand: int) -> bool:
        """Whether the hand's cut of the moment belongs to the swing before it."""
        last = self._last[hand]
        return last is not None and self._tick - last[0] <= SWING_TICKS

    def _last_but_one(self, hand: int, tick: int) -> int | None:
        """First cut of the last but one of a hand's swings before ``tick``."""
        begun = tick != self._tick and self._first[hand] is not None and not self._goes_on(hand)
        return self._swings[hand][0 if begun else 1]

    def _beside(self, other: int, hand: int) -> Floats:
        """Nats of each cut of a hand beside the other hand's, ``(108,)``."""
        direction, cell = _DIRECTION[other], _CELL[other]
        if hand == 0:
            ways, places = DIRECTION_CLASS[:, direction], PLACE_CLASS[:, cell]
        else:
            ways, places = DIRECTION_CLASS[direction], PLACE_CLASS[cell]
        out: Floats = self._directions.nats[ways][_DIRECTION] + self._places.nats[places][_CELL]
        return out


def _as_second(own: Floats, nats: Floats) -> Floats:
    """A second hand's logits: as likely in all as with all of ``nats``, of which cuts lose no more
    than `MOST_WITHIN` against each other."""
    moved = own + np.maximum(nats, -MOST_WITHIN)
    return moved + kept_mass(own + nats, moved)
