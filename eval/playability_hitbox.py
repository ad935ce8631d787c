"""Rules about hitboxes: notes in each other's cell, or in the way of the other hand's swing.

A note moves towards the player at the note jump speed, so how near two notes of a cell are in space
is that speed times the seconds between them. Where it is not known the rules use MapCheck's times.
"""

from __future__ import annotations

from collections.abc import Iterator

from saberlm.eval.playability_geometry import (
    cut_of,
    distance,
    line_angle,
    moments,
    more_than,
    next_cell,
    turn,
)
from saberlm.eval.playability_scene import (
    HandSwing,
    PlayabilityFinding,
    Scene,
    at_bomb,
    at_note,
)
from saberlm.eval.playability_swings import swing_turns
from saberlm.eval.swing import SECONDS_TOLERANCE
from saberlm.prompts.beatmap import Bomb, ColorNote, CutDirection, NoteColor

INLINE_SECONDS = 0.15
"""MapCheck's time for notes in one cell (`beat-saber.md` 2.4)."""
SABER_METRES = 1.425
"""Length of a saber and its slack in MapCheck: notes nearer in depth can be hit together."""


def saber_seconds(scene: Scene) -> float:
    """Seconds in which two notes of one cell are within reach of one swing."""
    return INLINE_SECONDS if scene.njs is None or scene.njs <= 0 else SABER_METRES / scene.njs


class StackedObjects:
    """Two objects lie in one cell at one time.

    Source: MapCheck: notes, or a note and a bomb, within 10 ms; bombs within 20 ms, as in
    ScoreSaber's criteria (`beat-saber.md` 2.2).
    """

    name = "stacked objects"
    weight = 4.0
    seconds = 0.01
    bomb_seconds = 0.02

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding an object that has another in its place."""
        found = []
        for _, gap, later, earlier in _in_one_cell(scene):
            bombs = isinstance(later, Bomb) and isinstance(earlier, Bomb)
            if gap <= (self.bomb_seconds if bombs else self.seconds) - SECONDS_TOLERANCE:
                message = "expected one object in a cell, found two at one time"
                found.append(_at(self.name, message, later))
        return found


class FusedObjects:
    """A note and another note or a bomb of its cell come so close behind each other that they look
    like one.

    Source: BeatLeader's criteria (`beat-saber.md` 2.3): half a metre. Judged where the note jump
    speed is known; what comes at one time is `StackedObjects`'.
    """

    name = "fused objects"
    weight = 2.0
    metres = 0.5

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding at the later object."""
        if scene.njs is None:
            return []
        found = []
        for _, gap, later, earlier in _in_one_cell(scene):
            if isinstance(later, Bomb) and isinstance(earlier, Bomb):
                continue
            stacked = gap <= StackedObjects.seconds - SECONDS_TOLERANCE
            if not stacked and gap * scene.njs < self.metres - SECONDS_TOLERANCE:
                message = f"expected half a metre between objects, found {gap * scene.njs:.2f}"
                found.append(_at(self.name, message, later))
        return found


class InlineAngle:
    """A note comes out of the cell of another just before it, and its hand must turn sharply.

    Source: MapCheck's inline sharp angle (`beat-saber.md` 2.4): within 0.15 s, and at most 90
    degrees from the hand's last direction, where straight back is 180.
    """

    name = "inline angle"
    weight = 0.5
    max_turn = 90.0

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding at the later note."""
        inline = {
            id(later): gap
            for _, gap, later, earlier in _in_one_cell(scene)
            if isinstance(later, ColorNote) and isinstance(earlier, ColorNote)
        }
        message = "expected a note in another's place to be met swinging back, found a sharp turn"
        return [
            at_note(self.name, message, then.first)
            for _, then, degrees in swing_turns(scene)
            if not more_than(degrees, self.max_turn)
            and StackedObjects.seconds < inline.get(id(then.first), 1.0) <= INLINE_SECONDS
        ]


class HitboxInline:
    """The two hands' notes follow each other in one cell, within reach of one swing.

    Source: MapCheck: nearer in depth than a saber's 1.425 m, or within 0.15 s where the note jump
    speed is not known.
    """

    name = "hitbox inline"
    weight = 0.5

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding at the later note."""
        reach = saber_seconds(scene)
        message = "expected room behind a note, found one of the other hand"
        return [
            at_note(self.name, message, later)
            for _, gap, later, earlier in _in_one_cell(scene)
            if isinstance(later, ColorNote)
            and isinstance(earlier, ColorNote)
            and later.color != earlier.color
            and StackedObjects.seconds < gap < reach - SECONDS_TOLERANCE
        ]


class HitboxStaircase:
    """A note comes where the other hand's saber still is, following through.

    Source: the wiki's glossary and MapCheck (`beat-saber.md` 2.4): the cell that the other hand's
    last arrow points into, within 0.15 s and before that hand's own pace brings it away; not where
    both hands cut at once.
    """

    name = "hitbox staircase"
    weight = 0.5

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding at the note."""
        found = []
        for swing, other, pace in _after_the_other_hand(scene):
            gap = swing.seconds - other.seconds
            if not StackedObjects.seconds < gap < min(INLINE_SECONDS, pace) - SECONDS_TOLERANCE:
                continue
            if _follow_through(other) == (swing.first.x, swing.first.y):
                message = "expected room for the other hand to follow through, found a note there"
                found.append(at_note(self.name, message, swing.first))
        return found


class HitboxReverseStaircase:
    """A note's swing must begin where the other hand's note still is.

    Source: the wiki's glossary and MapCheck: the other hand's note is nearer than a saber's
    1.425 m (with MapCheck's 34 ms of slack), within 1.5 cells and straight behind the arrow.
    """

    name = "hitbox reverse staircase"
    weight = 0.5
    slack_seconds = 0.034
    cells = 1.5
    max_off_line = 15.0

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding at the later note."""
        reach = saber_seconds(scene) - self.slack_seconds
        found = []
        for swing, other, _ in _after_the_other_hand(scene):
            gap = swing.seconds - other.end_seconds
            if not StackedObjects.seconds < gap < reach - SECONDS_TOLERANCE:
                continue
            if any(_behind(swing.first, one, self.cells, self.max_off_line) for one in other.notes):
                message = "expected room to swing, found the other hand's note where it begins"
                found.append(at_note(self.name, message, swing.first))
        return found


class HitboxPath:
    """At one moment a note lies where the other hand's swing, or a bomb where a swing, comes from.

    Source: the wiki's glossary and MapCheck (`beat-saber.md` 2.1): straight behind the arrow,
    within 30 degrees and two cells.
    """

    name = "hitbox path"
    weight = 0.5
    cells = 2.0
    max_off_line = 30.0

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a note whose swing is in trouble."""
        found = []
        everything: list[ColorNote | Bomb] = [*scene.beatmap.color_notes, *scene.beatmap.bombs]
        for together in moments(everything):
            for note in together:
                if isinstance(note, ColorNote) and any(
                    (isinstance(other, Bomb) or other.color != note.color)
                    and _behind(note, other, self.cells, self.max_off_line)
                    for other in together
                ):
                    message = "expected a free way to the note, found an object before it"
                    found.append(at_note(self.name, message, note))
        return found


class ShradoAngle:
    """A down-diagonal that crosses outwards, then an up note back on the hand's own side: the curve
    between them bends the wrong way.

    Source: the wiki's glossary (over at least three lanes, `beat-saber.md` 2.1) and MapCheck
    (red: down-right then up, blue: down-left then up, within a quarter of a second).
    """

    name = "shrado angle"
    weight = 0.25
    lanes = 2
    seconds = 0.25

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding at the up note."""
        found = []
        for first, then, _ in swing_turns(scene):
            note, before = then.first, first.last
            red = note.color == NoteColor.RED
            outwards = CutDirection.DOWN_RIGHT if red else CutDirection.DOWN_LEFT
            back = before.x - note.x if red else note.x - before.x
            if (
                before.direction == outwards
                and note.direction == CutDirection.UP
                and back >= self.lanes
                and then.seconds - first.end_seconds <= self.seconds + SECONDS_TOLERANCE
            ):
                message = "expected a curve that the arm can follow, found it bent the wrong way"
                found.append(at_note(self.name, message, note))
        return found


def _at(rule: str, message: str, thing: ColorNote | Bomb) -> PlayabilityFinding:
    if isinstance(thing, Bomb):
        return at_bomb(rule, message, thing)
    return at_note(rule, message, thing)


def _in_one_cell(
    scene: Scene,
) -> Iterator[tuple[float, float, ColorNote | Bomb, ColorNote | Bomb]]:
    """Each note and bomb with the one before it in its cell: (seconds, gap in seconds, later,
    earlier). Of several at one time the order is notes first, red before blue or mirrored alike."""
    before: dict[tuple[int, int], tuple[float, ColorNote | Bomb]] = {}
    timed: list[tuple[float, ColorNote | Bomb]] = [*scene.notes, *scene.bombs]
    for seconds, thing in sorted(timed, key=lambda one: one[0]):
        cell = thing.x, thing.y
        if cell in before:
            yield seconds, seconds - before[cell][0], thing, before[cell][1]
        before[cell] = seconds, thing


def _after_the_other_hand(scene: Scene) -> Iterator[tuple[HandSwing, HandSwing, float]]:
    """Each swing that no swing of the other hand accompanies, with that hand's last one before and
    the seconds since the one before that (infinite at first)."""
    for color in NoteColor:
        others = scene.swings[1 - color]
        at = 0
        for swing in scene.swings[color]:
            while at < len(others) and others[at].seconds < swing.seconds - StackedObjects.seconds:
                at += 1
            accompanied = (
                at < len(others) and others[at].seconds <= swing.seconds + StackedObjects.seconds
            )
            if at and not accompanied:
                pace = float("inf") if at == 1 else others[at - 1].seconds - others[at - 2].seconds
                yield swing, others[at - 1], pace


def _follow_through(swing: HandSwing) -> tuple[int, int] | None:
    """The cell behind a swing's end; a dot at its end goes on in the swing's direction."""
    cut = cut_of(swing.last)
    return next_cell(cut if cut.angle is not None else cut._replace(angle=swing.exit))


def _behind(note: ColorNote, other: ColorNote | Bomb, cells: float, max_off_line: float) -> bool:
    """Whether a thing lies on the way to a note, where its arrow comes from."""
    cut = cut_of(note)
    there = cut._replace(x=other.x, y=other.y)
    if cut.angle is None or there == cut or more_than(distance(cut, there), cells):
        return False
    return not more_than(turn(line_angle(there, cut), cut.angle), max_off_line)


HITBOX_RULES = (
    StackedObjects(),
    FusedObjects(),
    InlineAngle(),
    HitboxInline(),
    HitboxStaircase(),
    HitboxReverseStaircase(),
    HitboxPath(),
    ShradoAngle(),
)
"""Their order in reports."""
