"""``python -m saberlm.scripts.pieces split FILE OUT [--mb 16]`` and ``... join DIR NAME OUT``: a
file in pieces with checksums, and back."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="pieces", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    apart = actions.add_parser("split")
    apart.add_argument("file")
    apart.add_argument("out")
    apart.add_argument("--mb", type=float, default=16.0)
    together = actions.add_parser("join")
    together.add_argument("folder")
    together.add_argument("name")
    together.add_argument("out")
    args = parser.parse_args(argv)

    from saberlm.finetune.pieces import join, split

    if args.action == "split":
        for path in split(Path(args.file), Path(args.out), piece_bytes=int(args.mb * 1e6)):
            print(path)
    else:
        print(join(Path(args.folder), args.name, Path(args.out)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
