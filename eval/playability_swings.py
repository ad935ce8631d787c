"""Rules about one hand's swings, one after the other: direction, turns, speed and sliders.

A hand's **effective BPM** (eBPM) is the tempo of a stream of quarter notes, cut by both hands in
turn, that keeps the hand as busy: 30 / seconds from swing to swing, so such a stream at 180 BPM
gives 180 (`beat-saber.md` 2.1). A swing counts from its first note.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from saberlm.eval.playability_geometry import more_than, turn
from saberlm.eval.playability_scene import (
    HandSwing,
    PlayabilityFinding,
    Scene,
    at_note,
)
from saberlm.eval.swing import BEAT_TOLERANCE, BOMB_BEATS, RESET_SECONDS, SECONDS_TOLERANCE

EBPM_SECONDS = 30.0
"""Seconds from swing to swing at 1 eBPM."""


def ebpm(first: HandSwing, then: HandSwing) -> float:
    """Effective BPM of two swings in a row; swings of one hand are never at one moment."""
    return EBPM_SECONDS / max(then.seconds - first.seconds, SECONDS_TOLERANCE)


def swing_turns(scene: Scene) -> Iterator[tuple[HandSwing, HandSwing, float]]:
    """Two swings of a hand in a row and the degrees between their arrows: 180 straight back, 0 the
    same way again. Left out: pairs with a dot, with time to reset, or with a bomb that resets."""
    resets = sorted(b.beat for b in scene.beatmap.bombs if b.x in (1, 2) and b.y in (0, 2))
    for swings in scene.swings.values():
        at = 0
        for first, then in pairwise(swings):
            if first.exit is None or then.entry is None:
                continue
            if then.seconds - first.end_seconds > RESET_SECONDS + SECONDS_TOLERANCE:
                continue
            after = first.last.beat + BOMB_BEATS + BEAT_TOLERANCE
            while at < len(resets) and resets[at] <= after:
                at += 1
            if at < len(resets) and resets[at] < then.first.beat - BEAT_TOLERANCE:
                continue
            yield first, then, turn(first.exit, then.entry)


class DoubleDirectional:
    """A hand swings the same way twice, with neither time nor a bomb to bring it back.

    Source: the wiki (`beat-saber.md` 2.1: "same direction twice"); the angle, 45 degrees, is
    MapCheck's, which knows no time to reset; ours is parity's, `RESET_SECONDS`.
    """

    name = "double directional"
    weight = 1.0
    max_turn = 45.0

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding at the second swing."""
        message = "expected the hand to turn, found the same direction twice"
        return [
            at_note(self.name, message, then.first)
            for _, then, degrees in swing_turns(scene)
            if not more_than(degrees, self.max_turn)
        ]


class SharpTurn:
    """A fast hand must turn by a right angle (or less) instead of swinging back.

    Source: the wiki (`beat-saber.md` 2.1): 180 degrees best, 135 fine, 90 sparingly at high speed.
    High speed is taken from MapCheck's 0.15 s for sharp angles (200 eBPM). `DoubleDirectional`
    has what turns by 45 degrees and less.
    """

    name = "sharp turn"
    weight = 0.5
    max_turn = 90.0
    seconds = 0.15

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding at the second swing."""
        message = "expected the fast hand to swing back, found a sharp turn"
        return [
            at_note(self.name, message, then.first)
            for first, then, degrees in swing_turns(scene)
            if more_than(degrees, DoubleDirectional.max_turn)
            and not more_than(degrees, self.max_turn)
            and then.seconds - first.seconds <= self.seconds + SECONDS_TOLERANCE
        ]


class Burst(NamedTuple):
    """Swings of one hand in a row, each over `TooFast.sustained` eBPM after the one before, and the
    fastest eBPM among them."""

    swings: tuple[HandSwing, ...]
    peak: float

    @property
    def beats(self) -> float:
        """Its length as ScoreSaber counts it, in beats of its own eBPM: two swings of a hand."""
        return (len(self.swings) - 1) / 2


def bursts(scene: Scene) -> Iterator[list[Burst]]:
    """The bursts of each hand, in order."""
    for swings in scene.swings.values():
        found, start, peak = [], 0, 0.0
        for index in range(1, len(swings) + 1):
            speed = ebpm(swings[index - 1], swings[index]) if index < len(swings) else 0.0
            if more_than(speed, TooFast.sustained):
                peak = max(peak, speed)
                continue
            if peak:
                found.append(Burst(swings[start:index], peak))
            start, peak = index, 0.0
        yield found


class TooFast:
    """A hand must swing faster, or fast for longer, than ranked maps may ask for.

    Source: ScoreSaber's criteria (`beat-saber.md` 2.2): at most 350 eBPM sustained; bursts up to
    380 for 8 beats, 400 for 6, 425 for 2, none above, in beats of the eBPM (`Burst.beats`).
    """

    name = "too fast"
    weight = 2.0
    sustained = 350.0
    bursts = ((380.0, 8.0), (400.0, 6.0), (425.0, 2.0))

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a burst, where it begins."""
        return [
            at_note(
                self.name,
                f"expected {self.sustained:g} eBPM or a short burst, found {burst.peak:.0f}",
                burst.swings[0].first,
            )
            for hand in bursts(scene)
            for burst in hand
            if burst.beats > self.allowed(burst.peak)
        ]

    def allowed(self, peak: float) -> float:
        """Beats that a burst of this peak may last."""
        return next((beats for most, beats in self.bursts if not more_than(peak, most)), 0.0)


class BurstBreak:
    """A hand has too little rest after a burst before the next.

    Source: ScoreSaber's criteria (`beat-saber.md` 2.2): 1.5 times the burst or 1.5 beats, whichever
    is longer, in beats of the burst's eBPM. A rest is what is not faster than sustained.
    """

    name = "burst break"
    weight = 0.5
    times = 1.5
    beats = 1.5

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding at the later burst."""
        found = []
        for hand in bursts(scene):
            for first, then in pairwise(hand):
                rest = then.swings[0].seconds - first.swings[-1].seconds
                rest_beats = rest * first.peak / (2 * EBPM_SECONDS)
                least = max(self.times * first.beats, self.beats)
                if more_than(least, rest_beats + 0.001):
                    message = f"expected {least:g} beats between bursts, found {rest_beats:.1f}"
                    found.append(at_note(self.name, message, then.swings[0].first))
        return found


class BurstClutter:
    """A burst holds more than single arrows.

    Source: ScoreSaber's criteria (`beat-saber.md` 2.2): no dots, no swings of several notes and no
    bombs in bursts.
    """

    name = "burst clutter"
    weight = 0.5

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a burst, at its first swing that is no single arrow, or where it begins."""
        bombs = [seconds for seconds, _ in scene.bombs]
        found = []
        for burst in (one for hand in bursts(scene) for one in hand):
            for swing in burst.swings:
                if len(swing.notes) > 1 or swing.entry is None:
                    what = "a dot" if swing.entry is None else "several notes"
                    message = f"expected single arrows in a burst, found {what}"
                    found.append(at_note(self.name, message, swing.first))
                    break
            else:
                start, end = burst.swings[0].seconds, burst.swings[-1].seconds
                at = bisect_left(bombs, start)
                if at < len(bombs) and bombs[at] <= end:
                    message = "expected single arrows in a burst, found a bomb"
                    found.append(at_note(self.name, message, burst.swings[0].first))
        return found


class SlowSlider:
    """The notes of one swing lie so far apart in time that it must be drawn out.

    Source: MapCheck (`beat-saber.md` 2.4): more than 25 ms for a cell of the way. A swing's notes
    are at most an eighth of a beat apart, as in bs-parity, and at most `longest` seconds, beyond
    which they are no slider but swings of their own in a slow song.
    """

    name = "slow slider"
    weight = 0.5
    seconds = 0.025
    longest = 0.07

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a swing."""
        message = "expected a slider in one quick swing, found a slow one"
        return [
            at_note(self.name, message, swing.first)
            for swing, paces in _sliders(scene, self.longest)
            if max(paces) > self.seconds + SECONDS_TOLERANCE
        ]


class UnevenSlider:
    """A slider goes faster or slower on its way.

    Source: MapCheck's varying swing speed; it allows 1 ms a cell, for which editors' rounding of
    beats is too coarse: here the slowest step takes up to a third more than the fastest.
    """

    name = "uneven slider"
    weight = 0.25
    most = 4 / 3

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a swing."""
        message = "expected a slider of one speed, found a change on the way"
        return [
            at_note(self.name, message, swing.first)
            for swing, paces in _sliders(scene, SlowSlider.longest)
            if more_than(max(paces), self.most * min(paces) + 0.001)
        ]


class SpeedPause:
    """A fast hand stumbles: quick swings, one slightly longer gap, quick swings again.

    Source: MapCheck's speed pause of 75 ms (`beat-saber.md` 2.4): a gap of more than two and at
    most three times that between gaps of at most two times.
    """

    name = "speed pause"
    weight = 0.25
    seconds = 0.075

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding at the swing after the pause."""
        found = []
        quick = 2 * self.seconds + SECONDS_TOLERANCE
        longest = 3 * self.seconds + SECONDS_TOLERANCE
        for swings in scene.swings.values():
            gaps = [then.seconds - first.seconds for first, then in pairwise(swings)]
            for index in range(1, len(gaps) - 1):
                around = max(gaps[index - 1], gaps[index + 1])
                if around <= quick < gaps[index] <= longest:
                    message = "expected an even run or a real rest, found a stumble"
                    found.append(at_note(self.name, message, swings[index + 1].first))
        return found


def _sliders(scene: Scene, longest: float) -> Iterator[tuple[HandSwing, list[float]]]:
    """Swings over several moments, with the seconds a cell of each step."""
    for swings in scene.swings.values():
        for swing in swings:
            if swing.end_seconds - swing.seconds <= SECONDS_TOLERANCE:
                continue
            times = scene.seconds(note.beat for note in swing.notes)
            paces: list[float] = []
            steps = zip(pairwise(times), pairwise(swing.notes), strict=True)
            for (before, now), (first, then) in steps:
                if now - before > longest:
                    paces.clear()
                    break
                if then.beat - first.beat > BEAT_TOLERANCE:
                    cells = max(abs(then.x - first.x), abs(then.y - first.y), 1)
                    paces.append((now - before) / cells)
            if paces:
                yield swing, paces


SWING_RULES = (
    DoubleDirectional(),
    SharpTurn(),
    TooFast(),
    BurstBreak(),
    BurstClutter(),
    SlowSlider(),
    UnevenSlider(),
    SpeedPause(),
)
"""Their order in reports."""
