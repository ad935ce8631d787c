"""Lenient reading of a difficulty file's fields, shared by the schemas of every version.

Real files hold numbers as strings, modded objects and plain faults. Reading mends what has one
meaning, drops what the game cannot show, and counts both; only a file that is no difficulty at all
is refused. Rules: the community wiki's map format page and the game's own defaults (an absent field
is 0).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Protocol, TypeVar

from saberlm.prompts.beatmap import (
    NUM_COLUMNS,
    NUM_ROWS,
    Arc,
    BpmEvent,
    LightEvent,
    Obstacle,
)

MAX_WALL_HEIGHT = 5
EVENTS_ROTATION = (14, 15)
CHROMA_COLOUR_BASE = 2_000_000_000


class _HasBeat(Protocol):
    @property
    def beat(self) -> float: ...


_T = TypeVar("_T", bound=_HasBeat)


class DropError(ValueError):
    """Says why an object is left out of the beatmap; never leaves the schema modules."""


class FieldReader:
    """Reads fields of a difficulty's objects, counting in ``counts`` what it mends or drops."""

    def __init__(self) -> None:
        """Starts with nothing counted."""
        self.counts: Counter[str] = Counter()

    def number(self, item: Mapping[str, Any], key: str, default: float = 0.0) -> float:
        """Returns a finite number; an absent one is ``default``.

        Raises:
            DropError: If the value is not a number or not finite.
        """
        value = item.get(key, default)
        if type(value) is not float and type(value) is not int:
            value = self._mend(value, key, default)
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise DropError(f"with a {key} that is not finite")
        return number

    def integer(self, item: Mapping[str, Any], key: str, default: int = 0) -> int:
        """Returns a whole number; an absent one is ``default``.

        Raises:
            DropError: If the value is not a number or has a fraction.
        """
        value = item.get(key, default)
        if type(value) is int:
            return value
        number = self.number(item, key, default)
        if not number.is_integer():
            raise DropError(f"with a fractional {key}")
        return int(number)

    def _mend(self, value: object, key: str, default: float) -> float:
        if value is None:
            self.counts["null read as the default"] += 1
            return default
        if isinstance(value, bool):
            self.counts["number given as true or false"] += 1
            return float(value)
        try:
            number = float(str(value)) if isinstance(value, str) else math.nan
        except ValueError:
            number = math.nan
        if math.isnan(number):
            raise DropError(f"with a {key} that is not a number")
        self.counts["number given as string"] += 1
        return number

    def beat(self, item: Mapping[str, Any], key: str) -> float:
        """Returns a time in beats.

        Raises:
            DropError: If it is not a finite number of at least 0.
        """
        beat = self.number(item, key)
        if beat < 0:
            raise DropError("before beat 0")
        return beat

    def cell(self, item: Mapping[str, Any], column: str, row: str) -> tuple[int, int]:
        """Returns a cell (x, y).

        Raises:
            DropError: If it is off the 4x3 grid.
        """
        x, y = self.integer(item, column), self.integer(item, row)
        if not (0 <= x < NUM_COLUMNS and 0 <= y < NUM_ROWS):
            raise DropError("off the 4x3 grid")
        return x, y

    def choice(self, item: Mapping[str, Any], key: str, largest: int, what: str) -> int:
        """Returns a whole number of 0 to ``largest``.

        Raises:
            DropError: If it is another; ``what`` names it.
        """
        value = self.integer(item, key)
        if not 0 <= value <= largest:
            raise DropError(f"with a {what} outside 0-{largest}")
        return value

    def items(self, data: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
        """Yields the objects of one collection; what is no object is counted and passed over."""
        collection = data.get(key)
        if collection is not None and not isinstance(collection, list):
            self.counts[f"{key} that is not a list ignored"] += 1
            return
        for item in collection or ():
            if isinstance(item, dict):
                if item.get("_customData") or item.get("customData"):
                    self.counts["custom data on an object ignored"] += 1
                yield item
            else:
                self.counts[f"{key} entry that is not an object dropped"] += 1

    def collect(
        self, kind: str, items: Iterable[Mapping[str, Any]], read: Callable[[Mapping[str, Any]], _T]
    ) -> tuple[_T, ...]:
        """Returns what ``read`` makes of the items by beat; at one beat in the file's order."""
        found: list[_T] = []
        for item in items:
            try:
                found.append(read(item))
            except DropError as reason:
                self.counts[f"{kind} {reason} dropped"] += 1
        return self.ordered(kind, found)

    def ordered(self, kind: str, found: list[_T]) -> tuple[_T, ...]:
        """Returns the objects sorted by beat, counting a collection that was not."""
        if any(b.beat < a.beat for a, b in pairwise(found)):
            self.counts[f"{kind} collection sorted by beat"] += 1
            found = sorted(found, key=lambda thing: thing.beat)
        return tuple(found)

    def flag(self, item: Mapping[str, Any], key: str) -> bool:
        """Returns a truth value; an absent one is false, and a number is true when it is not 0."""
        value = item.get(key, False)
        return value if isinstance(value, bool) else self.number(item, key) != 0

    def unmodelled(self, data: Mapping[str, Any], what: str, keys: Iterable[str]) -> None:
        """Counts the entries of collections that the neutral beatmap has no place for."""
        entries = (data.get(key) for key in keys)
        count = sum(len(collection) for collection in entries if isinstance(collection, list))
        if count:
            self.counts[f"{what} not modelled"] += count

    def light(self, beat: float, kind: int, value: int, brightness: float) -> LightEvent:
        """Returns a basic event.

        Raises:
            DropError: If it is a lane rotation or of a number that only mods give.
        """
        if kind in EVENTS_ROTATION:
            raise DropError("that rotates the lanes")
        if kind < 0 or value < 0:
            raise DropError("with a negative type or value")
        if value >= CHROMA_COLOUR_BASE:
            raise DropError("with a Chroma colour for a value")
        return LightEvent(beat, kind, value, brightness)

    def bpm_event(self, beat: float, bpm: float) -> BpmEvent:
        """Returns a tempo event.

        Raises:
            DropError: If the tempo is not above 0.
        """
        if bpm <= 0:
            raise DropError("with a tempo that is not above 0")
        return BpmEvent(beat, bpm)


def checked_wall(wall: Obstacle) -> Obstacle:
    """Returns a wall that stands on the grid.

    Raises:
        DropError: If it does not, or lasts no time: one reason, the first of column, row, width,
            height, length.
    """
    faults = (
        (not 0 <= wall.x < NUM_COLUMNS, "with a column outside 0-3"),
        (not 0 <= wall.y < NUM_ROWS, "with a row outside 0-2"),
        (wall.width < 1, "with a width below 1"),
        (wall.x + wall.width > NUM_COLUMNS, "reaching past the right column"),
        (not 1 <= wall.height <= MAX_WALL_HEIGHT, "with a height outside 1-5"),
        (wall.duration == 0, "lasting no time"),
        (wall.duration < 0, "lasting a negative time"),
    )
    for fault, reason in faults:
        if fault:
            raise DropError(reason)
    return wall


def checked_arc(arc: Arc) -> Arc:
    """Returns an arc whose tail is not before its head.

    Raises:
        DropError: If it is.
    """
    if arc.tail_beat < arc.beat:
        raise DropError("with its tail before its head")
    return arc
