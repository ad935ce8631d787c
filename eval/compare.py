"""Two evaluations side by side: what moved by more than the songs' own scatter explains.

Only maps that both evaluations judged count, each against itself. A metric has **moved** where the
interval of its mean change leaves 0 out, over `MIN_SONGS` songs or more; of many metrics that did
not move, one in twenty looks as if it had, and the text says how many were looked at.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from saberlm.eval.bootstrap import LEVEL, Interval
from saberlm.eval.evaluation import ALL, Evaluation, MapRow, paired_interval, show, table

MIN_SONGS = 5
"""Fewer songs give no interval worth the name."""
DIGITS = 3


@dataclass(frozen=True)
class Change:
    """One metric of one system at one difficulty, before and after.

    Attributes:
        difficulty: Name in the files, or ``all``.
        system: What made the maps.
        metric: Key of the metric.
        before: Mean over the common maps in the first evaluation.
        after: The same in the second.
        change: Mean change, map by map, with its interval.
        moved: Whether it is beyond the noise.
    """

    difficulty: str
    system: str
    metric: str
    before: float
    after: float
    change: Interval
    moved: bool

    def to_dict(self) -> dict[str, Any]:
        """The change as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Comparison:
    """All changes, and what could not be compared."""

    changes: tuple[Change, ...]
    unmatched: tuple[str, ...]
    common_maps: int
    level: float

    @property
    def moved(self) -> tuple[Change, ...]:
        """Those beyond the noise."""
        return tuple(one for one in self.changes if one.moved)

    def to_dict(self) -> dict[str, Any]:
        """The comparison as one JSON object."""
        return {
            "level": self.level,
            "common_maps": self.common_maps,
            "unmatched": list(self.unmatched),
            "changes": [one.to_dict() for one in self.changes],
        }


def compare(
    before: Evaluation, after: Evaluation, *, level: float = LEVEL, seed: int = 0
) -> Comparison:
    """Compare two evaluations.

    Systems go by name. Where each evaluation has one model, the two are taken for one another,
    whatever they are called.

    Raises:
        ValueError: The level is not between 0 and 1, or no map is in both.
    """
    first, second = _rows(before), _rows(after)
    systems = [s for s in dict.fromkeys(r.system for r in first) if s in {r.system for r in second}]
    places = [{(r.song, r.difficulty, r.system) for r in rows} for rows in (first, second)]
    common = places[0] & places[1]
    if not common:
        raise ValueError(
            "expected two reports with maps in common, found none: "
            "likely other songs, difficulties or models"
        )
    first, second = (
        [r for r in rows if (r.song, r.difficulty, r.system) in common] for rows in (first, second)
    )
    changes = []
    for difficulty in [*dict.fromkeys(r.difficulty for r in first), ALL]:
        for system in systems:
            ours, theirs = (
                [r for r in rows if r.system == system and difficulty in (r.difficulty, ALL)]
                for rows in (first, second)
            )
            for metric in dict.fromkeys(key for row in ours for key in row.metrics):
                found = paired_interval(ours, theirs, metric, seed, level)
                if found.mean is None:
                    continue
                old, new = _means(ours, theirs, metric)
                moved = found.songs >= MIN_SONGS and found.excludes_zero
                changes.append(Change(difficulty, system, metric, old, new, found, moved))
    unmatched = {system for _, _, system in places[0] ^ places[1]} - set(systems)
    maps = len({(song, difficulty) for song, difficulty, _ in common})
    return Comparison(tuple(changes), tuple(sorted(unmatched)), maps, level)


def comparison_markdown(comparison: Comparison) -> str:
    """What moved as a Markdown table, and how much was looked at."""
    looked = [one for one in comparison.changes if one.change.songs >= MIN_SONGS]
    varied = [one for one in looked if one.change.low != 0 or one.change.high != 0]
    chance = (1 - comparison.level) * len(varied)
    lines = [
        f"{comparison.common_maps} maps in common; {len(comparison.moved)} of {len(varied)} figures"
        f" moved ({comparison.level:.0%} intervals over songs; about {chance:.0f} would by chance)"
    ]
    if len(looked) < len(comparison.changes):
        few = len(comparison.changes) - len(looked)
        lines.append(f"{few} figures have under {MIN_SONGS} songs: nothing can be said of them")
    if comparison.unmatched:
        lines.append(f"only in one report: {', '.join(comparison.unmatched)}")
    if comparison.moved:
        rows = [
            [
                one.difficulty,
                one.system,
                one.metric,
                f"{one.before:.{DIGITS}f}",
                f"{one.after:.{DIGITS}f}",
                show(one.change, DIGITS, True, "+"),
            ]
            for one in comparison.moved
        ]
        titles = ["difficulty", "system", "metric", "before", "after", "change"]
        lines += ["", *table(titles, rows)]
    return "\n".join(lines)


def _rows(evaluation: Evaluation) -> list[MapRow]:
    models = evaluation.about.get("models") or []
    if len(models) != 1:
        return list(evaluation.rows)
    start = f"{models[0]} "
    return [
        replace(row, system="model " + row.system.removeprefix(start))
        if row.system.startswith(start)
        else row
        for row in evaluation.rows
    ]


def _means(ours: list[MapRow], theirs: list[MapRow], metric: str) -> tuple[float, float]:
    """Means over the maps that have a value in both."""
    values = {(row.song, row.difficulty): row.metrics.get(metric) for row in theirs}
    pairs = [
        (old, new)
        for row in ours
        if (old := row.metrics.get(metric)) is not None
        and (new := values[row.song, row.difficulty]) is not None
    ]
    return sum(old for old, _ in pairs) / len(pairs), sum(new for _, new in pairs) / len(pairs)
