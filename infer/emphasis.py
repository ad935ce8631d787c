"""Emphasis: both hands where the song is surest of a note.

The decoder says what a note is without hearing the song; that it is a double leans on rhythm alone.
Mappers put doubles on the accents: of the moments of their maps, those at which the onset head is
surest of a note are doubles more often (`finetune/EXPERIMENTS.md` 27). So the odds of a second hand
at a tick that has one follow the head's logit there, by its place among the moments that the rhythm
plans: shifted so that doubles as frequent as usual stay so. And where the plan is crowded they are
fewer: over two bars the share of mappers' doubles falls with how many moments there are
(correlation -.33; `finetune/EXPERIMENTS.md` 54).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from saberlm.infer.hands import HANDS, NOTES, hand_of
from saberlm.infer.style_words import StyleWishes
from saberlm.prompts import vocab as v

MOST = 2.5
"""Deviations from the mean that count."""
CROWDED_NATS = 0.3
"""Of a double's odds for each deviation of how crowded it is: of the odds in mappers' maps, beside
the head's sureness and the gap, .23 where doubles begin and .28 where they go on."""
CROWD_TICKS = 8 * v.TICKS_PER_BEAT
"""Before and after a moment that others crowd it."""
USUAL_SHARE = 0.2
"""Of moments at which both hands play (human train maps of Normal to Expert+: .19 to .22)."""

ASKED_SHARE = 0.4
"""The same where the style asks for doubles: maps that are called so have .36 or more
(`saberlm.prompts.descriptors`)."""
AVOIDED_SHARE = 0.06
"""The same where the style is to be without: one train map in twenty has fewer
(`saberlm.scripts.descriptor_table`)."""
HOLD = 8.0
"""Nats for each that doubles are too frequent by."""
MEMORY_MOMENTS = 128.0
"""What was said counts less by 1/e after as many moments."""
PRIOR_MOMENTS = 24.0
"""Moments of the share wanted that are taken as said."""

Floats = npt.NDArray[np.float32]


def doubles_share(words: StyleWishes) -> float | None:
    """Of moments, what the style says of doubles; None where it says nothing of them."""
    if "doubles" in words.asked:
        return ASKED_SHARE
    return AVOIDED_SHARE if "doubles" in words.avoided else None


def sureness(
    logits: npt.NDArray[np.floating], planned: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """How sure of a note the head is at each tick, in deviations from the planned moments' mean
    (or how much of something else there is).

    Args:
        logits: the head's, ``(T,)``.
        planned: which ticks get notes, ``(T,)``; none leaves nothing to compare: zeros.
    """
    own = logits.astype(np.float64)
    chosen = own[planned]
    if len(chosen) < 2 or chosen.std() < 1e-6:
        return np.zeros(len(own))
    out: npt.NDArray[np.float64] = np.clip((own - chosen.mean()) / chosen.std(), -MOST, MOST)
    return out


def crowding(planned: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """How close moments are planned around each tick, in deviations from the planned moments' mean,
    ``(T,)``."""
    where = np.flatnonzero(planned)
    if not len(where):
        return np.zeros(len(planned))
    until = np.concatenate([[0], np.cumsum(planned)])
    ticks = np.arange(len(planned))
    # within the map: before it and after it nothing is missing
    start = np.clip(ticks - CROWD_TICKS, where[0], where[-1])
    stop = np.clip(ticks + CROWD_TICKS + 1, where[0] + 1, where[-1] + 1)
    return sureness((until[stop] - until[start]) / np.maximum(stop - start, 1), planned)


def _shift(moved: npt.NDArray[np.float64]) -> float:
    """What is added to ``moved`` nats for `USUAL_SHARE` to stay the mean chance of doubles."""
    if not len(moved):
        return 0.0
    usual = np.log(USUAL_SHARE / (1 - USUAL_SHARE))
    low, high = -10.0, 10.0
    for _ in range(40):
        middle = (low + high) / 2
        mean = (1 / (1 + np.exp(-(usual + moved + middle)))).mean()
        low, high = (middle, high) if mean < USUAL_SHARE else (low, middle)
    return (low + high) / 2


class EmphasisBias:
    """Moves the odds of a second hand; a `saberlm.infer.row_sampler.LogitBias`.

    Args:
        logits: of `sureness`.
        planned: of `sureness`.
        nats: for each deviation.
        share: of moments that doubles are held to, by how often they begin: that a passage of them
            goes on is `saberlm.infer.hand_balance`'s to say; None: to none.
    """

    def __init__(
        self,
        logits: npt.NDArray[np.floating],
        planned: npt.NDArray[np.bool_],
        nats: float,
        share: float | None = None,
    ) -> None:
        moved = nats * sureness(logits, planned) - CROWDED_NATS * crowding(planned)
        self._nats = (moved + _shift(moved[planned])).astype(np.float32)
        self._share = share
        self._left = float(np.exp(-1 / MEMORY_MOMENTS))
        self._moments, self._doubles = 0.0, 0.0
        self._tick = -1
        self._hands: set[int] = set()
        self._in_doubles = False  # the moment before was one

    def adjust(self, logits: Floats, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        if tick == self._tick and len(self._hands) == 1 and tick < len(self._nats):
            (hand,) = self._hands
            held = 0.0 if self._in_doubles else self._held()
            logits[HANDS[1 - hand]] += self._nats[tick] + held

    def say(self, token: int, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        if token not in NOTES:
            return
        if tick != self._tick:
            self._in_doubles = len(self._hands) == 2
            self._tick, self._hands = tick, set()
        before = len(self._hands)
        self._hands.add(hand_of(token))
        if not before:
            self._moments = self._moments * self._left + 1
            self._doubles *= self._left
        elif len(self._hands) > before:
            self._doubles += 1

    def _held(self) -> float:
        """Nats that bring doubles back to their share."""
        if self._share is None:
            return 0.0
        said, wanted = self._doubles + PRIOR_MOMENTS * self._share, self._moments + PRIOR_MOMENTS
        return HOLD * math.log(self._share * wanted / said)
