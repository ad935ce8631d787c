"""`saberlm map SONG`: a song to a playable level; `saberlm map --from-level LEVEL`: a part of a
human's level made anew, or its end."""

from __future__ import annotations

import argparse
from pathlib import Path

from saberlm.scripts.progress import mapping_progress
from saberlm.scripts.request_arguments import (
    add_level_arguments,
    add_request_arguments,
    request_fields,
    say_unknown_words,
)

WHOLE_SONGS_ALONE = (
    "bpm",
    "offset",
    "beats",
    "tempo_from",
    "title",
    "artist",
    "candidates",
    "redo_weak",
    "full_spread",
    "cover",
    "reference",
    "decorative_walls",
)
"""What a level that is there already leaves no room for."""
OF_LEVELS_ALONE = ("range", "go_on", "new_lights", "overwrite")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument(
        "song",
        nargs="?",
        metavar="SONG",
        help="wav, flac, ogg, opus or mp3; m4a and others with ffmpeg. With --from-level: the"
        " level's own song, where the level lacks it",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        help="level to write: a zip where it ends in .zip, else a folder (default: SONG.zip here;"
        " with --from-level: LEVEL_saberlm.zip)",
    )
    add_level_arguments(parser)
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
    for what in ("title", "artist"):
        parser.add_argument(f"--{what}", help=f"the song's {what} (default: from its tags or name)")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output"
    )
    add_request_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Map the song, or work on the level; everything but ``--json``'s object goes to standard
    error."""
    if args.from_level is not None:
        return _work_on_level(args)
    alone = [name for name in OF_LEVELS_ALONE if getattr(args, name)]
    if alone or args.song is None:
        flag = f"--{alone[0].replace('go_on', 'continue').replace('_', '-')}" if alone else ""
        args.usage_error(f"{flag} needs --from-level LEVEL" if alone else "SONG is missing")
    import json
    import sys

    from saberlm.infer.start import uncollected

    out = Path(args.output) if args.output else Path(f"{Path(args.song).stem}.zip")
    if not Path(args.song).exists():  # said at once: what is imported below takes seconds
        raise ValueError(
            f"{args.song}: expected a sound file, found nothing there; is the path right?"
        )
    if args.output is None:
        _spare_others(out)
    with uncollected():
        from saberlm.adapter.audio import audio_info
        from saberlm.infer.level_request import LevelRequest
        from saberlm.infer.mapper import Mapper
        from saberlm.infer.pack import check_writable
        from saberlm.infer.tempo_report import describe_tempo

    # everything that can be refused is refused before the long work
    own = ("bpm", "offset", "beats", "tempo_from", "title", "artist")
    given = {name: getattr(args, name) for name in own}
    request = LevelRequest.of(args.song, **given, **request_fields(args))
    request.check_files()
    check_writable(out)
    audio_info(Path(args.song))
    say_unknown_words(args.style, args.negative_style)
    mapper = Mapper.from_pretrained(args.model, lora=args.lora, device=args.device)
    heard = mapper.listen(request, keep_sound=True)
    print("\n".join(describe_tempo(heard.tempo)), file=sys.stderr)
    with mapping_progress() as advance:
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
        scores = level.scores.get(name, [])
        best = max((score["total"] for score in scores), default=0.0)
        for number, score in enumerate(scores, 1):
            parts = ", ".join(f"{part} {value:.2f}" for part, value in score.items())
            kept = " (the highest, kept)" if score["total"] == best else ""
            print(f"  candidate {number}: {parts}{kept}", file=sys.stderr)
    print(f"wrote {packed.output}; saberlm preview {packed.output} plays it", file=sys.stderr)
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


def _spare_others(out: Path) -> None:
    """Refuses to replace a level that was not made here, or was worked on since, unasked."""
    import json

    from saberlm.prompts.levelzip import open_level_files

    if not out.exists():
        return
    try:
        info = json.loads(open_level_files(out).read("Info.dat"))
        ours = info["_customData"]["_saberlm"]
        mine = "edits" not in ours
    except (ValueError, OSError, KeyError, TypeError):
        mine = False
    if not mine:
        raise ValueError(
            f"{out}: expected no file there, or an older level by saberlm, found another: say with"
            " -o where the level shall go"
        )


def _work_on_level(args: argparse.Namespace) -> int:
    from saberlm.infer.level_edits import Span
    from saberlm.scripts.level_work import work_on_level

    if args.range is None and not args.go_on:
        args.usage_error("--from-level needs --range A-B or --continue")
    for name in WHOLE_SONGS_ALONE:
        if getattr(args, name):
            args.usage_error(f"--{name.replace('_', '-')} does not go with --from-level")
    if args.no_lights and args.new_lights:
        args.usage_error("expected --no-lights or --new-lights, found both")
    if args.chroma and args.range and not args.new_lights:
        args.usage_error("--chroma colours new lights: with --range it needs --new-lights")
    new_lights = False if args.no_lights else args.new_lights
    span = None if args.range is None else Span.parse(args.range)
    level = Path(args.from_level)
    return work_on_level(
        level,
        args.output or f"{level.stem if level.is_file() else level.name}_saberlm.zip",
        {**request_fields(args), "lights": True},
        lambda editor: (
            editor.go_on(new_lights=new_lights)
            if span is None
            else editor.remap(span, new_lights=bool(new_lights))
        ),
        song=args.song,
        args=args,
    )
