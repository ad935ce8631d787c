"""Objects: how often arcs, chains, bombs and walls are used, against a set of human maps.

Conventions: only objects that the unmodded game can play (`saberlm.prompts.vanilla`) count; rates
are per 100 colour notes, None without notes. Which sets were compared should be of one difficulty
and of one time: arcs and chains came in 2022.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.vanilla import fault_of

KINDS = {"arcs": "arcs", "chains": "chains", "bombs": "bombs", "walls": "obstacles"}
"""Name of each kind, and of its collection in `Beatmap`."""


@dataclass(frozen=True)
class ObjectUse:
    """One map's objects: counts, and rates per 100 notes."""

    notes: int
    counts: dict[str, int]
    per_100_notes: dict[str, float | None]

    def to_dict(self) -> dict[str, object]:
        """The use as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class ObjectRates:
    """One kind's use over a set of maps.

    Attributes:
        share_of_maps: Maps with any of the kind, 0 to 1; None without maps.
        p10: Of the rate per 100 notes over the maps that use it; None where none does.
        median: The same.
        p90: The same.
    """

    share_of_maps: float | None
    p10: float | None
    median: float | None
    p90: float | None


def object_use(beatmap: Beatmap) -> ObjectUse:
    """Count a map's objects."""
    notes = sum(fault_of(one) is None for one in beatmap.color_notes)
    counts = {
        kind: sum(fault_of(one) is None for one in getattr(beatmap, name))
        for kind, name in KINDS.items()
    }
    rates = {kind: 100 * count / notes if notes else None for kind, count in counts.items()}
    return ObjectUse(notes, counts, rates)


def object_rates(uses: Iterable[ObjectUse]) -> dict[str, ObjectRates]:
    """Sum up a set of maps, by kind."""
    maps = list(uses)
    rates = {}
    for kind in KINDS:
        used = [u.per_100_notes[kind] for u in maps if u.counts[kind] and u.notes]
        share = sum(u.counts[kind] > 0 for u in maps) / len(maps) if maps else None
        three = np.percentile(np.array(used, np.float64), (10, 50, 90)).tolist() if used else None
        low, middle, high = three or (None, None, None)
        rates[kind] = ObjectRates(share, low, middle, high)
    return rates


def object_percentiles(use: ObjectUse, human: Iterable[ObjectUse]) -> dict[str, float | None]:
    """Share of the human maps that use less of each kind per 100 notes, ties counting half.

    None where the map has no notes or there is no human map with notes.
    """
    maps = [one for one in human if one.notes]
    found: dict[str, float | None] = {}
    for kind in KINDS:
        ours = use.per_100_notes[kind]
        theirs = np.array([one.per_100_notes[kind] for one in maps], np.float64)
        if ours is None or not len(theirs):
            found[kind] = None
        else:
            found[kind] = float((theirs < ours).mean() + (theirs == ours).mean() / 2)
    return found
