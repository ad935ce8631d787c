"""A human map as the trainer wants it: on the fitted grid, with its conditions worked out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

import numpy as np

from saberlm.finetune.grid import FittedGrid
from saberlm.prompts.beatmap import Beatmap, Difficulty
from saberlm.prompts.header import Conditions
from saberlm.prompts.tempo import TempoMap

_T = TypeVar("_T")

MIN_LIGHTS_PER_BEAT = 0.25
"""Below this a difficulty counts as unlit: it is taught without lights rather than taught
darkness."""
_LIT_TYPES = frozenset((0, 1, 2, 3, 4))


def note_seconds(beatmap: Beatmap, tempo: TempoMap) -> np.ndarray:
    """Times of the colour notes in seconds, sorted, ``(n,)``."""
    beats = np.array([n.beat for n in beatmap.color_notes], dtype=np.float64)
    return np.sort(np.asarray(tempo.to_seconds(beats))) if len(beats) else beats


def retime(beatmap: Beatmap, tempo: TempoMap, grid: FittedGrid) -> Beatmap:
    """The same map with every time in beats of the fitted grid; its own tempo events go, the grid
    being steady."""

    def move(beat: float) -> float:
        return (float(tempo.to_seconds(beat)) - grid.offset_seconds) * grid.bpm / 60

    def moved(items: tuple[_T, ...], change: Callable[[_T], _T]) -> tuple[_T, ...]:
        return tuple(change(item) for item in items)

    return Beatmap(
        color_notes=moved(beatmap.color_notes, lambda n: replace(n, beat=move(n.beat))),
        bombs=moved(beatmap.bombs, lambda b: replace(b, beat=move(b.beat))),
        obstacles=moved(
            beatmap.obstacles,
            lambda o: replace(
                o, beat=move(o.beat), duration=move(o.beat + o.duration) - move(o.beat)
            ),
        ),
        arcs=moved(
            beatmap.arcs, lambda a: replace(a, beat=move(a.beat), tail_beat=move(a.tail_beat))
        ),
        chains=moved(
            beatmap.chains, lambda c: replace(c, beat=move(c.beat), tail_beat=move(c.tail_beat))
        ),
        lights=moved(beatmap.lights, lambda e: replace(e, beat=move(e.beat))),
        boosts=moved(beatmap.boosts, lambda e: replace(e, beat=move(e.beat))),
    )


def is_lit(beatmap: Beatmap) -> bool:
    """Whether the difficulty has a light show worth learning."""
    beats = [n.beat for n in beatmap.color_notes]
    span = max(beats) - min(beats) if beats else 0
    shown = sum(e.type in _LIT_TYPES and e.value != 0 for e in beatmap.lights)
    return shown > MIN_LIGHTS_PER_BEAT * max(span, 1)


def style_words(beatmap: Beatmap) -> str | None:
    """Words for how a map plays, by rule: the style tags that the data itself lacks.

    ``streams``: over 35 % of steps between onsets are a quarter beat or less; ``jumps``: over 45 %
    of onsets are doubles;
    ``tech``: over 45 % of notes are diagonal; ``chill``: neither and mostly half-beat or slower;
    none: unknown.
    """
    onsets = sorted({round(n.beat * 48) for n in beatmap.color_notes})
    if len(onsets) < 50:
        return None
    steps = [b - a for a, b in pairwise(onsets)]
    fast = sum(step <= 12 for step in steps) / len(steps)
    doubles = len(beatmap.color_notes) / len(onsets) - 1
    diagonal = sum(4 <= n.direction <= 7 for n in beatmap.color_notes) / len(beatmap.color_notes)
    words = [
        word
        for word, holds in (
            ("streams", fast > 0.35),
            ("jumps", doubles > 0.45),
            ("tech", diagonal > 0.45),
            ("chill", fast < 0.05 and doubles < 0.45),
        )
        if holds
    ]
    return ", ".join(words) or None


def conditions_of(
    difficulty: Difficulty, beatmap: Beatmap, grid: FittedGrid, rating: float | None
) -> Conditions:
    """What a person would have asked for to get this map.

    Args:
        difficulty: for its name and NJS.
        beatmap: retimed.
        grid: the song's grid.
        rating: BeatSaver rating 0-1, if known.
    """
    beats = [n.beat for n in beatmap.color_notes]
    seconds = (max(beats) - min(beats)) * 60 / grid.bpm
    return Conditions(
        difficulty=difficulty.name,
        nps=round(len(beats) / seconds, 2) if seconds > 0 else None,
        njs=float(difficulty.njs) if difficulty.njs > 0 else None,
        bpm=grid.bpm,
        style=style_words(beatmap),
        rating=None if rating is None else round(10 * rating),
        lights=is_lit(beatmap),
        arcs=bool(beatmap.arcs),
        chains=bool(beatmap.chains),
        bombs=bool(beatmap.bombs),
        walls=bool(beatmap.obstacles),
    )
