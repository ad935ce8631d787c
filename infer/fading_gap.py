"""What was wanted of something and what was made of it, of late."""

from __future__ import annotations

import math

from saberlm.prompts import vocab as v


class FadingGap:
    """Two counts that fade as a song goes on, and how far they are apart.

    Args:
        memory_bars: what was counted counts less by 1/e after as many.
        patience: added to both counts: where these are small, single things are not chased.

    Attributes:
        wanted: for its owner to add to.
        made: for its owner to add to.
        tick: of the song, up to which time has passed.
        memory: in ticks.
    """

    def __init__(self, memory_bars: float, patience: float) -> None:
        self.wanted = self.made = 0.0
        self.tick = 0
        self.memory = memory_bars * v.TICKS_PER_SEGMENT
        self._patience = patience

    def fade_to(self, tick: int) -> float:
        """Let time pass; returns the share that is left of what was counted, 1 where none has
        passed."""
        left = math.exp(-max(0, tick - self.tick) / self.memory)
        self.wanted *= left
        self.made *= left
        self.tick = max(self.tick, tick)
        return left

    def nats(self, strength: float, most: float) -> float:
        """``strength`` for each e-fold that more was wanted than made, within ``most``."""
        gap = math.log((self.wanted + self._patience) / (self.made + self._patience))
        return max(-most, min(most, strength * gap))
