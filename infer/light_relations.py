"""How a show's lamps go on: moments that light the lamps of the moment before, or of the one before
that.

Mappers' lamps stay where they are, or go to and fro between two looks, for a while; a look drawn
event by event breaks off sooner. So, with chances by how the last moments went on (`KEPT`), a
moment is to light the lamps of the last one, or those of the last but one: other lamps, and more
events once all of these are said, become unlikely. And a lamp that stays lit changes its value as
mappers' do (`VALUE_NATS`). When there is light at all is left as it was, and so are moments that
keep neither (`finetune/EXPERIMENTS.md` 55).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from saberlm.eval.counts import LAMP_TYPES
from saberlm.eval.looks import LampHistory, Look
from saberlm.infer.class_balance import kept_mass
from saberlm.prompts import vocab as v


class Chances(NamedTuple):
    """Of a moment to keep a look."""

    last: float
    last_but_one: float


KEPT = {"other": Chances(0.02, 0.0), "stayed": Chances(0.3, 0.0), "back": Chances(0.0, 0.35)}
"""By how the last moment went on (`saberlm.eval.looks`). Mappers' moments light the lamps of the
last one in .13, .65 and .10 of cases, of the last but one in .16, - and .51 (``python -m
saberlm.scripts.light_rates``); the model's by themselves in .13, .52 and .22, .14, - and .22: the
chances make up most of it, as a look that is kept makes the next one likelier to be."""
VALUE_NATS = (-0.9, 0.9, 0.2)
"""Of a lamp of the last moment: its value there, that of the last but one (also where both had the
same), another. Mappers have them in .23, .48 and .29 of cases, the model by itself in .55, .18 and
.28."""
OUT_NATS, IN_NATS = -6.0, 3.0
"""Of events that do not belong to a look that is kept, and of those that do and are not said."""

Floats = npt.NDArray[np.float32]

NUM_LAMPS = len(LAMP_TYPES)
"""They are the first of `saberlm.prompts.vocab.LIGHT_TYPES`."""
_LAMPS = slice(v.OFFSETS["light"], v.OFFSETS["light"] + NUM_LAMPS * v.NUM_LIGHT_VALUES)


class LightRelations:
    """Keeps a row's looks as mappers keep them; a `saberlm.infer.row_sampler.LogitBias`.

    Args:
        random: draws which moments keep a look.
        num_ticks: of the row.
    """

    def __init__(self, random: np.random.Generator, num_ticks: int) -> None:
        self._history = LampHistory()
        self._drawn = random.random(num_ticks)
        self._nats: Floats | None = None  # of lamp events at the tick at hand

    def adjust(self, logits: Floats, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        self._come_to(tick)
        look = self._look()
        if self._nats is None:
            self._nats = self._wanted(look)
        own = logits[_LAMPS]
        moved = own + self._nats
        logits[_LAMPS] = moved if look else moved + kept_mass(own, moved)

    def say(self, token: int, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        if not _LAMPS.start <= token < _LAMPS.stop:
            return
        self._come_to(tick)
        lamp, value = divmod(token - _LAMPS.start, v.NUM_LIGHT_VALUES)
        self._history.now[lamp] = value
        self._nats = None

    def _come_to(self, tick: int) -> None:
        if tick != self._history.tick:
            self._history.come_to(tick)
            self._nats = None

    def _look(self) -> Look:
        """The look that the moment at hand is to keep; nothing: none."""
        how = self._history.how()
        if how is None:
            return {}
        chances, drawn = KEPT[how], self._drawn[min(self._history.tick, len(self._drawn) - 1)]
        if drawn < chances.last:
            return self._history.past[0]
        return self._history.past[1] if drawn < sum(chances) else {}

    def _wanted(self, look: Look) -> Floats:
        """Nats of each lamp event, ``(117,)``, where a look is to be kept (nothing: none)."""
        last, before, _ = self._history.past
        nats = np.full((NUM_LAMPS, v.NUM_LIGHT_VALUES), OUT_NATS if look else 0.0, np.float32)
        for lamp in last if not look or look is last else ():
            nats[lamp] += VALUE_NATS[2]
            if lamp in before:
                nats[lamp, before[lamp]] += VALUE_NATS[1] - VALUE_NATS[2]
            if last[lamp] != before.get(lamp):
                nats[lamp, last[lamp]] += VALUE_NATS[0] - VALUE_NATS[2]
        nats[[lamp for lamp in look if lamp not in self._history.now]] += IN_NATS - OUT_NATS
        return nats.ravel()
