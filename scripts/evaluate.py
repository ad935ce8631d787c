"""`saberlm evaluate --maps PACK --split valid --out DIR`: map held-out songs and judge the maps
beside the human ones, two baselines and the same model hearing another song.

PACK is a folder of levels, or one with a manifest.jsonl. Made maps are kept in DIR/maps and every
song's judgement in DIR/songs: a run that was stopped goes on where it was, and --rejudge judges the
kept maps anew. DIR gets report.json and report.html; the main table goes to standard output, as
Markdown.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

NAMES = ("Easy", "Normal", "Hard", "Expert", "ExpertPlus")
MASKS = ("off", "soft", "strict")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--maps", metavar="PACK", type=Path, required=True, help="maps with audio")
    parser.add_argument("--split", default="valid", help="songs to judge (default valid)")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to write to")
    parser.add_argument(
        "--model",
        nargs="*",
        default=["nano"],
        metavar="NAME|DIR",
        help="shipped models or folders (default nano; none: the human maps and baselines alone)",
    )
    parser.add_argument(
        "--difficulty",
        nargs="+",
        choices=NAMES,
        default=list(NAMES),
        metavar="NAME",
        help=f"any of {' '.join(NAMES)} (default all)",
    )
    parser.add_argument("--n", type=int, help="judge only the first N songs")
    parser.add_argument(
        "--given",
        default="bpm,nps",
        metavar="WHAT",
        help="what the model is told of the human map: bpm (its fitted grid), nps, both separated"
        " by a comma, or nothing (default bpm,nps)",
    )
    parser.add_argument(
        "--playability",
        nargs="+",
        choices=MASKS,
        default=list(MASKS),
        help="masks to sample with; off is the model as it is (default all three)",
    )
    parser.add_argument(
        "--rhythm",
        choices=["planned", "drawn"],
        default="planned",
        help="when notes come, as in `saberlm map` (default planned)",
    )
    parser.add_argument(
        "--no-other-song", action="store_true", help="leave out the run with another song's audio"
    )
    parser.add_argument(
        "--levels", action="store_true", help="write and validate the levels too, in DIR/levels"
    )
    parser.add_argument(
        "--rejudge", action="store_true", help="judge the songs that were judged before again"
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    """Map, judge and report; exit code 0 when every song was dealt with."""
    import time

    from tqdm import tqdm

    from saberlm.adapter.loading import model_folder
    from saberlm.eval.evaluation import markdown
    from saberlm.eval.evaluation_page import evaluation_page  # early: it needs matplotlib
    from saberlm.finetune.sources import find_sources
    from saberlm.scripts.evaluate_maps import weights_of, write_text
    from saberlm.scripts.evaluate_songs import (
        SongJudge,
        is_done,
        open_run,
        read_songs,
        read_train_maps,
        to_evaluation,
    )

    given = _given(args.given)
    if args.n is not None and args.n < 1:
        raise ValueError(f"--n: expected 1 song or more, found {args.n}")
    names = _model_names(args.model)
    settings = {
        "split": args.split,
        "models": list(names),
        "weights": {name: weights_of(model_folder(place)) for name, place in names.items()},
        "difficulties": [name for name in NAMES if name in args.difficulty],
        "given": sorted(given),
        "playability": [mode for mode in MASKS if mode in args.playability],
        "rhythm": args.rhythm,
        "other_song": not args.no_other_song,
        "levels": args.levels,
        "seed": args.seed,
    }
    open_run(args.out, settings)
    sources = find_sources(args.maps, args.out)
    everything, left_out = read_songs(
        [one for one in sources if one.split == args.split], settings["difficulties"]
    )
    songs = everything if args.n is None else everything[: args.n]
    if not songs:
        raise ValueError(
            f"expected songs of split {args.split!r} in {args.maps} with usable maps, found none: "
            f"{dict(left_out) or 'likely another split'}"
        )
    train = read_train_maps([one for one in sources if one.split == "train"])
    todo = [song for song in songs if args.rejudge or not is_done(args.out, song.key)]
    if todo:
        judge = SongJudge(
            settings,
            args.out,
            _load_models(names, args.device),
            train,
        )
        with tqdm(total=len(songs), initial=len(songs) - len(todo), unit="song") as bar:
            for song in todo:
                started = time.perf_counter()
                bar.set_postfix_str(song.key)
                other = everything[(everything.index(song) + 1) % len(everything)]
                judge.judge(song, other if other is not song else None)
                bar.set_postfix_str(f"{song.key} {time.perf_counter() - started:.0f} s")
                bar.update()
    evaluation = to_evaluation(args.out, songs, settings, left_out, train.references)
    write_text(args.out / "report.json", _json(evaluation.to_dict()))
    write_text(args.out / "report.html", evaluation_page(evaluation))
    print(markdown(evaluation))
    print(f"\nwrote {args.out / 'report.json'} and report.html", file=sys.stderr)
    return 0


def _json(data: Any) -> str:
    import json

    return json.dumps(data, ensure_ascii=False, allow_nan=False) + "\n"


def _given(text: str) -> set[str]:
    """What the model is told, from ``bpm,nps`` or ``nothing``."""
    if text == "nothing":
        return set()
    given = {word.strip() for word in text.split(",")}
    if not given <= {"bpm", "nps"}:
        raise ValueError(f"--given: expected bpm, nps, bpm,nps or nothing, found {text!r}")
    return given


def _model_names(models: list[str]) -> dict[str, str]:
    """Names for reports: a shipped model's own, or a folder's last parts; each stands once."""
    names: dict[str, str] = {}
    for model in models:
        path = Path(model)
        name = path.name if path.name not in ("final", "") else "/".join(path.resolve().parts[-2:])
        if name in names:
            raise ValueError(
                f"--model: expected models of different names, found {name!r} twice: "
                "likely the same folder, or two of one name"
            )
        names[name] = model
    return names


def _load_models(names: dict[str, str], device: str) -> dict[str, Any]:
    if not names:
        return {}
    from saberlm.adapter.loading import load_model
    from saberlm.prompts.vocab import fingerprint

    return {name: load_model(model, fingerprint(), device=device) for name, model in names.items()}
