"""Rules about walls: what must be dodged, ducked under, or cannot be avoided at all.

A **full** wall starts below the top row and is more than a cell high, a **crouch** wall hangs in
the top row alone. The player stands in the two centre lanes (x 1 and 2), so a wall matters where it
reaches one of these; moments are taken in seconds. Thresholds are MapCheck's and the wiki's
(`beat-saber.md` 2.1-2.4).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from saberlm.eval.playability_scene import PlayabilityFinding, Scene
from saberlm.eval.swing import SECONDS_TOLERANCE
from saberlm.prompts.beatmap import NUM_COLUMNS, Obstacle

CENTRE = frozenset({1, 2})
ALL_LANES = frozenset(range(NUM_COLUMNS))
RECOVERY_SECONDS = 0.25
"""MapCheck's centre-wall recovery: a lane left this recently is not yet free to stand in."""


class _Wall(NamedTuple):
    wall: Obstacle
    start: float
    end: float
    lanes: frozenset[int]


class WallDamage:
    """Full walls stand in all four lanes at one moment: nothing helps.

    Source: a wall never forces damage (`beat-saber.md` 2.1).
    """

    name = "wall damage"
    weight = 5.0

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a moment at which walls begin."""
        message = "expected a way past the walls, found all lanes closed"
        return [
            _at_wall(self.name, message, begun[0].wall)
            for begun, closed in _closed(scene, 0.0)
            if closed == ALL_LANES
        ]


class WallCentre:
    """Full walls close both centre lanes, at once or one so soon after the other that the player
    must flee to an outer lane.

    Source: never push to outer lanes (`beat-saber.md` 2.1); MapCheck's recovery of 0.25 s.
    """

    name = "wall centre"
    weight = 3.0

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a moment at which walls begin, `WallDamage`'s left out."""
        message = "expected one centre lane free, found both closed"
        damage = {one.beat for one in WallDamage().find(scene)}
        return [
            _at_wall(self.name, message, begun[0].wall)
            for begun, closed in _closed(scene, RECOVERY_SECONDS)
            if closed >= CENTRE
            and begun[0].wall.beat not in damage
            and any(one.lanes & CENTRE for one in begun)
        ]


class WallShort:
    """A wall in a centre lane is gone before it can be seen or felt properly.

    Source: ScoreSaber and MapCheck: at least 15 ms, unless another wall stands there longer.
    """

    name = "wall short"
    weight = 1.0
    seconds = 0.015

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a wall."""
        found = []
        latest = dict.fromkeys(CENTRE, float("-inf"))
        for one in sorted(_walls(scene), key=lambda wall: (wall.start, -wall.end)):
            outlasts = any(one.end > latest[lane] for lane in one.lanes & CENTRE)
            if outlasts and one.end - one.start < self.seconds - SECONDS_TOLERANCE:
                message = f"expected a wall of {1000 * self.seconds:g} ms or more, found a shorter"
                found.append(_at_wall(self.name, message, one.wall))
            for lane in one.lanes & CENTRE:
                latest[lane] = max(latest[lane], one.end)
        return found


class CrouchAgain:
    """The player must duck again soon after ducking.

    Source: the wiki (`beat-saber.md` 2.1): crouch walls at least 3 s apart; 2 s, which it calls
    extreme, is allowed on Expert+. Walls less than `RECOVERY_SECONDS` apart are one.
    """

    name = "crouch again"
    weight = 0.25
    seconds = 3.0
    expert_plus_seconds = 2.0

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a crouch."""
        hardest = scene.difficulty == "ExpertPlus"
        apart = self.expert_plus_seconds if hardest else self.seconds
        found = []
        latest: float | None = None
        for one in _walls(scene):
            if is_full(one.wall) or not one.lanes >= CENTRE:
                continue
            if latest is not None and RECOVERY_SECONDS < one.start - latest < (
                apart - SECONDS_TOLERANCE
            ):
                message = f"expected {apart:g} s between crouches, found {one.start - latest:.1f}"
                found.append(_at_wall(self.name, message, one.wall))
            latest = one.end if latest is None else max(latest, one.end)
        return found


class ManyDodges:
    """Walls send the player from side to side too fast.

    Source: BeatLeader (`beat-saber.md` 2.3): at most 3.5 dodges a second. A dodge is a full wall in
    one centre lane after one in the other.
    """

    name = "many dodges"
    weight = 0.5
    per_second = 3.5
    dodges = 4

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding at each dodge that ends too quick a run of four."""
        found = []
        times: list[float] = []
        side: frozenset[int] = frozenset()
        for one in _walls(scene):
            lanes = one.lanes & CENTRE
            if not is_full(one.wall) or len(lanes) != 1:
                continue
            if side and lanes != side:
                times.append(one.start)
                span = (self.dodges - 1) / self.per_second
                if len(times) >= self.dodges and times[-1] - times[-self.dodges] < (
                    span - SECONDS_TOLERANCE
                ):
                    message = f"expected at most {self.per_second:g} dodges a second, found more"
                    found.append(_at_wall(self.name, message, one.wall))
            side = lanes
        return found


def is_full(wall: Obstacle) -> bool:
    """Whether a wall must be dodged: it reaches below the top row and is no mere rail."""
    return wall.y < 2 and wall.height > 1


def _walls(scene: Scene) -> list[_Wall]:
    """Walls with their seconds and lanes, by start."""
    walls = sorted(scene.beatmap.obstacles, key=lambda one: (one.beat, one.duration))
    starts = scene.seconds(one.beat for one in walls)
    ends = scene.seconds(one.beat + one.duration for one in walls)
    return [
        _Wall(wall, start, end, frozenset(range(wall.x, wall.x + wall.width)))
        for wall, start, end in zip(walls, starts, ends, strict=True)
    ]


def _closed(scene: Scene, recovery: float) -> Iterator[tuple[list[_Wall], frozenset[int]]]:
    """At each moment at which full walls begin: these, and the lanes closed then or up to
    ``recovery`` seconds before."""
    latest = dict.fromkeys(ALL_LANES, float("-inf"))
    full = [one for one in _walls(scene) if is_full(one.wall)]
    at = 0
    while at < len(full):
        begun = [full[at]]
        while at + 1 < len(full) and full[at + 1].start - begun[0].start <= SECONDS_TOLERANCE:
            at += 1
            begun.append(full[at])
        for one in begun:
            for lane in one.lanes & ALL_LANES:
                latest[lane] = max(latest[lane], one.end)
        since = begun[0].start - recovery + SECONDS_TOLERANCE
        yield begun, frozenset(lane for lane, end in latest.items() if end > since)
        at += 1


def _at_wall(rule: str, message: str, wall: Obstacle) -> PlayabilityFinding:
    return PlayabilityFinding(wall.beat, rule, message, None, wall.x, wall.y, "wall")


WALL_RULES = (WallDamage(), WallCentre(), WallShort(), CrouchAgain(), ManyDodges())
"""Their order in reports."""
