"""``python -m saberlm.scripts.random_base NAME OUT``: a base of that shape with random weights,
to measure what training on it takes before the real one is at hand."""

from __future__ import annotations

import argparse
import sys


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="random_base", description=__doc__)
    parser.add_argument("name", help="of a known base")
    parser.add_argument("out", help="folder to write")
    args = parser.parse_args(argv)

    from dataclasses import asdict
    from pathlib import Path

    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from saberlm.adapter.bases import BASES, check_base

    if args.name not in BASES:
        raise ValueError(f"expected a base of {', '.join(BASES)}, found {args.name!r}")
    sizes = {k: n for k, n in asdict(BASES[args.name]).items() if k != "package"}
    config = LlamaConfig(**sizes, tie_word_embeddings=True, dtype=torch.bfloat16)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        torch.set_default_dtype(torch.bfloat16)
        try:
            model = LlamaForCausalLM(config)
        finally:
            torch.set_default_dtype(torch.float32)
    model.save_pretrained(args.out)
    check_base(Path(args.out), args.name)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f} M random weights in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
