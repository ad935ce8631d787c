"""``python -m saberlm.scripts.train_codec PACK --out DIR [--minutes 45] [--KEY VALUE ...]``: train
a small codec of Descript's architecture on songs, for the ``dac`` front end.

Any field of `saberlm.finetune.train_codec.CodecTrainingConfig` is a flag. The same command goes on
with a run that was stopped. ``DIR/final`` is a folder for ``--frontend-path``.
"""

from __future__ import annotations

import argparse
import sys


def main(argv: list[str] | None = None) -> int:
    from dataclasses import fields
    from typing import get_type_hints

    from saberlm.finetune.sources import find_sources
    from saberlm.finetune.train_codec import CodecTrainingConfig, run_codec

    parser = argparse.ArgumentParser(prog="train_codec", description=__doc__)
    parser.add_argument("pack", help="maps with songs: a manifest, or level folders")
    parser.add_argument("--out", required=True, help="folder of the run")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1)
    hints = get_type_hints(CodecTrainingConfig)
    for field in fields(CodecTrainingConfig):
        kind = hints[field.name]
        if kind is bool:
            parser.add_argument(
                f"--{field.name}", action=argparse.BooleanOptionalAction, default=field.default
            )
        elif field.name == "ratios":
            parser.add_argument("--ratios", type=int, nargs="+", default=[4, 4, 4, 4])
        else:
            parser.add_argument(f"--{field.name}", type=kind, default=field.default)
    args = parser.parse_args(argv)

    import json
    import logging
    from pathlib import Path

    import torch

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    settings = {field.name: getattr(args, field.name) for field in fields(CodecTrainingConfig)}
    settings["ratios"] = tuple(args.ratios)
    try:
        config = CodecTrainingConfig(**settings)
        sources = find_sources(Path(args.pack), Path(args.out))
        report = run_codec(sources, Path(args.out), config, device=args.device)
    except ValueError as error:
        print(f"train_codec: {error}", file=sys.stderr)
        return 1
    print(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
