"""Feed damaged levels to the readers: each must be read, or refused in our own words.

``python -m saberlm.scripts.fuzz_levels [--runs N] [--levels DATA] [--seed S]`` damages Info,
difficulty and zip bytes of made-up levels of every format version (and of real ones from a folder
of level folders), reads, tokenises and rewrites each in one version, and fails on any exception but
`LevelError`, on more than 2 seconds and on more than 500 MB.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import logging
import resource
import signal
import sys
import tempfile
import traceback
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from saberlm.prompts.beatmap import (
    Arc,
    Beatmap,
    Bomb,
    BoostEvent,
    BpmEvent,
    Chain,
    ColorNote,
    Difficulty,
    LevelInfo,
    LightEvent,
    Obstacle,
)
from saberlm.prompts.errors import LevelError
from saberlm.prompts.mapfile import read_level, write_level
from saberlm.prompts.snap import snap
from saberlm.prompts.tokens import encode

MAX_SECONDS = 2.0
"""Of processor time, so that a busy machine makes no faults."""
MAX_BYTES = 500 * 2**20
MAX_SEED_BYTES = 150_000
"""Real levels with larger files are no seeds: they are slow to mutate and hold nothing new."""

Files = dict[str, bytes]
VALUES: tuple[Any, ...] = (
    None,
    True,
    "",
    "abc",
    "1.5",
    "NaN",
    -1,
    0,
    1e308,
    -1e308,
    float("nan"),
    float("inf"),
    10**400,
    2**63,
    2_000_000_123,
    1e12,
    0.5,
    [],
    {},
    [[]],
    {"a": {"a": {}}},
    "\ud800",
    "\x00",
    "4.0.0",
    "3.3.0",
    "2.0.0",
    "9.9.9",
)
"""What a field is replaced by: wrong kinds, edges and other versions."""
SPLICES = (
    b"",
    b"{",
    b"]",
    b",",
    b'"',
    b"\xff",
    b"\x00",
    b"\x1f\x8b",
    b"\xef\xbb\xbf",
    b"1e999",
    b"-",
)


class TooSlow(Exception):
    """A level took longer than `MAX_SECONDS`."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--levels", type=Path, metavar="DATA", help="folder of level folders")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="save levels that fail here")
    args = parser.parse_args()
    from tqdm import trange

    logging.disable(logging.WARNING)  # what a format cannot hold is said for every level
    random = Random(args.seed)
    seeds = [*made_up_levels(), *(real_levels(args.levels) if args.levels else ())]
    outcomes, faults = Counter[str](), 0
    with tempfile.TemporaryDirectory(prefix="saberlm-") as folder:
        for run in trange(args.runs, unit="level", file=sys.stderr):
            path = Path(folder) / "level.zip"
            path.write_bytes(damaged(random.choice(seeds), random))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            outcome = try_level(path, rewrite=(random.choice((2, 3, 4)),))
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
            if grown > MAX_BYTES:
                outcome = f"FAULT: {grown / 2**20:.0f} MB"
            outcomes[outcome.splitlines()[0]] += 1
            if outcome.startswith("FAULT"):
                faults += 1
                print(f"run {run}: {outcome}", file=sys.stderr)
                if args.keep:
                    args.keep.mkdir(parents=True, exist_ok=True)
                    (args.keep / f"{args.seed}-{run}.zip").write_bytes(path.read_bytes())
    for outcome, count in outcomes.most_common():
        print(f"{count:8} {outcome}")
    return 1 if faults else 0


def try_level(path: Path, rewrite: Sequence[int] = (2, 3, 4)) -> str:
    """What became of a level: ``read``, ``refused`` or a ``FAULT`` with its traceback.

    Reading, tokenising each difficulty and each rewriting have `MAX_SECONDS` of their own.
    """

    def late(signum: int, frame: FrameType | None) -> None:
        raise TooSlow

    signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
    try:
        level = read_level(path, characteristic=None)
        for difficulty in level.difficulties:
            signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
            encode(snap(difficulty.beatmap)[0])
        for version in rewrite:
            signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
            target = path.with_name(f"again{version}.zip")
            write_level(target, level.info, level.difficulties, {}, version=version)
    except LevelError as error:
        signal.setitimer(signal.ITIMER_PROF, 0)
        message = str(error)
        if "\n" in message or "expected" not in message or len(message) > 2000:
            return f"FAULT: a message that says too little or too much: {message[:300]!r}"
        return "refused"
    except TooSlow:
        return f"FAULT: over {MAX_SECONDS:g} s\n{traceback.format_exc(limit=-6)}"
    except Exception:
        return f"FAULT: another exception\n{traceback.format_exc(limit=-6)}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return "read"


def damaged(files: Files, random: Random) -> bytes:
    """A level as a zip, with one file's fields or bytes damaged, or the zip's own bytes."""
    files = dict(files)
    how = random.random()
    name = random.choice([one for one in files if one.lower().endswith(".dat")])
    if how < 0.55:
        files[name] = _damaged_fields(files[name], random)
    elif how < 0.8:
        files[name] = _damaged_bytes(files[name], random)
    elif how < 0.85:
        files[name] = gzip.compress(files[name], mtime=0)
        if random.random() < 0.5:
            files[name] = _damaged_bytes(files[name], random)
    elif how < 0.9:
        kept = files.pop(name)
        other = random.choice([name.upper(), f"folder/{name}", f"../{name}", "/", name + "\0", ""])
        if other:
            files[other] = kept
    packed = _zipped(files)
    return _damaged_bytes(packed, random) if how >= 0.9 else packed


def _zipped(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, 1)
    return stream.getvalue()


def _damaged_bytes(data: bytes, random: Random) -> bytes:
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 5, 30))):
        at = random.randrange(len(out) + 1)
        length = random.choice((1, 1, 4, 64, 4096))
        choice = random.randrange(5)
        if choice == 0 and at < len(out):
            out[at] ^= 1 << random.randrange(8)
        elif choice == 1:
            del out[at : at + length]
        elif choice == 2:
            out[at:at] = random.choice(SPLICES) * random.choice((1, 1, 1, 3000))
        elif choice == 3:
            out[at:at] = out[at : at + length]
        else:
            del out[at:]
    return bytes(out)


def _damaged_fields(data: bytes, random: Random) -> bytes:
    """One to five fields replaced, renamed, removed or repeated."""
    try:
        tree = json.loads(data.decode("utf-8-sig"))
    except ValueError:
        return _damaged_bytes(data, random)
    for _ in range(random.choice((1, 1, 2, 5))):
        places = list(_places(tree, random))
        if not places:
            break
        parent, key = random.choice(places)
        choice = random.random()
        if choice < 0.7:
            parent[key] = random.choice(VALUES)
        elif choice < 0.8:
            del parent[key]
        elif isinstance(parent, dict):
            parent[random.choice(["_" + key, key.strip("_"), key.upper(), "version"])] = parent[key]
        else:
            parent[key:key] = [parent[key]] * random.choice((1, 2, 300))
    return json.dumps(tree).encode("utf-8", "surrogatepass")


def _places(tree: Any, random: Random) -> Iterator[tuple[Any, Any]]:
    """Places in a JSON tree; of long lists a few entries, so that headers are hit as well."""
    if isinstance(tree, dict):
        keys: list[Any] = list(tree)
    elif isinstance(tree, list):
        keys = random.sample(range(len(tree)), min(len(tree), 3))
    else:
        return
    for key in keys:
        yield tree, key
        yield from _places(tree[key], random)


def real_levels(root: Path) -> Iterator[Files]:
    """The ``.dat`` files of every level folder below ``root``."""
    for folder in sorted({p.parent for p in root.rglob("*") if p.name.lower() == "info.dat"}):
        files = {p.name: p.read_bytes() for p in folder.glob("*.dat")}
        if max(map(len, files.values())) <= MAX_SEED_BYTES:
            yield files


def made_up_levels() -> list[Files]:
    """A small level with every kind of object, in each format that is written."""
    beatmap = Beatmap(
        color_notes=tuple(
            ColorNote(float(i), i % 4, i % 3, i % 2, i % 9, 15 * (i % 3)) for i in range(12)
        ),
        bombs=(Bomb(12.0, 0, 0), Bomb(12.5, 3, 2, extra={"customData": {"track": "a"}})),
        obstacles=(Obstacle(13.0, 0, 0, 2.0, 1, 5), Obstacle(14.0, 2, 2, 1.0, 2, 3)),
        arcs=(Arc(0.0, 0, 0, 0, 0, 2.0, 2, 2, 2),),
        chains=(Chain(4.0, 0, 1, 0, 4, 4.5, 1, 2, 4, 0.5),),
        lights=tuple(LightEvent(i / 2, i % 5, i % 8, 1.0) for i in range(20)),
        boosts=(BoostEvent(3.0, True),),
        bpm_events=(BpmEvent(0.0, 120.0), BpmEvent(8.0, 140.0)),
        extra={"customData": {"time": 3.5}},
    )
    info = LevelInfo(title="Song", bpm=120.0, artist="Artist", mapper="Mapper", duration=60.0)
    levels = []
    with tempfile.TemporaryDirectory(prefix="saberlm-") as folder:
        for version in (2, 3, 4):
            path = Path(folder) / f"{version}.zip"
            rows = [
                Difficulty("Standard", name, 16.0, 0.0, beatmap) for name in ("Hard", "ExpertPlus")
            ]
            write_level(path, info, rows, {"song.egg": b"", "cover.png": b""}, version=version)
            with zipfile.ZipFile(path) as archive:
                levels.append({name: archive.read(name) for name in archive.namelist()})
    return levels


if __name__ == "__main__":
    sys.exit(main())
