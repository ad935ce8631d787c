"""A human map as the trainer wants it: on the fitted grid, with its conditions worked out."""

from __future__ import annotations

from itertools import pairwise

from saberlm.finetune.grid import FittedGrid
from saberlm.prompts.beatmap import Beatmap, Difficulty
from saberlm.prompts.header import Conditions
from saberlm.prompts.retempo import move_beats
from saberlm.prompts.tempo import TempoMap

MIN_LIGHTS_PER_BEAT = 0.25
"""Below this a difficulty counts as unlit: it is taught without lights rather than taught
darkness."""
_LIT_TYPES = frozenset((0, 1, 2, 3, 4))


def retime(beatmap: Beatmap, tempo: TempoMap, grid: FittedGrid) -> Beatmap:
    """The same map with every time in beats of the fitted grid; its own tempo events go, the grid
    being steady."""

    def move(beat: float) -> float:
        return (float(tempo.to_seconds(beat)) - grid.offset_seconds) * grid.bpm / 60

    played = Beatmap(
        color_notes=beatmap.color_notes,
        bombs=beatmap.bombs,
        obstacles=beatmap.obstacles,
        arcs=beatmap.arcs,
        chains=beatmap.chains,
        lights=beatmap.lights,
        boosts=beatmap.boosts,
    )
    return move_beats(played, move)


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
