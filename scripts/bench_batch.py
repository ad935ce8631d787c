"""How many songs an hour: a process for each, one by one through one mapper, and as a batch.

    python -m saberlm.scripts.bench_batch SONG... -d ExpertPlus
    python -m saberlm.scripts.bench_batch SONG... --stages

Each way runs the command that people run, on the same songs, requests and seed; levels are compared
byte by byte. Wall time, and CPU time (of all processes together), which says more on a machine with
other work. With ``--stages`` it says instead where the CPU time of a song goes, one row at a time
and ``--rows`` at a time, in one process. Numba's kernels are compiled before the clock starts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saberlm.scripts.bench_infer import Clock

if TYPE_CHECKING:
    from saberlm.infer.mapper import Mapper

WAYS = ("process", "one", "batch", "workers")
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of Linux' prctl.h


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where the ways do not make the same levels."""
    parser = argparse.ArgumentParser(prog="bench_batch", description=__doc__)
    parser.add_argument("songs", nargs="+", type=Path, metavar="SONG")
    parser.add_argument("-d", "--difficulty", default="ExpertPlus")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=16, help="of a batch (default 16)")
    parser.add_argument(
        "--ways",
        nargs="+",
        choices=WAYS,
        default=list(WAYS),
        help="a process a song; one process, one row at a time; one process, --rows at a time; as"
        " many workers as saberlm batch takes by itself",
    )
    parser.add_argument("--stages", action="store_true", help="where the time of a song goes")
    parser.add_argument("--json", metavar="FILE", help="write the figures here as well")
    args = parser.parse_args(argv)

    _adopt()
    _compile(args)
    figures = _stages(args) if args.stages else _ways(args)
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return int(not figures.get("equal", True))


def _options(args: argparse.Namespace) -> list[str]:
    return ["-d", args.difficulty, "--model", args.model, "--seed", str(args.seed)]


def _commands(
    args: argparse.Namespace, way: str, songs: Sequence[Path], out: Path
) -> list[list[str]]:
    saberlm = [sys.executable, "-m", "saberlm.scripts.cli"]
    if way == "process":
        return [
            [*saberlm, "map", str(song), "-o", str(out / f"{song.stem}.zip"), *_options(args)]
            for song in songs
        ]
    rows = 1 if way == "one" else args.rows
    workers = [] if way == "workers" else ["--workers", "1"]
    batch = [*saberlm, "batch", *map(str, songs), "--out", str(out), "--rows", str(rows)]
    return [[*batch, *workers, *_options(args)]]


def _compile(args: argparse.Namespace) -> None:
    """One song through one process, so that what numba keeps on disk is there."""
    with tempfile.TemporaryDirectory() as folder:
        _run(_commands(args, "process", args.songs[:1], Path(folder)))


def _run(commands: Sequence[Sequence[str]]) -> None:
    import subprocess

    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stderr}")
    with contextlib.suppress(ChildProcessError):  # there is none left
        while True:
            os.waitpid(-1, 0)


def _adopt() -> None:
    """Let processes come to this one whose parent ends before them, as workers' common one does, so
    that their CPU time is counted."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def _ways(args: argparse.Namespace) -> dict[str, Any]:
    """Each way by the clock."""
    import resource

    from saberlm.infer.batch_run import usual_workers

    said = {
        "process": "a process a song",
        "one": "one process, one row at a time",
        "batch": f"one process, {args.rows} rows at a time",
        "workers": f"{usual_workers()} workers, {args.rows} rows at a time each",
    }
    count = len(args.songs)
    figures: dict[str, Any] = {"songs": count}
    made: dict[str, dict[str, bytes]] = {}
    print(f"{count} songs, {args.difficulty}, seed {args.seed}")
    print(f"{'way':36} {'wall s':>8} {'CPU s':>8} {'CPU s a song':>13} {'songs/hour':>11}")
    for way in args.ways:
        with tempfile.TemporaryDirectory() as folder:
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            _run(_commands(args, way, args.songs, Path(folder)))
            wall, after = (
                time.perf_counter() - started,
                resource.getrusage(resource.RUSAGE_CHILDREN),
            )
            made[way] = _maps(Path(folder))
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        figures[way] = {"wall": wall, "cpu": cpu, "songs_per_hour": 3600 * count / wall}
        rate = f"{cpu / count:13.2f} {3600 * count / wall:11.0f}"
        print(f"{said[way]:36} {wall:8.1f} {cpu:8.1f} {rate}", flush=True)
    first = made[args.ways[0]]
    figures["equal"] = all(one == first for one in made.values()) and len(first) == count
    print(f"levels equal: {'yes' if figures['equal'] else 'NO'}")
    for way in args.ways[1:]:
        gains = [figures[args.ways[0]][clock] / figures[way][clock] for clock in ("wall", "cpu")]
        print(
            f"{said[way]} against {said[args.ways[0]]}: {gains[0]:.2f} times the songs an hour,"
            f" {gains[1]:.2f} times those of a CPU second"
        )
    return figures


def _maps(folder: Path) -> dict[str, bytes]:
    """What the levels of a folder hold besides Info.dat, which says how each was made."""
    import zipfile

    found = {}
    for path in sorted(folder.glob("*.zip")):
        with zipfile.ZipFile(path) as level:
            names = sorted(name for name in level.namelist() if name.lower() != "info.dat")
            found[path.name] = b"".join(name.encode() + level.read(name) for name in names)
    return found


def _stages(args: argparse.Namespace) -> dict[str, Any]:
    """CPU seconds a song by stage, one row at a time and many."""
    from saberlm.infer.mapper import Mapper

    columns: dict[str, dict[str, float]] = {}
    clock = Clock()
    mapper = Mapper.from_pretrained(args.model, rows=args.rows)
    _watch(mapper, clock)
    for rows in (1, args.rows):
        clock.wall.clear()
        clock.cpu.clear()
        mapper.engine.max_rows = rows
        with clock.stage("the rest, in Python"), tempfile.TemporaryDirectory() as folder:
            asked = [
                mapper.request(song, difficulties=[args.difficulty], seed=args.seed)
                for song in args.songs
            ]
            for number, level in mapper.each(map(mapper.listen, asked)):
                level.save(Path(folder) / f"{number}.zip")
        columns[f"{rows} at a time"] = {
            name: seconds / len(args.songs) for name, seconds in clock.cpu.items()
        }
    print(f"CPU s a song ({len(args.songs)} songs, {args.difficulty}, seed {args.seed})")
    print(f"{'stage':32}" + "".join(f"{name:>16}" for name in columns))
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    for name in names:
        print(f"{name:32}" + "".join(f"{one.get(name, 0.0):16.3f}" for one in columns.values()))
    print(f"{'all':32}" + "".join(f"{sum(one.values()):16.3f}" for one in columns.values()))
    return {"songs": len(args.songs), "stages": columns}


def _watch(mapper: Mapper, clock: Clock) -> None:
    from saberlm.infer import mapper as listening
    from saberlm.infer import motif, pack, rounds, row_grammar, row_sampler
    from saberlm.infer.mapper import MappedLevel
    from saberlm.infer.playability import RowPlayability

    def forward(_slots: Any, pieces: Any) -> str:
        return "decoder: a token a row" if all(len(p) == 1 for p in pieces) else "decoder: pieces"

    clock.watch(listening, "load_audio", "read the song")
    clock.watch(listening, "estimate_tempo", "tempo")
    clock.watch(listening, "encode_song", "encode")
    clock.watch(rounds, "make_passes", "plan the rhythm")
    clock.watch(rounds, "light_map", "notes given to the lights")
    clock.watch(mapper.engine.decoder, "extend", forward)
    for owner, method, name in (
        *((row_grammar, one, "grammar and wishes") for one in ("legal_ids", "step")),
        (row_sampler, "_allow", "grammar and wishes"),
        *((motif.MotifMemory, one, "motifs") for one in ("adjust", "say")),
        *((RowPlayability, one, "playability") for one in ("penalties", "place")),
        (row_sampler, "_choose", "sampling"),
        (pack, "load_audio", "pack: read the song again"),
        (pack, "prepare_audio", "pack: to Ogg Vorbis"),
        (pack, "draw_cover", "pack: cover"),
        (MappedLevel, "save", "pack: the rest"),
    ):
        clock.watch(owner, method, name)


if __name__ == "__main__":
    sys.exit(main())
