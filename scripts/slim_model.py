"""``python -m saberlm.scripts.slim_model RUN OUT``: the newest weights of a run (its end, or its
newest whole checkpoint) in bf16, ready for ``saberlm map --model OUT``."""

from __future__ import annotations

import argparse
import sys


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="slim_model", description=__doc__)
    parser.add_argument("run", help="folder of the run")
    parser.add_argument("out", help="folder to write")
    args = parser.parse_args(argv)

    from pathlib import Path

    from saberlm.finetune.export import slim_model

    print(f"{slim_model(Path(args.run), Path(args.out)):.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
