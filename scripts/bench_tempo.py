"""How often the steady tempo of a song is found, beside plain ways to find it.

``python -m saberlm.scripts.bench_tempo MAPS --split valid --cache DIR``: each song of the split
whose map has one tempo and agrees with its sound (``sync_z0`` of 0.8 or more) is read from its
sound alone and judged against the grid fitted to the mapper's notes (`saberlm.eval.tempo` says
how). ``exact`` asks for the tempo that Info.dat states, octave and all; ``folded`` for the tempo in
95-190 BPM, which is the octave that notes are written in; ``octave`` allows x2 and /2.

``--split train`` is cross-validated: weights of the choices are fitted without the fold that they
are tried on, and with ``--folds DIR`` (of ``python -m saberlm.scripts.train_beats --folds``) so is
the beat network. ``--fit FILE`` fits the shipped weights on the whole split. What is heard of a
song is kept in ``--cache``; a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saberlm.eval.tempo import TempoScore
    from saberlm.finetune.tempo_truth import TrueTempo
    from saberlm.infer.tempo_estimate import TempoEstimate
    from saberlm.infer.tempo_phase import Heard

METRICS = ("exact", "folded", "octave", "phase", "downbeat")
PLAIN = ("librosa", "line", "comb")
NAMES = {
    "librosa": "librosa beat_track",
    "line": "line through its beats",
    "comb": "onset comb alone",
    "found": "saberlm",
}
RELIABILITY = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="bench_tempo", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("maps", type=Path, metavar="MAPS", help="manifest with audio, or levels")
    parser.add_argument("--split", choices=["train", "valid"], default="valid")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR")
    parser.add_argument("--folds", type=Path, metavar="DIR", help="beat networks by fold")
    parser.add_argument("--net", type=Path, metavar="DIR", help="beat network (default: shipped)")
    parser.add_argument(
        "--fit", type=Path, metavar="FILE", help="write weights fitted on the split"
    )
    parser.add_argument("--plain", nargs="*", choices=PLAIN, default=list(PLAIN))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    if args.split == "valid" and (args.folds or args.fit):
        parser.error("--folds and --fit are for the train split")

    from tqdm import tqdm

    from saberlm.finetune.fit_tempo import cross_validate, fit, folds_of, make_example, score_of
    from saberlm.finetune.tempo_truth import read_true_tempi
    from saberlm.infer.tempo_reading import SIZES, Evidence, estimate_from, load_weights

    args.cache.mkdir(parents=True, exist_ok=True)
    songs, left_out = read_true_tempi(args.maps, args.cache, args.split)
    folds: dict[str, int] = {}
    if args.folds:
        folds = json.loads((args.folds / "folds.json").read_text(encoding="utf-8"))
        songs = [song for song in songs if song.key in folds]
    nets = _Nets(args.net, args.folds, folds)
    heard: dict[str, Heard] = {}
    answers: dict[str, dict[str, tuple[float, float]]] = {name: {} for name in args.plain}
    for song in tqdm(songs, unit="song", desc="listen", file=sys.stderr):
        heard[song.key] = _hear(song, nets, args.cache)
        for name, answer in _plain(song, heard[song.key], args.plain, args.cache).items():
            answers[name][song.key] = answer
    estimates: dict[str, TempoEstimate]
    if args.split == "train":
        examples = [
            make_example(heard[song.key], song)
            for song in tqdm(songs, unit="song", desc="choices", file=sys.stderr)
        ]
        folds = folds or folds_of([song.key for song in songs])
        estimates = cross_validate(examples, folds)
        if args.fit:
            weights = fit(examples, folds)
            table = {
                name: dict(zip(features, map(float, getattr(weights, name)), strict=True))
                for name, features in SIZES.items()
            }
            facts = {"songs": len(songs), "command": "saberlm.scripts.bench_tempo --fit"}
            args.fit.parent.mkdir(parents=True, exist_ok=True)
            _write(args.fit, json.dumps({"fitted": facts, "weights": table}, indent=1) + "\n")
    else:
        estimates = {
            key: estimate_from(Evidence(one), None, load_weights()) for key, one in heard.items()
        }
    answers["found"] = {key: (one.bpm, one.offset_seconds) for key, one in estimates.items()}
    scores = {
        name: {song.key: score_of(song, *found[song.key]) for song in songs}
        for name, found in answers.items()
    }
    about = f"{args.split}, {len(songs)} songs" + "".join(
        f"; left out: {n} {what}" for what, n in left_out.items()
    )
    if args.split == "train":
        nets_say = "out of fold too" if args.folds else "which HAS seen these songs"
        about += f"; choices cross-validated over {len(set(folds.values()))} folds, beat network "
        about += nets_say
    report = _report(songs, scores, estimates, heard)
    print(json.dumps({"about": about, **report}) if args.json else _text(about, report))
    return 0


class _Nets:
    """The beat network of each song: its fold's, or the one for all."""

    def __init__(self, net: Path | None, folds_dir: Path | None, folds: Mapping[str, int]) -> None:
        self.net, self.folds_dir, self.folds = net, folds_dir, folds
        self.loaded: dict[Path | None, tuple[Any, str]] = {}

    def of(self, key: str) -> tuple[Any, str]:
        """The network for a song, and what tells its weights from others'."""
        from saberlm.infer.beat_net import SHIPPED, load_beat_net
        from saberlm.scripts.evaluate_maps import weights_of

        path = self.folds_dir / f"fold{self.folds[key]}" if self.folds_dir else self.net
        if path not in self.loaded:
            self.loaded[path] = load_beat_net(path), weights_of(path or SHIPPED)
        return self.loaded[path]


def _hear(song: TrueTempo, nets: _Nets, cache: Path) -> Heard:
    import numpy as np

    from saberlm.adapter.audio import load_audio
    from saberlm.infer.beat_net import BeatActivations
    from saberlm.infer.onsets import RATE, OnsetCurve
    from saberlm.infer.tempo import hear
    from saberlm.infer.tempo_phase import Heard

    net, name = nets.of(song.key)
    path = cache / f"heard-{name}" / f"{song.key}.npz"
    if not path.exists():
        heard = hear(load_audio(song.audio, RATE)[0], RATE, net)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{song.key}.partial.npz")
        np.savez(
            temporary,
            full=heard.curve.full,
            low=heard.curve.low,
            beat=heard.beats.beat,
            downbeat=heard.beats.downbeat,
            fps=heard.beats.fps,
        )
        temporary.replace(path)
    with np.load(path) as kept:
        beats = BeatActivations(kept["beat"], kept["downbeat"], float(kept["fps"]))
        return Heard(OnsetCurve(kept["full"], kept["low"]), beats)


def _plain(
    song: TrueTempo, heard: Heard, names: Sequence[str], cache: Path
) -> dict[str, tuple[float, float]]:
    """Tempo and offset by the plain ways."""
    import numpy as np

    from saberlm.adapter.audio import load_audio
    from saberlm.infer.onsets import RATE
    from saberlm.scripts.tempo_baselines import comb_alone, librosa_beats, line_fit

    found = {}
    if "comb" in names:
        found["comb"] = comb_alone(heard.curve)
    if "librosa" in names or "line" in names:
        path = cache / "librosa_beats" / f"{song.key}.json"
        if not path.exists():
            tempo, beats = librosa_beats(load_audio(song.audio, RATE)[0], RATE)
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, json.dumps({"tempo": tempo, "beats": beats.tolist()}))
        kept = json.loads(path.read_text(encoding="utf-8"))
        if "librosa" in names:
            found["librosa"] = kept["tempo"] or 120.0, (kept["beats"] or [0.0])[0]
        if "line" in names:
            enough = len(kept["beats"]) > 2
            found["line"] = line_fit(np.array(kept["beats"])) if enough else (120.0, 0.0)
    return found


def _report(
    songs: Sequence[TrueTempo],
    scores: Mapping[str, Mapping[str, TempoScore]],
    estimates: Mapping[str, TempoEstimate],
    heard: Mapping[str, Heard],
) -> dict[str, Any]:
    from saberlm.eval.bootstrap import mean_interval

    table = {
        name: {
            metric: mean_interval(
                {k: [float(getattr(s, metric))] for k, s in rows.items()}
            ).to_dict()
            for metric in METRICS
        }
        for name, rows in scores.items()
    }
    found = scores["found"]
    right = {key: score.exact and score.phase for key, score in found.items()}
    bins = []
    for low, high in pairwise(RELIABILITY):
        inside = [
            key
            for key, one in estimates.items()
            if low <= one.confidence < high or (high == 1.0 == one.confidence)
        ]
        if inside:
            mean = sum(estimates[key].confidence for key in inside) / len(inside)
            share = sum(right[key] for key in inside) / len(inside)
            bins.append({"n": len(inside), "confidence": round(mean, 3), "right": round(share, 3)})
    brier = sum((estimates[key].confidence - right[key]) ** 2 for key in right) / len(right)
    lags = {song.key: note_lag(song.note_seconds, heard[song.key]) for song in songs}
    failures = []
    for song in songs:
        score, one = found[song.key], estimates[song.key]
        if all(getattr(score, metric) for metric in METRICS):
            continue
        others = [
            number
            for number, other in enumerate(one.alternatives, 2)
            if abs(other.bpm / song.stated_bpm - 1) <= 1e-3
        ]
        failures.append(
            {
                "song": song.key,
                "wrong": [metric for metric in METRICS if not getattr(score, metric)],
                "stated": round(song.stated_bpm, 3),
                "fitted": round(song.grid.bpm, 3),
                "found": one.bpm,
                "confidence": round(one.confidence, 2),
                "beats_off": round(score.start_beats, 2),
                "start_ms": round(1000 * score.start_seconds),
                "end_ms": round(1000 * score.end_seconds),
                "notes_lag_ms": round(1000 * lags[song.key]),
                "on_grid": round(song.grid.on_grid, 2),
                "right_tempo_in": others,
            }
        )
    return {"table": table, "reliability": bins, "brier": round(brier, 4), "failures": failures}


def note_lag(note_seconds: Any, heard: Heard) -> float:
    """Seconds, within 60 ms, that the onsets come after the mapper's notes, over the song: where
    the notes themselves lie off the sound no reading of it can meet them."""
    import numpy as np

    notes = np.unique(np.round(note_seconds, 3))
    lags = np.arange(-60, 61) / 1000
    strength = [np.interp(notes + lag, heard.curve.times, heard.curve.full).mean() for lag in lags]
    return float(lags[int(np.argmax(strength))])


def _text(about: str, report: Mapping[str, Any]) -> str:
    lines = [about, "", f"| system | {' | '.join(METRICS)} |", "| --- |" + " --- |" * len(METRICS)]
    for name, row in report["table"].items():
        cells = []
        for metric in METRICS:
            one = row[metric]
            cell = f"{one['mean']:.1%}"
            if one["low"] is not None:
                cell += f" [{one['low']:.0%}, {one['high']:.0%}]"
            cells.append(cell)
        lines.append(f"| {NAMES[name]} | {' | '.join(cells)} |")
    lines += ["", f"confidence (that exact and phase hold), Brier score {report['brier']:.3f}:"]
    lines += ["| n | mean confidence | right |", "| --- | --- | --- |"]
    lines += [
        f"| {row['n']} | {row['confidence']:.2f} | {row['right']:.2f} |"
        for row in report["reliability"]
    ]
    lines += ["", "songs where something is wrong:"]
    for row in report["failures"]:
        also = f", right tempo is reading {row['right_tempo_in']}" if row["right_tempo_in"] else ""
        lines.append(
            f"{row['song']}: {', '.join(row['wrong'])}; stated {row['stated']} (fitted"
            f" {row['fitted']}, {row['on_grid']:.0%} on it), found {row['found']:g} at"
            f" {row['confidence']:.2f}; {row['start_ms']:+d} ms at the start, {row['end_ms']:+d} ms"
            f" at the end, {row['beats_off']:+.2f} beats; onsets lie {row['notes_lag_ms']:+d} ms"
            f" after the notes{also}"
        )
    return "\n".join(lines)


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main())
