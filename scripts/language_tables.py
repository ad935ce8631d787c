"""The tables of ``prompts/README.md``: what real maps become on their way through the tokens.

``python -m saberlm.scripts.language_tables DATA`` takes a folder of level folders, zips and
``.tar.xz`` archives of such, and prints Markdown: which files were read, what came back from the
tokens, what was moved or dropped, and how many tokens a map takes.
"""

from __future__ import annotations

import argparse
import re
import sys
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from saberlm.prompts.beatmap import DIFFICULTIES, Difficulty
from saberlm.prompts.grammar import Grammar
from saberlm.prompts.mapfile import read_level
from saberlm.prompts.round_trip import KINDS, RoundTrip, round_trip

HALF_TICK = 1 / 96
MOD_REQUIREMENTS = {"noodle extensions", "mapping extensions"}


@dataclass
class LevelRow:
    """What became of one level folder."""

    refused: str = ""
    versions: Counter[str] = field(default_factory=Counter)
    unread: list[str] = field(default_factory=list)
    mended: Counter[str] = field(default_factory=Counter)
    modded: int = 0
    trips: list[tuple[str, RoundTrip]] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    from tqdm import tqdm

    with tempfile.TemporaryDirectory(prefix="saberlm-") as unpacked:
        levels = list(_levels(args.data, Path(unpacked)))
        if not levels:
            raise SystemExit(f"{args.data}: expected level folders, zips or archives, found none")
        with ProcessPoolExecutor(args.jobs) as pool:
            done = pool.map(_one, levels, chunksize=4)
            rows = list(tqdm(done, total=len(levels), unit="level", file=sys.stderr))
    print("\n".join(_report(rows)))
    return 0


def _levels(data: Path, unpacked: Path) -> Iterator[Path]:
    """Every level below ``data``, those in archives too."""
    for number, archive in enumerate(sorted(data.rglob("*.tar.xz"))):
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked / str(number), filter="data")
    for root in (data, unpacked):
        infos = (p for p in root.rglob("*") if p.name.lower() in ("info.dat", "info.json"))
        yield from sorted({p.parent for p in infos} | set(root.rglob("*.zip")))


@cache
def _grammar() -> Grammar:
    return Grammar()


def _one(path: Path) -> LevelRow:
    """Read a level and send each Standard difficulty through the tokens."""
    row = LevelRow()
    try:
        level = read_level(path, characteristic=None)
    except ValueError as error:
        row.refused = _reason(str(error))
        return row
    row.mended.update(level.notes_on_reading)
    row.unread = [_reason(reason) for _, reason in level.unread]
    for difficulty in level.difficulties:
        version = difficulty.version or "none given"
        row.versions[f"Info {level.info.version or '1'}, difficulty {version}"] += 1
        row.mended.update(difficulty.notes_on_reading)
        if difficulty.characteristic != "Standard":
            continue
        if _needs_mods(difficulty):
            row.modded += 1
            continue
        row.trips.append((difficulty.name, round_trip(difficulty.beatmap, _grammar())))
    return row


def _needs_mods(difficulty: Difficulty) -> bool:
    custom = (difficulty.extra or {}).get("customData")
    found = custom.get("_requirements") or custom.get("requirements") if custom else None
    return isinstance(found, list) and any(str(one).lower() in MOD_REQUIREMENTS for one in found)


def _reason(message: str) -> str:
    """A refusal without what is particular to one level."""
    text = message[message.find("expected") :].partition(": likely")[0]
    return re.sub(r"'[^']*'|\"[^\"]*\"|\d+", "…", text)


def _report(rows: list[LevelRow]) -> Iterator[str]:
    versions, mended, unread = Counter[str](), Counter[str](), Counter[str]()
    for row in rows:
        versions.update(row.versions)
        mended.update(row.mended)
        unread.update(row.unread)
    refused = Counter(row.refused for row in rows if row.refused)
    yield f"{len(rows)} levels: {len(rows) - refused.total()} read, {refused.total()} refused."
    yield from _table("Difficulties read", "version", versions)
    yield from _table("Levels refused", "reason", refused)
    yield from _table("Difficulty files not read in levels that were", "reason", unread)
    yield from _table("Mended, kept or dropped on reading", "what", mended)
    trips = [trip for row in rows for trip in row.trips]
    yield from _trip_report([trip for _, trip in trips], sum(row.modded for row in rows))
    yield from _token_report(trips)


def _table(title: str, what: str, counts: Counter[str]) -> Iterator[str]:
    if counts:
        yield from ("", f"**{title}**", "", f"| {what} | count |", "| --- | ---: |")
        yield from (f"| {key} | {count:,} |" for key, count in counts.most_common())


def _trip_report(trips: list[RoundTrip], modded: int) -> Iterator[str]:
    equal = sum(trip.equal for trip in trips)
    legal = sum(trip.legal for trip in trips)
    yield ""
    yield (
        f"{len(trips)} vanilla Standard difficulties ({modded} more need mods): {equal} came back "
        f"equal, {legal} streams within the grammar."
    )
    yield ""
    yield "| kind | objects | kept | off tick (> .001 beat) | error median | p99 | over 1/96 |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for kind in KINDS:
        before = sum(trip.objects[kind] for trip in trips)
        after = sum(trip.kept[kind] for trip in trips)
        errors = np.concatenate([trip.errors[kind] for trip in trips] or [np.zeros(0)])
        if not len(errors):
            yield f"| {kind} | 0 | 0 | | | | |"
            continue
        yield (
            f"| {kind} | {before:,} | {after:,} | {np.mean(errors > 1e-3):.2%} "
            f"| {np.median(errors):.5f} | {np.quantile(errors, 0.99):.5f} "
            f"| {np.mean(errors > HALF_TICK + 1e-9):.2%} |"
        )
    counts, removed = Counter[str](), Counter[str]()
    for trip in trips:
        counts.update(trip.counts)
        removed.update(trip.removed)
    yield from _table("Quantised or dropped on the way into tokens", "what", counts)
    yield from _table("Left out before that, as no unmodded game plays it", "what", removed)


def _token_report(trips: Iterable[tuple[str, RoundTrip]]) -> Iterator[str]:
    by_name: dict[str, list[RoundTrip]] = defaultdict(list)
    for name, trip in trips:
        if trip.kept["notes"]:
            by_name[name].append(trip)
    yield ""
    yield "| difficulty | n | tokens a note | with lights | tokens a song | with lights | a bar |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name in DIFFICULTIES:
        found = by_name[name]
        if not found:
            continue
        notes = np.array([trip.kept["notes"] for trip in found])
        plain = np.array([trip.note_tokens for trip in found])
        full = np.array([trip.all_tokens for trip in found])
        bars = np.array([trip.bars for trip in found])
        cells = (plain / notes, full / notes, plain, full, full / np.maximum(bars, 1))
        shown = " | ".join(
            f"{np.median(c):,.{d}f} / {np.quantile(c, 0.95):,.{d}f}"
            for c, d in zip(cells, (2, 2, 0, 0, 0), strict=True)
        )
        yield f"| {name} | {len(found)} | {shown} |"
    yield ""
    yield "Token counts are median / 95th percentile."


if __name__ == "__main__":
    sys.exit(main())
