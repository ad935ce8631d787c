"""``python -m saberlm.scripts.plot_quality VOTES --out FILE.png``: how BeatSaver's score and our
quality follow from votes, over a list of maps.

VOTES is a CSV file (or one packed as .xz) with the columns ``key``, ``upvotes`` and ``downvotes``,
one line a map or a difficulty.
"""

from __future__ import annotations

import argparse
import csv
import lzma
import sys
from pathlib import Path
from typing import Any


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="plot_quality", description=__doc__)
    parser.add_argument("votes", metavar="VOTES", help="CSV, perhaps packed as .xz")
    parser.add_argument("--out", required=True, metavar="FILE", help="picture to write")
    args = parser.parse_args(argv)
    try:
        votes = read_votes(Path(args.votes))
    except ValueError as error:
        print(f"plot_quality: {error}", file=sys.stderr)
        return 1
    print(draw(votes, Path(args.out)))
    return 0


def read_votes(path: Path) -> list[tuple[int, int]]:
    """Up and down votes of every map, each once.

    Raises:
        ValueError: no such columns, or no map.
    """
    opened: Any = lzma.open if path.suffix == ".xz" else open
    found: dict[str, tuple[int, int]] = {}
    with opened(path, "rt", encoding="utf-8", newline="") as f:
        rows = csv.DictReader(f)
        missing = {"key", "upvotes", "downvotes"} - set(rows.fieldnames or ())
        if missing:
            raise ValueError(
                f"{path}: expected the columns key, upvotes and downvotes, found no"
                f" {', '.join(sorted(missing))}"
            )
        for row in rows:
            found[row["key"]] = (int(row["upvotes"]), int(row["downvotes"]))
    if not found:
        raise ValueError(f"{path}: expected maps, found none")
    return list(found.values())


def draw(votes: list[tuple[int, int]], out: Path) -> str:
    """Write the picture; returns the middle and the tenths of both measures."""
    import matplotlib as mpl
    import numpy as np

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from saberlm.finetune.quality import beatsaver_score, quality_of

    numbers = np.array([up + down for up, down in votes])
    scores = np.array([beatsaver_score(up, down) for up, down in votes])
    judged = [quality_of(up, down) for up, down in votes]
    quality = np.array([one.value for one in judged])
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(15, 4.5))
    for values, name in ((scores, "BeatSaver's score"), (quality, "quality")):
        left.scatter(numbers + 1, values, s=2, alpha=0.3, label=name)
        middle.hist(values, bins=60, histtype="step", label=name)
    left.set(xscale="log", xlabel="votes + 1", title=f"{len(votes)} maps")
    middle.set(xlabel="score", ylabel="maps", title="how they are spread")
    counts = np.unique(np.geomspace(1, 2000, 60).astype(int))
    for share in (1.0, 0.9, 0.7):
        ups = [round(share * n) for n in counts]
        sides = list(zip(ups, counts - ups, strict=True))
        right.plot(counts, [beatsaver_score(u, int(d)) for u, d in sides], "--", alpha=0.7)
        ours = [quality_of(u, int(d)) for u, d in sides]
        line = right.plot(counts, [one.value for one in ours], label=f"{share:.0%} up")[0]
        low, high = ([one.value + k * one.error for one in ours] for k in (-1, 1))
        right.fill_between(counts, low, high, color=line.get_color(), alpha=0.15)
    right.set(xscale="log", xlabel="votes", title="quality with its error (dashed: BeatSaver's)")
    for one in (left, middle, right):
        one.legend(fontsize=8, loc="lower right")
    figure.tight_layout()
    figure.savefig(out, dpi=110)
    plt.close(figure)
    lines = []
    for values, name in ((scores, "BeatSaver's score"), (quality, "quality")):
        low, half, high = np.quantile(values, (0.1, 0.5, 0.9))
        lines.append(f"{name}: {half:.3f} [{low:.3f}, {high:.3f}] over {len(votes)} maps")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
