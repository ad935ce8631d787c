"""The v4 lightshow file: basic events, boosts, waypoints, keywords and group lighting.

Its objects number rows of tables. Rules: the community wiki's lightshow page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from saberlm.prompts import group_lights_v4
from saberlm.prompts.basic_events import COMPATIBLE, KEYWORDS, read_compatible, read_keywords
from saberlm.prompts.beatmap import Beatmap, BoostEvent, LightEvent, Waypoint
from saberlm.prompts.extra_fields import writable_extra
from saberlm.prompts.group_lights import EventBoxGroup
from saberlm.prompts.lanes_v4 import LANE, own_lane, without_lanes
from saberlm.prompts.schema_fields import FieldReader
from saberlm.prompts.tables_v4 import RowTable, merged_extra, row_of

VERSION = "4.0.0"

_Item: TypeAlias = Mapping[str, Any]

_FILE = frozenset(
    {
        "version",
        "basicEvents",
        "basicEventsData",
        "colorBoostEvents",
        "colorBoostEventsData",
        "waypoints",
        "waypointsData",
        KEYWORDS,
        COMPATIBLE,
        group_lights_v4.GROUPS,
        group_lights_v4.FILTERS,
        *group_lights_v4.BOX_TABLES.values(),
        *group_lights_v4.EVENT_TABLES.values(),
    }
)
_EVENT = frozenset("bi")
_LANE_EVENT = frozenset("bir")
_LIGHT = frozenset("tif")
_BOOST = frozenset("b")
_WAYPOINT = frozenset("xyd")


@dataclass(frozen=True)
class Lightshow:
    """What a lightshow file adds to a beatmap; fields as in `Beatmap`."""

    lights: tuple[LightEvent, ...] = ()
    boosts: tuple[BoostEvent, ...] = ()
    waypoints: tuple[Waypoint, ...] = ()
    group_lights: tuple[EventBoxGroup, ...] = ()
    event_keywords: tuple[_Item, ...] = ()
    normal_events_compatible: bool = True
    extra: _Item | None = None


def read_lightshow(reader: FieldReader, data: Mapping[str, Any]) -> Lightshow:
    """Reads a lightshow.

    Args:
        reader: Counts what is mended or dropped: also what numbers a row that is not there.
        data: The lightshow's parsed JSON.
    """
    return Lightshow(
        lights=reader.collect(
            "event", reader.items(data, "basicEvents"), lambda item: _light(reader, data, item)
        ),
        boosts=reader.collect(
            "boost event",
            reader.items(data, "colorBoostEvents"),
            lambda item: _boost(reader, data, item),
        ),
        waypoints=reader.collect(
            "waypoint", reader.items(data, "waypoints"), lambda item: _waypoint(reader, data, item)
        ),
        group_lights=group_lights_v4.read_groups(reader, data),
        event_keywords=read_keywords(reader, data),
        normal_events_compatible=read_compatible(reader, data),
        extra=reader.extra(data, _FILE, "the lightshow"),
    )


def write_lightshow(beatmap: Beatmap, lost: Counter[str]) -> dict[str, Any]:
    """Writes a lightshow 4.0.0 with every table and field; rows in the order of first use.

    Args:
        beatmap: Whose lights to write. Its ``extra`` is the difficulty file's to hold.
        lost: Counts what the format cannot say.
    """
    lights, lights_data = referring(
        beatmap.lights,
        lambda e: {"t": e.type, "i": e.value, "f": e.brightness},
        _EVENT,
        lost,
    )
    boosts, boosts_data = referring(beatmap.boosts, lambda e: {"b": int(e.on)}, _EVENT, lost)
    waypoints, waypoints_data = referring(
        beatmap.waypoints,
        lambda w: {"x": w.x, "y": w.y, "d": w.direction},
        _LANE_EVENT,
        lost,
        lambda w: own_lane(w.extra, LANE, 0),
    )
    return {
        "version": VERSION,
        "basicEvents": lights,
        "basicEventsData": lights_data,
        "colorBoostEvents": boosts,
        "colorBoostEventsData": boosts_data,
        "waypoints": waypoints,
        "waypointsData": waypoints_data,
        KEYWORDS: {"d": [dict(keyword) for keyword in beatmap.event_keywords]},
        **group_lights_v4.write_groups(beatmap.group_lights, lost),
        COMPATIBLE: beatmap.normal_events_compatible,
    }


def referring(
    things: Iterable[Any],
    row_of_thing: Callable[[Any], dict[str, Any]],
    known: frozenset[str],
    lost: Counter[str],
    lane: Callable[[Any], int] | None = None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns objects by beat, each with the number of its row, and the rows.

    Args:
        things: The records.
        row_of_thing: Makes the row.
        known: The fields of the object that numbers it.
        lost: Counts what cannot be written.
        lane: Returns a record's lane in degrees, if the objects have one.
    """
    table = RowTable()
    items = [
        {
            "b": thing.beat,
            **({} if lane is None else {LANE: lane(thing)}),
            "i": table.number(row_of_thing(thing)),
            **writable_extra(
                thing.extra if lane is None else without_lanes(thing.extra), lost, known
            ),
        }
        for thing in sorted(things, key=lambda thing: thing.beat)
    ]
    return items, table.rows


def _light(reader: FieldReader, data: _Item, item: _Item) -> LightEvent:
    row = row_of(reader, data, "basicEventsData", item, "i")
    return LightEvent(
        reader.beat(item, "b"),
        reader.integer(row, "t"),
        reader.integer(row, "i"),
        reader.number(row, "f"),
        merged_extra(reader, item, _EVENT, row, _LIGHT),
    )


def _boost(reader: FieldReader, data: _Item, item: _Item) -> BoostEvent:
    row = row_of(reader, data, "colorBoostEventsData", item, "i")
    extra = merged_extra(reader, item, _EVENT, row, _BOOST)
    return BoostEvent(reader.beat(item, "b"), reader.flag(row, "b"), extra)


def _waypoint(reader: FieldReader, data: _Item, item: _Item) -> Waypoint:
    row = row_of(reader, data, "waypointsData", item, "i")
    x, y, direction = (reader.integer(row, key) for key in "xyd")
    extra = merged_extra(reader, item, _LANE_EVENT, row, _WAYPOINT)
    if lane := reader.integer(item, LANE):
        reader.counts["kept: waypoint in a lane of its own"] += 1
        extra = {**(extra or {}), LANE: lane}
    return Waypoint(reader.beat(item, "b"), x, y, direction, extra)
