"""Objects: how often arcs, chains, bombs and walls are used, against a set of human maps.

Conventions: only objects that the unmodded game can play (`saberlm.prompts.vanilla`) count; rates
are per 100 colour notes, None without notes. Which sets were compared should be of one difficulty
and of one time: arcs and chains came in 2022.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np

from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.vanilla import fault_of

KINDS = {"arcs": "arcs", "chains": "chains", "bombs": "bombs", "walls": "obstacles"}
"""Name of each kind, and of its collection in `Beatmap`."""
RATE_DIGITS = 4
SHIPPED = Path(__file__).parent / "pretrained" / "objects" / "human.json"


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
    rates = {
        kind: round(100 * count / notes, RATE_DIGITS) if notes else None
        for kind, count in counts.items()
    }
    return ObjectUse(notes, counts, rates)


@dataclass(frozen=True)
class ObjectReference:
    """How a set of human maps of one difficulty uses objects: of each kind the rate per 100 notes
    in every map with notes, sorted."""

    rates: Mapping[str, tuple[float, ...]]

    @classmethod
    def from_uses(cls, uses: Iterable[ObjectUse]) -> ObjectReference:
        """Sum up a set of maps; those without notes are left out."""
        maps = [one.per_100_notes for one in uses if one.notes]
        return cls({k: tuple(sorted(one[k] or 0.0 for one in maps)) for k in KINDS})

    def percentiles(self, use: ObjectUse) -> dict[str, float | None]:
        """Share of the maps that use less of each kind per 100 notes, 0 to 1, ties counting half.

        None where the map has no notes or the set no map.
        """
        found: dict[str, float | None] = {}
        for kind in KINDS:
            ours, theirs = use.per_100_notes[kind], self.rates[kind]
            if ours is None or not theirs:
                found[kind] = None
            else:
                below = bisect_left(theirs, ours) + bisect_right(theirs, ours)
                found[kind] = below / (2 * len(theirs))
        return found

    def spread(self) -> dict[str, ObjectRates]:
        """Each kind's use over the set."""
        found = {}
        for kind, rates in self.rates.items():
            used = [rate for rate in rates if rate > 0]
            three = np.percentile(np.array(used), (10, 50, 90)).tolist() if used else (None,) * 3
            found[kind] = ObjectRates(len(used) / len(rates) if rates else None, *three)
        return found


def write_references(path: Path, references: Mapping[str, ObjectReference]) -> None:
    """Write the references of all difficulties as JSON, whole or not at all."""
    data = {name: {k: list(v) for k, v in one.rates.items()} for name, one in references.items()}
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(json.dumps(data, allow_nan=False) + "\n", encoding="utf-8")
    temporary.replace(path)


@cache
def human_objects(difficulty: str, path: Path = SHIPPED) -> ObjectReference | None:
    """What ships with the package: the human maps of the train split; None for a difficulty that it
    does not know, and in a copy without the file."""
    if not path.is_file():
        return None
    data = json.loads(path.read_text(encoding="utf-8"))
    if difficulty not in data:
        return None
    return ObjectReference({kind: tuple(data[difficulty][kind]) for kind in KINDS})
