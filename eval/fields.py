"""Checking the fields of one JSON object against a table: presence, JSON type, range.

The types are JSON's own: ``"8"`` and ``true`` are no numbers, ``2.0`` is no integer (BeatSaver's
reader fails on it), and infinity (``1e999``) is no number either.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from saberlm.eval.findings import FindingLog

Kind = Literal["int", "float", "bool", "str", "list", "dict"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field: inclusive limits (``above`` is an exclusive lower one) and the rule they carry."""

    name: str
    kind: Kind
    low: float | None = None
    high: float | None = None
    above: float | None = None
    choices: tuple[int, ...] = ()
    rule: str = "field.range"
    optional: bool = False


def json_name(value: object) -> str:
    """A short description of a JSON value for messages, with its JSON type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"boolean {str(value).lower()}"
    if isinstance(value, int | float):
        return f"number {value!r}"
    if isinstance(value, str):
        return f"string {value[:40]!r}"
    return "an array" if isinstance(value, list) else "an object"


def has_kind(value: object, kind: Kind) -> bool:
    """Whether a parsed JSON value has exactly the JSON type asked for."""
    if kind == "int":
        return type(value) is int
    if kind == "float":
        return type(value) in (int, float)
    expected: dict[str, type] = {"bool": bool, "str": str, "list": list, "dict": dict}
    return type(value) is expected[kind]


def check_fields(
    record: dict[str, Any],
    fields: Sequence[Field],
    where: str,
    log: FindingLog,
    *,
    beat: float | None = None,
    defaulted: bool = False,
) -> dict[str, Any]:
    """Check a record and return the values that are of the right type.

    Args:
        record: The parsed JSON object.
        fields: What it should hold.
        where: Place of the record inside its file, for the findings.
        log: Takes the findings.
        beat: The record's beat, if it has one.
        defaulted: Whether a missing number means 0 (difficulty 3.3 on) instead of an error; it is
            still a warning, since some readers get it wrong, and 0 must then be in range.
    """
    values: dict[str, Any] = {}
    for spec in fields:
        if spec.name not in record:
            if spec.optional:
                continue
            if not (defaulted and spec.kind in ("int", "float", "bool")):
                log.error("field.missing", where, f"expected field {spec.name!r}, found none", beat)
                continue
            log.warn("field.defaulted", where, f"{spec.name!r} is left out and read as 0", beat)
            value: Any = False if spec.kind == "bool" else 0
        else:
            value = record[spec.name]
        if not has_kind(value, spec.kind):
            found = f"expected {spec.name!r} as {spec.kind}, found {json_name(value)}"
            log.error("field.type", where, found, beat)
        elif spec.kind in ("int", "float") and not _finite(value):
            log.error("number.finite", where, f"expected a finite {spec.name!r}, found {value}")
        else:
            problem = _out_of_range(spec, value)
            if problem:
                log.error(spec.rule, where, f"expected {spec.name!r} {problem}", beat)
            values[spec.name] = value
    return values


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _out_of_range(spec: Field, value: Any) -> str:
    if spec.choices and value not in spec.choices:
        return f"one of {list(spec.choices)}, found {value!r}"
    if spec.above is not None and value <= spec.above:
        return f"above {spec.above:g}, found {value}"
    if (spec.low is not None and value < spec.low) or (spec.high is not None and value > spec.high):
        if spec.high is None:
            return f"at least {spec.low:g}, found {value}"
        return f"from {spec.low:g} to {spec.high:g}, found {value}"
    return ""
