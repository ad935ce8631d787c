"""``python -m saberlm.scripts.hand_pace_rates MAPS``: how fast mappers ask a hand to swing, by
difficulty and notes/s (`saberlm.infer.hand_pace`).

Of every train map with `LEAST_SWINGS` swings of a hand after another the eBPM that `FAST` of them
lie under; over the maps, least squares of its logarithm: a power of the notes/s shared by all
difficulties, and each difficulty's value at 2 notes/s.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

FAST = 0.99
LEAST_SWINGS = 100
AT_NPS = 2.0


class MapPace(NamedTuple):
    """A map's difficulty, its notes/s from first to last note, and its fast eBPM."""

    difficulty: str
    nps: float
    ebpm: float


def fit(maps: Sequence[MapPace]) -> tuple[dict[str, float], float, float]:
    """Each difficulty's eBPM at `AT_NPS`, the power of the notes/s, and the deviation of what is
    left (nats)."""
    names = sorted({one.difficulty for one in maps})
    factors = np.zeros((len(maps), len(names) + 1))
    for i, one in enumerate(maps):
        factors[i, names.index(one.difficulty)] = 1
        factors[i, -1] = np.log(one.nps / AT_NPS)
    found = np.log([one.ebpm for one in maps])
    solved, *_ = np.linalg.lstsq(factors, found, rcond=None)
    at = dict(zip(names, np.exp(solved[:-1]).tolist(), strict=True))
    return at, float(solved[-1]), float((found - factors @ solved).std())


def main(argv: list[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="hand_pace_rates", description=__doc__)
    parser.add_argument("maps", type=Path, metavar="MAPS", help="levels, or a manifest")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        maps = _read(args.maps, Path(scratch))
    if not maps:
        raise ValueError(f"expected train maps of {LEAST_SWINGS} swings or more, found none")
    at, power, left = fit(maps)
    lines = [f"{len(maps)} maps: power {power:.3f}, deviation {left:.3f}"]
    for name, value in at.items():
        count = sum(one.difficulty == name for one in maps)
        lines.append(f"{name}: {value:.1f} eBPM at {AT_NPS:g} notes/s ({count} maps)")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _read(folder: Path, work: Path) -> list[MapPace]:
    """The train maps' paces."""
    from saberlm.eval.playability_scene import Scene
    from saberlm.eval.playability_swings import EBPM_SECONDS
    from saberlm.finetune.sources import find_sources, read_levels
    from saberlm.prompts.tempo import TempoMap
    from saberlm.prompts.vanilla import vanilla

    found = []
    sources = [one for one in find_sources(folder, work) if one.split == "train"]
    for _, level in read_levels(sources):
        for one in level.difficulties:
            beatmap = vanilla(one.beatmap)[0]
            scene = Scene(beatmap, TempoMap(level.info.bpm, beatmap.bpm_events), one.name)
            hands = scene.swings.values()
            gaps = np.concatenate([np.diff([swing.seconds for swing in hand]) for hand in hands])
            if len(gaps) < LEAST_SWINGS:
                continue
            times = [swing.seconds for hand in hands for swing in hand]
            nps = len(beatmap.color_notes) / (max(times) - min(times))
            found.append(MapPace(one.name, nps, float(np.quantile(EBPM_SECONDS / gaps, FAST))))
    return found


if __name__ == "__main__":
    sys.exit(main())
