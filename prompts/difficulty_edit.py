"""One difficulty's file with some objects taken out and others put in, in its own version.

What stays is not read and written again: its JSON objects stand in the new file as they stood in
the old one, custom data, unknown fields and all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from saberlm.prompts import schema_v2, schema_v3, schema_v4
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.schema_fields import DropError, FieldReader

PLAYABLE = ("color_notes", "bombs", "obstacles", "arcs", "chains")
SHOWN = ("lights", "boosts")
CHANGEABLE = (*PLAYABLE, *SHOWN)
"""The collections of a `Beatmap` that a `Change` may touch."""
FIRST_V2_WITH_BRIGHTNESS = (2, 5)

_BOMB, _BOOST = 3, 5
_OTHER_EVENTS = (14, 15, 100)  # lane rotations and the tempo


class _List(NamedTuple):
    """A list of a file: its name, the fields of an object's beat and of its tail's, and the
    collection that the objects belong to."""

    name: str
    beat: str
    tail: str | None
    group: str


_V2 = (
    _List("_notes", "_time", None, "color_notes"),  # and bombs
    _List("_obstacles", "_time", None, "obstacles"),
    _List("_sliders", "_headTime", "_tailTime", "arcs"),
    _List("_events", "_time", None, "lights"),  # and boosts
)
_V3 = (
    _List("colorNotes", "b", None, "color_notes"),
    _List("bombNotes", "b", None, "bombs"),
    _List("obstacles", "b", None, "obstacles"),
    _List("sliders", "b", "tb", "arcs"),
    _List("burstSliders", "b", "tb", "chains"),
    _List("basicBeatmapEvents", "b", None, "lights"),
    _List("colorBoostBeatmapEvents", "b", None, "boosts"),
)
_V4 = (
    _List("colorNotes", "b", None, "color_notes"),
    _List("bombNotes", "b", None, "bombs"),
    _List("obstacles", "b", None, "obstacles"),
    _List("arcs", "hb", "tb", "arcs"),
    _List("chains", "hb", "tb", "chains"),
)
_V4_SHOW = (
    _List("basicEvents", "b", None, "lights"),
    _List("colorBoostEvents", "b", None, "boosts"),
)
_TABLES = {
    "colorNotes": {"i": "colorNotesData"},
    "bombNotes": {"i": "bombNotesData"},
    "obstacles": {"i": "obstaclesData"},
    "arcs": {"hi": "colorNotesData", "ti": "colorNotesData", "ai": "arcsData"},
    "chains": {"i": "colorNotesData", "ci": "chainsData"},
    "basicEvents": {"i": "basicEventsData"},
    "colorBoostEvents": {"i": "colorBoostEventsData"},
}
"""Of the lists of version 4, which fields number the rows of which table."""

_Key = tuple[str, float, float | None]


@dataclass(frozen=True)
class Change:
    """Objects that go and objects that come, of the collections `CHANGEABLE` alone, in the beats
    of the file. All objects of a kind at one beat (arcs and chains: with one tail, too) go
    together."""

    removed: Beatmap
    added: Beatmap

    def keys(self) -> frozenset[_Key]:
        """What tells an object that goes: its collection, its beat and its tail's."""
        return frozenset(
            (group, item.beat, getattr(item, "tail_beat", None))
            for group in CHANGEABLE
            for item in getattr(self.removed, group)
        )

    def touches(self, groups: tuple[str, ...]) -> bool:
        """Whether an object of these collections goes or comes."""
        return any(getattr(side, g) for side in (self.removed, self.added) for g in groups)


def edit_v2(
    raw: Mapping[str, Any], change: Change, bpm: float, lost: Counter[str]
) -> dict[str, Any]:
    """A file of version 2, changed.

    Args:
        raw: The file's parsed JSON, which stays as it is.
        change: What goes and comes.
        bpm: The level's base tempo.
        lost: Counts what came and the version cannot hold.
    """
    bright = states_brightness(raw)
    new = schema_v2.serialize(change.added, lost, bpm, brightness=bright)
    return _edited(raw, _V2, change.keys(), new, {})


def edit_v3(raw: Mapping[str, Any], change: Change, lost: Counter[str]) -> dict[str, Any]:
    """A file of version 3, changed; see `edit_v2`."""
    return _edited(raw, _V3, change.keys(), schema_v3.serialize(change.added, lost), {})


def edit_v4(
    raw: Mapping[str, Any], show: Mapping[str, Any], change: Change, lost: Counter[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A difficulty of version 4 and its lightshow, changed; see `edit_v2`. Rows of the tables stay,
    new ones follow them."""
    new, new_show = schema_v4.serialize(change.added, lost)
    keys = change.keys()
    return _edited(raw, _V4, keys, new, _TABLES), _edited(show, _V4_SHOW, keys, new_show, _TABLES)


def empty_show() -> dict[str, Any]:
    """A lightshow file of version 4 without anything in it."""
    return schema_v4.serialize(Beatmap(), Counter())[1]


def states_brightness(raw: Mapping[str, Any]) -> bool:
    """Whether a file of version 2 states the brightness of its lights; before 2.5 all are 1."""
    parts = str(raw.get("_version") or "").split(".")[:2]
    return all(map(str.isdecimal, parts)) and tuple(map(int, parts)) >= FIRST_V2_WITH_BRIGHTNESS


def _edited(
    raw: Mapping[str, Any],
    lists: tuple[_List, ...],
    gone: frozenset[_Key],
    new: Mapping[str, Any],
    tables: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    out = dict(raw)
    first_rows = {
        name: len(_list(raw, name)) for fields in tables.values() for name in fields.values()
    }
    for one in lists:
        old = _list(raw, one.name)
        kept = [item for item in old if _key(item, one) not in gone]
        fields = tables.get(one.name, {})
        come = [
            {**item, **{field: item[field] + first_rows[table] for field, table in fields.items()}}
            for item in new.get(one.name, ())
        ]
        if not come and len(kept) == len(old):
            continue
        out[one.name] = _by_beat([*kept, *come], one.beat)
        if come:
            for table in fields.values():
                out[table] = [*_list(raw, table), *new[table]]
    return out


def _list(raw: Mapping[str, Any], name: str) -> list[Any]:
    found = raw.get(name)
    return found if isinstance(found, list) else []


def _key(item: Any, one: _List) -> _Key | None:
    """What tells an object of a file; None for what cannot be read, and stays."""
    reader = FieldReader()
    if not isinstance(item, dict):
        return None
    group = one.group
    try:
        if one.name in ("_notes", "_events"):
            kind = reader.integer(item, "_type")
            if one.name == "_notes":
                group = "bombs" if kind == _BOMB else group
            elif kind in _OTHER_EVENTS:
                return None
            else:
                group = "boosts" if kind == _BOOST else group
        tail = None if one.tail is None else reader.beat(item, one.tail)
        return group, reader.beat(item, one.beat), tail
    except DropError:
        return None


def _by_beat(items: list[Any], field: str) -> list[Any]:
    """In order of their beats; what has none stays behind what it followed."""
    keys: list[float] = []
    for item in items:
        try:
            keys.append(FieldReader().beat(item, field))
        except (DropError, AttributeError):
            keys.append(keys[-1] if keys else 0.0)
    return [items[i] for i in sorted(range(len(items)), key=keys.__getitem__)]
