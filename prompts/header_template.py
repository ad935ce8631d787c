"""Headers written by hand, and templates of them: text to `Conditions`, checked against the
header's grammar.

The grammar is that of `saberlm.prompts.header.header_text`: fields ``Label: value`` with `` | ``
between them. Here they may come in any order, labels in any letter case, and what is left out is
not said. A template has field names in braces: ``Difficulty: {difficulty} | NPS: {nps} | Style:
{style}, tech``. Errors point at the place with carets on a line of their own.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, get_args, get_type_hints

from saberlm.prompts.beatmap import DIFFICULTIES
from saberlm.prompts.errors import HeaderError
from saberlm.prompts.header import FIELD_LABELS, Conditions, header_text

RANGES = {"nps": (0.1, 16.0), "njs": (3.0, 30.0), "bpm": (10.0, 1000.0), "rating": (0, 10)}
"""Numbers that make sense, both ends included; other numbers are 0 or more."""
UNKNOWN = "unknown"
_SEPARATOR = re.compile(r"(?<![^ ])\|(?![^ ])")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def parse_header(text: str) -> Conditions:
    """A header's text back to conditions; what it does not say is unknown.

    For every ``c`` whose style has no ``|``: ``header_text(parse_header(header_text(c))) ==
    header_text(c)``.

    Raises:
        HeaderError: an unknown or repeated field, a value of the wrong kind or out of range, or no
            field at all.
    """
    return Conditions(**said_by(text))


def said_by(text: str) -> dict[str, Any]:
    """The fields that a header's text says, by their name in `Conditions`; ``unknown`` is None.

    Raises:
        HeaderError: as in `parse_header`.
    """
    said: dict[str, Any] = {}
    for start, piece in _pieces(text):
        label, colon, value = piece.partition(":")
        end = start + len(piece)
        if not colon:
            raise HeaderError(
                f"expected 'Label: value', found {piece!r}: likely a missing ' | ' or ':'",
                text, start, end,
            )  # fmt: skip
        name = _field(label.strip(), text, start, start + len(label))
        if name in said:
            raise HeaderError(f"expected {label.strip()} once, found it twice", text, start, end)
        stripped = value.strip()
        value_start = end - len(value.lstrip()) if stripped else start + len(label)
        at = (text, value_start, value_start + max(1, len(stripped)))
        said[name] = _value(name, stripped, *at)
    if not said:
        raise HeaderError(
            f"expected fields such as 'Difficulty: Expert | NPS: 5.2', found {text!r}",
            text, 0, len(text),
        )  # fmt: skip
    return said


@dataclass(frozen=True)
class HeaderTemplate:
    """A header with field names in braces, or one without any.

    Args:
        text: such as ``Difficulty: {difficulty} | NPS: 5.2``.

    Raises:
        HeaderError: a stray brace, or a name that is no field of `Conditions`.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse names that are no fields."""
        for match in _PLACEHOLDER.finditer(self.text):
            if match[1] not in FIELD_LABELS:
                raise HeaderError(
                    f"expected the name of a field in braces ({', '.join(FIELD_LABELS)}), found"
                    f" {match[1]!r}{_nearest(match[1], FIELD_LABELS)}",
                    self.text, match.start(), match.end(),
                )  # fmt: skip
        bare = _PLACEHOLDER.sub(lambda match: "_" * len(match[0]), self.text)
        stray = re.search(r"[{}]", bare)
        if stray:
            raise HeaderError(
                f"expected braces in pairs around a field's name, found a single {stray[0]!r}",
                self.text, stray.start(), stray.end(),
            )  # fmt: skip

    @property
    def names(self) -> frozenset[str]:
        """The fields in braces."""
        return frozenset(match[1] for match in _PLACEHOLDER.finditer(self.text))

    def filled(self, known: Conditions) -> str:
        """The text with the values of ``known`` in the place of the names."""
        shown = dict(piece.partition(": ")[::2] for piece in header_text(known).split(" | "))
        return _PLACEHOLDER.sub(
            lambda match: shown.get(FIELD_LABELS[match[1]], UNKNOWN) or UNKNOWN, self.text
        )

    def conditions(self, known: Conditions) -> Conditions:
        """What is asked: what the header says, and of what it does not say, ``known``.

        Raises:
            HeaderError: as in `parse_header`, pointing into the filled text.
        """
        return replace(known, **said_by(self.filled(known)))

    def said(self) -> Mapping[str, Any]:
        """The fields that the text itself gives a value, those with names in braces left out.

        Raises:
            HeaderError: as in `parse_header`, for what can be seen before the names are filled.
        """
        literal = [(s, piece) for s, piece in _pieces(self.text) if not _PLACEHOLDER.search(piece)]
        found: dict[str, Any] = {}
        for start, piece in literal:  # in place, so that an error points into the whole text
            alone = " " * start + piece
            try:
                found |= said_by(alone)
            except HeaderError as error:
                raise HeaderError(error.reason, self.text, error.start, error.end) from None
        return found


def _pieces(text: str) -> list[tuple[int, str]]:
    """The fields of a header with where each starts, blanks at their ends cut off."""
    borders = [(match.start(), match.end()) for match in _SEPARATOR.finditer(text)]
    starts = [0, *(end for _, end in borders)]
    ends = [*(start for start, _ in borders), len(text)]
    pieces = []
    for start, end in zip(starts, ends, strict=True):
        piece = text[start:end]
        if piece.strip():
            pieces.append((start + len(piece) - len(piece.lstrip()), piece.strip()))
        elif borders:
            raise HeaderError("expected a field between two ' | ', found none", text, start, end)
    return pieces


def _field(label: str, text: str, start: int, end: int) -> str:
    known = {shown.lower(): name for name, shown in FIELD_LABELS.items()}
    if label.lower() in known:
        return known[label.lower()]
    labels = list(FIELD_LABELS.values())
    raise HeaderError(
        f"expected one of {', '.join(labels)}, found {label!r}{_nearest(label, labels)}",
        text, start, end,
    )  # fmt: skip


def _nearest(found: str, known: Any) -> str:
    folded = {one.lower(): one for one in known}
    near = difflib.get_close_matches(found.lower(), folded, 1)
    return f": {folded[near[0]]}?" if near else ""


@cache
def _kinds() -> dict[str, type]:
    """The type of every field of `Conditions` beside None."""
    hints = get_type_hints(Conditions)
    return {
        f.name: next(one for one in get_args(hints[f.name]) if one is not type(None))
        for f in fields(Conditions)
    }


def _value(name: str, value: str, text: str, start: int, end: int) -> Any:
    label, kind = FIELD_LABELS[name], _kinds()[name]
    if not value:
        raise HeaderError(
            f"expected a value or '{UNKNOWN}' after {label}:, found none", text, start, end
        )
    if value == UNKNOWN:
        return None
    if kind is bool:
        if value in ("on", "off"):
            return value == "on"
        raise HeaderError(f"expected on, off or unknown for {label}, found {value!r}",
                          text, start, end)  # fmt: skip
    if kind in (int, float):
        return _number(name, kind, value, text, start, end)
    if name == "difficulty" and value not in DIFFICULTIES:
        raise HeaderError(
            f"expected one of {', '.join(DIFFICULTIES)}, found {value!r}"
            f"{_nearest(value.replace('+', 'Plus'), DIFFICULTIES)}",
            text, start, end,
        )  # fmt: skip
    own: dict[str, Any] = {name: value}
    try:
        Conditions(**own)
    except ValueError as error:  # too long, say
        raise HeaderError(str(error), text, start, end) from None
    return value


def _number(name: str, kind: type, value: str, text: str, start: int, end: int) -> float | int:
    low, high = RANGES.get(name, (0, math.inf))
    span = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of {low:g} or more"
    what = "a whole number" if kind is int else "a number"
    label = FIELD_LABELS[name]
    try:
        number = kind(value)
    except ValueError:
        raise HeaderError(
            f"expected {what} {span} for {label}, found {value!r}", text, start, end
        ) from None
    if not low <= number <= high or not math.isfinite(number):
        raise HeaderError(f"expected {what} {span} for {label}, found {value}", text, start, end)
    return number


__all__ = ["HeaderError", "HeaderTemplate", "parse_header", "said_by"]
