"""How far a level to follow, or a style pack, pulls the style of new maps towards it.

    python -m saberlm.scripts.style_pull MAPS --n 6 --references 2
    python -m saberlm.scripts.style_pull MAPS --n 6 --lora NAME --toward DIR

MAPS is as in `saberlm evaluate`. Of each of the first N songs of the split with the difficulty the
first bars are mapped plainly, and then after references, which are human maps of other songs of the
split, or with the pack, whose mapper's maps lie in DIR. Distances are Jensen-Shannon's by aspect
(`saberlm.eval.style`): to the reference itself, or to DIR's maps of the difficulty pooled. For
references a map made after another one is measured, too: whatever moves both is not the reference's
doing. Intervals: 95 % by bootstrap over songs. Without lights.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saberlm.adapter.loading import LoadedModel
    from saberlm.eval.style import StyleCounts
    from saberlm.finetune.held_out import HeldOutSong
    from saberlm.infer.reference import Reference
    from saberlm.prompts.beatmap import Beatmap

Rows = dict[str, list[dict[str, float | None]]]
"""Of each song, for each map made of it, by aspect: how much nearer it is than the plain one."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="style_pull", description=__doc__)
    parser.add_argument("maps", metavar="MAPS", type=Path, help="maps with audio")
    parser.add_argument("--model", default="nano", metavar="NAME|DIR")
    parser.add_argument("--n", type=int, default=6, help="songs (default 6)")
    parser.add_argument("--split", default="valid")
    parser.add_argument("-d", "--difficulty", default="Expert")
    parser.add_argument("--bars", type=int, default=32, help="of each song (default 32)")
    parser.add_argument("--references", type=int, default=2, metavar="K", help="for each song")
    parser.add_argument("--lora", metavar="NAME|FILE", help="measure a style pack instead")
    parser.add_argument("--toward", metavar="DIR", type=Path, help="maps of the pack's mapper")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="FILE", type=Path)
    args = parser.parse_args(argv)
    if (args.lora is None) != (args.toward is None):
        parser.error("--lora and --toward go together")
    with tempfile.TemporaryDirectory(prefix="saberlm-") as folder:  # an archive is unpacked there
        args.work = Path(folder)
        try:
            figures = _pack(args) if args.lora else _references(args)
        except ValueError as error:
            sys.stderr.write(f"style_pull: {error}\n")
            return 1
    sys.stdout.write(_table(figures, args.seed) + "\n")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def _references(args: argparse.Namespace) -> dict[str, Rows]:
    from random import Random

    from tqdm import tqdm

    from saberlm.adapter.loading import load_model
    from saberlm.eval.style import StyleCounts
    from saberlm.infer.reference import Reference
    from saberlm.prompts.vocab import fingerprint

    loaded = load_model(args.model, fingerprint())
    songs = _songs(args, args.maps, args.split)
    random = Random(args.seed)
    nearer: dict[str, Rows] = {"the reference": {}, "another reference": {}}
    for song in tqdm(songs[: args.n], unit="song"):
        others = random.sample([one for one in songs if one is not song], args.references)
        manners = [Reference.of(one.source.level) for one in others]
        plain, *made = _maps(loaded, song, args, [None, *manners])
        before, after = _counts(song, plain), [_counts(song, one) for one in made]
        rows: dict[str, list[dict[str, float | None]]] = {name: [] for name in nearer}
        for i, other in enumerate(others):
            goal = StyleCounts.of(other.maps[args.difficulty].beatmap, other.tempo)
            rows["the reference"].append(_gain(before, after[i], goal))
            rows["another reference"].append(_gain(before, after[i - 1], goal))
        for name, found in rows.items():
            nearer[name][song.key] = found
    return nearer


def _pack(args: argparse.Namespace) -> dict[str, Rows]:
    from tqdm import tqdm

    from saberlm.adapter.loading import load_model
    from saberlm.adapter.style_pack import read_pack, with_pack
    from saberlm.eval.style import StyleCounts
    from saberlm.prompts.vocab import fingerprint

    pack = read_pack(args.lora)
    plain = load_model(args.model, fingerprint())
    packed = with_pack(load_model(args.model, fingerprint()), pack)
    theirs = _songs(args, args.toward, None)
    goal = StyleCounts.pool(
        StyleCounts.of(one.maps[args.difficulty].beatmap, one.tempo) for one in theirs
    )
    rows: Rows = {}
    for song in tqdm(_songs(args, args.maps, args.split)[: args.n], unit="song"):
        before, after = (
            _counts(song, _maps(loaded, song, args, [None])[0]) for loaded in (plain, packed)
        )
        rows[song.key] = [_gain(before, after, goal)]
    return {f"{pack.name} ({len(theirs)} maps)": rows}


def _songs(args: argparse.Namespace, maps: Path, split: str | None) -> list[HeldOutSong]:
    """The songs of a split (None: all) with the difficulty, in order of their keys."""
    from saberlm.finetune.held_out import songs_with
    from saberlm.finetune.sources import find_sources

    songs = songs_with(find_sources(maps, args.work), args.difficulty, split)
    if len(songs) < 2:
        raise ValueError(
            f"{maps}: expected songs with {args.difficulty} to measure with, found {len(songs)}:"
            " likely another split or difficulty"
        )
    return songs


def _maps(
    loaded: LoadedModel,
    song: HeldOutSong,
    args: argparse.Namespace,
    manners: Sequence[Reference | None],
) -> list[Beatmap]:
    """The song's first bars mapped after each manner (None: plainly), one seed for all."""
    from saberlm.adapter.audio import load_audio
    from saberlm.finetune.control import stretch
    from saberlm.infer.amounts import held_to
    from saberlm.infer.engine import Engine
    from saberlm.infer.pipeline import completed, encode_song, make_request, to_beatmap
    from saberlm.infer.sampling import SamplingParams
    from saberlm.prompts.header import Conditions

    rate = loaded.frontend.sample_rate
    with song.audio() as path:
        cut = stretch(load_audio(path, rate)[0], rate, song, args.bars)
    encoding = encode_song(loaded.model, loaded.frontend, cut)
    requests = []
    for manner in manners:
        wish = Conditions(args.difficulty, lights=False)
        wish = wish if manner is None else manner.styled(wish)
        asked = completed(loaded.model, cut, wish)
        request = make_request(loaded.model, encoding, cut, asked, args.seed)
        request = request if manner is None else manner.shown(request)
        requests.append(held_to(request, {}))
    made = Engine(loaded.model).generate(requests, SamplingParams(seed=args.seed), None)
    return [to_beatmap(one, cut)[0] for one in made]


def _counts(song: HeldOutSong, beatmap: Beatmap) -> StyleCounts:
    from saberlm.eval.style import StyleCounts

    return StyleCounts.of(beatmap, song.tempo)


def _gain(before: StyleCounts, after: StyleCounts, goal: StyleCounts) -> dict[str, float | None]:
    """By aspect, how much nearer to the goal; their mean as ``mean``."""
    first, second = before.distances(goal).to_dict(), after.distances(goal).to_dict()
    gains = {
        aspect: None if a is None or (b := second[aspect]) is None else a - b
        for aspect, a in first.items()
    }
    known = [gain for gain in gains.values() if gain is not None]
    return {**gains, "mean": sum(known) / len(known) if known else None}


def _table(figures: dict[str, Rows], seed: int) -> str:
    from saberlm.eval.bootstrap import mean_interval
    from saberlm.eval.style import ASPECTS

    columns = ("mean", *ASPECTS)
    lines = [f"| nearer to it after | songs, maps | {' | '.join(columns)} |"]
    lines.append("| --- " * (2 + len(columns)) + "|")
    for name, rows in figures.items():
        cells: list[Any] = [name, f"{len(rows)}, {sum(map(len, rows.values()))}"]
        for column in columns:
            values = {song: [row[column] for row in found] for song, found in rows.items()}
            one = mean_interval(values, seed)
            ends = "" if one.low is None else f" [{one.low:+.3f}, {one.high:+.3f}]"
            cells.append("-" if one.mean is None else f"{one.mean:+.3f}{ends}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
