"""Rules about what stands around the notes: note speed, jump distance, start, end and pauses.

They need what the difficulty file does not hold (`SetUp`); what is not known is not judged, and a
map without any set-up is taken for a piece of one. Each
finds at most one place a map but `LongGap`, so rates per 100 notes say little: ask how many maps
break them.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from saberlm.eval.playability_geometry import moments, more_than
from saberlm.eval.playability_scene import PlayabilityFinding, Scene
from saberlm.eval.playability_walls import CENTRE
from saberlm.eval.swing import SECONDS_TOLERANCE
from saberlm.prompts.beatmap import Obstacle

SECONDS_PER_MINUTE = 60.0
START_HALF_JUMP_BEATS = 4.0
MAX_HALF_JUMP_METRES = 17.999
MIN_HALF_JUMP_BEATS = 0.25


def half_jump_beats(njs: float, offset: float, bpm: float) -> float:
    """Beats that a note is seen before it is cut, as the game counts them.

    Args:
        njs: Note jump speed in metres a second.
        offset: Note jump offset in beats.
        bpm: Base tempo of the level.

    Raises:
        ValueError: ``njs`` or ``bpm`` is not a finite number over 0.
    """
    if not (math.isfinite(njs) and njs > 0 and math.isfinite(bpm) and bpm > 0):
        raise ValueError(
            f"expected an NJS and a BPM over 0, found {njs} and {bpm}; "
            "NJS 0 is the game's own default"
        )
    beats = START_HALF_JUMP_BEATS
    while njs * beats * SECONDS_PER_MINUTE / bpm > MAX_HALF_JUMP_METRES:
        beats /= 2
    return max(max(beats, 1.0) + offset, MIN_HALF_JUMP_BEATS)


def reaction_seconds(scene: Scene) -> float | None:
    """Seconds that a note is seen before it is cut; None without a note jump speed."""
    if scene.set_up is None or scene.njs is None or scene.njs <= 0:
        return None
    bpm = scene.set_up.bpm or scene.tempo.bpm
    return half_jump_beats(scene.njs, scene.set_up.offset, bpm) * SECONDS_PER_MINUTE / bpm


def peak_swings(scene: Scene) -> int:
    """The most swings of both hands that begin within one second."""
    times = sorted(swing.seconds for hand in scene.swings.values() for swing in hand)
    if not times:
        return 0
    first = np.searchsorted(times, np.array(times) - 1.0 + SECONDS_TOLERANCE)
    return int((np.arange(1, len(times) + 1) - first).max())


class NoteSpeed:
    """The note jump speed is not one to play at.

    Source: MapCheck (`beat-saber.md` 2.4): 3 to 23 metres a second.
    """

    name = "note speed"
    weight = 0.5
    least, most = 3.0, 23.0

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a map."""
        if scene.njs is None or self.least <= scene.njs <= self.most:
            return []
        message = f"expected a note speed of {self.least:g} to {self.most:g}, found {scene.njs:g}"
        return [PlayabilityFinding(0.0, self.name, message)]


class JumpDistance:
    """Notes appear too near or too far away.

    Source: MapCheck (`beat-saber.md` 2.4): a jump distance of 18 to 36 metres.
    """

    name = "jump distance"
    weight = 0.5
    least, most = 18.0, 36.0

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a map."""
        seen = reaction_seconds(scene)
        if seen is None or scene.njs is None:
            return []
        metres = 2 * scene.njs * seen
        if not more_than(self.least, metres) and not more_than(metres, self.most):
            return []
        message = f"expected a jump distance of {self.least:g} to {self.most:g} m"
        return [PlayabilityFinding(0.0, self.name, f"{message}, found {metres:.1f}")]


class ReactionTime:
    """A note is seen too late to react to.

    Source: MapCheck: 420 ms; the wiki: 350 ms never, on Expert+ either (`beat-saber.md` 2.1, 2.4).
    """

    name = "reaction time"
    weight = 1.0
    seconds = 0.42
    expert_plus_seconds = 0.35

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a map."""
        seen = reaction_seconds(scene)
        hardest = scene.difficulty == "ExpertPlus"
        least = self.expert_plus_seconds if hardest else self.seconds
        if seen is None or seen >= least - 0.001:
            return []
        message = f"expected {1000 * least:.0f} ms to react, found {1000 * seen:.0f}"
        return [PlayabilityFinding(0.0, self.name, message)]


class SpeedForDensity:
    """The note jump speed does not suit how dense the map gets.

    Source: AutoModder's table by the most swings in a second (`beat-saber.md` 2.1), read between
    its rows; `slack` is ours. It advises on ranked maps: a speed outside is odd, not wrong.
    """

    name = "speed for density"
    weight = 0.25
    slack = 2.0
    table: ClassVar[dict[int, tuple[float, float]]] = {
        1: (8.5, 13.5),
        2: (9.5, 14.5),
        3: (10.5, 15.5),
        4: (11.0, 16.0),
        6: (12.0, 18.0),
        8: (13.0, 19.5),
        10: (15.0, 20.5),
        12: (17.0, 21.5),
        16: (20.0, 23.5),
    }

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a map."""
        peak = peak_swings(scene)
        if scene.njs is None or not peak:
            return []
        peaks = list(self.table)
        low, high = (
            float(np.interp(peak, peaks, [one[side] for one in self.table.values()]))
            for side in (0, 1)
        )
        if low - self.slack <= scene.njs <= high + self.slack:
            return []
        message = f"expected a note speed of about {low:.0f} to {high:.0f} for {peak} swings/s"
        return [PlayabilityFinding(0.0, self.name, f"{message}, found {scene.njs:g}")]


class SpeedForDifficulty:
    """The note jump speed or the jump distance is unusual for the difficulty's name.

    Source: the wiki's table (`beat-saber.md` 2.1); the slacks are ours: it tells what is typical,
    and 15 % of 486 human maps, many of them old, would be outside with 5 m of slack.
    """

    name = "speed for difficulty"
    weight = 0.25
    slack = 2.0
    slack_metres = 7.0
    table: ClassVar[dict[str, tuple[float, float, float, float]]] = {
        "Easy": (10.0, 12.0, 25.0, 30.0),
        "Normal": (10.0, 12.0, 25.0, 30.0),
        "Hard": (10.0, 15.0, 23.0, 30.0),
        "Expert": (12.0, 18.0, 21.0, 27.0),
        "ExpertPlus": (15.0, 23.0, 19.0, 27.0),
    }

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a map."""
        seen = reaction_seconds(scene)
        if seen is None or scene.njs is None:
            return []
        slow, fast, near, far = self.table[scene.difficulty]
        metres = 2 * scene.njs * seen
        if more_than(slow - self.slack, scene.njs) or more_than(scene.njs, fast + self.slack):
            message = f"expected a note speed of about {slow:g} to {fast:g}, found {scene.njs:g}"
        elif more_than(near - self.slack_metres, metres) or more_than(
            metres, far + self.slack_metres
        ):
            message = f"expected a jump distance of about {near:g} to {far:g} m"
            message = f"{message}, found {metres:.1f}"
        else:
            return []
        return [PlayabilityFinding(0.0, self.name, message)]


class HotStart:
    """The first note, bomb or wall in the way comes before the player is ready.

    Source: ScoreSaber, BeatLeader and MapCheck (`beat-saber.md` 2.2-2.4): 1.5 s.
    """

    name = "hot start"
    weight = 1.0
    seconds = 1.5

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a map."""
        beats = _interactive(scene)
        if not beats or scene.set_up is None:
            return []
        at = scene.tempo.to_seconds(beats[0][0]) + scene.set_up.beat_0
        if at >= self.seconds - 0.001:
            return []
        message = f"expected {self.seconds:g} s before the first object, found {at:.2f}"
        return [PlayabilityFinding(beats[0][0], self.name, message)]


class Outro:
    """The song ends too soon after the last object, or goes on too long.

    Source: ScoreSaber and MapCheck (`beat-saber.md` 2.2, 2.4): 2 to 15 s. Needs the song's length.
    """

    name = "outro"
    weight = 0.25
    least, most = 2.0, 15.0

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a map."""
        beats = _interactive(scene)
        if not beats or scene.set_up is None or scene.set_up.duration is None:
            return []
        last = max(end for _, end in beats)
        left = scene.set_up.duration - scene.tempo.to_seconds(last) - scene.set_up.beat_0
        if self.least - 0.001 <= left <= self.most + 0.001:
            return []
        message = f"expected {self.least:g} to {self.most:g} s after the last object"
        return [PlayabilityFinding(last, self.name, f"{message}, found {left:.1f}")]


class LongGap:
    """Nothing happens for a long time in the middle of a map.

    Source: ours, after the limit that the criteria set for the end (15 s).
    """

    name = "long gap"
    weight = 0.25
    seconds = 15.0

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a pause, where it begins."""
        found = []
        latest: float | None = None
        for start, end in _interactive(scene) if scene.set_up is not None else ():
            if latest is not None and start > latest:
                pause = scene.tempo.to_seconds(start) - scene.tempo.to_seconds(latest)
                if pause > self.seconds + SECONDS_TOLERANCE:
                    message = f"expected no pause above {self.seconds:g} s, found {pause:.0f} s"
                    found.append(PlayabilityFinding(latest, self.name, message))
            latest = end if latest is None else max(latest, end)
        return found


class ShortMap:
    """The map is over before it has begun.

    Source: BeatLeader (`beat-saber.md` 2.3): 45 s from the first to the last note.
    """

    name = "short map"
    weight = 0.25
    seconds = 45.0

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a map with notes."""
        notes = scene.notes
        if not notes or scene.set_up is None:
            return []
        span = notes[-1][0] - notes[0][0]
        if span >= self.seconds - SECONDS_TOLERANCE:
            return []
        message = f"expected {self.seconds:g} s of notes, found {span:.0f}"
        return [PlayabilityFinding(notes[0][1].beat, self.name, message)]


class ManyDoubles:
    """Both hands play at most moments of the map.

    Source: MapCheck's excessive doubles (`beat-saber.md` 2.4): over 60 %.
    """

    name = "many doubles"
    weight = 0.25
    most = 0.6

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a map with notes."""
        together = moments(scene.beatmap.color_notes) if scene.set_up is not None else []
        doubles = sum(len({note.color for note in moment}) > 1 for moment in together)
        if not together or doubles <= self.most * len(together):
            return []
        share = f"{doubles / len(together):.0%}"
        message = f"expected both hands at {self.most:.0%} of the moments or fewer, found {share}"
        return [PlayabilityFinding(together[0][0].beat, self.name, message)]


def _interactive(scene: Scene) -> list[tuple[float, float]]:
    """Beats at which each note, bomb, chain, and wall in a centre lane begins and ends, by
    beginning."""
    beatmap = scene.beatmap
    spans = [(one.beat, one.beat) for one in beatmap.color_notes]
    spans += [(one.beat, one.beat) for one in beatmap.bombs]
    spans += [(one.beat, one.tail_beat) for one in beatmap.chains]
    spans += [(one.beat, one.beat + one.duration) for one in beatmap.obstacles if in_the_way(one)]
    return sorted(spans)


def in_the_way(wall: Obstacle) -> bool:
    """Whether a wall reaches a centre lane."""
    return not CENTRE.isdisjoint(range(wall.x, wall.x + wall.width))


SET_UP_RULES = (
    NoteSpeed(),
    JumpDistance(),
    ReactionTime(),
    SpeedForDensity(),
    SpeedForDifficulty(),
    HotStart(),
    Outro(),
    LongGap(),
    ShortMap(),
    ManyDoubles(),
)
"""Their order in reports."""
