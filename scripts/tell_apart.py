"""What tells a model's maps from mappers': the kinds of things in which they differ most.

    python -m saberlm.scripts.tell_apart DIR MAPS [--system "nano off"] [-d Expert] [--top 10]

DIR is the folder of a finished `saberlm evaluate`, whose made maps lie in DIR/maps; MAPS is what it
was run on. For each difficulty the kinds (`saberlm.eval.kinds`) are told, the furthest from the
train split's maps first: how far, as a multiple of what random parts of these leave between them,
how far the human maps of the judged songs are, and which values differ most.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(prog="tell_apart", description=__doc__)
    parser.add_argument("run", metavar="DIR", type=Path, help="folder of `saberlm evaluate`")
    parser.add_argument("maps", metavar="MAPS", type=Path, help="the maps it was run on")
    parser.add_argument("--system", metavar="NAME", help="such as 'nano soft' (default: the first)")
    parser.add_argument(
        "-d", "--difficulty", nargs="+", metavar="NAME", help="some of those judged (default: all)"
    )
    parser.add_argument("--top", type=int, default=10, help="kinds to tell (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the random parts")
    args = parser.parse_args(argv)
    try:
        sys.stdout.write(run(args) + "\n")
    except ValueError as error:
        sys.stderr.write(f"tell_apart: {error}\n")
        return 1
    return 0


def run(args: argparse.Namespace) -> str:
    """The comparison as Markdown.

    Raises:
        ValueError: no finished evaluation, or no maps of that system or difficulty.
    """
    from saberlm.eval.kinds import Kinds, compare_kinds, kinds_of
    from saberlm.finetune.sources import find_sources
    from saberlm.scripts.evaluate_maps import KeptMaps, first_system, on_human_grid, settings_of
    from saberlm.scripts.evaluate_songs import read_songs

    settings = settings_of(args.run)
    wanted = [name for name in settings["difficulties"] if name in (args.difficulty or [name])]
    system = args.system or first_system(args.run)
    sources = find_sources(args.maps, args.run)
    made: dict[str, list[Kinds]] = {}
    human: dict[str, list[Kinds]] = {}
    train: dict[str, list[Kinds]] = {}
    for song in read_songs([one for one in sources if one.split == settings["split"]], wanted)[0]:
        kept = KeptMaps(args.run, song.key).get(system)
        for name in kept.maps if kept is not None else ():
            if name in song.maps:
                assert kept is not None
                ours = kinds_of(on_human_grid(kept, name, song), song.tempo)
                theirs = kinds_of(song.maps[name].beatmap, song.tempo)
                if ours is not None and theirs is not None:
                    made.setdefault(name, []).append(ours)
                    human.setdefault(name, []).append(theirs)
    if not made:
        raise ValueError(f"expected maps of system {system!r} in {args.run / 'maps'}, found none")
    for song in read_songs([one for one in sources if one.split == "train"], wanted)[0]:
        for name, one in song.maps.items():
            counted = kinds_of(one.beatmap, song.tempo)
            if counted is not None:
                train.setdefault(name, []).append(counted)
    lines = [f"{system}, split {settings['split']}, against train maps (parts: seed {args.seed})"]
    for name in (name for name in wanted if name in made):
        reference = train.get(name, [])
        lines += ["", f"**{name}**: {len(made[name])} maps, {len(reference)} train maps"]
        if len(reference) <= len(made[name]):
            lines.append("(too few train maps)")
            continue
        lines += ["", "| kind | times | human | what differs most (ours, train maps) |"]
        lines.append("| --- | --- | --- | --- |")
        for kind in compare_kinds(made[name], reference, human[name], seed=args.seed)[: args.top]:
            most = "; ".join(f"{value} {own:.3f}, {usual:.3f}" for value, own, usual in kind.most)
            usual = "" if kind.human is None else f"{kind.human:.2f}"
            lines.append(f"| {kind.kind} | {kind.times:.2f} | {usual} | {most} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
