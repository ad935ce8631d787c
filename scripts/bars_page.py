"""A page of bars picked by chance: what the human placed, and what the model did, side by side.

    python -m saberlm.scripts.bars_page DIR MAPS --n 12 --seed 0 --out bars.png

DIR is the folder of a finished `saberlm evaluate`, whose made maps lie in DIR/maps; MAPS is what it
was run on. Every bar from the human's first note to the last of every judged map has the same
chance; nothing is picked twice. Needs the extra `report`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Pick and draw."""
    parser = argparse.ArgumentParser(prog="bars_page", description=__doc__)
    parser.add_argument("run", metavar="DIR", type=Path, help="folder of `saberlm evaluate`")
    parser.add_argument("maps", metavar="MAPS", type=Path, help="the maps it was run on")
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="png or svg")
    parser.add_argument("--n", type=int, default=12, help="pairs to draw (default 12)")
    parser.add_argument("--bars", type=int, default=2, help="bars of each (default 2)")
    parser.add_argument("--system", metavar="NAME", help="such as 'nano soft' (default: the first)")
    parser.add_argument(
        "-d", "--difficulty", nargs="+", metavar="NAME", help="some of those judged (default: all)"
    )
    parser.add_argument(
        "--made-only",
        action="store_true",
        help="leave the human's bars out",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the choice")
    args = parser.parse_args(argv)
    try:
        return run(args)
    except ValueError as error:
        sys.stderr.write(f"bars_page: {error}\n")
        return 1


def run(args: argparse.Namespace) -> int:
    import numpy as np

    from saberlm.eval.bar_plots import BAR_BEATS, BarPair, draw_pairs
    from saberlm.finetune.sources import find_sources
    from saberlm.scripts.evaluate_maps import KeptMaps, first_system, on_human_grid, settings_of
    from saberlm.scripts.evaluate_songs import read_songs

    if args.n < 1 or args.bars < 1:
        raise ValueError(f"expected --n and --bars of 1 or more, found {args.n} and {args.bars}")
    if args.out.suffix not in (".png", ".svg"):
        raise ValueError(f"--out: expected a name in .png or .svg, found {args.out.name}")
    settings = settings_of(args.run)
    split = settings["split"]
    wanted = [name for name in settings["difficulties"] if name in (args.difficulty or [name])]
    sources = [one for one in find_sources(args.maps, args.run) if one.split == split]
    songs = read_songs(sources, wanted)[0]
    kept = {song.key: (song, KeptMaps(args.run, song.key)) for song in songs}
    system = args.system or first_system(args.run)
    places: list[tuple[str, str, int]] = []
    for key, (song, maps) in kept.items():
        made = maps.get(system)
        for name in made.maps if made is not None else ():
            if name in song.maps:
                beats = [note.beat for note in song.maps[name].beatmap.color_notes]
                first, end = int(min(beats) // BAR_BEATS), int(max(beats) // BAR_BEATS) + 1
                starts = range(first, max(first + 1, end - args.bars + 1))
                places += [(key, name, bar) for bar in starts]
    if not places:
        raise ValueError(f"expected maps of system {system!r} in {args.run / 'maps'}, found none")
    chance = np.random.default_rng(args.seed)
    chosen = chance.choice(len(places), size=min(args.n, len(places)), replace=False)
    pairs = []
    for at in chosen:
        key, name, bar = places[int(at)]
        song, maps = kept[key]
        made = maps.get(system)
        assert made is not None
        title = f"song {key}, {name}, bars {bar + 1}-{bar + args.bars}"
        human = None if args.made_only else song.maps[name].beatmap
        pairs.append(BarPair(title, bar * BAR_BEATS, human, on_human_grid(made, name, song)))
    heading = (
        f"{len(pairs)} stretches of {args.bars} bars out of {len(places)}, picked by chance"
        f" (seed {args.seed}); {system}, split {split}"
    )
    draw_pairs(pairs, args.bars, heading, system, args.out)
    sys.stderr.write(f"wrote {args.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
