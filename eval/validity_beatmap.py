"""Strict validity of one difficulty file, v2.x or v3.x, on its raw JSON.

What BeatSaver's upload check rejects (`beat-saber.md` 1.4 and 1.5) and what it lets through
although players or tools suffer (section 3): cells off the grid, odd directions, tails before
heads, a squish of 0, negative walls, objects outside the song. Lights outside the song and unsorted
or stacked objects are warnings.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from saberlm.eval.fields import check_fields, has_kind, json_name
from saberlm.eval.findings import FindingLog
from saberlm.eval.validity_schema import (
    V2,
    V2_FREE_WALL,
    V3,
    V3_TOP,
    Collection,
    sections_required,
)
from saberlm.prompts.beatmap import BpmEvent
from saberlm.prompts.tempo import TempoMap

END_TOLERANCE_BEATS = 1e-3
SAME_BEAT = 1e-3
"""Beats within this are one moment when looking for stacked objects and chain heads."""
_V2_FREE_WALL = 2

Records = list[dict[str, Any]]


def check_version(data: dict[str, Any], log: FindingLog) -> tuple[int, int] | None:
    """Check a file's version field(s); (major, minor), or None when there is no usable one."""
    names = [name for name in ("_version", "version") if name in data]
    if len(names) == 2:
        log.error("version.both", "", "expected `_version` or `version`, found both: rejected")
    if not names:
        log.error("version.missing", "", "expected `_version` (v2) or `version` (v3), found none")
        return None
    value = data[names[-1]]
    match = re.fullmatch(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})", value) if type(value) is str else None
    if match is None:
        log.error("version.format", "", f"expected a version like 3.3.0, found {json_name(value)}")
        return None
    major, minor = int(match[1]), int(match[2])
    if len(names) == 1 and (names[0] == "_version") != (major < 3):
        right = "`_version`" if major < 3 else "`version`"
        log.error("version.field", "", f"expected {right} for version {value}, found {names[0]!r}")
    return major, minor


def check_difficulty(
    data: object, bpm: float | None, duration: float | None, log: FindingLog
) -> None:
    """Check a parsed difficulty file.

    Args:
        data: The parsed JSON.
        bpm: Info.dat's tempo, None when unknown (then the song's end is not checked).
        duration: The audio's length in seconds, None when unknown (same).
        log: Takes the findings; its file must be set.
    """
    if not isinstance(data, dict):
        log.error("json.object", "", f"expected a JSON object, found {json_name(data)}")
        return
    version = check_version(data, log)
    if version is None:
        version = (2, 0) if "_notes" in data else (3, 3)
    if version[0] == 2:
        _check_v2(data, bpm, duration, log)
    elif version[0] == 3:
        _check_v3(data, version[1], bpm, duration, log)
    else:
        log.error("version.unknown", "", f"expected version 2 or 3, found {version[0]}: not judged")


def _check_v2(
    data: dict[str, Any], bpm: float | None, duration: float | None, log: FindingLog
) -> None:
    # BeatSaver's end of a v2 song ignores tempo changes.
    end = duration * bpm / 60 if bpm and duration else math.inf
    parts = {
        one.name: _collection(data, one, end, log, required=not one.optional, defaulted=False)
        for one in V2
    }
    for index, wall in enumerate(parts["_obstacles"]):
        where = f"_obstacles[{index}]"
        row, height = 0, 1
        if wall.get("_type") == _V2_FREE_WALL:
            beat = wall.get("_time")
            free = check_fields(data["_obstacles"][index], V2_FREE_WALL, where, log, beat=beat)
            row, height = free.get("_lineLayer", 0), free.get("_height", 1)
        if {"_lineIndex", "_width", "_time"} <= wall.keys():
            spot = wall["_lineIndex"], wall["_width"], row, height
            _wall_in_grid(*spot, where, wall["_time"], log)
    keys = ("_time", "_lineIndex", "_lineLayer")
    _stacked([(*(note.get(key) for key in keys), "_notes") for note in parts["_notes"]], log)
    _tails(parts["_sliders"], "_sliders", "_headTime", "_tailTime", log)


def _check_v3(
    data: dict[str, Any], minor: int, bpm: float | None, duration: float | None, log: FindingLog
) -> None:
    defaulted = minor >= 3
    required = sections_required(minor)
    check_fields(data, [one for one in V3_TOP if one.name in required | data.keys()], "", log)
    tempo_part = next(one for one in V3 if one.name == "bpmEvents")
    changes = _collection(data, tempo_part, math.inf, log, required=True, defaulted=defaulted)
    end = _end_beat(bpm, duration, changes)
    parts = {"bpmEvents": changes}
    for one in V3:
        if one.name != "bpmEvents":
            needed = one.name in required
            parts[one.name] = _collection(data, one, end, log, required=needed, defaulted=defaulted)
    for index, wall in enumerate(parts["obstacles"]):
        if {"b", "x", "y", "w", "h"} <= wall.keys():
            where = f"obstacles[{index}]"
            _wall_in_grid(wall["x"], wall["w"], wall["y"], wall["h"], where, wall["b"], log)
    stack = [
        (one.get("b"), one.get("x"), one.get("y"), name)
        for name in ("colorNotes", "bombNotes")
        for one in parts[name]
    ]
    _stacked(stack, log)
    for name in ("sliders", "burstSliders"):
        _tails(parts[name], name, "b", "tb", log)
    _chain_heads(parts["burstSliders"], parts["colorNotes"], log)


def _end_beat(bpm: float | None, duration: float | None, changes: Records) -> float:
    if not bpm or not duration:
        return math.inf
    events = [BpmEvent(one["b"], one["m"]) for one in changes if {"b", "m"} <= one.keys()]
    try:
        return float(TempoMap(bpm, tuple(events)).to_beats(duration))
    except ValueError:  # already noted as a finding of its own
        return math.inf


def _collection(
    data: dict[str, Any],
    spec: Collection,
    end: float,
    log: FindingLog,
    *,
    required: bool,
    defaulted: bool,
) -> Records:
    """Check one array: each record's fields, its beats against the song, and the order."""
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


def _wall_in_grid(
    x: int, width: int, y: int, height: int, where: str, beat: float, log: FindingLog
) -> None:
    if x + max(width, 0) > 4:
        text = f"expected the wall to end by column 4, found x {x} + width {width}"
        log.error("wall.outside", where, text, beat)
    if y + max(height, 0) > 5:
        text = f"expected the wall to end by height 5, found y {y} + height {height}"
        log.error("wall.outside", where, text, beat)


def _stacked(spots: Sequence[tuple[Any, ...]], log: FindingLog) -> None:
    seen: set[tuple[int, int, int]] = set()
    for beat, x, y, name in spots:
        if None in (beat, x, y):
            continue
        key = (round(beat / SAME_BEAT), x, y)
        if key in seen:
            text = f"expected one object a cell and beat, found another at x {x} y {y}"
            log.warn("stacked", name, text, float(beat))
        seen.add(key)


def _tails(parts: Records, name: str, head: str, tail: str, log: FindingLog) -> None:
    for index, one in enumerate(parts):
        if head in one and tail in one and one[tail] < one[head]:
            text = f"expected the tail at or after the head, found {one[tail]:g} < {one[head]:g}"
            log.error("tail.before_head", f"{name}[{index}]", text, float(one[head]))


def _chain_heads(chains: Records, notes: Records, log: FindingLog) -> None:
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
            log.error("chain.head", f"burstSliders[{index}]", text, float(chain["b"]))
