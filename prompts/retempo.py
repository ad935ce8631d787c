"""A difficulty's beats moved: onto another grid, or through another tempo so that every object
keeps its second.

Format v4 has one tempo for all difficulties of a level; versions 2 and 3 have one for each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from saberlm.prompts.beatmap import Beatmap, BpmEvent
from saberlm.prompts.group_lights import EventBox, EventBoxGroup
from saberlm.prompts.tempo import TempoMap

SAME_SECONDS = 1e-6
"""Tempos whose beats lie within this of each other, in seconds, are one tempo."""

_TIMED = (
    "color_notes",
    "bombs",
    "obstacles",
    "arcs",
    "chains",
    "lights",
    "boosts",
    "rotations",
    "waypoints",
    "njs_events",
)

_T = TypeVar("_T")


def tempo_gap(bpm: float, one: Iterable[BpmEvent], other: Iterable[BpmEvent], end: float) -> float:
    """How far apart two tempos over one base tempo place a beat from 0 to ``end``, at most.

    Returns:
        The largest difference, in seconds.

    Raises:
        ValueError: If a tempo is not a number above 0.
    """
    one, other = tuple(one), tuple(other)
    if one == other:
        return 0.0
    beats = {0.0, end, *(event.beat for event in (*one, *other) if 0 <= event.beat < end)}
    maps = TempoMap(bpm, one), TempoMap(bpm, other)
    return max(abs(maps[0].to_seconds(beat) - maps[1].to_seconds(beat)) for beat in beats)


def with_tempo(
    beatmap: Beatmap, bpm: float, events: tuple[BpmEvent, ...], lost: Counter[str]
) -> Beatmap:
    """Returns the beatmap with ``events`` as its tempo and every beat moved to its own second.

    Args:
        beatmap: A difficulty, whose beats are counted through its own tempo events.
        bpm: The base tempo of both.
        events: The tempo to count in.
        lost: Counts custom data, whose beats are not moved.

    Raises:
        ValueError: If a tempo is not a number above 0.
    """
    source, target = TempoMap(bpm, beatmap.bpm_events), TempoMap(bpm, events)

    def beat_of(beat: float) -> float:
        return float(target.to_beats(source.to_seconds(beat)))

    if beatmap.extra:
        lost["custom data of a difficulty whose tempo changed: its own beats stay"] += 1
    return replace(move_beats(beatmap, beat_of), bpm_events=events)


def move_beats(beatmap: Beatmap, beat_of: Callable[[float], float]) -> Beatmap:
    """Returns the beatmap with every object at another beat; its tempo events stay.

    Args:
        beatmap: Any difficulty.
        beat_of: An old beat's new one, rising. Walls, arcs and chains have their ends moved too.
    """
    groups: dict[str, Any] = {
        name: tuple(moved(item, beat_of) for item in getattr(beatmap, name)) for name in _TIMED
    }
    lights = tuple(_moved_group(group, beat_of) for group in beatmap.group_lights)
    return replace(beatmap, **groups, group_lights=lights)


def moved(item: _T, beat_of: Callable[[float], float]) -> _T:
    """Returns an object of a beatmap with its beat, and its end if it has one, moved."""
    record: Any = item
    changes = {"beat": beat_of(record.beat)}
    if hasattr(record, "tail_beat"):
        changes["tail_beat"] = beat_of(record.tail_beat)
    if hasattr(record, "duration"):
        changes["duration"] = beat_of(record.beat + record.duration) - changes["beat"]
    changed: _T = replace(record, **changes)
    return changed


def _moved_group(group: EventBoxGroup, beat_of: Callable[[float], float]) -> EventBoxGroup:
    start = beat_of(group.beat)

    def length_of(beats: float) -> float:
        return beat_of(group.beat + beats) - start

    def moved_box(box: EventBox) -> EventBox:
        return replace(
            box,
            beat_distribution=length_of(box.beat_distribution),
            color_events=tuple(replace(e, beat=length_of(e.beat)) for e in box.color_events),
            value_events=tuple(replace(e, beat=length_of(e.beat)) for e in box.value_events),
        )

    return replace(group, beat=start, boxes=tuple(map(moved_box, group.boxes)))
