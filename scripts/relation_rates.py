"""How mappers' cuts stand to each other, counted for the package.

``python -m saberlm.scripts.relation_rates MAPS [--out FILE.json]`` counts the train split's
doubles, moves and turns by difficulty (`saberlm.eval.relations`), every map as much as any other.
MAPS is a folder of levels or one with a manifest.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saberlm.eval.relations import Relations

A_MAP = 1000
"""What each map's doubles and moves are counted as."""


def main(argv: list[str] | None = None) -> int:
    """Count the maps and write the file."""
    parser = argparse.ArgumentParser(prog="relation_rates", description=__doc__)
    parser.add_argument("maps", type=Path, metavar="MAPS", help="levels, or a manifest")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="default: the package's own")
    args = parser.parse_args(argv)
    from saberlm.eval.relations import SHIPPED, relations_of, write_usual_relations
    from saberlm.finetune.sources import find_sources, read_levels
    from saberlm.prompts.beatmap import DIFFICULTIES
    from saberlm.prompts.tempo import TempoMap

    found: dict[str, list[Relations]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        sources = [one for one in find_sources(args.maps, Path(scratch)) if one.split == "train"]
        for _, level in read_levels(sources):
            for one in level.difficulties:
                tempo = TempoMap(level.info.bpm, one.beatmap.bpm_events)
                found.setdefault(one.name, []).append(relations_of(one.beatmap, tempo))
    if not found:
        raise ValueError(f"expected train maps in {args.maps}, found none")
    out = args.out or SHIPPED
    kept = {name: joined(found[name]) for name in DIFFICULTIES if name in found}
    write_usual_relations(out, kept)
    counted = ", ".join(f"{name} {len(found[name])}" for name in kept)
    sys.stdout.write(f"wrote {out}: {counted}\n")
    return 0


def joined(maps: list[Relations]) -> Relations:
    """The mean of maps' shares, times `A_MAP`."""
    import numpy as np

    from saberlm.eval.relations import Relations

    def mean(counts: list[np.ndarray]) -> np.ndarray:
        known = [one / one.sum() for one in counts if one.sum()]
        return A_MAP * len(counts) * np.mean(known, axis=0) if known else np.zeros_like(counts[0])

    return Relations(**{key: mean([vars(one)[key] for one in maps]) for key in vars(maps[0])})


if __name__ == "__main__":
    sys.exit(main())
