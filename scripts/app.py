"""`saberlm app`: a page in the browser that takes songs and gives levels, on this machine alone."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("--port", type=int, default=7860, metavar="N", help="default 7860")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="who may come: this machine alone (default), or 0.0.0.0 for everybody who reaches it",
    )
    parser.add_argument(
        "--model", default="nano", metavar="NAME|DIR", help="shipped model or a folder"
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--no-open", action="store_true", help="do not open it in the browser")


def run(args: argparse.Namespace) -> int:
    """Serve the page until it is interrupted; the levels made are then gone."""
    import socket
    import sys
    import tempfile
    import webbrowser
    from pathlib import Path

    import uvicorn

    from saberlm.infer.studio import Studio
    from saberlm.scripts.app_server import make_app

    with socket.socket() as taken:  # uvicorn would say so only in its log
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((args.host, args.port))
        except (OSError, OverflowError) as error:
            raise ValueError(
                f"--port, --host: expected a free port, found {args.host}:{args.port} ({error});"
                " another saberlm app? Give another --port"
            ) from error
    with tempfile.TemporaryDirectory(prefix="saberlm-app-") as folder:
        studio = Studio(Path(folder) / "levels", args.model, device=args.device)
        app = make_app(studio, Path(folder) / "uploads")
        address = f"http://{args.host}:{args.port}/"
        print(f"saberlm app: {address} (Ctrl+C ends it)", file=sys.stderr)
        if sys.stderr.isatty() and not args.no_open:
            webbrowser.open(address)
        uvicorn.run(app, host=args.host, port=args.port, log_level="warning")
        for job in studio.jobs.values():
            job.stop()
    return 0
