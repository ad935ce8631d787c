"""The grammar of one row, compiled: the rules of `saberlm.prompts.grammar.Grammar` over the same
tables, token by token instead of batch by batch. A test holds the two together."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from saberlm.prompts import vocab as v
from saberlm.prompts.grammar import STATE_SIZE, STATES, Grammar

STATE, TICK, ORDER, CELLS, RED, BLUE, FRESH, COLOR, DIRECTION, CLOSED = range(STATE_SIZE)
AT_POSITION = STATES["at_position"]


class GrammarTables(NamedTuple):
    """`Grammar.tables`, and of each state the tokens that may follow it at all."""

    then: npt.NDArray[np.int16]  # (states, V)
    next_ids: npt.NDArray[np.int32]  # (states, V), the first `next_count` of each row count
    next_count: npt.NDArray[np.int64]  # (states,)
    rank: npt.NDArray[np.int32]  # (V,), as all that follow
    repeats: npt.NDArray[np.int32]
    position: npt.NDArray[np.int32]
    needs: npt.NDArray[np.int32]
    takes: npt.NDArray[np.int32]
    color: npt.NDArray[np.int32]
    turn: npt.NDArray[np.int32]
    other_way: npt.NDArray[np.int32]
    start: npt.NDArray[np.int32]
    end: npt.NDArray[np.int32]
    segment: npt.NDArray[np.int32]
    finish: npt.NDArray[np.int32]


@lru_cache(maxsize=1)
def grammar_tables() -> GrammarTables:
    """The tables, made once a process."""
    tables = dict(Grammar().tables)
    then = tables.pop("next")
    ids = np.zeros(then.shape, np.int32)
    counts = (then >= 0).sum(1)
    for state, row in enumerate(then):
        ids[state, : counts[state]] = np.nonzero(row >= 0)[0]
    return GrammarTables(then, ids, counts.astype(np.int64), **tables)


def start_state() -> npt.NDArray[np.int64]:
    """A row whose first bar's audio has been seen, ``(10,)``."""
    return Grammar.start(1)[0].astype(np.int64)


@njit(cache=True, nogil=True)
def legal_ids(s: Any, t: Any, out: Any) -> int:
    """Write the ids that may come next in rising order into ``out`` ``(V,)`` and return their
    number."""
    taken = s[RED] | s[BLUE]
    lowest_free = ~taken & (taken + 1)
    open_arcs = s[BLUE] if s[COLOR] else s[RED]
    closable = open_arcs & ~s[FRESH] & ~s[CLOSED]
    count = 0
    for i in range(t.next_count[s[STATE]]):
        token = t.next_ids[s[STATE], i]
        position, rank = t.position[token], t.rank[token]
        if 0 <= position <= s[TICK]:
            continue
        if rank > 0 and rank + t.repeats[token] <= s[ORDER]:
            continue
        if t.needs[token] & s[CELLS]:
            continue
        start, end, other_way = t.start[token], t.end[token], t.other_way[token]
        if start != 0 and start != lowest_free:
            continue
        if end != 0 and not end & closable:
            continue
        if other_way >= 0 and other_way == s[DIRECTION]:
            continue
        if t.finish[token] and taken:
            continue
        out[count] = token
        count += 1
    return count


@njit(cache=True, nogil=True)
def step(s: Any, t: Any, token: int) -> None:
    """Change a state by one legal token."""
    s[STATE] = t.then[s[STATE], token]
    start, end = t.start[token], t.end[token]
    if t.color[token] >= 0:
        s[COLOR] = t.color[token]
    s[RED] &= ~end
    s[BLUE] &= ~end
    if s[COLOR]:
        s[BLUE] |= start
    else:
        s[RED] |= start
    if t.position[token] >= 0:
        s[TICK] = t.position[token]
        s[ORDER] = s[CELLS] = s[FRESH] = 0
    elif t.segment[token]:
        s[TICK] = -1
        s[ORDER] = s[CELLS] = s[FRESH] = 0
    else:
        if t.rank[token] > 0:
            s[ORDER] = t.rank[token]
        s[CELLS] |= t.takes[token]
        s[FRESH] |= start
    if t.turn[token] >= 0:
        s[DIRECTION] = t.turn[token]
        s[CLOSED] = 0
    elif end:
        s[CLOSED] |= 2 * end - 1


def close_bar(s: npt.NDArray[np.int64], *, said: bool) -> None:
    """From a bar's end to the next bar's first token; ``said``: its ``</seg>`` was a step
    already."""
    tables = grammar_tables()
    for token in (v.SEG, v.AUDIO) if said else (v.END_SEG, v.SEG, v.AUDIO):
        step(s, tables, token)
