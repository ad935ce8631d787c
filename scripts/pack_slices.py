"""``python -m saberlm.scripts.pack_slices CACHE --out DIR [--slice-mb N] [--with FILE ...]``: a
dataset in slices to carry to a machine without a network; ``--unpack STATE SLICE ...`` there."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="pack_slices", description=__doc__)
    parser.add_argument("sources", nargs="+", metavar="CACHE|SLICE", help="what to pack or unpack")
    parser.add_argument("--out", metavar="DIR", help="folder for the slices")
    parser.add_argument("--slice-mb", type=float, default=60.0, help="megabytes of a slice")
    parser.add_argument(
        "--with", dest="files", nargs="*", default=[], metavar="FILE", help="to carry too"
    )
    parser.add_argument("--unpack", metavar="STATE", help="unpack slices into this folder")
    args = parser.parse_args(argv)
    if (args.out is None) == (args.unpack is None):
        parser.error("one of --out and --unpack is needed")

    from saberlm.finetune.slices import pack, unpack

    if args.unpack:
        missing: list[str] = []
        for source in args.sources:
            missing = unpack(Path(source), Path(args.unpack))
        print("missing: " + " ".join(missing) if missing else "complete")
        return 0
    if len(args.sources) > 1:
        parser.error("one dataset is packed at a time")
    files = [Path(file) for file in args.files]
    packed = pack(Path(args.sources[0]), Path(args.out), slice_megabytes=args.slice_mb, files=files)
    print(
        f"{packed.songs} songs in {packed.slices} slices, {packed.megabytes:.1f} MB;"
        f" root mean square error of the features {packed.rms_error:.3f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
