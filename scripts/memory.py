"""``python -m saberlm.scripts.memory --config FILE [--gpu NAME] [--gpus N]``: memory and time that
a training configuration will take."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def main(argv: list[str] | None = None) -> int:
    from saberlm.finetune.memory import PEAK_TFLOPS

    parser = argparse.ArgumentParser(prog="memory", description=__doc__)
    parser.add_argument("--config", required=True, metavar="FILE", help="YAML with a decoder")
    parser.add_argument("--gpu", default="H100", choices=PEAK_TFLOPS)
    parser.add_argument("--gpus", type=int, default=1, help="that FSDP shards over")
    parser.add_argument("--row-tokens", type=int, default=900, help="tokens of a row, padded")
    parser.add_argument("--share", type=float, default=0.35, help="of the peak that is reached")
    args = parser.parse_args(argv)
    print(render(args))
    return 0


def render(args: argparse.Namespace) -> str:
    """The table and the time."""
    from pathlib import Path

    import yaml

    from saberlm.adapter.bases import BASES
    from saberlm.finetune.memory import PEAK_TFLOPS, DecoderSizes, flops_per_token, memory_gb
    from saberlm.prompts import vocab as v

    run: dict[str, Any] = yaml.safe_load(Path(args.config).read_text())
    name = run.get("decoder")
    if name not in BASES:
        raise ValueError(
            f"{args.config}: expected decoder to be one of {', '.join(BASES)}, found {name!r}"
        )
    base = BASES[name]
    sizes = DecoderSizes(
        base.hidden_size,
        base.num_hidden_layers,
        base.num_attention_heads,
        base.num_key_value_heads,
        base.intermediate_size,
        -(-v.VOCAB_SIZE // 64) * 64,
        base.hidden_size // base.num_attention_heads,
    )
    rank, batch = int(run["lora_rank"]), int(run["per_device_train_batch_size"])
    checkpointing = bool(run.get("gradient_checkpointing"))
    pairs = "pairs_dir" in run  # of preferences: two rows each, and the LoRA alone trains
    rows = 2 * batch if pairs else batch
    parts = memory_gb(
        sizes,
        tokens=rows * args.row_tokens,
        rank=rank,
        quantize=str(run.get("quantize", "none")),
        checkpointing=checkpointing,
        tower=5_000_000,
        gpus=args.gpus,
        lora_alone=pairs,
        eight_bit="8bit" in str(run.get("optim")),
    )
    flops = flops_per_token(
        sizes,
        context=args.row_tokens,
        rank=rank,
        checkpointing=checkpointing,
        lora_alone=pairs,
    )
    speed = args.gpus * args.share * PEAK_TFLOPS[args.gpu] * 1e12 / flops
    lines = [
        f"{name}: {sizes.body / 1e6:.0f} M weights in the base, {sizes.lora(rank) / 1e6:.1f} M in"
        f" the LoRA of rank {rank}, {sizes.ends / 1e6:.1f} M in the map vocabulary",
        f"{rows} rows of {args.row_tokens} tokens{' (pairs)' if pairs else ''} on each of"
        f" {args.gpus} {args.gpu}:",
        *(f"  {part:<12}{gb:8.1f} GB" for part, gb in parts.items()),
        f"{flops / 1e9:.2f} GFLOP a token; at {args.share:.0%} of {PEAK_TFLOPS[args.gpu]:.0f}"
        f" TFLOP/s each {speed:,.0f} tokens/s,"
        f" {speed * 3600 / 1e6:,.0f} M tokens an hour",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
