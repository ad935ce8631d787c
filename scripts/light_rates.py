"""How mappers light, counted for the package: ``python -m saberlm.scripts.light_rates MAPS``.

Prints how often a bar's lights repeat those of an earlier bar (`saberlm.infer.light_refrain`) and
how often they keep a step of their own (`saberlm.infer.light_steps`) and moments the lamps of the
last ones (`saberlm.infer.light_relations`, every show as much as any other), and writes the shows'
palettes (`saberlm.infer.light_palette`; ``--out`` elsewhere than the package).
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
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from saberlm.prompts.vocab import TICKS_PER_BEAT, TICKS_PER_SEGMENT

if TYPE_CHECKING:
    from saberlm.prompts.beatmap import Beatmap

STEP_SHARE, NOTES_SHARE = 0.75, 0.8
"""Of a bar's steps from lamp to lamp, those of one length for the bar to keep it; of its lamps and
of its notes, those at one moment with the other for the bar to follow its notes instead."""

Lights = Collection[tuple[int, int, int]]
"""Of a bar: tick in twelfths of a beat, type and value."""
LEAST_EVENTS, LEAST_A_BAR = 300, 3
DENSITIES = (1.5, 12.0)
A_SHOW = 100_000
"""What each show's moments are counted as."""
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


def step_of(lamps: Sequence[int], notes: Sequence[int], steps: Sequence[int]) -> int | None:
    """The step that a bar's lamps keep, None if none or if they follow its notes.

    Args:
        lamps: ticks in the bar at which lamps change, rising.
        notes: the same of its notes.
        steps: lengths that are told apart, in ticks.
    """
    gaps = [then - one for one, then in pairwise(lamps)]
    both = len({*lamps} & {*notes})
    if both >= NOTES_SHARE * max(len(lamps), len(notes)) or not gaps:
        return None
    ((step, times),) = Counter(gaps).most_common(1)
    long = lamps[-1] - lamps[0] >= TICKS_PER_SEGMENT // 2
    return step if step in steps and long and times >= STEP_SHARE * len(gaps) else None


def count_steps(
    beatmap: Beatmap,
    steps: Sequence[int],
    edges: Sequence[float],
    begins: Counter[tuple[int, int]],
    goes: Counter[int],
) -> None:
    """Add a show to the counts.

    Args:
        beatmap: its notes and lights.
        steps: of `step_of`.
        edges: of a bar's moments with notes against their mean, that part classes of bars.
        begins: by class and step, bars that begin to keep one; by class and 0, all that might.
        goes: by step, bars that go on with that of the bar before; its negative: all that might.
    """
    from saberlm.eval.counts import LAMP_TYPES

    lamps, notes = (
        _by_bar(one.beat for one in some)
        for some in ((x for x in beatmap.lights if x.type in LAMP_TYPES), beatmap.color_notes)
    )
    if not notes:
        return
    mean = sum(map(len, notes.values())) / len(notes)
    before = None
    for bar in range(min(notes), max(notes) + 1):
        here = notes.get(bar, [])
        kind = sum(len(here) / mean >= edge for edge in edges)
        step = step_of(lamps.get(bar, []), here, steps)
        if before is not None:
            goes[-before] += 1
            goes[before] += step == before
        if before is None or step != before:
            begins[kind, 0] += 1
            if step is not None:
                begins[kind, step] += 1
        before = step


def _by_bar(beats: Iterable[float]) -> dict[int, list[int]]:
    """Ticks in the bar of what is at these beats, rising, by bar."""
    found: dict[int, set[int]] = {}
    for beat in beats:
        bar, tick = divmod(round(beat * TICKS_PER_BEAT), TICKS_PER_SEGMENT)
        found.setdefault(bar, set()).add(tick)
    return {bar: sorted(ticks) for bar, ticks in found.items()}


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
    from saberlm.eval.looks import count_looks
    from saberlm.finetune.sources import find_sources, read_levels
    from saberlm.infer.light_palette import SHIPPED
    from saberlm.infer.light_refrain import BEGINS
    from saberlm.infer.light_steps import BUSY_EDGES, STEPS

    begins, goes = Counter[int](), Counter[int]()
    step_begins, step_goes = Counter[tuple[int, int]](), Counter[int]()
    looks = Counter[tuple[str, str]]()
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
            count_steps(lit[-1], STEPS, BUSY_EDGES, step_begins, step_goes)
            counted = Counter[tuple[str, str]]()
            count_looks(lit[-1], counted)
            for key, count in counted.items():
                looks[key] += round(A_SHOW * count / counted.total())
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
    for step in STEPS:
        chances = [
            f"{step_begins[kind, step] / max(step_begins[kind, 0], 1):.3f}"
            for kind in range(len(BUSY_EDGES) + 1)
        ]
        goes_on = step_goes[step] / max(step_goes[-step], 1)
        lines.append(f"steps of {step} ticks: begin {' '.join(chances)}, go on {goes_on:.2f}")
    for how in ("other", "stayed", "back", "value"):
        parts = [looks[how, which] for which in ("last", "last but one", "others")]
        shares = " ".join(f"{part / max(sum(parts), 1):.3f}" for part in parts)
        lines.append(f"looks, {how}: last, last but one, others {shares}")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
