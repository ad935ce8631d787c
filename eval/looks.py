"""Looks of a light show: whether a moment lights the lamps of the last one, or of the last but one.

Conventions: a moment is a tick with events that switch lamps (`saberlm.eval.lights`), its **look**
what lamps they switch, to which values. A moment with two before it, none more than `MOST_TICKS`
after another, **stays** if it switches the lamps of the last one, and comes **back** if it switches
those of the last but one instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from saberlm.eval.counts import LAMP_TYPES
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import Beatmap

MOST_TICKS = v.TICKS_PER_SEGMENT
"""After a longer pause nothing goes on."""

Look = Mapping[int, int]
"""Values of a moment's lamps."""


@dataclass(frozen=True)
class Looks:
    """Shares of a show's moments; None without any that could stay.

    Attributes:
        stay: Those that switch the lamps of the last one.
        back: Those that switch the lamps of the last but one instead.
    """

    stay: float | None
    back: float | None

    def to_dict(self) -> dict[str, float | None]:
        """The shares as plain JSON values."""
        return {"stay": self.stay, "back": self.back}

    def metrics(self) -> dict[str, float | None]:
        """The same, named among all metrics."""
        return {f"looks:{name}": share for name, share in self.to_dict().items()}


class LampHistory:
    """The looks of a show's last three moments, and of the one at hand.

    Attributes:
        tick: of the moment at hand.
        now: its look, as far as it was said.
        past: the looks before it, the newest first.
    """

    def __init__(self) -> None:
        self.tick = -1
        self.now: dict[int, int] = {}
        self.past: tuple[Look, Look, Look] = ({}, {}, {})
        self._lit = -1  # tick of the newest of these

    def come_to(self, tick: int) -> None:
        """Time has come to a tick: a moment before it is over."""
        if tick == self.tick:
            return
        if self.now:
            self.past = (self.now, *self.past[:2])
            self.now, self._lit = {}, self.tick
        if tick - self._lit > MOST_TICKS:
            self.past = ({}, {}, {})
        self.tick = tick

    def how(self) -> str | None:
        """How the last moment went on, "stayed", "back" or "other"; None where too little came
        before it."""
        last, before, earlier = (one.keys() for one in self.past)
        if not before:
            return None
        return "stayed" if last == before else "back" if last == earlier else "other"


def count_looks(beatmap: Beatmap, counts: Counter[tuple[str, str]]) -> None:
    """Add a show's moments to the counts: by how the last one went on, whether it lights the lamps
    of the last one, of the last but one, or others; and by "value" whether a lamp that stays lit
    has the value of the last moment, of the last but one, or another."""
    history = LampHistory()

    def close() -> None:
        how, now = history.how(), history.now
        if how is None or not now:
            return
        last, before, _ = history.past
        kept = "last" if now.keys() == last.keys() else "last but one"
        counts[how, kept if now.keys() in (last.keys(), before.keys()) else "others"] += 1
        for lamp in now if kept == "last" else ():
            again = "last but one" if now[lamp] == before.get(lamp) else "others"
            counts["value", "last" if now[lamp] == last[lamp] else again] += 1

    for one in sorted(beatmap.lights, key=lambda event: event.beat):
        if one.type in LAMP_TYPES:
            tick = round(one.beat * v.TICKS_PER_BEAT)
            if tick != history.tick:
                close()
            history.come_to(tick)
            history.now[one.type] = one.value
    close()


def looks_of(beatmap: Beatmap) -> Looks:
    """Count a show's."""
    counts: Counter[tuple[str, str]] = Counter()
    count_looks(beatmap, counts)
    by_kind: Counter[str] = Counter()
    for (how, kept), number in counts.items():
        by_kind[kept] += number if how != "value" else 0
    if not by_kind.total():
        return Looks(None, None)
    stay, back = (by_kind[kept] / by_kind.total() for kept in ("last", "last but one"))
    return Looks(stay, back)
