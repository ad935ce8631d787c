"""Swings and a simple parity judge: can each hand alternate forehand and backhand?

The rule is that of bs-parity, the judge that BeatSaver runs on uploads (`beat-saber.md` 2.1): each
hand alternates; a swing whose direction is neither good nor borderline for its turn is an error,
after which the hand counts as reset. Unlike bs-parity, a pause of more than `RESET_SECONDS` between
two swings of a hand lets it start again as it likes: players bring the saber back in that time.
Where several notes or bombs come at one moment the order does not depend on the side, so a map and
its mirror image are judged alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from saberlm.prompts.beatmap import (
    NUM_COLUMNS,
    Beatmap,
    Bomb,
    ColorNote,
    CutDirection,
    NoteColor,
)
from saberlm.prompts.tempo import TempoMap

SWING_BEATS = 1 / 8
"""Notes of one colour this close (beats) to the one before are cut in the same swing."""
BEAT_TOLERANCE = 1 / 128
"""Slack (beats) for the rounding of editors."""
BOMB_BEATS = 1 / 4
"""A bomb closer (beats) than this to the swing before it does not move the hand."""
SECONDS_TOLERANCE = 1e-6
"""Slack (seconds) where times are compared, for the rounding of floats."""
RESET_SECONDS = 0.75
"""A hand idle for longer than this may take either parity next. Ours: on 467 human Standard
difficulties the errors per 100 notes are 2.9, 4.0, 5.1 and 7.1 with 0.6, 0.75, 1 and no seconds,
so mappers do count on such pauses; with directions shuffled (0.75 s) they are 29."""


class Parity(IntEnum):
    """Which way the wrist turns in a swing."""

    FOREHAND = 0
    BACKHAND = 1

    def other(self) -> Parity:
        """The opposite parity."""
        return Parity(1 - self)


_D = CutDirection
_MIRROR = {
    _D.LEFT: _D.RIGHT,
    _D.RIGHT: _D.LEFT,
    _D.UP_LEFT: _D.UP_RIGHT,
    _D.UP_RIGHT: _D.UP_LEFT,
    _D.DOWN_LEFT: _D.DOWN_RIGHT,
    _D.DOWN_RIGHT: _D.DOWN_LEFT,
}


def _mirror(directions: Iterable[CutDirection]) -> frozenset[int]:
    return frozenset(int(_MIRROR.get(one, one)) for one in directions)


_RIGHT_GOOD = (
    frozenset({_D.DOWN, _D.LEFT, _D.DOWN_LEFT, _D.DOWN_RIGHT, _D.ANY}),
    frozenset({_D.UP, _D.RIGHT, _D.UP_LEFT, _D.UP_RIGHT, _D.DOWN_RIGHT, _D.ANY}),
)
_RIGHT_BORDERLINE = (frozenset({_D.RIGHT, _D.UP_LEFT}), frozenset({_D.LEFT}))
GOOD: dict[int, tuple[frozenset[int], ...]] = {
    NoteColor.BLUE: tuple(frozenset(map(int, one)) for one in _RIGHT_GOOD),
    NoteColor.RED: tuple(_mirror(one) for one in _RIGHT_GOOD),
}
"""Directions that suit a hand, by parity (`beat-saber.md` 2.1; mirrored for the left)."""
BORDERLINE: dict[int, tuple[frozenset[int], ...]] = {
    NoteColor.BLUE: tuple(frozenset(map(int, one)) for one in _RIGHT_BORDERLINE),
    NoteColor.RED: tuple(_mirror(one) for one in _RIGHT_BORDERLINE),
}
"""Directions that a hand can just manage, by parity."""


@dataclass(frozen=True, slots=True)
class Swing:
    """One movement of a hand: ``beat`` to ``end_beat``; a swing of dots alone has direction ANY."""

    beat: float
    end_beat: float
    color: int
    direction: int
    notes: int


@dataclass(frozen=True)
class ParityReport:
    """Parity of a difficulty; ``where`` lists (beat, colour) of each error, by beat."""

    errors: int
    borderline: int
    resets: int
    swings: int
    notes: int
    where: tuple[tuple[float, int], ...] = ()

    @property
    def per_100_notes(self) -> float:
        """Errors per 100 colour notes; 0 without notes."""
        return 100.0 * self.errors / self.notes if self.notes else 0.0


def note_order(note: ColorNote) -> tuple[float, int, int]:
    """Order of a hand's notes: by beat, from the bottom row up, then from the other hand's side
    outwards, which a mirror leaves as it is."""
    return note.beat, note.y, note.x if note.color == NoteColor.BLUE else NUM_COLUMNS - 1 - note.x


def group_swings(notes: Iterable[ColorNote], color: int) -> list[list[ColorNote]]:
    """One hand's notes, those of one swing together: each at most `SWING_BEATS` after the last."""
    groups: list[list[ColorNote]] = []
    for note in sorted((one for one in notes if one.color == color), key=note_order):
        if groups and note.beat - groups[-1][-1].beat <= SWING_BEATS + BEAT_TOLERANCE:
            groups[-1].append(note)
        else:
            groups.append([note])
    return groups


def build_swings(notes: Iterable[ColorNote], color: int) -> tuple[Swing, ...]:
    """One hand's swings; dots take the direction of the swing's first arrow."""
    swings = []
    for group in group_swings(notes, color):
        arrows = [one.direction for one in group if one.direction != CutDirection.ANY]
        direction = arrows[0] if arrows else int(CutDirection.ANY)
        swings.append(Swing(group[0].beat, group[-1].beat, color, direction, len(group)))
    return tuple(swings)


def parity_errors(
    beatmap: Beatmap, tempo: TempoMap, reset_seconds: float = RESET_SECONDS
) -> ParityReport:
    """Judge the parity of both hands.

    Args:
        beatmap: The difficulty.
        tempo: Its beats in seconds.
        reset_seconds: Pause after which a hand may start again with either parity.
    """
    errors: list[tuple[float, int]] = []
    borderline = resets = total = 0
    bombs = [one for one in beatmap.bombs if one.x in (1, 2) and one.y in (0, 2)]
    reset_seconds += SECONDS_TOLERANCE
    for color in (NoteColor.RED, NoteColor.BLUE):
        swings = build_swings(beatmap.color_notes, color)
        total += len(swings)
        good, just = GOOD[color], BORDERLINE[color]
        expected = Parity.FOREHAND
        queue = iter(sorted(bombs, key=lambda one: (one.beat, one.y)))
        bomb = next(queue, None)
        for index, swing in enumerate(swings):
            before = swings[index - 1].end_beat if index else None
            between: list[Bomb] = []
            while bomb is not None and bomb.beat < swing.beat - BEAT_TOLERANCE:
                between.append(bomb)
                bomb = next(queue, None)
            if before is None or _seconds_apart(tempo, before, swing.beat) > reset_seconds:
                expected = _opening(swings[index:], tempo, reset_seconds, expected)
            elif _bomb_parity(between, before, swing, good) is expected.other():
                expected = expected.other()
                resets += 1
            if swing.direction in good[expected]:
                expected = expected.other()
            elif swing.direction in just[expected]:
                borderline += 1
                expected = expected.other()
            else:
                errors.append((swing.beat, int(color)))
    notes = len(beatmap.color_notes)
    return ParityReport(len(errors), borderline, resets, total, notes, tuple(sorted(errors)))


def _seconds_apart(tempo: TempoMap, start: float, end: float) -> float:
    return float(tempo.to_seconds(end)) - float(tempo.to_seconds(start))


def _opening(
    swings: Sequence[Swing], tempo: TempoMap, reset_seconds: float, fallback: Parity
) -> Parity:
    """Parity of the first swing of a run, read off the first swing that only one parity suits."""
    good = GOOD[swings[0].color]
    for index, swing in enumerate(swings):
        pause = index and _seconds_apart(tempo, swings[index - 1].end_beat, swing.beat)
        if pause > reset_seconds:
            break
        suits = [parity for parity in Parity if swing.direction in good[parity]]
        if len(suits) == 1:
            return suits[0] if index % 2 == 0 else suits[0].other()
    return fallback


def _bomb_parity(
    bombs: Sequence[Bomb], before: float, swing: Swing, good: tuple[frozenset[int], ...]
) -> Parity | None:
    """The parity that bombs force on the next swing: low ones forehand, high ones backhand.

    As in bs-parity, a bomb within a quarter beat after the last swing is ignored, and so is one
    within a quarter beat before the next swing when that swing contradicts it.
    """
    forced: Parity | None = None
    for bomb in bombs:
        if bomb.beat - before <= BOMB_BEATS + BEAT_TOLERANCE:
            continue
        suggested = Parity.FOREHAND if bomb.y == 0 else Parity.BACKHAND
        soon = swing.beat - bomb.beat <= BOMB_BEATS + BEAT_TOLERANCE
        if not soon or swing.direction in good[suggested]:
            forced = suggested
    return forced
