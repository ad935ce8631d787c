"""Where a saber goes: cells, cut angles and moments, as the playability rules need them.

Angles are in degrees, down is 0 and counter-clockwise is positive (`beat-saber.md` 1.7); an arrow's
``angle_offset`` is added to that of its direction, and a dot has no angle. Lengths are in cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple, Protocol, TypeVar

from saberlm.eval.swing import BEAT_TOLERANCE
from saberlm.prompts.beatmap import NUM_COLUMNS, NUM_ROWS, ColorNote, CutDirection

DIRECTION_ANGLES = (180, 0, 270, 90, 225, 135, 315, 45)
"""Angle of each cut direction, `CutDirection.ANY` excepted."""
_EPSILON = 1e-6


class Cut(NamedTuple):
    """A note as a saber meets it: its cell, and its angle in degrees (None for a dot)."""

    x: int
    y: int
    angle: float | None


class Timed(Protocol):
    """Anything at a beat."""

    @property
    def beat(self) -> float:
        """Beat of the map."""


TimedT = TypeVar("TimedT", bound=Timed)


def cut_of(note: ColorNote) -> Cut:
    """The cut a note asks for."""
    if note.direction == CutDirection.ANY:
        return Cut(note.x, note.y, None)
    return Cut(note.x, note.y, (DIRECTION_ANGLES[note.direction] + note.angle_offset) % 360)


def turn(first: float, second: float) -> float:
    """Degrees between two angles, 0 to 180."""
    apart = abs(first - second) % 360
    return min(apart, 360 - apart)


def line_angle(start: Cut, end: Cut) -> float:
    """Angle of the way from one cell to another."""
    return math.degrees(math.atan2(end.x - start.x, start.y - end.y)) % 360


def distance(first: Cut, second: Cut) -> float:
    """Cells between two cuts, centre to centre."""
    return math.hypot(first.x - second.x, first.y - second.y)


def more_than(value: float, limit: float) -> bool:
    """Whether a value exceeds a limit by more than the rounding of floats."""
    return value > limit + _EPSILON


def next_cell(cut: Cut) -> tuple[int, int] | None:
    """The cell a cut's arrow points into (to the nearest 45 degrees); None for a dot and where the
    grid ends."""
    if cut.angle is None:
        return None
    octant = math.radians(round(cut.angle / 45) * 45)
    x, y = cut.x + round(math.sin(octant)), cut.y - round(math.cos(octant))
    return (x, y) if 0 <= x < NUM_COLUMNS and 0 <= y < NUM_ROWS else None


def moments(items: Iterable[TimedT]) -> list[list[TimedT]]:
    """Things in order of beat, those of one moment together."""
    groups: list[list[TimedT]] = []
    for item in sorted(items, key=lambda one: one.beat):
        if groups and item.beat - groups[-1][0].beat <= BEAT_TOLERANCE:
            groups[-1].append(item)
        else:
            groups.append([item])
    return groups
