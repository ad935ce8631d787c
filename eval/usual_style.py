"""The usual style: counts of the human train maps that ship with the package, for a style distance
without the maps.

`python -m saberlm.scripts.usual_style MAPS` makes the file. Patterns are left out: they are sparse,
and as hashes of maps they are no summary.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

from saberlm.eval.style import ASPECTS, StyleCounts, StyleReference

KEPT = tuple(aspect for aspect in ASPECTS if aspect != "patterns")
SHIPPED = Path(__file__).parent / "pretrained" / "style" / "human.json"
_NOTHING = np.zeros(0, np.int64), np.zeros(0)


def write_usual_styles(path: Path, references: Mapping[str, StyleReference]) -> None:
    """Write the references of all difficulties as JSON, whole or not at all."""
    data = {
        name: {
            "maps": one.maps,
            "human": {a: [round(x, 4) for x in one.human[a]] for a in KEPT if a in one.human},
            "counts": {
                a: [part.astype(np.int64).tolist() for part in one.pooled.histograms[a]]
                for a in KEPT
            },
        }
        for name, one in references.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)


@cache
def usual_style(difficulty: str, path: Path = SHIPPED) -> StyleReference | None:
    """What ships with the package: the human maps of the train split, without their patterns and
    without the maps' own counts; None for a difficulty that it does not know, and in a copy without
    the file."""
    if not path.is_file():
        return None
    data = json.loads(path.read_text(encoding="utf-8"))
    if difficulty not in data:
        return None
    one = data[difficulty]
    counts = {
        a: (np.array(one["counts"][a][0], np.int64), np.array(one["counts"][a][1], np.float64))
        for a in KEPT
    }
    pooled = StyleCounts({a: counts.get(a, _NOTHING) for a in ASPECTS})
    human = {aspect: tuple(values) for aspect, values in one["human"].items()}
    return StyleReference(one["maps"], pooled, human)
