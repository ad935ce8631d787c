"""The fields of group lighting's records and the letters that format v3 and v4 give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saberlm.prompts.group_lights import (
    COLOR,
    FX,
    INT_FX,
    ROTATION,
    TRANSLATION,
    IndexFilter,
)
from saberlm.prompts.schema_fields import FieldReader

FILTER = {
    "kind": "f",
    "parameter": "p",
    "parameter_2": "t",
    "reverse": "r",
    "chunks": "c",
    "random": "n",
    "seed": "s",
    "limit": "l",
    "limit_affects": "d",
}

_BOX_V3 = {
    "beat_distribution": "w",
    "beat_distribution_type": "d",
    "value_distribution": "s",
    "value_distribution_type": "t",
    "affects_first": "b",
    "easing": "i",
}
_AXIS_BOX_V3 = {**_BOX_V3, "axis": "a", "flip": "r"}
BOX_V3 = {
    COLOR: {**_BOX_V3, "value_distribution": "r"},
    ROTATION: _AXIS_BOX_V3,
    TRANSLATION: _AXIS_BOX_V3,
    FX: _BOX_V3,
    INT_FX: _BOX_V3,
}
_BOX_V4 = {**_BOX_V3, "easing": "e"}
_AXIS_BOX_V4 = {**_BOX_V4, "axis": "a", "flip": "f"}
BOX_V4 = {COLOR: _BOX_V4, ROTATION: _AXIS_BOX_V4, TRANSLATION: _AXIS_BOX_V4, FX: _BOX_V4}

COLOR_EVENT_V3 = {
    "transition": "i",
    "color": "c",
    "brightness": "s",
    "strobe_frequency": "f",
    "strobe_brightness": "sb",
    "strobe_fade": "sf",
}
COLOR_EVENT_V4 = {
    "transition": "p",
    "easing": "e",
    "color": "c",
    "brightness": "b",
    "strobe_frequency": "f",
    "strobe_brightness": "sb",
    "strobe_fade": "sf",
}
EVENT_V3 = {
    ROTATION: {"use_previous": "p", "easing": "e", "loops": "l", "value": "r", "direction": "o"},
    TRANSLATION: {"use_previous": "p", "easing": "e", "value": "t"},
    FX: {"use_previous": "p", "easing": "i", "value": "v"},
    INT_FX: {"use_previous": "p", "value": "v"},
}
EVENT_V4 = {
    ROTATION: {"use_previous": "p", "easing": "e", "loops": "l", "value": "r", "direction": "d"},
    TRANSLATION: {"use_previous": "p", "easing": "e", "value": "t"},
    FX: {"use_previous": "p", "easing": "e", "value": "v"},
}

_FRACTIONAL = frozenset(
    {
        "beat_distribution",
        "value_distribution",
        "brightness",
        "strobe_brightness",
        "value",
        "limit",
    }
)


def read_fields(
    reader: FieldReader, item: Mapping[str, Any], fields: Mapping[str, str]
) -> dict[str, Any]:
    """Returns an object's values by the record's names; an absent one is 0.

    Raises:
        DropError: If one is not a number, or has a fraction where a whole number stands.
    """
    return {
        name: (reader.number if name in _FRACTIONAL else reader.integer)(item, key)
        for name, key in fields.items()
    }


def write_fields(record: Any, fields: Mapping[str, str]) -> dict[str, Any]:
    """Returns a record's values by the file's letters."""
    return {key: getattr(record, name) for name, key in fields.items()}


def letters(fields: Mapping[str, str], *others: str) -> frozenset[str]:
    """Returns the names that a file gives the fields, and the others."""
    return frozenset(fields.values()) | frozenset(others)


_FILTER_LETTERS = letters(FILTER)


def read_filter(reader: FieldReader, item: Mapping[str, Any]) -> IndexFilter:
    """Reads an index filter; v3 and v4 spell it alike.

    Raises:
        DropError: If one of its values cannot be read.
    """
    return IndexFilter(
        **read_fields(reader, item, FILTER), extra=reader.extra(item, _FILTER_LETTERS)
    )
