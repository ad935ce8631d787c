"""Fields of an object that no version of the format defines, on their way into a file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

CUSTOM_DATA = "customData"
"""Custom data's key in a record's ``extra``, and in v3 and v4 files."""
CUSTOM_DATA_V2 = "_customData"
V4_LANES = frozenset(("r", "hr", "tr"))
"""Where ``extra`` keeps the lane of a v4 object that no rotation event gives it."""


def writable_extra(
    extra: Mapping[str, Any] | None,
    lost: Counter[str],
    known: frozenset[str] = frozenset(),
    *,
    v2: bool = False,
) -> dict[str, Any]:
    """Returns what a file may hold of an object's extra fields.

    Keys that begin with an underscore are format v2's; custom data goes everywhere, in the
    format's own spelling.

    Args:
        extra: The object's ``extra``.
        lost: Counts the fields left out.
        known: The fields that the object has itself; an extra one of such a name is left out.
        v2: The file is of version 2, not 3 or 4.
    """
    if not extra:
        return {}
    kept = {
        key: extra[key]
        for key in extra
        if key != CUSTOM_DATA
        and key.startswith("_") == v2
        and key not in known
        and key not in V4_LANES
    }
    if CUSTOM_DATA in extra:
        kept[CUSTOM_DATA_V2 if v2 else CUSTOM_DATA] = _spelled(extra[CUSTOM_DATA], v2=v2)
    if len(kept) < len(extra):
        lost["unknown field of another format version"] += len(extra) - len(kept)
    return {key: without_non_finite(value, lost) for key, value in kept.items()}


def _spelled(custom: Any, *, v2: bool) -> Any:
    """Custom data with Chroma's colour by the name that it has in v2 files (``_color``) or in later
    ones (``color``)."""
    theirs, ours = ("color", "_color") if v2 else ("_color", "color")
    if not isinstance(custom, Mapping) or ours in custom or not _is_color(custom.get(theirs)):
        return custom
    return {ours if key == theirs else key: value for key, value in custom.items()}


def _is_color(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and all(isinstance(part, int | float) and not isinstance(part, bool) for part in value)
    )


def without_non_finite(value: Any, lost: Counter[str]) -> Any:
    """Returns a JSON value with null for NaN and infinity, which lenient reading lets in.

    Args:
        value: Lists and objects nested no deeper than `saberlm.prompts.json_lenient` reads.
        lost: Counts what was replaced.
    """
    if isinstance(value, float) and not math.isfinite(value):
        lost["unknown field's number that JSON cannot hold"] += 1
        return None
    if isinstance(value, dict):
        return {name: without_non_finite(item, lost) for name, item in value.items()}
    if isinstance(value, list):
        return [without_non_finite(item, lost) for item in value]
    return value
