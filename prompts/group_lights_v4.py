"""Group lighting in v4 lightshow files: groups number boxes, filters and events in tables.

A colour's transition is v3's in other words: the easing -1 is instant, any other interpolates, and
"use previous" extends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from saberlm.prompts.extra_fields import writable_extra
from saberlm.prompts.group_fields import (
    BOX_V4,
    COLOR_EVENT_V4,
    EVENT_V4,
    letters,
    read_fields,
    read_filter,
    write_fields,
)
from saberlm.prompts.group_lights import (
    COLOR,
    FX,
    GROUP_KINDS,
    ROTATION,
    TRANSLATION,
    ColorBoxEvent,
    EventBox,
    EventBoxGroup,
    ValueBoxEvent,
)
from saberlm.prompts.group_lights_v3 import filter_item, in_order
from saberlm.prompts.schema_fields import DropError, FieldReader
from saberlm.prompts.tables_v4 import RowTable, merged_extra, row_of

_Item: TypeAlias = Mapping[str, Any]

GROUPS = "eventBoxGroups"
FILTERS = "indexFilters"
BOX_TABLES = {
    COLOR: "lightColorEventBoxes",
    ROTATION: "lightRotationEventBoxes",
    TRANSLATION: "lightTranslationEventBoxes",
    FX: "fxEventBoxes",
}
EVENT_TABLES = {
    COLOR: "lightColorEvents",
    ROTATION: "lightRotationEvents",
    TRANSLATION: "lightTranslationEvents",
    FX: "floatFxEvents",
}

_INSTANT, _INTERPOLATE, _EXTEND = 0, 1, 2
_NO_EASING = -1
_GROUP_LETTERS = frozenset("bgte")
_BOX_REFERENCE = frozenset("fel")
_EVENT_REFERENCE = frozenset("bi")
_BOX_LETTERS = {kind: letters(BOX_V4[kind]) for kind in BOX_V4}
_EVENT_LETTERS = {
    COLOR: letters(COLOR_EVENT_V4),
    **{kind: letters(EVENT_V4[kind]) for kind in EVENT_V4},
}


def read_groups(reader: FieldReader, data: Mapping[str, Any]) -> tuple[EventBoxGroup, ...]:
    """Reads a lightshow's group lighting.

    Args:
        reader: Counts what is mended or dropped: also what numbers a row that is not there.
        data: The lightshow's parsed JSON.

    Returns:
        The groups by beat; at one beat by kind, else in the file's order.
    """
    return in_order(
        reader.collect(
            "light group", reader.items(data, GROUPS), lambda item: _group(reader, data, item)
        )
    )


def write_groups(groups: Sequence[EventBoxGroup], lost: Counter[str]) -> dict[str, Any]:
    """Writes group lighting as fields of a v4 lightshow, every field explicit, each row once.

    Args:
        groups: What to write; effects of whole numbers are left out.
        lost: Counts what v4 cannot say.
    """
    tables = {name: RowTable() for name in (FILTERS, *BOX_TABLES.values(), *EVENT_TABLES.values())}
    items: list[dict[str, Any]] = []
    for group in in_order(groups):
        if group.kind not in GROUP_KINDS:
            lost["light group of whole-number effects"] += 1
            continue
        items.append(
            {
                "b": group.beat,
                "g": group.group,
                "t": GROUP_KINDS.index(group.kind) + 1,
                "e": [_box_item(box, group.kind, tables, lost) for box in group.boxes],
                **writable_extra(group.extra, lost, _GROUP_LETTERS),
            }
        )
    return {GROUPS: items, **{name: table.rows for name, table in tables.items()}}


def _group(reader: FieldReader, data: _Item, item: _Item) -> EventBoxGroup:
    number = reader.integer(item, "t")
    if not 1 <= number <= len(GROUP_KINDS):
        raise DropError("of an unknown type")
    kind = GROUP_KINDS[number - 1]
    beat, group = reader.beat(item, "b"), reader.integer(item, "g")
    boxes: list[EventBox] = []
    for box in reader.items(item, "e"):
        try:
            boxes.append(_box(reader, data, box, kind))
        except DropError as reason:
            reader.counts[f"light box {reason} dropped"] += 1
    return EventBoxGroup(beat, kind, group, tuple(boxes), extra=reader.extra(item, _GROUP_LETTERS))


def _box(reader: FieldReader, data: _Item, item: _Item, kind: str) -> EventBox:
    index_filter = read_filter(reader, row_of(reader, data, FILTERS, item, "f"))
    row = row_of(reader, data, BOX_TABLES[kind], item, "e")
    fields = read_fields(reader, row, BOX_V4[kind])
    events = reader.items(item, "l")
    colors: tuple[ColorBoxEvent, ...] = ()
    values: tuple[ValueBoxEvent, ...] = ()
    if kind == COLOR:
        colors = reader.collect("light box event", events, lambda e: _color(reader, data, e))
    else:
        values = reader.collect("light box event", events, lambda e: _value(reader, data, e, kind))
    return EventBox(
        filter=index_filter,
        **fields,
        color_events=colors,
        value_events=values,
        extra=merged_extra(reader, item, _BOX_REFERENCE, row, _BOX_LETTERS[kind]),
    )


def _color(reader: FieldReader, data: _Item, item: _Item) -> ColorBoxEvent:
    beat, row = reader.beat(item, "b"), row_of(reader, data, EVENT_TABLES[COLOR], item, "i")
    fields = read_fields(reader, row, COLOR_EVENT_V4)
    extra = merged_extra(reader, item, _EVENT_REFERENCE, row, _EVENT_LETTERS[COLOR])
    event = ColorBoxEvent(beat, **fields, extra=extra)
    instant = event.easing == _NO_EASING
    if event.transition:  # an extended colour does not change, so "none" and linear are one
        return replace(event, transition=_EXTEND, easing=0 if instant else event.easing)
    if instant:
        return replace(event, transition=_INSTANT, easing=0)
    return replace(event, transition=_INTERPOLATE)


def _value(reader: FieldReader, data: _Item, item: _Item, kind: str) -> ValueBoxEvent:
    beat, row = reader.beat(item, "b"), row_of(reader, data, EVENT_TABLES[kind], item, "i")
    return ValueBoxEvent(
        beat,
        **read_fields(reader, row, EVENT_V4[kind]),
        extra=merged_extra(reader, item, _EVENT_REFERENCE, row, _EVENT_LETTERS[kind]),
    )


def _box_item(
    box: EventBox, kind: str, tables: Mapping[str, RowTable], lost: Counter[str]
) -> dict[str, Any]:
    events = tables[EVENT_TABLES[kind]]
    if kind == COLOR:
        rows = [(event, _color_row(event, lost)) for event in box.color_events]
        references = [_reference(event, events.number(row), lost) for event, row in rows]
    else:
        references = [
            _reference(event, events.number(write_fields(event, EVENT_V4[kind])), lost)
            for event in box.value_events
        ]
    return {
        "f": tables[FILTERS].number(filter_item(box.filter, lost)),
        "e": tables[BOX_TABLES[kind]].number(write_fields(box, BOX_V4[kind])),
        "l": references,
        **writable_extra(box.extra, lost, _BOX_REFERENCE),
    }


def _reference(
    event: ColorBoxEvent | ValueBoxEvent, number: int, lost: Counter[str]
) -> dict[str, Any]:
    extra = writable_extra(event.extra, lost, _EVENT_REFERENCE)
    return {"b": event.beat, "i": number, **extra}


def _color_row(event: ColorBoxEvent, lost: Counter[str]) -> dict[str, Any]:
    easing, extends = event.easing, event.transition == _EXTEND
    if event.transition == _INSTANT:
        if easing:
            lost["easing of an instant colour"] += 1
        easing = _NO_EASING
    elif not extends and (easing == _NO_EASING or event.transition != _INTERPOLATE):
        lost["transition of a colour that v4 does not know, written as instant"] += 1
        easing = _NO_EASING
    return {**write_fields(event, COLOR_EVENT_V4), "p": int(extends), "e": easing}
