"""Difficulty files v2.x into the neutral `Beatmap`.

What is mended or dropped is counted by `schema_fields`. Rules: the community wiki's map format
page; `_floatValue` (brightness) came with v2.5, arcs and free walls with v2.6. Tempo changes are
events of type 100 (v2.5); the older `_customData._BPMChanges` only move an editor's grid, never an
object, and are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from saberlm.prompts.beatmap import (
    Arc,
    Beatmap,
    Bomb,
    BoostEvent,
    BpmEvent,
    ColorNote,
    CutDirection,
    LightEvent,
    Obstacle,
)
from saberlm.prompts.schema_fields import DropError, FieldReader, checked_arc, checked_wall

_Item: TypeAlias = Mapping[str, Any]

_COLOURS = (0, 1)
_BOMB = 3
_FULL_WALL, _CROUCH_WALL, _FREE_WALL = 0, 1, 2
_WALL_SHAPE = {_FULL_WALL: (0, 5), _CROUCH_WALL: (2, 3)}  # row, height
_BOOST = 5
_BPM = 100


def deserialize(data: dict[str, Any]) -> tuple[Beatmap, dict[str, int]]:
    """Reads a v2.x difficulty; a missing `_version` is no hindrance.

    Args:
        data: The file's parsed JSON.

    Returns:
        The beatmap, and how often each kind of thing was mended or dropped.

    Raises:
        ValueError: If ``data`` is no v2 difficulty.
    """
    if not isinstance(data, dict) or "_notes" not in data:
        raise ValueError(
            "expected a v2 difficulty with `_notes`, found none: likely another version or kind of "
            "file"
        )
    reader = FieldReader()
    notes = reader.collect("note", reader.items(data, "_notes"), lambda item: _note(reader, item))
    events = reader.collect(
        "event", reader.items(data, "_events"), lambda item: _event(reader, item)
    )
    beatmap = Beatmap(
        color_notes=tuple(note for note in notes if isinstance(note, ColorNote)),
        bombs=tuple(note for note in notes if isinstance(note, Bomb)),
        obstacles=reader.collect(
            "wall", reader.items(data, "_obstacles"), lambda item: _wall(reader, item)
        ),
        arcs=reader.collect("arc", reader.items(data, "_sliders"), lambda item: _arc(reader, item)),
        lights=tuple(event for event in events if isinstance(event, LightEvent)),
        boosts=tuple(event for event in events if isinstance(event, BoostEvent)),
        bpm_events=tuple(event for event in events if isinstance(event, BpmEvent)),
    )
    reader.unmodelled(data, "waypoints", ("_waypoints",))
    return beatmap, dict(reader.counts)


def _note(reader: FieldReader, item: _Item) -> ColorNote | Bomb:
    kind = reader.integer(item, "_type")
    if kind not in (*_COLOURS, _BOMB):
        raise DropError("of a type other than 0, 1 and 3")
    beat = reader.beat(item, "_time")
    x, y = reader.cell(item, "_lineIndex", "_lineLayer")
    if kind == _BOMB:
        return Bomb(beat, x, y)
    return ColorNote(
        beat, x, y, kind, reader.choice(item, "_cutDirection", CutDirection.ANY, "cut direction")
    )


def _wall(reader: FieldReader, item: _Item) -> Obstacle:
    kind = reader.integer(item, "_type")
    if kind == _FREE_WALL:
        y, height = reader.integer(item, "_lineLayer"), reader.integer(item, "_height")
    elif kind in _WALL_SHAPE:
        y, height = _WALL_SHAPE[kind]
    else:
        raise DropError("of a type other than 0, 1 and 2")
    beat, duration = reader.beat(item, "_time"), reader.number(item, "_duration")
    x, width = reader.integer(item, "_lineIndex"), reader.integer(item, "_width")
    return checked_wall(Obstacle(beat, x, y, duration, width, height))


def _arc(reader: FieldReader, item: _Item) -> Arc:
    x, y = reader.cell(item, "_headLineIndex", "_headLineLayer")
    tail_x, tail_y = reader.cell(item, "_tailLineIndex", "_tailLineLayer")
    return checked_arc(
        Arc(
            beat=reader.beat(item, "_headTime"),
            x=x,
            y=y,
            color=reader.choice(item, "_colorType", 1, "colour"),
            direction=reader.choice(item, "_headCutDirection", CutDirection.ANY, "cut direction"),
            tail_beat=reader.beat(item, "_tailTime"),
            tail_x=tail_x,
            tail_y=tail_y,
            tail_direction=reader.choice(
                item, "_tailCutDirection", CutDirection.ANY, "cut direction"
            ),
            multiplier=reader.number(item, "_headControlPointLengthMultiplier"),
            tail_multiplier=reader.number(item, "_tailControlPointLengthMultiplier"),
            mid_anchor=reader.choice(item, "_sliderMidAnchorMode", 2, "mid anchor"),
        )
    )


def _event(reader: FieldReader, item: _Item) -> LightEvent | BoostEvent | BpmEvent:
    beat, kind = reader.beat(item, "_time"), reader.integer(item, "_type")
    if kind == _BPM:
        return reader.bpm_event(beat, reader.number(item, "_floatValue"))
    value = reader.integer(item, "_value")
    if kind == _BOOST:
        return BoostEvent(beat, value == 1)
    return reader.light(beat, kind, value, reader.number(item, "_floatValue", 1.0))
