"""Refrains: what a map said where the song sounded as it does now.

Where a chorus comes again, mappers place what they placed in the first one, or its mirror image
with the hands swapped (`finetune/EXPERIMENTS.md` 38). For every bar the song names the earlier bar
that it is most like (`saberlm.infer.likeness`); the token that was said at the same place of that
bar, and its image, are guesses at the next one. How far a guess is trusted was learnt for how alike
the bars are and how the hand stands: as it stood there, cut the same way from another cell, or
otherwise.

Sampled alone, a map seldom stands as it stood, and would never come back. So a row decides ahead,
bar by bar, which bars are refrains: a Markov chain whose chances are those of human maps.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from saberlm.infer.likeness import Echoes
from saberlm.prompts import vocab as v
from saberlm.prompts.mirror import mirrored_note_token

PLAIN, MIRRORED = -1, -2
"""In place of the length of a context (`saberlm.infer.motif.ORDERS`)."""
PLANNED = -3
"""The same of a guess in a bar that is a refrain."""
LIKENESS_EDGES = (0.5, 0.7, 0.8, 0.9, 0.95)
OTHERWISE, SAME_CUT, SAME_NOTE = range(3)
BEGINS: dict[int, tuple[float, ...]] = {
    PLAIN: (0.04, 0.07, 0.07, 0.10, 0.17, 0.17),
    MIRRORED: (0.02, 0.03, 0.03, 0.03, 0.03, 0.03),
}
"""Chance that a bar begins a refrain, by the `LIKENESS_EDGES` passed: counted on train maps of Hard
to Expert+ (`python -m saberlm.scripts.refrain_rates`)."""
GOES_ON: dict[int, tuple[float, ...]] = {
    PLAIN: (0.62, 0.81, 0.87, 0.89, 0.95, 0.95),
    MIRRORED: (0.62, 0.82, 0.80, 0.82, 0.85, 0.85),
}
"""Chance that it goes on in the next bar, where that one's echo is the next one, too."""
REST_BEATS = 2
"""A hand that rested so long may cut any way."""

AHEAD_TICKS = v.TICKS_PER_SEGMENT
"""How far ahead the image's next note of a hand is looked for."""

_NOTES = v.block_range("note")
_HAND = len(_NOTES) // 2
_DIRECTIONS = 9
_DOT = 8
# up, down, left, right, then the diagonals: as notes number their cuts
_X = np.array([0, 0, -1, 1, -1, 1, -1, 1, 0])
_Y = np.array([1, -1, 0, 0, 1, 1, -1, -1, 0])


def likeness_level(likeness: float) -> int:
    """How many of the `LIKENESS_EDGES` are passed."""
    return sum(likeness >= edge for edge in LIKENESS_EDGES)


def plan_refrains(
    echoes: Echoes, random: np.random.Generator, strength: float = 1.0
) -> npt.NDArray[np.int64]:
    """Which bars are refrains: `PLAIN`, `MIRRORED` or 0, ``(K,)``.

    Args:
        echoes: of the song's bars.
        random: decides.
        strength: multiplies the chance to begin one.
    """
    plan = np.zeros(len(echoes.bar), np.int64)
    for bar, (echo, likeness) in enumerate(zip(*echoes, strict=True)):
        chance = random.random()
        if echo < 0:
            continue
        level = likeness_level(likeness)
        kind = int(plan[bar - 1]) if echo == echoes.bar[bar - 1] + 1 else 0
        if kind and chance < GOES_ON[kind][level]:
            plan[bar] = kind
            continue
        begins = strength * BEGINS[PLAIN][level], strength * BEGINS[MIRRORED][level]
        again = random.random()
        plan[bar] = PLAIN if again < begins[0] else MIRRORED if again < sum(begins) else 0
    return plan


class Guess(NamedTuple):
    """A token that may come; ``kind`` is `PLAIN`, `MIRRORED` or `PLANNED`, ``level`` says how far
    it is trusted: thrice `likeness_level`, and how the hand stands (0 for planned ones)."""

    kind: int
    level: int
    token: int


def _voice(token: int) -> int:
    """The hand of a note; other tokens are of one voice."""
    return (token - _NOTES.start) // _HAND if token in _NOTES else 2


def _direction(token: int) -> int:
    return (token - _NOTES.start) % _DIRECTIONS


def swings_on(before: int, after: int) -> bool:
    """Whether a note of a hand can follow another without turning the wrist back: cuts at a right
    angle or wider, or a dot."""
    one, two = _direction(before), _direction(after)
    return _DOT in (one, two) or int(_X[one] * _X[two] + _Y[one] * _Y[two]) <= 0


class RefrainMemory:
    """What one channel said at each tick.

    Args:
        echoes: of the song's bars.
        mirrored: whether mirror images are guesses, too: the channel is one of notes.
        plan: of `plan_refrains`; None for none.
    """

    def __init__(
        self, echoes: Echoes, mirrored: bool, plan: npt.NDArray[np.int64] | None = None
    ) -> None:
        self._echoes = echoes
        self._kinds = (MIRRORED, PLAIN) if mirrored else (PLAIN,)
        self._plan = plan
        self._run = (0, 0)  # bars back and kind of the refrain that the map is in
        self._at: defaultdict[int, list[int]] = defaultdict(list)
        self._ticks: tuple[list[int], ...] = ([], [], [])  # of every voice, rising
        self._tokens: tuple[list[int], ...] = ([], [], [])

    def say(self, token: int, tick: int) -> None:
        """A token of the channel at a tick of the song."""
        self._at[tick].append(token)
        voice = _voice(token)
        self._ticks[voice].append(tick)
        self._tokens[voice].append(token)

    def guesses(self, tick: int) -> list[Guess]:
        """What may come next at a tick, the least trusted kind first."""
        there = self._there(tick)
        if there is None:
            return []
        bar = tick // v.TICKS_PER_SEGMENT
        level = likeness_level(float(self._echoes.likeness[bar]))
        found = []
        for kind in self._kinds:
            token = self._next(self._image(there, kind), self._at.get(tick, []))
            if token is not None:
                standing = self._standing(token, there, tick, kind)
                found.append(Guess(kind, 3 * level + standing, token))
        if self._plan is not None and self._plan[bar]:
            kind = self._kind_of_run(bar, there, tick)
            found += [Guess(PLANNED, 0, one.token) for one in found if one.kind == kind]
        return found

    def _kind_of_run(self, bar: int, there: int, tick: int) -> int:
        """Which image the refrain follows; 0 while neither fits how the hands stand."""
        back = bar - int(self._echoes.bar[bar])
        assert self._plan is not None
        first = int(self._plan[bar])
        kinds = [self._run[1]] if self._run[0] == back else [first, PLAIN + MIRRORED - first]
        for kind in kinds:
            if all(self._goes_on(hand, there, tick, kind) for hand in (0, 1)):
                self._run = back, kind
                return kind
        return 0

    def _goes_on(self, hand: int, there: int, tick: int, kind: int) -> bool:
        """Whether what a hand plays next in the image, `AHEAD_TICKS` at most ahead, can follow what
        it played last."""
        before, last = self._before(hand, tick)
        source = 1 - hand if kind == MIRRORED else hand
        place = bisect_left(self._ticks[source], there)
        if tick in self._ticks[hand][-1:] or last is None or place == len(self._ticks[source]):
            return True
        ahead = self._ticks[source][place] - there
        if ahead > AHEAD_TICKS or tick + ahead - before >= REST_BEATS * v.TICKS_PER_BEAT:
            return True
        image = self._tokens[source][place]
        return swings_on(last, mirrored_note_token(image) if kind == MIRRORED else image)

    def second_hand(self, tick: int) -> bool | None:
        """Whether both hands play at a tick of a refrain, one having played; None: not known."""
        here, there = self._at.get(tick), self._there(tick)
        if not here or there is None or self._plan is None:
            return None
        if not self._plan[tick // v.TICKS_PER_SEGMENT]:
            return None
        return len({_voice(token) for token in self._at[there]}) > 1

    def _there(self, tick: int) -> int | None:
        """The same place of the bar that this one is like, if something was said there."""
        bar = tick // v.TICKS_PER_SEGMENT
        if bar >= len(self._echoes.bar) or self._echoes.bar[bar] < 0:
            return None
        there = tick - (bar - int(self._echoes.bar[bar])) * v.TICKS_PER_SEGMENT
        return there if there in self._at else None

    def _image(self, there: int, kind: int) -> list[int]:
        said = self._at[there]
        return sorted(map(mirrored_note_token, said)) if kind == MIRRORED else said

    def _next(self, image: list[int], here: list[int]) -> int | None:
        """The token of a tick's ``image`` that follows what was said at the tick: notes come in
        the order of their ids."""
        if not here:
            return image[0]
        if len(here) >= len(image):
            return None
        token = image[len(here)]
        return token if token not in _NOTES or token > here[-1] else None

    def _standing(self, token: int, there: int, tick: int, kind: int) -> int:
        """How the voice of ``token`` stands before ``tick`` against how its image stood."""
        voice = _voice(token)
        other = 1 - voice if kind == MIRRORED else voice
        last, before = self._before(voice, tick)[1], self._before(other, there)[1]
        if last is None or before is None:
            return SAME_NOTE if last is before else OTHERWISE
        if kind == MIRRORED:
            before = mirrored_note_token(before)
        if last == before:
            return SAME_NOTE
        return SAME_CUT if voice < 2 and _direction(last) == _direction(before) else OTHERWISE

    def _before(self, voice: int, tick: int) -> tuple[int, int | None]:
        """When and what a voice said last before a tick."""
        place = bisect_left(self._ticks[voice], tick)
        if not place:
            return -1, None
        return self._ticks[voice][place - 1], self._tokens[voice][place - 1]
