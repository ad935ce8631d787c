"""``python -m saberlm.scripts.train_beats PACK --out DIR [--folds K]``: train and measure the
network that hears beats and downbeats.

The maps' own beats are the teacher. ``DIR/final`` goes to ``infer/pretrained/beats``.
"""

from __future__ import annotations

import argparse
import sys


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="train_beats", description=__doc__)
    parser.add_argument("pack", help="maps with songs: a manifest, or level folders")
    parser.add_argument("--out", required=True, help="folder for networks, features and report")
    parser.add_argument("--folds", type=int, default=0, help="networks on parts of the songs, too")
    parser.add_argument("--steps", type=int, default=400, help="of each network (default: 400)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", metavar="DIR", help="features (default: OUT/features)")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)

    import json
    import logging
    from pathlib import Path

    import torch

    from saberlm.finetune.train_beats import BeatTrainingConfig, run_beats

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    try:
        config = BeatTrainingConfig(steps=args.steps, seed=args.seed)
        cache = Path(args.cache) if args.cache else None
        report = run_beats(Path(args.pack), Path(args.out), config, args.folds, cache)
    except ValueError as error:
        print(f"train_beats: {error}", file=sys.stderr)
        return 1
    print(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
