"""The picture of a control run: asked against got. Needs matplotlib (the extra ``report``)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from saberlm.eval.bootstrap import Interval
from saberlm.eval.control import Control, ControlRow, WordControl

_ASKED, _AVOIDED, _NEUTRAL = "#3b4cc0", "#c44e52", "#8c8c8c"
COLUMNS = 4


def plot_control(control: Control, rows: Sequence[ControlRow], path: Path) -> None:
    """Draw notes a second and each word, a panel each; thin grey lines are single songs.

    Args:
        control: The run.
        rows: Its maps.
        path: A png, written whole or not at all.
    """
    panels = bool(control.rates) + len(control.words)
    columns = min(COLUMNS, max(1, panels))
    height = math.ceil(max(1, panels) / columns)
    figure = Figure(figsize=(3.4 * columns, 3.3 * height + 0.6), layout="constrained")
    axes = list(figure.subplots(height, columns, squeeze=False).flat)
    left = iter(axes)
    if control.rates:
        _rates(next(left), control, rows)
    for word in control.words:
        _word(next(left), word, rows)
    for axis in left:
        axis.set_visible(False)
    about = ", ".join(f"{name} {value}" for name, value in control.about.items())
    figure.suptitle(
        f"Asked against got: {control.songs} songs, {about}\n"
        "dots: means with 95 % intervals over songs; thin lines: songs; dotted:"
        " where a map counts as having the word",
        fontsize=9,
    )
    temporary = path.with_name(path.name + ".partial")
    figure.savefig(temporary, format="png", dpi=120)
    temporary.replace(path)


def _rates(axis: Axes, control: Control, rows: Sequence[ControlRow]) -> None:
    asked = [one.asked for one in control.rates]
    axis.plot(asked, asked, "--", color="0.6", linewidth=1, label="as asked")
    for song in sorted({row.song for row in rows}):
        own = {row.nps_asked: row.nps for row in rows if row.song == song and row.nps is not None}
        at = [rate for rate in asked if rate in own]
        axis.plot(at, [own[rate] or 0.0 for rate in at], color="0.8", linewidth=0.7)
    _dots(axis, asked, [one.got for one in control.rates], _ASKED, "got")
    axis.set(title="notes/s", xlabel="asked", ylabel="got", xlim=(0, None), ylim=(0, None))
    axis.legend(fontsize=7, frameon=False)


def _word(axis: Axes, word: WordControl, rows: Sequence[ControlRow]) -> None:
    """Left to right: avoided, not asked, asked for, the scales side by side."""
    labels: list[str] = []
    kinds: list[tuple[str | None, str | None, float]] = []  # word, avoided, scale
    for scale in sorted(word.avoided):
        labels.append(f"avoided\n(scale {scale:g})")
        kinds.append((None, word.word, scale))
    for scale in sorted(word.without):
        labels.append("neither" + (f"\n(scale {scale:g})" if scale != 1 else ""))
        kinds.append((None, None, scale))
    for scale in sorted(word.asked):
        labels.append("asked" + (f"\n(scale {scale:g})" if scale != 1 else ""))
        kinds.append((word.word, None, scale))
    found = {
        (row.song, row.word, row.avoided, row.scale): row.values[word.measure]
        for row in rows
        if row.nps_asked is None and word.measure in row.values
    }
    for song in sorted({row.song for row in rows}):
        at = [i for i, kind in enumerate(kinds) if (song, *kind) in found]
        axis.plot(at, [found[(song, *kinds[i])] for i in at], color="0.8", linewidth=0.7)
    for i, (asked, avoided, scale) in enumerate(kinds):
        if asked is not None:
            interval, color = word.asked[scale].level, _ASKED
        elif avoided is not None:
            interval, color = word.avoided[scale].level, _AVOIDED
        else:
            interval, color = word.without[scale], _NEUTRAL
        _dots(axis, [i], [interval], color)
    axis.axhline(word.threshold, color="0.6", linestyle=":", linewidth=1)
    axis.set_xticks(range(len(labels)), labels, fontsize=6.5)
    axis.set(title=word.word, ylabel=word.measure.replace("_", " "), ylim=(0, None))
    axis.set_xlim(-0.5, max(1, len(labels)) - 0.5)


def _dots(
    axis: Axes, x: Sequence[float], intervals: Sequence[Interval], color: str, label: str = ""
) -> None:
    known = [(at, one) for at, one in zip(x, intervals, strict=True) if one.mean is not None]
    means = [_or(one.mean, 0.0) for _, one in known]
    error = [
        [max(0.0, mean - _or(one.low, mean)) for mean, (_, one) in zip(means, known, strict=True)],
        [max(0.0, _or(one.high, mean) - mean) for mean, (_, one) in zip(means, known, strict=True)],
    ]
    axis.errorbar(
        [at for at, _ in known], means, error, fmt="o", markersize=5, capsize=3, color=color,
        label=label or None, linestyle="-" if len(known) > 1 else "none",
    )  # fmt: skip


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
