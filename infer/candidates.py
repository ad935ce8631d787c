"""Best of several: whole maps ranked, and weak bars made anew.

The score of a map is a sum of three parts, higher is better, none of which hears the song:

- **playability**: minus `FINDING` for each point of weighted findings per 100 notes
  (`saberlm.eval.playability`: every finding counts with its rule's weight);
- **style**: minus `STYLE` times how far the map is from the usual human one, as a multiple of what
  human maps are from each other (the mean over `STYLE_ASPECTS`;
  `saberlm.eval.usual_style`);
- **critic**: the learned critic's mean log-odds, clipped to `CRITIC`, so that a map gains nothing
  by looking more usual than the median human one.

A map without notes scores lowest.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from saberlm.eval.critic import Critic, CriticReport
from saberlm.eval.playability import ALL_RULES, WEIGHTS, judge_playability, rule_key
from saberlm.eval.playability_scene import PlayabilityFinding, SetUp
from saberlm.eval.report import shipped_critic
from saberlm.eval.style import StyleReference
from saberlm.eval.usual_style import usual_style
from saberlm.infer.given import GROUPS, SongGrid
from saberlm.infer.njs import choose_njs, peak_swings
from saberlm.infer.pipeline import Song
from saberlm.infer.spread import at_ticks, note_ticks
from saberlm.infer.tasks import MapTask, TaskSong, remap_range
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.header import Conditions, without_lights

FINDING = 0.45
STYLE = 9.0
"""Findings and style each vary by about 0.6 among four maps of one song (standard deviation, 20
train songs, seed 5), so neither decides alone; the critic, clipped, hardly does."""
CRITIC = (-6.0, 3.4)
"""The upper end is the mean score of the human maps of the valid split."""
STYLE_ASPECTS = ("cuts", "direction_pairs", "gaps")
LOWEST = -100.0
"""Of a map without notes, and the least that any part can be."""

WEAK_BAR = 4.0
"""Badness from which a bar is weak: its findings' weights and, below 0, the critic's log-odds."""
MAX_RANGE_BARS = 4
MAX_RANGES = 8
TRIES = 2
"""Times that each weak range is drawn."""
_REDO_SEED = 7_000_003


@dataclass(frozen=True)
class MapScore:
    """A map's score and what it is made of.

    Attributes:
        findings: Weighted findings per 100 notes.
        style: Distance to the usual style as a multiple of human maps'; None where it is not known.
        critic: Mean log-odds as the critic says, not clipped; None without the critic.
        total: The sum, as the module's head has it.
    """

    findings: float
    style: float | None
    critic: float | None
    total: float

    def to_dict(self) -> dict[str, float]:
        """The known parts, rounded."""
        return {k: round(v, 4) for k, v in asdict(self).items() if v is not None}


@dataclass(frozen=True)
class JudgedBars:
    """A map's score with what it comes from: the findings and the critic's bars."""

    score: MapScore
    findings: tuple[PlayabilityFinding, ...]
    critic: CriticReport | None


@dataclass(frozen=True)
class Scorer:
    """Scores maps of one difficulty of one song.

    Attributes:
        song: On its grid.
        conditions: Asked of the map.
        usual: Human maps' style, None where it is not known.
        critic: None in a copy without it.
    """

    song: Song
    conditions: Conditions
    usual: StyleReference | None
    critic: Critic | None

    @classmethod
    def of(cls, song: Song, conditions: Conditions) -> Scorer:
        """With what ships."""
        difficulty = conditions.difficulty or "Expert"
        return cls(song, conditions, usual_style(difficulty), shipped_critic())

    def score(self, beatmap: Beatmap) -> MapScore:
        """A map's score; the map is in beats from the song's beat 0."""
        return self.judge(beatmap).score

    def judge(self, beatmap: Beatmap) -> JudgedBars:
        """A map's score and what it comes from."""
        if not beatmap.color_notes:
            return JudgedBars(MapScore(0.0, None, None, LOWEST), (), None)
        name, tempo = self.conditions.difficulty or "Expert", self.song.tempo
        jump = choose_njs(name, peak_swings(beatmap, tempo), self.song.bpm, njs=self.conditions.njs)
        set_up = SetUp(
            njs=jump.njs,
            offset=jump.offset_beats,
            duration=self.song.seconds,
            beat_0=self.song.offset_seconds,
        )
        report = judge_playability(beatmap, tempo, name, ALL_RULES, set_up)
        weighted = sum(
            WEIGHTS[rule_key(rule)] * rate for rule, rate in report.per_100_notes.items()
        )
        style = None if self.usual is None else _style(self.usual, beatmap, self.song)
        said = None if self.critic is None else self.critic.score(beatmap, tempo, name)
        odds = None if said is None else said.score
        total = -FINDING * weighted
        if style is not None:
            total -= STYLE * style
        if odds is not None:
            total += min(max(odds, CRITIC[0]), CRITIC[1])
        score = MapScore(weighted, style, odds, max(LOWEST, total))
        return JudgedBars(score, report.findings, said)


def best_of(scores: Sequence[MapScore]) -> int:
    """The number of the candidate that is kept: of equal ones, the first."""
    return max(range(len(scores)), key=lambda k: (scores[k].total, -k))


def _style(usual: StyleReference, beatmap: Beatmap, song: Song) -> float | None:
    """Mean distance to the usual style over the human maps' median distance."""
    distances = usual.distances(beatmap, song.tempo).to_dict()
    ratios = [
        distance / usual.human[aspect][1]
        for aspect in STYLE_ASPECTS
        if aspect in usual.human and (distance := distances[aspect]) is not None
    ]
    return sum(ratios) / len(ratios) if ratios else None


@dataclass(frozen=True)
class WeakRange:
    """A run of weak bars, and the tasks that draw it anew."""

    bars: range
    tasks: tuple[MapTask, ...]


@dataclass(frozen=True)
class Redone:
    """A map whose weak bars were made anew, with its score and how many ranges were tried and
    kept."""

    beatmap: Beatmap
    score: MapScore
    counts: Counter[str]


def weak_tasks(
    on: TaskSong,
    judged: JudgedBars,
    beatmap: Beatmap,
    conditions: Conditions,
    *,
    seed: int,
    amounts: Mapping[str, str] | None = None,
) -> list[WeakRange]:
    """The rows that draw a map's weak bars anew, each given the bars around its range
    (`saberlm.infer.tasks.remap_range`) and the map's own rhythm: what is placed changes, when does
    not.

    Args:
        on: the song.
        judged: the map's judgement.
        beatmap: the map, in beats from the song's beat 0.
        conditions: as completed.
        seed: of the map.
        amounts: of bombs and walls, as the map was asked for.
    """
    found = []
    ticks = note_ticks(beatmap, on.song)
    for number, bars in enumerate(weak_ranges(badness(judged, on.grid), on.encoding.num_bars)):
        tasks = []
        for attempt in range(TRIES):
            own_seed = seed + _REDO_SEED * (1 + number * TRIES + attempt)
            dark = without_lights(conditions)
            task = remap_range(on, beatmap, bars, dark, own_seed, ours=True)
            request = replace(at_ticks(task.request, ticks), amounts=amounts or {})
            tasks.append(MapTask(request, task.merge))
        found.append(WeakRange(bars, tuple(tasks)))
    return found


def keep_better(
    scorer: Scorer,
    grid: SongGrid,
    beatmap: Beatmap,
    score: MapScore,
    drawn: Sequence[tuple[range, Sequence[Beatmap]]],
) -> Redone:
    """Range by range, the best drawing that raises the score of the map so far.

    Args:
        scorer: of the difficulty.
        grid: of the song.
        beatmap: the map.
        score: its score.
        drawn: of each range, whole maps that differ from the map in it alone.
    """
    best = beatmap
    counts = Counter({"weak ranges": len(drawn)})
    for bars, tried in drawn:
        with_it = [replaced(best, new, grid, bars) for new in tried]
        scores = [scorer.score(one) for one in with_it]
        top = max(range(len(scores)), key=lambda i: scores[i].total)
        if scores[top].total > score.total:
            best, score = with_it[top], scores[top]
            counts["weak ranges made better"] += 1
    return Redone(best, score, +counts)


def badness(judged: JudgedBars, grid: SongGrid) -> dict[int, float]:
    """How bad the model's bars are: the weights of the findings in each and, where the critic's
    log-odds are below 0, these."""
    bad: defaultdict[int, float] = defaultdict(float)
    for finding in judged.findings:
        bad[grid.bar(finding.beat)] += WEIGHTS[rule_key(finding.rule)]
    for bar in judged.critic.bars if judged.critic is not None else ():
        bad[grid.bar(bar.beat)] += max(0.0, -bar.log_odds)
    return dict(bad)


def weak_ranges(bad: dict[int, float], num_bars: int) -> list[range]:
    """The worst runs of weak bars, at most `MAX_RANGES` of at most `MAX_RANGE_BARS`, with a bar or
    more between them, in order."""
    weak = sorted(
        (bar for bar, value in bad.items() if value >= WEAK_BAR and 0 <= bar < num_bars),
        key=lambda bar: (-bad[bar], bar),
    )
    taken: list[range] = []
    for bar in weak:
        if len(taken) == MAX_RANGES:
            break
        if any(one.start - 1 <= bar < one.stop + 1 for one in taken):
            continue
        start, stop = bar, bar + 1
        while stop - start < MAX_RANGE_BARS:
            after, before = bad.get(stop, 0.0), bad.get(start - 1, 0.0)
            if stop < num_bars and after >= WEAK_BAR and after >= before and _free(stop, taken):
                stop += 1
            elif start > 0 and before >= WEAK_BAR and _free(start - 1, taken):
                start -= 1
            else:
                break
        taken.append(range(start, stop))
    return sorted(taken, key=lambda one: one.start)


def _free(bar: int, taken: Sequence[range]) -> bool:
    """Whether a bar neither is in a range nor touches one."""
    return not any(one.start - 1 <= bar < one.stop + 1 for one in taken)


def replaced(beatmap: Beatmap, other: Beatmap, grid: SongGrid, bars: range) -> Beatmap:
    """A map with what starts in ``bars`` taken from another map of the song that has the same
    around it; arcs with one end in the range are the other map's where it has them."""
    named: dict[str, Any] = {}
    for name in GROUPS:
        ends = ("beat", "tail_beat") if name == "arcs" else ("beat",)

        def inside(item: Any, ends: tuple[str, ...] = ends) -> bool:
            return any(grid.bar(getattr(item, end)) in bars for end in ends)

        kept = [item for item in getattr(beatmap, name) if not inside(item)]
        new = [item for item in getattr(other, name) if inside(item)]
        named[name] = tuple(sorted([*kept, *new], key=lambda item: item.beat))
    return replace(beatmap, **named)
