"""Small pictures of a judgement for the page, as HTML that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from saberlm.eval.playability_scene import FAULT
from saberlm.eval.report import CURVE_SECONDS, DifficultyReport

WIDTH, HEIGHT = 1000, 100
_BASE, _TOP = 84, 4
"""Between them the notes a second; below, the critic's opinion."""
_SURE = 3.0
"""Log-odds at which the critic's colour is full."""


def density_plot(report: DifficultyReport) -> str:
    """Notes a second over time, faults as marks, and under each bar what the critic takes it for:
    green is a human's, red a machine's; empty for a map without notes."""
    if not any(report.curve):
        return ""
    seconds = max(len(report.curve) * CURVE_SECONDS, report.counts.seconds)
    shapes = [*_columns(report, seconds), *_opinions(report, seconds)]
    most = max(report.curve)
    return (
        f'<div><div class="sl-marks" aria-hidden="true">{"".join(_faults(report, seconds))}</div>'
        f'<svg class="sl-plot" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img"'
        f' aria-label="notes a second over the song, at most {most:.1f}">{"".join(shapes)}</svg>'
        "</div>"
    )


def _columns(report: DifficultyReport, seconds: float) -> Iterator[str]:
    most = max(report.curve)
    wide = WIDTH * CURVE_SECONDS / seconds
    for i, rate in enumerate(report.curve):
        tall = (_BASE - _TOP) * rate / most
        yield (
            f'<rect x="{i * wide:.1f}" y="{_BASE - tall:.1f}" width="{max(wide - 1, 0.5):.1f}"'
            f' height="{tall:.1f}" fill="#3d9be9"/>'
        )


def _faults(report: DifficultyReport, seconds: float) -> Iterator[str]:
    """Marks beside the picture and not in it, which is as wide as its place: they keep their
    shape."""
    for one in report.judgement.findings:
        if one.weight >= FAULT:
            yield f'<i style="left:{100 * one.seconds / seconds:.2f}%"></i>'


def _opinions(report: DifficultyReport, seconds: float) -> Iterator[str]:
    critic = report.judgement.critic
    bars = [] if critic is None else critic.bars
    ends = [*report.bar_seconds[1:], seconds]
    length = dict(zip(report.bar_seconds, ends, strict=True))
    for bar in bars:
        wide = WIDTH * max(length.get(bar.seconds, CURVE_SECONDS) - bar.seconds, 0.0) / seconds
        strength = min(abs(bar.log_odds) / _SURE, 1.0)
        color = "#38a169" if bar.log_odds >= 0 else "#e04848"
        yield (
            f'<rect x="{WIDTH * bar.seconds / seconds:.1f}" y="90" width="{wide:.1f}" height="10"'
            f' fill="{color}" fill-opacity="{0.15 + 0.85 * strength:.2f}"/>'
        )
