"""Does a batch run survive being killed? Many short songs, some of them corrupt; the run is killed
at random moments and started again.

``python -m saberlm.scripts.check_batch_kill SONGS... --dir DIR [--n 200] [--seed 0]``: clips of the
songs under new names, one in twenty no song at all, go through ``saberlm batch``. The process is
killed (SIGKILL) ``--kills`` times, each at a random number of finished songs, and run once more to
its end. After each kill every level has to be whole and untouched by the runs before; at the end
each song has exactly one level and one line in the summary, the corrupt ones their fault, and
nothing else is left in the folder. What stands after ``--`` goes to ``saberlm batch``: ``-- --model
DIR --workers 2``.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CORRUPT_EVERY = 20
"""One song in so many is corrupt."""


@dataclass(frozen=True)
class Songs:
    """The songs of a check: their folder, and the names of the corrupt ones and of the others."""

    folder: Path
    whole: frozenset[str]
    corrupt: frozenset[str]


def make_songs(
    folder: Path, songs: Sequence[Path], n: int, seconds: float, chance: random.Random
) -> Songs:
    """Write ``n`` clips of about so many seconds, every twentieth corrupt: empty, a web page, noise
    under a sound's name, or a header alone.

    Raises:
        ValueError: a song that cannot be read or is shorter than a clip.
    """
    import soundfile

    from saberlm.adapter.audio import load_audio

    rate = 44_100
    sounds = [load_audio(song, rate)[0] for song in songs]
    for song, sound in zip(songs, sounds, strict=True):
        if len(sound) < seconds * rate * 1.2:
            raise ValueError(
                f"{song}: expected {seconds * 1.2:g} s or more, found {len(sound) / rate:.1f}"
            )
    folder.mkdir(parents=True)
    whole, corrupt = set(), set()
    for i in range(n):
        name = f"song {i:04d}"
        if i % CORRUPT_EVERY == CORRUPT_EVERY // 2:
            suffix, data = chance.choice(
                [
                    (".mp3", b""),
                    (".ogg", b"<html>not found</html>" * 50),
                    (".flac", chance.randbytes(5000)),
                    (".wav", b"RIFF" + chance.randbytes(100)),
                ]
            )
            (folder / f"{name}{suffix}").write_bytes(data)
            corrupt.add(name)
            continue
        sound = sounds[i % len(sounds)]
        length = int(rate * seconds * chance.uniform(0.8, 1.2))
        start = chance.randrange(len(sound) - length + 1)
        soundfile.write(folder / f"{name}.wav", sound[start : start + length], rate)
        whole.add(name)
    return Songs(folder, frozenset(whole), frozenset(corrupt))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the script."""
    parser.add_argument("songs", nargs="+", type=Path, help="sound files that clips are cut from")
    parser.add_argument(
        "--dir", type=Path, required=True, help="new folder for clips, levels and logs"
    )
    parser.add_argument("--n", type=int, default=200, help="songs (default 200)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a clip, about (default 10)")
    parser.add_argument("--kills", type=int, default=3, help="times that it is killed (default 3)")
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace, options: Sequence[str] = ()) -> int:
    """Make the songs, kill, run to the end, look; 1 where anything is amiss."""
    import json
    import subprocess
    import time

    from saberlm.infer.batch_folder import LOCK_NAME, SUMMARY_NAME
    from saberlm.prompts.mapfile import read_level

    chance = random.Random(args.seed)
    songs = make_songs(args.dir / "songs", args.songs, args.n, args.seconds, chance)
    out = args.dir / "levels"
    command = [sys.executable, "-m", "saberlm.scripts.cli", "batch", str(songs.folder)]
    command += ["--out", str(out), "--no-lights", *options]
    faults: list[str] = []
    kept: dict[str, int] = {}

    def look(when: str) -> None:
        """See that finished levels are whole, and those of earlier runs untouched."""
        nonlocal kept
        now = {path.name: path.stat().st_mtime_ns for path in out.glob("*.zip")}
        again = [name for name, made in kept.items() if now.get(name) != made]
        if again:
            faults.append(f"{when}: made again or lost: {', '.join(sorted(again))}")
        for name in now:
            try:
                if not read_level(out / name).difficulties:
                    raise ValueError("no difficulty")
            except ValueError as error:
                faults.append(f"{when}: {name} is no whole level ({error})")
        kept = now

    # in each part of the run one, so that every kill falls into work
    parts = [len(songs.whole) * k / args.kills for k in range(args.kills + 1)]
    for kill in range(args.kills):
        wanted = int(chance.uniform(parts[kill], parts[kill + 1]))
        with (args.dir / f"run{kill}.log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
            while process.poll() is None and len(list(out.glob("*.zip"))) < wanted:
                time.sleep(0.02)
            time.sleep(chance.uniform(0.0, 2.0))
            if process.poll() is not None:
                faults.append(f"run {kill} ended before it was killed")
            process.kill()
            process.wait()
        look(f"kill {kill + 1}")
        print(f"kill {kill + 1}: {len(kept)} of {len(songs.whole)} songs done", flush=True)
    with (args.dir / f"run{args.kills}.log").open("w") as log:
        code = subprocess.run(command, stdout=log, stderr=log, check=False).returncode
    look("end")
    if code != int(bool(songs.corrupt)):
        faults.append(f"end: exit code {code}")
    if {Path(name).stem for name in kept} != songs.whole:
        faults.append(f"end: {len(kept)} levels of {len(songs.whole)} songs")
    lines = (out / SUMMARY_NAME).read_text(encoding="utf-8").splitlines()
    rows = [(Path(row["song"]).stem, row["status"]) for row in map(json.loads, lines)]
    wanted_rows = [(name, "done") for name in songs.whole]
    wanted_rows += [(name, "failed") for name in songs.corrupt]
    if sorted(rows) != sorted(wanted_rows):
        faults.append(f"end: {len(rows)} lines in the summary that are not one a song, as it is")
    left = {path.name for path in out.iterdir()} - set(kept) - {LOCK_NAME, SUMMARY_NAME}
    if left:
        faults.append(f"end: left in the folder: {', '.join(sorted(left))}")
    told = {"songs": args.n, "levels": len(kept), "corrupt": len(songs.corrupt)}
    print(json.dumps({**told, "kills": args.kills, "seed": args.seed, "faults": faults}))
    return int(bool(faults))


def main(argv: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if argv is None else argv)
    options: list[str] = []
    if "--" in given:
        at = given.index("--")
        given, options = given[:at], given[at + 1 :]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    try:
        return run(parser.parse_args(given), options)
    except (ValueError, FileExistsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
