"""The playability rules, one class each: what hurts a player, by the community's own definitions.

Every rule has a ``name``, says where it comes from, holds its thresholds and finds the places of a
difficulty that break it. Those about two cuts are also offered as a question about a pair, which
the sampler's masks (`saberlm.infer.playability`) ask of all pairs of tokens: judge and masks cannot
drift apart. All are mirror-proof: a map and its mirror image break the same rules as often.
"""

from __future__ import annotations

from bisect import bisect_right
from math import cos, radians, sin
from typing import ClassVar

from saberlm.eval.playability_geometry import (
    Cut,
    cut_of,
    distance,
    line_angle,
    moments,
    more_than,
    next_cell,
    turn,
)
from saberlm.eval.playability_scene import (
    PlayabilityFinding,
    PlayabilityRule,
    Scene,
    at_bomb,
    at_note,
)
from saberlm.eval.swing import (
    BEAT_TOLERANCE,
    SECONDS_TOLERANCE,
    group_swings,
    note_order,
)
from saberlm.prompts.beatmap import (
    NUM_COLUMNS,
    NUM_ROWS,
    Bomb,
    ColorNote,
    NoteColor,
)


class ParityBreak:
    """A hand must swing twice the same way without time or bombs to come back.

    Source: bs-parity and BeatSaver's parity summary, as `saberlm.eval.swing` judges them.
    """

    name = "parity break"
    weight = 3.0

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a swing."""
        message = "expected the hand to alternate, found a swing from where it already is"
        return [
            PlayabilityFinding(beat, self.name, message, color)
            for beat, color in scene.parity.where
        ]


class SwingCollision:
    """Notes of one hand, so close that one swing must take them, do not lie on one path.

    Source: ScoreSaber's criteria for notes of one swing (`beat-saber.md` 2.2): each leads into the
    next and their directions are within 45 degrees. A swing's notes are at most an eighth of a beat
    apart, as in bs-parity. Of two notes at different times the later must lie ahead of the earlier
    one; two notes at one time, one of them a dot, must lie along the other's arrow. Two arrows
    beside each other are `Loloppe`'s.
    """

    name = "swing collision"
    weight = 3.0
    max_turn = 45.0
    max_off_line = 45.0

    def off_path(self, first: Cut, later: Cut) -> bool:
        """Whether a later note of a swing cannot be reached from an earlier one."""
        angles = [one.angle for one in (first, later) if one.angle is not None]
        if len(angles) == 2 and more_than(turn(*angles), self.max_turn):
            return True
        if (first.x, first.y) == (later.x, later.y):
            return True
        if not angles:
            return False
        ahead_x = sum(sin(radians(angle)) for angle in angles)
        ahead_y = -sum(cos(radians(angle)) for angle in angles)
        ahead = (later.x - first.x) * ahead_x + (later.y - first.y) * ahead_y
        return not more_than(ahead, 0.0)

    def apart(self, first: Cut, second: Cut) -> bool:
        """Whether two notes of one hand and moment cannot be cut by one straight swing."""
        angles = [one.angle for one in (first, second) if one.angle is not None]
        if len(angles) == 2:
            return more_than(turn(*angles), self.max_turn)
        if not angles:
            return False
        off = turn(line_angle(first, second), angles[0])
        return more_than(min(off, 180 - off), self.max_off_line)

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a note that does not go with those before it in its swing."""
        found = []
        for color in NoteColor:
            for swing in group_swings(scene.beatmap.color_notes, color):
                for index, note in enumerate(swing):
                    if any(self._collide(earlier, note) for earlier in swing[:index]):
                        message = "expected one path through the notes of a swing"
                        found.append(at_note(self.name, message, note))
        return found

    def _collide(self, earlier: ColorNote, note: ColorNote) -> bool:
        if note.beat - earlier.beat <= BEAT_TOLERANCE:
            return self.apart(cut_of(earlier), cut_of(note))
        return self.off_path(cut_of(earlier), cut_of(note))


class Loloppe:
    """Two arrows of one hand and moment lie side by side, and only the size of their hitboxes lets
    one swing take both.

    Source: the wiki's glossary (`beat-saber.md` 2.1) and ScoreSaber's "not parallel". The line
    between the notes may be off their direction by up to 45 degrees, which leaves stacks and
    windows along the swing, slanted ones included.
    """

    name = "loloppe"
    weight = 1.0
    max_off_line = 45.0

    def parallel(self, first: Cut, second: Cut) -> bool:
        """Whether two notes of one hand and moment are side by side."""
        if first.angle is None or second.angle is None:
            return False
        if more_than(turn(first.angle, second.angle), SwingCollision.max_turn):
            return False
        line = line_angle(first, second)
        off = (turn(line, first.angle) + turn(line, second.angle)) / 2
        return more_than(min(off, 180 - off), self.max_off_line)

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a note that has another beside it."""
        found = []
        for together in moments(scene.beatmap.color_notes):
            ordered = sorted(together, key=note_order)
            for index, note in enumerate(ordered):
                if any(
                    other.color == note.color and self.parallel(cut_of(other), cut_of(note))
                    for other in ordered[:index]
                ):
                    message = "expected one arrow or a stack along the swing, found two in parallel"
                    found.append(at_note(self.name, message, note))
        return found


class Handclap:
    """At one moment the two hands are sent straight at each other.

    Source: the wiki's glossary (`beat-saber.md` 2.1); distances and angles follow BeatLeader's
    AutoModder: neighbours in a row or column clap when both arrows point within 45 degrees of the
    other note, notes up to two cells apart each way only when they aim at each other.
    """

    name = "handclap"
    weight = 4.0
    near = 1.0
    near_angle = 45.0
    far = 8**0.5
    far_angle = 22.5

    def clap(self, first: Cut, second: Cut) -> bool:
        """Whether two cuts of different hands meet."""
        if first.angle is None or second.angle is None:
            return False
        apart = distance(first, second)
        if apart == 0 or more_than(apart, self.far):
            return False
        limit = self.far_angle if more_than(apart, self.near) else self.near_angle
        line = line_angle(first, second)
        return not (
            more_than(turn(first.angle, line), limit)
            or more_than(turn(second.angle, (line + 180) % 360), limit)
        )

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a moment, at its first blue note that meets a red one."""
        message = "expected the hands to pass each other, found them sent together"
        found = []
        for together in moments(scene.beatmap.color_notes):
            red = [cut_of(one) for one in together if one.color == NoteColor.RED]
            for note in together:
                if note.color == NoteColor.BLUE and any(self.clap(r, cut_of(note)) for r in red):
                    found.append(at_note(self.name, message, note))
                    break
        return found


class VisionBlock:
    """A note in a centre cell hides what comes behind it on its side until it is too late to read.

    Source: MapCheck's check and its windows of seconds by difficulty (`beat-saber.md` 2.4): after a
    note in the middle row at x 1 (x 2) no note may come in the left (right) half within the window;
    closer than its start, both are read as one pattern. Ours: it is the latest such note before
    that counts, as earlier ones have been cut, and only the other hand's notes are hidden: a hand
    finds its own next note by its swing. On 467 human Standard difficulties MapCheck's own rule is
    broken 2.4 times per 100 notes (3.8 with the map's cells shuffled), this one 0.5 (1.9) times.
    """

    name = "vision block"
    weight = 2.0
    windows: ClassVar[dict[str, tuple[float, float]]] = {
        "Easy": (0.025, 1.2),
        "Normal": (0.05, 1.0),
        "Hard": (0.08, 0.75),
        "Expert": (0.1, 0.625),
        "ExpertPlus": (0.1, 0.5),
    }
    centre_row = 1
    centre_columns = (1, 2)

    @classmethod
    def hides(cls, column: int, x: int) -> bool:
        """Whether a note in a centre column hides column ``x``."""
        return (x < NUM_COLUMNS // 2) == (column < NUM_COLUMNS // 2)

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a hidden note."""
        soonest, latest = self.windows[scene.difficulty]
        found = []
        centre: dict[int, tuple[float, int]] = {}
        for together in moments(scene.beatmap.color_notes):
            now = scene.tempo.to_seconds(together[0].beat)
            for note in together:
                for column, (before, color) in centre.items():
                    in_window = (
                        soonest - SECONDS_TOLERANCE <= now - before <= latest + SECONDS_TOLERANCE
                    )
                    if in_window and color != note.color and self.hides(column, note.x):
                        message = "expected a clear view of the note, found one in front of it"
                        found.append(at_note(self.name, message, note))
            for note in together:
                if note.y == self.centre_row and note.x in self.centre_columns:
                    centre[note.x] = (now, note.color)
        return found


class HammerHit:
    """An arrow points into a bomb close behind it, so the swing must be stopped short.

    Source: the wiki's glossary; the time is its advice to leave a quarter of a beat between notes
    and bombs (`beat-saber.md` 2.1). On 467 human Standard difficulties with 6,780 bombs it never
    happens (37 times with cells and directions shuffled).
    """

    name = "hammer hit"
    weight = 5.0
    beats = 1 / 4

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a bomb."""
        pointed_at: dict[tuple[int, int], list[float]] = {}
        for note in sorted(scene.beatmap.color_notes):
            cell = next_cell(cut_of(note))
            if cell is not None:
                pointed_at.setdefault(cell, []).append(note.beat)
        found = []
        for bomb in scene.beatmap.bombs:
            beats = pointed_at.get((bomb.x, bomb.y), [])
            last = bisect_right(beats, bomb.beat + BEAT_TOLERANCE) - 1
            if last >= 0 and bomb.beat - beats[last] <= self.beats + BEAT_TOLERANCE:
                message = "expected room to follow through, found a bomb where the arrow points"
                found.append(at_bomb(self.name, message, bomb))
        return found


class WallBlocked:
    """A note or bomb lies in a cell that a wall covers at that moment, its end included.

    Source: a wall never forces damage, bombs are not in walls (`beat-saber.md` 2.1, 2.2).
    """

    name = "wall blocked"
    weight = 5.0

    @staticmethod
    def covers(x: int, y: int, width: int, height: int) -> list[tuple[int, int]]:
        """The cells behind a wall."""
        columns = range(max(x, 0), min(x + width, NUM_COLUMNS))
        rows = range(max(y, 0), min(y + height, NUM_ROWS))
        return [(column, row) for row in rows for column in columns]

    def find(self, scene: Scene) -> list[PlayabilityFinding]:
        """One finding a note or bomb."""
        starts: dict[tuple[int, int], list[float]] = {}
        ends: dict[tuple[int, int], list[float]] = {}  # the latest end among walls up to that start
        for wall in sorted(scene.beatmap.obstacles):
            for cell in self.covers(wall.x, wall.y, wall.width, wall.height):
                before = ends.setdefault(cell, [])
                starts.setdefault(cell, []).append(wall.beat)
                before.append(max([*before[-1:], wall.beat + wall.duration]))

        def blocked(item: ColorNote | Bomb) -> bool:
            cell = (item.x, item.y)
            last = bisect_right(starts.get(cell, []), item.beat + BEAT_TOLERANCE) - 1
            return last >= 0 and ends[cell][last] >= item.beat - BEAT_TOLERANCE

        message = "expected the cell to be free, found a wall in it"
        found = [
            at_note(self.name, message, one) for one in scene.beatmap.color_notes if blocked(one)
        ]
        return found + [
            at_bomb(self.name, message, one) for one in scene.beatmap.bombs if blocked(one)
        ]


RULES: tuple[PlayabilityRule, ...] = (
    ParityBreak(),
    SwingCollision(),
    Handclap(),
    VisionBlock(),
    HammerHit(),
    Loloppe(),
    WallBlocked(),
)
"""The rules that the sampler's masks know too, in the order reports list them; the judge asks more
(`saberlm.eval.playability.ALL_RULES`)."""
