"""The usual style of human maps, counted for the package.

``python -m saberlm.scripts.usual_style MAPS [--out FILE.json]`` counts the train split's maps by
difficulty (`saberlm.eval.usual_style`). MAPS is a folder of levels or one with a manifest.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    """Count the maps and write the file."""
    parser = argparse.ArgumentParser(prog="usual_style", description=__doc__)
    parser.add_argument("maps", type=Path, metavar="MAPS", help="levels, or a manifest")
    parser.add_argument("--work", type=Path, help="folder to unpack an archive into, kept")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="default: the package's own")
    args = parser.parse_args(argv)
    from saberlm.eval.usual_style import SHIPPED, write_usual_styles
    from saberlm.finetune.sources import find_sources
    from saberlm.scripts.evaluate_songs import read_train_maps

    with tempfile.TemporaryDirectory() as scratch:
        sources = find_sources(args.maps, args.work or Path(scratch))
        train = read_train_maps([one for one in sources if one.split == "train"])
    out = args.out or SHIPPED
    write_usual_styles(out, train.references)
    counted = ", ".join(f"{name} {one.maps}" for name, one in train.references.items())
    print(f"wrote {out}: {counted}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
