"""How rightly a model prefers, on held-out pairs, by the pairs' source and score gap.

    saberlm data pairs DATA PAIRS --maps MAPS --model REFERENCE --splits valid --windows 14
    python -m saberlm.scripts.preference_accuracy MODEL REFERENCE PAIRS

A pair is preferred rightly where the model has made its better side likelier than REFERENCE has, by
the judged token, more than its worse side. MODEL and REFERENCE are folders, or names such as nano
and nano-sft. Neither hears the songs here, as `train dpo` with `hear: false`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="preference_accuracy", description=__doc__)
    parser.add_argument("model", metavar="MODEL", help="the trained one, such as nano")
    parser.add_argument("reference", metavar="REFERENCE", help="the one before, such as nano-sft")
    parser.add_argument("pairs", metavar="PAIRS", type=Path, help="folder of `saberlm data pairs`")
    parser.add_argument("--split", default="valid", help="of the pairs (default valid)")
    parser.add_argument(
        "--gaps",
        nargs="*",
        type=float,
        default=[2.0, 4.0, 8.0],
        metavar="POINTS",
        help="also for pairs with samples of at least these score gaps (default 2 4 8)",
    )
    parser.add_argument("--threads", type=int, default=0, help="torch threads (0: its own choice)")
    args = parser.parse_args(argv)
    try:
        return run(args)
    except ValueError as error:
        sys.stderr.write(f"preference_accuracy: {error}\n")
        return 1


def run(args: argparse.Namespace) -> int:
    from dataclasses import asdict, replace

    import torch

    from saberlm.adapter.loading import load_model
    from saberlm.finetune.preference_collator import DataCollatorForPreference, check_hearing
    from saberlm.finetune.preference_report import measure_models, summary, table
    from saberlm.finetune.preference_samples import HUMAN, SAMPLED
    from saberlm.finetune.preferences import load_pairs
    from saberlm.prompts.vocab import fingerprint

    if args.threads:
        torch.set_num_threads(args.threads)
    names = args.model, args.reference
    models = [load_model(name, fingerprint()).model for name in names]
    for name, model in zip(names, models, strict=True):
        check_hearing(model, name)
    rows = [asdict(pair) for pair in load_pairs(args.pairs / args.split)]
    rows.sort(key=lambda row: len(row["prompt"]) + len(row["chosen"]))  # little padding
    results = measure_models(*models, rows, DataCollatorForPreference())
    wide = [
        replace(one, source=f"{one.source}, gap {least:g} or more")
        for least in args.gaps
        for one in results
        if one.source in (SAMPLED, HUMAN) and one.score_gap >= least
    ]
    figures = summary(wide, intervals=True) if wide else {}
    print(table(figures | summary(results, intervals=True)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
