"""The playability rules over one row, compiled: what each takes off notes, bombs, walls and
positions at a tick, and what it remembers of what was placed.

Definitions and thresholds are the judge's (`saberlm.eval.playability_rules`,
`saberlm.eval.swing`); here they are counted in ticks. Functions are named as the judge's rules are;
`RowPast` is all that a row must remember, `Tables` what no row changes. What the judge and the
vocabulary say comes as arguments: compiled code is kept on disk and would not notice a change
there. Arrays are copied one number at a time: a copied row brings texts of errors along, seconds to
compile.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from saberlm.eval import playability_rules as judge
from saberlm.eval import swing
from saberlm.infer import playability_tables as tables
from saberlm.infer.playability_tables import ANY, CELLS, DIRECTIONS, HAND_NOTES, HANDS, UNKNOWN
from saberlm.prompts import vocab as v

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

LONG_AGO = -(10**8)
"""A tick before anything."""
SWING_TICKS = int((swing.SWING_BEATS + swing.BEAT_TOLERANCE) * v.TICKS_PER_BEAT)
BOMB_TICKS = int((swing.BOMB_BEATS + swing.BEAT_TOLERANCE) * v.TICKS_PER_BEAT)
HAMMER_TICKS = int((judge.HammerHit.beats + swing.BEAT_TOLERANCE) * v.TICKS_PER_BEAT)
_RING = 16
"""Ticks of bombs remembered one by one; must exceed `BOMB_TICKS`."""
_NOTES = v.SIZES["note"]
_WIDTHS, _HEIGHTS = v.MAX_WALL_WIDTH, v.MAX_WALL_HEIGHT


class Charges(NamedTuple):
    """Nats that each rule takes off; infinite where it rules out."""

    collision: float
    vision: float
    hammer: float
    wall: float
    levels: Floats  # (3,) of parity: good, borderline, broken
    moment: Floats  # (216, 216): a note for another of its moment, by whichever rule is dearer


class Tables(NamedTuple):
    """What tokens are, and which go together; see `saberlm.infer.playability_tables`."""

    level: Ints  # (2 hands, 3 expected, 9)
    after: Ints
    agrees: Bools  # (2 hands, 2 heights, 9)
    heights: Ints  # (12,)
    ranks: Ints  # (2, 12)
    pairs: Bools  # (108, 108)
    columns: Ints  # (216,)
    hides: Bools  # (2 sides, 12)
    targets: Ints  # (216,)
    covers: Bools  # (12, 4, 5, 12)
    spelled: Ints  # (V,) what a token does to the wall being spelled
    ticks: Ints  # (V,) length it adds
    note: int  # the first id of the block, as all that follow
    bomb: int
    wall: int
    width: int
    height: int
    position: int
    swing_ticks: int
    bomb_ticks: int
    hammer_ticks: int


class RowPast(NamedTuple):
    """What one row must remember."""

    swing: Ints  # (2, 4) last tick, direction of its first arrow, that arrow's tick and rank
    level: Ints  # (2, 9) verdict on each direction the hand's swing may turn out to have
    after: Ints  # (2, 9) the turn each leaves
    bombs: Ints  # (2 heights, 16) ticks of bombs in the centre columns
    older: Ints  # (2,) the last bomb before those
    now: Bools  # (2, 108) notes that the hand's last tick leaves out of its swing's path
    past: Bools  # (2, 108) the same of the swing before that tick
    moment: Ints  # (1,) tick of the newest note
    taken: Floats  # (216,) nats that the notes of that tick take off others of it
    centre: Ints  # (2 sides, newest or the one before, tick or hand)
    pointed: Ints  # (13,) when an arrow last pointed into each cell
    until: Ints  # (12,) until when each cell is behind a wall
    held: Ints  # (13,) when a note or bomb last held each cell
    wall: Ints  # (3,) the wall being spelled: cell, width, end
    walled: Bools  # (12,) the cells it will cover

    @classmethod
    def fresh(cls) -> RowPast:
        """Before anything was placed."""

        def long_ago(*shape: int) -> Ints:
            return np.full(shape, LONG_AGO, np.int64)

        turns = long_ago(HANDS, 4)
        turns[:, 1] = ANY
        return cls(
            swing=turns,
            level=np.zeros((HANDS, DIRECTIONS), np.int64),
            after=np.full((HANDS, DIRECTIONS), UNKNOWN, np.int64),
            bombs=long_ago(2, _RING),
            older=long_ago(2),
            now=np.zeros((HANDS, HAND_NOTES), bool),
            past=np.zeros((HANDS, HAND_NOTES), bool),
            moment=long_ago(1),
            taken=np.zeros(_NOTES, np.float32),
            centre=long_ago(2, 2, 2),
            pointed=long_ago(CELLS + 1),
            until=long_ago(CELLS),
            held=long_ago(CELLS + 1),
            wall=np.zeros(3, np.int64),
            walled=np.zeros(CELLS, bool),
        )


def make_tables() -> Tables:
    """The tables, asked of the judge."""
    level, after = tables.parity_levels()
    spelled = np.zeros(v.VOCAB_SIZE, np.int64)
    ticks = np.zeros(v.VOCAB_SIZE, np.int64)
    blocks = ("wall", "wall_width", "wall_height", "duration_ticks")
    for number, block in enumerate(blocks, start=1):
        spelled[list(v.block_range(block))] = number
    ticks[list(v.block_range("duration_more"))] = v.NUM_DURATION_BEATS * v.TICKS_PER_BEAT
    beats = np.arange(v.NUM_DURATION_BEATS) * v.TICKS_PER_BEAT
    ticks[list(v.block_range("duration_beats"))] = beats
    ticks[list(v.block_range("duration_ticks"))] = np.arange(v.TICKS_PER_BEAT)
    return Tables(
        level=level.numpy(),
        after=after.numpy(),
        agrees=tables.good_for_bombs().numpy(),
        heights=tables.bomb_heights().numpy(),
        ranks=np.ascontiguousarray(tables.arrow_ranks().numpy()),
        pairs=tables.swing_pairs().numpy(),
        columns=tables.centre_columns().numpy(),
        hides=tables.hidden_cells().numpy(),
        targets=tables.pointed_cells().numpy(),
        covers=tables.wall_cells().numpy(),
        spelled=spelled,
        ticks=ticks,
        note=v.OFFSETS["note"],
        bomb=v.OFFSETS["bomb"],
        wall=v.OFFSETS["wall"],
        width=v.OFFSETS["wall_width"],
        height=v.OFFSETS["wall_height"],
        position=v.OFFSETS["position"],
        swing_ticks=SWING_TICKS,
        bomb_ticks=BOMB_TICKS,
        hammer_ticks=HAMMER_TICKS,
    )


@njit(cache=True, nogil=True)
def _called_for(row: Any, t: Any, tick: int, hand: int, direction: int) -> int:
    """The turn that bombs since the hand's last swing call for: the last bomb decides, but one just
    before the swing only if the swing agrees."""
    latest = [LONG_AGO, LONG_AGO]
    for height in range(2):
        newest = row.older[height]
        for ring in range(_RING):
            at = row.bombs[height, ring]
            if t.agrees[hand, height, direction] or at < tick - t.bomb_ticks:
                newest = max(newest, at)
        if newest > row.swing[hand, 0] + t.bomb_ticks:
            latest[height] = newest
    if latest[0] == LONG_AGO and latest[1] == LONG_AGO:
        return UNKNOWN
    return 1 if latest[1] >= latest[0] else 0  # backhand after a high one


@njit(cache=True, nogil=True)
def _opening(
    row: Any, t: Any, free_ticks: int, tick: int, hand: int, direction: int
) -> tuple[int, int]:
    """Level of a direction for a swing that starts at a tick, and the turn it leaves."""
    expected = row.after[hand, row.swing[hand, 1]]
    forced = _called_for(row, t, tick, hand, direction)
    if forced != UNKNOWN:
        expected = forced
    if tick - row.swing[hand, 0] > free_ticks:
        expected = UNKNOWN
    return t.level[hand, expected, direction], t.after[hand, expected, direction]


@njit(cache=True, nogil=True)
def _hidden(row: Any, side: int, back: int, tick: int, hand: int, window: Any) -> bool:
    """Whether a note in a centre cell hides others of a hand at a tick."""
    passed = tick - row.centre[side, back, 0]
    return window[0] <= passed <= window[1] and row.centre[side, back, 1] != hand


@njit(cache=True, nogil=True)
def charge_notes(
    row: Any, t: Any, c: Any, free_ticks: int, window: Any, tick: int, out: Any
) -> None:
    """Nats off every note: `ParityBreak`, `SwingCollision`, `Loloppe`, `Handclap`, `VisionBlock`,
    `WallBlocked`; ``out`` ``(V,)`` is added to."""
    same_moment = row.moment[0] == tick
    opening = np.zeros(DIRECTIONS, np.int64)
    for hand in range(HANDS):
        gap = tick - row.swing[hand, 0]
        same = gap <= t.swing_ticks
        if not same:
            for direction in range(DIRECTIONS):
                opening[direction] = _opening(row, t, free_ticks, tick, hand, direction)[0]
        undecided = row.swing[hand, 1] == ANY
        arrow_now = row.swing[hand, 2] == tick
        for cell in range(CELLS):
            speaks = undecided or (arrow_now and t.ranks[hand, cell] < row.swing[hand, 3])
            cell_nats = np.float32(0)
            if row.until[cell] >= tick:
                cell_nats += np.float32(c.wall)
            for side in range(2):
                back = 1 if row.centre[side, 0, 0] == tick else 0
                if t.hides[side, cell] and _hidden(row, side, back, tick, hand, window):
                    cell_nats += np.float32(c.vision)
            for direction in range(DIRECTIONS):
                of_hand = cell * DIRECTIONS + direction
                value = hand * HAND_NOTES + of_hand
                nats = cell_nats
                if not same:
                    nats += c.levels[opening[direction]]
                elif speaks and direction != ANY:
                    nats += c.levels[row.level[hand, direction]]
                else:
                    nats += c.levels[0]
                if same_moment:
                    nats += row.taken[value]
                if same and (row.past[hand, of_hand] or (gap != 0 and row.now[hand, of_hand])):
                    nats += np.float32(c.collision)
                out[t.note + value] += nats


@njit(cache=True, nogil=True)
def charge_bombs_and_walls(row: Any, t: Any, c: Any, tick: int, out: Any) -> None:
    """Nats off bombs (`HammerHit`, `WallBlocked`) and off the words that spell a wall which would
    cover what the tick holds; ``out`` ``(V,)`` is added to."""
    cell, width = row.wall[0], row.wall[1]
    for other in range(CELLS):
        if tick - row.pointed[other] <= t.hammer_ticks:
            out[t.bomb + other] += np.float32(c.hammer)
        if row.until[other] >= tick:
            out[t.bomb + other] += np.float32(c.wall)
        if row.held[other] == tick:
            out[t.wall + other] += np.float32(c.wall)
    for wide in range(_WIDTHS):
        for other in range(CELLS):
            if row.held[other] == tick and t.covers[cell, wide, 0, other]:
                out[t.width + wide] += np.float32(c.wall)
                break
    for high in range(_HEIGHTS):
        for other in range(CELLS):
            if row.held[other] == tick and t.covers[cell, width, high, other]:
                out[t.height + high] += np.float32(c.wall)
                break


@njit(cache=True, nogil=True)
def rule_out_dead_ends(
    row: Any, t: Any, c: Any, window: Any, first_tick: int, notes: bool, bombs: bool, out: Any
) -> None:
    """Positions of a bar at which nothing could be placed, where only notes (if ``notes``) and
    bombs (if ``bombs``) may be: infinite in ``out`` ``(V,)``.

    Judged for a tick that opens with what is there now, which is exact for all positions that are
    still to come. A dot suits either parity, so a swing that starts there needs a cell that is
    neither hidden nor behind a wall; one that goes on needs a note that its path allows.
    """
    path = np.zeros((HANDS, CELLS), np.bool_)
    for hand in range(HANDS):
        undecided = row.swing[hand, 1] == ANY
        for of_hand in range(HAND_NOTES):
            broken = undecided and np.isinf(c.levels[row.level[hand, of_hand % DIRECTIONS]])
            if not (row.past[hand, of_hand] or row.now[hand, of_hand] or broken):
                path[hand, of_hand // DIRECTIONS] = True
    for place in range(v.TICKS_PER_SEGMENT):
        tick = first_tick + place
        fits = False
        for cell in range(CELLS):
            if row.until[cell] >= tick:
                continue
            if bombs and tick - row.pointed[cell] > t.hammer_ticks:
                fits = True
            if not notes:
                continue
            for hand in range(HANDS):
                if not (tick - row.swing[hand, 0] > t.swing_ticks or path[hand, cell]):
                    continue
                for side in range(2):
                    if t.hides[side, cell] and not _hidden(row, side, 0, tick, hand, window):
                        fits = True
            if fits:
                break
        if not fits:
            out[t.position + place] = np.inf


@njit(cache=True, nogil=True)
def _place_note(row: Any, t: Any, c: Any, free_ticks: int, tick: int, value: int) -> None:
    hand, of_hand = value // HAND_NOTES, value % HAND_NOTES
    cell, direction = of_hand // DIRECTIONS, of_hand % DIRECTIONS
    gap = tick - row.swing[hand, 0]
    new = gap > t.swing_ticks
    for other in range(HAND_NOTES):
        if gap != 0:
            row.past[hand, other] = (row.past[hand, other] or row.now[hand, other]) and not new
            row.now[hand, other] = False
        row.now[hand, other] = row.now[hand, other] or t.pairs[of_hand, other]

    rank = t.ranks[hand, cell]
    undecided = row.swing[hand, 1] == ANY
    earlier = row.swing[hand, 2] == tick and rank < row.swing[hand, 3]
    if new:
        levels = np.empty((2, DIRECTIONS), np.int64)
        for other in range(DIRECTIONS):
            opened = _opening(row, t, free_ticks, tick, hand, other)
            levels[0, other], levels[1, other] = opened
        for other in range(DIRECTIONS):
            row.level[hand, other], row.after[hand, other] = levels[0, other], levels[1, other]
    if (new or undecided or earlier) and direction != ANY:
        row.swing[hand, 1], row.swing[hand, 2], row.swing[hand, 3] = direction, tick, rank
    elif new:
        row.swing[hand, 1], row.swing[hand, 2], row.swing[hand, 3] = ANY, LONG_AGO, LONG_AGO
    row.swing[hand, 0] = tick

    same = row.moment[0] == tick
    for other in range(_NOTES):
        before = row.taken[other] if same else np.float32(0)
        row.taken[other] = max(before, c.moment[value, other])
    row.moment[0] = tick

    side = t.columns[value]
    if side < 2:
        row.centre[side, 1, 0], row.centre[side, 1, 1] = (
            row.centre[side, 0, 0],
            row.centre[side, 0, 1],
        )
        row.centre[side, 0, 0], row.centre[side, 0, 1] = tick, hand
    row.pointed[t.targets[value]] = tick
    row.held[cell] = tick


@njit(cache=True, nogil=True)
def place(row: Any, t: Any, c: Any, free_ticks: int, tick: int, token: int) -> None:
    """One token is said; ``tick`` is where its row is after it."""
    if t.note <= token < t.note + _NOTES:
        _place_note(row, t, c, free_ticks, tick, token - t.note)
    elif t.bomb <= token < t.bomb + CELLS:
        cell = token - t.bomb
        row.held[cell] = tick
        height = t.heights[cell]
        if height < 2:
            slot = tick % _RING
            dropped = row.bombs[height, slot]
            if dropped != tick:
                row.older[height] = max(row.older[height], dropped)
            row.bombs[height, slot] = tick
    kind = t.spelled[token]
    row.wall[2] += t.ticks[token]
    if kind == 1:
        row.wall[0], row.wall[2] = token - t.wall, tick
    elif kind == 2:
        row.wall[1] = token - t.width
    elif kind == 3:
        # the cells are known with the height and count once the length is said, and only then: a
        # chain's length is spelled with the same tokens
        for cell in range(CELLS):
            row.walled[cell] = t.covers[row.wall[0], row.wall[1], token - t.height, cell]
    elif kind == 4:
        for cell in range(CELLS):
            if row.walled[cell]:
                row.until[cell] = max(row.until[cell], row.wall[2])
        row.walled[:] = False
