"""``python -m saberlm.scripts.export_model RUN/final DATA_DIR OUT``: a trained model in the form
that ships."""

from __future__ import annotations

import argparse
import sys


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="export_model", description=__doc__)
    parser.add_argument("run_final", help="folder of the trained model")
    parser.add_argument("data_dir", help="dataset it was trained on")
    parser.add_argument("out", help="folder to write")
    args = parser.parse_args(argv)

    from pathlib import Path

    from saberlm.finetune.export import export_model
    from saberlm.finetune.shards import load_dataset

    train = load_dataset(Path(args.data_dir), "train")
    print(f"{export_model(Path(args.run_final), train, Path(args.out)):.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
