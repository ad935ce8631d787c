"""One level judged: validity, and per difficulty its counts and parity; as data and as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from saberlm.eval.counts import ObjectCounts
from saberlm.eval.critic import FACTS_NAME, SHIPPED, Critic, CriticReport, load_critic
from saberlm.eval.curves import density_curve
from saberlm.eval.findings import Finding
from saberlm.eval.judge import BAR_BEATS, Judgement, bar_of, judge_map
from saberlm.eval.objects import human_objects
from saberlm.eval.playability_scene import SetUp
from saberlm.eval.swing import ParityReport
from saberlm.eval.validity import validate_level
from saberlm.eval.validity_media import audio_seconds
from saberlm.prompts.beatmap import DIFFICULTIES, Difficulty, Level
from saberlm.prompts.mapfile import open_level_files, read_level
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.vanilla import vanilla

CURVE_SECONDS = 2.0
MAX_BARS = 5000
MAX_SHOWN = 5
"""Findings of a difficulty that the text names; the heaviest are."""


@dataclass(frozen=True)
class DifficultyReport:
    """One difficulty: what it holds and how it plays.

    ``curve`` is notes a second in windows of `CURVE_SECONDS`, ``bar_seconds`` where bars begin.

    ``mended`` is what reading it mended, kept or dropped; ``modded`` is what the unmodded game does
    not play and the counts and the parity leave out.
    """

    characteristic: str
    name: str
    njs: float
    judgement: Judgement
    curve: tuple[float, ...]
    bar_seconds: tuple[float, ...]
    mended: dict[str, int]
    modded: dict[str, int]

    @property
    def counts(self) -> ObjectCounts:
        """What it holds, in numbers."""
        return self.judgement.counts

    @property
    def parity(self) -> ParityReport:
        """How both hands alternate."""
        return self.judgement.playability.parity

    @property
    def key(self) -> str:
        """What it goes by in the level, such as ``ExpertPlusStandard``."""
        return f"{self.name}{self.characteristic}"

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
            "per_100_notes": self.judgement.per_100_notes,
            "findings": [one.to_dict() for one in self.judgement.findings],
            "critic": None if (seen := self.judgement.critic) is None else seen.to_dict(),
            "swings": self.judgement.swings.to_dict(),
            "objects_percentile": self.judgement.objects_percentile,
            "lighting": self.judgement.lights.to_dict(),
            "variety": self.judgement.variety,
            "parity": parity,
            "mended": self.mended,
            "modded": self.modded,
        }


@dataclass(frozen=True)
class LevelReport:
    """A level's findings and difficulties; ``valid`` when no finding is an error.

    ``mended`` is about Info.dat and the tempo file.
    """

    path: str
    title: str
    bpm: float
    findings: tuple[Finding, ...]
    difficulties: tuple[DifficultyReport, ...]
    mended: dict[str, int] = field(default_factory=dict)

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
            "problems": [one.to_dict() for one in self.findings],
            "difficulties": {one.key: one.to_dict() for one in self.difficulties},
            "mended": self.mended,
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
        duration = _song_seconds(path, level)
        reports = tuple(_judge(level, one, duration) for one in level.difficulties)
    except ValueError as problem:
        unread = Finding("error", "level.unreadable", "", str(problem))
        return LevelReport(str(path), "", 0.0, (unread, *findings), ())
    unread_files = tuple(
        Finding("error", "level.unreadable", name, reason) for name, reason in level.unread
    )
    return LevelReport(
        str(path),
        level.info.title,
        level.info.bpm,
        (*unread_files, *findings),
        reports,
        dict(level.notes_on_reading),
    )


def _song_seconds(path: Path, level: Level) -> float | None:
    """Length of the level's sound, None where there is none to be read."""
    files = open_level_files(path)
    name = level.info.audio_filename
    found = audio_seconds(files.read(name)) if name in files else None
    return found or level.info.duration or None


def _judge(level: Level, difficulty: Difficulty, duration: float | None) -> DifficultyReport:
    beatmap, modded = vanilla(difficulty.beatmap)
    tempo = TempoMap(level.info.bpm, beatmap.bpm_events)
    last = max((note.beat for note in beatmap.color_notes), default=0.0)
    bars = np.arange(0, min(last, MAX_BARS * BAR_BEATS) + BAR_BEATS, BAR_BEATS, dtype=np.float64)
    # A name that the game does not know is judged as the hardest.
    name = difficulty.name if difficulty.name in DIFFICULTIES else DIFFICULTIES[-1]
    return DifficultyReport(
        difficulty.characteristic,
        difficulty.name,
        difficulty.njs,
        judge_map(
            difficulty.beatmap,
            tempo,
            name,
            objects=human_objects(name),
            critic=shipped_critic(),
            set_up=SetUp(difficulty.njs, difficulty.offset, duration),
        ),
        tuple(density_curve(beatmap, tempo, CURVE_SECONDS)),
        tuple(tempo.to_seconds(bars).tolist()),
        dict(difficulty.notes_on_reading),
        dict(modded),
    )


def shipped_critic() -> Critic | None:
    """The critic that ships with the package; None in a copy without it."""
    return load_critic() if (SHIPPED / FACTS_NAME).is_file() else None


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
    lines += _counted("mended or dropped on reading", report.mended)
    for diff in report.difficulties:
        lines += _render_difficulty(diff)
    return "\n".join(lines)


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _render_difficulty(report: DifficultyReport) -> list[str]:
    counts, parity = report.counts, report.parity
    objects = ", ".join(
        f"{count} {_plural(word, count)}"
        for word, count in (
            ("note", counts.notes),
            ("bomb", counts.bombs),
            ("wall", counts.walls),
            ("arc", counts.arcs),
            ("chain", counts.chains),
            ("light", counts.lights),
            ("boost", counts.boosts),
        )
    )
    directions = " ".join(f"{key.lower()} {value}" for key, value in counts.directions.items())
    lines = [
        f"{report.characteristic} {report.name}, NJS {report.njs:g}",
        f"  {objects}",
        f"  {counts.nps:.2f} notes/s (peak {counts.peak_nps:.2f}) over {counts.seconds:.1f} s; "
        f"left {counts.red_share:.0%}, right {counts.blue_share:.0%}; "
        f"doubles {counts.doubles_share:.0%}",
        f"  {counts.cells} of 12 cells, {counts.distinct_directions} of 9 directions: {directions}",
        f"  lit bars {counts.lit_bar_share:.0%}",
        f"  parity: {parity.errors} {_plural('error', parity.errors)} in {parity.swings} swings "
        f"({parity.per_100_notes:.1f} per 100 notes), {parity.borderline} borderline, "
        f"{parity.resets} bomb resets",
        *_render_findings(report.judgement),
        *([f"  {used}"] if (used := objects_text(report.judgement)) else []),
        *_render_critic(report.judgement.critic),
    ]
    lines += _counted("mended, kept or dropped on reading", report.mended)
    lines += _counted("left out of the counts above", report.modded)
    return lines


def _render_findings(judged: Judgement) -> list[str]:
    """How often each rule is broken, and the heaviest places."""
    rates = [(rule, rate) for rule, rate in judged.per_100_notes.items() if rate > 0]
    if not rates:
        return ["  playability: no findings"]
    each = ", ".join(f"{rule.replace('_', ' ')} {rate:.1f}" for rule, rate in rates)
    count = len(judged.findings)
    lines = [f"  playability: {count} {_plural('finding', count)}; per 100 notes {each}"]
    for one in judged.findings[:MAX_SHOWN]:
        place = f"bar {one.bar}, beat {one.beat:g}, {one.seconds:.2f} s"
        lines.append(f"    {place}: {one.rule.replace('_', ' ')}: {one.message}")
    if len(judged.findings) > MAX_SHOWN:
        lines.append(f"    and {len(judged.findings) - MAX_SHOWN} lighter or later ones")
    return lines


def _render_critic(critic: CriticReport | None) -> list[str]:
    if critic is None or critic.score is None:
        return []
    return [f"  {critic_text(critic)}"]


def objects_text(judged: Judgement) -> str:
    """Where the map stands among human maps by each object that it uses, in words; empty where it
    uses none or nothing is known."""
    percentiles = (judged.objects_percentile or {}).items()
    used = [
        f"{kind} {100 * share:.0f}"
        for kind, share in percentiles
        if share is not None and judged.objects.counts[kind]
    ]
    return f"objects per note, percentile of human maps: {', '.join(used)}" if used else ""


def critic_text(critic: CriticReport) -> str:
    """A critic's verdict with a score, and the bars that look least human, in words."""
    seen = f"critic: {critic.score:.2f}"
    if critic.human_percentile is not None:
        seen += f", above {critic.human_percentile:.0f} % of human maps"
    weak = [f"bar {bar_of(one.beat)} ({one.log_odds:.1f})" for one in critic.weakest(MAX_SHOWN)]
    return f"{seen}; weakest: {', '.join(weak)}"


def _counted(title: str, counts: Mapping[str, int]) -> list[str]:
    if not counts:
        return []
    return [f"  {title}: {', '.join(f'{key} {value}' for key, value in sorted(counts.items()))}"]
