"""The grammar over tensors, and what a request forbids on top of it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import NUM_COLUMNS
from saberlm.prompts.grammar import Grammar
from saberlm.prompts.header import Conditions

LIGHT_BLOCKS = ("boost", "light", "laser", "brightness")
ARC_BLOCKS = ("arc_start",)
FULL_WALL_HEIGHT = 5


class GrammarMask:
    """The map grammar over device tensors; see `saberlm.prompts.grammar`."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

        def change(table: np.ndarray) -> Tensor:
            wide = table.astype(np.int64) if table.dtype == np.int16 else table
            return torch.from_numpy(wide).to(device)

        self.grammar = Grammar().convert(change)

    def start(self, batch: int) -> Tensor:
        """States of a batch at its first bar, ``(B, 8)``."""
        return torch.from_numpy(Grammar.start(batch)).to(torch.int64).to(self.device)

    def allowed(self, state: Tensor) -> Tensor:
        """``(B, V)`` bool."""
        return self.grammar.allowed(state)

    def step(self, state: Tensor, token: Tensor) -> Tensor:
        """States after one token a row."""
        return self.grammar.step(state, token)


def withheld_in_v2(*, brightness: bool) -> frozenset[int]:
    """Ids of what format 2 has no place for: angles of notes, walls other than full ones (crouch
    walls go with them: whether a wall's height fits hangs on its row), and lights' brightness where
    the file does not state it."""
    blocks = ["angle", *([] if brightness else ["brightness"])]
    walls = [i for i in v.block_range("wall") if i - v.OFFSETS["wall"] >= NUM_COLUMNS]
    heights = [*v.block_range("wall_height")][: FULL_WALL_HEIGHT - 1]
    return frozenset([*_ids(*blocks), *walls, *heights])


def _ids(*blocks: str) -> list[int]:
    return [i for block in blocks for i in v.block_range(block)]


def forbidden_tokens(
    conditions: Conditions, *, last_bars: bool = False, lights_only: bool = False
) -> Tensor:
    """Ids a request rules out, ``(V,)`` bool: what its header says is off, tempo changes (the grid
    is given), map specials.

    Args:
        conditions: flags that are False forbid; unknown ones do not.
        last_bars: near the end no arc may start, since it could not be closed.
        lights_only: everything but lights is given.
    """
    out = torch.zeros(v.VOCAB_SIZE, dtype=torch.bool)
    # the grid is given, and what lasts longer than 64 beats is a model's slip, not a mapper's wish
    out[_ids("tempo", "digit", "duration_more")] = True
    out[[v.END_MAP, v.AUDIO]] = True
    if lights_only:
        out[_ids("note", "bomb", "wall")] = True  # the rest hangs on these
    blocks = ["free"]  # chains need a head note, and ranked maps have their arcs on notes
    if conditions.lights is False:
        blocks += LIGHT_BLOCKS
    if conditions.arcs is False or last_bars:
        blocks += ARC_BLOCKS
    if conditions.chains is False:
        blocks += ["chain"]
    if conditions.bombs is False:
        blocks += ["bomb"]
    if conditions.walls is False:
        blocks += ["wall"]
    out[_ids(*blocks)] = True
    return out
