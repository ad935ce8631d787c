"""What best-of-N buys: the map that the scorer keeps beside one sample, on held-out songs.

    python -m saberlm.scripts.best_of MAPS --n 10 --candidates 4 --seed 0 --out FILE.jsonl

MAPS is as in `saberlm evaluate`; the songs are the first N of the split with the difficulty, on
their fitted grids, asked for the human's notes a second. The candidates are those of ``saberlm map
--candidates``, notes alone. FILE gets a line a song; songs that it holds are not made again, so a
run that was stopped goes on. The table compares what is kept with the first candidate, which is
what ``saberlm map`` makes without ``--candidates``, and with the mean of all: the better figure for
what one sample is like.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saberlm.finetune.held_out import HeldOutSong
    from saberlm.infer.mapper import Mapper

MEASURES = {
    "f1@50": "F1@50",
    "faults": "weighted faults / 100 notes",
    "critic": "critic",
    "style:cuts": "style: cuts",
    "style:direction_pairs": "style: direction pairs",
    "style:gaps": "style: gaps",
}
"""Of a map, with their names in the table."""

Row = Mapping[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Make, measure and print the table."""
    parser = argparse.ArgumentParser(
        prog="best_of", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("maps", metavar="MAPS", type=Path, help="maps with audio")
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="a line a song")
    parser.add_argument("--model", default="nano", metavar="NAME|DIR")
    parser.add_argument("--n", type=int, default=10, help="songs (default 10)")
    parser.add_argument("--candidates", type=int, default=4, help="maps of each (default 4)")
    parser.add_argument("--split", default="valid")
    parser.add_argument("-d", "--difficulty", default="Expert")
    parser.add_argument("--playability", choices=["off", "soft", "strict"], default="soft")
    parser.add_argument("--seed", type=int, default=0, help="of the sampling and the bootstrap")
    args = parser.parse_args(argv)
    try:
        return run(args)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"best_of: {error}\n")
        return 1


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from saberlm.adapter.loading import model_folder
    from saberlm.finetune.held_out import songs_with
    from saberlm.finetune.sources import find_sources
    from saberlm.infer.mapper import Mapper
    from saberlm.scripts.evaluate_maps import weights_of

    if args.n < 1 or args.candidates < 2:
        raise ValueError(
            "expected --n of 1 or more and --candidates of 2 or more, found"
            f" {args.n} and {args.candidates}"
        )
    settings = {
        # by name as well: a model and the same without its preference LoRA share a folder
        "model": f"{Path(args.model).name} {weights_of(model_folder(args.model))}",
        "difficulty": args.difficulty,
        "candidates": args.candidates,
        "playability": args.playability,
        "seed": args.seed,
    }
    rows = read_rows(args.out, settings)
    songs = songs_with(
        find_sources(args.maps, args.out.parent), args.difficulty, args.split, args.n
    )
    left = [song for song in songs if song.key not in {row["song"] for row in rows}]
    mapper = Mapper.from_pretrained(args.model, rows=args.candidates) if left else None
    for song in tqdm(left, unit="song", desc="best_of"):
        assert mapper is not None
        try:
            row = {"song": song.key, **settings, **candidates(mapper, song, args)}
        except ValueError as error:
            sys.stderr.write(f"\nsong {song.key} left out: {error}\n")
            continue
        with args.out.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
        rows.append(row)
    keys = {song.key for song in songs}
    rows = [row for row in rows if row["song"] in keys]
    if not rows:
        raise ValueError(
            f"expected songs of split {args.split!r} with {args.difficulty} in {args.maps}, found"
            " none that can be used: likely another split"
        )
    print(table(rows, args.seed))
    return 0


def candidates(mapper: Mapper, song: HeldOutSong, args: argparse.Namespace) -> dict[str, Any]:
    """A song's candidates, measured, and the number of the one that is kept.

    Raises:
        ValueError: the song's sound cannot be used.
    """
    from saberlm.eval.judge import judge_map
    from saberlm.eval.usual_style import usual_style
    from saberlm.infer.amounts import held_to
    from saberlm.infer.candidates import Scorer, best_of
    from saberlm.infer.level_request import LevelRequest
    from saberlm.infer.lighting import make_passes
    from saberlm.infer.pipeline import completed, encode_song, read_song, seed_of, to_beatmap
    from saberlm.infer.rounds import candidate_rows

    model, frontend = mapper.loaded.model, mapper.loaded.frontend
    human = song.maps[args.difficulty]
    request = LevelRequest.of(
        song.key,
        difficulties=[args.difficulty],
        nps=human.conditions.nps,
        candidates=args.candidates,
        playability=args.playability,
        seed=args.seed,
    )
    with song.audio() as path:
        heard = read_song(path, frontend, song.grid.bpm, song.grid.offset_seconds)
    encoding = encode_song(model, frontend, heard)
    asked = completed(model, heard, request.conditions[0])
    passes = make_passes(model, encoding, heard, asked, seed_of(args.seed, asked))
    rows = candidate_rows(held_to(passes.notes, request.amounts), request.candidates)
    made = mapper.engine.generate(rows, request.sampling)
    beatmaps = [to_beatmap(one, heard)[0] for one in made]
    scorer = Scorer.of(heard, passes.notes.conditions)
    scores = [scorer.score(beatmap) for beatmap in beatmaps]
    maps: list[dict[str, float | None]] = []
    for beatmap, score in zip(beatmaps, scores, strict=True):
        found = judge_map(
            beatmap, heard.tempo, args.difficulty, human=human.beatmap, human_tempo=song.tempo,
            reference=usual_style(args.difficulty),
        ).metrics()  # fmt: skip
        own = {"score": score.total, "faults": score.findings, "critic": score.critic}
        maps.append({**own, **{name: found.get(name) for name in MEASURES if name not in own}})
    return {"best": best_of(scores), "maps": maps}


def read_rows(path: Path, settings: Mapping[str, Any]) -> list[Row]:
    """The songs that a file holds, none where there is no file; a line that a kill cut short is
    taken out of it.

    Raises:
        ValueError: a line that is none of ours, or one made with other settings.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    rows = []
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            row = json.loads(line)
            found = {name: row[name] for name in (*settings, "song", "best", "maps")}
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{path}, line {number}: expected a song of this script") from None
        other = [name for name, value in settings.items() if found[name] != value]
        if other:
            raise ValueError(
                f"{path}, line {number}: expected songs made with the same settings, found another"
                f" {' and '.join(other)}: give another --out"
            )
        rows.append(row)
    return rows


def table(rows: Sequence[Row], seed: int) -> str:
    """Means over songs, and what the map that is kept differs by within a song, with 95 % intervals
    by bootstrap over songs.

    Args:
        rows: lines of the file.
        seed: of the bootstrap.
    """
    from saberlm.eval.bootstrap import Interval, mean_interval

    def told(one: Interval) -> str:
        if one.mean is None:
            return "-"
        ends = "" if one.low is None else f" [{one.low:+.3f}, {one.high:+.3f}]"
        return f"{one.mean:+.3f}{ends}"

    counts = sorted({len(row["maps"]) for row in rows})
    lines = [
        f"best of {', '.join(map(str, counts))}, {len(rows)} songs, seed {seed}",
        "",
        "| measure | first | mean of all | kept | kept - first | kept - mean |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, title in MEASURES.items():
        first, usual, kept = {}, {}, {}
        for row in rows:
            values = [one[name] for one in row["maps"]]
            if None not in values:
                song = row["song"]
                first[song], kept[song] = values[0], values[row["best"]]
                usual[song] = sum(values) / len(values)
        if not kept:
            continue
        means = [sum(column.values()) / len(kept) for column in (first, usual, kept)]
        gains = [
            told(mean_interval({song: [kept[song] - column[song]] for song in kept}, seed))
            for column in (first, usual)
        ]
        cells = [title, *(f"{mean:.3f}" for mean in means), *gains]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
