"""Rules about what hangs on a note: arcs and chains.

Sources are ScoreSaber's criteria for arcs, BeatLeader's for chains, and MapCheck
(`beat-saber.md` 2.2-2.4). What the game itself cannot play (a squish of 0, a tail before the head)
never gets here: `saberlm.prompts.vanilla` leaves it out and counts it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from math import hypot

from saberlm.eval.playability_geometry import DIRECTION_ANGLES, Cut, line_angle, more_than, turn
from saberlm.eval.playability_scene import PlayabilityFinding, Scene
from saberlm.eval.swing import BEAT_TOLERANCE
from saberlm.prompts.beatmap import Arc, Chain, ColorNote, CutDirection, NoteColor

_Cell = tuple[int, int, int]


class ArcAttachment:
    """An arc does not start at a note of its colour, or ends on one of the other colour or a bomb.

    Source: ScoreSaber (attached to a note) and MapCheck's improper arc. A tail in the air is
    allowed: the game draws it, and mappers let the hand swing on.
    """

    name = "arc attachment"
    weight = 2.0

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding an arc."""
        notes = _Notes(scene.beatmap.color_notes)
        bombs = _Beats((one.beat, (one.x, one.y, 0)) for one in scene.beatmap.bombs)
        found = []
        for arc in scene.beatmap.arcs:
            end = (arc.tail_x, arc.tail_y)
            if notes.at(arc.beat, arc.x, arc.y, arc.color) is None:
                message = "expected the arc to start at a note of its colour, found none there"
            elif notes.at(arc.tail_beat, *end, arc.color) is None and (
                notes.at(arc.tail_beat, *end, 1 - arc.color) is not None
                or bombs.has(arc.tail_beat, (*end, 0))
            ):
                message = "expected the arc to end at a note of its colour, found something else"
            else:
                continue
            found.append(_at(self.name, message, arc))
        return found


class ArcDirection:
    """An arc leaves or enters its note another way than the note's arrow points.

    Source: ScoreSaber (`beat-saber.md` 2.2): the direction matches the arrow; an arc may leave up
    to 45 degrees off.
    """

    name = "arc direction"
    weight = 0.5
    max_turn = 45.0

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding an arc."""
        notes = _Notes(scene.beatmap.color_notes)
        found = []
        for arc in scene.beatmap.arcs:
            head = notes.at(arc.beat, arc.x, arc.y, arc.color)
            tail = notes.at(arc.tail_beat, arc.tail_x, arc.tail_y, arc.color)
            if more_than(_off(head, arc.direction), self.max_turn) or more_than(
                _off(tail, arc.tail_direction), 0.0
            ):
                message = "expected the arc to go with the arrow, found another direction"
                found.append(_at(self.name, message, arc))
        return found


class ArcShape:
    """An arc bulges too much or too little, or ends where it starts.

    Source: ScoreSaber (multipliers 0.1 to 1.5) and MapCheck (the tail comes after the head).
    """

    name = "arc shape"
    weight = 0.5
    multipliers = (0.1, 1.5)

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding an arc."""
        low, high = self.multipliers
        found = []
        for arc in scene.beatmap.arcs:
            if arc.tail_beat <= arc.beat + BEAT_TOLERANCE / 2:
                message = "expected the arc's tail after its head, found both at one time"
            elif any(
                more_than(low, one) or more_than(one, high)
                for one in (arc.multiplier, arc.tail_multiplier)
            ):
                message = f"expected multipliers of {low:g} to {high:g}, found one beyond"
            else:
                continue
            found.append(_at(self.name, message, arc))
        return found


class ArcCrowd:
    """A hand has too many arcs at one time.

    Source: ScoreSaber (`beat-saber.md` 2.2): at most five.
    """

    name = "arc crowd"
    weight = 0.5
    most = 5

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding an arc that begins beside five others."""
        found = []
        for color in NoteColor:
            arcs = [one for one in scene.beatmap.arcs if one.color == color]
            ends = sorted(one.tail_beat for one in arcs)
            for begun, arc in enumerate(sorted(arcs, key=lambda one: one.beat), start=1):
                over = bisect_right(ends, arc.beat + BEAT_TOLERANCE / 2)
                if begun - min(over, begun) > self.most:
                    message = f"expected at most {self.most} arcs of a hand, found more"
                    found.append(_at(self.name, message, arc))
        return found


class ChainAttachment:
    """A chain does not start at a note of its colour and direction.

    Source: the game draws the head from the note; MapCheck's improper chain.
    """

    name = "chain attachment"
    weight = 2.0

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a chain."""
        notes = _Notes(scene.beatmap.color_notes)
        found = []
        for chain in scene.beatmap.chains:
            head = notes.at(chain.beat, chain.x, chain.y, chain.color)
            if head is None or head.direction != chain.direction:
                message = "expected the chain to go on from a note of its colour, found none there"
                found.append(_at(self.name, message, chain))
        return found


class ChainDirection:
    """A chain does not go where its head's arrow points, or even back.

    Source: BeatLeader (`beat-saber.md` 2.3): a bend of at most 45 degrees, and no reverse.
    """

    name = "chain direction"
    weight = 1.0
    max_bend = 45.0

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a chain."""
        found = []
        for chain in scene.beatmap.chains:
            head, tail = Cut(chain.x, chain.y, None), Cut(chain.tail_x, chain.tail_y, None)
            if chain.direction == CutDirection.ANY or head == tail:
                continue
            bend = turn(line_angle(head, tail), DIRECTION_ANGLES[chain.direction])
            if more_than(bend, self.max_bend):
                what = "a reverse" if more_than(bend, 90.0) else f"{bend:.0f} degrees"
                message = f"expected a bend of at most {self.max_bend:g} degrees, found {what}"
                found.append(_at(self.name, message, chain))
        return found


class ChainShape:
    """A chain has no links, ends in its own head, or reaches off the grid.

    Source: BeatLeader (`beat-saber.md` 2.3): two segments or more, and x from -1 to 4.
    """

    name = "chain shape"
    weight = 2.0
    least_slices = 2
    columns = (-1.0, 4.0)

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a chain."""
        low, high = self.columns
        found = []
        for chain in scene.beatmap.chains:
            reach = chain.x + (chain.tail_x - chain.x) * chain.squish
            if chain.slice_count < self.least_slices:
                message = f"expected {self.least_slices} segments or more, found fewer"
            elif (chain.x, chain.y) == (chain.tail_x, chain.tail_y):
                message = "expected the chain to end in another cell, found its head's"
            elif more_than(low, reach) or more_than(reach, high):
                message = f"expected links from x {low:g} to {high:g}, found one beyond"
            else:
                continue
            found.append(_at(self.name, message, chain))
        return found


class ChainLinks:
    """A chain's links lie so far apart that it is more air than chain.

    Source: BeatLeader (`beat-saber.md` 2.3): links are at least 12.5 % against air. Its AutoModder
    measures the way of the chain with its squish over its links, in cells: at most 4/3, and a tenth
    more where the tail is in another row.
    """

    name = "chain links"
    weight = 0.5
    most = 4 / 3
    other_row = 1.1

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a chain."""
        found = []
        for chain in scene.beatmap.chains:
            if chain.slice_count < ChainShape.least_slices:
                continue
            way = hypot(chain.tail_x - chain.x, chain.tail_y - chain.y) * chain.squish
            apart = way / (chain.slice_count - 1)
            most = self.most * (1.0 if chain.tail_y == chain.y else self.other_row)
            if more_than(apart, most):
                message = f"expected links at most {most:.2f} cells apart, found {apart:.2f}"
                found.append(_at(self.name, message, chain))
        return found


class ChainRush:
    """The hand's next note comes sooner after a chain than the chain took.

    Source: BeatLeader (`beat-saber.md` 2.3): a gap after the tail of at least the chain's length.
    """

    name = "chain rush"
    weight = 0.5

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a chain."""
        beats = {
            int(color): sorted(n.beat for n in scene.beatmap.color_notes if n.color == color)
            for color in NoteColor
        }
        found = []
        for chain in scene.beatmap.chains:
            after = bisect_right(beats[chain.color], chain.beat + BEAT_TOLERANCE)
            length = chain.tail_beat - chain.beat
            if after < len(beats[chain.color]) and (
                beats[chain.color][after] - chain.tail_beat < length - BEAT_TOLERANCE
            ):
                message = "expected a rest as long as the chain, found the next note sooner"
                found.append(_at(self.name, message, chain))
        return found


class ChainEarly:
    """A chain comes among the first notes of the map.

    Source: BeatLeader (`beat-saber.md` 2.3): none among the first 16 notes, where the score's
    multiplier is still rising.
    """

    name = "chain early"
    weight = 0.25
    notes = 16

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a chain."""
        beats = sorted(one.beat for one in scene.beatmap.color_notes)
        return [
            _at(self.name, f"expected no chain among the first {self.notes} notes, found one", one)
            for one in scene.beatmap.chains
            if bisect_left(beats, one.beat - BEAT_TOLERANCE) < self.notes
        ]


class _Beats:
    """Which beats a cell is used at."""

    def __init__(self, things: Iterable[tuple[float, _Cell]]) -> None:
        self._beats: defaultdict[_Cell, list[float]] = defaultdict(list)
        for beat, cell in sorted(things):
            self._beats[cell].append(beat)

    def has(self, beat: float, cell: _Cell) -> bool:
        """Whether it is used at a beat, give or take `BEAT_TOLERANCE`."""
        beats = self._beats.get(cell, [])
        at = bisect_left(beats, beat - BEAT_TOLERANCE)
        return at < len(beats) and beats[at] <= beat + BEAT_TOLERANCE


class _Notes:
    """Notes found by place and colour."""

    def __init__(self, notes: Iterable[ColorNote]) -> None:
        self._by_cell: defaultdict[_Cell, list[ColorNote]] = defaultdict(list)
        for note in sorted(notes):
            self._by_cell[note.x, note.y, note.color].append(note)

    def at(self, beat: float, x: int, y: int, color: int) -> ColorNote | None:
        """The note at a beat, give or take `BEAT_TOLERANCE`, in a cell."""
        notes = self._by_cell.get((x, y, color), [])
        at = bisect_left(notes, beat - BEAT_TOLERANCE, key=lambda one: one.beat)
        return notes[at] if at < len(notes) and notes[at].beat <= beat + BEAT_TOLERANCE else None


def _off(note: ColorNote | None, direction: int) -> float:
    """Degrees between a note's arrow and a direction; 0 where one of them has none."""
    if note is None or CutDirection.ANY in (note.direction, direction):
        return 0.0
    return turn(DIRECTION_ANGLES[note.direction], DIRECTION_ANGLES[direction])


def _at(rule: str, message: str, thing: Arc | Chain) -> PlayabilityFinding:
    kind = "arc" if isinstance(thing, Arc) else "chain"
    return PlayabilityFinding(thing.beat, rule, message, thing.color, thing.x, thing.y, kind)


HUNG_RULES = (
    ArcAttachment(),
    ArcDirection(),
    ArcShape(),
    ArcCrowd(),
    ChainAttachment(),
    ChainDirection(),
    ChainShape(),
    ChainLinks(),
    ChainRush(),
    ChainEarly(),
)
"""Their order in reports."""
