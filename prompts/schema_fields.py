"""Lenient reading of a difficulty file's fields, shared by the schemas of every version.

Real files hold numbers as strings, modded objects and plain faults. Reading mends what has one
meaning, keeps what has a numeric meaning although the unmodded game cannot play it, drops what
cannot be read, and counts all three; only a file that is no difficulty at all is refused. Rules:
the community wiki's map format page and the game's own defaults (an absent field is 0).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Protocol, TypeVar

from saberlm.prompts.beatmap import BpmEvent
from saberlm.prompts.extra_fields import CUSTOM_DATA, CUSTOM_DATA_V2
from saberlm.prompts.vanilla import fault_of

_MIN_INT, _MAX_INT = -(2**31), 2**31 - 1


class _HasBeat(Protocol):
    @property
    def beat(self) -> float: ...


_T = TypeVar("_T", bound=_HasBeat)


class DropError(ValueError):
    """Says why an object is left out of the beatmap; never leaves the schema modules."""


class FieldReader:
    """Reads fields of a difficulty's objects, counting in ``counts`` what it mends, keeps although
    only mods can play it, or drops."""

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
            DropError: If the value is not a number, has a fraction or is beyond the game's 32 bits.
        """
        value = item.get(key, default)
        if type(value) is not int:
            number = self.number(item, key, default)
            if not number.is_integer():
                raise DropError(f"with a fractional {key}")
            value = int(number)
        if not _MIN_INT <= value <= _MAX_INT:
            raise DropError(f"with a {key} beyond 32 bits")
        return value

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
        """Returns a time in beats, which may be below 0.

        Raises:
            DropError: If it is not a finite number.
        """
        return self.number(item, key)

    def flag(self, item: Mapping[str, Any], key: str) -> bool:
        """Returns a truth value; an absent one is false, and a number is true when it is not 0."""
        value = item.get(key, False)
        return value if isinstance(value, bool) else self.number(item, key) != 0

    def items(self, data: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
        """Yields the objects of one collection; what is no object is counted and passed over."""
        collection = data.get(key)
        if collection is not None and not isinstance(collection, list):
            self.counts[f"{key} that is not a list dropped"] += 1
            return
        for item in collection or ():
            if isinstance(item, dict):
                yield item
            else:
                self.counts[f"{key} entry that is not an object dropped"] += 1

    def collect(
        self, kind: str, items: Iterable[Mapping[str, Any]], read: Callable[[Mapping[str, Any]], _T]
    ) -> tuple[_T, ...]:
        """Returns what ``read`` makes of the items by beat; at one beat in the file's order.

        An item for which ``read`` raises `DropError` is dropped; a thing that only mods can play
        (`saberlm.prompts.vanilla.fault_of`) is kept. Both are counted under ``kind``.
        """
        found: list[_T] = []
        for item in items:
            try:
                thing = read(item)
            except DropError as reason:
                self.counts[f"{kind} {reason} dropped"] += 1
                continue
            if fault := fault_of(thing):
                self.counts[f"kept: {kind} {fault}"] += 1
            found.append(thing)
        return self.ordered(kind, found)

    def ordered(self, kind: str, found: list[_T]) -> tuple[_T, ...]:
        """Returns the objects sorted by beat, counting a collection that was not."""
        if any(b.beat < a.beat for a, b in pairwise(found)):
            self.counts[f"{kind} collection sorted by beat"] += 1
            found = sorted(found, key=lambda thing: thing.beat)
        return tuple(found)

    def extra(
        self, item: Mapping[str, Any], known: frozenset[str], what: str = "an object"
    ) -> dict[str, Any] | None:
        """Returns the fields of an object that no version defines, or None if it has none.

        Custom data in either spelling is under `CUSTOM_DATA`; empty custom data holds nothing.

        Args:
            item: The object as parsed.
            known: The names of the fields that are read; custom data is not among them.
            what: Whose fields they are, for the counts.
        """
        if item.keys() <= known:
            return None
        unknown = {
            key: value
            for key, value in item.items()
            if key not in known and key != CUSTOM_DATA and key != CUSTOM_DATA_V2
        }
        if unknown:
            self.counts[f"kept: unknown field of {what}"] += len(unknown)
        custom = item.get(CUSTOM_DATA_V2) or item.get(CUSTOM_DATA)
        if not custom:
            return unknown or None
        other = item.get(CUSTOM_DATA)
        if other and other is not custom:
            if isinstance(custom, dict) and isinstance(other, dict):
                self.counts["two kinds of custom data of one object read as one"] += 1
                custom = {**other, **custom}
            else:
                self.counts["second custom data of one object dropped"] += 1
        self.counts[f"kept: custom data of {what}"] += 1
        return {**unknown, CUSTOM_DATA: custom}

    def bpm_event(
        self, item: Mapping[str, Any], beat: str, bpm: str, known: frozenset[str]
    ) -> BpmEvent:
        """Returns a tempo event; ``beat`` and ``bpm`` name its fields, ``known`` all it has.

        Raises:
            DropError: If the tempo is not above 0.
        """
        tempo = self.number(item, bpm)
        if tempo <= 0:
            raise DropError("with a tempo that is not above 0")
        return BpmEvent(self.beat(item, beat), tempo, self.extra(item, known))
