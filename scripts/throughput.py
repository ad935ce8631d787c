"""``python -m saberlm.scripts.throughput --config FILE --out FILE [--KEY VALUE ...]``: tokens/s,
memory and share of the bf16 peak for growing batches of a training configuration, as JSON lines."""

from __future__ import annotations

import argparse
import sys


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="throughput", description=__doc__)
    parser.add_argument("--config", required=True, metavar="FILE", help="YAML of the run")
    parser.add_argument("--out", required=True, metavar="FILE", help="JSON lines to write")
    parser.add_argument("--most", type=int, default=512, help="rows of the largest batch to try")
    parser.add_argument("--steps", type=int, default=5, help="timed steps of each batch")
    parser.add_argument("--seconds", type=float, default=120, help="stop after so long")
    args, overrides = parser.parse_known_args(argv)

    import json
    import time
    from pathlib import Path

    import torch
    from trl import SFTConfig, TrlParser

    from saberlm.finetune.run_config import RunConfig, make_model
    from saberlm.finetune.shards import load_dataset
    from saberlm.finetune.throughput import speeds

    run, settings = TrlParser((RunConfig, SFTConfig)).parse_args_and_config(
        ["--config", args.config, *overrides]
    )
    device = torch.device("cpu" if settings.use_cpu else "cuda")
    model = make_model(run, settings).to(device).train()
    if run.on_base and settings.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    songs = load_dataset(Path(run.data_dir), "train")
    began = time.monotonic()
    with Path(args.out).open("w") as f:
        for speed in speeds(
            model,
            songs,
            run.window_bars,
            device,
            bf16=bool(settings.bf16),
            rank=run.lora_rank if run.on_base else 0,
            most=args.most,
            steps=args.steps,
        ):
            line = json.dumps(speed.row())
            print(line, flush=True)
            f.write(line + "\n")
            f.flush()
            if time.monotonic() - began > args.seconds:
                break
    return 0


if __name__ == "__main__":
    sys.exit(main())
