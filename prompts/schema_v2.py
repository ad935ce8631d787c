"""Difficulty files v2.0-2.6 into the neutral `Beatmap`, and the beatmap into v2.2.0.

Rules: the community wiki's map format page. Event keywords came with v2.4, `_floatValue`
(brightness) and tempo events (type 100) with v2.5, arcs and free walls with v2.6; v2.2 is what the
oldest tools read. The older `_BPMChanges` only move an editor's grid, never an object, and are
carried with the rest of the custom data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, TypeAlias

from saberlm.prompts.beatmap import (
    Arc,
    Beatmap,
    Bomb,
    BoostEvent,
    BpmEvent,
    ColorNote,
    LightEvent,
    Obstacle,
    RotationEvent,
    Waypoint,
)
from saberlm.prompts.errors import LevelError
from saberlm.prompts.extra_fields import CUSTOM_DATA_V2, writable_extra
from saberlm.prompts.retempo import with_tempo
from saberlm.prompts.schema_fields import DropError, FieldReader
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.vanilla import RAW_WALL_TYPE

VERSION = "2.2.0"

_Item: TypeAlias = Mapping[str, Any]
_Event: TypeAlias = LightEvent | BoostEvent | BpmEvent | RotationEvent

_COLOURS = (0, 1)
_BOMB = 3
_FULL_WALL, _CROUCH_WALL, _FREE_WALL = 0, 1, 2
_WALL_SHAPE = {_FULL_WALL: (0, 5), _CROUCH_WALL: (2, 3)}  # row, height
_WALL_TYPE = {shape: kind for kind, shape in _WALL_SHAPE.items()}
_BOOST = 5
_BPM = 100
_ROTATION_EARLY, _ROTATION_LATE = 14, 15
_ROTATIONS = (_ROTATION_EARLY, _ROTATION_LATE)
_DEGREES = (-60.0, -45.0, -30.0, -15.0, 15.0, 30.0, 45.0, 60.0)
_PRECISE_FROM, _PRECISE_0 = 1000, 1360  # Mapping Extensions: any whole angle

_KEYWORDS = "_specialEventsKeywordFilters"
_BPM_CHANGES = "_BPMChanges"
_FILE = frozenset(
    ("_version", "_notes", "_obstacles", "_events", "_waypoints", "_sliders", _KEYWORDS)
)
_NOTE_FIELDS = frozenset(("_time", "_lineIndex", "_lineLayer", "_type", "_cutDirection"))
_WALL_FIELDS = frozenset(("_time", "_type", "_lineIndex", "_duration", "_width"))
_FREE_WALL_FIELDS = _WALL_FIELDS | {"_lineLayer", "_height"}
_EVENT_FIELDS = frozenset(("_time", "_type", "_value", "_floatValue"))
_WAYPOINT_FIELDS = frozenset(("_time", "_lineIndex", "_lineLayer", "_offsetDirection"))
_ARC_FIELDS = frozenset(
    (
        "_colorType",
        "_headTime",
        "_headLineIndex",
        "_headLineLayer",
        "_headCutDirection",
        "_headControlPointLengthMultiplier",
        "_tailTime",
        "_tailLineIndex",
        "_tailLineLayer",
        "_tailCutDirection",
        "_tailControlPointLengthMultiplier",
        "_sliderMidAnchorMode",
    )
)


def deserialize(data: dict[str, Any]) -> tuple[Beatmap, dict[str, int]]:
    """Reads a v2.x difficulty; a missing `_version` is no hindrance.

    Collections of another version that the file has as well are carried as unknown fields.

    Args:
        data: The file's parsed JSON.

    Returns:
        The beatmap, and how often each kind of thing was mended, kept although only mods can play
        it, or dropped.

    Raises:
        LevelError: If ``data`` is no v2 difficulty.
    """
    if not isinstance(data, dict) or "_notes" not in data:
        raise LevelError(
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
        rotations=tuple(event for event in events if isinstance(event, RotationEvent)),
        waypoints=reader.collect(
            "waypoint", reader.items(data, "_waypoints"), lambda item: _waypoint(reader, item)
        ),
        event_keywords=_keywords(reader, data),
        extra=reader.extra(data, _FILE, "the file"),
    )
    return beatmap, dict(reader.counts)


def serialize(
    beatmap: Beatmap, lost: Counter[str], bpm: float, *, brightness: bool = False
) -> dict[str, Any]:
    """Writes a v2.2.0 difficulty, each collection sorted by beat.

    v2.2 has no tempo events and plays at Info.dat's tempo: where the beatmap changes tempo, every
    object moves to the beat of that tempo which keeps its second, and the changes are written for
    editors' grids.

    Args:
        beatmap: What to write. It is not judged here: an illegal object is written as it stands.
        lost: Counts what v2.2 cannot hold.
        bpm: The level's base tempo, in beats a minute.
        brightness: State the brightness of lights, as files of version 2.5 and 2.6 do.

    Returns:
        An object for `json.dumps`; a number that is not finite stays so and is for the JSON writer
        to refuse.

    Raises:
        LevelError: If the beatmap changes tempo and ``bpm`` or a tempo is not above 0.
    """
    changes: list[dict[str, Any]] = []
    if any(event.bpm != bpm for event in beatmap.bpm_events):
        lost["tempo change kept for editors only, objects moved to beats of the base tempo"] += len(
            beatmap.bpm_events
        )
        changes = _bpm_changes(beatmap, bpm)
        beatmap = with_tempo(beatmap, bpm, (), lost)
    elif beatmap.bpm_events:
        lost["tempo event that says the base tempo"] += len(beatmap.bpm_events)
    for what, things in (
        ("arc", beatmap.arcs),
        ("chain", beatmap.chains),
        ("jump speed event", beatmap.njs_events),
        ("group lighting event box group", beatmap.group_lights),
        ("event keyword", beatmap.event_keywords),
    ):
        if things:
            lost[what] += len(things)
    if not beatmap.normal_events_compatible:
        lost["switch that turns basic events off"] += 1
    custom = writable_extra(beatmap.extra, lost, _FILE, v2=True)
    of_file = custom.pop(CUSTOM_DATA_V2, {})
    if changes and isinstance(of_file, dict) and _BPM_CHANGES not in {**of_file, **custom}:
        of_file = {**of_file, _BPM_CHANGES: changes}
    return {
        "_version": VERSION,
        "_notes": _note_items(beatmap, lost),
        "_obstacles": _wall_items(beatmap, lost),
        "_events": _event_items(beatmap, lost, brightness=brightness),
        "_waypoints": [
            {
                "_time": point.beat,
                "_lineIndex": point.x,
                "_lineLayer": point.y,
                "_offsetDirection": point.direction,
                **writable_extra(point.extra, lost, _WAYPOINT_FIELDS, v2=True),
            }
            for point in sorted(beatmap.waypoints, key=lambda point: point.beat)
        ],
        **custom,
        CUSTOM_DATA_V2: of_file,
    }


def _note(reader: FieldReader, item: _Item) -> ColorNote | Bomb:
    kind = reader.integer(item, "_type")
    if kind not in (*_COLOURS, _BOMB):
        raise DropError("of a type other than 0, 1 and 3")
    beat = reader.beat(item, "_time")
    x, y = reader.integer(item, "_lineIndex"), reader.integer(item, "_lineLayer")
    direction = reader.integer(item, "_cutDirection")
    extra = reader.extra(item, _NOTE_FIELDS)
    if kind == _BOMB:
        return Bomb(beat, x, y, extra)
    return ColorNote(beat, x, y, kind, direction, extra=extra)


def _wall(reader: FieldReader, item: _Item) -> Obstacle:
    kind = reader.integer(item, "_type")
    beat, duration = reader.beat(item, "_time"), reader.number(item, "_duration")
    x, width = reader.integer(item, "_lineIndex"), reader.integer(item, "_width")
    # The game shows a type it does not know as a full wall.
    y, height = _WALL_SHAPE.get(kind, _WALL_SHAPE[_FULL_WALL])
    if kind == _FREE_WALL:
        y, height = reader.integer(item, "_lineLayer"), reader.integer(item, "_height")
    extra = reader.extra(item, _wall_fields(item, y, height))
    if kind != _FREE_WALL and kind not in _WALL_SHAPE:
        extra = {**(extra or {}), RAW_WALL_TYPE: kind}
    return Obstacle(beat, x, y, duration, width, height, extra)


def _wall_fields(item: _Item, y: int, height: int) -> frozenset[str]:
    """Returns which fields say nothing beyond a wall's shape: v2.6 states it for every type."""
    redundant = (item.get("_lineLayer", y), item.get("_height", height)) == (y, height)
    return _FREE_WALL_FIELDS if redundant else _WALL_FIELDS


def _arc(reader: FieldReader, item: _Item) -> Arc:
    return Arc(
        beat=reader.beat(item, "_headTime"),
        x=reader.integer(item, "_headLineIndex"),
        y=reader.integer(item, "_headLineLayer"),
        color=reader.integer(item, "_colorType"),
        direction=reader.integer(item, "_headCutDirection"),
        tail_beat=reader.beat(item, "_tailTime"),
        tail_x=reader.integer(item, "_tailLineIndex"),
        tail_y=reader.integer(item, "_tailLineLayer"),
        tail_direction=reader.integer(item, "_tailCutDirection"),
        multiplier=reader.number(item, "_headControlPointLengthMultiplier"),
        tail_multiplier=reader.number(item, "_tailControlPointLengthMultiplier"),
        mid_anchor=reader.integer(item, "_sliderMidAnchorMode"),
        extra=reader.extra(item, _ARC_FIELDS),
    )


def _event(reader: FieldReader, item: _Item) -> _Event:
    kind = reader.integer(item, "_type")
    if kind == _BPM:
        return reader.bpm_event(item, "_time", "_floatValue", _EVENT_FIELDS)
    beat, value = reader.beat(item, "_time"), reader.integer(item, "_value")
    brightness = reader.number(item, "_floatValue", 1.0)
    extra = reader.extra(item, _EVENT_FIELDS)
    if kind == _BOOST:
        if value not in (0, 1):
            reader.counts["boost event of a value other than 0 and 1 read as off"] += 1
        return BoostEvent(beat, value == 1, extra)
    if kind in _ROTATIONS and (degrees := _degrees(value)) is not None:
        return RotationEvent(beat, int(kind == _ROTATION_LATE), degrees, extra)
    return LightEvent(beat, kind, value, brightness, extra)


def _degrees(value: int) -> float | None:
    """Returns the angle that the value of a rotation event stands for, None if for none."""
    if 0 <= value < len(_DEGREES):
        return _DEGREES[value]
    return float(value - _PRECISE_0) if value >= _PRECISE_FROM else None


def _waypoint(reader: FieldReader, item: _Item) -> Waypoint:
    return Waypoint(
        reader.beat(item, "_time"),
        reader.integer(item, "_lineIndex"),
        reader.integer(item, "_lineLayer"),
        reader.integer(item, "_offsetDirection"),
        reader.extra(item, _WAYPOINT_FIELDS),
    )


def _keywords(reader: FieldReader, data: _Item) -> tuple[_Item, ...]:
    """Reads event keywords into v3's spelling, which is the neutral one."""
    found = data.get(_KEYWORDS)
    if not isinstance(found, dict):
        if found is not None:
            reader.counts[f"{_KEYWORDS} that is not an object dropped"] += 1
        return ()
    if unknown := len(found.keys() - {"_keywords"}):
        reader.counts[f"unknown field of {_KEYWORDS} dropped"] += unknown
    spelling = {"_keyword": "k", "_specialEvents": "e"}
    return tuple(
        {spelling.get(key, key): value for key, value in item.items()}
        for item in reader.items(found, "_keywords")
    )


def _bpm_changes(beatmap: Beatmap, bpm: float) -> list[dict[str, Any]]:
    tempo, base = TempoMap(bpm, beatmap.bpm_events), TempoMap(bpm)
    return [
        {
            "_time": base.to_beats(tempo.to_seconds(event.beat)),
            "_BPM": event.bpm,
            "_beatsPerBar": 4,
            "_metronomeOffset": 4,
        }
        for event in sorted(beatmap.bpm_events, key=lambda event: event.beat)
    ]


def _note_items(beatmap: Beatmap, lost: Counter[str]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    things: list[ColorNote | Bomb] = [*beatmap.color_notes, *beatmap.bombs]
    for thing in sorted(things, key=lambda thing: thing.beat):
        kind, direction = _BOMB, 0
        if isinstance(thing, ColorNote):
            kind, direction = int(thing.color), int(thing.direction)
            if kind not in _COLOURS:
                lost["note of a colour other than red and blue"] += 1
                continue
            if thing.angle_offset:
                lost["angle offset of a note"] += 1
        items.append(
            {
                "_time": thing.beat,
                "_lineIndex": thing.x,
                "_lineLayer": thing.y,
                "_type": kind,
                "_cutDirection": direction,
                **writable_extra(thing.extra, lost, _NOTE_FIELDS, v2=True),
            }
        )
    return items


def _wall_items(beatmap: Beatmap, lost: Counter[str]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for wall in sorted(beatmap.obstacles, key=lambda wall: wall.beat):
        kind = _WALL_TYPE.get((wall.y, wall.height))
        if kind is None:
            lost["wall that is neither a full nor a crouch wall"] += 1
            continue
        extra = dict(wall.extra or {})
        if kind == _FULL_WALL and _is_raw_type(extra.get(RAW_WALL_TYPE)):
            kind = extra.pop(RAW_WALL_TYPE)
        items.append(
            {
                "_time": wall.beat,
                "_type": kind,
                "_lineIndex": wall.x,
                "_duration": wall.duration,
                "_width": wall.width,
                **writable_extra(extra, lost, _wall_fields(extra, wall.y, wall.height), v2=True),
            }
        )
    return items


def _is_raw_type(kind: object) -> bool:
    return type(kind) is int and kind != _FREE_WALL and kind not in _WALL_SHAPE


def _event_items(beatmap: Beatmap, lost: Counter[str], *, brightness: bool) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    events: list[_Event] = [*beatmap.boosts, *beatmap.rotations, *beatmap.lights]
    for event in sorted(events, key=lambda event: event.beat):
        if isinstance(event, BoostEvent):
            kind, value = _BOOST, int(event.on)
        elif isinstance(event, RotationEvent):
            if event.degrees not in _DEGREES or event.late not in (0, 1):
                lost["lane rotation by other than 15, 30, 45 or 60 degrees"] += 1
                continue
            kind, value = _ROTATIONS[event.late], _DEGREES.index(event.degrees)
        else:
            assert isinstance(event, LightEvent)
            kind, value = event.type, event.value
            if kind in (_BOOST, _BPM) or (kind in _ROTATIONS and _degrees(value) is not None):
                lost["light of a type that means something else in v2"] += 1
                continue
            if event.brightness != 1 and not brightness:
                lost["brightness of a light"] += 1
        stated = {"_floatValue": getattr(event, "brightness", 1.0)} if brightness else {}
        items.append(
            {
                "_time": event.beat,
                "_type": kind,
                "_value": value,
                **stated,
                **writable_extra(event.extra, lost, _EVENT_FIELDS, v2=True),
            }
        )
    return items
