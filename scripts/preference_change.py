"""What preference training changed, on held-out songs: how far the model's chances moved, and bars
picked by chance where its choice is another one.

    python -m saberlm.scripts.preference_change BEFORE AFTER DATA --out bars.png

BEFORE and AFTER are models (folders, or names such as nano-sft and nano); DATA is a dataset of
`saberlm data build`, whose valid split is taken. Both models go on from the same human bars with
the same seed, masks off. Needs the extra `report`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and draw."""
    parser = argparse.ArgumentParser(prog="preference_change", description=__doc__)
    parser.add_argument("before", metavar="BEFORE", help="model before, such as nano-sft")
    parser.add_argument("after", metavar="AFTER", help="model after, such as nano")
    parser.add_argument("data", metavar="DATA", type=Path, help="dataset of `saberlm data build`")
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="png or svg")
    parser.add_argument("--windows", type=int, default=48, help="for the divergence (default 48)")
    parser.add_argument("--n", type=int, default=5, help="stretches to draw (default 5)")
    parser.add_argument("--bars", type=int, default=2, help="bars of each, at most 4 (default 2)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice and of the models")
    parser.add_argument("--threads", type=int, default=0, help="torch threads (0: its own choice)")
    args = parser.parse_args(argv)
    try:
        return run(args)
    except ValueError as error:
        sys.stderr.write(f"preference_change: {error}\n")
        return 1


def run(args: argparse.Namespace) -> int:
    from random import Random

    import torch

    from saberlm.adapter.loading import load_model
    from saberlm.eval.bar_plots import draw_pairs
    from saberlm.finetune.preference_change import changed_bars, shift_table, shifts
    from saberlm.finetune.preference_collator import check_hearing
    from saberlm.finetune.preference_samples import choose_stretches
    from saberlm.finetune.preferences import COMPLETION_BARS, for_play
    from saberlm.finetune.shards import load_dataset
    from saberlm.infer.sampling import SamplingParams
    from saberlm.prompts.vocab import fingerprint

    if args.n < 1 or args.windows < 1 or not 1 <= args.bars <= COMPLETION_BARS:
        raise ValueError(
            f"expected --n and --windows of 1 or more and --bars of 1 to {COMPLETION_BARS}, found"
            f" {args.n}, {args.windows} and {args.bars}"
        )
    if args.out.suffix not in (".png", ".svg"):
        raise ValueError(f"--out: expected a name in .png or .svg, found {args.out.name}")
    if args.threads:
        torch.set_num_threads(args.threads)
    before, after = (load_model(name, fingerprint()).model for name in (args.before, args.after))
    for name, model in ((args.before, before), (args.after, after)):
        check_hearing(model, name)
    songs = [song for song in load_dataset(args.data, "valid") if song.has_audio]
    print(shift_table(shifts(before, after, songs, windows=args.windows)))
    random = Random(args.seed)
    random.shuffle(songs)
    plain = [for_play(song) for song in songs[: 2 * args.n]]
    stretches = choose_stretches(plain, 1, random)
    params = SamplingParams(playability="off", seed=args.seed)
    changed = changed_bars(before, after, stretches, params)
    heading = (
        f"{min(args.n, len(changed))} of {len(changed)} stretches, picked by chance (seed"
        f" {args.seed}), after the same human bars with the same seed: {len(changed)} of"
        f" {len(stretches)} came out differently"
    )
    names = Path(args.before).name, Path(args.after).name
    draw_pairs(changed[: args.n], args.bars, heading, names[1], args.out, human_name=names[0])
    sys.stderr.write(f"wrote {args.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
