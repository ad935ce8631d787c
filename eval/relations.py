"""How two cuts stand to each other: both hands at one moment, and one hand from cut to cut.

What a map holds of each cut says nothing of how its cuts go together. Mappers mostly send both
hands the same way at once, a fast hand not far, and a hand again when there is time; what share of
a map's **doubles** (a moment with notes of both hands), **moves** (from a swing of a hand to its
next), **returns** (whether a hand cuts as it did two swings ago), **answers** (whether it cuts as
the other hand, alone, just did, mirrored) and **turns** (which hands swing after which, and for how
many moments they have) is of which class is counted here. Classes do not change when a map is
mirrored. Measured over the train maps
(`python -m saberlm.scripts.relation_rates`) they ship with the package.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from saberlm.eval.note_arrays import NUM_DIRECTIONS
from saberlm.eval.playability_geometry import DIRECTION_ANGLES, turn
from saberlm.eval.swing import group_swings, note_order
from saberlm.prompts.beatmap import (
    NUM_COLUMNS,
    NUM_ROWS,
    Beatmap,
    ColorNote,
    NoteColor,
)
from saberlm.prompts.mirror import MIRRORED_DIRECTION
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.vanilla import vanilla

DIRECTIONS = ("same", "mirrored", "near", "square", "far", "opposite", "dot")
"""Of a double: both cut the same way; each other's mirror image, but not the same way; 45, 90, 135
or 180 degrees apart else; a dot among them."""
PLACES = tuple(f"{across},{up}" for across in ("crossed", 0, 1, 2, 3) for up in (0, 1, 2))
"""Of a double: columns from the left hand's note to the right one's, and rows between them."""
MOVE_SECONDS = (0.25, 0.4, 0.75)
"""Times from swing to swing that part the moves."""
TIMES = ("under .25 s", "under .4 s", "under .75 s", "longer")
DISTANCES = ("same cell", "next", "aslant", "far", "across")
"""Of a move: 0, 1, up to 1.5, up to 2.3 or more cells."""
_DISTANCE_EDGES = (0.5, 1.2, 1.5, 2.3)
RETURNS = ("cut", "direction", "neither")
"""Of a swing against the hand's last but one, or against the mirror image of the other hand's last:
the same cell and direction, the direction alone."""
HAND_SECONDS = (0.12, 0.18, 0.25, 0.4, 0.75)
"""Times from the begin of swings to that of the next that part which hands swing."""
AFTER_ONE = ("again", "other", "both")
AFTER_BOTH = ("one", "both")
"""Which hands swing after one hand, and after both."""
HAND_RUNS = 4
"""Moments in a row that the same hands have swung: 1, 2, 3, and 4 or more."""
CELLS = NUM_COLUMNS * NUM_ROWS
SHIPPED = Path(__file__).parent / "pretrained" / "style" / "relations.json"

Counts = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]


def _direction_class(left: int, right: int) -> int:
    if max(left, right) >= len(DIRECTION_ANGLES):
        return DIRECTIONS.index("dot")
    if left == right:
        return DIRECTIONS.index("same")
    if MIRRORED_DIRECTION[left] == right:
        return DIRECTIONS.index("mirrored")
    degrees = turn(DIRECTION_ANGLES[left], DIRECTION_ANGLES[right])
    return DIRECTIONS.index({45: "near", 90: "square", 135: "far", 180: "opposite"}[round(degrees)])


def _place_class(left: int, right: int) -> int:
    across = right % NUM_COLUMNS - left % NUM_COLUMNS
    up = abs(right // NUM_COLUMNS - left // NUM_COLUMNS)
    return (0 if across < 0 else across + 1) * NUM_ROWS + up


def _distance_class(first: int, then: int) -> int:
    (y, x), (to_y, to_x) = divmod(first, NUM_COLUMNS), divmod(then, NUM_COLUMNS)
    return int(np.searchsorted(_DISTANCE_EDGES, math.hypot(to_x - x, to_y - y)))


def _return_class(earlier: int, now: int) -> int:
    if earlier == now:
        return RETURNS.index("cut")
    same_way = earlier % NUM_DIRECTIONS == now % NUM_DIRECTIONS
    return RETURNS.index("direction" if same_way else "neither")


def _mirrored_cut(cell: int, direction: int) -> int:
    y, x = divmod(cell, NUM_COLUMNS)
    across = y * NUM_COLUMNS + NUM_COLUMNS - 1 - x
    return across * NUM_DIRECTIONS + MIRRORED_DIRECTION[direction]


def _table(size: int, of: Callable[[int, int], int]) -> Classes:
    return np.array([[of(a, b) for b in range(size)] for a in range(size)], np.int64)


DIRECTION_CLASS = _table(NUM_DIRECTIONS, _direction_class)
"""By the left hand's direction and the right one's, ``(9, 9)``."""
PLACE_CLASS = _table(CELLS, _place_class)
"""By the left hand's cell (row times four, and column) and the right one's, ``(12, 12)``."""
DISTANCE_CLASS = _table(CELLS, _distance_class)
"""By the cell of one cut and that of the next, ``(12, 12)``."""
RETURN_CLASS = _table(CELLS * NUM_DIRECTIONS, _return_class)
"""By an earlier cut of a hand (cell times nine, and direction) and its cut now, ``(108, 108)``."""
ANSWER_CLASS = RETURN_CLASS[
    [_mirrored_cut(cell, way) for cell in range(CELLS) for way in range(NUM_DIRECTIONS)]
]
"""By the last cut of the other hand and a hand's cut now, ``(108, 108)``."""

Moments = Sequence[tuple[float, Mapping[int, ColorNote]]]
"""Beats at which swings begin, rising, with each hand's first note."""


@dataclass(frozen=True, eq=False)
class Relations:
    """Counts by class: ``directions`` ``(7,)`` and ``places`` ``(15,)`` of doubles, ``moves`` ``(4,
    5)`` by time and distance, ``returns`` and ``answers`` ``(4, 3)`` by time, ``after_one`` ``(6,
    4, 3)`` and ``after_both`` ``(6, 4, 2)`` by time and run."""

    directions: Counts
    places: Counts
    moves: Counts
    returns: Counts
    answers: Counts
    after_one: Counts
    after_both: Counts

    def to_dict(self) -> dict[str, object]:
        """The counts by the names of their classes, as plain JSON values."""
        moves = zip(TIMES, self.moves.tolist(), strict=True)
        returns = zip(TIMES, self.returns.tolist(), strict=True)
        answers = zip(TIMES, self.answers.tolist(), strict=True)
        return {
            "double_directions": dict(zip(DIRECTIONS, self.directions.tolist(), strict=True)),
            "double_places": dict(zip(PLACES, self.places.tolist(), strict=True)),
            "moves": {time: dict(zip(DISTANCES, row, strict=True)) for time, row in moves},
            "returns": {time: dict(zip(RETURNS, row, strict=True)) for time, row in returns},
            "answers": {time: dict(zip(RETURNS, row, strict=True)) for time, row in answers},
            "after_one": dict(zip(AFTER_ONE, self.after_one.sum((0, 1)).tolist(), strict=True)),
            "after_both": dict(zip(AFTER_BOTH, self.after_both.sum((0, 1)).tolist(), strict=True)),
        }

    def metrics(self) -> dict[str, float | None]:
        """The shares that tell most, flat; None where there is nothing to count. ``double:*`` are
        of doubles by direction, ``double:goes_on`` of doubles (but the last) those that another
        follows; ``move:fast_far`` of moves in under .4 s those beyond a knight's leap,
        ``move:fast_return`` those back to the last cut but one, ``move:fast_answer`` of swings so
        soon after the other hand's those that mirror it."""
        doubles, fast = self.directions.sum(), self.moves[:2].sum()
        way = dict(zip(DIRECTIONS, self.directions.tolist(), strict=True))
        far = self.moves[:2, DISTANCES.index("across")].sum()
        again, fast_again = self.after_both.sum((0, 1)), self.returns[:2].sum()
        back = self.returns[:2, RETURNS.index("cut")].sum()
        answered, answers = self.answers[:2, RETURNS.index("cut")].sum(), self.answers[:2].sum()
        return {
            "double:same_way": way["same"] / float(doubles) if doubles else None,
            "double:opposite": way["opposite"] / float(doubles) if doubles else None,
            "double:goes_on": float(again[1] / again.sum()) if again.sum() else None,
            "move:fast_far": float(far / fast) if fast else None,
            "move:fast_return": float(back / fast_again) if fast_again else None,
            "move:fast_answer": float(answered / answers) if answers else None,
        }


def relations_of(beatmap: Beatmap, tempo: TempoMap) -> Relations:
    """Count a map's; what the unmodded game cannot play is left out."""
    playable = vanilla(beatmap)[0]
    notes = playable.color_notes
    hands = [group_swings(notes, int(color)) for color in (NoteColor.RED, NoteColor.BLUE)]
    directions, places = np.zeros(len(DIRECTIONS)), np.zeros(len(PLACES))
    right_at = {round(note.beat, 3): note for note in reversed(_in_order(notes, NoteColor.BLUE))}
    seen = set()
    for left in _in_order(notes, NoteColor.RED):
        beat = round(left.beat, 3)
        right = right_at.get(beat)
        if right is not None and beat not in seen:
            directions[DIRECTION_CLASS[left.direction, right.direction]] += 1
            places[PLACE_CLASS[_cell(left), _cell(right)]] += 1
            seen.add(beat)
    moves = np.zeros((len(TIMES), len(DISTANCES)))
    returns = np.zeros((len(TIMES), len(RETURNS)))
    for swings in hands:
        for k, (first, then) in enumerate(pairwise(swings)):
            seconds = tempo.to_seconds(then[0].beat) - tempo.to_seconds(first[-1].beat)
            time = time_class(seconds)
            moves[time, DISTANCE_CLASS[_cell(first[-1]), _cell(then[0])]] += 1
            if k:
                returns[time, RETURN_CLASS[_cut(swings[k - 1][0]), _cut(then[0])]] += 1
    begun: dict[float, dict[int, ColorNote]] = {}
    for hand, swings in enumerate(hands):
        for swing in swings:
            begun.setdefault(round(swing[0].beat, 3), {})[hand] = swing[0]
    moments = sorted(begun.items())
    answers = _answers(moments, tempo)
    return Relations(directions, places, moves, returns, answers, *_turns(moments, tempo))


def _answers(moments: Moments, tempo: TempoMap) -> Counts:
    """How a hand alone cuts after the other one alone, by time."""
    found = np.zeros((len(TIMES), len(RETURNS)))
    for (beat, before), (then, now) in pairwise(moments):
        if len(before) == len(now) == 1 and before.keys() != now.keys():
            ((_, first),), ((_, other),) = before.items(), now.items()
            time = time_class(tempo.to_seconds(then) - tempo.to_seconds(beat))
            found[time, ANSWER_CLASS[_cut(first), _cut(other)]] += 1
    return found


def _turns(moments: Moments, tempo: TempoMap) -> tuple[Counts, Counts]:
    """Which hands begin a swing after which, by time and run, after one hand and after both."""
    after_one = np.zeros((len(HAND_SECONDS) + 1, HAND_RUNS, len(AFTER_ONE)))
    after_both = np.zeros((len(HAND_SECONDS) + 1, HAND_RUNS, len(AFTER_BOTH)))
    run = 1
    for (beat, before), (then, now) in pairwise(moments):
        time = hand_time_class(tempo.to_seconds(then) - tempo.to_seconds(beat))
        if len(before) == 2:
            after_both[time, run_class(run), len(now) - 1] += 1
        else:
            again = 2 if len(now) == 2 else 0 if now.keys() == before.keys() else 1
            after_one[time, run_class(run), again] += 1
        run = run + 1 if now.keys() == before.keys() else 1
    return after_one, after_both


def _in_order(notes: Iterable[ColorNote], color: NoteColor) -> list[ColorNote]:
    return sorted((one for one in notes if one.color == color), key=note_order)


def _cell(note: ColorNote) -> int:
    return note.y * NUM_COLUMNS + note.x


def _cut(note: ColorNote) -> int:
    return _cell(note) * NUM_DIRECTIONS + note.direction


def time_class(seconds: float) -> int:
    """Which of `TIMES` a move takes."""
    return int(np.searchsorted(MOVE_SECONDS, seconds, side="right"))


def hand_time_class(seconds: float) -> int:
    """Which time between `HAND_SECONDS` it is."""
    return int(np.searchsorted(HAND_SECONDS, seconds, side="right"))


def run_class(moments: int) -> int:
    """Which of `HAND_RUNS` it is, the same hands having swung so many moments in a row."""
    return min(moments, HAND_RUNS) - 1


def write_usual_relations(path: Path, counts: Mapping[str, Relations]) -> None:
    """Write the counts of all difficulties as JSON, whole or not at all."""
    names = []
    for name, one in counts.items():
        rows = [
            f'  "{key}": {json.dumps(value.astype(int).tolist())}'
            for key, value in vars(one).items()
        ]
        names.append(f' "{name}": {{\n' + ",\n".join(rows) + "\n }")
    text = "{\n" + ",\n".join(names) + "\n}\n"
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


@cache
def usual_relations(difficulty: str, path: Path = SHIPPED) -> Relations | None:
    """What ships with the package: counts of the human maps of the train split; None for a
    difficulty that it does not know, and in a copy without the file."""
    if not path.is_file():
        return None
    data = json.loads(path.read_text(encoding="utf-8"))
    if difficulty not in data:
        return None
    return Relations(
        **{key: np.array(value, np.float64) for key, value in data[difficulty].items()}
    )
