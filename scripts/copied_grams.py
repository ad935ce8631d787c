"""What models must not say again at length, for the package: ``python -m
saberlm.scripts.copied_grams MAPS [--out FILE.npz]``.

Writes the fingerprints of all runs of notes in the train split's maps, read as `saberlm evaluate`
reads them (`saberlm.infer.copy_limit`). MAPS is a folder of levels or one with a manifest.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    """Read the maps and write the file."""
    parser = argparse.ArgumentParser(prog="copied_grams", description=__doc__)
    parser.add_argument("maps", type=Path, metavar="MAPS", help="levels, or a manifest")
    parser.add_argument("--out", type=Path, metavar="FILE.npz", help="default: the package's own")
    args = parser.parse_args(argv)
    from saberlm.finetune.sources import find_sources
    from saberlm.infer.copy_limit import SHIPPED, grams_of, write_grams
    from saberlm.prompts.beatmap import DIFFICULTIES
    from saberlm.scripts.evaluate_songs import read_songs

    with tempfile.TemporaryDirectory() as scratch:
        sources = [one for one in find_sources(args.maps, Path(scratch)) if one.split == "train"]
        songs = read_songs(sources, DIFFICULTIES)[0]
    maps = [(one.beatmap, song.tempo) for song in songs for one in song.maps.values()]
    if not maps:
        raise ValueError(f"expected train maps in {args.maps}, found none")
    out = args.out or SHIPPED
    out.parent.mkdir(parents=True, exist_ok=True)
    grams = grams_of(maps)
    write_grams(out, grams)
    sys.stdout.write(f"wrote {out}: {len(grams)} runs of {len(maps)} maps\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
