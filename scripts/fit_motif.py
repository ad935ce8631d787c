"""``python -m saberlm.scripts.fit_motif DATA --model MODEL --out FILE``: the weights of the motif
memory, and what it gains in nats over the decoder alone."""

from __future__ import annotations

import argparse
import sys


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fit_motif", description=__doc__)
    parser.add_argument("data", help="a dataset made by `saberlm data build`")
    parser.add_argument("--model", default="nano", help="name or folder of a model")
    parser.add_argument("--split", default="valid", choices=["train", "valid"])
    parser.add_argument("--windows", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", metavar="FILE", help="write the weights there")
    args = parser.parse_args(argv)

    from pathlib import Path

    import torch
    from tqdm import tqdm

    from saberlm.adapter.loading import load_model
    from saberlm.finetune.fit_motif import (
        collect_guesses,
        cross_fitted_loss,
        fit_weights,
        mean_loss,
        write_weights,
    )
    from saberlm.finetune.shards import load_dataset
    from saberlm.prompts.vocab import fingerprint

    try:
        model = load_model(args.model, fingerprint()).model.to(torch.float32)
        songs = load_dataset(Path(args.data), args.split)
        found = collect_guesses(
            model,
            songs,
            windows=args.windows,
            seed=args.seed,
            wrap=lambda rows: tqdm(list(rows), unit="window", desc="windows"),
        )
    except (ValueError, OSError) as error:
        print(f"fit_motif: error: {error}", file=sys.stderr)
        return 1
    print("| channel | tokens | decoder alone | with the memory | weights of the other half |")
    print("| --- | --- | --- | --- | --- |")
    weights = {}
    for channel, guesses in found.items():
        weights[channel] = fit_weights(guesses)
        alone, joined = mean_loss(guesses, None), mean_loss(guesses, weights[channel])
        crossed = cross_fitted_loss(guesses)
        print(f"| {channel} | {len(guesses)} | {alone:.3f} | {joined:.3f} | {crossed:.3f} |")
    if args.out:
        about = f"saberlm.scripts.fit_motif --split {args.split} --windows {args.windows}"
        write_weights(Path(args.out), weights, f"{about} --seed {args.seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
