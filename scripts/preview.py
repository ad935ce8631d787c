"""`saberlm preview LEVEL [-o FILE.html]`: one page that plays a level in 3D, to look at and to send
on."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("level", metavar="LEVEL", help="a level's folder or zip, v1 to v4")
    parser.add_argument(
        "-o", "--output", metavar="FILE.html", help="page to write (default: LEVEL.html here)"
    )
    parser.add_argument(
        "--no-judge", action="store_true", help="leave the judge's findings out (quicker)"
    )
    parser.add_argument("--no-open", action="store_true", help="do not open it in the browser")


def run(args: argparse.Namespace) -> int:
    """Write the page; at a terminal, open it too."""
    import sys
    import webbrowser
    from pathlib import Path

    from saberlm.eval.report import check_level
    from saberlm.infer.preview import preview_page, write_page

    path = Path(args.level)
    out = Path(args.output) if args.output else Path(f"{path.resolve().stem}.html")
    page = preview_page(path, None if args.no_judge else check_level(path))
    write_page(out, page)
    print(f"wrote {out}", file=sys.stderr)
    if sys.stderr.isatty() and not args.no_open:
        webbrowser.open(out.resolve().as_uri())
    return 0
