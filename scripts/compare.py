"""`saberlm compare A.json B.json`: what moved from one evaluation to another beyond the noise."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("before", metavar="A.json", type=Path, help="report.json of one evaluation")
    parser.add_argument("after", metavar="B.json", type=Path, help="report.json of the other")
    parser.add_argument(
        "--level", type=float, default=0.95, help="confidence of the intervals (default 0.95)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draws of songs")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def run(args: argparse.Namespace) -> int:
    """Print what moved; exit code 0 whether or not anything did."""
    import json

    from saberlm.eval.compare import compare, comparison_markdown
    from saberlm.eval.evaluation import Evaluation

    before, after = (Evaluation.from_dict(_read(path)) for path in (args.before, args.after))
    comparison = compare(before, after, level=args.level, seed=args.seed)
    if args.json:
        print(json.dumps(comparison.to_dict(), ensure_ascii=False, allow_nan=False))
    else:
        print(comparison_markdown(comparison))
    return 0


def _read(path: Path) -> dict[str, Any]:
    import json

    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path}: expected a report.json of saberlm evaluate, found {error}"
        ) from None
    if not isinstance(data, dict):
        raise ValueError(
            f"{path}: expected a report.json of saberlm evaluate, found {type(data).__name__}"
        )
    return data
