"""What the playability masks look up by token: cells, directions, and which pairs of notes hurt.

The tables are asked of the judge's own rules (`saberlm.eval.playability_rules`), once a process, so
masks and judge hold to one definition.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from saberlm.eval.playability_geometry import DIRECTION_ANGLES, Cut, next_cell
from saberlm.eval.playability_rules import Handclap, Loloppe, SwingCollision, VisionBlock
from saberlm.eval.playability_rules import WallBlocked as WallRule
from saberlm.eval.swing import BORDERLINE, GOOD, Parity
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import NUM_COLUMNS, NUM_ROWS, CutDirection

HANDS = 2
CELLS = NUM_COLUMNS * NUM_ROWS
DIRECTIONS = 9
NOTES = v.SIZES["note"]
HAND_NOTES = NOTES // HANDS
ANY = int(CutDirection.ANY)
UNKNOWN = 2
"""The turn of a hand whose opening swings suit both parities."""
GOOD_LEVEL, BORDERLINE_LEVEL, BROKEN_LEVEL = range(3)


def _cuts() -> list[Cut]:
    """The cut of every note of one hand, in the order of the vocabulary."""
    cuts = []
    for value in range(HAND_NOTES):
        _, y, x, direction = v.note_parts(value)
        cuts.append(Cut(x, y, None if direction == ANY else DIRECTION_ANGLES[direction]))
    return cuts


def _pairs(breaks: Callable[[Cut, Cut], bool]) -> Tensor:
    """``(108, 108)`` bool: whether the first note and the second break a rule."""
    cuts = _cuts()
    return torch.tensor([[breaks(first, second) for second in cuts] for first in cuts])


@lru_cache(maxsize=1)
def swing_pairs() -> Tensor:
    """Pairs of one hand's notes, the second later in the same swing, that collide, ``(108,
    108)``."""
    return _pairs(SwingCollision().off_path)


@lru_cache(maxsize=1)
def moment_pairs() -> dict[str, Tensor]:
    """Pairs of notes of one moment that break a rule, ``(216, 216)`` each, by the rule's name."""
    collision, loloppe = _pairs(SwingCollision().apart), _pairs(Loloppe().parallel)
    clap = _pairs(Handclap().clap)
    none = torch.zeros_like(clap)
    return {
        SwingCollision.name: torch.block_diag(collision, collision).bool(),
        Loloppe.name: torch.block_diag(loloppe, loloppe).bool(),
        Handclap.name: torch.cat([torch.cat([none, clap], 1), torch.cat([clap.T, none], 1)]),
    }


def parity_levels() -> tuple[Tensor, Tensor]:
    """How a direction suits a hand's turn, and whose turn is next, ``(2, 3, 9)`` each: by hand,
    expected parity (or `UNKNOWN`) and direction."""
    level = torch.zeros(HANDS, 3, DIRECTIONS, dtype=torch.long)
    after = torch.full((HANDS, 3, DIRECTIONS), UNKNOWN)
    for hand in range(HANDS):
        for direction in range(DIRECTIONS):
            suits = [parity for parity in Parity if direction in GOOD[hand][parity]]
            if len(suits) == 1:
                after[hand, UNKNOWN, direction] = int(suits[0].other())
            for expected in Parity:
                if direction in GOOD[hand][expected]:
                    level[hand, expected, direction] = GOOD_LEVEL
                elif direction in BORDERLINE[hand][expected]:
                    level[hand, expected, direction] = BORDERLINE_LEVEL
                else:  # the judge counts an error and lets the hand try again
                    level[hand, expected, direction] = BROKEN_LEVEL
                    after[hand, expected, direction] = int(expected)
                    continue
                after[hand, expected, direction] = int(expected.other())
    return level, after


def good_for_bombs() -> Tensor:
    """``(2, 2, 9)`` bool: by hand and height of a bomb (low, high), the directions that agree with
    the turn it calls for."""
    out = torch.zeros(HANDS, 2, DIRECTIONS, dtype=torch.bool)
    for hand in range(HANDS):
        for height, parity in enumerate((Parity.FOREHAND, Parity.BACKHAND)):
            out[hand, height, list(GOOD[hand][parity])] = True
    return out


def bomb_heights() -> Tensor:
    """``(12,)``: which reset a bomb in a cell calls for, 0 low, 1 high, 2 none."""
    return torch.tensor(
        [
            {0: 0, 2: 1}.get(cell // NUM_COLUMNS, 2) if cell % NUM_COLUMNS in (1, 2) else 2
            for cell in range(CELLS)
        ]
    )


def arrow_ranks() -> Tensor:
    """``(2, 12)``: by hand and cell, which of a moment's arrows speaks for the swing, lowest first
    (`saberlm.eval.swing.note_order`)."""
    columns = [[NUM_COLUMNS - 1 - cell % NUM_COLUMNS, cell % NUM_COLUMNS] for cell in range(CELLS)]
    rows = torch.arange(CELLS) // NUM_COLUMNS * NUM_COLUMNS
    return rows + torch.tensor(columns).T


def pointed_cells() -> Tensor:
    """``(216,)``: the cell a note's arrow points into, `CELLS` for none."""
    cells = [next_cell(cut) for cut in _cuts()]
    one_hand = [CELLS if cell is None else cell[1] * NUM_COLUMNS + cell[0] for cell in cells]
    return torch.tensor(one_hand * HANDS)


def centre_columns() -> Tensor:
    """``(216,)``: 0 or 1 for a note in the left or right centre cell, 2 for any other."""
    out = []
    for cut in _cuts():
        central = cut.y == VisionBlock.centre_row and cut.x in VisionBlock.centre_columns
        out.append(VisionBlock.centre_columns.index(cut.x) if central else 2)
    return torch.tensor(out * HANDS)


def hidden_cells() -> Tensor:
    """``(2, 12)`` bool: the cells that each centre column's note hides; together all, once."""
    return torch.tensor(
        [
            [VisionBlock.hides(column, cell % NUM_COLUMNS) for cell in range(CELLS)]
            for column in VisionBlock.centre_columns
        ]
    )


def wall_cells() -> Tensor:
    """``(12, 4, 5, 12)`` bool: the cells a wall covers, by its own cell, width - 1, height - 1."""
    out = torch.zeros(CELLS, v.MAX_WALL_WIDTH, v.MAX_WALL_HEIGHT, CELLS, dtype=torch.bool)
    for cell in range(CELLS):
        for width in range(v.MAX_WALL_WIDTH):
            for height in range(v.MAX_WALL_HEIGHT):
                for x, y in WallRule.covers(
                    cell % NUM_COLUMNS, cell // NUM_COLUMNS, width + 1, height + 1
                ):
                    out[cell, width, height, y * NUM_COLUMNS + x] = True
    return out
