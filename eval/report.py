"""One level judged: validity, and per difficulty its counts and parity; as data and as text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from saberlm.eval.counts import ObjectCounts, count_objects
from saberlm.eval.findings import Finding
from saberlm.eval.swing import ParityReport, parity_errors
from saberlm.eval.validity import validate_level
from saberlm.prompts.beatmap import Difficulty, Level
from saberlm.prompts.mapfile import read_level
from saberlm.prompts.tempo import TempoMap


@dataclass(frozen=True)
class DifficultyReport:
    """One difficulty: what it holds and how it plays; ``mended`` is what reading it mended."""

    characteristic: str
    name: str
    njs: float
    counts: ObjectCounts
    parity: ParityReport
    mended: dict[str, int]

    def to_dict(self) -> dict[str, object]:
        """The report as plain JSON values."""
        parity = {
            "errors": self.parity.errors,
            "borderline": self.parity.borderline,
            "bomb_resets": self.parity.resets,
            "swings": self.parity.swings,
            "per_100_notes": round(self.parity.per_100_notes, 3),
            "where": [{"beat": beat, "color": color} for beat, color in self.parity.where],
        }
        return {
            "characteristic": self.characteristic,
            "difficulty": self.name,
            "njs": self.njs,
            **self.counts.to_dict(),
            "parity": parity,
            "mended": self.mended,
        }


@dataclass(frozen=True)
class LevelReport:
    """A level's findings and difficulties; ``valid`` when no finding is an error."""

    path: str
    title: str
    bpm: float
    findings: tuple[Finding, ...]
    difficulties: tuple[DifficultyReport, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make the level invalid."""
        return tuple(one for one in self.findings if one.severity == "error")

    @property
    def valid(self) -> bool:
        """Whether no finding is an error."""
        return not self.errors

    def to_dict(self) -> dict[str, object]:
        """The report as one JSON object."""
        return {
            "level": self.path,
            "title": self.title,
            "bpm": self.bpm,
            "valid": self.valid,
            "findings": [one.to_dict() for one in self.findings],
            "difficulties": [one.to_dict() for one in self.difficulties],
        }


def check_level(path: Path) -> LevelReport:
    """Judge a level folder or zip.

    A level that cannot be read at all still gets a report, with the reason as an error finding.

    Raises:
        ValueError: The path is missing, unsafe or no level folder or zip.
    """
    findings = validate_level(path)
    try:
        level = read_level(path, characteristic=None)
        reports = tuple(_judge(level, one) for one in level.difficulties)
    except ValueError as problem:
        unread = Finding("error", "level.unreadable", "", str(problem))
        return LevelReport(str(path), "", 0.0, (unread, *findings), ())
    return LevelReport(str(path), level.info.title, level.info.bpm, findings, reports)


def _judge(level: Level, difficulty: Difficulty) -> DifficultyReport:
    beatmap = difficulty.beatmap
    tempo = TempoMap(level.info.bpm, beatmap.bpm_events)
    return DifficultyReport(
        difficulty.characteristic,
        difficulty.name,
        difficulty.njs,
        count_objects(beatmap, tempo),
        parity_errors(beatmap, tempo),
        dict(difficulty.notes_on_reading),
    )


def render(report: LevelReport) -> str:
    """The report as text for a terminal."""
    errors = len(report.errors)
    warned = len(report.findings) - errors
    verdict = "valid" if report.valid else "INVALID"
    tally = f"{errors} {_plural('error', errors)}, {warned} {_plural('warning', warned)}"
    lines = [f"{report.path}: {verdict} ({tally})"]
    for one in report.findings:
        at = "" if one.beat is None else f" at beat {one.beat:g}"
        lines.append(f"  {one.severity} [{one.rule}] {one.where}{at}: {one.message}")
    for diff in report.difficulties:
        lines += _render_difficulty(diff)
    return "\n".join(lines)


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _render_difficulty(report: DifficultyReport) -> list[str]:
    counts, parity = report.counts, report.parity
    directions = " ".join(f"{key.lower()} {value}" for key, value in counts.directions.items())
    lines = [
        f"{report.characteristic} {report.name}, NJS {report.njs:g}",
        f"  {counts.notes} notes, {counts.bombs} bombs, {counts.walls} walls, {counts.arcs} arcs, "
        f"{counts.chains} chains, {counts.lights} lights, {counts.boosts} boosts",
        f"  {counts.nps:.2f} notes/s (peak {counts.peak_nps:.2f}) over {counts.seconds:.1f} s; "
        f"left {counts.red_share:.0%}, right {counts.blue_share:.0%}; "
        f"doubles {counts.doubles_share:.0%}",
        f"  {counts.cells} of 12 cells, {counts.distinct_directions} of 9 directions: {directions}",
        f"  lit bars {counts.lit_bar_share:.0%}",
        f"  parity: {parity.errors} errors in {parity.swings} swings "
        f"({parity.per_100_notes:.1f} per 100 notes), {parity.borderline} borderline, "
        f"{parity.resets} bomb resets",
    ]
    if report.mended:
        mended = ", ".join(f"{key} {value}" for key, value in sorted(report.mended.items()))
        lines.append(f"  mended or dropped on reading: {mended}")
    return lines
