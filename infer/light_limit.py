"""No more lights at a moment than a show can use.

A decoder that sees its own lights can be caught in one: the same event said at one tick until the
bar is full (`finetune/EXPERIMENTS.md` 31). Of one event only the last of a tick is seen, but for
rings, which turn again each time.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from saberlm.prompts import vocab as v

MOST_AT_TICK = 16
"""Events at one tick: 99 % of lit ticks hold 7 or fewer in the median human map, 11 in the p95."""
MOST_ALIKE = 2
"""Times that one event is said at a tick: rings that spin twice are in human maps."""

LIGHT_EVENTS = frozenset(
    token for block in ("boost", "light", "laser") for token in v.block_range(block)
)
LIGHT_IDS = np.array(sorted(LIGHT_EVENTS))


class LightLimit:
    """Rules out what is too much at a tick; a `saberlm.infer.row_sampler.LogitBias`.

    Something else may always follow an event, the next position or the end of the bar: so a row
    never has nothing left to say.
    """

    def __init__(self) -> None:
        self._tick = -1
        self._said: Counter[int] = Counter()

    def adjust(self, logits: npt.NDArray[np.float32], tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        if tick != self._tick or not self._said:
            return
        if self._said.total() >= MOST_AT_TICK:
            logits[LIGHT_IDS] = -np.inf
            return
        spent = [token for token, times in self._said.items() if times >= MOST_ALIKE]
        if spent:
            logits[spent] = -np.inf

    def say(self, token: int, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        if tick != self._tick:
            self._tick = tick
            self._said.clear()
        if token in LIGHT_EVENTS:
            self._said[token] += 1
