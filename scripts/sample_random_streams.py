"""Sample streams from random logits under the grammar, no model, and see that the language holds.

``python -m saberlm.scripts.sample_random_streams [--streams 10000] [--bars 4] [--mode strict]``:
every stream must decode to a valid map, encode back to the same tokens and, with ``strict``, break
no playability rule as `saberlm.eval` judges it. A quarter of the streams each has all objects, no
lights and walls, notes alone, and no lights, arcs and chains; tempo and difficulty vary. Exit code
1 if anything fails.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter


def main(argv: list[str] | None = None) -> int:
    """Sample, check and print a table."""
    parser = argparse.ArgumentParser(prog="sample_random_streams", description=__doc__)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--bars", type=int, default=4, help="of each stream")
    parser.add_argument("--mode", choices=["off", "soft", "strict"], default="strict")
    parser.add_argument("--batch", type=int, default=64, help="streams drawn together")
    parser.add_argument("--bar-tokens", type=int, default=80, help="after which a bar is closed")
    parser.add_argument("--seed", type=int, default=0, help="of the first stream")
    args = parser.parse_args(argv)

    import torch
    from tqdm import tqdm

    from saberlm.infer.constraints import GrammarMask, forbidden_tokens
    from saberlm.infer.random_streams import RandomStreams, draw_streams
    from saberlm.prompts.beatmap import DIFFICULTIES
    from saberlm.prompts.header import Conditions

    wanted = [
        Conditions(),
        Conditions(lights=False, walls=False),
        Conditions(lights=False, walls=False, bombs=False),
        Conditions(lights=False, arcs=False, chains=False),
    ]
    forbidden = [forbidden_tokens(conditions) for conditions in wanted]
    grammar = GrammarMask(torch.device("cpu"))
    how = RandomStreams(args.bars, args.mode, args.bar_tokens)
    tally: Counter[str] = Counter()
    first: dict[str, str] = {}
    with tqdm(total=args.streams, unit="stream", file=sys.stderr) as bar:
        for start in range(0, args.streams, args.batch):
            last = min(start + args.batch, args.streams)
            seeds = list(range(args.seed + start, args.seed + last))
            bpm = [95 + seed * 37 % 950 / 10 for seed in seeds]
            difficulties = [DIFFICULTIES[seed % len(DIFFICULTIES)] for seed in seeds]
            rows = torch.stack([forbidden[seed % len(forbidden)] for seed in seeds])
            streams = draw_streams(how, seeds, bpm, difficulties, rows, grammar)
            for seed, tempo, difficulty, bars in zip(
                seeds, bpm, difficulties, streams, strict=True
            ):
                found = check_stream(bars, tempo, difficulty)
                tally += found
                for what in found:
                    first.setdefault(what, f"{difficulty}, {tempo:g} BPM, --seed {seed}")
                bar.update()
    sys.stdout.write(render(tally, first, args.streams) + "\n")
    failed = any(tally[what] for what in tally if what.startswith("FAILED"))
    broken = any(tally[what] for what in tally if what.startswith("breaks: "))
    return 1 if failed or (broken and args.mode == "strict") else 0


def check_stream(bars: list[list[int]], bpm: float, difficulty: str) -> Counter[str]:
    """What there is to say of a stream, each thing counted."""
    from saberlm.eval.playability import judge_playability
    from saberlm.prompts.grammar import first_illegal
    from saberlm.prompts.snap import snap
    from saberlm.prompts.tempo import TempoMap
    from saberlm.prompts.tokens import decode, encode
    from saberlm.prompts.vanilla import vanilla

    found = Counter({"tokens": sum(map(len, bars)), "bars": len(bars)})
    found["FAILED: leaves the grammar"] += first_illegal(bars) is not None
    try:
        beatmap, dropped = decode(bars)
    except ValueError:
        return found + Counter({"FAILED: does not decode": 1})
    found["FAILED: holds what the game cannot play"] += bool(vanilla(beatmap)[1])
    again, changes = snap(beatmap)
    found["FAILED: snapping changes it"] += again != beatmap or bool(changes - _noted(changes))
    if dropped:  # open arcs at the end, which no grammar can close for the sampler
        found["with arcs left open"] += 1
    else:
        encoded = encode(again)
        encoded += [[] for _ in range(len(bars) - len(encoded))]  # nothing happens there
        found["FAILED: encodes to other tokens"] += encoded != bars
    report = judge_playability(beatmap, TempoMap(bpm, beatmap.bpm_events), difficulty)
    for name in ("color_notes", "bombs", "obstacles", "arcs", "chains", "lights"):
        found[name.replace("_", " ")] += len(getattr(beatmap, name))
    for rule, count in report.counts.items():
        found[f"breaks: {rule}"] += count
    return +found


def _noted(changes: Counter[str]) -> Counter[str]:
    """Of snapping's counts those that change nothing."""
    return Counter({what: count for what, count in changes.items() if what.startswith("noted")})


def render(tally: Counter[str], first: dict[str, str], streams: int) -> str:
    """The table: what, how often, and where first."""
    from saberlm.eval.playability_rules import RULES

    failures = [
        "leaves the grammar",
        "does not decode",
        "holds what the game cannot play",
        "snapping changes it",
        "encodes to other tokens",
    ]
    expected = [f"FAILED: {one}" for one in failures] + [f"breaks: {rule.name}" for rule in RULES]
    rows = [(what, tally[what]) for what in tally if what not in expected]
    rows += [(what, tally[what]) for what in expected]
    lines = [f"{streams} streams"]
    for what, count in rows:
        where = f"  first: {first[what]}" if what in expected and count else ""
        lines.append(f"{what:42} {count:>9}{where}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
