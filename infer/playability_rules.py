"""The playability rules as masks over tokens, one class a rule, named as the judge's are.

Each holds what it must remember of the rows' past as tensors on the device, says what it takes off
notes or bombs at a tick, and is told what was placed. Definitions and thresholds are the judge's
(`saberlm.eval.playability_rules`, `saberlm.eval.swing`); here they are counted in ticks. Nothing
here asks the device for a value, so no token waits for one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from saberlm.eval import playability_rules as judge
from saberlm.eval import swing
from saberlm.infer import playability_tables as tables
from saberlm.infer.playability_tables import ANY, CELLS, DIRECTIONS, HAND_NOTES, HANDS, UNKNOWN
from saberlm.prompts import vocab as v

LONG_AGO = -(10**8)
"""A tick before anything."""
SWING_TICKS = int((swing.SWING_BEATS + swing.BEAT_TOLERANCE) * v.TICKS_PER_BEAT)
BOMB_TICKS = int((swing.BOMB_BEATS + swing.BEAT_TOLERANCE) * v.TICKS_PER_BEAT)
HAMMER_TICKS = int((judge.HammerHit.beats + swing.BEAT_TOLERANCE) * v.TICKS_PER_BEAT)
_RING = 16
"""Ticks of bombs remembered one by one; must exceed `BOMB_TICKS`."""


@dataclass(frozen=True)
class Placed:
    """One token a row, taken apart; ``(B,)`` each. Indices are 0 where nothing of the kind came."""

    token: Tensor
    tick: Tensor
    note: Tensor  # bool
    note_value: Tensor
    hand: Tensor
    cell: Tensor  # of the note
    direction: Tensor
    bomb: Tensor  # bool
    bomb_cell: Tensor


class RowState:
    """Tensors whose first axis is the rows."""

    def select(self, rows: Tensor) -> None:
        """Keep some rows, in the order given."""
        for name, value in vars(self).items():
            if name.startswith("row_"):
                setattr(self, name, value[rows])


class ParityBreak(RowState):
    """Whose turn each hand has, and what every direction would make of it.

    A hand's swing is summed up by the verdict on each of the nine directions it may turn out to
    have (a swing that starts with a dot takes that of its first arrow) and the turn each leaves.
    """

    def __init__(self, free_ticks: Tensor) -> None:
        batch, device = len(free_ticks), free_ticks.device
        self.row_free_ticks = free_ticks[:, None]
        # of each hand's swing: last tick, direction of its first arrow, that arrow's tick and rank
        self.row_swing = torch.full((batch, HANDS, 4), LONG_AGO, device=device)
        self.row_swing[..., 1] = ANY
        self.row_level = torch.zeros(batch, HANDS, DIRECTIONS, dtype=torch.long, device=device)
        self.row_after = torch.full_like(self.row_level, UNKNOWN)
        # ticks of low and high bombs in the centre columns; the third takes all others
        self.row_bombs = torch.full((batch, 3, _RING), LONG_AGO, device=device)
        self.row_older = torch.full((batch, 3), LONG_AGO, device=device)
        level, after = tables.parity_levels()
        self.levels = level.to(device).reshape(-1)
        self.afters = after.to(device).reshape(-1)
        hand = torch.arange(HANDS, device=device)[:, None] * 3 * DIRECTIONS
        self.base = hand + torch.arange(DIRECTIONS, device=device)  # index of expected = 0
        self.agrees = tables.good_for_bombs().to(device)
        self.heights = tables.bomb_heights().to(device)
        self.ranks = tables.arrow_ranks().to(device)
        self.is_arrow = torch.arange(DIRECTIONS, device=device) != ANY

    def gap(self, tick: Tensor) -> Tensor:
        """Ticks since each hand's last note, ``(B, 2)``."""
        return tick[:, None] - self.row_swing[..., 0]

    def openings(self, tick: Tensor) -> tuple[Tensor, Tensor]:
        """Level of each direction for a swing that starts at a tick, and the turn it leaves,
        ``(B, 2, 9)`` each."""
        gap = self.gap(tick)
        expected = self.row_after.gather(2, self.row_swing[..., 1:2])  # (B, 2, 1)
        forced = self._forced(tick)
        expected = torch.where(forced == UNKNOWN, expected, forced)
        expected = torch.where((gap > self.row_free_ticks)[..., None], UNKNOWN, expected)
        index = self.base + expected * DIRECTIONS
        return self.levels[index], self.afters[index]

    def _forced(self, tick: Tensor) -> Tensor:
        """The turn that bombs since each hand's last swing call for, by direction, ``(B, 2, 9)``:
        the last bomb decides, but one just before the swing only if the swing agrees."""
        ring, older = self.row_bombs[:, :2], self.row_older[:, :2]
        latest = torch.maximum(ring.amax(2), older)[:, None, :, None]  # (B, 1, 2 heights, 1)
        not_soon = ring < tick[:, None, None] - BOMB_TICKS
        settled = torch.maximum(ring.where(not_soon, LONG_AGO).amax(2), older)[:, None, :, None]
        counted = torch.where(self.agrees, latest, settled)  # (B, 2 hands, 2 heights, 9)
        counts = counted > self.row_swing[..., 0, None, None] + BOMB_TICKS
        counted = counted.where(counts, LONG_AGO)
        low, high = counted[:, :, 0], counted[:, :, 1]
        parity = (high >= low).long()  # 0 forehand after a low bomb, 1 backhand after a high one
        return parity.where(counts.any(2), UNKNOWN)

    def levels_of_notes(self, tick: Tensor, same: Tensor, opening: tuple[Tensor, Tensor]) -> Tensor:
        """Level of each note at a tick, broadcastable to ``(B, 2, 12, 9)``; ``same`` ``(B, 2)``
        marks hands whose swing goes on."""
        direction = self.row_swing[..., 1, None, None]
        same_moment = (self.row_swing[..., 2] == tick[:, None])[..., None, None]
        ahead = self.ranks[..., None] < self.row_swing[..., 3, None, None]
        speaks = ((direction == ANY) | (same_moment & ahead)) & self.is_arrow
        going_on = self.row_level[:, :, None] * speaks
        return torch.where(same[..., None, None], going_on, opening[0][:, :, None])

    def place(self, placed: Placed, rows: Tensor, opening: tuple[Tensor, Tensor]) -> None:
        """A note starts or joins its hand's swing; a bomb may call for a reset."""
        hand, tick, note = placed.hand, placed.tick, placed.note
        before = self.row_swing[rows, hand]
        new = tick - before[:, 0] > SWING_TICKS
        rank = self.ranks[hand, placed.cell]
        first = new | (before[:, 1] == ANY) | ((before[:, 2] == tick) & (rank < before[:, 3]))
        first = first & (placed.direction != ANY)
        arrow = torch.stack([tick, placed.direction, tick, rank], 1)
        none = torch.full_like(arrow, LONG_AGO)
        none[:, 1] = ANY
        after = torch.where(first[:, None], arrow, torch.where(new[:, None], none, before))
        after[:, 0] = tick
        self.row_swing[rows, hand] = torch.where(note[:, None], after, before)
        opens = (note & new)[:, None]
        for state, opened in ((self.row_level, opening[0]), (self.row_after, opening[1])):
            state[rows, hand] = torch.where(opens, opened[rows, hand], state[rows, hand])

        height = torch.where(placed.bomb, self.heights[placed.bomb_cell], 2)
        slot = tick % _RING
        dropped = self.row_bombs[rows, height, slot]
        older = self.row_older[rows, height]
        self.row_older[rows, height] = torch.where(
            dropped == tick, older, torch.maximum(older, dropped)
        )
        self.row_bombs[rows, height, slot] = tick


class SwingCollision(RowState):
    """What the notes of each hand's present swing leave for the rest of it."""

    def __init__(self, batch: int, device: torch.device) -> None:
        self.pairs = tables.swing_pairs().to(device)  # (108, 108)
        # by the notes of the hand's last tick, and by those of the swing before that tick
        self.row_now = torch.zeros(batch, HANDS, HAND_NOTES, dtype=torch.bool, device=device)
        self.row_past = torch.zeros_like(self.row_now)

    def notes(self, gap: Tensor) -> Tensor:
        """Notes that collide, ``(B, 2, 108)`` bool; those of the tick itself are
        `MomentPairs`'."""
        now = self.row_now & (gap != 0)[..., None]
        return (self.row_past | now) & (gap <= SWING_TICKS)[..., None]

    def place(self, placed: Placed, rows: Tensor, gap: Tensor) -> None:
        """Add a note to its hand's swing."""
        hand, note = placed.hand, placed.note[:, None]
        gap = gap.gather(1, hand[:, None])
        now, past = self.row_now[rows, hand], self.row_past[rows, hand]
        leaves = self.pairs[placed.note_value % HAND_NOTES]
        new_past = torch.where(gap == 0, past, (past | now) & (gap <= SWING_TICKS))
        new_now = leaves | (now & (gap == 0))
        self.row_past[rows, hand] = torch.where(note, new_past, past)
        self.row_now[rows, hand] = torch.where(note, new_now, now)


class MomentPairs(RowState):
    """What the notes of a tick leave for the rest of it: `SwingCollision`, `Loloppe` and `Handclap`
    of one moment, in one table.

    Args:
        nats: what each of the rules takes off.
    """

    def __init__(self, batch: int, device: torch.device, nats: dict[str, float]) -> None:
        table = torch.zeros(tables.NOTES, tables.NOTES)
        for name, pairs in tables.moment_pairs().items():
            table = torch.maximum(table, torch.where(pairs, nats[name], 0.0))
        self.table = table.to(device)
        self.row_tick = torch.full((batch,), LONG_AGO, device=device)
        self.row_taken = torch.zeros(batch, tables.NOTES, device=device)

    def notes(self, tick: Tensor) -> Tensor:
        """Nats taken off each note, ``(B, 216)``."""
        return torch.where((self.row_tick == tick)[:, None], self.row_taken, 0.0)

    def place(self, placed: Placed) -> None:
        """Add a note to its tick."""
        same = (self.row_tick == placed.tick)[:, None]
        taken = torch.maximum(torch.where(same, self.row_taken, 0.0), self.table[placed.note_value])
        self.row_taken = torch.where(placed.note[:, None], taken, self.row_taken)
        self.row_tick = torch.where(placed.note, placed.tick, self.row_tick)


class VisionBlock(RowState):
    """The last two notes of each centre cell: the newer may be of the tick itself.

    Args:
        windows: ``(B, 2)`` first and last tick after such a note at which it hides others.
    """

    def __init__(self, windows: Tensor) -> None:
        device = windows.device
        self.row_window = windows
        # (B, centre column, newest or the one before, tick or hand)
        self.row_centre = torch.full((len(windows), 3, 2, 2), LONG_AGO, device=device)
        self.columns = tables.centre_columns().to(device)
        self.hides = tables.hidden_cells().to(device)  # (2 sides, 12)
        self.hands = torch.arange(HANDS, device=device)[:, None]

    def notes(self, tick: Tensor) -> Tensor:
        """Cells hidden from each hand, ``(B, 2, 12)`` bool."""
        newest, before = self.row_centre[:, :2, 0], self.row_centre[:, :2, 1]
        latest = torch.where(newest[..., :1] == tick[:, None, None], before, newest)
        return (self._hidden(latest, tick[:, None]) & self.hides).any(2)

    def ahead(self, ticks: Tensor) -> Tensor:
        """Sides hidden from each hand at later ticks ``(B, P)``, if nothing is placed until then:
        ``(B, 2 hands, 2 sides, P)``."""
        return self._hidden(self.row_centre[:, :2, 0], ticks)

    def _hidden(self, latest: Tensor, ticks: Tensor) -> Tensor:
        passed = ticks[:, None] - latest[..., :1]  # (B, 2 sides, P)
        window = self.row_window[:, :, None, None]
        within = (passed >= window[:, 0]) & (passed <= window[:, 1])
        other = latest[:, None, :, 1] != self.hands  # (B, 2 hands, 2 sides)
        return within[:, None] & other[..., None]

    def place(self, placed: Placed, rows: Tensor) -> None:
        """A note in a centre cell is what the player sees first."""
        column = torch.where(placed.note, self.columns[placed.note_value], 2)
        seen = torch.stack([placed.tick, placed.hand], 1)
        newest = self.row_centre[rows, column, 0]
        self.row_centre[rows, column] = torch.stack([seen, newest], 1)


class HammerHit(RowState):
    """When an arrow last pointed into each cell."""

    def __init__(self, batch: int, device: torch.device) -> None:
        self.row_pointed = torch.full((batch, CELLS + 1), LONG_AGO, device=device)
        self.targets = tables.pointed_cells().to(device)

    def bombs(self, tick: Tensor) -> Tensor:
        """Cells where a bomb would be hit, ``(B, 12)`` bool."""
        return tick[:, None] - self.row_pointed[:, :CELLS] <= HAMMER_TICKS

    def ahead(self, ticks: Tensor) -> Tensor:
        """The same at later ticks ``(B, P)``: ``(B, 12, P)``."""
        return ticks[:, None] - self.row_pointed[:, :CELLS, None] <= HAMMER_TICKS

    def place(self, placed: Placed, rows: Tensor) -> None:
        """A note's arrow points into a cell."""
        target = torch.where(placed.note, self.targets[placed.note_value], CELLS)
        self.row_pointed[rows, target] = placed.tick


class WallBlocked(RowState):
    """Until when each cell is behind a wall, which cells this tick's notes and bombs hold, and the
    wall being spelled."""

    def __init__(self, batch: int, device: torch.device) -> None:
        self.row_until = torch.full((batch, CELLS), LONG_AGO, device=device)
        self.row_held = torch.full((batch, CELLS + 1), LONG_AGO, device=device)  # tick last held
        self.row_wall = torch.zeros(batch, 3, dtype=torch.long, device=device)  # cell, width, end
        self.row_cells = torch.zeros(batch, CELLS, dtype=torch.bool, device=device)
        self.cells = tables.wall_cells().to(device)
        kind = torch.zeros(v.VOCAB_SIZE, dtype=torch.long)  # what a token does to the wall spelled
        value = torch.zeros(v.VOCAB_SIZE, dtype=torch.long)
        ticks = torch.zeros(v.VOCAB_SIZE, dtype=torch.long)
        blocks = ("wall", "wall_width", "wall_height", "duration_ticks")
        for number, block in enumerate(blocks, start=1):
            kind[list(v.block_range(block))] = number
        for block in ("wall", "wall_width", "wall_height"):
            value[list(v.block_range(block))] = torch.arange(v.SIZES[block])
        beats = torch.arange(v.NUM_DURATION_BEATS) * v.TICKS_PER_BEAT
        ticks[list(v.block_range("duration_more"))] = v.NUM_DURATION_BEATS * v.TICKS_PER_BEAT
        ticks[list(v.block_range("duration_beats"))] = beats
        ticks[list(v.block_range("duration_ticks"))] = torch.arange(v.TICKS_PER_BEAT)
        self.kind, self.value, self.ticks = kind.to(device), value.to(device), ticks.to(device)

    def blocked(self, tick: Tensor) -> Tensor:
        """Cells behind a wall, ``(B, 12)`` bool."""
        return self.row_until >= tick[:, None]

    def ahead(self, ticks: Tensor) -> Tensor:
        """The same at later ticks ``(B, P)``: ``(B, 12, P)``."""
        return self.row_until[..., None] >= ticks[:, None]

    def walls(self, tick: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Wall cells, widths and heights that would cover a note or bomb of the tick, ``(B, 12)``,
        ``(B, 4)`` and ``(B, 5)`` bool."""
        held = self.row_held[:, :CELLS] == tick[:, None]
        cell, width = self.row_wall[:, 0], self.row_wall[:, 1]
        widths = (self.cells[cell, :, 0] & held[:, None]).any(2)
        heights = (self.cells[cell, width] & held[:, None]).any(2)
        return held, widths, heights

    def place(self, placed: Placed, rows: Tensor, live: Tensor) -> None:
        """Notes and bombs hold their cell for the tick; a wall holds its own until it ends."""
        held = torch.where(placed.note, placed.cell, CELLS)
        held = torch.where(placed.bomb, placed.bomb_cell, held)
        self.row_held[rows, held] = placed.tick

        token = placed.token
        kind, value = torch.where(live, self.kind[token], 0), self.value[token]
        cell, width, end = self.row_wall.unbind(1)
        cell = torch.where(kind == 1, value, cell)
        width = torch.where(kind == 2, value, width)
        end = torch.where(kind == 1, placed.tick, end + torch.where(live, self.ticks[token], 0))
        self.row_wall = torch.stack([cell, width, end], 1)
        # the cells are known with the height and count once the length is said, and only then: a
        # chain's length is spelled with the same tokens
        known = self.cells[cell, width, value.clamp(max=v.MAX_WALL_HEIGHT - 1)]
        self.row_cells = torch.where((kind == 3)[:, None], known, self.row_cells)
        ends = (kind == 4)[:, None] & self.row_cells
        self.row_until = torch.where(
            ends, torch.maximum(self.row_until, end[:, None]), self.row_until
        )
        self.row_cells = self.row_cells & (kind != 4)[:, None]
