"""Difficulties that a level lacks, from those it has: which one each goes by, how dense it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from saberlm.infer.level_edits import rank
from saberlm.infer.level_song import LevelSong
from saberlm.infer.spread import note_ticks, sparser_than, within_ticks
from saberlm.infer.tasks import MapTask, TaskSong, difficulty_from
from saberlm.prompts.beatmap import DIFFICULTIES, Beatmap, Difficulty
from saberlm.prompts.header import Conditions

DENSER = 1.3
"""Times the notes/s of the hardest difficulty, at least, for one that is to be harder."""


def nearest_harder(there: Mapping[str, Difficulty], name: str) -> Difficulty:
    """The next harder difficulty, or the hardest."""
    harder = [one for one in there.values() if rank(one) > DIFFICULTIES.index(name)]
    return min(harder, key=rank) if harder else max(there.values(), key=rank)


def spread_task(
    on: TaskSong,
    where: LevelSong,
    source: Difficulty,
    asked: Conditions,
    beatmaps: Mapping[str, Beatmap],
    seed: int,
) -> MapTask:
    """The row of a new difficulty: sparser than the next harder one, human or new, and within its
    rhythm; denser than the next easier one.

    Args:
        on: the song.
        where: the level's beats on it.
        source: the difficulty that it is made from.
        asked: of the new one.
        beatmaps: those that there are by now, in the level's beats.
        seed: of the sampling.
    """
    place = DIFFICULTIES.index(asked.difficulty or "Expert")
    harder = next((beatmaps[n] for n in DIFFICULTIES[place + 1 :] if n in beatmaps), None)
    easier = next((beatmaps[n] for n in reversed(DIFFICULTIES[:place]) if n in beatmaps), None)
    if asked.nps is None and easier is not None:
        rate = _rate(easier, where)
        if harder is not None:
            nps = (rate * _rate(harder, where)) ** 0.5
        else:
            nps = max(on.wanted(asked).nps or 0.0, DENSER * rate)
        asked = replace(asked, nps=round(nps, 2) or None)
    given = where.to_song(source.beatmap)
    told = Conditions(difficulty=source.name, njs=source.njs or None)
    task = difficulty_from(on, given, told, asked, seed, share_lights=True)
    if harder is None:
        return task
    nps_below = sparser_than(task.request, len(harder.color_notes))
    if nps_below is not None:
        sparser = replace(asked, nps=nps_below)
        task = difficulty_from(on, given, told, sparser, seed, share_lights=True)
    ticks = note_ticks(where.to_song(harder), on.song)
    return MapTask(within_ticks(task.request, ticks), task.merge)


def _rate(beatmap: Beatmap, where: LevelSong) -> float:
    """Notes a second from the first to the last."""
    beats = [note.beat for note in beatmap.color_notes]
    length = where.seconds(max(beats)) - where.seconds(min(beats)) if beats else 0.0
    return len(beats) / length if length > 0 else 0.0
