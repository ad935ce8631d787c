"""`saberlm batch SONGS... --out DIR`: many songs to levels, with resumption and a summary."""

from __future__ import annotations

import argparse

from saberlm.scripts.map import add_request_arguments, request_fields


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument(
        "songs",
        metavar="SONGS",
        nargs="+",
        help="sound files, folders of them, and .jsonl files of requests: an object a line with"
        ' "song" and perhaps "output", "difficulties", "nps", "style", "seed" and the other options'
        " of saberlm map, with _ for -",
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="DIR",
        help="folder for the levels and summary.jsonl; run again, it goes on with what is not done",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes, each with its own model (default: one a core on a CPU, else one; with"
        " --ray: over all machines, default 1)",
    )
    parser.add_argument(
        "--rows",
        type=int,
        default=16,
        metavar="N",
        help="difficulties that decode together in one process (default 16)",
    )
    parser.add_argument(
        "--engine",
        choices=["native", "vllm"],
        default="native",
        help="what decodes; vllm needs an environment with vLLM",
    )
    parser.add_argument(
        "--ray",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="run the workers on a Ray cluster (auto: the one this machine belongs to; without an"
        " address: a cluster of this machine alone); songs and DIR on a file system they share",
    )
    add_request_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print how it ended as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Map the songs; 1 when any failed."""
    import json
    import sys
    import time
    from pathlib import Path
    from typing import Any

    from tqdm import tqdm

    from saberlm.infer.batch_requests import find_requests
    from saberlm.infer.batch_run import BatchSettings, run_batch, usual_workers

    workers = args.workers
    if workers is None:
        alone = args.ray is not None or args.device != "cpu" or args.engine != "native"
        workers = 1 if alone else usual_workers()
    settings = BatchSettings(
        Path(args.out),
        args.model,
        lora=args.lora,
        device=args.device,
        workers=workers,
        rows=args.rows,
        engine=args.engine,
        ray=args.ray,
    )
    fields = {name: value for name, value in request_fields(args).items() if value is not None}
    items = find_requests(args.songs, fields)
    started = time.perf_counter()
    with tqdm(total=len(items), unit="song", desc="batch", file=sys.stderr) as bar:
        new = 0

        def advance(row: dict[str, Any], settled: int, total: int) -> None:
            nonlocal new
            new += 1
            bar.update(settled - bar.n)
            hours = (time.perf_counter() - started) / 3600
            bar.set_postfix_str(f"{new / hours:.0f} songs/hour")

        result = run_batch(
            items, settings, progress=advance, say=lambda text: bar.write(text, file=sys.stderr)
        )
    seconds = time.perf_counter() - started
    rate = result.made / seconds * 3600
    print(
        f"{result.made} made, {result.skipped} done before, {result.failed} failed;"
        f" {rate:.0f} songs/hour; summary in {settings.out / 'summary.jsonl'}",
        file=sys.stderr,
    )
    if args.json:
        told = {"made": result.made, "skipped": result.skipped, "failed": result.failed}
        print(json.dumps({**told, "seconds": round(seconds, 3)}))
    return 1 if result.failed else 0
