"""`saberlm map SONG`: a song to a playable level."""

from __future__ import annotations

import argparse
from typing import Any

SAMPLING = (
    "preset",
    "temperature",
    "position_temperature",
    "note_temperature",
    "light_temperature",
    "other_temperature",
    "rhythm",
    "rhythm_noise",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "cfg_scale",
    "negative_style",
    "playability",
)


REQUEST = (
    "difficulties",
    "nps",
    "njs",
    "style",
    "rating",
    "prompt",
    "mapper",
    "cover",
    "environment",
    "seed",
    "candidates",
    "redo_weak",
    "full_spread",
)
"""Options of `add_request_arguments` that are fields of a request by the same name."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument(
        "song", metavar="SONG", help="wav, flac, ogg, opus or mp3; m4a and others with ffmpeg"
    )
    parser.add_argument(
        "-o", "--output", metavar="OUT.zip", help="level to write (default: SONG.zip here)"
    )
    parser.add_argument(
        "--bpm", type=float, help="tempo, when you know it (default: found in the sound)"
    )
    parser.add_argument(
        "--offset", type=float, metavar="SECONDS", help="time of beat 0 in the song's own audio"
    )
    grid = parser.add_mutually_exclusive_group()
    grid.add_argument(
        "--beats",
        metavar="FILE",
        help="beat times in seconds, one a line, perhaps with the beat's number in its bar (text,"
        " csv, Audacity labels)",
    )
    grid.add_argument(
        "--tempo-from",
        metavar="LEVEL",
        help="take the tempo and its changes from a level of the same sound file (folder or zip)",
    )
    parser.add_argument("--title")
    parser.add_argument("--artist")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output"
    )
    add_request_arguments(parser)


def add_request_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be asked of any number of songs; shared with `saberlm batch`."""
    names = ["Easy", "Normal", "Hard", "Expert", "ExpertPlus"]
    parser.add_argument(
        "-d",
        "--difficulties",
        nargs="+",
        choices=names,
        metavar="NAME",
        help=f"any of {' '.join(names)} (default Expert)",
    )
    parser.add_argument(
        "--full-spread",
        action="store_true",
        help="each difficulty at most 0.8 times as dense as the harder one and within its rhythm"
        " (without -d: all five)",
    )
    parser.add_argument(
        "--prompt",
        metavar="HEADER",
        help='a header written by hand, "Difficulty: Expert | NPS: 5.2 | Style: tech", or a'
        ' template with names of fields in braces, "NPS: {nps} | Style: {style}, jumps"; it goes'
        " before the other options",
    )
    parser.add_argument(
        "--candidates",
        type=int,
        metavar="N",
        help="draw N maps of each difficulty and keep the best by playability, style and critic",
    )
    parser.add_argument(
        "--redo-weak", action="store_true", help="make the weakest bars anew, keep what is better"
    )
    parser.add_argument(
        "--nps",
        type=float,
        nargs="+",
        metavar="N",
        help="notes a second, one for all difficulties or one for each",
    )
    parser.add_argument(
        "--njs", type=float, help="note jump speed (default: by difficulty and density)"
    )
    parser.add_argument(
        "--style", metavar="TEXT", help='words such as "streams", "jumps", "tech", "chill"'
    )
    parser.add_argument(
        "--rating", type=int, choices=range(11), metavar="0-10", default=9, help="quality asked for"
    )
    parser.add_argument("--no-lights", action="store_true", help="leave the light show out")
    parser.add_argument(
        "--model", default="nano", metavar="NAME|DIR", help="shipped model or a folder"
    )
    parser.add_argument(
        "--preset",
        choices=["safe", "balanced", "wild"],
        help="settings that the options below change (default balanced)",
    )
    parser.add_argument("--temperature", type=float, help="of what is placed (default 1.0)")
    parser.add_argument("--position-temperature", type=float, help="of when it is placed")
    for kind in ("note", "light", "other"):
        parser.add_argument(
            f"--{kind}-temperature",
            type=float,
            help={"other": "within everything else"}.get(kind, f"within {kind}s")
            + " (default: --temperature)",
        )
    parser.add_argument(
        "--rhythm",
        choices=["planned", "drawn"],
        help="when notes come: planned over the whole song from what is heard (default), or drawn"
        " one after the other",
    )
    parser.add_argument(
        "--rhythm-noise", type=float, help="how far seeds differ in a planned rhythm (default 0)"
    )
    parser.add_argument("--top-p", type=float)
    parser.add_argument("--top-k", type=int)
    parser.add_argument(
        "--min-p",
        type=float,
        help="leave out what has less than this share of the likeliest's chance",
    )
    parser.add_argument(
        "--repetition-penalty",
        type=float,
        help="above 1: patterns of four notes come again less often; below 1: more often",
    )
    parser.add_argument(
        "--cfg-scale",
        type=float,
        help="above 1: follow what is asked more closely, at twice the cost (default 1)",
    )
    parser.add_argument(
        "--negative-style", metavar="TEXT", help="words to move away from; needs --cfg-scale"
    )
    parser.add_argument(
        "--playability",
        choices=["off", "soft", "strict"],
        help="keep swings possible while sampling (default soft; off: as the model says)",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mapper", default="saberlm")
    parser.add_argument("--cover", metavar="FILE", help="png or jpg (default: drawn from the song)")
    parser.add_argument("--environment", default="DefaultEnvironment", metavar="NAME")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")


def request_fields(args: argparse.Namespace) -> dict[str, Any]:
    """What `add_request_arguments` found, as fields of a `saberlm.infer.LevelRequest`."""
    return {
        **{name: getattr(args, name) for name in (*REQUEST, *SAMPLING)},
        "lights": not args.no_lights,
    }


def run(args: argparse.Namespace) -> int:
    """Map the song; everything but ``--json``'s object goes to standard error."""
    import json
    import sys
    from pathlib import Path

    from tqdm import tqdm

    from saberlm.adapter.audio import audio_info
    from saberlm.infer.level_request import LevelRequest
    from saberlm.infer.mapper import Mapper
    from saberlm.infer.pack import check_writable
    from saberlm.infer.tempo_report import describe_tempo

    # everything that can be refused is refused before the long work
    own = ("bpm", "offset", "beats", "tempo_from", "title", "artist")
    given = {name: getattr(args, name) for name in own}
    request = LevelRequest.of(args.song, **given, **request_fields(args))
    out = Path(args.output) if args.output else Path(f"{Path(args.song).stem}.zip")
    request.check_files()
    check_writable(out)
    audio_info(Path(args.song))
    mapper = Mapper.from_pretrained(args.model, device=args.device)
    heard = mapper.listen(request)
    print("\n".join(describe_tempo(heard.tempo)), file=sys.stderr)
    with tqdm(unit="bar", desc="decode", file=sys.stderr) as bar:

        def advance(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        level = mapper.map(heard, progress=advance)
    packed = level.save(out)
    rows = level.describe()
    for name, row in rows.items():
        print(
            f"{name}: {row['notes']} notes ({row['nps']:.2f}/s), {row['lights']} light events",
            file=sys.stderr,
        )
        for what, count in level.counts[name].items():
            print(f"  {what}: {count}", file=sys.stderr)
        for score in level.scores.get(name, []):
            parts = ", ".join(f"{part} {value:.2f}" for part, value in score.items())
            print(f"  candidate: {parts}", file=sys.stderr)
    print(f"wrote {packed.output}", file=sys.stderr)
    if args.json:
        summary = {
            "output": str(packed.output),
            "bpm": level.tempo.bpm,
            "offset": level.tempo.offset_seconds,
            "events": [{"seconds": p.seconds, "bpm": p.bpm} for p in level.tempo.events],
            "padding_seconds": packed.padding_seconds,
            "seed": args.seed,
            "model": level.model_name,
            "difficulties": rows,
            "seconds": {name: round(value, 3) for name, value in level.seconds.items()},
        }
        if level.scores:
            summary["scores"] = level.scores
        print(json.dumps(summary))
    return 0
