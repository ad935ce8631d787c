"""How mappers light, counted for the package: ``python -m saberlm.scripts.light_rates MAPS``.

Prints how often a bar's lights repeat those of an earlier bar (`saberlm.infer.light_refrain`), and
writes the shows' palettes (`saberlm.infer.light_palette`; ``--out`` elsewhere than the package).
MAPS is a folder of levels or one with a manifest; counted is the hardest difficulty of each train
level that has `LEAST_EVENTS` lights, its bars that have `LEAST_A_BAR`, and palettes of those with
`DENSITIES` events a beat.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saberlm.prompts.beatmap import Beatmap

Lights = Collection[tuple[int, int, int]]
"""Of a bar: tick in twelfths of a beat, type and value."""
LEAST_EVENTS, LEAST_A_BAR = 300, 3
DENSITIES = (1.5, 12.0)
SAME_SHARE = 0.7
"""Of the events of two bars together, those that both have, for one to repeat the other."""


def bars_of(beatmap: Beatmap) -> dict[int, set[tuple[int, int, int]]]:
    """The lights of each bar that has any."""
    found: dict[int, set[tuple[int, int, int]]] = {}
    for one in beatmap.lights:
        bar, beat = divmod(one.beat + 1e-6, 4)
        found.setdefault(int(bar), set()).add((round(beat * 12), one.type, one.value))
    return found


def count_repeats(
    bars: Mapping[int, Lights], distances: Sequence[int], begins: Counter[int], goes: Counter[int]
) -> None:
    """Add a show to the counts.

    Args:
        bars: of `bars_of`.
        distances: in bars, that are told apart.
        begins: by distance, bars that begin to repeat one; 0: any other earlier bar; -1: all that
            might have.
        goes: the same of bars that go on with the distance of the bar before; its negative: all
            that might have.
    """

    def repeats(bar: int, source: int) -> bool:
        here, there = set(bars[bar]), set(bars.get(source, ()))
        return len(there) >= LEAST_A_BAR and len(here & there) >= SAME_SHARE * len(here | there)

    back = 0
    for bar in range(min(bars, default=0), max(bars, default=-1) + 1):
        if len(bars.get(bar, ())) < LEAST_A_BAR:
            back = 0
            continue
        if back:
            goes[-back] += 1
            if repeats(bar, bar - back):
                goes[back] += 1
                continue
        begins[-1] += 1
        back = next((one for one in distances if repeats(bar, bar - one)), 0)
        if back or any(repeats(bar, other) for other in bars if other < bar):
            begins[back] += 1


def palette_of(beatmap: Beatmap) -> dict[str, list[float]]:
    """A show's shares, as `saberlm.infer.light_palette.Palette` has them."""
    from saberlm.eval.counts import LAMP_TYPES
    from saberlm.infer.light_palette import TYPES, VALUES, value_class

    types, values = [0] * len(TYPES), [0] * VALUES
    for one in beatmap.lights:
        if one.type in TYPES:
            types[TYPES.index(one.type)] += 1
        if one.type in LAMP_TYPES:
            values[value_class(one.value)] += 1
    types[TYPES.index(5)] += len(beatmap.boosts)
    return {"types": _shares(types), "values": _shares(values)}


def _shares(counts: Sequence[int]) -> list[float]:
    return [round(one / max(sum(counts), 1), 4) for one in counts]


def main(argv: list[str] | None = None) -> int:
    """Count the shows, print the rates and write the palettes."""
    parser = argparse.ArgumentParser(prog="light_rates", description=__doc__)
    parser.add_argument("maps", type=Path, metavar="MAPS", help="levels, or a manifest")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="default: the package's own")
    args = parser.parse_args(argv)
    from saberlm.finetune.sources import find_sources, read_levels
    from saberlm.infer.light_palette import SHIPPED
    from saberlm.infer.light_refrain import BEGINS

    begins, goes = Counter[int](), Counter[int]()
    palettes, shows = [], 0
    with tempfile.TemporaryDirectory() as scratch:
        sources = [one for one in find_sources(args.maps, Path(scratch)) if one.split == "train"]
        for _, level in read_levels(sources):
            lit = [one.beatmap for one in level.difficulties]
            lit = [one for one in lit if len(one.lights) >= LEAST_EVENTS]
            if not lit:
                continue
            shows += 1
            count_repeats(bars_of(lit[-1]), tuple(BEGINS), begins, goes)
            beats = [one.beat for one in lit[-1].lights]
            a_beat = len(beats) / max(max(beats) - min(beats), 1.0)
            if DENSITIES[0] <= a_beat <= DENSITIES[1]:
                palettes.append(palette_of(lit[-1]))
    if not palettes:
        raise ValueError(f"expected lit train maps in {args.maps}, found none")
    out = args.out or SHIPPED
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(out.name + ".partial")
    rows = ",\n".join(json.dumps(one, separators=(",", ":")) for one in palettes)
    temporary.write_text(f"[\n{rows}\n]\n", encoding="utf-8")
    temporary.replace(out)
    lines = [f"{shows} shows; wrote {out}: {len(palettes)} palettes"]
    for one in (*BEGINS, 0):
        begin = begins[one] / max(begins[-1], 1)
        on = f", goes on {goes[one] / max(goes[-one], 1):.2f}" if one else ""
        lines.append(f"{one or 'any other'} back: begins {begin:.3f}{on}")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
