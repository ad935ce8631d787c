"""Control: ask low, get low. Notes a second and style words asked for, against what comes.

    python -m saberlm.scripts.control MAPS --model nano --n 8 --out DIR

MAPS is as in `saberlm evaluate`; the songs are the first N of the split with the difficulty, on
their fitted grids, 32 bars of each from the human's first note on. DIR gets control.json,
control.png and control.md; finished songs are kept in DIR/songs, so that a stopped run goes on. The
tables go to standard output too. Needs the extra `report`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saberlm.eval.control import ControlRow
    from saberlm.finetune.control import ControlPlan
    from saberlm.finetune.held_out import HeldOutSong

NPS = (2.0, 3.0, 4.5, 6.0, 8.0)
WORDS = ("streams", "doubles", "tech", "wide", "vertical", "crossovers", "jumps")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, plot and print the tables."""
    parser = argparse.ArgumentParser(prog="control", description=__doc__)
    parser.add_argument("maps", metavar="MAPS", type=Path, help="maps with audio")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to write to")
    parser.add_argument("--model", default="nano", metavar="NAME|DIR")
    parser.add_argument("--n", type=int, default=8, help="songs (default 8)")
    parser.add_argument("--split", default="valid")
    parser.add_argument("-d", "--difficulty", default="Expert")
    parser.add_argument("--nps", type=float, nargs="*", default=list(NPS), help="rates asked for")
    parser.add_argument("--words", nargs="*", default=list(WORDS), metavar="WORD")
    parser.add_argument("--cfg-scale", type=float, default=2.0, help="guidance tried; 1: none")
    parser.add_argument("--bars", type=int, default=32, help="of each song (default 32)")
    parser.add_argument("--playability", choices=["off", "soft", "strict"], default="off")
    parser.add_argument("--seed", type=int, default=0, help="of the sampling and the bootstrap")
    args = parser.parse_args(argv)
    try:
        return run(args)
    except ValueError as error:
        sys.stderr.write(f"control: {error}\n")
        return 1


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from saberlm.adapter.loading import load_model, model_folder
    from saberlm.eval.control import markdown, summarize
    from saberlm.eval.control_plot import plot_control  # early: it needs matplotlib
    from saberlm.finetune.control import ControlPlan
    from saberlm.finetune.sources import find_sources
    from saberlm.prompts.vocab import fingerprint
    from saberlm.scripts.evaluate_maps import weights_of, write_text
    from saberlm.scripts.evaluate_songs import open_run

    if args.n < 1:
        raise ValueError(f"--n: expected 1 song or more, found {args.n}")
    plan = ControlPlan(
        args.difficulty, tuple(args.nps), tuple(args.words), args.cfg_scale, args.bars,
        args.playability, args.seed,
    )  # fmt: skip
    loaded = load_model(args.model, fingerprint())
    about = {
        "model": loaded.name,
        "weights": weights_of(model_folder(args.model)),
        "split": args.split,
        "difficulty": plan.difficulty,
        "bars": plan.bars,
        "playability": plan.playability,
        "seed": plan.seed,
    }
    asked = {"nps": list(plan.nps), "words": list(plan.words), "cfg_scale": plan.scale}
    open_run(args.out, {**about, **asked})
    songs = _songs(find_sources(args.maps, args.out), args)
    rows: list[ControlRow] = []
    for song in tqdm(songs, unit="song"):
        rows += _rows(args.out, song, plan, loaded)
    if not rows:
        raise ValueError("expected a song whose sound can be used, found none")
    control = summarize(rows, about, plan.seed)
    table = markdown(control)
    found = {**control.to_dict(), "asked": asked, "maps": [row.to_dict() for row in rows]}
    plot_control(control, rows, args.out / "control.png")
    write_text(args.out / "control.md", table + "\n")
    write_text(args.out / "control.json", json.dumps(found, indent=1, allow_nan=False) + "\n")
    print(table)
    sys.stderr.write(f"wrote control.json, control.md and control.png in {args.out}\n")
    return 0


def _songs(sources: Sequence[Any], args: argparse.Namespace) -> list[HeldOutSong]:
    """The first songs of the split with the difficulty, in order of their keys."""
    from saberlm.finetune.held_out import songs_with

    songs = songs_with(sources, args.difficulty, args.split, args.n)
    if not songs:
        raise ValueError(
            f"expected songs of split {args.split!r} with {args.difficulty} in {args.maps}, found"
            " none: likely another split"
        )
    return songs


def _rows(out: Path, song: HeldOutSong, plan: ControlPlan, loaded: Any) -> list[ControlRow]:
    """A song's rows, from its file where it is done; none where its sound cannot be used."""
    from saberlm.eval.control import ControlRow
    from saberlm.finetune.control import control_rows
    from saberlm.scripts.evaluate_maps import write_text
    from saberlm.scripts.evaluate_songs import song_file

    path = song_file(out, song.key)
    if path.exists():
        return [ControlRow(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
    try:
        rows = control_rows(loaded, song, plan)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"\nsong {song.key} left out: {error}\n")
        return []
    write_text(path, json.dumps([row.to_dict() for row in rows], allow_nan=False))
    return rows


if __name__ == "__main__":
    sys.exit(main())
