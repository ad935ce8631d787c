"""`saberlm tokens LEVEL`: a level's token stream, bar by bar, as a person reads it."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("level", metavar="LEVEL", type=Path, help="a level's folder or zip")
    parser.add_argument(
        "-d", "--difficulty", metavar="D", help="one difficulty (default: the hardest there is)"
    )
    parser.add_argument("--characteristic", default="Standard", metavar="NAME")
    parser.add_argument(
        "--bars",
        metavar="A-B",
        help="print these bars only, counted from 1 as `saberlm check` does, both included",
    )
    parser.add_argument("--ids", action="store_true", help="print token ids instead of words")


def run(args: argparse.Namespace) -> int:
    """Print the stream to standard output, what tokenising moved or dropped to standard error."""
    import sys

    from saberlm.prompts import vocab as v
    from saberlm.prompts.beatmap import DIFFICULTY_RANK
    from saberlm.prompts.info_v2 import difficulty_name
    from saberlm.prompts.mapfile import read_level
    from saberlm.prompts.snap import snap
    from saberlm.prompts.tempo import TempoMap
    from saberlm.prompts.tokens import encode

    bars = _bars(args.bars)
    level = read_level(args.level, characteristic=args.characteristic)
    for name, reason in level.unread:
        print(f"not read: {name}: {reason}", file=sys.stderr)
    found = {d.name: d for d in level.difficulties}
    name = difficulty_name(args.difficulty or "") or max(
        found, key=lambda one: DIFFICULTY_RANK.get(one, 0), default=""
    )
    if name not in found:
        listed = ", ".join(found) or "none"
        raise ValueError(
            f"{args.level}: expected a {args.characteristic} difficulty {name or 'at all'}, found"
            f" {listed}: likely another characteristic or a misspelt name"
        )
    difficulty = found[name]
    snapped, counts = snap(difficulty.beatmap)
    segments = encode(snapped)
    if bars[0] > len(segments):
        raise ValueError(
            f"--bars: expected bars of 1 to {len(segments)}, which the level has, found {args.bars}"
        )
    tempo = TempoMap(level.info.bpm, difficulty.beatmap.bpm_events)
    total = sum(map(len, segments))
    print(
        f"{level.info.title}: {name}, {level.info.bpm:g} BPM, {len(segments)} bars, {total} tokens,"
        f" {len(snapped.color_notes)} notes, {len(snapped.lights)} light events",
        file=sys.stderr,
    )
    for what, count in sorted({**difficulty.notes_on_reading, **counts}.items()):
        print(f"  {what}: {count}", file=sys.stderr)
    position = v.block_range("position")
    for bar, ids in enumerate(segments, 1):
        if not bars[0] <= bar <= bars[1]:
            continue
        beat = (bar - 1) * v.BEATS_PER_SEGMENT
        if args.ids:
            print(f"{bar}:", *ids)
            continue
        print(f"bar {bar} (beat {beat}, {tempo.to_seconds(float(beat)):.2f} s)")
        line: list[str] = []
        for token in ids:
            if token in position and line:
                print("  " + " ".join(line))
                line = []
            line.append(v.describe(token))
        if line:
            print("  " + " ".join(line))
    return 0


def _bars(text: str | None) -> tuple[int, int]:
    """First and last bar to print."""
    if text is None:
        return 1, 2**31
    first, _, last = text.partition("-")
    try:
        return int(first), int(last or first)
    except ValueError as error:
        raise ValueError(
            f"--bars: expected A-B such as 4-7, found {text!r}: likely a misprint"
        ) from error
