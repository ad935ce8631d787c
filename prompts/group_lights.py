"""Group lighting (format v3 event boxes, v4 event box groups) as neutral records.

Nothing here is modelled by the token language: it is carried from a file to a file. The names are
those of the community wiki's lightshow page; easings are the game's numbers (-1 none, 0 linear,
1-30 the usual curves, 100-102 the game's own).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COLOR, ROTATION, TRANSLATION, FX = "color", "rotation", "translation", "fx"
GROUP_KINDS = (COLOR, ROTATION, TRANSLATION, FX)
"""In the order of v4's group types 1-4."""
INT_FX = "integer fx"
"""Effects of whole numbers, which only v3 can say and no environment of the game uses."""


@dataclass(frozen=True, slots=True, order=True)
class IndexFilter:
    """Which lights of a group a box acts on; ``kind`` 1 sections, 2 step and offset."""

    kind: int = 1
    parameter: int = 1
    parameter_2: int = 0
    reverse: int = 0
    chunks: int = 0
    random: int = 0
    seed: int = 0
    limit: float = 0.0
    limit_affects: int = 0
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, order=True)
class ColorBoxEvent:
    """``transition``: 0 instant, 1 interpolate, 2 extend; an ``easing`` of an interpolation other
    than linear only v4 can say."""

    beat: float
    transition: int = 0
    color: int = 0
    brightness: float = 1.0
    strobe_frequency: int = 0
    strobe_brightness: float = 0.0
    strobe_fade: int = 0
    easing: int = 0
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, order=True)
class ValueBoxEvent:
    """A step of a rotation (degrees), a translation or an effect (a plain number)."""

    beat: float
    value: float = 0.0
    use_previous: int = 0
    easing: int = 0
    loops: int = 0
    direction: int = 0
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, order=True)
class EventBox:
    """Events spread over the filtered lights of a group; ``axis`` and ``flip`` are for rotations
    and translations."""

    filter: IndexFilter = IndexFilter()
    beat_distribution: float = 0.0
    beat_distribution_type: int = 1
    value_distribution: float = 0.0
    value_distribution_type: int = 1
    affects_first: int = 0
    easing: int = 0
    axis: int = 0
    flip: int = 0
    color_events: tuple[ColorBoxEvent, ...] = ()
    value_events: tuple[ValueBoxEvent, ...] = ()
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, order=True)
class EventBoxGroup:
    """Boxes that act on one light group from ``beat`` on; ``kind`` is one of `GROUP_KINDS`
    or `INT_FX`."""

    beat: float
    kind: str
    group: int
    boxes: tuple[EventBox, ...] = ()
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
