"""A human map as the trainer wants it: on the fitted grid, with its conditions worked out."""

from __future__ import annotations

from saberlm.prompts.beatmap import Beatmap, Difficulty
from saberlm.prompts.descriptors import style_of
from saberlm.prompts.grid import FittedGrid
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


def conditions_of(
    difficulty: Difficulty,
    beatmap: Beatmap,
    grid: FittedGrid,
    rating: float | None,
    *,
    stars: float | None = None,
    year: int | None = None,
    mapper: str | None = None,
) -> Conditions:
    """What a person would have asked for to get this map.

    Args:
        difficulty: for its name and NJS.
        beatmap: retimed.
        grid: the song's grid.
        rating: BeatSaver rating 0-1, if known.
        stars: ScoreSaber's difficulty, if known.
        year: of publication, if known.
        mapper: if the data has enough of them.
    """
    beats = [n.beat for n in beatmap.color_notes]
    seconds = (max(beats) - min(beats)) * 60 / grid.bpm
    return Conditions(
        difficulty=difficulty.name,
        nps=round(len(beats) / seconds, 2) if seconds > 0 else None,
        njs=float(difficulty.njs) if difficulty.njs > 0 else None,
        bpm=grid.bpm,
        style=style_of(beatmap),
        rating=None if rating is None else round(10 * rating),
        lights=is_lit(beatmap),
        arcs=bool(beatmap.arcs),
        chains=bool(beatmap.chains),
        bombs=bool(beatmap.bombs),
        walls=bool(beatmap.obstacles),
        stars=stars,
        year=year,
        mapper=mapper,
    )
