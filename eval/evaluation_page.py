"""The page of `saberlm evaluate`: tables and pictures of an evaluation. Needs matplotlib, which the
extra ``report`` brings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from saberlm.eval.bootstrap import Interval
from saberlm.eval.evaluation import (
    ALL,
    COLUMNS,
    CURVE_SECONDS,
    HUMAN,
    LIFTED,
    ONSET_PEAKS,
    OTHER_SONG,
    Evaluation,
    show,
    style_rows,
)
from saberlm.eval.html import folded, heading, html_table, page, paragraph, picture
from saberlm.eval.plots import (
    bars_with_intervals,
    curves,
    distributions,
    lines_with_bands,
    palette,
)
from saberlm.prompts.beatmap import CutDirection

WINDOWS = ("10", "20", "40", "50")
MAX_CURVES = 8
"""Songs whose density curve is drawn."""
RATES = ("per_100:parity", "findings_per_100")
_GAPS = {"6": "1/8", "12": "1/4", "16": "1/3", "24": "1/2", "36": "3/4", "48": "1", "96": "2"}


def evaluation_page(evaluation: Evaluation) -> str:
    """The whole page; its intervals hold 95 % of 2,000 draws of the songs."""
    about = evaluation.about
    body = [
        paragraph(
            f"{about.get('songs', 0)} songs of the split {about.get('split')}; given to the model: "
            f"{', '.join(about.get('given', [])) or 'nothing'}; seed {about.get('seed')}. "
            "Intervals: bootstrap over songs. A model's name is followed by its playability masks; "
            "off is as sampled."
        )
    ]
    body += _tables(evaluation)
    body += _lifts(evaluation)
    body += _styles(evaluation)
    body += _pictures(evaluation)
    body += _times(evaluation)
    if evaluation.left_out:
        rows = [[what, str(count)] for what, count in evaluation.left_out.items()]
        body += [heading("Left out"), html_table(["what", "how often"], rows)]
    return page("saberlm evaluate", body)


def _tables(evaluation: Evaluation) -> Iterable[str]:
    shown = [one for one in COLUMNS if one[0] in evaluation.metrics]
    for name in [ALL, *evaluation.difficulties]:
        yield heading("All difficulties" if name == ALL else name)
        rows = []
        for system in evaluation.systems:
            maps = len(evaluation.chosen(system, name))
            cells = [
                show(evaluation.interval(system, name, metric), digits, True)
                for metric, _, digits, _ in shown
            ]
            rows += [[system, str(maps), *cells]] if maps else []
        yield html_table(["system", "maps", *(title for _, title, _, _ in shown)], rows)
        yield folded("Every metric", [_everything(evaluation, name)])


def _everything(evaluation: Evaluation, difficulty: str) -> str:
    rows = [
        [metric, *(show(evaluation.interval(s, difficulty, metric), 3, False)
                   for s in evaluation.systems)]
        for metric in evaluation.metrics
    ]  # fmt: skip
    return html_table(["metric", *evaluation.systems], rows)


def _lifts(evaluation: Evaluation) -> Iterable[str]:
    systems = [s for s in evaluation.systems if s + OTHER_SONG in evaluation.systems]
    if not systems:
        return
    yield heading("What the model hears")
    yield paragraph("Gain over the same model hearing another song's audio on the same beats.")
    metrics = [m for m in LIFTED if m in evaluation.metrics]
    rows = [
        [system, name, *(show(evaluation.lift(system, name, m), 3, True, "+") for m in metrics)]
        for system in systems
        for name in [*evaluation.difficulties, ALL]
    ]
    yield html_table(["system", "difficulty", *metrics], rows, (1,))


def _styles(evaluation: Evaluation) -> Iterable[str]:
    if not evaluation.styles:
        return
    yield heading("Style of all maps together")
    yield paragraph(
        "Jensen-Shannon distance to the human train maps of the difficulty; in brackets as a"
        " multiple of what as many of these are from the others."
    )
    titles, rows = style_rows(evaluation)
    yield html_table(titles, rows, (1,))


def _pictures(evaluation: Evaluation) -> Iterable[str]:
    colors = palette(evaluation.systems)
    yield heading("F1 by tolerance")
    made = [s for s in evaluation.systems if s != HUMAN]
    series = {
        system: [evaluation.interval(system, ALL, f"f1@{window}") for window in WINDOWS]
        for system in made
    }
    svg = lines_with_bands([float(w) for w in WINDOWS], series, colors, "tolerance in ms", "F1")
    yield picture(svg, "F1 of note times by tolerance, a line a system")
    for metric in RATES:
        yield heading(metric.replace("_", " ").replace(":", " notes: "))
        groups: dict[str, Mapping[str, Interval]] = {
            name: {s: evaluation.interval(s, name, metric) for s in evaluation.systems}
            for name in [*evaluation.difficulties, ALL]
        }
        yield picture(
            bars_with_intervals(groups, colors, metric), f"{metric} by difficulty and system"
        )
    compared = [s for s in evaluation.systems if not s.endswith(OTHER_SONG)]
    yield heading("Density over the song")
    yield picture(_curves(evaluation, compared), "notes a second over the song, a panel a map")
    yield heading("Distributions")
    names = [one.name.replace("_", " ").lower() for one in CutDirection]
    order = [str(int(one)) for one in CutDirection]
    for aspect, values, labels in (
        ("directions", order, names),
        ("gaps", list(_GAPS), list(_GAPS.values())),
        ("cells", [str(i) for i in range(12)], [f"{i % 4},{i // 4}" for i in range(12)]),
    ):
        groups_of = {system: _pooled(evaluation, system, aspect) for system in compared}
        yield picture(
            distributions(groups_of, colors, values, labels), f"shares of {aspect} by system"
        )
        yield paragraph(_CAPTIONS[aspect], "quiet")


_CAPTIONS = {
    "directions": "Cut directions, the left hand mirrored.",
    "gaps": "Beats from one moment to the next.",
    "cells": "Cells as column, row, the left hand mirrored.",
}


def _curves(evaluation: Evaluation, systems: Sequence[str]) -> str:
    """The hardest map of each of the first songs."""
    panels: dict[str, dict[str, list[float]]] = {}
    for song in list(dict.fromkeys(row.song for row in evaluation.rows))[:MAX_CURVES]:
        rows = [row for row in evaluation.rows if row.song == song]
        name = [d for d in evaluation.difficulties if any(r.difficulty == d for r in rows)][-1]
        drawn = [HUMAN, ONSET_PEAKS, *(s for s in systems if s.split(" ")[-1] in ("off", "soft"))]
        panels[f"{song} {name}"] = {
            row.system: row.curve for row in rows if row.difficulty == name and row.system in drawn
        }
    return curves(panels, palette(evaluation.systems), CURVE_SECONDS)


def _pooled(evaluation: Evaluation, system: str, aspect: str) -> dict[str, float]:
    """Mean shares over the maps."""
    rows = evaluation.chosen(system)
    total: dict[str, float] = {}
    for row in rows:
        for value, share in row.histograms.get(aspect, {}).items():
            total[value] = total.get(value, 0.0) + share / len(rows)
    return total


def _times(evaluation: Evaluation) -> Iterable[str]:
    names = list(dict.fromkeys(name for one in evaluation.seconds.values() for name in one))
    if not names:
        return
    yield heading("Wall time in seconds")
    rows = [
        [song, *(f"{taken[name]:.1f}" if name in taken else "-" for name in names)]
        for song, taken in evaluation.seconds.items()
    ]
    columns = [
        [taken[name] for taken in evaluation.seconds.values() if name in taken] for name in names
    ]
    mean = ["mean", *(f"{sum(one) / len(one):.1f}" for one in columns)]
    yield html_table(["song", *names], [mean, *rows])
