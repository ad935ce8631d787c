"""``python -m saberlm.scripts.refrain_rates DATA --model MODEL``: how often mappers come back to
what they placed where the song sounded the same (`saberlm.infer.refrain`).

A bar is a refrain if at `SAME_SHARE` or more of the moments that it has in common with the earlier
bar that it sounds most like, the same notes are placed, or their mirror image.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from saberlm.infer.likeness import Echoes

SAME_SHARE = 0.7
LEAST_MOMENTS = 2
"""Bars with fewer moments in common tell nothing."""

Moments = Mapping[int, frozenset[int]]
Rates = dict[tuple[int, int], Counter[int]]
"""By what the bar before was, where its echo lies as far back (0 else), and how alike the bars are:
how many bars were what."""


def moments(bar: Sequence[int]) -> dict[int, frozenset[int]]:
    """The notes of a bar by tick."""
    from saberlm.prompts import vocab as v

    notes, positions = v.block_range("note"), v.block_range("position")
    found, tick = defaultdict(set), 0
    for token in bar:
        if token in positions:
            tick = token - positions.start
        elif token in notes:
            found[tick].add(int(token))
    return {tick: frozenset(some) for tick, some in found.items()}


def what_it_is(here: Moments, there: Moments) -> int | None:
    """`PLAIN`, `MIRRORED` or 0; None where too few moments are shared."""
    from saberlm.infer.refrain import MIRRORED, PLAIN
    from saberlm.prompts.mirror import mirrored_note_token

    shared = [tick for tick in here if tick in there]
    if len(shared) < LEAST_MOMENTS:
        return None
    same = sum(here[tick] == there[tick] for tick in shared)
    image = sum(here[tick] == frozenset(map(mirrored_note_token, there[tick])) for tick in shared)
    if same >= max(image, SAME_SHARE * len(shared)):
        return PLAIN
    return MIRRORED if image >= SAME_SHARE * len(shared) else 0


def count_bars(bars: Sequence[Sequence[int]], echoes: Echoes, rates: Rates) -> None:
    """Add a map's bars to the counts."""
    from saberlm.infer.refrain import likeness_level

    notes = [moments(bar) for bar in bars]
    before, before_back = 0, 0
    for bar, (echo, likeness) in enumerate(zip(*echoes, strict=True)):
        found = what_it_is(notes[bar], notes[echo]) if echo >= 0 else None
        if found is None:
            before = before_back = 0
            continue
        goes_on = before if before_back == bar - echo else 0
        rates[goes_on, likeness_level(likeness)][found] += 1
        before, before_back = found, bar - echo


def render(rates: Rates) -> str:
    """The counts as a Markdown table of shares."""
    from saberlm.infer.refrain import LIKENESS_EDGES, MIRRORED, PLAIN

    names = {0: "new", PLAIN: "refrain", MIRRORED: "mirrored refrain"}
    lines = [
        "| bar before | likeness | bars | refrain | mirrored |",
        "| --- | --- | --- | --- | --- |",
    ]
    for (before, level), counts in sorted(rates.items(), key=lambda item: (-item[0][0], item[0])):
        low = f">= {LIKENESS_EDGES[level - 1]}" if level else f"< {LIKENESS_EDGES[0]}"
        total = sum(counts.values())
        shares = " | ".join(f"{counts[kind] / total:.3f}" for kind in (PLAIN, MIRRORED))
        lines.append(f"| {names[before]} | {low} | {total} | {shares} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="refrain_rates", description=__doc__)
    parser.add_argument("data", help="a dataset made by `saberlm data build`")
    parser.add_argument("--model", default="nano", help="whose tower hears the songs")
    parser.add_argument("--split", default="train", choices=["train", "valid"])
    parser.add_argument("--difficulties", nargs="+", default=["Hard", "Expert", "ExpertPlus"])
    args = parser.parse_args(argv)

    from pathlib import Path

    from saberlm.finetune.shards import load_dataset
    from saberlm.finetune.tower import all_latents, load_tower
    from saberlm.infer.likeness import echoes

    try:
        tower = load_tower(args.model)
        songs = [song for song in load_dataset(Path(args.data), args.split) if song.has_audio]
    except (ValueError, OSError) as error:
        print(f"refrain_rates: error: {error}", file=sys.stderr)
        return 1
    rates: Rates = defaultdict(Counter)
    maps = 0
    for song, latents in zip(songs, all_latents(tower, songs), strict=True):
        assert latents is not None
        alike = echoes(latents.reshape(song.num_bars, -1))
        for stream in song.difficulties:
            if stream.conditions.difficulty in args.difficulties:
                count_bars([bar.tolist() for bar in stream.bars], alike, rates)
                maps += 1
    print(f"{maps} maps\n\n{render(rates)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
