"""``python -m saberlm.scripts.word_shares DATA... [--out FILE]``: which cuts mappers' maps of each
style word use more and less than all maps of their difficulty, and along which directions mappers
differ most (`saberlm.infer.style_words`)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

LEAST_MAPS = 50
"""Of a word, or it is left out."""
LEAST_NOTES = 100
PRIOR_NOTES = 50
"""Of the difficulty's own shares, joined to a map's: short maps differ by chance."""
COMPONENTS = 8
"""They hold two thirds of the variance; what is left is chance, mostly."""
FLOOR = 0.0015
"""Added to every share: what is hardly ever used tells nothing."""
LOW_FLOOR = FLOOR / 10
"""The same where `PRIOR_NOTES` already keep rare cuts quiet."""

Floats = npt.NDArray[np.float64]


class CountedMap(NamedTuple):
    """A map's difficulty, words, shares of cuts ``(108,)`` and notes."""

    difficulty: str
    words: frozenset[str]
    shares: Floats
    notes: int = LEAST_NOTES


def tilts(maps: Sequence[CountedMap]) -> dict[str, Floats]:
    """For every word with enough maps the mean over its maps of the log of the word's share in
    their difficulty against all maps' share there, ``(108,)``."""
    out = {}
    for word in sorted({word for one in maps for word in one.words}):
        found: list[tuple[int, Floats]] = []
        for difficulty in sorted({one.difficulty for one in maps}):
            every = [one for one in maps if one.difficulty == difficulty]
            own = [one.shares for one in every if word in one.words]
            if own:
                usual = np.mean([one.shares for one in every], axis=0)
                nats = np.log((np.mean(own, axis=0) + FLOOR) / (usual + FLOOR))
                found.append((len(own), nats))
        count = sum(n for n, _ in found)
        if count >= LEAST_MAPS:
            out[word] = np.sum([n * nats for n, nats in found], axis=0) / count
    return out


def taste_components(maps: Sequence[CountedMap], count: int = COMPONENTS) -> Floats:
    """The principal components of how maps' log-shares differ from their difficulty's, a deviation
    of each, ``(count, 108)``; cuts weigh by how often they are used."""
    rows = []
    for difficulty in sorted({one.difficulty for one in maps}):
        own = [one for one in maps if one.difficulty == difficulty]
        usual = np.mean([one.shares for one in own], axis=0) + LOW_FLOOR
        for one in own:
            joined = (one.notes * one.shares + PRIOR_NOTES * usual) / (one.notes + PRIOR_NOTES)
            rows.append(np.log(joined / usual))
    weights = np.sqrt(np.mean([one.shares for one in maps], axis=0) + LOW_FLOOR)
    apart = (np.array(rows) - np.mean(rows, axis=0)) * weights
    _, sizes, directions = np.linalg.svd(apart, full_matrices=False)
    deviations = sizes[:count, None] / np.sqrt(len(rows))
    out: Floats = deviations * directions[:count] / weights
    return out


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="word_shares", description=__doc__)
    parser.add_argument("data", nargs="+", help="datasets made by `saberlm data build`")
    parser.add_argument("--words", nargs="+", metavar="WORD", help="default: those of notes")
    parser.add_argument("--out", metavar="FILE", help="default: the package's own")
    args = parser.parse_args(argv)

    import json
    from pathlib import Path

    from saberlm.finetune.shards import load_dataset
    from saberlm.infer.cut_balance import count_cuts
    from saberlm.infer.style_words import SHIPPED
    from saberlm.prompts.descriptors import words_of

    wanted = args.words or ["crossovers", "jumps", "sliders", "tech", "vertical", "wide"]
    maps = []
    try:
        for folder in args.data:
            for song in load_dataset(Path(folder), "train"):
                for stream in song.difficulties:
                    cuts = count_cuts(stream.bars)
                    if cuts.sum() >= LEAST_NOTES:
                        asked = stream.conditions
                        words = frozenset(words_of(asked.style))
                        shares = cuts / cuts.sum()
                        name = asked.difficulty or "unknown"
                        maps.append(CountedMap(name, words, shares, int(cuts.sum())))
    except (ValueError, OSError) as error:
        print(f"word_shares: error: {error}", file=sys.stderr)
        return 1
    found = {word: nats for word, nats in tilts(maps).items() if word in wanted}
    target = Path(args.out) if args.out else SHIPPED
    target.parent.mkdir(parents=True, exist_ok=True)
    rows = {word: [round(float(one), 2) for one in nats] for word, nats in found.items()}
    tastes = [[round(float(one), 3) for one in nats] for nats in taste_components(maps)]
    about = f"saberlm.scripts.word_shares: {len(maps)} train maps"
    told = {"about": about, "words": rows, "tastes": tastes}
    partial = target.with_name(target.name + ".partial")
    partial.write_text(json.dumps(told, separators=(",", ":")) + "\n", encoding="utf-8")
    partial.replace(target)
    for word, nats in found.items():
        count = sum(word in one.words for one in maps)
        print(f"{word}: {count} maps, {np.abs(nats).mean():.2f} nats a cut")
    return 0


if __name__ == "__main__":
    sys.exit(main())
