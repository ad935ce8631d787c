"""The page of `saberlm check --html`: a level's problems, and each difficulty over its time, bar by
bar. Needs matplotlib, which the extra ``report`` brings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import repeat

from saberlm.eval.html import folded, heading, html_table, page, paragraph, picture
from saberlm.eval.judge import JudgedFinding
from saberlm.eval.playability import WEIGHTS
from saberlm.eval.playability_scene import FAULT
from saberlm.eval.plots import timeline
from saberlm.eval.report import (
    CURVE_SECONDS,
    DifficultyReport,
    LevelReport,
    critic_text,
    objects_text,
)

MAX_ROWS = 500
"""Findings listed; the heaviest are kept, and the page says how many it leaves out."""


def check_page(report: LevelReport) -> str:
    """The whole page."""
    errors = len(report.errors)
    verdict = "valid" if report.valid else f"invalid: {errors} error{'s'[: errors != 1]}"
    body = [paragraph(f"{report.path}: {verdict}", "good" if report.valid else "bad")]
    if report.findings:
        rows = [
            [one.severity, one.rule, one.where, "" if one.beat is None else f"{one.beat:g}",
             one.message]
            for one in report.findings
        ]  # fmt: skip
        body += [
            heading("Problems of the files"),
            html_table(["severity", "rule", "where", "beat", "message"], rows, (1, 2, 4)),
        ]
    for one in report.difficulties:
        body += _difficulty(one)
    return page(f"saberlm check: {report.title or report.path}", body)


def _difficulty(report: DifficultyReport) -> Iterable[str]:
    judged = report.judgement
    counts, lights = judged.counts, judged.lights
    yield heading(f"{report.characteristic} {report.name}")
    if not (counts.notes or counts.bombs or counts.walls or lights.events or judged.findings):
        yield paragraph("Empty: no notes, bombs, walls or lights.", "quiet")
        return
    yield paragraph(
        f"{counts.notes} notes, {counts.nps:.2f} a second over {counts.seconds:.0f} s (peak "
        f"{counts.peak_nps:.1f}), NJS {report.njs:g}; {counts.bombs} bombs, {counts.walls} walls, "
        f"{counts.arcs} arcs, {counts.chains} chains, {lights.events} light events"
    )
    found = [(rule, rate) for rule, rate in judged.per_100_notes.items() if rate > 0]
    if not found:
        yield paragraph("No playability findings.", "good")
    else:
        number = Counter(one.rule for one in judged.findings)
        rows = [
            [rule.replace("_", " "), f"{WEIGHTS[rule]:g}",
             "fault" if WEIGHTS[rule] >= FAULT else "advice", str(number[rule]), f"{rate:.2f}"]
            for rule, rate in sorted(found, key=lambda one: (-WEIGHTS[one[0]], -one[1]))
        ]  # fmt: skip
        yield html_table(["rule", "weight", "kind", "findings", "per 100 notes"], rows, (2,))
    picture_of = timeline(report.curve, CURVE_SECONDS, judged.findings, report.bar_seconds)
    yield picture(picture_of, f"density and findings of {report.name} over time")
    if used := objects_text(judged):
        yield paragraph(used, "quiet")
    if judged.critic is not None and judged.critic.score is not None:
        yield paragraph(critic_text(judged.critic), "quiet")
    if judged.findings:
        yield folded("The heaviest findings first", [_listed(judged.findings[:MAX_ROWS])])
        listed = sorted(judged.findings[:MAX_ROWS], key=_by_beat)
        yield folded("Bar by bar", [_listed(listed, each_bar_once=True)])
    if len(judged.findings) > MAX_ROWS:
        yield paragraph(f"{len(judged.findings) - MAX_ROWS} lighter findings not listed", "quiet")


def _listed(findings: Sequence[JudgedFinding], *, each_bar_once: bool = False) -> str:
    """A table of findings; ``each_bar_once`` names a bar at the first of its findings only."""
    bars = [0, *(one.bar for one in findings)] if each_bar_once else repeat(None)
    rows = [
        ["" if one.bar == before else f"Bar {one.bar}", f"{one.beat:.3f}",
         _clock(one.seconds), one.rule.replace("_", " "), f"{one.weight:g}",
         _objects(one), one.message]
        for before, one in zip(bars, findings, strict=False)
    ]  # fmt: skip
    titles = ["bar", "beat", "time", "rule", "weight", "object", "message"]
    return html_table(titles, rows, (3, 5, 6))


def _by_beat(finding: JudgedFinding) -> tuple[int, float, float]:
    return finding.bar, finding.beat, -finding.weight


def _clock(seconds: float) -> str:
    """Minutes, seconds and hundredths, as players read them."""
    hundredths = round(abs(seconds) * 100)
    sign = "-" if seconds < 0 else ""
    return f"{sign}{hundredths // 6000}:{hundredths // 100 % 60:02}.{hundredths % 100:02}"


def _objects(finding: JudgedFinding) -> str:
    texts = []
    for one in finding.objects:
        color = one.get("color")
        hand = "" if not isinstance(color, int) else ("red ", "blue ")[color % 2]
        cell = f" at column {one['x']}, row {one['y']}" if "x" in one else ""
        texts.append(f"{hand}{one.get('kind', 'object')}{cell}")
    return "; ".join(texts)
