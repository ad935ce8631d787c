"""What BeatSaver says of a map, read from its JSON, and which maps are wanted.

The fields are those of ``api.beatsaver.com`` in November 2026: ``stats`` (votes, score),
``versions[]`` (hash, download, difficulties), ``automapper``, ``declaredAi`` and ``sageScore``
(machine-made), ``ranked``, ``blRanked`` and ``curatedAt``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

MODS = {"ne": "Noodle Extensions", "me": "Mapping Extensions", "vivify": "Vivify"}
"""Mods that change what is played; Chroma and Cinema only change what is seen."""
SAME_SCORES = 20
"""So many maps do not all have one score, unless it is a default."""


@dataclass(frozen=True)
class DifficultyRecord:
    """One difficulty: ``mods`` are those of `MODS` that it needs."""

    characteristic: str
    difficulty: str
    notes: int
    nps: float
    njs: float
    mods: tuple[str, ...] = ()


@dataclass(frozen=True)
class MapRecord:
    """One map with its newest published version.

    ``score`` is BeatSaver's, None where it gave none; ``machine`` says why the map counts as
    machine-made, None where nothing says so; ``ranked`` holds for ScoreSaber or BeatLeader.
    """

    id: str
    hash: str
    download_url: str
    title: str
    artist: str
    mapper: str
    uploader: str
    bpm: float
    duration: float
    upvotes: int
    downvotes: int
    score: float | None
    ranked: bool
    curated: bool
    machine: str | None
    uploaded: str
    tags: tuple[str, ...] = ()
    difficulties: tuple[DifficultyRecord, ...] = field(default=())

    @property
    def votes(self) -> int:
        """Up and down."""
        return self.upvotes + self.downvotes

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> MapRecord | None:
        """Read a map's JSON; None where no version of it is published.

        Raises:
            ValueError: a field that every map has is missing or of another kind.
        """
        try:
            return cls._of(document)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(
                f"map {document.get('id', '?')}: expected BeatSaver's map JSON, found {what}:"
                " likely its API changed"
            ) from None

    @classmethod
    def _of(cls, document: Mapping[str, Any]) -> MapRecord | None:
        published = [v for v in document["versions"] if v.get("state", "Published") == "Published"]
        if not published:
            return None
        version = max(published, key=lambda v: str(v.get("createdAt", "")))
        about, stats = document["metadata"], document["stats"]
        score = stats.get("score")
        return cls(
            id=str(document["id"]),
            hash=str(version["hash"]).lower(),
            download_url=str(version["downloadURL"]),
            title=str(about["songName"]),
            artist=str(about.get("songAuthorName") or ""),
            mapper=str(about.get("levelAuthorName") or ""),
            uploader=str((document.get("uploader") or {}).get("id") or ""),
            bpm=float(about["bpm"]),
            duration=float(about.get("duration") or 0),
            upvotes=int(stats.get("upvotes") or 0),
            downvotes=int(stats.get("downvotes") or 0),
            score=None if score is None else float(score),
            ranked=bool(document.get("ranked") or document.get("blRanked")),
            curated=bool(document.get("curatedAt") or document.get("curator")),
            machine=_machine(document, version),
            uploaded=str(document.get("uploaded") or version.get("createdAt") or ""),
            tags=tuple(str(tag) for tag in document.get("tags") or ()),
            difficulties=tuple(
                DifficultyRecord(
                    str(one["characteristic"]),
                    str(one["difficulty"]),
                    int(one["notes"]),
                    float(one["nps"]),
                    float(one.get("njs") or 0),
                    tuple(mod for mod in MODS if one.get(mod)),
                )
                for one in version["diffs"]
            ),
        )


def _machine(document: Mapping[str, Any], version: Mapping[str, Any]) -> str | None:
    if document.get("automapper"):
        return "automapper"
    if document.get("declaredAi") not in (None, "", "None"):
        return f"declared AI ({document['declaredAi']})"
    sage = version.get("sageScore")
    return "sage score" if sage is not None and float(sage) < 0 else None


@dataclass(frozen=True)
class MapFilter:
    """Which maps are wanted; None asks for nothing. Machine-made maps never are.

    A map is wanted if a difficulty of its ``characteristic`` is: one with notes/s in range and,
    unless ``mods``, without a mod that changes what is played.
    """

    min_rating: float | None = None  # BeatSaver's score, 0 to 1
    min_votes: int = 0
    min_nps: float | None = None
    max_nps: float | None = None
    min_duration: float | None = None  # seconds
    max_duration: float | None = None
    since: str | None = None  # ISO dates of the upload; until is not included
    until: str | None = None
    mods: bool = False
    ranked: bool = False  # ranked maps alone
    curated: bool = False
    characteristic: str = "Standard"

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.min_rating is not None and not 0 <= self.min_rating <= 1:
            raise ValueError(
                f"min-rating: expected BeatSaver's score from 0 to 1, found {self.min_rating:g}:"
                " likely per cent"
            )
        for name in ("since", "until"):
            date = getattr(self, name)
            if date is not None:
                try:
                    datetime.fromisoformat(date)
                except ValueError:
                    raise ValueError(
                        f"{name}: expected a date such as 2024-01-31, found {date!r}"
                    ) from None

    def refusal(self, record: MapRecord) -> str | None:
        """Why a map is not wanted, None if it is."""
        wanted = [d for d in record.difficulties if d.characteristic == self.characteristic]
        unmodded = [d for d in wanted if self.mods or not d.mods]
        dense = [d for d in unmodded if _within(d.nps, self.min_nps, self.max_nps)]
        reasons = (
            ("machine-made", record.machine is not None),
            ("uploaded before", self.since is not None and record.uploaded < self.since),
            ("uploaded after", self.until is not None and record.uploaded >= self.until),
            (f"no {self.characteristic} difficulty", not wanted),
            ("needs mods", bool(wanted) and not unmodded),
            ("notes/s out of range", bool(unmodded) and not dense),
            ("too few votes", record.votes < self.min_votes),
            ("no score", self.min_rating is not None and record.score is None),
            ("score too low", (record.score or 0) < (self.min_rating or 0)),
            (
                "length out of range",
                not _within(record.duration, self.min_duration, self.max_duration),
            ),
            ("not ranked", self.ranked and not record.ranked),
            ("not curated", self.curated and not record.curated),
        )
        return next((why for why, holds in reasons if holds), None)


def _within(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


class Sieve:
    """Takes records as they come and keeps those that are wanted, each once.

    Attributes:
        chosen: wanted maps in order.
        refused: how many were not, by reason.
        seen: maps read, each counted once.

    Args:
        wanted: which maps.
        limit: keep at most so many.
    """

    def __init__(self, wanted: MapFilter, limit: int | None = None) -> None:
        self.wanted, self.limit = wanted, limit
        self.chosen: list[MapRecord] = []
        self.refused: Counter[str] = Counter()
        self._scores: Counter[float | None] = Counter()
        self._ids: set[str] = set()

    @property
    def seen(self) -> int:
        """Maps read."""
        return len(self._ids)

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return self.limit is not None and len(self.chosen) >= self.limit

    def add(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """A page of maps as BeatSaver's JSON.

        Raises:
            ValueError: not one of them reads, or all scores so far are null.
        """
        unread: list[str] = []
        for document in documents:
            if self.full:
                break
            try:
                record = MapRecord.of(document)
            except ValueError as error:
                unread.append(str(error))
                continue
            if record is None:
                self.refused["no published version"] += 1
            elif record.id not in self._ids:
                self._ids.add(record.id)
                self._scores[record.score] += 1
                why = self.wanted.refusal(record)
                if why is None:
                    self.chosen.append(record)
                else:
                    self.refused[why] += 1
        if unread and len(unread) == len(documents):
            raise ValueError(unread[0])
        self.refused["not readable"] += len(unread)
        self.refused = +self.refused
        if set(self._scores) == {None}:
            raise ValueError(
                f"expected scores in BeatSaver's answers, found null in all {self.seen} maps:"
                " nothing was downloaded; likely its API changed, or a mirror without votes"
            )

    def check_scores(self) -> None:
        """Refuse scores that say nothing: all maps would pass for, or all fail, a rating.

        Raises:
            ValueError: `SAME_SCORES` maps and more share a single one.
        """
        if len(self._scores) == 1 and self.seen >= SAME_SCORES:
            (score,) = self._scores
            raise ValueError(
                f"expected scores that differ, found {score} in all {self.seen} maps: nothing was"
                " downloaded; likely a mirror that fills in a default"
            )
