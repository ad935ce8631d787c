"""The palette of a show: which lamps it uses, and how it switches them.

Mappers' shows differ much in both: some fade everything, some flash, some switch on and off; nano's
were all alike, three quarters of them fades (`finetune/EXPERIMENTS.md` 52). So a level draws the
palette of one of the train maps, and its light events are held to it: how often each type of event
comes, and each value of the lamps' (`saberlm.infer.class_balance`). The palettes ship with the
package as shares (``python -m saberlm.scripts.light_rates``); they say nothing of when.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from saberlm.eval.counts import LAMP_TYPES
from saberlm.infer.class_balance import ClassBalance, kept_mass
from saberlm.prompts import vocab as v

SHIPPED = Path(__file__).parent / "pretrained" / "light" / "palettes.json"
TYPES = (0, 1, 2, 3, 4, 5, 8, 9, 12, 13)
"""Event types of all classic environments; those of some are left as they come."""
VALUES = 10
"""Of lamps: off; blue on, flash, fade, transition; the same in red; all whites as one."""
MEMORY, PRIOR = 256.0, 24.0
"""Of `saberlm.infer.class_balance`, in events: parts of a song may have colours of their own."""
LEAST_SHARE = 0.002
MOST_OFF = 0.2
"""Share of lamps' events that switch off (mappers' median .15): some mappers have .4, but switch on
again at once, which events drawn one by one do not."""
MOST_OTHERS = 0.25
"""Share of events that are no lamps' (mappers' median .15): a show held to the two thirds that some
mappers have is caught in rings, and its bars stay dark."""
MOST_NATS = 7.0

Floats = npt.NDArray[np.float32]


class Palette(NamedTuple):
    """Shares of a show's events by type ``(10,)``, and of its lamps' by value ``(10,)``."""

    types: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]


@cache
def shipped_palettes(path: Path = SHIPPED) -> tuple[Palette, ...]:
    """What ships; nothing in a copy without the file."""
    if not path.is_file():
        return ()
    read = json.loads(path.read_text(encoding="utf-8"))
    return tuple(Palette(np.array(one["types"]), np.array(one["values"])) for one in read)


def drawn_palette(key: Sequence[int]) -> Palette | None:
    """The palette of a level.

    Args:
        key: numbers that the level's difficulties share, and others hardly: its seed among them.
    """
    palettes = shipped_palettes()
    if not palettes:
        return None
    types, values = palettes[int(np.random.default_rng([*key, 23]).integers(len(palettes)))]
    lamps = np.isin(TYPES, list(LAMP_TYPES))
    off = np.arange(VALUES) == 0
    return Palette(_at_most(types, ~lamps, MOST_OTHERS), _at_most(values, off, MOST_OFF))


def _at_most(
    shares: npt.NDArray[np.float64], some: npt.NDArray[np.bool_], most: float
) -> npt.NDArray[np.float64]:
    """Shares of which some come to ``most`` together, where they come to more."""
    own, rest = float(shares[some].sum()), float(shares[~some].sum())
    if own <= most or rest <= 0:
        return shares
    return np.where(some, shares * most / own, shares * (1 - most) / rest)


def value_class(value: int) -> int:
    """Which of `VALUES` a lamp's value is."""
    return min(value, VALUES - 1)


def _classes() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ids of the tokens that begin light events, and of each the classes of its type and of its
    value (-1: none)."""
    found: list[tuple[int, int, int]] = []
    for block, kinds, values in (
        ("light", v.LIGHT_TYPES, v.NUM_LIGHT_VALUES),
        ("laser", v.LASER_TYPES, v.NUM_LASER_VALUES),
        ("boost", (5,), 2),
    ):
        for number, token in enumerate(v.block_range(block)):
            kind, value = kinds[number // values], number % values
            of_type = TYPES.index(kind) if kind in TYPES else -1
            found.append((token, of_type, value_class(value) if kind in LAMP_TYPES else -1))
    ids, types, of_value = np.array(found, np.int64).T
    return ids, types, of_value


_IDS, _TYPE_OF, _VALUE_OF = _classes()
_PLACE = {int(token): place for place, token in enumerate(_IDS)}


class LightPalette:
    """Holds a row's light events to a palette; a `saberlm.infer.row_sampler.LogitBias`.

    How likely a light event is at all stays as it was.

    Args:
        palette: what is wanted.
        strength: of the balance.
    """

    def __init__(self, palette: Palette, strength: float) -> None:
        self._types, self._values = (
            ClassBalance(
                counts,
                strength,
                memory=MEMORY,
                prior=PRIOR,
                least=LEAST_SHARE,
                most_loss=MOST_NATS,
                most_gain=np.where(counts < LEAST_SHARE, 0, MOST_NATS),
            )
            for counts in palette
        )
        self._nats = np.zeros(len(_IDS), np.float32)

    def adjust(self, logits: Floats, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        own = logits[_IDS]
        moved = own + self._nats
        logits[_IDS] = moved + kept_mass(own, moved)

    def say(self, token: int, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        place = _PLACE.get(token)
        if place is None:
            return
        nats = np.zeros(len(_IDS), np.float32)
        for held, classes in ((self._types, _TYPE_OF), (self._values, _VALUE_OF)):
            if classes[place] >= 0:
                held.say(int(classes[place]))
            nats += np.append(held.nats, 0)[classes]  # -1, no class, gains nothing
        self._nats = nats
