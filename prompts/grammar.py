"""The grammar: which tokens may come next, as table look-ups and a few counters.

A row's state is ten small integers; `allowed` and `step` are gathers, comparisons and bit
operations on whole batches, written so that the same code runs on numpy arrays here and on a
sampler's device tensors (`Grammar.convert`).
What it holds to: positions in a bar strictly rise; objects of a tick come in canonical order, each
place at most once (walls and light events may repeat); no two notes or bombs in one cell, no free
anchor where a note of its colour is; arcs close later than they were opened, in slot order and in
their own colour; what goes without saying is not said; walls stay inside the lanes and under the
ceiling (5) and last at least a tick.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import CutDirection

STATE_SIZE = 10
_STATE, _TICK, _ORDER, _CELLS, _RED, _BLUE, _FRESH, _COLOR, _DIRECTION, _CLOSED = range(STATE_SIZE)

_NAMES = (
    "bar",  # audio seen, nothing yet
    "at_position",  # a tick was named, an object must come
    "object",  # an object is complete
    "note",
    "note_angle",
    "free",
    "chain",
    "chain_direction",
    "chain_tail",
    "chain_squish",
    "chain_beats",
    "hung",  # a chain is complete
    "arc_end",
    "arc_end_direction",
    "arc_end_bend",
    "arc_start",
    "arc_start_direction",
    "arc_start_bend",
    "arc_start_done",
    *(f"wall_x{x}_y{y}" for y in range(3) for x in range(4)),
    *(f"wall_width_y{y}" for y in range(3)),
    "wall_height",
    "wall_more",
    "wall_beats",
    "wall_no_beats",
    "light",
    *(f"tempo_{i}" for i in range(v.BPM_DIGITS)),
    *(f"tempo_zero_{i}" for i in range(v.BPM_DIGITS)),
    "closed",  # </seg> was said
    "segment",  # <seg> was said; audio places follow
    "end",
)
STATES = {name: i for i, name in enumerate(_NAMES)}
_DEAD = -1
_REPEATABLE = ("wall", "boost", "light", "laser")
"""Kinds of which one tick may hold several in one place: rings that spin twice, walls of two
lengths from one cell. They keep the file's order."""


_BOTH = 1 | 1 << 12
_PLAIN_BRIGHTNESS = round(1 / v.BRIGHTNESS_STEP)
_PLAIN_BEND = round(1 / v.MULTIPLIER_STEP)
"""What is 1 is left unsaid: a map has one stream."""


def _transitions() -> np.ndarray:
    """``(states, V)`` int16: the next state, -1 where the token may not come."""
    table = np.full((len(STATES), v.VOCAB_SIZE), _DEAD, dtype=np.int16)

    def on(state: str, kind: str, then: str, keep: Callable[[int], bool] = lambda _: True) -> None:
        ids = [v.OFFSETS[kind] + i for i in range(v.SIZES[kind]) if keep(i)]
        table[STATES[state], ids] = STATES[then]

    def objects(state: str) -> None:
        on(state, "tempo", "tempo_zero_0")
        on(state, "note", "note")
        on(state, "free", "free")
        on(state, "bomb", "object")
        for cell in range(12):
            place = f"wall_x{cell % 4}_y{cell // 4}"
            on(state, "wall", place, lambda value, cell=cell: value == cell)  # type: ignore[misc]
        on(state, "boost", "object")
        on(state, "light", "light")
        on(state, "laser", "object")

    def finished(state: str) -> None:
        objects(state)
        on(state, "position", "at_position")
        table[STATES[state], v.END_SEG] = STATES["closed"]

    def starts(state: str) -> None:
        on(state, "arc_start", "arc_start")

    def hangs(state: str) -> None:
        on(state, "arc_end", "arc_end")
        starts(state)

    on("bar", "position", "at_position")
    table[STATES["bar"], v.END_SEG] = STATES["closed"]
    objects("at_position")
    for state in ("object", "note", "note_angle", "hung", "light"):
        finished(state)
    for state in ("arc_end", "arc_end_direction", "arc_end_bend"):
        finished(state)
        hangs(state)
    for state in ("arc_start", "arc_start_direction", "arc_start_bend", "arc_start_done"):
        finished(state)
        starts(state)
    on("note", "angle", "note_angle", lambda value: value > 0)
    for state in ("note", "note_angle", "free"):
        on(state, "chain", "chain", lambda value: value > 0)
        hangs(state)
    hangs("hung")
    on("chain", "arc_direction", "chain_direction")
    for state in ("chain", "chain_direction"):
        on(state, "chain_tail", "chain_tail")
    on("chain_tail", "squish", "chain_squish", lambda value: value > 0)
    on("chain_squish", "duration_more", "chain_squish")
    on("chain_squish", "duration_beats", "chain_beats")
    on("chain_beats", "duration_ticks", "hung")
    on("arc_end", "arc_direction", "arc_end_direction")
    for state in ("arc_end", "arc_end_direction"):
        on(state, "multiplier", "arc_end_bend", lambda value: value != _PLAIN_BEND)
    on("arc_start", "arc_direction", "arc_start_direction")
    for state in ("arc_start", "arc_start_direction"):
        on(state, "multiplier", "arc_start_bend", lambda value: value != _PLAIN_BEND)
    for state in ("arc_start", "arc_start_direction", "arc_start_bend"):
        on(state, "anchor", "arc_start_done", lambda value: value > 0)
    for x in range(4):
        for y in range(3):
            then = f"wall_width_y{y}"
            on(f"wall_x{x}_y{y}", "wall_width", then, lambda value, x=x: x + value + 1 <= 4)  # type: ignore[misc]
    for y in range(3):
        on(f"wall_width_y{y}", "wall_height", "wall_height", lambda value, y=y: y + value + 1 <= 5)  # type: ignore[misc]
    for state in ("wall_height", "wall_more"):
        on(state, "duration_more", "wall_more")
        on(state, "duration_beats", "wall_beats")
    on("wall_height", "duration_beats", "wall_no_beats", lambda value: value == 0)
    on("wall_beats", "duration_ticks", "object")
    on("wall_no_beats", "duration_ticks", "object", lambda value: value > 0)
    on("light", "brightness", "object", lambda value: value != _PLAIN_BRIGHTNESS)
    for i in range(v.BPM_DIGITS):
        last = i == v.BPM_DIGITS - 1
        on(f"tempo_{i}", "digit", "object" if last else f"tempo_{i + 1}")
        on(f"tempo_zero_{i}", "digit", "object" if last else f"tempo_{i + 1}", lambda d: d > 0)
        if not last:
            on(f"tempo_zero_{i}", "digit", f"tempo_zero_{i + 1}", lambda d: d == 0)
    table[STATES["closed"], v.SEG] = STATES["segment"]
    table[STATES["closed"], v.END_MAP] = STATES["end"]
    table[STATES["segment"], v.AUDIO] = STATES["bar"]
    table[STATES["bar"], v.AUDIO] = STATES[
        "bar"
    ]  # the places of a bar's audio; a sampler never says them
    return table


def _ranks() -> np.ndarray:
    """``(V,)``: an object's place in a tick's canonical order, 0 for what is no object."""
    rank = np.zeros(v.VOCAB_SIZE, dtype=np.int32)
    rank[v.OFFSETS["tempo"]] = 1
    for value in range(v.SIZES["note"]):
        rank[v.token_id("note", value)] = 2 + value // 9
    for value in range(v.SIZES["free"]):
        rank[v.token_id("free", value)] = 26 + value
    for value in range(12):
        rank[v.token_id("bomb", value)] = 50 + value
        rank[v.token_id("wall", value)] = 62 + value
    for value in range(2):
        rank[v.token_id("boost", value)] = 74
    for value in range(v.SIZES["light"]):
        rank[v.token_id("light", value)] = 75 + value // v.NUM_LIGHT_VALUES
    for value in range(v.SIZES["laser"]):
        rank[v.token_id("laser", value)] = 75 + len(v.LIGHT_TYPES) + value // v.NUM_LASER_VALUES
    return rank


def _tables() -> dict[str, np.ndarray]:
    size = v.VOCAB_SIZE
    position = np.full(size, -1, dtype=np.int32)
    position[list(v.block_range("position"))] = np.arange(v.TICKS_PER_SEGMENT)
    # cells taken in a tick: 12 bits for red notes, 12 for blue ones; a bomb takes both
    needs = np.zeros(size, dtype=np.int32)
    takes = np.zeros(size, dtype=np.int32)
    color = np.full(size, -1, dtype=np.int32)
    turn = np.full(size, -1, dtype=np.int32)  # the direction of what arcs and chains hang on
    other_way = np.full(size, -1, dtype=np.int32)
    other_way[list(v.block_range("arc_direction"))] = np.arange(v.SIZES["arc_direction"])
    for value in range(v.SIZES["note"]):
        color[v.token_id("note", value)] = value // 108
        turn[v.token_id("note", value)] = value % 9
        needs[v.token_id("note", value)] = _BOTH << (value // 9 % 12)
        takes[v.token_id("note", value)] = 1 << (value // 9)
    for value in range(v.SIZES["free"]):
        color[v.token_id("free", value)] = value // 12
        turn[v.token_id("free", value)] = CutDirection.ANY
        needs[v.token_id("free", value)] = 1 << value  # what hangs there hangs on the note
    for value in range(12):
        needs[v.token_id("bomb", value)] = takes[v.token_id("bomb", value)] = _BOTH << value
    start = np.zeros(size, dtype=np.int32)
    end = np.zeros(size, dtype=np.int32)
    for slot in range(v.NUM_ARC_SLOTS):
        start[v.token_id("arc_start", slot)] = 1 << slot
        end[v.token_id("arc_end", slot)] = 1 << slot
    repeats = np.zeros(size, dtype=np.int32)
    for kind in _REPEATABLE:
        repeats[list(v.block_range(kind))] = 1
    segment = np.zeros(size, dtype=np.int32)
    segment[[v.SEG, v.AUDIO]] = 1
    finish = np.zeros(size, dtype=np.int32)
    finish[v.END_MAP] = 1
    return {
        "next": _transitions(),
        "rank": _ranks(),
        "repeats": repeats,
        "position": position,
        "needs": needs,
        "takes": takes,
        "color": color,
        "turn": turn,
        "other_way": other_way,
        "start": start,
        "end": end,
        "segment": segment,
        "finish": finish,
    }


_CHECKED = ("position", "rank", "repeats", "needs", "start", "end", "other_way", "finish")


class Grammar:
    """The tables, and two functions over batches of states ``(B, 10)`` int32."""

    def __init__(self, tables: dict[str, Any] | None = None) -> None:
        self.tables = tables or _tables()

    def convert(self, change: Callable[[np.ndarray], Any]) -> Grammar:
        """The same grammar over other arrays, ``torch.from_numpy`` and a device for instance."""
        return Grammar({name: change(table) for name, table in self.tables.items()})

    @staticmethod
    def start(batch: int) -> np.ndarray:
        """States of rows whose first bar's audio has been seen, ``(B, 10)``."""
        state = np.zeros((batch, STATE_SIZE), dtype=np.int32)
        state[:, _STATE] = STATES["bar"]
        state[:, _TICK] = -1
        return state

    def allowed(self, state: Any) -> Any:
        """Mask of tokens that may come next, ``(B, V)`` bool."""
        t = self.tables
        seen = {name: t[name][None] for name in _CHECKED}
        return self._legal(state, t["next"][state[:, _STATE]], seen)

    def admits(self, state: Any, token: Any) -> Any:
        """Whether one token a row may come next, ``(B,)`` bool; ``token`` ``(B,)`` integers."""
        t = self.tables
        seen = {name: t[name][token][:, None] for name in _CHECKED}
        return self._legal(state, t["next"][state[:, _STATE], token][:, None], seen)[:, 0]

    @staticmethod
    def _legal(state: Any, then: Any, seen: dict[str, Any]) -> Any:
        """``(B, n)`` for tokens with the next states ``then`` and the table rows ``seen``."""
        tick, order, cells = state[:, _TICK, None], state[:, _ORDER, None], state[:, _CELLS, None]
        red, blue, fresh = state[:, _RED, None], state[:, _BLUE, None], state[:, _FRESH, None]
        is_blue = state[:, _COLOR, None]
        legal = then >= 0
        legal = legal & ((seen["position"] < 0) | (seen["position"] > tick))
        legal = legal & ((seen["rank"] == 0) | (seen["rank"] + seen["repeats"] > order))
        legal = legal & ((seen["needs"] & cells) == 0)
        taken = red | blue
        lowest_free = ~taken & (taken + 1)
        legal = legal & ((seen["start"] == 0) | (seen["start"] == lowest_free))
        closable = (red * (1 - is_blue) + blue * is_blue) & ~fresh & ~state[:, _CLOSED, None]
        legal = legal & ((seen["end"] == 0) | ((seen["end"] & closable) != 0))
        legal = legal & (
            (seen["other_way"] < 0) | (seen["other_way"] != state[:, _DIRECTION, None])
        )
        return legal & ((seen["finish"] == 0) | (taken == 0))

    def step(self, state: Any, token: Any) -> Any:
        """States after one legal token a row; ``token`` ``(B,)`` integers."""
        t = self.tables
        new = state + 0  # a copy, in numpy and torch alike
        position, rank, color = t["position"][token], t["rank"][token], t["color"][token]
        start, end = t["start"][token], t["end"][token]
        segment, turn = t["segment"][token], t["turn"][token]
        moved = (position >= 0) + 0
        is_object = (rank > 0) + 0
        new[:, _STATE] = t["next"][state[:, _STATE], token]
        tick = position * moved + state[:, _TICK] * (1 - moved)
        new[:, _TICK] = tick * (1 - segment) - segment
        order = rank * is_object + state[:, _ORDER] * (1 - is_object)
        new[:, _ORDER] = order * (1 - moved) * (1 - segment)
        new[:, _CELLS] = (state[:, _CELLS] | t["takes"][token]) * (1 - moved) * (1 - segment)
        colored = (color >= 0) + 0
        new_color = color * colored + state[:, _COLOR] * (1 - colored)
        new[:, _COLOR] = new_color
        new[:, _RED] = (state[:, _RED] & ~end) | start * (1 - new_color)
        new[:, _BLUE] = (state[:, _BLUE] & ~end) | start * new_color
        is_anchor = (turn >= 0) + 0
        new[:, _DIRECTION] = turn * is_anchor + state[:, _DIRECTION] * (1 - is_anchor)
        new[:, _CLOSED] = (state[:, _CLOSED] | (2 * end - ((end > 0) + 0))) * (1 - is_anchor)
        new[:, _FRESH] = (state[:, _FRESH] | start) * (1 - moved) * (1 - segment)
        return new


def first_illegal(
    segments: list[list[int]], grammar: Grammar | None = None
) -> tuple[int, int] | None:
    """Where a map's bars leave the grammar: ``(bar, index)``, or None if they never do."""
    grammar = grammar or Grammar()
    state = Grammar.start(1)
    for bar, tokens in enumerate(segments):
        for i, token in enumerate([*tokens, v.END_SEG, v.SEG, v.AUDIO]):
            said = np.array([token])
            if not grammar.admits(state, said)[0]:
                return bar, i
            state = grammar.step(state, said)
    return None
