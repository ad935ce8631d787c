"""What the playability rules look at: one difficulty, prepared once for all of them.

A `Scene` is a playable beatmap with its tempo, its name and, as far as they are known, its note
speed and the length of its song; notes stand in it with their seconds, and by swings of a hand.
Everything is derived once and lazily, so a rule costs little more than its own question.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from saberlm.eval.playability_geometry import cut_of
from saberlm.eval.swing import ParityReport, group_swings, parity_errors
from saberlm.prompts.beatmap import Beatmap, Bomb, ColorNote, NoteColor
from saberlm.prompts.tempo import TempoMap

_TimedT = TypeVar("_TimedT", ColorNote, Bomb)
FALLBACK_NJS = {"Easy": 10.0, "Normal": 10.0, "Hard": 10.0, "Expert": 12.0, "ExpertPlus": 16.0}
"""The game's own note speed where a level says 0."""
FAULT = 1.0
"""A rule of this weight or more finds faults (they cost a hit, a saber or the flow), one below it
gives advice: a matter of style, of ranking criteria or of the level around the map."""


@dataclass(frozen=True, slots=True)
class PlayabilityFinding:
    """One place that breaks a rule: its beat, the cell and the hand (None: a bomb or wall)
    concerned; ``kind`` names what else than a note, a bomb or a hand's swing it is."""

    beat: float
    rule: str
    message: str
    color: int | None = None
    x: int | None = None
    y: int | None = None
    kind: str | None = None

    def to_dict(self) -> dict[str, object]:
        """The finding as plain JSON values."""
        return {
            "beat": self.beat,
            "rule": self.rule,
            "message": self.message,
            "color": self.color,
            "x": self.x,
            "y": self.y,
        }


@dataclass(frozen=True)
class SetUp:
    """What a level says around its notes; None where it is not known, and then not judged.

    Attributes:
        njs: Note jump speed in metres a second; 0 stands for the game's own.
        offset: Note jump offset in beats.
        duration: Length of the sound in seconds.
        beat_0: Second of the sound at which beat 0 lies.
        bpm: Base tempo that the game counts half jumps in, where it is not the map's.
    """

    njs: float | None = None
    offset: float = 0.0
    duration: float | None = None
    beat_0: float = 0.0
    bpm: float | None = None


class HandSwing(NamedTuple):
    """One movement of a hand: its notes in order, its span in seconds, and the angles it enters and
    leaves with (those of its first and last arrow; None for dots alone)."""

    notes: tuple[ColorNote, ...]
    seconds: float
    end_seconds: float
    entry: float | None
    exit: float | None

    @property
    def first(self) -> ColorNote:
        """Where it begins."""
        return self.notes[0]

    @property
    def last(self) -> ColorNote:
        """Where it ends."""
        return self.notes[-1]


@dataclass(frozen=True)
class Scene:
    """A difficulty as the rules see it; the beatmap is playable unmodded (`vanilla`).

    Without ``set_up`` the beatmap is judged as a piece of a map: rules about start, end, length and
    note speed find nothing.
    """

    beatmap: Beatmap
    tempo: TempoMap
    difficulty: str
    set_up: SetUp | None = None

    @cached_property
    def swings(self) -> dict[int, tuple[HandSwing, ...]]:
        """The swings of each hand, in order."""
        return {int(color): self._swings_of(color) for color in NoteColor}

    @cached_property
    def parity(self) -> ParityReport:
        """How both hands alternate."""
        return parity_errors(self.beatmap, self.tempo)

    @cached_property
    def notes(self) -> list[tuple[float, ColorNote]]:
        """All notes with their seconds, in order of time; notes of one beat in the mirror's."""
        return self._timed(sorted(self.beatmap.color_notes, key=lambda one: one.beat))

    @cached_property
    def bombs(self) -> list[tuple[float, Bomb]]:
        """All bombs with their seconds, in order of time."""
        return self._timed(sorted(self.beatmap.bombs, key=lambda one: one.beat))

    @property
    def njs(self) -> float | None:
        """Note jump speed in metres a second, as the game plays it; None where unknown."""
        njs = None if self.set_up is None else self.set_up.njs
        return FALLBACK_NJS[self.difficulty] if njs is not None and njs == 0 else njs

    def seconds(self, beats: Iterable[float]) -> list[float]:
        """Seconds of many beats, at once."""
        at: list[float] = self.tempo.to_seconds(np.array(list(beats), np.float64)).tolist()
        return at

    def _timed(self, things: list[_TimedT]) -> list[tuple[float, _TimedT]]:
        return list(zip(self.seconds(one.beat for one in things), things, strict=True))

    def _swings_of(self, color: int) -> tuple[HandSwing, ...]:
        groups = group_swings(self.beatmap.color_notes, color)
        starts = self.seconds(group[0].beat for group in groups)
        ends = self.seconds(group[-1].beat for group in groups)
        swings = []
        for group, start, end in zip(groups, starts, ends, strict=True):
            arrows = [angle for note in group if (angle := cut_of(note).angle) is not None]
            entry, leave = (arrows[0], arrows[-1]) if arrows else (None, None)
            swings.append(HandSwing(tuple(group), start, end, entry, leave))
        return tuple(swings)


class PlayabilityRule(Protocol):
    """What all rules have in common.

    ``weight`` says how much one finding spoils, ours: what costs a hit or a saber comes first, what
    only reads badly last; from `FAULT` on it is a fault.
    """

    name: str
    weight: float

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """The places of a difficulty that break the rule, at most one an object."""


def at_note(rule: str, message: str, note: ColorNote) -> PlayabilityFinding:
    """A finding at a note."""
    return PlayabilityFinding(note.beat, rule, message, int(note.color), note.x, note.y)


def at_bomb(rule: str, message: str, bomb: Bomb) -> PlayabilityFinding:
    """A finding at a bomb."""
    return PlayabilityFinding(bomb.beat, rule, message, None, bomb.x, bomb.y)
