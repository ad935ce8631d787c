"""How many lights a show has: held near what mappers use, by the song's own rise and fall.

Left to itself a show's density is a matter of the seed: of all songs the median map had 2.8 to 4.2
events a beat by seed, where mappers' have 4.0 (`finetune/EXPERIMENTS.md` 48). So a level draws how
dense its show is from the middle of what mappers do, and the logits of light events follow the gap
between the events wanted so far and those made. More are wanted where the tower hears more to
light: a quiet part stays quiet. Lasers' speeds, rings and switching off are events, too: where
hardly anything is switched on, that becomes likelier, lest a show be caught in the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from saberlm.eval.counts import LAMP_TYPES
from saberlm.infer.fading_gap import FadingGap
from saberlm.infer.light_limit import LIGHT_EVENTS, LIGHT_IDS
from saberlm.infer.style_words import StyleWishes
from saberlm.prompts import vocab as v

USUAL_A_BEAT = 4.2
"""Events: a little under the middle of the 321 lit difficulties of the training maps (geometric
mean 4.3, median 4.5)."""
SPREAD = 0.44
"""Deviation of the log of a level's draw: half of the mappers' (.88)."""
WORDS: Mapping[str, float] = {"dense lights": 11.0, "sparse lights": 1.4}
"""Events a beat of style words: near the medians of the maps that have them (11.9 and 1.3)."""
MEMORY_BARS = 24.0
"""What was made counts less by 1/e after as many."""
PATIENCE = 8.0
"""Events by which the gap is judged: single ones are not chased."""
MAX_NATS = 3.0
LEAST_LIT = 0.4
"""Share of events that switch a lamp on, below which these are made likelier (mappers: .28 in the
p5, .62 in the median of the same maps)."""
MAX_LIT_NATS = 5.0

LIT = frozenset(
    token
    for number, token in enumerate(v.block_range("light"))
    if v.LIGHT_TYPES[number // v.NUM_LIGHT_VALUES] in LAMP_TYPES
    and number % v.NUM_LIGHT_VALUES > 0  # transitions light, too: only 0 is off
)
"""Events that switch a lamp on."""
_LIT_IDS = np.array(sorted(LIT))


def wanted_a_beat(words: StyleWishes, key: Sequence[int]) -> float:
    """Light events a beat that a level is held to. One that is to avoid dense or sparse lights
    draws from the other half, a deviation further out.

    Args:
        words: of the request.
        key: numbers that the level's difficulties share, and others hardly: its seed among them.
    """
    for word in words.asked:
        if word in WORDS:
            return WORDS[word]
    drawn = float(np.random.default_rng([*key, 17]).normal())
    for word in words.avoided:
        if word in WORDS:
            away = -1 if WORDS[word] > USUAL_A_BEAT else 1
            drawn = away * (1 + abs(drawn))
    return USUAL_A_BEAT * math.exp(SPREAD * max(-2.0, min(2.0, drawn)))


class LightDensity:
    """Holds a row's light events to a density; a `saberlm.infer.row_sampler.LogitBias`.

    Args:
        a_beat: events wanted, the mean over the song.
        heard: log-odds that notes and other things start at each tick, ``(T, 2)``.
        strength: nats for each e-fold of the gap.
    """

    def __init__(self, a_beat: float, heard: npt.NDArray[np.float32], strength: float) -> None:
        lit = (1 / (1 + np.exp(-heard.astype(np.float64)))).sum(axis=1)
        share = lit / max(float(lit.sum()), 1e-9)
        beats = len(heard) / v.TICKS_PER_BEAT
        self._wanted_until = np.concatenate([[0.0], np.cumsum(share)]) * a_beat * beats
        self._strength = strength
        self._gap = FadingGap(MEMORY_BARS, PATIENCE)
        self._lit = 0.0

    def adjust(self, logits: npt.NDArray[np.float32], tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        self._go_to(tick)
        logits[LIGHT_IDS] += np.float32(self._gap.nats(self._strength, MAX_NATS))
        short = math.log((LEAST_LIT * self._gap.made + PATIENCE) / (self._lit + PATIENCE))
        if short > 0:
            logits[_LIT_IDS] += np.float32(min(MAX_LIT_NATS, self._strength * short))

    def say(self, token: int, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        self._go_to(tick)
        self._gap.made += token in LIGHT_EVENTS
        self._lit += token in LIT

    def _go_to(self, tick: int) -> None:
        """Let time pass; what is wanted grows with what is heard."""
        until, before = self._wanted_until, self._gap.tick
        self._lit *= self._gap.fade_to(tick)
        last = len(until) - 1
        self._gap.wanted += float(until[min(self._gap.tick, last)] - until[min(before, last)])
