"""Judge a model on held-out songs: what `saberlm map` makes of them, beside the human maps and
beside another song's audio.

``python -m saberlm.scripts.evaluate_holdout MAPS_DIR DATA_DIR [--part report|tune] ...``: on the
valid split's songs, each with the fitted
grid and the human's notes/s, every difficulty is made twice in one batch: with its own sound, and
with another song's sound laid on
the same beats (DESIGN section 4: a model that knows metre alone scores high, so the difference is
what it hears).
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

REPORT_SONGS = 10


def main(argv: list[str] | None = None) -> int:
    """Run the evaluation; prints a table and writes all figures as JSON."""
    parser = argparse.ArgumentParser(prog="evaluate_holdout", description=__doc__)
    parser.add_argument("maps_dir", help="manifest with audio")
    parser.add_argument("data_dir", help="built dataset of the same maps")
    parser.add_argument("--model", default="nano")
    parser.add_argument(
        "--part",
        choices=["report", "tune"],
        default="report",
        help="the first 10 valid songs that have an Expert map, or all the others",
    )
    parser.add_argument("--difficulties", nargs="+", default=["Hard", "Expert", "ExpertPlus"])
    parser.add_argument(
        "--bars", type=int, default=0, help="only this many bars of each song (0: all)"
    )
    parser.add_argument("--rows", type=int, default=24, help="maps decoded in one batch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--levels", help="folder to write the levels to and check them (needs all bars)"
    )
    parser.add_argument("--out", help="JSON file of all figures")
    parser.add_argument("--threads", type=int, default=0)
    for name in ("temperature", "position-temperature", "hazard", "decoder", "top-p"):
        parser.add_argument(f"--{name}", type=float)
    parser.add_argument("--playability", choices=["off", "soft", "strict"], default="off")
    args = parser.parse_args(argv)

    import json
    from pathlib import Path

    import torch

    from saberlm.adapter.loading import load_model
    from saberlm.infer.sampling import SamplingParams
    from saberlm.prompts.vocab import fingerprint

    if args.threads:
        torch.set_num_threads(args.threads)
    names = ("temperature", "position_temperature", "hazard", "decoder", "top_p", "playability")
    chosen = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    params = SamplingParams(**chosen, seed=args.seed)
    loaded = load_model(args.model, fingerprint())
    rows = _evaluate(args, loaded, params)
    print(_table(rows))
    if args.out:
        Path(args.out).write_text(json.dumps({"params": str(params), "rows": rows}, indent=1))
    return 0


def _evaluate(args: argparse.Namespace, loaded: Any, params: Any) -> list[dict[str, Any]]:
    from dataclasses import replace
    from pathlib import Path

    from tqdm import tqdm

    from saberlm.finetune.shards import load_dataset
    from saberlm.finetune.sources import find_sources
    from saberlm.infer.engine import Engine
    from saberlm.infer.pipeline import Song, encode_song, make_request, read_song, to_beatmap

    shards = load_dataset(Path(args.data_dir), "valid")
    with_expert = [
        s for s in shards if any(d.conditions.difficulty == "Expert" for d in s.difficulties)
    ]
    chosen = with_expert[:REPORT_SONGS]
    if args.part == "tune":
        chosen = [s for s in shards if s not in chosen]
    sources = {s.key: s for s in find_sources(Path(args.maps_dir), Path(args.data_dir))}
    songs: list[Song] = []
    encodings = []
    for shard in tqdm(chosen, desc="encode", file=sys.stderr):
        audio = sources[shard.key].audio
        assert audio is not None
        song = read_song(audio, loaded.frontend, shard.bpm, shard.offset_seconds)
        songs.append(song)
        encodings.append(encode_song(loaded.model, loaded.frontend, song))
    jobs: list[Any] = []
    for i, shard in enumerate(chosen):
        human = _human(sources[shard.key], args.difficulties)
        for stream in shard.difficulties:
            name = stream.conditions.difficulty
            if name not in args.difficulties or name not in human:
                continue
            asked = replace(
                stream.conditions,
                style=None,
                rating=9,
                njs=None,
                arcs=None,
                chains=None,
                bombs=None,
                walls=None,
            )
            for sound in ("own", "other"):
                encoding = encodings[i]
                if sound == "other":
                    encoding = _laid_over(
                        loaded.model, encodings[(i + 3) % len(chosen)], encoding.num_bars
                    )
                if args.bars:
                    encoding = replace(encoding, num_bars=min(args.bars, encoding.num_bars))
                request = make_request(
                    loaded.model, encoding, songs[i], asked, params.seed * 10 + len(jobs)
                )
                jobs.append(
                    (shard.key, name, sound, human[name], songs[i], request, sources[shard.key])
                )
    jobs.sort(key=lambda job: job[5].song.num_bars)
    made = []
    with tqdm(total=sum(job[5].song.num_bars for job in jobs), unit="bar", file=sys.stderr) as bar:
        for first in range(0, len(jobs), args.rows):
            batch = [job[5] for job in jobs[first : first + args.rows]]
            made += Engine(loaded.model).generate(batch, params, bar.update)
    rows = []
    for (key, name, sound, human_map, song, _, source), generated in zip(jobs, made, strict=True):
        beatmap, counts = to_beatmap(generated, song)
        row = {
            "song": key,
            "difficulty": name,
            "sound": sound,
            **_judge(beatmap, human_map, song, args.bars),
        }
        row["counts"] = dict(counts)
        if args.levels and sound == "own":
            row.update(_check(Path(args.levels) / f"{key}-{name}.zip", source, song, name, beatmap))
        rows.append(row)
    return rows


def _human(source: Any, names: list[str]) -> dict[str, Any]:
    """Human beatmaps with their tempo maps, by difficulty."""
    from saberlm.prompts.mapfile import read_level
    from saberlm.prompts.tempo import TempoMap

    level = read_level(source.level)
    return {
        d.name: (d.beatmap, TempoMap(level.info.bpm, d.beatmap.bpm_events))
        for d in level.difficulties
        if d.name in names
    }


def _laid_over(model: Any, other: Any, num_bars: int) -> Any:
    """Another song's encoding laid on a song's bars: repeated or cut to as many, its bars numbered
    anew."""
    import torch

    from saberlm.infer.engine import SongEncoding

    times = -(-num_bars // other.num_bars)
    latents = other.latents.repeat(times, 1)[: num_bars * 16]
    sketch = other.sketch.repeat(times, 1)[:num_bars]
    with torch.no_grad():
        bars = torch.arange(len(latents))[None] // 16
        embeds = model.model.projector(latents[None], bars)[0]
    return SongEncoding(latents, embeds, sketch, num_bars)


def _judge(beatmap: Any, human: Any, song: Any, bars: int) -> dict[str, Any]:
    """One map beside the human's: onset F1 at +-50 ms, notes/s, hands, cells, directions, lights,
    parity."""
    import numpy as np

    from saberlm.eval.counts import count_objects
    from saberlm.eval.swing import parity_errors
    from saberlm.eval.timing import onset_f1
    from saberlm.prompts.tempo import TempoMap

    human_map, human_tempo = human
    reference = np.asarray(
        human_tempo.to_seconds(np.array([n.beat for n in human_map.color_notes]))
    )
    tempo = TempoMap(song.bpm)
    estimate = song.offset_seconds + np.array([n.beat for n in beatmap.color_notes]) * 60 / song.bpm
    if bars:
        end = song.bar_zero_seconds + bars * 240 / song.grid_bpm
        reference, estimate = reference[reference < end], estimate[estimate < end]
    score = onset_f1(np.sort(reference), np.sort(estimate))
    counts = count_objects(beatmap, tempo)
    parity = parity_errors(beatmap, tempo)
    return {
        "f1": score.f1,
        "precision": score.precision,
        "recall": score.recall,
        "count_ratio": score.count_ratio,
        "nps": counts.nps,
        "human_nps": count_objects(human_map, human_tempo).nps,
        "notes": len(beatmap.color_notes),
        "red_share": counts.red_share,
        "cells": counts.cells,
        "directions": counts.distinct_directions,
        "lit_bars": counts.lit_bar_share,
        "lights": len(beatmap.lights),
        "doubles": counts.doubles_share,
        "parity_per_100": parity.per_100_notes,
        "parity_errors": parity.errors,
        "human_parity_per_100": parity_errors(human_map, human_tempo).per_100_notes,
    }


def _check(out: Any, source: Any, song: Any, name: str, beatmap: Any) -> dict[str, Any]:
    """Write the level as `saberlm map` does and validate it."""
    from saberlm.eval.report import check_level
    from saberlm.infer.pack import SongMeta, pack_level

    out.parent.mkdir(parents=True, exist_ok=True)
    pack_level(
        out, source.audio, song.bpm, song.offset_seconds, {name: beatmap}, SongMeta("holdout")
    )
    report = check_level(out)
    return {"valid": report.valid, "findings": [f"{e.rule}: {e.message}" for e in report.errors]}


def _table(rows: list[dict[str, Any]]) -> str:
    """Means by difficulty as a Markdown table, then what failed."""
    import numpy as np

    titles = (
        "difficulty",
        "n",
        "F1@50 own",
        "F1@50 other's audio",
        "lift",
        "count ratio",
        "notes/s off > 25 %",
        "parity/100 (human)",
        "red share",
        "cells, directions (least)",
        "lit bars",
    )
    lines = [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]
    for name in dict.fromkeys(row["difficulty"] for row in rows):
        own = [r for r in rows if r["difficulty"] == name and r["sound"] == "own"]
        other = [r for r in rows if r["difficulty"] == name and r["sound"] == "other"]

        def mean(key: str, group: list[dict[str, Any]]) -> float:
            return float(np.mean([r[key] for r in group]))

        f1, control = mean("f1", own), mean("f1", other)
        off = sum(abs(r["nps"] / r["human_nps"] - 1) > 0.25 for r in own)
        reds = [r["red_share"] for r in own]
        cells = (
            name,
            str(len(own)),
            f"{f1:.3f}",
            f"{control:.3f}",
            f"{f1 - control:+.3f}",
            f"{mean('count_ratio', own):.2f}",
            str(off),
            f"{mean('parity_per_100', own):.1f} ({mean('human_parity_per_100', own):.1f})",
            f"{min(reds):.2f}-{max(reds):.2f}",
            f"{min(r['cells'] for r in own)}, {min(r['directions'] for r in own)}",
            f"{mean('lit_bars', own):.2f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    invalid = [r for r in rows if r.get("valid") is False]
    checked = sum("valid" in r for r in rows)
    lines.append(f"\ninvalid levels: {len(invalid)} of {checked} checked")
    lines += [f"  {r['song']} {r['difficulty']}: {r['findings'][:3]}" for r in invalid]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
