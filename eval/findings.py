"""What the validity checks report, and the strict reading of JSON that they start from."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning"]

BAD_JSON = object()
"""What `strict_json` gives for text that is not JSON."""
MAX_PER_RULE = 10
"""Findings of one rule kept per file; the rest are summed up in one more line."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule: ``where`` names file, collection and index; ``beat`` is in map beats."""

    severity: Severity
    rule: str
    where: str
    message: str
    beat: float | None = None

    def to_dict(self) -> dict[str, object]:
        """The finding as plain JSON values."""
        return {
            "severity": self.severity,
            "rule": self.rule,
            "where": self.where,
            "message": self.message,
            "beat": self.beat,
        }


@dataclass
class FindingLog:
    """Collects findings for one level, at most `MAX_PER_RULE` of one rule per file."""

    file: str = ""
    _kept: list[Finding] = field(default_factory=list)
    _seen: Counter[tuple[Severity, str, str]] = field(default_factory=Counter)

    def enter(self, file: str) -> None:
        """Set the file that the following findings are about."""
        self.file = file

    def error(self, rule: str, where: str, message: str, beat: float | None = None) -> None:
        """Note a broken rule that makes the level invalid."""
        self._add("error", rule, where, message, beat)

    def warn(self, rule: str, where: str, message: str, beat: float | None = None) -> None:
        """Note something that is accepted but not as it should be."""
        self._add("warning", rule, where, message, beat)

    def findings(self) -> tuple[Finding, ...]:
        """All findings, errors first, with one closing line for each rule that was cut short."""
        rest = [
            Finding(severity, rule, file, f"and {count - MAX_PER_RULE} more of the same")
            for (severity, rule, file), count in self._seen.items()
            if count > MAX_PER_RULE
        ]
        return tuple(sorted([*self._kept, *rest], key=lambda one: one.severity != "error"))

    def _add(
        self, severity: Severity, rule: str, where: str, message: str, beat: float | None
    ) -> None:
        key = (severity, rule, self.file)
        self._seen[key] += 1
        if self._seen[key] <= MAX_PER_RULE:
            place = f"{self.file} {where}".strip()
            at = beat if beat is not None and math.isfinite(beat) else None
            self._kept.append(Finding(severity, rule, place, message, at))


def strict_json(data: bytes, log: FindingLog) -> Any:
    """Parse JSON as the strictest reader would; `BAD_JSON` when nothing can be read.

    Notes a byte-order mark and repeated keys as warnings; text that is not UTF-8, syntax errors
    and the constants NaN and Infinity (which JSON does not have) as errors.
    """
    if data.startswith(b"\xef\xbb\xbf"):
        log.warn("json.bom", "", "expected UTF-8 without a byte-order mark, found one")
        data = data[3:]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as problem:
        hint = "gzip-compressed" if data[:2] == b"\x1f\x8b" else "another encoding or binary"
        log.error("json.encoding", f"byte {problem.start}", f"expected UTF-8 text, found {hint}")
        return BAD_JSON

    def constant(name: str) -> float:
        log.error("json.nan", "", f"expected a JSON number, found {name}, which JSON lacks")
        return math.nan

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        if len(result) != len(items):
            twice = [key for key, count in Counter(k for k, _ in items).items() if count > 1]
            log.warn("json.duplicate", "", f"expected each key once, found {twice[0]!r} again")
        return result

    try:
        return json.loads(text, parse_constant=constant, object_pairs_hook=pairs)
    except json.JSONDecodeError as problem:
        spot = f"line {problem.lineno} column {problem.colno}"
        log.error("json.syntax", spot, f"expected valid JSON, found: {problem.msg}")
    except (ValueError, RecursionError) as problem:
        log.error("json.syntax", "", f"expected plain JSON values, found: {str(problem)[:80]}")
    return BAD_JSON
