"""``python -m saberlm.scripts.ablate DATA --out FILE.jsonl``: what each part of the tower is worth.

Parts and teaching of the audio tower, or (``--part decoder``) of the decoder, under one small
budget: every variant (`saberlm.finetune.tower_ablation`, `saberlm.finetune.decoder_ablation`)
changes one thing of the base, learns from the same songs for the same steps, and is measured on the
valid songs. Runs that FILE holds are not done again, so a call that was stopped goes on where it
was; the table of all of them is printed at the end. ``--seeds 0 1 --only base`` shows what chance
does.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from saberlm.finetune.ablation import Split

_Song = TypeVar("_Song")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="ablate", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", help="a dataset made by `saberlm data build`")
    parser.add_argument("--out", required=True, metavar="FILE", help="a line a run")
    parser.add_argument("--part", choices=["tower", "decoder"], default="tower")
    parser.add_argument(
        "--also",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "DATA"),
        help="another dataset that some variants need: dac and basic-pitch, the same songs with\n"
        "these frames; flow, maps without songs",
    )
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="default: all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--songs", type=int, help="train songs, evenly spread")
    parser.add_argument("--valid-songs", type=int, default=0, help="likewise (0: all)")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--list", action="store_true", help="name the variants and stop")
    args = parser.parse_args(argv)

    from dataclasses import asdict, replace
    from pathlib import Path

    import torch
    from tqdm import tqdm

    part = _part(args.part)
    variants = {variant.name: variant for variant in part.VARIANTS}
    if args.list:
        print("\n".join(variants))
        return 0
    unknown = [name for name in args.only or [] if name not in variants]
    if unknown:
        parser.error(f"expected variants of --list, found {', '.join(unknown)}")
    given = {name: value for name in ("songs", "steps") if (value := getattr(args, name))}
    budget = replace(part.Budget(), **given)
    torch.set_num_threads(1)
    out = Path(args.out)
    folders = {None: Path(args.data)} | {name: Path(folder) for name, folder in args.also}
    wanted = [variants[name] for name in args.only or variants]
    for name in {one.needs for one in wanted} - set(folders):
        print(f"without --also {name}: " + ", ".join(v.name for v in wanted if v.needs == name))
    try:
        done = read_runs(out, part.Run, asdict(budget))
        todo = [
            (variant, seed)
            for seed in args.seeds
            for variant in wanted
            if variant.needs in folders
            and not any(run.variant == variant.name and run.seed == seed for run in done)
        ]
        songs: dict[str | None, Split] = {}
        for variant, seed in tqdm(todo, unit="run", desc="ablate"):
            for name in {None, variant.needs} - set(songs):
                # maps without songs all join; another front end's songs are chosen as ours are
                count = 0 if name == "flow" else budget.songs
                songs[name] = _load(folders[name], count, args.valid_songs)
            if variant.needs not in {None, "flow"}:
                _expect_same(songs[None], songs[variant.needs], folders[variant.needs])
            run = part.run(variant, songs, seed, budget)
            append(out, run.to_json())
            done.append(run)
    except (ValueError, OSError) as error:
        print(f"ablate: {error}", file=sys.stderr)
        return 1
    print(f"{asdict(budget)}\n\n{part.render(done)}")
    return 0


def _part(name: str) -> Any:
    """The module of a part; both have VARIANTS, Budget, Run, run and render."""
    if name == "tower":
        from saberlm.finetune import tower_ablation

        return tower_ablation
    from saberlm.finetune import decoder_ablation

    return decoder_ablation


def _load(folder: Path, songs: int, valid_songs: int) -> Split:
    from saberlm.finetune.ablation import Split
    from saberlm.finetune.shards import load_dataset

    return Split(
        spread(load_dataset(folder, "train"), songs),
        spread(load_dataset(folder, "valid"), valid_songs) if songs else [],
    )


def _expect_same(ours: Split, theirs: Split, folder: Path) -> None:
    """Raise ``ValueError`` where a front end's songs are not those of the base."""
    for split in ("train", "valid"):
        keys, found = ([song.key for song in getattr(x, split)] for x in (ours, theirs))
        if keys != found:
            raise ValueError(
                f"{folder}: expected the base's {len(keys)} {split} songs, found {len(found)}, of"
                f" which {len(set(keys) & set(found))} are among them: made of other songs?"
            )


def spread(songs: Sequence[_Song], count: int) -> list[_Song]:
    """So many songs from first to last at even steps; all of them where there are no more, or none
    are asked for."""
    if not 0 < count < len(songs):
        return list(songs)
    return [songs[i * len(songs) // count] for i in range(count)]


def read_runs(path: Path, kind: Any, budget: dict[str, Any]) -> list[Any]:
    """The runs that a file holds, none where there is no file.

    Args:
        path: the file.
        kind: the class of its runs.
        budget: that they are to have.

    Raises:
        ValueError: it holds something else, or runs of another budget.
    """
    import json

    if not path.exists():
        return []
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    runs = [kind.from_json(row) for row in rows]
    other = [run for run in runs if run.budget != budget]
    if other:
        raise ValueError(
            f"{path}: expected runs of the budget {budget}, found {other[0].variant!r} of"
            f" {other[0].budget}: name another --out"
        )
    return runs


def append(path: Path, row: dict[str, Any]) -> None:
    """Add a run to a file, whole or not at all."""
    import json

    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(kept + json.dumps(row) + "\n", encoding="utf-8")
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main())
