"""Light refrains: bars whose lights are those of an earlier bar.

Mappers make a show of loops: half of the lit bars of their median map repeat an earlier bar's
lights, mostly one, two or four bars back or where the song sounded the same; sampled event by
event, 4 % do (`finetune/EXPERIMENTS.md` 52). So a row that lights given notes decides ahead which
bars repeat which: a Markov chain whose chances are those of human maps
(``python -m saberlm.scripts.light_rates``). Only bars whose notes lie at much the same moments are
repeated, so that lights stay on the notes; maps made here have fewer such bars, so these begin to
repeat `EAGERNESS` times as often.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from saberlm.infer.likeness import Echoes
from saberlm.prompts import vocab as v

BEGINS: Mapping[int, float] = {1: 0.036, 2: 0.032, 4: 0.024, 8: 0.015, 16: 0.004, 32: 0.005}
"""Chance that a bar begins to repeat the one so many bars back."""
BEGINS_ECHO = 0.102
"""The same of any other bar: taken for the one that the song sounds most alike in."""
GOES_ON: Mapping[int, float] = {1: 0.63, 2: 0.50, 4: 0.53, 8: 0.67, 16: 0.77, 32: 0.80}
"""Chance that the next bar goes on with the same distance; other distances as the longest."""
LEAST_ALIKE = 0.7
"""Of an echo (`saberlm.infer.likeness`): where the song hardly comes back, nothing does."""
LEAST_SHARED = 0.7
"""Of the moments of the notes of both bars together, those that both have."""
EAGERNESS = 3.0
"""Times as often as mappers' bars those begin to repeat that may."""
LEAST_LIT = 3
"""A bar with fewer lamps switched on is not repeated: it may be a pause."""


def note_moments(bar: Sequence[int] | npt.NDArray[np.integer[Any]]) -> list[int]:
    """Ticks in a bar of tokens at which notes start, rising."""
    first, notes = v.OFFSETS["position"], v.block_range("note")
    found: list[int] = []
    tick = 0
    for token in map(int, bar):
        if first <= token < first + v.TICKS_PER_SEGMENT:
            tick = token - first
        elif token in notes and found[-1:] != [tick]:
            found.append(tick)
    return found


def plan_light_refrains(
    moments: Sequence[Collection[int]], echoes: Echoes, random: np.random.Generator
) -> dict[int, int]:
    """Which bars repeat which earlier ones.

    Args:
        moments: ticks in the bar at which each bar has notes, ``(K,)``.
        echoes: of the song's bars.
        random: decides.

    Returns:
        By bar, the bar whose lights it takes.
    """
    found: dict[int, int] = {}
    for bar in range(1, len(moments)):
        chance, choice = random.random(), random.random()
        back = bar - 1 - found[bar - 1] if bar - 1 in found else 0
        goes_on = GOES_ON.get(back, GOES_ON[32]) if back else 0.0
        if chance < goes_on and _fits(moments, bar, bar - back):
            found[bar] = bar - back
            continue
        echo = int(echoes.bar[bar])
        chances = {bar - one: EAGERNESS * begins for one, begins in BEGINS.items()}
        if echo >= 0 and echoes.likeness[bar] >= LEAST_ALIKE:
            chances[echo] = chances.get(echo, 0.0) + EAGERNESS * BEGINS_ECHO
        for source, begins in chances.items():
            if source < 0 or not _fits(moments, bar, source):
                continue
            choice -= begins
            if choice < 0:
                found[bar] = source
                break
    return found


def _fits(moments: Sequence[Collection[int]], bar: int, source: int) -> bool:
    """Whether two bars have their notes at much the same moments."""
    here, there = set(moments[bar]), set(moments[source])
    return bool(here) and len(here & there) >= LEAST_SHARED * len(here | there)
