"""`saberlm lights LEVEL -o OUT`: a light show for a human's map, whose notes stay as they are."""

from __future__ import annotations

import argparse

from saberlm.scripts.level_work import add_output_arguments
from saberlm.scripts.request_arguments import (
    SAMPLING,
    add_chroma_argument,
    add_difficulties_argument,
    add_sampling_arguments,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    add_output_arguments(parser)
    add_difficulties_argument(parser, "Standard difficulties to light (default: all)")
    parser.add_argument(
        "--each",
        action="store_true",
        help="a show for each difficulty's own notes (default: all get that of the hardest)",
    )
    parser.add_argument("--style", metavar="TEXT", help='such as "dense lights" or "sparse lights"')
    add_chroma_argument(parser)
    add_sampling_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Light the level; everything but ``--json``'s object goes to standard error."""
    from pathlib import Path

    from saberlm.scripts.level_work import work_on_level

    names = ("difficulties", "style", "chroma", "seed", *SAMPLING)
    return work_on_level(
        Path(args.level),
        args.output,
        {name: getattr(args, name) for name in names},
        lambda editor: editor.light(each=args.each),
        song=args.song,
        args=args,
    )
