"""`saberlm tempo SONG`: the tempo, first beat and bars of a song, and how sure they are."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument(
        "song", metavar="SONG", help="wav, flac, ogg, opus or mp3; m4a and others with ffmpeg"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output"
    )
    parser.add_argument(
        "--plot", metavar="FILE", help="draw onsets, beats and drift (svg or png; extra report)"
    )
    parser.add_argument("--bpm", type=float, help="tempo, when you know it")
    parser.add_argument(
        "--offset", type=float, metavar="SECONDS", help="time of beat 0 in the song's own audio"
    )
    grid = parser.add_mutually_exclusive_group()
    grid.add_argument("--beats", metavar="FILE", help="beat times of another tool or an editor")
    grid.add_argument("--tempo-from", metavar="LEVEL", help="take the tempo from a level")


def run(args: argparse.Namespace) -> int:
    """Print the tempo; without ``--json`` in words."""
    import json
    from pathlib import Path

    from saberlm.adapter.audio import load_audio
    from saberlm.infer.onsets import RATE, onset_curve
    from saberlm.infer.tempo import check_flags, estimate_tempo
    from saberlm.infer.tempo_given import given_tempo
    from saberlm.infer.tempo_plot import check_plot_name, plot_tempo
    from saberlm.infer.tempo_report import describe_tempo, tempo_json

    check_flags(args.bpm, args.offset)
    if args.plot:
        check_plot_name(Path(args.plot))
    found = given_tempo(args.beats, args.tempo_from, bpm=args.bpm, offset_seconds=args.offset)
    samples = load_audio(args.song, RATE)[0]
    if found is None:
        found = estimate_tempo(samples, RATE, bpm=args.bpm, offset_seconds=args.offset)
    if args.plot:
        plot_tempo(found, onset_curve(samples, RATE), Path(args.plot), Path(args.song).name)
    print(json.dumps(tempo_json(found)) if args.json else "\n".join(describe_tempo(found)))
    return 0
