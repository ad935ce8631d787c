"""Options that the verbs which make maps share: ``map``, ``batch``, ``lights`` and ``spread``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
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
    group.add_argument("--temperature", type=float, help="of what is placed (default 0.6)")
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
        "--negative-style", metavar="TEXT", help="words to avoid, of those of --style"
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


def say_unknown_words(*styles: str | None) -> None:
    """Warns on standard error of style words that the model does not know."""
    import sys

    from saberlm.prompts.descriptors import unknown_words

    for hint in filter(None, map(unknown_words, styles)):
        print(f"warning: {hint}", file=sys.stderr)
