"""Note jump speed and offset from difficulty and density.

Tables: the mapping wiki's NJS by difficulty, and
AutoModder's NJS by peak swings a second. Knows no song and no model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from saberlm.eval.playability_setup import half_jump_beats
from saberlm.prompts.beatmap import DIFFICULTIES, Beatmap
from saberlm.prompts.tempo import TempoMap

MIN_REACTION, MAX_REACTION = 0.42, 1.2  # seconds; BS Map Check wants 420 ms or more
OFFSET_STEP = 0.01  # beats
MIN_JUMP_METRES = 18.4  # MapCheck wants 18 m or more; rounding of the offset takes a little

_NJS_RANGE = {
    "Easy": (10, 12),
    "Normal": (10, 12),
    "Hard": (10, 15),
    "Expert": (12, 18),
    "ExpertPlus": (15, 23),
}
# Seconds. Easy, Normal and Expert+ are the wiki's; Hard and Expert follow from its jump distances
# (23-30 m and 21-27 m).
_REACTION_RANGE = {
    "Easy": (0.75, 1.2),
    "Normal": (0.75, 1.2),
    "Hard": (0.65, 0.95),
    "Expert": (0.55, 0.8),
    "ExpertPlus": (0.45, 0.65),
}
# AutoModder: peak swings a second -> NJS from, to; reaction time from, to in ms.
_AUTOMODDER = np.array(
    [
        [1, 8.5, 13.5, 600, 1300],
        [2, 9.5, 14.5, 525, 1025],
        [3, 10.5, 15.5, 480, 800],
        [4, 11, 16, 470, 735],
        [6, 12, 18, 450, 635],
        [8, 13, 19.5, 430, 605],
        [10, 15, 20.5, 415, 570],
        [12, 17, 21.5, 400, 550],
        [16, 20, 23.5, 365, 510],
    ]
)


@dataclass(frozen=True)
class NoteJump:
    """How notes fly in: metres a second, and beats added to half the jump's duration."""

    njs: float
    offset_beats: float


def peak_swings(beatmap: Beatmap, tempo: TempoMap, *, window_seconds: float = 10.0) -> float:
    """Most swings a second, both hands, in any window; a colour's notes in 1/8 beat are one."""
    swings: list[float] = []
    last: dict[int, float] = {}
    for note in sorted(beatmap.color_notes):
        if note.beat - last.get(note.color, -math.inf) > 0.126:
            swings.append(tempo.to_seconds(note.beat))
        last[note.color] = note.beat
    if not swings:
        return 0.0
    times = np.array(swings)
    counts = np.searchsorted(times, times + window_seconds, side="left") - np.arange(len(times))
    return float(counts.max() / min(window_seconds, max(1.0, times[-1] - times[0])))


def choose_njs(
    difficulty: str, swings_per_second: float, bpm: float, *, njs: float | None = None
) -> NoteJump:
    """NJS and offset for a difficulty.

    Args:
        difficulty: Easy, Normal, Hard, Expert or ExpertPlus.
        swings_per_second: the map's peak (`peak_swings`), or its mean notes a second as a rougher
            guide.
        bpm: the level's base tempo (Info.dat's), by which the game reckons a jump to its end
            however the tempo changes.
        njs: use this speed and choose the offset alone.

    Returns:
        NJS in halves inside the difficulty's range, with a reaction time in both tables' range (the
        difficulty's where they disagree), of which a jump of 18 m comes where it can. Under about
        40 BPM half a jump's floor of a quarter beat may last longer than that.

    Raises:
        ValueError: unknown difficulty, or a number that is not finite or not in its range.
    """
    if difficulty not in _NJS_RANGE:
        raise ValueError(
            f"expected a difficulty of {', '.join(DIFFICULTIES)}, found {difficulty!r}; "
            "a display name?"
        )
    if not (math.isfinite(swings_per_second) and swings_per_second >= 0):
        raise ValueError(
            f"expected swings a second of 0 or more, found {swings_per_second}; a broken map?"
        )
    rates = _AUTOMODDER[:, 0]
    speed_low, speed_high, slow_low, slow_high = (
        float(np.interp(swings_per_second, rates, _AUTOMODDER[:, column])) for column in range(1, 5)
    )
    if njs is None:
        low, high = _NJS_RANGE[difficulty]
        njs = min(max(round(speed_low + speed_high) / 2, low), high)
    low_time, high_time = _REACTION_RANGE[difficulty]
    half_jump = half_jump_beats(njs, 0.0, bpm)  # refuses a speed of 0
    wanted = max((slow_low + slow_high) / 2000, low_time, MIN_JUMP_METRES / 2 / njs)
    wanted = min(wanted, high_time)
    wanted = min(max(wanted, MIN_REACTION), MAX_REACTION)
    offset = wanted * bpm / 60 - half_jump
    return NoteJump(float(njs), round(round(offset / OFFSET_STEP) * OFFSET_STEP, 2) + 0.0)
