"""The second, optional layer of constraints: keep what is sampled playable.

The rules are the judge's (`saberlm.eval.playability_rules`). ``strict`` rules out every token that
breaks one, and every position at which nothing could then be placed; ``soft`` makes it so many nats
less likely; ``off`` leaves the model alone. Never on in training, and quality is reported without
it too. Everything is kept as tensors of a batch's rows on the device, and no token waits for the
device. The tempo is constant, as it is while generating.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from saberlm.eval import playability_rules as judge
from saberlm.eval.swing import RESET_SECONDS, SECONDS_TOLERANCE
from saberlm.infer.playability_rules import (
    SWING_TICKS,
    HammerHit,
    MomentPairs,
    ParityBreak,
    Placed,
    SwingCollision,
    VisionBlock,
    WallBlocked,
)
from saberlm.infer.playability_tables import ANY, CELLS, DIRECTIONS, HANDS, NOTES
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import DIFFICULTIES

SOFT_PENALTY = 4.0
"""Nats that ``soft`` takes off what breaks a rule: its odds fall to a fiftieth."""
VISION_PENALTY = 2.0
"""The same for vision blocks, which human maps have too (0.5 per 100 notes)."""
BORDERLINE_PENALTY = 0.7
"""Nats taken off a direction that a hand can just manage, in both modes."""
UNPLAYABLE_BLOCKS = ("angle", "tempo")
"""Ruled out by ``strict``: an arrow's angle offset is said after the arrow was judged (ranked maps
have none, `beat-saber.md` 2.2), and the tempo is given."""
_FREE_BLOCKS = ("wall", "boost", "light", "laser", "free")
"""Blocks of which something fits any tick that has just been opened."""


def _nats(mode: str) -> dict[str, float]:
    """What each rule takes off, by its name."""
    if mode == "strict":
        return dict.fromkeys((rule.name for rule in judge.RULES), math.inf)
    nats = dict.fromkeys((rule.name for rule in judge.RULES), SOFT_PENALTY)
    return {**nats, judge.VisionBlock.name: VISION_PENALTY}


class PlayabilityMask:
    """What playability takes off the tokens of a batch of rows.

    Args:
        mode: ``soft`` or ``strict``.
        bpm: tempo of each row's grid, ``(B,)``.
        difficulties: each row's difficulty, for the time it takes to read a note.
        device: where the rows' states live.

    Raises:
        ValueError: another mode (for ``off`` no mask is made).
    """

    def __init__(
        self, mode: str, bpm: Tensor, difficulties: Sequence[str], device: torch.device
    ) -> None:
        if mode not in ("soft", "strict"):
            raise ValueError(f"a playability mask must be soft or strict, found {mode!r}")
        batch = len(difficulties)
        self.strict = mode == "strict"
        self.nats = _nats(mode)
        self.device = device
        tick_seconds = 60 / (bpm.to("cpu", torch.float64) * v.TICKS_PER_BEAT)
        free = torch.floor((RESET_SECONDS + SECONDS_TOLERANCE) / tick_seconds)
        windows = torch.tensor([judge.VisionBlock.windows[name] for name in difficulties])
        windows = windows.to(torch.float64).reshape(batch, 2)
        first = torch.ceil((windows[:, 0] - SECONDS_TOLERANCE) / tick_seconds)
        last = torch.floor((windows[:, 1] + SECONDS_TOLERANCE) / tick_seconds)
        self.parity = ParityBreak(free.long().to(device))
        self.collision = SwingCollision(batch, device)
        self.moment = MomentPairs(batch, device, self.nats)
        self.vision = VisionBlock(torch.stack([first, last], 1).long().to(device))
        self.hammer = HammerHit(batch, device)
        self.walls = WallBlocked(batch, device)
        self._rows = torch.arange(batch, device=device)
        self._choices: Tensor | None = None
        self._bar_tick = 0
        self._make_tables()

    def _make_tables(self) -> None:
        notes = torch.arange(v.VOCAB_SIZE) - v.OFFSETS["note"]
        self._is_note = ((notes >= 0) & (notes < NOTES)).to(self.device)
        self._note_value = torch.where(self._is_note.cpu(), notes, 0).to(self.device)
        bombs = torch.arange(v.VOCAB_SIZE) - v.OFFSETS["bomb"]
        self._is_bomb = ((bombs >= 0) & (bombs < CELLS)).to(self.device)
        self._bomb_cell = torch.where(self._is_bomb.cpu(), bombs, 0).to(self.device)
        self._levels = torch.tensor(
            [0.0, BORDERLINE_PENALTY, self.nats[judge.ParityBreak.name]], device=self.device
        )
        base = torch.zeros(1, v.VOCAB_SIZE)
        if self.strict:
            for block in UNPLAYABLE_BLOCKS:
                base[:, list(v.block_range(block))] = math.inf
        self._base = base.to(self.device)
        self._bits = 1 << torch.arange(CELLS, device=self.device)
        self._ticks = torch.arange(v.TICKS_PER_SEGMENT, device=self.device)

    def open_bar(self, first_tick: int, forbidden: Tensor) -> None:
        """A bar begins; once a bar, before its first token.

        Args:
            first_tick: of the bar, in ticks of the song.
            forbidden: tokens the rows' requests rule out in it, ``(B, V)`` bool. Where they leave
                nothing but notes and bombs, ``strict`` must look ahead.
        """
        self._bar_tick = first_tick
        self._choices = None
        if not self.strict:
            return
        allowed = ~forbidden[:, : v.VOCAB_SIZE].to("cpu")

        def some(*blocks: str) -> Tensor:
            return allowed[:, [i for block in blocks for i in v.block_range(block)]].any(1)

        free = some(*_FREE_BLOCKS)
        if not bool(free.all()):
            self._choices = torch.stack([free, some("note"), some("bomb")], 1).to(self.device)

    def penalties(self, tick: Tensor) -> Tensor:
        """What to take off each token's log-probability, ``(B, V)`` float32, 0 or more; infinite
        for what is ruled out.

        Args:
            tick: where each row is, in ticks of the song, ``(B,)``: the last position said.
        """
        gap = self.parity.gap(tick)
        same = gap <= SWING_TICKS
        blocked = self.walls.blocked(tick)
        opening = self.parity.openings(tick)

        level = self.parity.levels_of_notes(tick, same, opening)
        notes = self._levels[level].expand(-1, HANDS, CELLS, DIRECTIONS)
        notes = notes.reshape(-1, NOTES) + self.moment.notes(tick)
        collides = self.collision.notes(gap).reshape(-1, NOTES)
        notes = notes + self._charge(collides, judge.SwingCollision.name)
        cells = self._charge(self.vision.notes(tick), judge.VisionBlock.name)
        cells = cells + self._charge(blocked, judge.WallBlocked.name)[:, None]
        by_cell = notes.view(-1, HANDS, CELLS, DIRECTIONS) + cells[..., None]

        bombs = self._charge(self.hammer.bombs(tick), judge.HammerHit.name)
        bombs = bombs + self._charge(blocked, judge.WallBlocked.name)

        out = self._base.repeat(len(tick), 1)
        self._put(out, "note", by_cell.reshape(-1, NOTES))
        self._put(out, "bomb", bombs)
        for block, covers in zip(
            ("wall", "wall_width", "wall_height"), self.walls.walls(tick), strict=True
        ):
            self._put(out, block, self._charge(covers, judge.WallBlocked.name))
        if self._choices is not None:
            self._put(out, "position", torch.where(self._dead_ends(), math.inf, 0.0))
        return out

    def place(self, token: Tensor, tick: Tensor, live: Tensor) -> None:
        """One token a row was drawn.

        Args:
            token: ids, ``(B,)``.
            tick: where each row is after it, in ticks of the song, ``(B,)``.
            live: rows whose token counts, ``(B,)`` bool.
        """
        note = self._is_note[token] & live
        bomb = self._is_bomb[token] & live
        value = self._note_value[token]
        placed = Placed(
            token=token,
            tick=tick,
            note=note,
            note_value=value,
            hand=value // (NOTES // HANDS),
            cell=value // DIRECTIONS % CELLS,
            direction=value % DIRECTIONS,
            bomb=bomb,
            bomb_cell=self._bomb_cell[token],
        )
        rows = self._rows
        self.collision.place(placed, rows, self.parity.gap(tick))
        self.parity.place(placed, rows, self.parity.openings(tick))
        self.moment.place(placed)
        self.vision.place(placed, rows)
        self.hammer.place(placed, rows)
        self.walls.place(placed, rows, live)

    def give(self, bars: Sequence[Sequence[int]], first_tick: int) -> None:
        """Bars that stand as they are: place all their tokens.

        Args:
            bars: each row's tokens; empty for a row whose bar is still to be made.
            first_tick: of the bar, in ticks of the song.
        """
        positions = v.block_range("position")
        ticks = [first_tick] * len(bars)
        for index in range(max((len(bar) for bar in bars), default=0)):
            said = [bar[index] if index < len(bar) else v.PAD for bar in bars]
            for row, token in enumerate(said):
                if token in positions:
                    ticks[row] = first_tick + token - positions.start
            token, tick = torch.tensor([said, ticks], device=self.device)
            self.place(token, tick, token != v.PAD)

    def select(self, rows: list[int] | Tensor) -> None:
        """Keep some rows, in the order given, when others leave the batch."""
        index = torch.as_tensor(rows, device=self.device)
        for state in (
            self.parity,
            self.collision,
            self.moment,
            self.vision,
            self.hammer,
            self.walls,
        ):
            state.select(index)
        self._rows = torch.arange(len(index), device=self.device)
        self._choices = None if self._choices is None else self._choices[index]

    def _dead_ends(self) -> Tensor:
        """Positions of the bar at which a row could place nothing, ``(B, 192)`` bool.

        Judged for a tick that opens with what is there now, which is exact for all positions that
        are still to come. A dot suits either parity, so a swing that starts there needs a cell that
        is neither hidden nor behind a wall; one that goes on needs a note that its path allows.
        """
        assert self._choices is not None
        ticks = (self._bar_tick + self._ticks)[None].expand(len(self._rows), -1)
        free_cells = self._cell_bits(~self.walls.ahead(ticks), 1)  # (B, P), a bit a cell
        collides = self.collision.row_past | self.collision.row_now
        undecided = self.parity.row_swing[..., 1, None] == ANY
        breaks = undecided & torch.isinf(self._levels[self.parity.row_level])  # (B, 2, 9)
        path = ~(collides.view(-1, HANDS, CELLS, DIRECTIONS) | breaks[:, :, None])
        path_cells = self._cell_bits(path.any(3), 2)  # (B, 2)
        new = ticks[:, None] - self.parity.row_swing[..., :1] > SWING_TICKS  # (B, 2, P)
        cells = torch.where(new, free_cells[:, None], free_cells[:, None] & path_cells[..., None])
        sides = self._cell_bits(self.vision.hides, 1)[:, None]  # (2, 1)
        seen = ((cells[:, :, None] & sides) != 0) & ~self.vision.ahead(ticks)
        note = seen.flatten(1, 2).any(1)
        bomb = (free_cells & self._cell_bits(~self.hammer.ahead(ticks), 1)) != 0
        free, notes, bombs = self._choices[..., None].unbind(1)
        return ~(free | (note & notes) | (bomb & bombs))

    def _cell_bits(self, cells: Tensor, axis: int) -> Tensor:
        """Cells along an axis as the bits of one number."""
        shape = [1] * cells.dim()
        shape[axis] = CELLS
        return torch.where(cells, self._bits.view(shape), 0).sum(axis)

    def _charge(self, broken: Tensor, rule: str) -> Tensor:
        return torch.where(broken, self.nats[rule], 0.0)

    @staticmethod
    def _put(out: Tensor, block: str, values: Tensor) -> None:
        first = v.OFFSETS[block]
        out[:, first : first + v.SIZES[block]] = values


def check_difficulty(name: str | None) -> str:
    """The difficulty whose reading times a row is held to: its own, or the strictest's."""
    return name if name in DIFFICULTIES else DIFFICULTIES[0]
