"""Difficulty files v3.0-3.3 into the neutral `Beatmap`, and the beatmap into v3.3.0.

From v3.3 on a field at its default (0) may be left out of a file; reading allows that for every
version. Writing leaves nothing out: BeatSaver requires every top-level array, and CustomJSONData on
Quest misreads defaulted fields. Rules: the community wiki's map format page and BeatSaver's upload
validator (beatsaver-common-mp).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from saberlm.prompts.basic_events import COMPATIBLE, KEYWORDS, read_compatible, read_keywords
from saberlm.prompts.beatmap import (
    Arc,
    Beatmap,
    Bomb,
    BoostEvent,
    Chain,
    ColorNote,
    LightEvent,
    Obstacle,
    RotationEvent,
    Waypoint,
)
from saberlm.prompts.errors import LevelError
from saberlm.prompts.extra_fields import without_non_finite, writable_extra
from saberlm.prompts.group_lights_v3 import read_groups, write_groups
from saberlm.prompts.schema_fields import FieldReader

VERSION = "3.3.0"

_Item: TypeAlias = Mapping[str, Any]

_FILE = frozenset(
    {
        "version",
        "bpmEvents",
        "rotationEvents",
        "colorNotes",
        "bombNotes",
        "obstacles",
        "sliders",
        "burstSliders",
        "waypoints",
        "basicBeatmapEvents",
        "colorBoostBeatmapEvents",
        "lightColorEventBoxGroups",
        "lightRotationEventBoxGroups",
        "lightTranslationEventBoxGroups",
        "vfxEventBoxGroups",
        "_fxEventsCollection",
        KEYWORDS,
        COMPATIBLE,
    }
)
_BPM = frozenset("bm")
_ROTATION = frozenset("ber")
_NOTE = frozenset("bxycda")
_BOMB = frozenset("bxy")
_WALL = frozenset("bdxywh")
_ARC = frozenset(("c", "b", "x", "y", "d", "mu", "tb", "tx", "ty", "tc", "tmu", "m"))
_CHAIN = frozenset(("c", "b", "x", "y", "d", "tb", "tx", "ty", "sc", "s"))
_WAYPOINT = frozenset("bxyd")
_LIGHT = frozenset(("b", "et", "i", "f"))
_BOOST = frozenset("bo")


def deserialize(data: dict[str, Any]) -> tuple[Beatmap, dict[str, int]]:
    """Reads a v3.x difficulty; a missing `version` is no hindrance.

    Args:
        data: The file's parsed JSON.

    Returns:
        The beatmap, and how often each kind of thing was mended, kept although only mods can play
        it, or dropped.

    Raises:
        LevelError: If ``data`` is no v3 difficulty.
    """
    if not isinstance(data, dict) or "colorNotes" not in data:
        raise LevelError(
            "expected a v3 difficulty with `colorNotes`, found none: likely another kind"
        )
    reader = FieldReader()
    beatmap = Beatmap(
        color_notes=reader.collect(
            "note", reader.items(data, "colorNotes"), lambda item: _note(reader, item)
        ),
        bombs=reader.collect(
            "bomb", reader.items(data, "bombNotes"), lambda item: _bomb(reader, item)
        ),
        obstacles=reader.collect(
            "wall", reader.items(data, "obstacles"), lambda item: _wall(reader, item)
        ),
        arcs=reader.collect("arc", reader.items(data, "sliders"), lambda item: _arc(reader, item)),
        chains=reader.collect(
            "chain", reader.items(data, "burstSliders"), lambda item: _chain(reader, item)
        ),
        lights=reader.collect(
            "event", reader.items(data, "basicBeatmapEvents"), lambda item: _light(reader, item)
        ),
        boosts=reader.collect(
            "boost event",
            reader.items(data, "colorBoostBeatmapEvents"),
            lambda item: BoostEvent(
                reader.beat(item, "b"), reader.flag(item, "o"), reader.extra(item, _BOOST)
            ),
        ),
        bpm_events=reader.collect(
            "tempo event",
            reader.items(data, "bpmEvents"),
            lambda item: reader.bpm_event(item, "b", "m", _BPM),
        ),
        rotations=reader.collect(
            "lane rotation",
            reader.items(data, "rotationEvents"),
            lambda item: RotationEvent(
                reader.beat(item, "b"),
                reader.integer(item, "e"),
                reader.number(item, "r"),
                reader.extra(item, _ROTATION),
            ),
        ),
        waypoints=reader.collect(
            "waypoint", reader.items(data, "waypoints"), lambda item: _waypoint(reader, item)
        ),
        group_lights=read_groups(reader, data),
        event_keywords=read_keywords(reader, data),
        normal_events_compatible=read_compatible(reader, data),
        extra=reader.extra(data, _FILE, "the file"),
    )
    return beatmap, dict(reader.counts)


def serialize(beatmap: Beatmap, lost: Counter[str]) -> dict[str, Any]:
    """Writes a v3.3.0 difficulty with every array and every field, each collection sorted by beat.

    Args:
        beatmap: What to write. It is not judged here: an illegal object is written as it stands.
        lost: Counts what v3.3 cannot hold.

    Returns:
        An object for `json.dumps`; a number that is not finite stays so and is for the JSON writer
        to refuse.
    """
    if beatmap.njs_events:
        lost["jump speed event"] += len(beatmap.njs_events)
    boosts = _items(beatmap.boosts, lambda e: {"b": e.beat, "o": bool(e.on)}, _BOOST, lost)
    return {
        "version": VERSION,
        "bpmEvents": _items(beatmap.bpm_events, lambda e: {"b": e.beat, "m": e.bpm}, _BPM, lost),
        "rotationEvents": _items(
            beatmap.rotations, lambda e: {"b": e.beat, "e": e.late, "r": e.degrees}, _ROTATION, lost
        ),
        "colorNotes": _items(beatmap.color_notes, _note_item, _NOTE, lost),
        "bombNotes": _items(
            beatmap.bombs, lambda b: {"b": b.beat, "x": b.x, "y": b.y}, _BOMB, lost
        ),
        "obstacles": _items(beatmap.obstacles, _wall_item, _WALL, lost),
        "sliders": _items(beatmap.arcs, _arc_item, _ARC, lost),
        "burstSliders": _items(beatmap.chains, _chain_item, _CHAIN, lost),
        "waypoints": _items(
            beatmap.waypoints,
            lambda w: {"b": w.beat, "x": w.x, "y": w.y, "d": w.direction},
            _WAYPOINT,
            lost,
        ),
        "basicBeatmapEvents": _items(
            beatmap.lights,
            lambda e: {"b": e.beat, "et": e.type, "i": e.value, "f": e.brightness},
            _LIGHT,
            lost,
        ),
        "colorBoostBeatmapEvents": boosts,
        **write_groups(beatmap.group_lights, lost),
        KEYWORDS: {"d": [without_non_finite(keyword, lost) for keyword in beatmap.event_keywords]},
        COMPATIBLE: beatmap.normal_events_compatible,
        **writable_extra(beatmap.extra, lost, _FILE),
    }


def _items(
    things: Iterable[Any],
    item_of: Callable[[Any], dict[str, Any]],
    known: frozenset[str],
    lost: Counter[str],
) -> list[dict[str, Any]]:
    return [
        {**item_of(thing), **writable_extra(thing.extra, lost, known)}
        for thing in sorted(things, key=lambda thing: thing.beat)
    ]


def _note(reader: FieldReader, item: _Item) -> ColorNote:
    x, y, color, direction, angle = (reader.integer(item, key) for key in "xycda")
    beat, extra = reader.beat(item, "b"), reader.extra(item, _NOTE)
    return ColorNote(beat, x, y, color, direction, angle, extra)


def _bomb(reader: FieldReader, item: _Item) -> Bomb:
    x, y = reader.integer(item, "x"), reader.integer(item, "y")
    return Bomb(reader.beat(item, "b"), x, y, reader.extra(item, _BOMB))


def _wall(reader: FieldReader, item: _Item) -> Obstacle:
    x, y, width, height = (reader.integer(item, key) for key in "xywh")
    beat, duration = reader.beat(item, "b"), reader.number(item, "d")
    return Obstacle(beat, x, y, duration, width, height, reader.extra(item, _WALL))


def _arc(reader: FieldReader, item: _Item) -> Arc:
    return Arc(
        beat=reader.beat(item, "b"),
        x=reader.integer(item, "x"),
        y=reader.integer(item, "y"),
        color=reader.integer(item, "c"),
        direction=reader.integer(item, "d"),
        tail_beat=reader.beat(item, "tb"),
        tail_x=reader.integer(item, "tx"),
        tail_y=reader.integer(item, "ty"),
        tail_direction=reader.integer(item, "tc"),
        multiplier=reader.number(item, "mu"),
        tail_multiplier=reader.number(item, "tmu"),
        mid_anchor=reader.integer(item, "m"),
        extra=reader.extra(item, _ARC),
    )


def _chain(reader: FieldReader, item: _Item) -> Chain:
    return Chain(
        beat=reader.beat(item, "b"),
        x=reader.integer(item, "x"),
        y=reader.integer(item, "y"),
        color=reader.integer(item, "c"),
        direction=reader.integer(item, "d"),
        tail_beat=reader.beat(item, "tb"),
        tail_x=reader.integer(item, "tx"),
        tail_y=reader.integer(item, "ty"),
        slice_count=reader.integer(item, "sc"),
        squish=reader.number(item, "s"),
        extra=reader.extra(item, _CHAIN),
    )


def _light(reader: FieldReader, item: _Item) -> LightEvent:
    kind, value = reader.integer(item, "et"), reader.integer(item, "i")
    return LightEvent(
        reader.beat(item, "b"), kind, value, reader.number(item, "f"), reader.extra(item, _LIGHT)
    )


def _waypoint(reader: FieldReader, item: _Item) -> Waypoint:
    x, y, direction = (reader.integer(item, key) for key in "xyd")
    return Waypoint(reader.beat(item, "b"), x, y, direction, reader.extra(item, _WAYPOINT))


def _note_item(note: ColorNote) -> dict[str, Any]:
    return {
        "b": note.beat,
        "x": note.x,
        "y": note.y,
        "c": int(note.color),
        "d": int(note.direction),
        "a": note.angle_offset,
    }


def _wall_item(wall: Obstacle) -> dict[str, Any]:
    return {
        "b": wall.beat,
        "d": wall.duration,
        "x": wall.x,
        "y": wall.y,
        "w": wall.width,
        "h": wall.height,
    }


def _arc_item(arc: Arc) -> dict[str, Any]:
    return {
        "c": int(arc.color),
        "b": arc.beat,
        "x": arc.x,
        "y": arc.y,
        "d": int(arc.direction),
        "mu": arc.multiplier,
        "tb": arc.tail_beat,
        "tx": arc.tail_x,
        "ty": arc.tail_y,
        "tc": int(arc.tail_direction),
        "tmu": arc.tail_multiplier,
        "m": arc.mid_anchor,
    }


def _chain_item(chain: Chain) -> dict[str, Any]:
    return {
        "c": int(chain.color),
        "b": chain.beat,
        "x": chain.x,
        "y": chain.y,
        "d": int(chain.direction),
        "tb": chain.tail_beat,
        "tx": chain.tail_x,
        "ty": chain.tail_y,
        "sc": chain.slice_count,
        "s": chain.squish,
    }
