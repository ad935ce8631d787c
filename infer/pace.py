"""How long the rest of a song takes, at the pace so far."""

from __future__ import annotations

import time

SETTLED = 0.05
"""Share of the work after which all is compiled: the pace counts from there."""


class Pace:
    """Of a row of work whose total may grow on the way."""

    def __init__(self) -> None:
        self._settled: tuple[float, int] | None = None
        self._left: float | None = None

    def advance(self, done: int, total: int) -> None:
        """Take what is done by now."""
        now = time.monotonic()
        if self._settled is not None and done > self._settled[1]:
            self._left = (now - self._settled[0]) / (done - self._settled[1]) * (total - done)
        elif self._settled is None and done >= SETTLED * total:
            self._settled = now, done

    @property
    def seconds_left(self) -> float | None:
        """None while that is unknown."""
        return self._left
