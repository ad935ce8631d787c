"""Many maps judged, summed up: means by difficulty and system with intervals over songs.

A **system** is what made a map: the human, a baseline, or a model with one setting of its masks,
heard with its own song or another's. A `MapRow` is one judged map; rows of all systems over the
same songs make an evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from saberlm.eval.bootstrap import Interval, mean_interval
from saberlm.eval.curves import density_curve, histograms
from saberlm.eval.judge import Judgement
from saberlm.prompts.beatmap import DIFFICULTIES, Beatmap
from saberlm.prompts.tempo import TempoMap

FORMAT = 1
HUMAN = "human"
HALF_BEAT = "half beat"
ONSET_PEAKS = "onset peaks"
OTHER_SONG = ", other song"
"""Ends the name of a system that heard another song's audio."""
ALL = "all"
"""Stands for every difficulty."""
CURVE_SECONDS = 8.0
LIFTED = ("f1@10", "f1@20", "f1@40", "f1@50", "precision@50", "recall@50", "sound_z")
"""Metrics that what a model hears should raise over another song's audio."""

COLUMNS = (
    ("f1@50", "F1@50", 3, True),
    ("f1@20", "F1@20", 3, False),
    ("count_ratio", "count ratio", 2, False),
    ("mean_error_ms", "error ms", 1, False),
    ("sound_z", "sound z", 1, False),
    ("nps_ratio", "notes/s ratio", 2, False),
    ("density_correlation", "density r", 2, False),
    ("structure_correlation", "structure r", 2, False),
    ("per_100:parity", "parity/100", 2, True),
    ("findings_per_100", "findings/100", 2, False),
    ("style:direction_pairs", "pairs JS", 2, False),
    ("style:patterns", "patterns JS", 2, False),
    ("variety", "variety", 2, False),
    ("copied_share", "copied", 3, False),
    ("lights_per_beat", "lights/beat", 2, False),
    ("critic", "critic", 2, False),
)
"""Metric, title, digits and whether the table shows its interval."""


@dataclass(frozen=True)
class MapRow:
    """One judged map.

    Attributes:
        song: Key of the song.
        difficulty: Name in the files.
        system: What made it.
        metrics: `saberlm.eval.judge.Judgement.metrics`, and what the maker adds.
        curve: Notes a second in windows of `CURVE_SECONDS`.
        histograms: Shares by aspect (`saberlm.eval.curves.histograms`).
    """

    song: str
    difficulty: str
    system: str
    metrics: dict[str, float | None]
    curve: list[float] = field(default_factory=list)
    histograms: dict[str, dict[str, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The row as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class StyleOfSet:
    """All maps of a system at a difficulty, pooled, against the reference maps.

    Attributes:
        difficulty: Name in the files.
        system: What made them.
        maps: Number of maps.
        distances: Jensen-Shannon distance by aspect (`saberlm.eval.style.StyleDistances`).
        yardstick: The same of as many reference maps against the others, mean of random draws.
    """

    difficulty: str
    system: str
    maps: int
    distances: dict[str, float | None]
    yardstick: dict[str, float]

    def ratio(self, aspect: str) -> float | None:
        """How many times as far as human maps are from each other; None where unknown."""
        distance, usual = self.distances.get(aspect), self.yardstick.get(aspect)
        return None if distance is None or not usual else distance / usual


@dataclass(frozen=True)
class Evaluation:
    """All rows of a run and what is to be known about it.

    Attributes:
        about: Settings: model names, split, what was given, seed.
        rows: One a judged map.
        seconds: Wall time by song and what it went into.
        left_out: Songs and difficulties that were not judged, by reason.
        styles: Style of each system's maps together.
    """

    about: dict[str, Any]
    rows: tuple[MapRow, ...]
    seconds: dict[str, dict[str, float]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    styles: tuple[StyleOfSet, ...] = ()

    @property
    def systems(self) -> list[str]:
        """Names of the systems, in the order they were judged in."""
        return list(dict.fromkeys(row.system for row in self.rows))

    @property
    def difficulties(self) -> list[str]:
        """The difficulties that were judged, the easiest first."""
        return [name for name in DIFFICULTIES if any(r.difficulty == name for r in self.rows)]

    @property
    def metrics(self) -> list[str]:
        """Keys of all metrics."""
        return list(dict.fromkeys(key for row in self.rows for key in row.metrics))

    def interval(self, system: str, difficulty: str, metric: str) -> Interval:
        """Mean and interval of one cell; the run's seed draws the songs."""
        rows = self.chosen(system, difficulty)
        return mean_interval(by_song(rows, metric), int(self.about.get("seed", 0)))

    def chosen(self, system: str, difficulty: str = ALL) -> list[MapRow]:
        """The rows of a system at a difficulty."""
        return [r for r in self.rows if r.system == system and difficulty in (r.difficulty, ALL)]

    def lift(self, system: str, difficulty: str, metric: str) -> Interval:
        """What a system gains over itself with another song's audio, map by map."""
        return paired_interval(
            self.chosen(system + OTHER_SONG, difficulty),
            self.chosen(system, difficulty),
            metric,
            int(self.about.get("seed", 0)),
        )

    def to_dict(self) -> dict[str, Any]:
        """The report as one JSON object."""
        names = [*self.difficulties, ALL]
        summary = [
            {
                "difficulty": name,
                "system": system,
                "metric": metric,
                **self.interval(system, name, metric).to_dict(),
            }
            for name in names
            for system in self.systems
            for metric in self.metrics
        ]
        lifts = [
            {
                "difficulty": name,
                "system": system,
                "metric": metric,
                **self.lift(system, name, metric).to_dict(),
            }
            for name in names
            for system in self.systems
            if system + OTHER_SONG in self.systems
            for metric in LIFTED
            if metric in self.metrics
        ]
        return {
            "format": FORMAT,
            "about": self.about,
            "systems": self.systems,
            "summary": [one for one in summary if one["maps"]],
            "lifts": [one for one in lifts if one["maps"]],
            "rows": [row.to_dict() for row in self.rows],
            "seconds": self.seconds,
            "left_out": self.left_out,
            "styles": [asdict(one) for one in self.styles],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Evaluation:
        """The evaluation that `to_dict` wrote.

        Raises:
            ValueError: It is no such report, or another version's.
        """
        if data.get("format") != FORMAT or not isinstance(data.get("rows"), list):
            raise ValueError(
                f"expected a report of format {FORMAT}, found {data.get('format')!r}: "
                "likely not a report.json of saberlm evaluate, or another version's"
            )
        try:
            rows = tuple(MapRow(**row) for row in data["rows"])
            styles = tuple(StyleOfSet(**one) for one in data.get("styles", ()))
        except TypeError as error:
            raise ValueError(
                f"expected rows of judged maps, found others: {error}: likely a damaged report.json"
            ) from None
        return cls(
            dict(data.get("about", {})),
            rows,
            dict(data.get("seconds", {})),
            dict(data.get("left_out", {})),
            styles,
        )


def map_row(
    song: str,
    system: str,
    judged: Judgement,
    beatmap: Beatmap,
    tempo: TempoMap,
    more: Mapping[str, float | None] | None = None,
) -> MapRow:
    """One judged map as a row; ``more`` are metrics that its maker adds."""
    return MapRow(
        song,
        judged.difficulty,
        system,
        {**judged.metrics(), **(more or {})},
        density_curve(beatmap, tempo, CURVE_SECONDS),
        histograms(beatmap, tempo),
    )


def by_song(rows: Iterable[MapRow], metric: str) -> dict[str, list[float | None]]:
    """Values of one metric, by song."""
    values: dict[str, list[float | None]] = {}
    for row in rows:
        values.setdefault(row.song, []).append(row.metrics.get(metric))
    return values


def paired_interval(
    before: Iterable[MapRow],
    after: Iterable[MapRow],
    metric: str,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Mean and interval of after minus before, over the maps that both have a value of."""
    first = {(row.song, row.difficulty): row.metrics.get(metric) for row in before}
    changes: dict[str, list[float | None]] = {}
    for row in after:
        old, new = first.get((row.song, row.difficulty)), row.metrics.get(metric)
        if old is not None and new is not None:
            changes.setdefault(row.song, []).append(new - old)
    return mean_interval(changes, seed, level)


def markdown(evaluation: Evaluation) -> str:
    """The main figures as Markdown tables, one a difficulty, and what was left out."""
    shown = [one for one in COLUMNS if one[0] in evaluation.metrics]
    lines: list[str] = []
    for name in [*evaluation.difficulties, ALL]:
        maps = len({(r.song, r.difficulty) for r in evaluation.chosen(HUMAN, name)})
        lines += [f"**{name}**: {maps} maps", ""]
        lines += table(["system", *(title for _, title, _, _ in shown)], _cells(evaluation, name))
        lines.append("")
    lifted = [s for s in evaluation.systems if s + OTHER_SONG in evaluation.systems]
    for system in lifted:
        gain = evaluation.lift(system, ALL, "f1@50")
        lines.append(f"{system}: F1@50 over another song's audio {show(gain, 3, True, '+')}")
    lines += style_lines(evaluation)
    lines += [f"left out: {what}: {count}" for what, count in evaluation.left_out.items()]
    return "\n".join(lines)


def style_lines(evaluation: Evaluation) -> list[str]:
    """A Markdown table of `style_rows`; nothing where there are none."""
    if not evaluation.styles:
        return []
    return ["", "Style of all maps together", "", *table(*style_rows(evaluation)), ""]


def style_rows(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Titles and rows of how far each system's maps together are from the reference maps, in
    brackets as multiples of what as many human maps are."""
    aspects = list(evaluation.styles[0].distances) if evaluation.styles else []
    rows = []
    for one in evaluation.styles:
        cells = []
        for aspect in aspects:
            distance, ratio = one.distances[aspect], one.ratio(aspect)
            times = "" if ratio is None else f" ({ratio:.1f}x)"
            cells.append("-" if distance is None else f"{distance:.3f}{times}")
        rows.append([one.difficulty, one.system, str(one.maps), *cells])
    titles = ["difficulty", "system", "maps", *(aspect.replace("_", " ") for aspect in aspects)]
    return titles, rows


def _cells(evaluation: Evaluation, difficulty: str) -> list[list[str]]:
    rows = []
    for system in evaluation.systems:
        if evaluation.chosen(system, difficulty):
            cells = [
                show(evaluation.interval(system, difficulty, metric), digits, ranged)
                for metric, _, digits, ranged in COLUMNS
                if metric in evaluation.metrics
            ]
            rows.append([system, *cells])
    return rows


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table, line by line."""
    head = [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]
    return [*head, *(f"| {' | '.join(row)} |" for row in rows)]


def show(interval: Interval, digits: int, ranged: bool, sign: str = "") -> str:
    """A mean as text, with its interval if asked and known; a dash where there is none."""
    if interval.mean is None:
        return "-"
    text = f"{round(interval.mean, digits) + 0.0:{sign}.{digits}f}"  # + 0.0: no -0.0
    if ranged and interval.low is not None and interval.high is not None:
        text += f" [{interval.low:{sign}.{digits}f}, {interval.high:{sign}.{digits}f}]"
    return text
