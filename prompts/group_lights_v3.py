"""Group lighting in difficulty files v3.0-3.3, where boxes and events lie inside their groups.

Effects alone are elsewhere: a box numbers events of ``_fxEventsCollection``. Meanings: the
community wiki's lightshow page. Easings other than linear on colours exist only in v4.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from saberlm.prompts.extra_fields import writable_extra
from saberlm.prompts.group_fields import (
    BOX_V3,
    COLOR_EVENT_V3,
    EVENT_V3,
    FILTER,
    letters,
    read_fields,
    read_filter,
    write_fields,
)
from saberlm.prompts.group_lights import (
    COLOR,
    FX,
    GROUP_KINDS,
    INT_FX,
    ROTATION,
    TRANSLATION,
    ColorBoxEvent,
    EventBox,
    EventBoxGroup,
    IndexFilter,
    ValueBoxEvent,
)
from saberlm.prompts.schema_fields import DropError, FieldReader

_Item: TypeAlias = Mapping[str, Any]

GROUP_LISTS = {
    COLOR: "lightColorEventBoxGroups",
    ROTATION: "lightRotationEventBoxGroups",
    TRANSLATION: "lightTranslationEventBoxGroups",
    FX: "vfxEventBoxGroups",
}
FX_EVENTS = "_fxEventsCollection"

_FX_LISTS = {FX: "_fl", INT_FX: "_il"}
_FX_TYPES = {INT_FX: 0, FX: 1}
_GROUP_LETTERS = frozenset("bge")
_FX_GROUP_LETTERS = _GROUP_LETTERS | {"t"}
_COLOR_LETTERS = letters(COLOR_EVENT_V3, "b")
_VALUE_LETTERS = {kind: letters(fields, "b") for kind, fields in EVENT_V3.items()}
_EVENT_LISTS = {COLOR: "e", ROTATION: "l", TRANSLATION: "l", FX: "l", INT_FX: "l"}
_BOX_LETTERS = {kind: letters(BOX_V3[kind], "f", _EVENT_LISTS[kind]) for kind in BOX_V3}


def read_groups(reader: FieldReader, data: Mapping[str, Any]) -> tuple[EventBoxGroup, ...]:
    """Reads a v3 difficulty's group lighting.

    Args:
        reader: Counts what is mended or dropped.
        data: The difficulty's parsed JSON.

    Returns:
        The groups by beat; at one beat by kind, else in the file's order.
    """
    fx = _FxEvents(reader, data.get(FX_EVENTS))
    groups = [
        group
        for kind, key in GROUP_LISTS.items()
        for group in reader.collect(
            "light group",
            reader.items(data, key),
            lambda item, kind=kind: _group(reader, item, kind, fx),  # type: ignore[misc]
        )
    ]
    if unused := fx.unused():
        reader.counts["effect event that no group uses dropped"] += unused
    return in_order(groups)


def in_order(groups: Iterable[EventBoxGroup]) -> tuple[EventBoxGroup, ...]:
    """Returns groups by beat; at one beat by kind, else in the order given."""
    kinds = (*GROUP_KINDS, INT_FX)
    return tuple(sorted(groups, key=lambda group: (group.beat, kinds.index(group.kind))))


def write_groups(groups: Sequence[EventBoxGroup], lost: Counter[str]) -> dict[str, Any]:
    """Writes group lighting as the top-level fields of a v3.3 difficulty, every field explicit.

    Args:
        groups: What to write; sorted by beat as the neutral beatmap keeps them.
        lost: Counts what v3 cannot say.
    """
    lists: dict[str, list[dict[str, Any]]] = {key: [] for key in GROUP_LISTS.values()}
    events: dict[str, list[dict[str, Any]]] = {"_fl": [], "_il": []}
    for group in in_order(groups):
        is_fx = group.kind in _FX_LISTS
        lists[GROUP_LISTS[FX if is_fx else group.kind]].append(
            {
                "b": group.beat,
                "g": group.group,
                **({"t": _FX_TYPES[group.kind]} if is_fx else {}),
                "e": [_box_item(box, group.kind, events, lost) for box in group.boxes],
                **writable_extra(group.extra, lost, _FX_GROUP_LETTERS if is_fx else _GROUP_LETTERS),
            }
        )
    return {**lists, FX_EVENTS: events}


def filter_item(index_filter: IndexFilter, lost: Counter[str]) -> dict[str, Any]:
    """Returns an index filter as v3 and v4 spell it."""
    return {
        **write_fields(index_filter, FILTER),
        **writable_extra(index_filter.extra, lost, letters(FILTER)),
    }


class _FxEvents:
    """The file's effect events by kind and number, remembering which are used."""

    def __init__(self, reader: FieldReader, collection: object) -> None:
        self._lists: dict[str, list[Any]] = {FX: [], INT_FX: []}
        if isinstance(collection, dict):
            for kind, key in _FX_LISTS.items():
                found = collection.get(key)
                if isinstance(found, list):
                    self._lists[kind] = found
                elif found is not None:
                    reader.counts[f"{key} that is not a list ignored"] += 1
        elif collection is not None:
            reader.counts[f"{FX_EVENTS} that is not an object ignored"] += 1
        self._used: dict[str, set[int]] = {FX: set(), INT_FX: set()}

    def numbered(self, reader: FieldReader, kind: str, box: _Item) -> list[_Item]:
        """Returns the events a box numbers; a number that leads nowhere is counted."""
        numbers, events = box.get("l"), self._lists[kind]
        if numbers is not None and not isinstance(numbers, list):
            reader.counts["l that is not a list ignored"] += 1
            return []
        found: list[_Item] = []
        for number in numbers or ():
            if type(number) is int and 0 <= number < len(events):
                self._used[kind].add(number)
                if isinstance(events[number], dict):
                    found.append(events[number])
                    continue
            reader.counts["light box event whose number leads nowhere dropped"] += 1
        return found

    def unused(self) -> int:
        """Returns how many events no box numbers."""
        return sum(len(self._lists[kind]) - len(self._used[kind]) for kind in self._lists)


def _group(reader: FieldReader, item: _Item, kind: str, fx: _FxEvents) -> EventBoxGroup:
    known = _GROUP_LETTERS
    if kind == FX:
        known = _FX_GROUP_LETTERS
        if item.get("t") is not None and reader.integer(item, "t") == _FX_TYPES[INT_FX]:
            kind = INT_FX
    beat, group = reader.beat(item, "b"), reader.integer(item, "g")
    boxes: list[EventBox] = []
    for box in reader.items(item, "e"):
        try:
            boxes.append(_box(reader, box, kind, fx))
        except DropError as reason:
            reader.counts[f"light box {reason} dropped"] += 1
    return EventBoxGroup(beat, kind, group, tuple(boxes), extra=reader.extra(item, known))


def _box(reader: FieldReader, item: _Item, kind: str, fx: _FxEvents) -> EventBox:
    index_filter = item.get("f")
    if index_filter is not None and not isinstance(index_filter, dict):
        raise DropError("with a filter that is not an object")
    key = _EVENT_LISTS[kind]
    events = fx.numbered(reader, kind, item) if kind in _FX_LISTS else reader.items(item, key)
    colors: tuple[ColorBoxEvent, ...] = ()
    values: tuple[ValueBoxEvent, ...] = ()
    fields = read_fields(reader, item, BOX_V3[kind])
    if kind == COLOR:
        colors = reader.collect("light box event", events, lambda e: _color_event(reader, e))
    else:
        values = reader.collect("light box event", events, lambda e: _value_event(reader, e, kind))
    return EventBox(
        filter=read_filter(reader, index_filter or {}),
        **fields,
        color_events=colors,
        value_events=values,
        extra=reader.extra(item, _BOX_LETTERS[kind]),
    )


def _color_event(reader: FieldReader, item: _Item) -> ColorBoxEvent:
    return ColorBoxEvent(
        reader.beat(item, "b"),
        **read_fields(reader, item, COLOR_EVENT_V3),
        extra=reader.extra(item, _COLOR_LETTERS),
    )


def _value_event(reader: FieldReader, item: _Item, kind: str) -> ValueBoxEvent:
    return ValueBoxEvent(
        reader.beat(item, "b"),
        **read_fields(reader, item, EVENT_V3[kind]),
        extra=reader.extra(item, _VALUE_LETTERS[kind]),
    )


def _box_item(
    box: EventBox, kind: str, fx: Mapping[str, list[dict[str, Any]]], lost: Counter[str]
) -> dict[str, Any]:
    if kind == COLOR:
        events: list[Any] = [_color_item(event, lost) for event in box.color_events]
    else:
        events = [
            {
                "b": event.beat,
                **write_fields(event, EVENT_V3[kind]),
                **writable_extra(event.extra, lost, _VALUE_LETTERS[kind]),
            }
            for event in box.value_events
        ]
    if kind in _FX_LISTS:
        table = fx[_FX_LISTS[kind]]
        first = len(table)
        table.extend(events)
        events = list(range(first, len(table)))
    return {
        "f": filter_item(box.filter, lost),
        **write_fields(box, BOX_V3[kind]),
        _EVENT_LISTS[kind]: events,
        **writable_extra(box.extra, lost, _BOX_LETTERS[kind]),
    }


def _color_item(event: ColorBoxEvent, lost: Counter[str]) -> dict[str, Any]:
    if event.easing:
        lost["easing of a colour other than linear"] += 1
    return {
        "b": event.beat,
        **write_fields(event, COLOR_EVENT_V3),
        **writable_extra(event.extra, lost, _COLOR_LETTERS),
    }
