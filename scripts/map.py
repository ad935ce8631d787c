"""`saberlm map SONG`: a song to a playable level."""

from __future__ import annotations

import argparse

_SAMPLING = (
    "temperature",
    "position_temperature",
    "rhythm",
    "rhythm_noise",
    "top_p",
    "top_k",
    "repetition_penalty",
    "playability",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    names = ["Easy", "Normal", "Hard", "Expert", "ExpertPlus"]
    parser.add_argument(
        "song", metavar="SONG", help="wav, flac, ogg, opus or mp3; m4a and others with ffmpeg"
    )
    parser.add_argument(
        "-o", "--output", metavar="OUT.zip", help="level to write (default: SONG.zip here)"
    )
    parser.add_argument(
        "-d",
        "--difficulties",
        nargs="+",
        choices=names,
        default=["Expert"],
        metavar="NAME",
        help=f"any of {' '.join(names)} (default Expert)",
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
    parser.add_argument("--temperature", type=float, help="of what is placed (default 1.0)")
    parser.add_argument("--position-temperature", type=float, help="of when it is placed")
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
    parser.add_argument("--repetition-penalty", type=float)
    parser.add_argument(
        "--playability",
        choices=["off", "soft", "strict"],
        help="keep swings possible while sampling (default soft; off: as the model says)",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--title")
    parser.add_argument("--artist")
    parser.add_argument("--mapper", default="saberlm")
    parser.add_argument("--cover", metavar="FILE", help="png or jpg (default: drawn from the song)")
    parser.add_argument("--environment", default="DefaultEnvironment", metavar="NAME")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output"
    )


def run(args: argparse.Namespace) -> int:
    """Map the song; everything but ``--json``'s object goes to standard error."""
    import json
    import sys
    import time
    from dataclasses import replace
    from pathlib import Path

    from tqdm import tqdm

    from saberlm.adapter.audio import audio_info, load_audio
    from saberlm.adapter.loading import load_model
    from saberlm.infer.cover import load_cover
    from saberlm.infer.njs import choose_njs, peak_swings
    from saberlm.infer.pack import check_environment, check_writable, meta_from_filename, pack_level
    from saberlm.infer.pipeline import Song, map_song
    from saberlm.infer.report import describe_difficulties
    from saberlm.infer.sampling import SamplingParams
    from saberlm.infer.tempo import check_flags, estimate_tempo
    from saberlm.infer.tempo_given import given_tempo
    from saberlm.infer.tempo_report import describe_tempo
    from saberlm.prompts.header import Conditions
    from saberlm.prompts.vocab import fingerprint

    # everything that can be refused is refused before the long work
    path = Path(args.song)
    out = Path(args.output) if args.output else Path(f"{path.stem}.zip")
    check_flags(args.bpm, args.offset)
    tempo = given_tempo(args.beats, args.tempo_from, bpm=args.bpm, offset_seconds=args.offset)
    check_environment(args.environment)
    cover = load_cover(Path(args.cover)) if args.cover else None
    chosen = {name: getattr(args, name) for name in _SAMPLING}
    params = SamplingParams(
        **{name: value for name, value in chosen.items() if value is not None}, seed=args.seed
    )
    names = list(dict.fromkeys(args.difficulties))
    rates = _rates(args.nps, names)
    if args.njs is not None and not 3 <= args.njs <= 30:
        raise ValueError(f"--njs: expected a note jump speed of 3 to 30, found {args.njs:g}")
    asked = [
        Conditions(
            difficulty=name,
            nps=rate,
            njs=args.njs,
            style=args.style,
            rating=args.rating,
            lights=not args.no_lights,
        )
        for name, rate in zip(names, rates, strict=True)
    ]
    check_writable(out)
    audio_info(path)
    loaded = load_model(args.model, fingerprint(), device=args.device)
    timings: dict[str, float] = {}
    started = time.perf_counter()
    rate = loaded.frontend.sample_rate
    samples = load_audio(path, rate)[0]
    if tempo is None:
        tempo = estimate_tempo(samples, rate, bpm=args.bpm, offset_seconds=args.offset)
    timings["tempo"] = time.perf_counter() - started
    print("\n".join(describe_tempo(tempo)), file=sys.stderr)
    song = Song.on_estimate(samples, rate, tempo)
    with tqdm(total=song.num_bars * len(names), unit="bar", desc="decode", file=sys.stderr) as bar:
        mapped = map_song(loaded, song, asked, params, progress=bar.update, timings=timings)
    jumps = {
        name: choose_njs(name, peak_swings(beatmap, song.tempo), tempo.bpm, njs=args.njs)
        for name, beatmap in mapped.beatmaps.items()
    }
    meta = meta_from_filename(path, mapper=args.mapper)
    meta = replace(
        meta,
        title=args.title if args.title is not None else meta.title,
        artist=args.artist if args.artist is not None else meta.artist,
    )
    packed = pack_level(
        out,
        path,
        tempo.bpm,
        tempo.offset_seconds,
        mapped.beatmaps,
        meta,
        note_jumps=jumps,
        cover=cover,
        environment=args.environment,
        seed=args.seed,
        model_name=loaded.name,
    )
    timings["pack"] = packed.seconds
    rows = describe_difficulties(mapped.beatmaps, song.tempo, packed.note_jumps)
    for name in names:
        row = rows[name]
        print(
            f"{name}: {row['notes']} notes ({row['nps']:.2f}/s), {row['lights']} light events",
            file=sys.stderr,
        )
        for what, count in mapped.counts[name].items():
            print(f"  {what}: {count}", file=sys.stderr)
    print(f"wrote {packed.output}", file=sys.stderr)
    if args.json:
        summary = {
            "output": str(packed.output),
            "bpm": tempo.bpm,
            "offset": tempo.offset_seconds,
            "events": [{"seconds": p.seconds, "bpm": p.bpm} for p in tempo.events],
            "padding_seconds": packed.padding_seconds,
            "seed": args.seed,
            "model": loaded.name,
            "difficulties": {name: rows[name] for name in names},
            "seconds": {name: round(value, 3) for name, value in timings.items()},
        }
        print(json.dumps(summary))
    return 0


def _rates(given: list[float] | None, names: list[str]) -> list[float | None]:
    """Notes a second for each difficulty."""
    if given is None:
        return [None] * len(names)
    for rate in given:
        if not 0.1 <= rate <= 16:
            raise ValueError(f"--nps: expected 0.1 to 16 notes a second, found {rate:g}")
    if len(given) == 1:
        return [given[0]] * len(names)
    if len(given) != len(names):
        raise ValueError(
            f"--nps: expected one number or one for each of {len(names)} difficulties,"
            f" found {len(given)}"
        )
    return list(given)
