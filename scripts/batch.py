"""`saberlm batch SONGS... --out DIR`: many songs to levels, with resumption and a summary."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from saberlm.scripts.request_arguments import add_request_arguments, request_fields

OF_ONE_SONG = ("bpm", "offset", "beats", "tempo-from", "title")
"""Options of ``saberlm map`` that mean nothing for many songs; a line of requests has them."""


class _OfOneSong(argparse.Action):
    """Says where an option belongs that many songs cannot share."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        name = self.dest.replace("-", "_")
        number = name in ("bpm", "offset")
        value = values if number else f'"{values}"'
        parser.error(
            f"{option_string} is of one song: give it in a .jsonl file of requests, as"
            f' {{"song": "a.ogg", "{name}": {value}}} (--list writes such lines)'
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument(
        "songs",
        metavar="SONGS",
        nargs="+",
        help="sound files, folders of them, and .jsonl files of requests: an object a line with"
        ' "song" and perhaps "output", "difficulties", "nps", "bpm", "offset", "beats" and the'
        " other options of saberlm map, with _ for -; paths in it are relative to the file",
    )
    parser.add_argument(
        "--out",
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
    parser.add_argument("--artist", help="of all songs (default: from each file's tags or name)")
    for name in OF_ONE_SONG:
        parser.add_argument(f"--{name}", action=_OfOneSong, help=argparse.SUPPRESS)
    parser.add_argument(
        "--list",
        action="store_true",
        help="make nothing: print the requests as lines for a .jsonl file, to be changed song by"
        " song and given back",
    )
    parser.add_argument("--json", action="store_true", help="print how it ended as one JSON object")
    parser.set_defaults(usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Map the songs; 1 when any failed."""
    if args.out is None and not args.list:
        args.usage_error("--out DIR is missing")
    import json
    import sys
    import time
    from pathlib import Path

    from tqdm import tqdm

    from saberlm.infer.start import uncollected

    with uncollected():
        from saberlm.infer.batch_folder import Summary
        from saberlm.infer.batch_requests import find_requests, request_line
        from saberlm.infer.batch_run import BatchSettings, run_batch, unsure, usual_workers

    fields = {**request_fields(args), "artist": args.artist}
    items = find_requests(args.songs, {k: v for k, v in fields.items() if v is not None})
    if args.list:
        print("\n".join(map(request_line, items)))
        return 0
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
    doubtful = unsure(Summary(settings.out), items)
    if doubtful:
        print(
            f"{len(doubtful)} songs whose beat is unsure (confidence in the summary; listen, and"
            f" give bpm and offset where it is off): {', '.join(doubtful[:5])}"
            + (", ..." if len(doubtful) > 5 else ""),
            file=sys.stderr,
        )
    if args.json:
        told = {"made": result.made, "skipped": result.skipped, "failed": result.failed}
        told["unsure"] = len(doubtful)
        print(json.dumps({**told, "seconds": round(seconds, 3)}))
    return 1 if result.failed else 0
