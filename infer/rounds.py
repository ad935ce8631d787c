"""Songs through the engine: whose rows come first, and what is made of them.

Each song goes through rounds: where a difficulty goes by a harder one's rhythm, the harder one
comes first; elsewhere one round is all. In a round every candidate of every difficulty is a row;
the best of each is kept, and where it is asked, rows that draw its weak bars anew follow; last the
notes are lit (`saberlm.infer.lighting`). Rows of all songs share the engine's batch: a song's next
rows are taken before another song is begun.
"""

from __future__ import annotations

import copy
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from saberlm.adapter.audio import FloatArray
from saberlm.infer.amounts import held_to
from saberlm.infer.candidates import (
    JudgedBars,
    MapScore,
    Scorer,
    WeakRange,
    best_of,
    keep_better,
    weak_tasks,
)
from saberlm.infer.engine import Engine, GeneratedMap, MapRequest, SongEncoding
from saberlm.infer.given import SongGrid
from saberlm.infer.level_request import LevelRequest
from saberlm.infer.lighting import Passes, make_passes
from saberlm.infer.pipeline import Song, completed, seed_of, to_beatmap
from saberlm.infer.reference import Reference
from saberlm.infer.sampling import SamplingParams
from saberlm.infer.spread import note_ticks, sparser_than, within_ticks
from saberlm.infer.tasks import MapTask, TaskSong, light_map
from saberlm.infer.tempo_estimate import TempoEstimate
from saberlm.prompts.beatmap import DIFFICULTIES, Beatmap
from saberlm.prompts.header import Conditions

if TYPE_CHECKING:
    from saberlm.adapter.modeling_saber import SaberForConditionalGeneration

CANDIDATE_STRIDE = 1_000_003
"""Between the seeds of a row's candidates; the first has the seed of the row alone."""


@dataclass(frozen=True)
class HeardSong:
    """A song ready to be mapped: what is asked, its tempo, its grid and what the tower heard;
    ``seconds`` are what each stage took, ``reference`` is a level to follow; ``sound`` is the song
    as ``load_audio`` kept it, None where it is to be read again for the level."""

    request: LevelRequest
    tempo: TempoEstimate
    song: Song
    encoding: SongEncoding
    seconds: dict[str, float] = field(default_factory=dict)
    reference: Reference | None = None
    sound: list[FloatArray] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class MappedDifficulty:
    """One difficulty: the map in beats from the song's beat 0, the conditions as completed, what
    decoding mended, and how each candidate did (empty without candidates)."""

    beatmap: Beatmap
    conditions: Conditions
    counts: Counter[str]
    scores: list[dict[str, float]] = field(default_factory=list)


OnBar = Callable[[int, str, int, list[int]], None]
"""Called with a song's number, a difficulty, a bar of the model and its tokens: the notes of all
bars, then their lights alone."""


@dataclass(frozen=True)
class _Row:
    """A row of the engine: the number of a candidate, or with ``task`` of the try that draws weak
    range ``weak`` anew, or the one that lights what was made."""

    run: _SongRun
    request: MapRequest
    params: SamplingParams
    number: int
    weak: int = 0
    task: MapTask | None = None
    lights: bool = False

    @property
    def name(self) -> str:
        """The difficulty."""
        return self.request.conditions.difficulty or "Expert"


@dataclass
class _Difficulty:
    """A difficulty while its rows run."""

    conditions: Conditions
    passes: Passes
    missing: int
    maps: dict[int, tuple[Beatmap, Counter[str]]] = field(default_factory=dict)
    scorer: Scorer | None = None
    scores: list[MapScore] = field(default_factory=list)
    best: int = 0
    weak: list[WeakRange] = field(default_factory=list)
    drawn: dict[tuple[int, int], Beatmap] = field(default_factory=dict)
    dark: MappedDifficulty | None = None  # done but for its lights


class _SongRun:
    """A song on its way through the rounds: gives rows, takes their maps."""

    def __init__(self, model: SaberForConditionalGeneration, index: int, heard: HeardSong) -> None:
        self.model = model
        self.index = index
        self.heard = heard
        self.made: dict[str, MappedDifficulty] = {}
        self.turns = _turns(heard.request)
        self.at_work: dict[str, _Difficulty] = {}

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return not self.turns and not self.at_work

    def next_turn(self) -> list[_Row]:
        """The rows of the next round."""
        rows: list[_Row] = []
        for conditions in self.turns.pop(0):
            own, passes = self._candidates(conditions)
            self.at_work[own[0].name] = _Difficulty(own[0].request.conditions, passes, len(own))
            rows += own
        return rows

    def take(self, row: _Row, generated: GeneratedMap) -> list[_Row]:
        """A row is made; what is to follow it."""
        work = self.at_work[row.name]
        work.missing -= 1
        if row.lights and row.task is not None and work.dark is not None:
            beatmap, counts = row.task.merge(generated)
            lit = replace(work.dark, beatmap=beatmap, counts=work.dark.counts + counts)
            self._keep(row.name, lit)
        elif row.task is not None:
            work.drawn[row.weak, row.number] = row.task.merge(generated)[0]
        else:
            work.maps[row.number] = to_beatmap(generated, self.heard.song)
        if work.missing:
            return []
        follow: list[_Row] = []
        if work.dark is None:
            follow = self._finish(row.name, work) if work.drawn else self._choose(row.name, work)
        if follow:
            return follow
        return self.next_turn() if not self.at_work and self.turns else []

    def _harder(self, name: str) -> MappedDifficulty | None:
        """In a full spread the next harder difficulty, where one is made."""
        if not self.heard.request.full_spread:
            return None
        above = DIFFICULTIES[DIFFICULTIES.index(name) + 1 :]
        return next((self.made[one] for one in above if one in self.made), None)

    def _passes(self, conditions: Conditions) -> Passes:
        one = self.heard
        seed = seed_of(one.request.seed, conditions)
        asked = completed(self.model, one.song, conditions)
        return make_passes(self.model, one.encoding, one.song, asked, seed)

    def _candidates(self, conditions: Conditions) -> tuple[list[_Row], Passes]:
        """A difficulty's rows, one a candidate, and what it is lit with."""
        one = self.heard
        if one.reference is not None:
            conditions = one.reference.styled(conditions)
        passes = self._passes(conditions)
        request = passes.notes
        harder = self._harder(conditions.difficulty or "Expert")
        if harder is not None:
            nps = sparser_than(request, len(harder.beatmap.color_notes))
            if nps is not None:
                passes = self._passes(replace(conditions, nps=nps))
                request = passes.notes
            request = within_ticks(request, note_ticks(harder.beatmap, one.song))
        if one.reference is not None:
            request = one.reference.shown(request)
        request = held_to(request, one.request.amounts)
        candidates = candidate_rows(request, one.request.candidates)
        return [
            _Row(self, own, one.request.sampling, k) for k, own in enumerate(candidates)
        ], passes

    def _choose(self, name: str, work: _Difficulty) -> list[_Row]:
        """All candidates are there: the best is kept; rows that draw its weak bars anew."""
        request = self.heard.request
        if request.candidates == 1 and not request.redo_weak:
            return self._finish(name, work)
        work.scorer = Scorer.of(self.heard.song, work.conditions)
        judged = [work.scorer.judge(work.maps[k][0]) for k in range(request.candidates)]
        work.scores = [one.score for one in judged]
        work.best = best_of(work.scores)
        if request.redo_weak:
            work.weak = self._weak_ranges(name, work, judged[work.best])
        rows = [
            _Row(self, task.request, request.sampling, number, weak, task)
            for weak, one in enumerate(work.weak)
            for number, task in enumerate(one.tasks)
        ]
        work.missing = len(rows)
        return rows or self._finish(name, work)

    def _weak_ranges(self, name: str, work: _Difficulty, judged: JudgedBars) -> list[WeakRange]:
        one = self.heard
        place = DIFFICULTIES.index(name)
        return weak_tasks(
            TaskSong(self.model, one.encoding, one.song),
            judged,
            work.maps[work.best][0],
            work.conditions,
            seed=one.request.seed * 10 + place + work.best * CANDIDATE_STRIDE,
            amounts=one.request.amounts,
        )

    def _finish(self, name: str, work: _Difficulty) -> list[_Row]:
        """A difficulty's notes are made; the row that lights them."""
        beatmap, counts = work.maps[work.best]
        scores = [one.to_dict() for one in work.scores] if len(work.scores) > 1 else []
        if work.drawn and work.scorer is not None:
            grid = SongGrid.of(self.heard.song, self.heard.encoding.num_bars)
            drawn = [
                (one.bars, [work.drawn[weak, i] for i in range(len(one.tasks))])
                for weak, one in enumerate(work.weak)
            ]
            score = work.scores[work.best]
            redone = keep_better(work.scorer, grid, beatmap, score, drawn)
            beatmap, counts = redone.beatmap, counts + redone.counts
            scores.append(redone.score.to_dict())
        if work.passes.lights is None:
            self._keep(name, MappedDifficulty(beatmap, work.conditions, counts, scores))
            return []
        asked, seed = work.passes.lights.conditions, work.passes.lights.seed
        work.dark = MappedDifficulty(beatmap, asked, counts, scores)
        on = TaskSong(self.model, self.heard.encoding, self.heard.song)
        task = light_map(on, beatmap, asked, seed, ours=True)
        work.missing = 1
        return [_Row(self, task.request, self.heard.request.sampling, 0, task=task, lights=True)]

    def _keep(self, name: str, made: MappedDifficulty) -> None:
        """A difficulty is made."""
        self.made[name] = made
        del self.at_work[name]


def candidate_rows(request: MapRequest, count: int) -> list[MapRequest]:
    """A row's candidates: each with a seed of its own, the first with the row's."""
    return [
        # the density follows its own row
        replace(
            request,
            seed=request.seed + k * CANDIDATE_STRIDE,
            density=copy.copy(request.density),
        )
        for k in range(count)
    ]


def map_songs(
    model: SaberForConditionalGeneration,
    engine: Engine,
    heard: Iterable[HeardSong],
    on_bar: OnBar | None = None,
) -> Iterator[tuple[int, dict[str, MappedDifficulty]]]:
    """Map songs side by side.

    Args:
        model: the engine's.
        engine: decodes the rows.
        heard: songs with what is asked of each; one is taken when a row is free for it.
        on_bar: told of every bar but those made anew.

    Yields:
        Numbers of songs in the order in which they finish, with their difficulties by name.
    """
    coming = enumerate(heard)
    queue: deque[_Row] = deque()
    given: list[_Row] = []
    songs_left = True

    def feed() -> Iterator[tuple[MapRequest, SamplingParams]]:
        nonlocal songs_left
        while True:
            if not queue:
                following = next(coming, None)
                if following is None:
                    songs_left = False
                    return
                queue.extend(_SongRun(model, *following).next_turn())
            given.append(queue.popleft())
            yield given[-1].request, given[-1].params

    def bar_made(number: int, bar: int, tokens: list[int]) -> None:
        row = given[number]
        if on_bar is not None and (row.task is None or row.lights):
            on_bar(row.run.index, row.name, bar, tokens)

    # rows that follow others may come when the engine has been told that there are no more
    while songs_left or queue:
        given.clear()
        for number, generated in engine.stream(feed(), bar_made):
            row = given[number]
            queue.extend(row.run.take(row, generated))
            if row.run.done:
                yield row.run.index, row.run.made


def _turns(request: LevelRequest) -> list[list[Conditions]]:
    """What decodes in each round."""
    if not request.full_spread:
        return [list(request.conditions)]
    by_difficulty = sorted(
        request.conditions, key=lambda one: -DIFFICULTIES.index(one.difficulty or "Expert")
    )
    return [[one] for one in by_difficulty]
