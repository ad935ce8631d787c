"""Pictures for the reports, as SVG text. Needs matplotlib, which the extra ``report`` brings.

Figures are made without pyplot, so that nothing global changes; the same data gives the same text.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from saberlm.eval.bootstrap import Interval
from saberlm.eval.judge import JudgedFinding
from saberlm.eval.playability_scene import FAULT

_COLORS = ("#3b4cc0", "#c44e52", "#55a868", "#dd8452", "#8172b3", "#937860", "#8c8c8c", "#ccb974")
BAR_STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
MAX_MARKS = 2000
"""Marks of one rule in a timeline; more of them would be one line anyway."""


def timeline(
    curve: Sequence[float],
    window_seconds: float,
    findings: Sequence[JudgedFinding],
    bar_seconds: Sequence[float] = (),
) -> str:
    """A map over its time: notes a second, and below a row of marks for each rule with findings,
    the heaviest rule first, faults in red and advice in grey. Bars are counted along the top.

    Args:
        curve: Notes a second in each window from second 0.
        window_seconds: Length of a window.
        findings: Playability findings.
        bar_seconds: Where bars begin, drawn as thin lines if there are at most 400.
    """
    weights = {one.rule: one.weight for one in findings}
    rules = sorted(weights, key=lambda rule: (weights[rule], rule))
    figure = Figure(figsize=(13, 2.4 + 0.22 * len(rules)), layout="constrained")
    heights = [3.0, max(0.5, 0.45 * len(rules))]
    axes = figure.subplots(2, 1, sharex=True, height_ratios=heights, squeeze=False)
    density, marks = axes[0, 0], axes[1, 0]
    edges = np.arange(len(curve) + 1) * window_seconds
    density.stairs(list(curve), edges, fill=True, color="#9db4e0")
    density.set(ylabel="notes/s", ylim=(0, max([1.0, *curve]) * 1.05))
    if len(bar_seconds) <= 400:
        density.vlines(list(bar_seconds), 0, 1, transform=density.get_xaxis_transform(),
                       color="0.85", linewidth=0.4, zorder=0)  # fmt: skip
    for row, rule in enumerate(rules):
        seconds = [one.seconds for one in findings if one.rule == rule][:MAX_MARKS]
        color = _COLORS[1] if weights[rule] >= FAULT else _COLORS[6]
        marks.plot(seconds, [row] * len(seconds), "|", markersize=9, color=color)
    marks.set_yticks(range(len(rules)), [rule.replace("_", " ") for rule in rules])
    marks.set(xlabel="seconds", ylim=(-0.7, max(0, len(rules) - 1) + 0.7))
    marks.set_xlim(0, max([1.0, float(edges[-1]), *(one.seconds for one in findings)]))
    if len(bar_seconds) > 1:
        step = next((n for n in BAR_STEPS if len(bar_seconds) <= 16 * n), BAR_STEPS[-1])
        bars = density.secondary_xaxis("top")
        at = range(0, len(bar_seconds), step)
        bars.set_xticks([bar_seconds[i] for i in at], [str(i + 1) for i in at])
        bars.set_xlabel("bar")
    return _svg(figure)


def palette(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name, so that it has the same in every picture."""
    return {name: _COLORS[i % len(_COLORS)] for i, name in enumerate(dict.fromkeys(names))}


def lines_with_bands(
    x: Sequence[float],
    series: Mapping[str, Sequence[Interval]],
    colors: Mapping[str, str],
    xlabel: str,
    ylabel: str,
) -> str:
    """Means over ``x`` for each name, with their intervals as bands."""
    figure = Figure(figsize=(7.5, 4), layout="constrained")
    axis = figure.subplots()
    for name, intervals in series.items():
        color = colors[name]
        axis.plot(x, [_number(one.mean) for one in intervals], "o-", label=name, color=color)
        low = [_number(one.mean if one.low is None else one.low) for one in intervals]
        high = [_number(one.mean if one.high is None else one.high) for one in intervals]
        axis.fill_between(list(x), low, high, alpha=0.12, color=color, linewidth=0)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    _legend(axis)
    return _svg(figure)


def bars_with_intervals(
    groups: Mapping[str, Mapping[str, Interval]], colors: Mapping[str, str], ylabel: str
) -> str:
    """Bars by group (along the axis) and name (side by side), with their intervals."""
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axis = figure.subplots()
    width = 0.8 / max(1, len(names))
    for at, name in enumerate(names):
        places, means, below, above = [], [], [], []
        for place, group in enumerate(groups.values()):
            one = group.get(name)
            if one is None or one.mean is None:
                continue
            places.append(place - 0.4 + (at + 0.5) * width)
            means.append(one.mean)
            below.append(max(0.0, one.mean - (one.mean if one.low is None else one.low)))
            above.append(max(0.0, (one.mean if one.high is None else one.high) - one.mean))
        axis.bar(places, means, width, label=name, color=colors[name])
        axis.errorbar(places, means, [below, above], fmt="none", ecolor="0.2", elinewidth=0.8)
    axis.set_xticks(range(len(groups)), list(groups))
    axis.set(ylabel=ylabel)
    _legend(axis)
    return _svg(figure)


def curves(
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    colors: Mapping[str, str],
    window_seconds: float,
) -> str:
    """Density curves, a panel a song, a line a system."""
    figure = Figure(figsize=(10, 1.9 * max(1, len(panels))), layout="constrained")
    axes = figure.subplots(max(1, len(panels)), 1, squeeze=False)
    for axis, (title, panel) in zip(axes[:, 0], panels.items(), strict=False):
        for name, curve in panel.items():
            at = (np.arange(len(curve)) + 0.5) * window_seconds
            axis.plot(at, list(curve), label=name, color=colors[name], linewidth=1.2)
        axis.set(title=title, ylabel="notes/s", ylim=(0, None))
    _legend(axes[0, 0])
    axes[-1, 0].set(xlabel="seconds")
    return _svg(figure)


def distributions(
    groups: Mapping[str, Mapping[str, float]],
    colors: Mapping[str, str],
    order: Sequence[str],
    labels: Sequence[str],
) -> str:
    """Shares of values for each name, as lines over the values.

    Args:
        groups: Shares by name and value.
        colors: Of each name.
        order: The values to show, in order.
        labels: What to call them.
    """
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axis = figure.subplots()
    for name, shares in groups.items():
        axis.plot(
            range(len(order)), [shares.get(value, 0.0) for value in order], ".-",
            label=name, color=colors[name], linewidth=1,
        )  # fmt: skip
    axis.set_xticks(range(len(order)), list(labels))
    axis.set(ylabel="share", ylim=(0, None))
    _legend(axis)
    return _svg(figure)


def _legend(axis: Axes) -> None:
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "saberlm"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()
