"""Rates of the judge over many maps: how human maps spread, and whether better ones do better.

A row is one judged map with its song, difficulty and rating (0 to 1, None where unknown). Groups of
maps are compared difficulty by difficulty, weighted by the better group's maps, so that a group of
harder maps is not taken for a worse one; intervals are bootstrapped over songs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saberlm.eval.evaluation import table
from saberlm.eval.objects import KINDS, ObjectRates, ObjectReference
from saberlm.eval.style import ASPECTS, StyleReference
from saberlm.prompts.beatmap import DIFFICULTIES

DRAWS = 1000
PERCENTILES = (10, 50, 90)
HALVES_DRAWS = 20
SMALL_PARTS = (8, 24)
"""Maps of an evaluation, as one would judge a model by."""


@dataclass(frozen=True)
class RatedMap:
    """One judged map: `saberlm.eval.judge.Judgement.metrics` and what it is compared by."""

    song: str
    difficulty: str
    rating: float | None
    metrics: Mapping[str, float | None]


@dataclass(frozen=True)
class Difference:
    """Means of two groups and the interval of their difference (first minus second)."""

    first: float
    second: float
    low: float
    high: float


def spread_table(maps: Sequence[RatedMap], metrics: Iterable[str], *, clean: bool) -> list[str]:
    """Median [p10, p90] of metrics by difficulty as a Markdown table.

    Args:
        maps: Judged maps.
        metrics: Keys, each a line.
        clean: Add the share of maps at 0, for rates of findings.
    """
    names = [name for name in DIFFICULTIES if any(one.difficulty == name for one in maps)]
    rows = []
    for metric in metrics:
        cells = [f"`{metric.removeprefix('per_100:')}`"]
        for name in names:
            values = _values((one for one in maps if one.difficulty == name), metric)
            cells.append(_spread(values, clean))
        rows.append(cells)
    counts = {name: sum(one.difficulty == name for one in maps) for name in names}
    return table(["", *(f"{name} ({counts[name]})" for name in names)], rows)


def difference(
    first: Sequence[RatedMap], second: Sequence[RatedMap], metric: str, seed: int = 0
) -> Difference | None:
    """How the means of two groups differ, difficulty by difficulty.

    Difficulties that one of them lacks are left out; None where nothing is left.
    """
    groups = [[one for one in group if one.metrics.get(metric) is not None]
              for group in (first, second)]  # fmt: skip
    shared = [
        name
        for name in DIFFICULTIES
        if all(any(one.difficulty == name for one in group) for group in groups)
    ]
    if not shared:
        return None
    rng = np.random.default_rng(seed)
    weights = np.array([sum(one.difficulty == d for one in groups[0]) for d in shared], np.float64)
    weights /= weights.sum()
    whole, drawn = zip(*(_means(group, metric, shared, rng) for group in groups), strict=True)
    # A draw without any map of a difficulty says nothing of it: it is passed over.
    gaps = (drawn[0] - drawn[1]) @ weights
    gaps = gaps[np.isfinite(gaps)]
    low, high = np.percentile(gaps, (2.5, 97.5)) if len(gaps) else (np.nan, np.nan)
    return Difference(float(whole[0] @ weights), float(whole[1] @ weights), float(low), float(high))


def comparison_table(
    first: Sequence[RatedMap],
    second: Sequence[RatedMap],
    metrics: Iterable[str],
    titles: tuple[str, str],
    seed: int = 0,
) -> list[str]:
    """Means of two groups and whether the first has more or less, as a Markdown table."""
    rows = []
    for metric in metrics:
        found = difference(first, second, metric, seed)
        if found is None or not (found.first or found.second):
            continue
        verdict = "less" if found.high < 0 else "more" if found.low > 0 else ""
        gap = f"{found.first - found.second:+.3g} [{found.low:+.3g}, {found.high:+.3g}]"
        name = f"`{metric.removeprefix('per_100:')}`"
        rows.append([name, f"{found.first:.3g}", f"{found.second:.3g}", gap, verdict])
    return table(["", *titles, "difference [95 %]", "beyond noise"], rows)


def objects_table(references: Mapping[str, ObjectReference]) -> list[str]:
    """Use of each kind of object by difficulty as a Markdown table."""
    spreads = {name: one.spread() for name, one in references.items()}
    rows = [[kind, *(_use(spread[kind]) for spread in spreads.values())] for kind in KINDS]
    return table(["", *spreads], rows)


def halves_table(references: Mapping[str, StyleReference]) -> list[str]:
    """Style distance of random parts of each set of human maps to the rest of it, as a Markdown
    table: the mean over `HALVES_DRAWS` draws, of halves and of a few maps."""
    rows = []
    for name, reference in references.items():
        for size in (None, *SMALL_PARTS):
            if size is not None and size >= reference.maps // 2:
                continue
            draws = [reference.halves(seed, size).to_dict() for seed in range(HALVES_DRAWS)]
            part = reference.maps // 2 if size is None else size
            cells = (_mean([draw[aspect] for draw in draws]) for aspect in ASPECTS)
            rows.append([name, f"{part} of {reference.maps}", *cells])
    return table(["", "maps", *ASPECTS], rows)


def _use(rates: ObjectRates) -> str:
    if rates.share_of_maps is None:
        return "-"
    median = "" if rates.median is None else f", {rates.median:.3g}"
    return f"{rates.share_of_maps:.0%}{median}"


def _mean(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.3f}" if known else "-"


def _means(
    group: Sequence[RatedMap], metric: str, names: Sequence[str], rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Means by difficulty, (D,), and of `DRAWS` draws of the group's songs, (`DRAWS`, D)."""
    songs = {song: row for row, song in enumerate(dict.fromkeys(one.song for one in group))}
    total, count = np.zeros((2, len(songs), len(names)))
    for one in group:
        value = one.metrics[metric]
        if one.difficulty in names and value is not None:
            column = names.index(one.difficulty)
            total[songs[one.song], column] += value
            count[songs[one.song], column] += 1
    draws = rng.multinomial(len(songs), np.full(len(songs), 1 / len(songs)), DRAWS)
    with np.errstate(invalid="ignore"):
        return total.sum(0) / count.sum(0), (draws @ total) / (draws @ count)


def _values(maps: Iterable[RatedMap], metric: str) -> list[float]:
    found = (one.metrics.get(metric) for one in maps)
    return [value for value in found if value is not None]


def _spread(values: list[float], clean: bool) -> str:
    if not values:
        return "-"
    if clean and not any(values):
        return "0"
    low, middle, high = np.percentile(values, PERCENTILES)
    text = f"{middle:.3g} [{low:.3g}, {high:.3g}]"
    if not clean:
        return text
    return f"{text}, {np.mean([value == 0 for value in values]):.0%}"
