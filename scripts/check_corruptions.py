"""Does the judge notice? Human maps are made worse in one way at a time and judged again.

``python -m saberlm.scripts.check_corruptions MAPS [--n 100] [--seed 0] [--sound]``: for each
corruption of `saberlm.eval.corruptions`, the share of the maps on which each metric moves by more
than a fixed amount, as a Markdown table. **Bold**: the metric that has to notice; (in brackets):
metrics that the corruption touches too; the others should stay at 0. Style is measured against the
other train maps of the same difficulty, the map's own song left out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saberlm.eval.style import StyleCounts, StyleReference
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.tempo import TempoMap

NOTICED: dict[str, tuple[str, float]] = {
    "F1@20": ("falls", 0.2),
    "F1@50": ("falls", 0.2),
    "notes/s": ("moves", 0.2),
    "density": ("falls", 0.2),
    "cells": ("rises", 0.05),
    "directions": ("rises", 0.05),
    "hands": ("rises", 0.1),
    "cuts": ("rises", 0.05),
    "pairs": ("rises", 0.03),
    "gaps": ("rises", 0.05),
    "patterns": ("rises", 0.02),
    "unique": ("moves", 0.1),
    "structure": ("falls", 0.2),
    "parity": ("rises", 3.0),
    "lights/beat": ("moves", 0.2),
    "dark bars": ("rises", 0.1),
    "on notes": ("falls", 0.1),
    "own shift": ("rises", 0.03),
    "sound z": ("falls", 0.3),
}
"""How far a metric has to go, and which way, to have noticed. Rates (notes/s, lights/beat) are
shares of the human's; "own shift" is the distance in seconds of the shift that fits the sound best,
"sound z" a share of the human's; distances, correlations and shares are as they are; parity errors
are per 100 notes. A metric that was defined and no longer is has noticed."""

MUST = {
    "shift by 60 ms": ("F1@20",),
    "mirror one hand": ("hands",),
    "shuffle directions": ("parity",),
    "random cells": ("cells",),
    "thin by half": ("notes/s",),
    "double": ("notes/s",),
    "shuffle bars": ("structure",),
    "repeat one bar": ("unique",),
    "off beat": ("F1@20",),
    "break parity": ("parity",),
    "strip lights": ("lights/beat",),
}
_RHYTHM = ("F1@20", "F1@50", "gaps", "patterns", "unique", "on notes", "own shift", "sound z")
MAY = {
    "shift by 60 ms": ("F1@50", "structure", "on notes", "own shift", "sound z"),
    "mirror one hand": ("cells", "cuts", "directions", "pairs", "patterns", "parity", "unique"),
    "shuffle directions": ("cuts", "pairs", "patterns", "unique", "structure"),
    "random cells": ("cuts", "hands", "unique", "structure", "parity"),
    "thin by half": (*_RHYTHM, "density", "pairs", "structure", "parity"),
    "double": (*_RHYTHM, "density", "pairs", "structure", "parity"),
    "shuffle bars": (*_RHYTHM, "density", "pairs", "parity"),
    "repeat one bar": tuple(NOTICED),
    "off beat": (*_RHYTHM, "structure"),
    "break parity": ("directions", "cuts", "pairs", "patterns", "unique", "structure"),
    "strip lights": ("dark bars", "on notes"),
}
"""What a corruption touches besides, of its nature: with half the notes gone the rhythm changes."""


@dataclass(frozen=True, eq=False)
class HumanMap:
    """One difficulty; ``strength`` and ``frame_rate`` are its sound's, if it was heard."""

    song: str
    difficulty: str
    beatmap: Beatmap
    tempo: TempoMap
    split: str = "train"
    strength: Any = None
    frame_rate: float = 0.0


def main(argv: list[str] | None = None) -> int:
    """Run the experiment and print the table."""
    parser = argparse.ArgumentParser(prog="check_corruptions", description=__doc__)
    parser.add_argument("maps", type=Path, metavar="MAPS", help="levels, or a manifest with audio")
    parser.add_argument("--n", type=int, default=100, help="maps to corrupt (default 100)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--split", default="train", help="whose maps to corrupt; style is the train maps' always"
    )
    parser.add_argument("--sound", action="store_true", help="judge against the audio as well")
    parser.add_argument("--work", type=Path, help="folder to unpack an archive into, kept")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        maps, sounds = _read(args.maps, args.work or Path(scratch))
        print(_table(maps, sounds if args.sound else None, args.n, args.seed, args.split))
    return 0


def measure(human: HumanMap, beatmap: Beatmap, others: StyleCounts) -> dict[str, float | None]:
    """All metrics of one version of a human map, judged against the map as it was."""

    from saberlm.eval.fit import density_fit, notes_per_second
    from saberlm.eval.lights import light_report
    from saberlm.eval.structure import structure_fit
    from saberlm.eval.style import hand_distance, unique_windows
    from saberlm.eval.swing import parity_errors
    from saberlm.eval.timing import note_seconds, onset_alignment, timing_report

    tempo = human.tempo
    seconds = [note_seconds(one, tempo) for one in (human.beatmap, beatmap)]
    timing = timing_report(seconds[0], seconds[1])
    style = StyleCounts.of(beatmap, tempo).distances(others)
    lights = light_report(beatmap, tempo)
    on_notes = lights.lights_on_notes
    found = {
        "F1@20": timing.scores["20"].f1,
        "F1@50": timing.scores["50"].f1,
        "notes/s": notes_per_second(beatmap, tempo),
        "density": density_fit(human.beatmap, tempo, beatmap, tempo).correlation,
        "cells": style.cells,
        "directions": style.directions,
        "hands": hand_distance(beatmap),
        "cuts": style.cuts,
        "pairs": style.direction_pairs,
        "gaps": style.gaps,
        "patterns": style.patterns,
        "unique": unique_windows(beatmap, tempo),
        "structure": structure_fit(human.beatmap, tempo, beatmap, tempo).correlation,
        "parity": parity_errors(beatmap, tempo).per_100_notes,
        "lights/beat": lights.events_per_beat,
        "dark bars": lights.dark_bar_share,
        "on notes": on_notes.share,
    }
    if human.strength is not None:
        heard = onset_alignment(seconds[1], human.strength, human.frame_rate)
        shift = heard.best_shift_seconds
        found |= {"sound z": heard.z, "own shift": None if shift is None else abs(shift)}
    return found


def noticed(metric: str, before: float | None, after: float | None) -> bool | None:
    """Whether a metric moved by more than `NOTICED` says; None where it says nothing: undefined
    before, or no light to lose."""
    if before is None or (metric == "dark bars" and before == 1):
        return None
    if after is None:
        return True
    way, limit = NOTICED[metric]
    if metric in ("notes/s", "lights/beat", "sound z"):
        if before <= 0:
            return None
        before, after = 1.0, after / before
    change = {"rises": after - before, "falls": before - after, "moves": abs(after - before)}[way]
    return change > limit


def _read(folder: Path, work: Path) -> tuple[list[HumanMap], dict[str, Path]]:
    """All playable difficulties with notes, and where each song's sound is."""
    from tqdm import tqdm

    from saberlm.finetune.sources import find_sources
    from saberlm.prompts.mapfile import read_level
    from saberlm.prompts.vanilla import vanilla

    maps: list[HumanMap] = []
    sounds: dict[str, Path] = {}
    for source in tqdm(find_sources(folder, work), desc="read", file=sys.stderr):
        try:
            level = read_level(source.level)
        except ValueError as error:
            tqdm.write(f"left out: {error}", file=sys.stderr)
            continue
        inside = source.level / level.info.audio_filename
        sounds[source.key] = source.audio or inside
        for one in level.difficulties:
            beatmap, _ = vanilla(one.beatmap)
            if beatmap.color_notes:
                tempo = TempoMap(level.info.bpm, beatmap.bpm_events)
                maps.append(HumanMap(source.key, one.name, beatmap, tempo, source.split))
    return maps, sounds


def _table(
    maps: list[HumanMap], sounds: dict[str, Path] | None, number: int, seed: int, split: str
) -> str:
    import numpy as np
    from tqdm import tqdm

    from saberlm.eval.corruptions import CORRUPTIONS

    references = {
        name: StyleReference.from_maps(
            (m.beatmap, m.tempo) for m in maps if (m.difficulty, m.split) == (name, "train")
        )
        for name in {one.difficulty for one in maps}
    }
    judged = [one for one in maps if one.split == split]
    if not judged:
        raise ValueError(f"expected maps of the split {split!r}, found none: likely another name")
    order = np.random.default_rng(seed).permutation(len(judged))[:number]
    votes: dict[tuple[str, str], list[bool]] = {}
    for at in tqdm(order, desc="judge", file=sys.stderr):
        human = _with_sound(judged[at], sounds)
        own = (m for m in maps if (m.song, m.difficulty) == (human.song, human.difficulty))
        others = references[human.difficulty].pooled
        for one in own if human.split == "train" else ():
            others = others.without(StyleCounts.of(one.beatmap, one.tempo))
        before = measure(human, human.beatmap, others)
        for name, corrupt in CORRUPTIONS.items():
            after = measure(human, corrupt(human.beatmap, human.tempo, seed + int(at)), others)
            for metric, value in before.items():
                if (vote := noticed(metric, value, after[metric])) is not None:
                    votes.setdefault((name, metric), []).append(vote)
    return "\n".join(_lines(votes, len(order)))


def _with_sound(human: HumanMap, sounds: dict[str, Path] | None) -> HumanMap:
    if sounds is None:
        return human
    from saberlm.adapter.audio import load_audio
    from saberlm.infer.onsets import FPS, RATE, onset_curve

    curve = onset_curve(load_audio(sounds[human.song], RATE), RATE)
    return replace(human, strength=curve.full, frame_rate=FPS)


def _lines(votes: dict[tuple[str, str], list[bool]], number: int) -> Iterator[str]:
    metrics = [m for m in NOTICED if any(metric == m for _, metric in votes)]
    yield f"Share of {number} human maps, in percent, on which a metric notices a corruption.\n"
    yield "| corruption | " + " | ".join(metrics) + " |"
    yield "|---" * (len(metrics) + 1) + "|"
    for name in MUST:
        cells = []
        for metric in metrics:
            found = votes.get((name, metric), [])
            text = f"{100 * sum(found) / len(found):.0f}" if found else "-"
            if metric in MUST[name]:
                text = f"**{text}**"
            elif metric in MAY[name]:
                text = f"({text})"
            cells.append(text)
        yield f"| {name} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
