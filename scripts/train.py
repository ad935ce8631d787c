"""`saberlm train sft|dpo --config FILE [--resume] [--KEY VALUE ...]`: a whole run from one YAML
file; `saberlm train lora --maps DIR --name NAME`: a style pack from one mapper's maps."""

from __future__ import annotations

import argparse

TAKES_OVERRIDES = True
"""What the verb does not know are settings over the YAML: --minutes 5 --learning_rate 1e-3."""


PACK_CONFIG = "lora_style.yaml"
"""Of scripts/configs, for style packs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb; what follows them overrides the YAML, key by key, and unknown keys
    fail."""
    parser.add_argument(
        "method",
        metavar="sft|dpo|lora",
        choices=["sft", "dpo", "lora"],
        help="sft: from human maps; dpo: from preference pairs (`saberlm data pairs`); lora: a"
        " style pack, for --lora of the verbs that map",
    )
    parser.add_argument("--config", metavar="FILE", help="YAML of the run (see scripts/configs)")
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint")
    pack = parser.add_argument_group(
        "style packs", "Five minutes on a CPU (--minutes N); the maps' songs are not needed."
    )
    pack.add_argument("--maps", metavar="DIR", help="folder of ten or more maps (folders or zips)")
    pack.add_argument("--name", metavar="NAME", help="of the pack")
    pack.add_argument(
        "--mapper", metavar="NAME", help="take the maps of this mapper alone (default: all)"
    )
    pack.add_argument(
        "--overwrite", action="store_true", help="let --name be that of a pack that is there"
    )
    parser.set_defaults(usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Train, and print where the result lies."""
    from pathlib import Path

    _quiet_libraries()
    if args.method == "lora":
        return _lora(args)
    for name in ("maps", "name", "mapper", "overwrite"):
        if getattr(args, name):
            args.usage_error(f"--{name} goes with lora alone")
    if args.config is None:
        args.usage_error("--config FILE is missing")
    if not Path(args.config).is_file():
        raise ValueError(f"--config: expected a YAML file, found no file at {args.config}")
    print(_dpo(args) if args.method == "dpo" else _sft(args))
    return 0


def _quiet_libraries() -> None:
    """What libraries say of kernels that a CPU lacks and of their own plans would stand in front of
    what a person can act on."""
    import logging
    import warnings

    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


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


def _lora(args: argparse.Namespace) -> int:
    """A style pack: refused before the long work where it can be."""
    import sys
    from pathlib import Path

    for name in ("maps", "name"):
        if getattr(args, name) is None:
            args.usage_error(f"--{name} is missing")

    from saberlm.adapter.style_pack import new_pack_path

    out = new_pack_path(args.name)
    if out.exists() and not args.overwrite:
        raise ValueError(
            f"name (--name): expected a new name, found the pack {out}: give another, or"
            " --overwrite to replace it"
        )

    from trl import SFTConfig, TrlParser

    from saberlm.finetune.run_config import RunConfig
    from saberlm.finetune.train_pack import find_maps, train_pack, work_folder

    work = work_folder(args.name)
    own = Path(__file__).parent / "configs" / PACK_CONFIG
    told = ["--config", str(args.config or own), *args.overrides]
    told += ["--data_dir", str(work / "data"), "--output_dir", str(work / "run")]
    run_config, sft_config = TrlParser((RunConfig, SFTConfig)).parse_args_and_config(told)
    if not run_config.lora_alone:
        raise ValueError(f"{args.config}: expected lora_alone: true, found another kind of run")
    maps = find_maps(Path(args.maps), work, args.mapper)
    if len(maps.mappers) > 1:
        some = ", ".join(f"{name or '(unnamed)'} ({n})" for name, n in maps.mappers.most_common(5))
        print(
            f"maps of {len(maps.mappers)} mappers: {some}; the pack will be a mixture of them"
            " (--mapper NAME takes one)",
            file=sys.stderr,
        )
    made = train_pack(args.name, out, maps, run_config, sft_config, resume=args.resume)
    print("\n".join(made.words()), file=sys.stderr)
    print(made.path)
    return 0
