"""Streams drawn from random logits under the grammar, no model: what the constraints alone promise.

Every row has a taste of its own (which kinds of token it likes, how far it jumps), drawn from its
seed, so that the streams reach dense and sparse, bomb- and wall-heavy corners which flat logits
hardly ever do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from saberlm.infer.constraints import GrammarMask
from saberlm.infer.playability import PlayabilityMask
from saberlm.prompts import vocab as v

_KINDS = tuple(name for name, _ in v.BLOCKS)


@dataclass(frozen=True)
class RandomStreams:
    """How random streams are drawn.

    Attributes:
        bars: of each stream.
        mode: playability mode, ``off`` for the grammar alone.
        max_bar_tokens: a bar that reaches so many is closed as soon as it may be.
    """

    bars: int
    mode: str = "strict"
    max_bar_tokens: int = 120


def draw_streams(
    how: RandomStreams,
    seeds: Sequence[int],
    bpm: Sequence[float],
    difficulties: Sequence[str],
    forbidden: Tensor,
    grammar: GrammarMask | None = None,
) -> list[list[list[int]]]:
    """Draw one stream a seed, in one batch.

    Args:
        how: length and mode.
        seeds: one a row; a row's stream depends on its seed and not on its neighbours.
        bpm: tempo of each row's grid.
        difficulties: of each row.
        forbidden: tokens ruled out for each row, ``(B, V)`` bool.
        grammar: made already, to save its tables' making.

    Returns:
        The rows' bars of tokens, ``</seg>`` excluded.

    Raises:
        RuntimeError: constraints left a row nothing to say, which they must not.
    """
    device = torch.device("cpu")
    grammar = grammar or GrammarMask(device)
    batch = len(seeds)
    random = [torch.Generator().manual_seed(seed) for seed in seeds]
    taste = torch.stack([_taste(one) for one in random])
    reach = torch.stack([2.0 ** (6 * torch.rand(1, generator=one)) for one in random])  # ticks
    mask = None
    if how.mode != "off":
        mask = PlayabilityMask(
            how.mode, torch.tensor(bpm, dtype=torch.float64), difficulties, device
        )
    state = grammar.start(batch)
    streams: list[list[list[int]]] = [[] for _ in range(batch)]
    ticks = torch.arange(v.TICKS_PER_SEGMENT)
    for bar in range(how.bars):
        start = bar * v.TICKS_PER_SEGMENT
        if mask is not None:
            mask.open_bar(start, forbidden)
        for stream in streams:
            stream.append([])
        live = torch.ones(batch, dtype=torch.bool)
        said = 0
        while live.any():
            logits = taste.clone()
            for row in torch.nonzero(live)[:, 0].tolist():
                logits[row] += torch.randn(v.VOCAB_SIZE, generator=random[row])
            ahead = (ticks - state[:, 1:2]).clamp(min=0)
            first = v.OFFSETS["position"]
            logits[:, first : first + len(ticks)] -= ahead / reach
            legal = grammar.allowed(state) & ~forbidden
            if said >= how.max_bar_tokens:
                closing = legal[:, v.END_SEG].clone()
                legal[closing] = False
                legal[closing, v.END_SEG] = True
                legal[:, v.token_id("duration_more", 0)] = False
            logits = logits.masked_fill(~legal, -torch.inf)
            if mask is not None:
                logits = logits - mask.penalties(state[:, 1] + start)
            if not torch.isfinite(logits[live].amax(1)).all():
                raise RuntimeError("the constraints left a row nothing to say")
            token = torch.where(live, logits.argmax(1), v.END_SEG)
            stepped = grammar.step(state, token)
            state = torch.where(live[:, None], stepped, state)
            going = live & (token != v.END_SEG)
            if mask is not None:
                mask.place(token, state[:, 1] + start, going)
            for stream, one, on in zip(streams, token.tolist(), going.tolist(), strict=True):
                if on:
                    stream[-1].append(one)
            live = going
            said += 1
        state = grammar.step(state, torch.full((batch,), v.SEG))
        state = grammar.step(state, torch.full((batch,), v.AUDIO))
    return streams


def _taste(random: torch.Generator) -> Tensor:
    """A row's liking for each kind of token, ``(V,)``."""
    liking = 2.5 * torch.randn(len(_KINDS), generator=random)
    out = torch.cat([liking[i].expand(size) for i, (_, size) in enumerate(v.BLOCKS)]).clone()
    out[v.token_id("duration_more", 0)] = -3.0  # or a wall's length alone would fill bars
    out[v.END_SEG] = -1.0 - 3 * torch.rand(1, generator=random).item()
    return out
