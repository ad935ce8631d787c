"""From the fields of the page to requests; what was found and not touched is left to be found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from saberlm.infer.level_request import LevelRequest
from saberlm.infer.level_work import LevelWork
from saberlm.infer.studio import HeardFile

PARTS = ("lights", "arcs", "chains")
_SHOWN_DIGITS = 3


@dataclass(frozen=True)
class SongFields:
    """A song's fields on the page; None for an empty number."""

    title: str
    artist: str
    bpm: float | None
    offset: float | None

    @classmethod
    def of(cls, heard: HeardFile) -> SongFields:
        """What the page shows of a song as it was found."""
        if heard.tempo is None:
            return cls(heard.title, heard.artist, None, None)
        bpm, offset = heard.tempo.bpm, heard.tempo.offset_seconds
        return cls(
            heard.title, heard.artist, round(bpm, _SHOWN_DIGITS), round(offset, _SHOWN_DIGITS)
        )


@dataclass(frozen=True)
class Settings:
    """The settings of the page, as its fields give them."""

    difficulties: list[str]
    style: list[str] | None
    parts: list[str]
    full_spread: bool
    reference: str | None
    lora: str
    walls: str
    bombs: str
    decorative_walls: str
    chroma: str
    nps: float | None
    njs: float | None
    avoid: list[str] | None
    rating: float
    playability: str
    candidates: float
    seed: float | None


@dataclass(frozen=True)
class WorkFields:
    """The fields of work on a level, as the page gives them."""

    level: str | None
    task: str
    span: str
    difficulties: list[str]
    new_lights: bool


KINDS = tuple(field.name for field in fields(Settings))


def make_requests(
    heard: Sequence[HeardFile], songs: Sequence[SongFields], settings: Settings
) -> list[LevelRequest]:
    """One request for each song that can be mapped.

    Raises:
        ValueError: no such song, no difficulty, or a value that means nothing; in words for the
            page.
    """
    usable = [(one, said) for one, said in zip(heard, songs, strict=False) if one.tempo is not None]
    if not usable:
        raise ValueError("Drop a song first." if not heard else "None of these can be mapped.")
    if not settings.difficulties:
        raise ValueError("Choose a difficulty at least.")
    return [_request(one, said, settings) for one, said in usable]


def _request(heard: HeardFile, said: SongFields, settings: Settings) -> LevelRequest:
    found = SongFields.of(heard)
    given = {
        **_wishes(settings),
        "difficulties": settings.difficulties,
        "lights": "lights" in settings.parts,
        "full_spread": settings.full_spread,
        "reference": settings.reference or None,
        "candidates": settings.candidates,
        "title": said.title.strip() or found.title,
        "artist": said.artist.strip(),
    }
    if (said.bpm, said.offset) != (found.bpm, found.offset):
        # one that was not touched holds as it was found, with all its digits
        tempo = heard.tempo
        assert tempo is not None, "only songs with a tempo are mapped"
        given["bpm"] = tempo.bpm if said.bpm == found.bpm else said.bpm or None
        given["offset"] = tempo.offset_seconds if said.offset == found.offset else said.offset
    return LevelRequest.of(heard.path, **given)


def make_work(said: WorkFields, newest: Path | None, settings: Settings) -> LevelWork:
    """The wish for a level: the one that was given, or the ``newest`` of the visitor's.

    Raises:
        ValueError: no level, or a value that means nothing; in words for the page.
    """
    level = Path(said.level) if said.level else newest
    if level is None:
        raise ValueError("Drop a level's zip, or make a level first.")
    request = LevelRequest.of(
        level, **_wishes(settings), difficulties=said.difficulties or None, lights=True
    )
    return LevelWork(level, said.task, request, said.span.strip(), said.new_lights)


def _wishes(settings: Settings) -> dict[str, Any]:
    """What the notes are to be like, as fields of a request."""
    given: dict[str, Any] = {
        "style": ", ".join(settings.style or []) or None,
        "negative_style": ", ".join(settings.avoid or []) or None,
        "walls": settings.walls or None,
        "bombs": settings.bombs or None,
        "decorative_walls": settings.decorative_walls,
        "chroma": settings.chroma or None,
        "nps": settings.nps or None,
        "njs": settings.njs or None,
        "rating": settings.rating,
        "playability": settings.playability,
        "seed": settings.seed or 0,
    }
    given |= {part: False for part in ("arcs", "chains") if part not in settings.parts}
    return given
