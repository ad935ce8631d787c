"""``python -m saberlm.scripts.descriptor_table DATA``: how the descriptors' measures and words
spread over the maps of a dataset, which is what their thresholds were set by."""

from __future__ import annotations

import argparse
import sys

PERCENTILES = (5, 10, 20, 50, 80, 90, 95)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="descriptor_table", description=__doc__)
    parser.add_argument("data", help="a dataset made by `saberlm data build`")
    parser.add_argument("--split", default="train", choices=["train", "valid"])
    args = parser.parse_args(argv)

    from collections import Counter, defaultdict
    from pathlib import Path

    import numpy as np

    from saberlm.finetune.shards import load_dataset
    from saberlm.prompts.descriptors import WORDS, descriptor_values, words_for
    from saberlm.prompts.tokens import decode

    try:
        songs = load_dataset(Path(args.data), args.split)
    except (ValueError, OSError) as error:
        print(f"descriptor_table: error: {error}", file=sys.stderr)
        return 1
    measured: defaultdict[str, list[float]] = defaultdict(list)
    words: defaultdict[str, Counter[str]] = defaultdict(Counter)
    maps: Counter[str] = Counter()
    for song in songs:
        for stream in song.difficulties:
            values = descriptor_values(decode([bar.tolist() for bar in stream.bars])[0])
            if not values:
                continue
            name = stream.conditions.difficulty or "unknown"
            maps[name] += 1
            words[name].update(words_for(values))
            for measure, value in values.items():
                measured[measure].append(value)
    print(f"| measure | maps | {' | '.join(f'p{p}' for p in PERCENTILES)} |")
    print(f"| --- | --- |{' --- |' * len(PERCENTILES)}")
    for measure, found in measured.items():
        spread = " | ".join(f"{x:.3f}" for x in np.percentile(found, PERCENTILES))
        print(f"| {measure} | {len(found)} | {spread} |")
    print(f"\n| word | {' | '.join(f'{name} ({n})' for name, n in maps.items())} |")
    print(f"| --- |{' --- |' * len(maps)}")
    for word in WORDS:
        print(f"| {word} | {' | '.join(f'{words[m][word] / maps[m]:.2f}' for m in maps)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
