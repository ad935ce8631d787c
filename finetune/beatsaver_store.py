"""A folder of maps from BeatSaver that can be stopped at any moment and gone on with.

========================  ======================================================================
``pages/SCAN-00000.json``  what the API said, page by page, with the cursor of the next; SCAN
                          names the search, so that another search begins its own
``zips/HASH.zip``         checked maps; nothing lies there under its final name unchecked
``manifest.jsonl``        what `saberlm data build` reads (`saberlm.finetune.sources`)
========================  ======================================================================

Every file is written under another name and renamed, so a kill leaves whole files alone. Pages hold
everything, wanted or not: other filters over the same scan cost no request. A finished scan is
taken as it was; `forget_pages` begins another, for maps uploaded since.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from saberlm.finetune.beatsaver import BeatSaverClient, DamagedError, GoneError, Page, pages
from saberlm.finetune.beatsaver_records import MapFilter, MapRecord, Sieve

VALID_PERCENT = 5
"""Of the mappers, chosen by a hash of who they are."""
MANIFEST_EVERY = 25
"""Maps after which the manifest is written anew."""

_log = logging.getLogger(__name__)


@dataclass
class DownloadReport:
    """What a download saw, took and left, and why."""

    scanned: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    wanted: int = 0
    fetched: int = 0
    kept: int = 0
    failed: list[str] = field(default_factory=list)
    splits: Counter[str] = field(default_factory=Counter)

    def render(self) -> str:
        """The report as text."""
        lines = [
            f"{self.scanned} maps seen, {self.wanted} wanted; left out:",
            *(f"  {n:8} {why}" for why, n in self.refused.most_common()),
            f"{self.kept} were here, {self.fetched} fetched, {len(self.failed)} failed",
            *(f"  {line}" for line in self.failed),
            "in the manifest: " + (", ".join(f"{n} {s}" for s, n in self.splits.items()) or "none"),
        ]
        return "\n".join(lines)


def find_maps(
    client: BeatSaverClient,
    out: Path | None,
    wanted: MapFilter,
    *,
    limit: int | None = None,
    query: Mapping[str, str] | None = None,
) -> tuple[list[MapRecord], DownloadReport]:
    """Look for wanted maps, going on with a scan that was begun.

    Args:
        client: to ask.
        out: folder that keeps the pages; None, or one without pages, keeps nothing.
        wanted: which maps.
        limit: stop at so many.
        query: a search in BeatSaver's own parameters; None goes through all maps by date.

    Returns:
        The maps in the API's order, and the report so far.

    Raises:
        ValueError: no answer, or scores that say nothing (`Sieve`).
    """
    sieve = Sieve(wanted, limit)
    with tqdm(desc="looking for maps", unit="page", disable=None) as bar:
        for page in _kept_or_asked(client, out, query):
            sieve.add(page.documents)
            bar.update()
            oldest = page.documents[-1].get("uploaded") if page.documents else None
            past = query is None and wanted.since and oldest and oldest < wanted.since
            if sieve.full or past:
                break
    sieve.check_scores()
    return sieve.chosen, DownloadReport(sieve.seen, sieve.refused, len(sieve.chosen))


def _kept_or_asked(
    client: BeatSaverClient, out: Path | None, query: Mapping[str, str] | None
) -> Iterator[Page]:
    folder = None if out is None else out / "pages"
    scan = "latest"
    if query is not None:
        told = json.dumps(dict(sorted(query.items())))
        scan = "search-" + hashlib.sha256(told.encode()).hexdigest()[:8]
    number, cursor = 0, None
    while folder is not None and (path := folder / f"{scan}-{number:05d}.json").is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        page = Page(kept["documents"], kept["cursor"])
        yield page
        number, cursor = number + 1, page.cursor
        if cursor is None:
            return

    def turn(at: str | None) -> Page:
        return client.latest(at) if query is None else client.search(query, at)

    for page in pages(turn, cursor):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            _write(folder / f"{scan}-{number:05d}.json", json.dumps(asdict(page)))
        number += 1
        yield page


def forget_pages(out: Path) -> None:
    """Remove the pages kept in a folder; its maps stay."""
    for page in (out / "pages").glob("*.json"):
        page.unlink()


def fetch_maps(
    client: BeatSaverClient, out: Path, records: Sequence[MapRecord], report: DownloadReport
) -> DownloadReport:
    """Download the maps that are not here yet, and write the manifest.

    A map that vanished or is not what its hash says is named in the report and left out.

    Args:
        client: to ask.
        out: the folder.
        records: of `find_maps`.
        report: of `find_maps`; filled in.

    Raises:
        ValueError: the server does not answer at all; what came before is kept.
    """
    zips = out / "zips"
    zips.mkdir(parents=True, exist_ok=True)
    here: list[MapRecord] = []
    try:
        for record in tqdm(records, desc="downloading", unit="map", disable=None):
            target = zips / f"{record.hash}.zip"
            if target.is_file():
                report.kept += 1
            else:
                try:
                    client.download(record.download_url, record.hash, target)
                except (GoneError, DamagedError) as error:
                    report.failed.append(f"{record.id} {record.title}: {error}")
                    continue
                report.fetched += 1
            here.append(record)
            if report.fetched and report.fetched % MANIFEST_EVERY == 0:
                write_manifest(out, here, report)
    finally:
        write_manifest(out, here, report)
    return report


def write_manifest(out: Path, records: Sequence[MapRecord], report: DownloadReport) -> None:
    """Write ``manifest.jsonl`` for the maps that are here.

    No song and no mapper is in both splits: mappers are dealt out by a hash, and a train map whose
    song the valid split has is left out and counted.
    """
    valid_songs = {song_name(one) for one in records if _is_valid(one)}
    report.splits.clear()
    lines = []
    for record in records:
        split = "valid" if _is_valid(record) else "train"
        if split == "train" and song_name(record) in valid_songs:
            report.splits["left out of train (song of the valid split)"] += 1
            continue
        report.splits[split] += 1
        lines.append(json.dumps(manifest_row(record, split), ensure_ascii=False))
    _write(out / "manifest.jsonl", "".join(f"{line}\n" for line in lines))


def manifest_row(record: MapRecord, split: str) -> dict[str, Any]:
    """A map's line of the manifest; its number is its BeatSaver id."""
    return {
        "n": int(record.id, 16),
        "id": record.id,
        "dat": f"zips/{record.hash}.zip",
        "audio": None,  # inside the zip
        "split": split,
        "beatsaver_key": record.id,
        "beatsaver_hash": record.hash,
        "song": record.title,
        "song_author": record.artist,
        "mapper": record.mapper,
        "bpm": record.bpm,
        "duration": record.duration,
        "uploaded": record.uploaded,
        "tags": list(record.tags),
        "quality": {
            "upvotes": record.upvotes,
            "downvotes": record.downvotes,
            "rating": record.score,
            "ranked": record.ranked,
            "curated": record.curated,
        },
        "difficulties": [asdict(one) for one in record.difficulties],
    }


def song_name(record: MapRecord) -> str:
    """Title and artist in letters and digits alone: maps of one song have one, mostly."""
    return "".join(c for c in f"{record.title} {record.artist}".casefold() if c.isalnum())


def _is_valid(record: MapRecord) -> bool:
    digest = hashlib.sha256((record.uploader or record.mapper).encode()).hexdigest()
    return int(digest[:8], 16) % 100 < VALID_PERCENT


def plan(records: Sequence[MapRecord], out: Path, report: DownloadReport, seconds: float) -> str:
    """What a download would fetch, as text.

    Args:
        records: of `find_maps`.
        out: where they would go.
        report: of `find_maps`.
        seconds: between two requests.
    """
    lines = [report.render().splitlines()[0]]
    lines += [f"  {n:8} {why}" for why, n in report.refused.most_common()]
    missing = [one for one in records if not (out / "zips" / f"{one.hash}.zip").is_file()]
    lines.append(
        f"would fetch {len(missing)} maps ({len(records) - len(missing)} are here), in"
        f" {len(missing) * seconds / 60:.1f} minutes at least:"
    )
    for one in missing:
        names = "/".join(d.difficulty for d in one.difficulties if d.characteristic == "Standard")
        score = "  none" if one.score is None else f"{one.score:6.3f}"
        lines.append(
            f"  {one.id:>6} {score} {one.upvotes:>6}+ {one.downvotes:>4}- {one.title[:40]:<40}"
            f" by {one.mapper[:24]} ({names})"
        )
    return "\n".join(lines)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
