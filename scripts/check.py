"""`saberlm check LEVEL [--json] [--html FILE]`: is a level valid, what is in it, how does it
play?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("level", metavar="LEVEL", type=Path, help="a level's folder or zip")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.add_argument(
        "--html",
        metavar="FILE",
        type=Path,
        help="write a page with the findings bar by bar and a timeline (needs the extra report)",
    )


def run(args: argparse.Namespace) -> int:
    """Print the report; exit code 0 for a valid level, 1 for an invalid or unreadable one."""
    import json

    from saberlm.eval.report import check_level, render

    try:
        report = check_level(args.level)
    except ValueError as problem:
        sys.stderr.write(f"saberlm check: error: {problem}\n")
        return 1
    if args.html is not None:
        from saberlm.eval.check_page import check_page

        args.html.write_text(check_page(report), encoding="utf-8")
    if args.json:
        text = json.dumps(report.to_dict(), ensure_ascii=False, allow_nan=False)
    else:
        text = render(report)
    sys.stdout.write(text.encode("utf-8", "replace").decode("utf-8") + "\n")
    return 0 if report.valid else 1
