"""What guidance moves: the measure of a style asked for, or of one to avoid, and the notes/s, over
the scale.

    python -m saberlm.scripts.bench_guidance SONG... --word tech --nps 7 --plot guidance.png

Each song's map is made at every scale with the word as its style, with the word as its negative
style, and with the notes/s asked for and nothing that counts notes (no plan, no control of the
density). Means over songs; a word's measure is `saberlm.prompts.descriptors`'. Same seeds at every
scale.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from saberlm.adapter.loading import LoadedModel
    from saberlm.infer.engine import MapRequest, SongEncoding
    from saberlm.infer.pipeline import Song


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table."""
    from saberlm.prompts.descriptors import DESCRIPTORS

    parser = argparse.ArgumentParser(prog="bench_guidance", description=__doc__)
    parser.add_argument("songs", nargs="+", metavar="SONG")
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0, 1.5, 2.0, 3.0])
    parser.add_argument("--word", choices=[d.word for d in DESCRIPTORS], default="tech")
    parser.add_argument("--nps", type=float, default=7.0, help="notes a second asked for")
    parser.add_argument("-d", "--difficulty", default="Expert")
    parser.add_argument("--bars", type=int, default=32, help="of each song, the first ones")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--plot", metavar="FILE", help="png")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args(argv)
    figures = _measure(args)
    lines = [
        f"{'scale':>6} {f'{args.word}, asked':>20} {f'{args.word}, avoided':>20} {'notes/s':>9}"
    ]
    for scale, values in zip(args.scales, figures["means"], strict=True):
        lines.append(f"{scale:6.2f} {values[0]:20.3f} {values[1]:20.3f} {values[2]:9.2f}")
    sys.stdout.write("\n".join(lines) + "\n")
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=1), encoding="utf-8")
    if args.plot:
        _plot(figures, Path(args.plot))
    return 0


def _measure(args: argparse.Namespace) -> dict[str, Any]:
    import numpy as np

    from saberlm.adapter.audio import load_audio
    from saberlm.adapter.loading import load_model
    from saberlm.infer.engine import Engine
    from saberlm.infer.pipeline import Song, encode_song
    from saberlm.infer.tempo import estimate_tempo
    from saberlm.prompts.vocab import fingerprint

    loaded = load_model(args.model, fingerprint())
    engine = Engine(loaded.model)
    table = np.zeros((len(args.songs), len(args.scales), 3))
    for i, path in enumerate(args.songs):
        samples = load_audio(path, loaded.frontend.sample_rate)[0]
        rate = loaded.frontend.sample_rate
        song = Song.on_estimate(samples, rate, estimate_tempo(samples, rate))
        encoding = encode_song(loaded.model, loaded.frontend, song)
        table[i] = _of_song(loaded, engine, song, encoding, args, seed=i)
        sys.stderr.write(f"{path}: {np.round(table[i], 3).tolist()}\n")
    return {
        "songs": len(args.songs),
        "scales": args.scales,
        "word": args.word,
        "nps": args.nps,
        "means": table.mean(0).tolist(),
        "standard_errors": (table.std(0) / max(1, len(args.songs) - 1) ** 0.5).tolist(),
        "each": table.tolist(),
    }


def _of_song(
    loaded: LoadedModel,
    engine: Any,
    song: Song,
    encoding: SongEncoding,
    args: argparse.Namespace,
    seed: int,
) -> npt.NDArray[np.float64]:
    """``(scales, 3)``: the word's measure asked for and avoided, and notes/s; all rows at once."""
    import numpy as np

    from saberlm.infer.sampling import SamplingParams
    from saberlm.prompts.descriptors import DESCRIPTORS, descriptor_values
    from saberlm.prompts.tokens import decode

    measure = next(d.measure for d in DESCRIPTORS if d.word == args.word)
    rows: list[tuple[MapRequest, SamplingParams]] = []
    for scale in args.scales:
        rows += [
            (
                _request(loaded, song, encoding, args, seed, style=args.word),
                _params(cfg_scale=scale),
            ),
            (
                _request(loaded, song, encoding, args, seed),
                _params(cfg_scale=scale, negative_style=args.word),
            ),
            (
                _request(loaded, song, encoding, args, seed, nps=args.nps),
                _params(cfg_scale=scale, rhythm="drawn"),
            ),
        ]
    made = dict(engine.stream(rows))
    seconds = min(args.bars, encoding.num_bars) * 240 / song.grid_bpm
    values = []
    for i in range(len(rows)):
        beatmap = decode(made[i].bars)[0]
        if i % 3 == 2:
            values.append(len(beatmap.color_notes) / seconds)
        else:
            values.append(descriptor_values(beatmap)[measure])
    return np.array(values).reshape(-1, 3)


def _params(**changes: Any) -> Any:
    from saberlm.infer.sampling import SamplingParams

    return SamplingParams(**changes)


def _request(
    loaded: LoadedModel,
    song: Song,
    encoding: SongEncoding,
    args: argparse.Namespace,
    seed: int,
    **wishes: Any,
) -> MapRequest:
    from dataclasses import replace

    from saberlm.infer.amounts import held_to
    from saberlm.infer.pipeline import completed, make_request
    from saberlm.prompts.header import Conditions

    asked = completed(loaded.model, song, Conditions(args.difficulty, lights=False, **wishes))
    request = held_to(make_request(loaded.model, encoding, song, asked, seed), {})
    end = min(args.bars, encoding.num_bars)
    return replace(request, end_bar=end, density=None if "nps" in wishes else request.density)


def _plot(figures: dict[str, Any], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    word = figures["word"]
    titles = (f"{word}, asked for", f"{word}, avoided", f"notes/s, {figures['nps']:g} asked for")
    for at, (axes, title) in enumerate(zip(figure.subplots(1, 3), titles, strict=True)):
        means, errors = (
            [row[at] for row in figures[name]] for name in ("means", "standard_errors")
        )
        axes.errorbar(figures["scales"], means, yerr=errors, marker="o", capsize=3)
        axes.set(title=title, xlabel=f"scale (n {figures['songs']}, bars: standard error)")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
