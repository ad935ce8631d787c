"""Lessons: what a task makes of a stretch of a map. The context blocks are those of inference;
drawing the task and the stretch's parts happens here.

Nothing of a lesson is stored: a window's task is drawn anew each time it is met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from saberlm.finetune.shards import DifficultyStream, SongShard
from saberlm.prompts.context import (
    MARKS,
    REFERENCE_BARS,
    Bar,
    Context,
    continue_context,
    cut_arcs,
    difficulty_context,
    lights_context,
    reference_context,
    remap_context,
    split_lights,
)
from saberlm.prompts.header import Conditions

DEFAULT_TASKS = {
    "lights": 0.15,
    "difficulty": 0.15,
    "continue": 0.05,
    "remap": 0.1,
    "reference": 0.1,
}
"""Chances of the tasks for a window; what is left, and what a song cannot offer, makes a map from
the song alone."""

Bars = Sequence[Bar]


@dataclass(frozen=True)
class TaskPick:
    """A drawn task: ``share`` in [0, 1) places its parts, ``source`` is the map that a difficulty
    comes from (mirrored as the target is)."""

    task: str
    share: float
    source: tuple[Conditions, Bars] | None = None


@dataclass(frozen=True)
class Lesson:
    """A stretch as it is taught: what is given, the bars as the stream shows them, and which of
    them carry loss."""

    context: Context
    bars: list[list[int]]
    learn: list[bool]


def check_tasks(chances: Mapping[str, float]) -> None:
    """Refuse chances of unknown tasks, and chances that are none.

    Raises:
        ValueError: see above.
    """
    unknown = sorted(set(chances) - set(MARKS))
    if unknown:
        raise ValueError(f"context tasks are {', '.join(MARKS)}, found {', '.join(unknown)}")
    if any(chance < 0 for chance in chances.values()) or sum(chances.values()) > 1 + 1e-9:
        raise ValueError(
            f"chances of context tasks must be 0 or more and sum to at most 1, found"
            f" {dict(chances)}"
        )


def offers(song: SongShard, difficulty: int, task: str) -> bool:
    """Whether a song has what the task needs: a second difficulty, a light show."""
    if task == "difficulty":
        return len(song.difficulties) > 1
    return task != "lights" or bool(song.difficulties[difficulty].conditions.lights)


def draw_task(
    song: SongShard, difficulty: int, chances: Mapping[str, float], random: Random
) -> str | None:
    """A task of a window, None for a map from the song alone."""
    mark = random.random()
    for task, chance in chances.items():
        mark -= chance
        if mark < 0:
            return task if offers(song, difficulty, task) else None
    return None


def make_lesson(
    pick: TaskPick,
    stream: DifficultyStream,
    bars: Bars,
    first_bar: int,
    count: int,
    taught: Sequence[bool],
) -> Lesson | None:
    """The task over ``count`` bars from ``first_bar``; None where these bars cannot show it.

    Args:
        pick: the task as drawn.
        stream: the difficulty, for what its conditions say.
        bars: all bars of its map, mirrored or not.
        first_bar: of the stretch.
        count: bars of the stretch.
        taught: which of them may carry loss.
    """
    end = first_bar + count
    context: Context
    learn = list(taught)
    here = bars[first_bar:end]
    if pick.task == "lights":
        context = lights_context(here, first_bar)
        here = [split_lights(bar)[1] for bar in here]
    elif pick.task == "difficulty":
        if pick.source is None:
            return None
        conditions, source = pick.source
        context = difficulty_context(conditions, source[first_bar:end], first_bar)
    elif pick.task == "continue":
        if count < 2:
            return None
        start = first_bar + 1 + int(pick.share * (count - 1))
        context = continue_context()
        here = cut_arcs(bars, [start])[0][first_bar:end]
        learn = [wanted and first_bar + i >= start for i, wanted in enumerate(taught)]
    elif pick.task == "remap":
        start = first_bar + int(pick.share * count)
        context = remap_context(start, end, bars[end] if end < len(bars) else None)
        here = cut_arcs(bars, [start, end])[0][first_bar:end]
        learn = [wanted and first_bar + i >= start for i, wanted in enumerate(taught)]
    else:
        shown = _reference_start(stream, len(bars), first_bar, end, pick.share)
        if shown is None:
            return None
        context = reference_context(bars[shown : shown + REFERENCE_BARS])
        if not context.opening:
            return None
    return Lesson(context, [[int(token) for token in bar] for bar in here], learn)


def _reference_start(
    stream: DifficultyStream, num_bars: int, first_bar: int, end: int, share: float
) -> int | None:
    """First of a run of the map's own bars that lie outside the stretch."""
    last = min(stream.last_bar + 1, num_bars) - REFERENCE_BARS
    starts = [
        start
        for start in range(stream.first_bar, last + 1)
        if start + REFERENCE_BARS <= first_bar or start >= end
    ]
    return starts[int(share * len(starts))] if starts else None


__all__ = ["DEFAULT_TASKS", "Lesson", "TaskPick", "check_tasks", "draw_task", "make_lesson"]
