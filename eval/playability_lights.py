"""Rules about the light show, as far as it concerns a player: can the bombs be seen?

They judge the basic (classic environment) events; a map with group lighting is not judged, nor one
without a `SetUp`, which is taken for a piece of a map.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

from saberlm.eval.counts import LAMP_TYPES
from saberlm.eval.lights import FADES, MAX_VALUE
from saberlm.eval.playability_scene import PlayabilityFinding, Scene, at_bomb
from saberlm.eval.swing import SECONDS_TOLERANCE
from saberlm.prompts.beatmap import LightEvent


class FewLights:
    """The map has hardly any lights.

    Source: MapCheck's sufficient light (`beat-saber.md` 2.4): more than 10 light events that are
    not off.
    """

    name = "few lights"
    weight = 0.25
    most = 10

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a map with notes."""
        if not _is_judged(scene) or not scene.beatmap.color_notes:
            return []
        number = sum(is_on(one) for one in scene.beatmap.lights)
        if number > self.most:
            return []
        message = f"expected more than {self.most} light events that are not off, found {number}"
        return [PlayabilityFinding(0.0, self.name, message)]


class UnlitBomb:
    """A bomb comes in the dark: no lamp is on when the player must see it.

    Source: ScoreSaber and BeatLeader (`beat-saber.md` 2.2, 2.3: bombs are lit); the times are those
    of BeatLeader's AutoModder: a lamp must be lit 0.25 s before the bomb, still is so for 0.25 s
    after it went off, and a fade is for 1 s. Maps with `FewLights` have no show to judge.
    """

    name = "unlit bomb"
    weight = 0.25
    seconds = 0.25
    fade_seconds = 1.0

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a bomb."""
        if not _is_judged(scene) or not scene.bombs:
            return []
        if sum(is_on(one) for one in scene.beatmap.lights) <= FewLights.most:
            return []
        spans = sorted(self._lit(scene))
        starts = [start for start, _ in spans]
        ends = list(accumulate((end for _, end in spans), max))
        found = []
        for seconds, bomb in scene.bombs:
            last = bisect_right(starts, seconds - self.seconds + SECONDS_TOLERANCE) - 1
            if last < 0 or ends[last] < seconds - self.seconds - SECONDS_TOLERANCE:
                message = "expected a light on when the bomb is seen, found the stage dark"
                found.append(at_bomb(self.name, message, bomb))
        return found

    def _lit(self, scene: Scene) -> list[tuple[float, float]]:
        """Seconds from which and to which a lamp shows."""
        spans = []
        for lamp in LAMP_TYPES:
            events = sorted(
                (
                    one
                    for one in scene.beatmap.lights
                    if one.type == lamp and 0 <= one.value <= MAX_VALUE
                ),
                key=lambda one: one.beat,
            )
            times = [*scene.seconds(one.beat for one in events), float("inf")]
            for event, start, then in zip(events, times[:-1], times[1:], strict=True):
                if is_on(event):
                    fade = self.fade_seconds if event.value in FADES else float("inf")
                    spans.append((start, min(then + self.seconds, start + fade)))
        return spans


def is_on(event: LightEvent) -> bool:
    """Whether an event lights a lamp."""
    return event.type in LAMP_TYPES and 1 <= event.value <= MAX_VALUE and event.brightness > 0


def _is_judged(scene: Scene) -> bool:
    return scene.set_up is not None and not scene.beatmap.group_lights


LIGHT_RULES = (FewLights(), UnlitBomb())
"""Their order in reports."""
