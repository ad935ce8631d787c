"""`saberlm data build MAPS_DIR OUT`: maps with songs to a cached dataset."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("action", choices=["build"], help="what to do")
    parser.add_argument(
        "maps_dir", metavar="MAPS_DIR", help="manifest with audio, level folders or zips"
    )
    parser.add_argument("out", metavar="OUT", help="folder of the dataset; a stopped build goes on")
    parser.add_argument("--frontend", default="logmel", choices=["logmel", "dac"])
    parser.add_argument(
        "--frontend-path", metavar="DIR", help="folder of the DacModel for --frontend dac"
    )
    parser.add_argument("--threads", type=int, default=0, help="torch threads (0: its own choice)")


def run(args: argparse.Namespace) -> int:
    """Build and print the report."""
    from pathlib import Path

    import torch

    from saberlm.adapter.processing_saber import make_frontend
    from saberlm.finetune.build import build_dataset

    if args.threads:
        torch.set_num_threads(args.threads)
    frontend = make_frontend(args.frontend, args.frontend_path)
    print(build_dataset(Path(args.maps_dir), Path(args.out), frontend).render())
    return 0
