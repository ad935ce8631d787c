"""What v3 difficulties and v4 lightshows say of basic events as a whole, spelled alike in both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saberlm.prompts.schema_fields import DropError, FieldReader

KEYWORDS = "basicEventTypesWithKeywords"
COMPATIBLE = "useNormalEventsAsCompatibleEvents"


def read_keywords(reader: FieldReader, data: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Returns the event keywords as they are: a keyword ``k`` and its event types ``e`` each."""
    found = data.get(KEYWORDS)
    if not isinstance(found, dict):
        if found is not None:
            reader.counts[f"{KEYWORDS} that is not an object dropped"] += 1
        return ()
    if unknown := len(found.keys() - {"d"}):
        reader.counts[f"unknown field of {KEYWORDS} dropped"] += unknown
    return tuple(reader.items(found, "d"))


def read_compatible(reader: FieldReader, data: Mapping[str, Any]) -> bool:
    """Tells whether environments with group lighting show basic events too; absent, they do not."""
    try:
        return reader.flag(data, COMPATIBLE)
    except DropError as reason:
        reader.counts[f"file {reason}: read as false"] += 1
        return False
