"""Lane rotation in format v4.1: every object says its own lane, in degrees, instead of events.

Before 4.1 rotation events turned all later objects. Reading makes events of the lanes that change
from beat to beat; an object in another lane than most of its beat keeps it in its ``extra``, under
the name of the file's field. Writing gives every object the rotation in force.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, groupby
from typing import Any, TypeAlias, TypeVar

from saberlm.prompts.beatmap import Arc, Bomb, Chain, ColorNote, Obstacle, RotationEvent
from saberlm.prompts.extra_fields import V4_LANES
from saberlm.prompts.schema_fields import FieldReader

LANE, HEAD_LANE, TAIL_LANE = "r", "hr", "tr"
"""The fields of a note, bomb or wall and of an arc's or chain's ends."""


_Object: TypeAlias = ColorNote | Bomb | Obstacle | Arc | Chain
_T = TypeVar("_T", ColorNote, Bomb, Obstacle, Arc, Chain)


class LaneReader:
    """Collects the lanes of objects as they are read, then makes rotation events of them."""

    def __init__(self, reader: FieldReader) -> None:
        """Takes the reader that counts what is kept."""
        self._reader = reader
        self._found: dict[int, tuple[_Object, int, int]] = {}
        self._turned = False
        self._rotation = _Rotation(())

    def read(self, thing: _T, item: Mapping[str, Any]) -> _T:
        """Returns an object, noting the lane or lanes that the file gives it.

        Raises:
            DropError: If one cannot be read.
        """
        if isinstance(thing, Arc | Chain):
            head = self._reader.integer(item, HEAD_LANE)
            tail = self._reader.integer(item, TAIL_LANE)
        else:
            head = tail = self._reader.integer(item, LANE)
        self._found[id(thing)] = thing, head, tail
        self._turned = self._turned or head != 0 or tail != 0
        return thing

    def rotations(self, events: tuple[RotationEvent, ...]) -> tuple[RotationEvent, ...]:
        """Returns the map's rotations: the file's own events (before 4.1), or the lanes'."""
        if not events and self._turned:
            events = rotations_of((thing.beat, head) for thing, head, _ in self._found.values())
            self._rotation = _Rotation(events)
            self._found = {
                key: (thing, head - round(self._rotation.at(thing.beat)), tail - head)
                for key, (thing, head, tail) in self._found.items()
            }
        else:
            self._rotation = _Rotation(events)
            self._found = {
                key: (thing, head, tail - head) for key, (thing, head, tail) in self._found.items()
            }
        return events

    def settled(self, kind: str, things: tuple[_T, ...]) -> tuple[_T, ...]:
        """Returns objects with the lanes of their own in ``extra``; after `rotations`."""
        if not self._turned:
            return things
        return tuple(self._settled(kind, thing) for thing in things)

    def _settled(self, kind: str, thing: _T) -> _T:
        _, own, more = self._found[id(thing)]
        lanes: dict[str, int] = {}
        ends = isinstance(thing, Arc | Chain)
        in_force = round(self._rotation.at(thing.beat))
        if own:
            lanes[HEAD_LANE if ends else LANE] = in_force + own
        if more:
            lanes[TAIL_LANE] = in_force + own + more
        if not lanes:
            return thing
        self._reader.counts[f"kept: {kind} in a lane of its own"] += 1
        return replace(thing, extra={**(thing.extra or {}), **lanes})


class LaneWriter:
    """Gives objects their lanes, and tells at the end what of the rotation that does not say."""

    def __init__(self, rotations: Sequence[RotationEvent], lost: Counter[str]) -> None:
        """Takes the map's rotation events in any order."""
        self._events = tuple(rotations)
        self._rotation = _Rotation(rotations)
        self._lost = lost
        self._lanes: list[tuple[float, int]] = []

    def lane(self, thing: _Object) -> int:
        """Returns the degrees of an object, or of its head."""
        degrees = self._rotation.at(thing.beat)
        key = HEAD_LANE if isinstance(thing, Arc | Chain) else LANE
        lane = own_lane(thing.extra, key, round(degrees))
        if lane == round(degrees) != degrees:
            self._lost["fraction of a degree of an object's lane"] += 1
        self._lanes.append((thing.beat, lane))
        return lane

    def count_lost(self) -> None:
        """Counts the events that reading the lanes would not give back; after all objects."""
        again = Counter((e.beat, bool(e.late), e.degrees) for e in rotations_of(self._lanes))
        events = Counter((e.beat, bool(e.late), e.degrees) for e in self._events)
        if unsaid := (events - again).total():
            self._lost["lane rotation said by the lanes of later objects"] += unsaid
        if extras := sum(len(event.extra or ()) for event in self._events):
            self._lost["unknown field of a lane rotation"] += extras


def rotations_of(lanes: Iterable[tuple[float, int]]) -> tuple[RotationEvent, ...]:
    """Returns the events that give most objects of every beat their lane.

    Args:
        lanes: Each object's beat and degrees, in any order.
    """
    events: list[RotationEvent] = []
    in_force = 0
    for beat, objects in groupby(sorted(lanes, key=lambda lane: lane[0]), lambda lane: lane[0]):
        usual = Counter(degrees for _, degrees in objects).most_common(1)[0][0]
        if usual != in_force:
            events.append(RotationEvent(beat, 0, float(usual - in_force)))
            in_force = usual
    return tuple(events)


def own_lane(extra: Mapping[str, Any] | None, key: str, in_force: int) -> int:
    """Returns the degrees an object's ``extra`` gives it, or else those in force."""
    lane = (extra or {}).get(key)
    return lane if type(lane) is int else in_force


def without_lanes(extra: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Returns an object's unknown fields less its own lanes."""
    if not extra or V4_LANES.isdisjoint(extra):
        return extra
    return {key: value for key, value in extra.items() if key not in V4_LANES} or None


class _Rotation:
    """The rotation in force along a map."""

    def __init__(self, rotations: Sequence[RotationEvent]) -> None:
        ordered = sorted(rotations, key=_place)
        self._places = [_place(event) for event in ordered]
        self._degrees = list(accumulate((event.degrees for event in ordered), initial=0.0))

    def at(self, beat: float) -> float:
        """The degrees that objects of a beat are turned by; late events leave them."""
        return self._degrees[bisect_right(self._places, (beat, False))]


def _place(event: RotationEvent) -> tuple[float, bool]:
    return event.beat, bool(event.late)
