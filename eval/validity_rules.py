"""Rules that the arrays of every version of a difficulty share: order, song end, grid, tails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from saberlm.eval.fields import check_fields, has_kind, json_name
from saberlm.eval.findings import FindingLog
from saberlm.eval.validity_schema import Collection

END_TOLERANCE_BEATS = 1e-3
SAME_BEAT = 1e-3
"""Beats within this are one moment when looking for stacked objects and chain heads."""

Records = list[dict[str, Any]]


def check_collection(
    data: dict[str, Any],
    spec: Collection,
    end: float,
    log: FindingLog,
    *,
    required: bool,
    defaulted: bool,
) -> Records:
    """Check one array: each record's fields, its beats against the song, and the order.

    Args:
        data: The file's parsed JSON.
        spec: What the array should hold.
        end: The song's end in beats; infinite where unknown.
        log: Takes the findings.
        required: Whether a missing array is an error.
        defaulted: As in `check_fields`.

    Returns:
        Of each record the values that are of the right type; none where there is no array.
    """
    if spec.name not in data:
        if required:
            log.error("collection.missing", spec.name, "expected this array, found none")
        return []
    items = data[spec.name]
    if not has_kind(items, "list"):
        log.error("collection.type", spec.name, f"expected an array, found {json_name(items)}")
        return []
    checked: Records = []
    previous, unsorted = -math.inf, 0
    for index, item in enumerate(items):
        where = f"{spec.name}[{index}]"
        if not isinstance(item, dict):
            log.error("field.type", where, f"expected an object, found {json_name(item)}")
            checked.append({})
            continue
        raw: Any = item.get(spec.beat)
        beat = float(raw) if has_kind(raw, "float") and abs(raw) < 1e12 else None
        values = check_fields(item, spec.fields, where, log, beat=beat, defaulted=defaulted)
        for name in (spec.beat, *spec.more_beats):
            if name in values:
                _in_song(values[name], name, end, where, spec.harmless_late, log)
        if spec.beat in values:
            unsorted += values[spec.beat] < previous
            previous = values[spec.beat]
        checked.append(values)
    if unsorted:
        text = f"expected objects sorted by {spec.beat!r}, found {unsorted} out of order"
        log.warn("collection.unsorted", spec.name, text)
    return checked


def _in_song(
    beat: float, name: str, end: float, where: str, harmless: bool, log: FindingLog
) -> None:
    note = log.warn if harmless else log.error
    if beat < 0:
        note("beat.negative", where, f"expected {name!r} at or after beat 0, found {beat}", beat)
    elif beat > end + END_TOLERANCE_BEATS:
        text = f"expected {name!r} by the song's end at beat {end:.3f}, found {beat:g}"
        note("beat.after_end", where, text, beat)


def wall_in_grid(
    x: int, width: int, y: int, height: int, where: str, beat: float, log: FindingLog
) -> None:
    """Check that a wall of vanilla proportions stays inside 4 columns and height 5."""
    if x + max(width, 0) > 4:
        text = f"expected the wall to end by column 4, found x {x} + width {width}"
        log.error("wall.outside", where, text, beat)
    if y + max(height, 0) > 5:
        text = f"expected the wall to end by height 5, found y {y} + height {height}"
        log.error("wall.outside", where, text, beat)


def note_stacked(spots: Sequence[tuple[Any, ...]], log: FindingLog) -> None:
    """Warn of objects ``(beat, x, y, collection)`` that share a cell and a beat."""
    seen: set[tuple[int, int, int]] = set()
    for beat, x, y, name in spots:
        if None in (beat, x, y):
            continue
        key = (round(beat / SAME_BEAT), x, y)
        if key in seen:
            text = f"expected one object a cell and beat, found another at x {x} y {y}"
            log.warn("stacked", name, text, float(beat))
        seen.add(key)


def check_tails(parts: Records, name: str, head: str, tail: str, log: FindingLog) -> None:
    """Check that no tail is before its head."""
    for index, one in enumerate(parts):
        if head in one and tail in one and one[tail] < one[head]:
            text = f"expected the tail at or after the head, found {one[tail]:g} < {one[head]:g}"
            log.error("tail.before_head", f"{name}[{index}]", text, float(one[head]))


def check_chain_heads(
    chains: Records, notes: Records, log: FindingLog, name: str = "burstSliders"
) -> None:
    """Check that each chain has a colour note of its colour at its head."""
    keys = ("x", "y", "c")
    heads = {
        (round(note["b"] / SAME_BEAT) + slack, *(note.get(key) for key in keys))
        for note in notes
        if "b" in note
        for slack in (-1, 0, 1)
    }
    for index, chain in enumerate(chains):
        if "b" not in chain or not all(key in chain for key in keys):
            continue
        if (round(chain["b"] / SAME_BEAT), *(chain[key] for key in keys)) not in heads:
            text = "expected a colour note of its colour in the chain's head cell, found none"
            log.error("chain.head", f"{name}[{index}]", text, float(chain["b"]))
