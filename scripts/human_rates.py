"""How human maps do before the judge: every rate, by difficulty, and better maps against the rest.

``python -m saberlm.scripts.human_rates MAPS [--split train] [--n N] [--sound] [--objects FILE.json]
--out FILE.md`` writes Markdown tables: median [p10, p90] of every metric over the maps, the share
of maps without findings of each rule, and well-rated maps against the others. MAPS is a folder of
levels or one with a manifest. Style is measured against the other train maps of the same
difficulty, copies are looked for in other songs; beside it stands how far random parts of these
maps are from the rest. With ``--sound`` the audio is heard too, which takes seconds a song. With
``--objects`` the use of arcs, chains, bombs and walls is kept as the judge's reference
(`saberlm.eval.objects`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RATING = 0.85
"""BeatSaver's score from which on a map counts as well rated: about three in four rated maps."""


def main(argv: list[str] | None = None) -> int:
    """Judge the maps and write the tables."""
    parser = argparse.ArgumentParser(prog="human_rates", description=__doc__)
    parser.add_argument("maps", type=Path, metavar="MAPS", help="levels, or a manifest with audio")
    parser.add_argument("--split", default="train", help="songs to judge (default train)")
    parser.add_argument("--n", type=int, help="judge only the first N songs")
    parser.add_argument("--sound", action="store_true", help="judge against the audio as well")
    parser.add_argument("--rating", type=float, default=RATING, help="from here on well rated")
    parser.add_argument("--objects", type=Path, metavar="FILE.json", help="keep the object rates")
    parser.add_argument("--work", type=Path, help="folder to unpack an archive into, kept")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.md")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        text = _report(args, args.work or Path(scratch))
    args.out.write_text(text, encoding="utf-8")
    return 0


def _report(args: argparse.Namespace, work: Path) -> str:
    from tqdm import tqdm

    from saberlm.eval.objects import ObjectReference, write_references
    from saberlm.eval.rate_table import comparison_table, halves_table, objects_table, spread_table
    from saberlm.finetune.sources import find_sources
    from saberlm.prompts.beatmap import DIFFICULTIES
    from saberlm.scripts.evaluate_songs import read_train_maps

    sources = find_sources(args.maps, work)
    train = read_train_maps([one for one in sources if one.split == "train"])
    chosen = [one for one in sources if one.split == args.split][: args.n]
    left_out: Counter[str] = Counter()
    uses: dict[str, list[Any]] = {}
    maps = [
        one
        for source in tqdm(chosen, desc="judged", unit="song", file=sys.stderr)
        for one in _judged(source, train, args.sound, left_out, uses)
    ]
    objects = {name: ObjectReference.from_uses(uses[name]) for name in DIFFICULTIES if name in uses}
    if args.objects is not None:
        write_references(args.objects, objects)
    keys = list(dict.fromkeys(key for one in maps for key in one.metrics))
    rules = [key for key in keys if key.startswith("per_100:")]
    others = [key for key in keys if key not in rules]
    sums = ["findings_per_100", "advice_per_100"]
    good = [one for one in maps if one.rating is not None and one.rating >= args.rating]
    rest = [one for one in maps if one.rating is not None and one.rating < args.rating]
    lines = [
        f"{len(maps)} maps of {len({one.song for one in maps})} songs, split {args.split}. "
        "Cells: median [p10, p90] over maps, and of rules the share of maps without a finding.",
        "",
        "### Findings per 100 notes",
        "",
        *spread_table(maps, [*sums, *rules], clean=True),
        "",
        "### Other metrics",
        "",
        *spread_table(maps, [key for key in others if key not in sums], clean=False),
        "",
        "### Objects: share of maps that use them, and their median per 100 notes there",
        "",
        *objects_table(objects),
        "",
        "### Style distance between random parts of the train maps",
        "",
        *halves_table(train.references),
        "",
        f"### {len(good)} maps rated {args.rating:g} or more against {len(rest)} rated less",
        "",
        *comparison_table(good, rest, [*sums, *rules], (f"{args.rating:g} or more", "less")),
        "",
        *(f"Left out: {reason}: {count}." for reason, count in sorted(left_out.items())),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _judged(
    source: Any,
    train: Any,
    sound: bool,
    left_out: Counter[str],
    uses: dict[str, list[Any]],
) -> Iterator[Any]:
    """A song's maps, judged; their objects go to ``uses``, by difficulty."""
    from saberlm.adapter.audio import audio_info
    from saberlm.eval.judge import judge_map
    from saberlm.eval.playability_scene import SetUp
    from saberlm.eval.rate_table import RatedMap
    from saberlm.finetune.build import MIN_NOTES
    from saberlm.prompts.beatmap import DIFFICULTIES
    from saberlm.prompts.mapfile import read_level
    from saberlm.prompts.tempo import TempoMap

    try:
        level = read_level(source.level)
    except (ValueError, OSError):
        left_out["song that cannot be read"] += 1
        return
    audio = source.audio or source.level / level.info.audio_filename
    strength, duration = None, None
    try:
        duration = audio_info(audio).seconds or None
        strength = _strength(audio) if sound else None
    except (ValueError, OSError):
        left_out["sound that cannot be read"] += 1
    for one in level.difficulties:
        if one.name not in DIFFICULTIES or len(one.beatmap.color_notes) < MIN_NOTES:
            left_out[f"difficulty under {MIN_NOTES} notes or of another name"] += 1
            continue
        judged = judge_map(
            one.beatmap,
            TempoMap(level.info.bpm, one.beatmap.bpm_events),
            one.name,
            strength=strength,
            reference=train.references.get(one.name),
            is_member=source.split == "train",
            patterns=train.patterns,
            song=source.key,
            set_up=SetUp(one.njs, one.offset, duration),
        )
        uses.setdefault(one.name, []).append(judged.objects)
        yield RatedMap(source.key, one.name, source.rating, judged.metrics())


def _strength(audio: Path) -> tuple[Any, float]:
    from saberlm.adapter.audio import load_audio
    from saberlm.infer.onsets import FPS, RATE, onset_curve

    return onset_curve(load_audio(audio, RATE)[0], RATE).full, FPS


if __name__ == "__main__":
    sys.exit(main())
