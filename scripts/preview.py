"""`saberlm preview LEVEL [-o FILE.html]`: one page that plays a level in 3D, to look at and to send
on; without LEVEL a page on which any level's zip is dropped."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument(
        "level",
        nargs="?",
        metavar="LEVEL",
        help="a level's folder or zip, v1 to v4 (default: none; the page waits for one)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE.html",
        help="page to write (default: LEVEL.html here; without LEVEL preview.html)",
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
    from saberlm.infer.preview import empty_page, preview_page, write_page

    if args.level is None:
        name, page = "preview", empty_page()
    else:
        path = Path(args.level)
        name = path.resolve().stem
        page = preview_page(path, None if args.no_judge else check_level(path))
    out = Path(args.output) if args.output else Path(f"{name}.html")
    write_page(out, page)
    print(f"wrote {out}", file=sys.stderr)
    if sys.stderr.isatty() and not args.no_open:
        webbrowser.open(out.resolve().as_uri())
    return 0
