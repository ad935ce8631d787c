"""`saberlm map SONG`: a song to a playable level; `saberlm map --from-level LEVEL`: a part of a
human's level made anew, or its end."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from saberlm.prompts.descriptors import WORDS

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
    "reference",
    "bombs",
    "walls",
    "decorative_walls",
    "arcs",
    "chains",
    "chroma",
)
"""Options of `add_request_arguments` that are fields of a request by the same name."""
NAMES = ["Easy", "Normal", "Hard", "Expert", "ExpertPlus"]
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


def add_level_arguments(parser: argparse.ArgumentParser) -> None:
    """Work on a level that is there: which part, and what of it."""
    level = parser.add_argument_group(
        "work on a level",
        "Objects outside the part that is made anew stay as they are, files of other difficulties"
        " byte for byte; without -d the work is on every Standard difficulty.",
    )
    level.add_argument(
        "--from-level", metavar="LEVEL", help="level to work on: a folder or zip, v2, v3 or v4"
    )
    part = level.add_mutually_exclusive_group()
    part.add_argument(
        "--range",
        metavar="A-B",
        help="make this stretch anew, both sides given: seconds (60-90s, 1:00-1:30) or the level's"
        " beats (16-48b); whole bars within it are replaced",
    )
    part.add_argument(
        "--continue",
        dest="go_on",
        action="store_true",
        help="go on from the last note to the song's end (without -d: the difficulties that end"
        " 10 s or more before it)",
    )
    level.add_argument(
        "--new-lights",
        action="store_true",
        default=None,
        help="make the part's lights anew, too (default: a range keeps its lights, a continued"
        " level gets lights where it has none yet; --no-lights: no new ones)",
    )
    level.add_argument(
        "--overwrite",
        action="store_true",
        help="let -o be the level itself (the older one is lost)",
    )
    parser.set_defaults(usage_error=parser.error)


def add_request_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be asked of any number of songs; shared with `saberlm batch`."""
    add_difficulties_argument(parser, f"any of {' '.join(NAMES)} (default Expert)")
    parser.add_argument(
        "--reference",
        metavar="LEVEL",
        help="follow the manner of a level, of any song (its difficulty of the same name, or the"
        " nearest)",
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
    add_wish_arguments(parser)
    parser.add_argument("--no-lights", action="store_true", help="leave the light show out")
    add_sampling_arguments(parser)
    parser.add_argument("--cover", metavar="FILE", help="png or jpg (default: drawn from the song)")
    parser.add_argument(
        "--environment",
        default="DefaultEnvironment",
        metavar="NAME",
        help="scene around the track, such as DefaultEnvironment (default), NiceEnvironment or"
        " BigMirrorEnvironment",
    )
    add_chroma_argument(parser)


def add_chroma_argument(parser: argparse.ArgumentParser) -> None:
    """Colours of new lights."""
    parser.add_argument(
        "--chroma",
        metavar="PALETTE",
        help="colours of the lights for players who have the mod Chroma: aurora, candy, ember,"
        " forest, neon or ocean (others see the environment's own)",
    )


def add_difficulties_argument(parser: argparse.ArgumentParser, what: str) -> None:
    """Names of difficulties; ``what`` says what they are for, and the default."""
    parser.add_argument(
        "-d",
        "--difficulties",
        nargs="+",
        action=_Difficulties,
        metavar="NAME",
        help=what,
    )


class _Difficulties(argparse.Action):
    """Names of difficulties as people write them: in any case, with + for Plus, with commas."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        from saberlm.prompts.info_v2 import difficulty_name

        names = []
        for word in ",".join(map(str, values or ())).split(","):
            name = difficulty_name(word.strip())
            if name not in NAMES:
                hint = ": a song goes before -d" if "." in word else ""
                raise argparse.ArgumentError(
                    self, f"invalid choice: {word!r} (choose from {', '.join(NAMES)}){hint}"
                )
            names.append(name)
        setattr(namespace, self.dest, names)


def add_wish_arguments(parser: argparse.ArgumentParser) -> None:
    """What the notes are to be like."""
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
        "--style",
        metavar="TEXT",
        help=f"words with commas between: {', '.join(WORDS)}",
    )
    parser.add_argument(
        "--rating",
        type=int,
        choices=range(11),
        metavar="0-10",
        default=9,
        help="quality asked for, as players rated the maps that the model learnt from (default 9)",
    )
    for what in ("bombs", "walls"):
        parser.add_argument(
            f"--{what}",
            choices=["none", "low", "medium", "high"],
            help=f"how many {what} (default: as the model likes)",
        )
    parser.add_argument(
        "--decorative-walls",
        choices=["none", "low", "medium", "high"],
        help="pillars in the outermost lanes that follow the song's sections and are in nobody's"
        " way (default none)",
    )
    for what in ("arcs", "chains"):
        parser.add_argument(
            f"--{what}",
            action=argparse.BooleanOptionalAction,
            help=f"with or without {what} (default: as the model likes)",
        )
    parser.add_argument(
        "--mapper",
        metavar="NAME",
        default="saberlm",
        help="who the level says made it (default saberlm)",
    )


def add_sampling_arguments(parser: argparse.ArgumentParser) -> None:
    """Which model, and how it draws."""
    group = parser.add_argument_group("the model and how it draws")
    group.add_argument(
        "--model", default="nano", metavar="NAME|DIR", help="nano (default), nano-sft or a folder"
    )
    group.add_argument(
        "--lora",
        metavar="NAME|FILE",
        help="a mapper's manner: a style pack of `saberlm train lora`, made for this model",
    )
    group.add_argument(
        "--preset",
        choices=["safe", "balanced", "wild"],
        help="settings that the options below change (default balanced)",
    )
    group.add_argument("--temperature", type=float, help="of what is placed (default 0.9)")
    group.add_argument("--position-temperature", type=float, help="of when it is placed")
    for kind in ("note", "light", "other"):
        group.add_argument(
            f"--{kind}-temperature",
            type=float,
            help={"other": "within everything else"}.get(kind, f"within {kind}s")
            + " (default: --temperature)",
        )
    group.add_argument(
        "--rhythm",
        choices=["planned", "drawn"],
        help="when notes come: planned over the whole song from what is heard (default), or drawn"
        " one after the other",
    )
    group.add_argument(
        "--rhythm-noise", type=float, help="how far seeds differ in a planned rhythm (default 0)"
    )
    group.add_argument(
        "--top-p", type=float, help="draw from the likeliest that have this share of the chance"
    )
    group.add_argument("--top-k", type=int, help="draw from so many of the likeliest")
    group.add_argument(
        "--min-p",
        type=float,
        help="leave out what has less than this share of the likeliest's chance",
    )
    group.add_argument(
        "--repetition-penalty",
        type=float,
        help="above 1: patterns of four notes come again less often; below 1: more often",
    )
    group.add_argument(
        "--cfg-scale",
        type=float,
        help="above 1: follow what is asked more closely, at twice the cost (default 1)",
    )
    group.add_argument(
        "--negative-style", metavar="TEXT", help="words to move away from; needs --cfg-scale"
    )
    group.add_argument(
        "--playability",
        choices=["off", "soft", "strict"],
        help="keep swings possible while sampling (default soft; off: as the model says)",
    )
    group.add_argument(
        "--seed", type=int, default=0, help="another seed, another level (default 0)"
    )
    group.add_argument(
        "--device", choices=["cpu", "cuda"], default="cpu", help="what computes (default cpu)"
    )


def request_fields(args: argparse.Namespace) -> dict[str, Any]:
    """What `add_request_arguments` found, as fields of a `saberlm.infer.LevelRequest`."""
    return {
        **{name: getattr(args, name) for name in (*REQUEST, *SAMPLING)},
        "lights": not args.no_lights,
    }


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

    from tqdm import tqdm

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


def say_unknown_words(*styles: str | None) -> None:
    """Warns on standard error of style words that the model does not know."""
    import sys

    from saberlm.prompts.descriptors import unknown_words

    for hint in filter(None, map(unknown_words, styles)):
        print(f"warning: {hint}", file=sys.stderr)


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
