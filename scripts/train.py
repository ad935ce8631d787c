"""`saberlm train sft|dpo --config FILE [--resume] [--KEY VALUE ...]`: a whole run from one YAML
file."""

from __future__ import annotations

import argparse

TAKES_OVERRIDES = True
"""What the verb does not know are settings over the YAML: --minutes 5 --learning_rate 1e-3."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb; what follows them overrides the YAML, key by key, and unknown keys
    fail."""
    parser.add_argument(
        "method",
        choices=["sft", "dpo"],
        help="sft: from human maps; dpo: from preference pairs (`saberlm data pairs`)",
    )
    parser.add_argument(
        "--config", required=True, metavar="FILE", help="YAML of the run (see scripts/configs)"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint")


def run(args: argparse.Namespace) -> int:
    """Read the YAML, train, and print where the model lies."""
    from pathlib import Path

    if not Path(args.config).is_file():
        raise ValueError(f"--config: expected a YAML file, found no file at {args.config}")
    print(_dpo(args) if args.method == "dpo" else _sft(args))
    return 0


def _sft(args: argparse.Namespace) -> object:
    from trl import SFTConfig, TrlParser

    from saberlm.finetune.run_config import RunConfig
    from saberlm.finetune.sft import run_sft

    parser = TrlParser((RunConfig, SFTConfig))
    run_config, sft_config = parser.parse_args_and_config(_told(args))
    return run_sft(run_config, sft_config, resume=args.resume)


def _dpo(args: argparse.Namespace) -> object:
    from trl import DPOConfig, TrlParser

    from saberlm.finetune.dpo import DpoRunConfig, run_dpo

    parser = TrlParser((DpoRunConfig, DPOConfig))
    run_config, dpo_config = parser.parse_args_and_config(_told(args))
    return run_dpo(run_config, dpo_config, resume=args.resume)


def _told(args: argparse.Namespace) -> list[str]:
    return ["--config", str(args.config), *args.overrides]
