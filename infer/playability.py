"""The second, optional layer of constraints: keep what is sampled playable.

The rules are the judge's (`saberlm.eval.playability_rules`). ``strict`` rules out every token that
breaks one, and every position at which nothing could then be placed; ``soft`` makes it so many nats
less likely; ``off`` leaves the model alone. Never on in training, and quality is reported without
it too. A row costs a few microseconds a token on the host, where tokens are drawn. The tempo is
constant, as it is while generating.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from saberlm.eval import playability_rules as judge
from saberlm.eval.swing import RESET_SECONDS, SECONDS_TOLERANCE
from saberlm.infer import playability_rules as rules
from saberlm.infer.playability_rules import Bools, Charges, Floats, RowPast, Tables
from saberlm.infer.playability_tables import NOTES, moment_pairs
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


@lru_cache(maxsize=1)
def _tables() -> Tables:
    return rules.make_tables()


@lru_cache(maxsize=2)
def _charges(mode: str) -> Charges:
    nats = _nats(mode)
    moment = np.zeros((NOTES, NOTES), np.float32)
    for name, pairs in moment_pairs().items():
        moment = np.maximum(moment, np.where(pairs.numpy(), nats[name], 0.0)).astype(np.float32)
    levels = [0.0, BORDERLINE_PENALTY, nats[judge.ParityBreak.name]]
    return Charges(
        collision=nats[judge.SwingCollision.name],
        vision=nats[judge.VisionBlock.name],
        hammer=nats[judge.HammerHit.name],
        wall=nats[judge.WallBlocked.name],
        levels=np.array(levels, np.float32),
        moment=moment,
    )


_CHARGED = np.zeros(v.VOCAB_SIZE, bool)
for _block in ("note", "bomb", "wall", "wall_width", "wall_height"):
    _CHARGED[list(v.block_range(_block))] = True
_PLACED = _CHARGED.copy()
for _block in ("duration_more", "duration_beats", "duration_ticks"):
    _PLACED[list(v.block_range(_block))] = True


class RowPlayability:
    """What playability takes off one row's tokens.

    Args:
        mode: ``soft`` or ``strict``.
        bpm: tempo of the row's grid.
        difficulty: for the time it takes to read a note.

    Raises:
        ValueError: another mode (for ``off`` none is made).
    """

    charged = _CHARGED
    """``(V,)`` bool: tokens that anything may be taken off, positions in ``strict`` aside."""

    def __init__(self, mode: str, bpm: float, difficulty: str) -> None:
        if mode not in ("soft", "strict"):
            raise ValueError(f"a playability mask must be soft or strict, found {mode!r}")
        self.strict = mode == "strict"
        self._charges, self._tables = _charges(mode), _tables()
        tick_seconds = 60 / (bpm * v.TICKS_PER_BEAT)
        self._free_ticks = math.floor((RESET_SECONDS + SECONDS_TOLERANCE) / tick_seconds)
        first, last = judge.VisionBlock.windows[difficulty]
        self._window = np.array(
            [
                math.ceil((first - SECONDS_TOLERANCE) / tick_seconds),
                math.floor((last + SECONDS_TOLERANCE) / tick_seconds),
            ]
        )
        self._past = RowPast.fresh()
        self._base = np.zeros(v.VOCAB_SIZE, np.float32)
        if self.strict:
            for block in UNPLAYABLE_BLOCKS:
                self._base[list(v.block_range(block))] = np.inf
        self._bar_tick = 0
        self._choices: tuple[bool, bool] | None = None

    def open_bar(self, first_tick: int, forbidden: Bools) -> None:
        """A bar begins; once a bar, before its first token.

        Args:
            first_tick: of the bar, in ticks of the song.
            forbidden: tokens the request rules out in it, ``(V,)``. Where they leave nothing but
                notes and bombs, ``strict`` must look ahead.
        """
        self._bar_tick = first_tick
        self._choices = None

        def some(*blocks: str) -> bool:
            return not all(forbidden[list(v.block_range(block))].all() for block in blocks)

        if self.strict and not some(*_FREE_BLOCKS):
            self._choices = (some("note"), some("bomb"))

    def penalties(self, tick: int) -> Floats:
        """What to take off each token's log-probability, ``(V,)`` float32, 0 or more; infinite for
        what is ruled out.

        Args:
            tick: where the row is, in ticks of the song: the last position said.
        """
        out = self._base.copy()
        past, fixed, charges = self._past, self._tables, self._charges
        rules.charge_notes(past, fixed, charges, self._free_ticks, self._window, tick, out)
        rules.charge_bombs_and_walls(past, fixed, charges, tick, out)
        if self._choices is not None:
            rules.rule_out_dead_ends(
                past, fixed, charges, self._window, self._bar_tick, *self._choices, out
            )
        return out

    def place(self, token: int, tick: int) -> None:
        """One token was drawn; ``tick`` is where the row is after it, in ticks of the song."""
        if _PLACED[token]:
            rules.place(self._past, self._tables, self._charges, self._free_ticks, tick, token)

    def give(self, tokens: Sequence[int], first_tick: int) -> None:
        """A bar that stands as it is, its first tick in ticks of the song."""
        positions, tick = v.block_range("position"), first_tick
        for token in tokens:
            if token in positions:
                tick = first_tick + token - positions.start
            self.place(token, tick)


class PlayabilityMask:
    """`RowPlayability` for a batch of rows, over tensors.

    Args:
        mode: ``soft`` or ``strict``.
        bpm: tempo of each row's grid, ``(B,)``.
        difficulties: each row's difficulty.
        device: where penalties are wanted.

    Raises:
        ValueError: another mode.
    """

    def __init__(
        self, mode: str, bpm: Tensor, difficulties: Sequence[str], device: torch.device
    ) -> None:
        self.device = device
        self.rows = [
            RowPlayability(mode, float(tempo), name)
            for tempo, name in zip(bpm.double().tolist(), difficulties, strict=True)
        ]
        if mode not in ("soft", "strict"):
            raise ValueError(f"a playability mask must be soft or strict, found {mode!r}")

    def open_bar(self, first_tick: int, forbidden: Tensor) -> None:
        """A bar begins in all rows; ``forbidden`` ``(B, V)`` bool, see `RowPlayability`."""
        for row, ruled_out in zip(self.rows, forbidden.cpu().numpy(), strict=True):
            row.open_bar(first_tick, ruled_out)

    def penalties(self, tick: Tensor) -> Tensor:
        """What to take off each row's tokens ``(B, V)``; ``tick`` ``(B,)`` in ticks of the song."""
        taken = [row.penalties(at) for row, at in zip(self.rows, tick.tolist(), strict=True)]
        return torch.from_numpy(np.stack(taken)).to(self.device)

    def place(self, token: Tensor, tick: Tensor, live: Tensor) -> None:
        """One token a row was drawn; ``token``, ``tick``, ``live`` (rows that count) ``(B,)``."""
        said = zip(self.rows, token.tolist(), tick.tolist(), live.tolist(), strict=True)
        for row, one, at, counts in said:
            if counts:
                row.place(one, at)

    def give(self, bars: Sequence[Sequence[int]], first_tick: int) -> None:
        """Bars that stand as they are, one a row; empty for a row whose bar is still to be made."""
        for row, tokens in zip(self.rows, bars, strict=True):
            row.give(tokens, first_tick)

    def select(self, rows: list[int] | Tensor) -> None:
        """Keep some rows, in the order given, when others leave the batch."""
        self.rows = [self.rows[int(row)] for row in rows]


def check_difficulty(name: str | None) -> str:
    """The difficulty whose reading times a row is held to: its own, or the strictest's."""
    return name if name in DIFFICULTIES else DIFFICULTIES[0]
