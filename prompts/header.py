"""The header: what is asked of a map, as text over a fixed template.

Every field may be unknown (``None``), in training by chance and in use because nobody said. The
template shows the fields in one order, so a prompt differs from another in nothing but the fields
that differ; fields that most data lack (`RARE_FIELDS`) are shown where they are known.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from random import Random
from typing import Any

import numpy as np

from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import DIFFICULTIES
from saberlm.prompts.descriptors import words_of
from saberlm.prompts.text_pieces import decode_text, encode_text

MAX_STYLE_CHARACTERS = 120


@dataclass(frozen=True)
class Conditions:
    """What is asked of a map; ``None`` is unknown.

    ``nps`` is notes a second from the first note to the last; ``rating`` 0-10; ``style`` words,
    comma-separated (`saberlm.prompts.descriptors` has those that are taught); ``stars``
    ScoreSaber's difficulty; ``year`` of publication; ``mapper`` a name that the training data has
    on at least five maps; the flags say whether the map has the thing at all.
    """

    difficulty: str | None = None
    nps: float | None = None
    njs: float | None = None
    bpm: float | None = None
    style: str | None = None
    rating: int | None = None
    lights: bool | None = None
    arcs: bool | None = None
    chains: bool | None = None
    bombs: bool | None = None
    walls: bool | None = None
    stars: float | None = None
    year: int | None = None
    mapper: str | None = None

    def __post_init__(self) -> None:
        """Refuse what the template cannot say."""
        if self.difficulty is not None and self.difficulty not in DIFFICULTIES:
            raise ValueError(
                f"difficulty must be one of {', '.join(DIFFICULTIES)}, found {self.difficulty!r}"
            )
        if self.style is not None and len(self.style) > MAX_STYLE_CHARACTERS:
            raise ValueError(
                f"style must be at most {MAX_STYLE_CHARACTERS} characters, found {len(self.style)}"
            )
        if self.mapper is not None and len(self.mapper) > MAX_MAPPER_CHARACTERS:
            raise ValueError(
                f"mapper must be at most {MAX_MAPPER_CHARACTERS} characters,"
                f" found {len(self.mapper)}"
            )


FIELD_LABELS = {
    "difficulty": "Difficulty",
    "nps": "NPS",
    "njs": "NJS",
    "bpm": "BPM",
    "style": "Style",
    "rating": "Rating",
    "lights": "Lights",
    "arcs": "Arcs",
    "chains": "Chains",
    "bombs": "Bombs",
    "walls": "Walls",
    "stars": "Stars",
    "year": "Year",
    "mapper": "Mapper",
}
RARE_FIELDS = ("stars", "year", "mapper")
MAX_MAPPER_CHARACTERS = 32
STYLE_WORD_DROPOUT = 0.3
"""People ask for one or two words where a map has five."""


def _value_text(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.1f}"
    return str(value).replace(" | ", " ").strip()


def header_text(conditions: Conditions) -> str:
    """The header as text: ``Difficulty: Expert | NPS: 5.2 | ...``; tempo and NJS are rounded to
    whole numbers."""
    rounded = replace(
        conditions,
        bpm=None if conditions.bpm is None else round(conditions.bpm),
        njs=None if conditions.njs is None else round(conditions.njs),
    )
    return " | ".join(
        f"{label}: {_value_text(getattr(rounded, name))}"
        for name, label in FIELD_LABELS.items()
        if name not in RARE_FIELDS or getattr(rounded, name) is not None
    )


def header_ids(conditions: Conditions) -> list[int]:
    """``<header>`` text ``</header>`` as token ids."""
    text = [v.OFFSETS["text"] + piece for piece in encode_text(header_text(conditions))]
    return [v.HEADER, *text, v.END_HEADER]


def header_of_ids(ids: list[int]) -> str:
    """The header's text back from its ids."""
    first = v.OFFSETS["text"]
    return decode_text([i - first for i in ids if i >= first])


def drop_fields(conditions: Conditions, chance: float, random: Random) -> Conditions:
    """Each field unknown with ``chance``, except that lights are never hidden: the bars show them
    or do not. Of the style's words each goes with `STYLE_WORD_DROPOUT`, if any chance is given."""
    dropped: dict[str, Any] = {
        f.name: None for f in fields(conditions) if f.name != "lights" and random.random() < chance
    }
    if chance > 0 and conditions.style is not None and "style" not in dropped:
        words = conditions.style.split(", ")
        kept = [word for word in words if random.random() >= STYLE_WORD_DROPOUT]
        dropped["style"] = ", ".join(kept) or None
    return replace(conditions, **dropped)


def onset_conditions(conditions: Conditions) -> np.ndarray:
    """The onset head's row of numbers, ``(4,)`` float32; see
    `saberlm.adapter.onset_head.OnsetHead`."""
    difficulty = 5 if conditions.difficulty is None else DIFFICULTIES.index(conditions.difficulty)
    nps = -1.0 if conditions.nps is None else conditions.nps
    bpm = 0.0 if conditions.bpm is None else float(np.log2(conditions.bpm / 135))
    return np.array([difficulty, nps, bpm, float(bool(conditions.lights))], dtype=np.float32)


def without_lights(conditions: Conditions) -> Conditions:
    """The same asked of a map that has no lights, as such maps were taught: words about lights go
    with them."""
    left = ", ".join(word for word in words_of(conditions.style) if "lights" not in word)
    return replace(conditions, lights=False, style=left or None)
