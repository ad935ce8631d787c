"""`saberlm spread LEVEL -o OUT`: the difficulties that a human's level lacks, from those it
has.

Each goes by the next harder difficulty: sparser, within its rhythm, with its light show. What is
there stays byte for byte.
"""

from __future__ import annotations

import argparse

from saberlm.scripts.level_work import add_output_arguments
from saberlm.scripts.request_arguments import (
    SAMPLING,
    add_difficulties_argument,
    add_sampling_arguments,
    add_wish_arguments,
)

WISHES = (
    "nps",
    "njs",
    "style",
    "rating",
    "bombs",
    "walls",
    "decorative_walls",
    "arcs",
    "chains",
    "mapper",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    add_output_arguments(parser)
    add_difficulties_argument(parser, "difficulties to add (default: all that are missing)")
    add_wish_arguments(parser)
    add_sampling_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Add them; everything but ``--json``'s object goes to standard error."""
    from pathlib import Path

    from saberlm.scripts.level_work import work_on_level

    names = ("difficulties", "seed", *WISHES, *SAMPLING)
    return work_on_level(
        Path(args.level),
        args.output,
        {name: getattr(args, name) for name in names},
        lambda editor: editor.spread(),
        song=args.song,
        args=args,
    )
