"""Strict validity of format v4's files on their raw JSON: difficulty, lightshow, audio data.

BeatSaver's rules (`beat-saber.md` 1.3 and 1.6): every array and table is there, every number of a
row resolves, heads are not after tails, beats are inside the song. Ranges are those of version 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from saberlm.eval.fields import Field, check_fields, has_kind, json_name
from saberlm.eval.findings import FindingLog
from saberlm.eval.validity_rules import (
    Records,
    check_chain_heads,
    check_collection,
    check_tails,
    note_stacked,
    wall_in_grid,
)
from saberlm.eval.validity_schema_v4 import (
    AUDIO_DATA,
    BOX_TABLES,
    BPM_REGION,
    DIFFICULTY,
    DIFFICULTY_TABLES,
    GROUP_BOX,
    GROUP_EVENT,
    GROUPS,
    LIGHTSHOW,
    LIGHTSHOW_TABLES,
    LIGHTSHOW_TOP,
    LUFS_REGION,
    Listing,
)

_Tables = dict[str, Records]


def check_difficulty_v4(data: dict[str, Any], minor: int, end: float, log: FindingLog) -> None:
    """Check a parsed v4 difficulty.

    Args:
        data: The parsed JSON object.
        minor: Its minor version.
        end: The song's end in beats, infinite where unknown.
        log: Takes the findings; its file must be set.
    """
    tables = _tables(data, DIFFICULTY_TABLES, DIFFICULTY, minor, log)
    parts = {one.objects.name: _listing(data, one, tables, minor, end, log) for one in DIFFICULTY}
    notes = _joined(parts["colorNotes"], tables["colorNotesData"], "i")
    bombs = _joined(parts["bombNotes"], tables["bombNotesData"], "i")
    stack = [
        (one.get("b"), one.get("x"), one.get("y"), name)
        for name, objects in (("colorNotes", notes), ("bombNotes", bombs))
        for one in objects
    ]
    note_stacked(stack, log)
    walls = _joined(parts["obstacles"], tables["obstaclesData"], "i")
    for index, wall in enumerate(walls):
        if {"b", "x", "y", "w", "h"} <= wall.keys():
            where = f"obstacles[{index}]"
            wall_in_grid(wall["x"], wall["w"], wall["y"], wall["h"], where, wall["b"], log)
    for name in ("arcs", "chains"):
        check_tails(parts[name], name, "hb", "tb", log)
    heads = [
        {**head, **({"b": chain["hb"]} if "hb" in chain else {})}
        for chain, head in zip(
            parts["chains"], _joined(parts["chains"], tables["colorNotesData"], "i"), strict=True
        )
    ]
    check_chain_heads(heads, notes, log, "chains")


def check_lightshow(data: object, end: float, log: FindingLog) -> None:
    """Check a parsed lightshow file; arguments as for `check_difficulty_v4`."""
    if not isinstance(data, dict):
        log.error("json.object", "", f"expected a JSON object, found {json_name(data)}")
        return
    check_fields(data, LIGHTSHOW_TOP, "", log)
    tables = _tables(data, LIGHTSHOW_TABLES, LIGHTSHOW, 0, log)
    for one in LIGHTSHOW:
        _listing(data, one, tables, 0, end, log)
    groups = check_collection(data, GROUPS, end, log, required=True, defaulted=True)
    for index, group in enumerate(groups):
        if "t" in group and group["t"] in BOX_TABLES:
            boxes = group.get("e", [])
            _boxes(boxes, BOX_TABLES[group["t"]], tables, f"{GROUPS.name}[{index}]", log)


def check_audio_data(data: object, duration: float | None, log: FindingLog) -> float | None:
    """Check a parsed AudioData.dat.

    Args:
        data: The parsed JSON.
        duration: The audio's length in seconds, None when unknown.
        log: Takes the findings; its file must be set.

    Returns:
        The song's last beat by it; None where it does not say.
    """
    if not isinstance(data, dict):
        log.error("json.object", "", f"expected a JSON object, found {json_name(data)}")
        return None
    found = check_fields(data, AUDIO_DATA, "", log)
    count = found.get("songSampleCount", math.inf)
    last: float | None = None
    previous = (0, 0.0)
    for name, fields in (("bpmData", BPM_REGION), ("lufsData", LUFS_REGION)):
        for index, region in enumerate(found.get(name, [])):
            where = f"{name}[{index}]"
            if not isinstance(region, dict):
                log.error("field.type", where, f"expected an object, found {json_name(region)}")
                continue
            one = check_fields(region, fields, where, log)
            if {"si", "ei"} <= one.keys() and not 0 <= one["si"] <= one["ei"] <= count:
                text = f"0 <= si <= ei <= songSampleCount, found {one['si']}, {one['ei']}, {count}"
                log.error("audio_data.samples", where, f"expected {text}")
            if not {"sb", "eb"} <= one.keys():
                continue
            if not 0 <= one["sb"] <= one["eb"]:
                text = f"expected 0 <= sb <= eb, found {one['sb']} and {one['eb']}"
                log.error("audio_data.beats", where, text)
            if "si" in one and (one["si"], one["sb"]) != previous:
                text = f"expected the region to begin where the last one ends, {previous}"
                log.warn("audio_data.gap", where, text)
            previous = (one.get("ei", 0), one["eb"])
            last = max(last or 0.0, float(one["eb"]))
    frequency = found.get("songFrequency")
    if duration and frequency and abs(count / frequency - duration) > 1:
        text = f"expected samples of the song's {duration:.1f} s, found {count / frequency:.1f} s"
        log.warn("audio_data.length", "songSampleCount", text)
    return last


def _tables(
    data: dict[str, Any],
    specs: Mapping[str, Sequence[Field]],
    listings: Sequence[Listing],
    minor: int,
    log: FindingLog,
) -> _Tables:
    """The rows of every table, checked."""
    optional = {
        table: one.since <= minor <= one.until
        for one in listings
        if not one.required
        for _, table in one.tables
    }
    tables: _Tables = {}
    for name, fields in specs.items():
        tables[name] = []
        if name in optional and (name not in data or not optional[name]):
            continue
        rows = data.get(name)
        if name not in data:
            log.error("collection.missing", name, "expected this array, found none")
        elif not isinstance(rows, list):
            log.error("collection.type", name, f"expected an array, found {json_name(rows)}")
        for index, row in enumerate(rows if isinstance(rows, list) else []):
            where = f"{name}[{index}]"
            if isinstance(row, dict):
                tables[name].append(check_fields(row, fields, where, log, defaulted=True))
            else:
                log.error("field.type", where, f"expected an object, found {json_name(row)}")
                tables[name].append({})
    return tables


def _listing(
    data: dict[str, Any], spec: Listing, tables: _Tables, minor: int, end: float, log: FindingLog
) -> Records:
    name = spec.objects.name
    if not spec.since <= minor <= spec.until:
        if name in data:
            log.error("version.array", name, f"expected no such array in version 4.{minor}")
        return []
    objects = check_collection(data, spec.objects, end, log, required=spec.required, defaulted=True)
    for index, one in enumerate(objects):
        for key, table in spec.tables:
            if key in one:
                beat = one.get(spec.objects.beat)
                _resolves(one[key], key, table, tables, f"{name}[{index}]", log, beat)
    return objects


def _resolves(
    number: int,
    key: str,
    table: str,
    tables: _Tables,
    where: str,
    log: FindingLog,
    beat: float | None = None,
) -> None:
    size = len(tables[table])
    if number >= size:
        text = f"expected {key!r} to number one of {size} rows of {table}, found {number}"
        log.error("index", where, text, beat)


def _boxes(
    boxes: Sequence[object], names: tuple[str, str], tables: _Tables, where: str, log: FindingLog
) -> None:
    for number, box in enumerate(boxes):
        place = f"{where}.e[{number}]"
        if not isinstance(box, dict):
            log.error("field.type", place, f"expected an object, found {json_name(box)}")
            continue
        found = check_fields(box, GROUP_BOX, place, log, defaulted=True)
        for key, table in (("f", "indexFilters"), ("e", names[0])):
            if key in found:
                _resolves(found[key], key, table, tables, place, log)
        for index, event in enumerate(found.get("l", [])):
            spot = f"{place}.l[{index}]"
            if not has_kind(event, "dict"):
                log.error("field.type", spot, f"expected an object, found {json_name(event)}")
                continue
            values = check_fields(event, GROUP_EVENT, spot, log, defaulted=True)
            if "i" in values:
                _resolves(values["i"], "i", names[1], tables, spot, log)


def _joined(objects: Records, rows: Records, key: str) -> Records:
    """Each object with the fields of the row it numbers, where there is one."""
    return [
        {**(rows[one[key]] if 0 <= one.get(key, -1) < len(rows) else {}), **one} for one in objects
    ]
