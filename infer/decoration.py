"""Decorative walls: pillars beside the notes that follow the song's sections and are never in the
player's way.

They are put to a finished map by rule. They stand in the outermost lanes, where no player's head
is: the unmodded game knows no lanes further out (`beat-saber.md` 1.4; Mapping Extensions does). A
lane takes one only where neither the map's notes nor its own walls have any use for it, so a pillar
is nothing to cut through and nothing to lean into on the way around another wall.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from saberlm.infer.chroma import Section, sections_of
from saberlm.prompts.beatmap import NUM_COLUMNS, Beatmap, Obstacle
from saberlm.prompts.tempo import TempoMap

if TYPE_CHECKING:
    from saberlm.infer.pipeline import Song

DECORATIONS = ("none", "low", "medium", "high")
BEATS_APART: Mapping[str, tuple[float | None, float | None, float | None]] = {
    "none": (None, None, None),
    "low": (None, None, 4.0),
    "medium": (None, 4.0, 2.0),
    "high": (4.0, 2.0, 1.0),
}
"""Beats from pillar to pillar in quiet, middle and loud sections; None for no pillars."""
LANES = (0, NUM_COLUMNS - 1)
PILLAR_BEATS = 0.25
FULL_HEIGHT = 5
NOTE_SECONDS = 0.3
"""From a pillar to the next thing in its lane, either side."""
WALL_SECONDS = 1.0
"""From a pillar to a wall of the map itself, either side."""


def decorated(
    beatmaps: Mapping[str, Beatmap], amount: str | None, song: Song
) -> dict[str, Beatmap]:
    """A song's maps, in its beats, with pillars by its sections; as they are where none are asked
    for (None)."""
    if amount in (None, "none"):
        return dict(beatmaps)
    parts = sections_of(song)
    return {name: decorate(one, str(amount), parts, song.tempo) for name, one in beatmaps.items()}


def decorate(beatmap: Beatmap, amount: str, parts: Sequence[Section], tempo: TempoMap) -> Beatmap:
    """The map with pillars beside its notes.

    Args:
        beatmap: the map.
        amount: one of `DECORATIONS`.
        parts: the song's sections (`saberlm.infer.chroma.sections`) in the map's beats.
        tempo: of the map.

    Returns:
        The map; every second section of a loudness has pillars on one side and the other in turn,
        the rest on both at once.
    """
    if amount == "none" or not beatmap.color_notes:
        return beatmap
    first = min(note.beat for note in beatmap.color_notes)
    last = max(note.beat for note in beatmap.color_notes)
    taken = {lane: _Taken(beatmap, lane, tempo) for lane in LANES}
    pillars = [
        Obstacle(beat, lane, 0, PILLAR_BEATS, 1, FULL_HEIGHT)
        for beat, lanes in _places(amount, parts, first, last)
        for lane in lanes
        if taken[lane].free(beat, beat + PILLAR_BEATS)
    ]
    walls = sorted((*beatmap.obstacles, *pillars), key=lambda wall: (wall.beat, wall.x))
    return replace(beatmap, obstacles=tuple(walls))


def _places(
    amount: str, parts: Sequence[Section], first: float, last: float
) -> Iterator[tuple[float, tuple[int, ...]]]:
    """Beats from ``first`` to before ``last`` at which pillars could stand, and in which lanes."""
    edges = [(part, part.beat) for part in parts]
    ends = [*(beat for _, beat in edges[1:]), math.inf]
    for (part, begin), end in zip(edges, ends, strict=True):
        step = BEATS_APART[amount][part.level]
        if step is None:
            continue
        number = math.ceil((max(begin, first) - begin) / step)
        while (beat := begin + number * step) < min(end, last):
            yield beat, LANES if part.turn % 2 == 0 else (LANES[number % 2],)
            number += 1


class _Taken:
    """When a lane is needed, in seconds."""

    def __init__(self, beatmap: Beatmap, lane: int, tempo: TempoMap) -> None:
        spans = [
            (one.beat, one.beat, NOTE_SECONDS)
            for group in (beatmap.color_notes, beatmap.bombs)
            for one in group
            if one.x == lane
        ]
        spans += [
            (one.beat, one.tail_beat, NOTE_SECONDS)
            for group in (beatmap.arcs, beatmap.chains)
            for one in group
            if lane in (one.x, one.tail_x)
        ]
        spans += [
            (wall.beat, wall.beat + wall.duration, WALL_SECONDS) for wall in beatmap.obstacles
        ]
        self._tempo = tempo
        self._spans = _joined(
            (self._second(min(a, b)) - room, self._second(max(a, b)) + room) for a, b, room in spans
        )

    def free(self, begin: float, end: float) -> bool:
        """Whether nothing needs the lane between two beats."""
        at = bisect_left(self._spans, (self._second(end),))
        return at == 0 or self._spans[at - 1][1] <= self._second(begin)

    def _second(self, beat: float) -> float:
        return float(self._tempo.to_seconds(beat))


def _joined(spans: Iterator[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans in order, those that touch as one."""
    out: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if out and begin <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((begin, end))
    return out
