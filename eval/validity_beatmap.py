"""Strict validity of one difficulty file on its raw JSON; v4's rules are in `validity_v4`.

What BeatSaver's upload check rejects (`beat-saber.md` 1.4 and 1.5) and what it lets through
although players or tools suffer (section 3): cells off the grid, odd directions, tails before
heads, a squish of 0, negative walls, objects outside the song. Lights outside the song and unsorted
or stacked objects are warnings.
"""

from __future__ import annotations

import math
import re
from typing import Any

from saberlm.eval.fields import check_fields, json_name
from saberlm.eval.findings import FindingLog
from saberlm.eval.validity_rules import (
    Records,
    check_chain_heads,
    check_collection,
    check_tails,
    note_stacked,
    wall_in_grid,
)
from saberlm.eval.validity_schema import (
    V2,
    V2_FREE_WALL,
    V3,
    V3_TOP,
    sections_required,
)
from saberlm.eval.validity_v4 import check_difficulty_v4
from saberlm.prompts.beatmap import BpmEvent
from saberlm.prompts.mapfile import difficulty_version
from saberlm.prompts.tempo import TempoMap

_V2_FREE_WALL = 2


def check_version(data: dict[str, Any], log: FindingLog) -> tuple[int, int, int] | None:
    """Check a file's version field(s); None when there is no usable one."""
    names = [name for name in ("_version", "version") if name in data]
    if len(names) == 2:
        log.error("version.both", "", "expected `_version` or `version`, found both: rejected")
    if not names:
        log.error(
            "version.missing", "", "expected `_version` (v2) or `version` (v3 on), found none"
        )
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
    return major, minor, int(match[3])


def check_difficulty(
    data: object,
    bpm: float | None,
    duration: float | None,
    log: FindingLog,
    *,
    last_beat: float | None = None,
) -> tuple[int, int, int] | None:
    """Check a parsed difficulty file.

    Args:
        data: The parsed JSON.
        bpm: Info.dat's tempo, None when unknown (then the song's end is not checked).
        duration: The audio's length in seconds, None when unknown (same).
        log: Takes the findings; its file must be set.
        last_beat: The song's end by AudioData.dat, which format v4 goes by.

    Returns:
        The version it was judged by; None where it could not be.
    """
    if not isinstance(data, dict):
        log.error("json.object", "", f"expected a JSON object, found {json_name(data)}")
        return None
    version = check_version(data, log)
    if version is None:
        version = {2: (2, 0, 0), 3: (3, 3, 0), 4: (4, 1, 0)}[difficulty_version(data)]
    if version[0] == 2:
        _check_v2(data, bpm, duration, log)
    elif version[0] == 3:
        _check_v3(data, version[1], bpm, duration, log)
    elif version[0] == 4:
        by_tempo = duration * bpm / 60 if bpm and duration else math.inf
        end = last_beat if last_beat is not None else by_tempo
        check_difficulty_v4(data, version[1], end, log)
    else:
        text = f"expected version 2, 3 or 4, found {version[0]}: not judged"
        log.error("version.unknown", "", text)
        return None
    return version


def _check_v2(
    data: dict[str, Any], bpm: float | None, duration: float | None, log: FindingLog
) -> None:
    # BeatSaver's end of a v2 song ignores tempo changes.
    end = duration * bpm / 60 if bpm and duration else math.inf
    parts = {
        one.name: check_collection(data, one, end, log, required=not one.optional, defaulted=False)
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
            wall_in_grid(*spot, where, wall["_time"], log)
    keys = ("_time", "_lineIndex", "_lineLayer")
    note_stacked([(*(note.get(key) for key in keys), "_notes") for note in parts["_notes"]], log)
    check_tails(parts["_sliders"], "_sliders", "_headTime", "_tailTime", log)


def _check_v3(
    data: dict[str, Any], minor: int, bpm: float | None, duration: float | None, log: FindingLog
) -> None:
    defaulted = minor >= 3
    required = sections_required(minor)
    check_fields(data, [one for one in V3_TOP if one.name in required | data.keys()], "", log)
    tempo_part = next(one for one in V3 if one.name == "bpmEvents")
    changes = check_collection(data, tempo_part, math.inf, log, required=True, defaulted=defaulted)
    end = _end_beat(bpm, duration, changes)
    parts = {"bpmEvents": changes}
    for one in V3:
        if one.name != "bpmEvents":
            needed = one.name in required
            parts[one.name] = check_collection(
                data, one, end, log, required=needed, defaulted=defaulted
            )
    for index, wall in enumerate(parts["obstacles"]):
        if {"b", "x", "y", "w", "h"} <= wall.keys():
            where = f"obstacles[{index}]"
            wall_in_grid(wall["x"], wall["w"], wall["y"], wall["h"], where, wall["b"], log)
    stack = [
        (one.get("b"), one.get("x"), one.get("y"), name)
        for name in ("colorNotes", "bombNotes")
        for one in parts[name]
    ]
    note_stacked(stack, log)
    for name in ("sliders", "burstSliders"):
        check_tails(parts[name], name, "b", "tb", log)
    check_chain_heads(parts["burstSliders"], parts["colorNotes"], log)


def _end_beat(bpm: float | None, duration: float | None, changes: Records) -> float:
    if not bpm or not duration:
        return math.inf
    events = [BpmEvent(one["b"], one["m"]) for one in changes if {"b", "m"} <= one.keys()]
    try:
        return float(TempoMap(bpm, tuple(events)).to_beats(duration))
    except ValueError:  # already noted as a finding of its own
        return math.inf
