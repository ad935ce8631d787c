"""``python -m saberlm.scripts.train_critic DATA_DIR OUT --samples DIR``: train and measure the
critic that `saberlm check` shows."""

from __future__ import annotations

import argparse
import sys


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="train_critic", description=__doc__)
    parser.add_argument("data_dir", help="dataset of `saberlm data build`")
    parser.add_argument("out", help="folder for the weights and the facts")
    parser.add_argument(
        "--samples",
        required=True,
        help="folder of model-made maps; those missing are made (24 s a song and difficulty)",
    )
    parser.add_argument("--model", default="nano", help="whose maps to tell from human ones")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)

    from pathlib import Path

    import torch

    from saberlm.finetune.critic_run import run_critic
    from saberlm.finetune.train_critic import CriticConfig

    torch.set_num_threads(args.threads)
    config = CriticConfig(steps=args.steps, seed=args.seed)
    try:
        run_critic(
            Path(args.data_dir), Path(args.out), Path(args.samples), config, model=args.model
        )
    except ValueError as error:
        print(f"train_critic: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
