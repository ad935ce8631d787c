"""Context blocks: what is given beside the song and the header, so that one model serves several
tasks.

==============  ==================================  ============================================
task            opening block, after the header     block of a bar, before its own tokens
==============  ==================================  ============================================
``lights``      empty                               the bar without its lights
``difficulty``  the given map's difficulty and NPS  the given map's notes of the bar
``continue``    empty                               none: what went before stands as past bars
``remap``       empty                               near the range's end: how far it is, and the
                                                    notes of the bar that follows it
``reference``   a few bars of another map, notes    none
==============  ==================================  ============================================

A block is ``<ctx TASK> given tokens </ctx>``; the opening one names the task. Given tokens never
carry loss, and the bar's own tokens are legal under the grammar by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from saberlm.prompts import vocab as v
from saberlm.prompts.header import Conditions, header_text
from saberlm.prompts.text_pieces import encode_text
from saberlm.prompts.tokens import decode, encode

MARKS = {
    "lights": v.CTX_LIGHTS,
    "difficulty": v.CTX_DIFFICULTY,
    "continue": v.CTX_CONTINUE,
    "remap": v.CTX_REMAP,
    "reference": v.CTX_REFERENCE,
}
"""The tasks, each with the token that opens its blocks."""
REMAP_REACH = 2
"""Bars before a range's end that are told what follows it."""
REFERENCE_BARS = 4
REFERENCE_TOKENS = 160
"""A reference takes no more than this of the decoder's room."""

Bar = Sequence[int] | np.ndarray
"""Token ids of a bar; training keeps them as arrays."""

_POSITION, _LIGHT, _NOTE, _ANGLE, _REST = range(5)
_HEADER_FIELDS_TOLD = 2  # difficulty and notes/s, the first two of the template


def _parts() -> list[int]:
    """For every token id which part of a bar it is."""
    parts = [_REST] * v.VOCAB_SIZE
    named = {"position": _POSITION, "note": _NOTE, "angle": _ANGLE}
    named |= dict.fromkeys(("boost", "light", "laser", "brightness"), _LIGHT)
    for kind, part in named.items():
        for token in v.block_range(kind):
            parts[token] = part
    return parts


_PART = _parts()


@dataclass(frozen=True)
class Context:
    """A task and what it is given.

    ``opening`` are the tokens of the block after the header, ``bars`` those of each bar's block by
    the bar's number in the song; a bar that is not in it has no block.
    """

    task: str
    opening: tuple[int, ...] = ()
    bars: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a task without a token."""
        if self.task not in MARKS:
            raise ValueError(f"task must be one of {', '.join(MARKS)}, found {self.task!r}")

    def opening_ids(self) -> list[int]:
        """The block after the header."""
        return [MARKS[self.task], *self.opening, v.END_CTX]

    def bar_ids(self, bar: int) -> list[int]:
        """A bar's block, empty if it has none."""
        if bar not in self.bars:
            return []
        return [MARKS[self.task], *self.bars[bar], v.END_CTX]


def lights_context(bars: Sequence[Bar], first_bar: int = 0) -> Context:
    """Lights for given notes; ``bars`` count from ``first_bar``, their own lights are left out."""
    given = {first_bar + i: tuple(split_lights(bar)[0]) for i, bar in enumerate(bars)}
    return Context("lights", (), given)


def difficulty_context(source: Conditions, bars: Sequence[Bar], first_bar: int = 0) -> Context:
    """A difficulty from another: the other's ``bars``, counted from ``first_bar``, and its
    conditions."""
    told = " | ".join(header_text(source).split(" | ")[:_HEADER_FIELDS_TOLD])
    opening = tuple(v.OFFSETS["text"] + piece for piece in encode_text(told))
    given = {first_bar + i: tuple(notes_only(bar)) for i, bar in enumerate(bars)}
    return Context("difficulty", opening, given)


def continue_context() -> Context:
    """Going on from bars that stand as the map's past."""
    return Context("continue")


def remap_context(start: int, end: int, following: Bar | None) -> Context:
    """Bars ``start`` to ``end`` (exclusive) made anew.

    Args:
        start: first bar of the range.
        end: the bar after it, which stays.
        following: tokens of bar ``end``; None where the song ends with the range.
    """
    if following is None:
        return Context("remap")
    notes = tuple(notes_only(following))
    near = range(max(start, end - REMAP_REACH), end)
    return Context("remap", (), {bar: (v.GAP,) * (end - bar - 1) + notes for bar in near})


def reference_context(bars: Sequence[Bar]) -> Context:
    """A map in the manner of another; as many of its ``bars`` as `REFERENCE_BARS` and
    `REFERENCE_TOKENS` admit."""
    opening: list[int] = []
    for i, bar in enumerate(bars[:REFERENCE_BARS]):
        piece = [v.GAP] * (i > 0) + notes_only(bar)
        if len(opening) + len(piece) > REFERENCE_TOKENS:
            break
        opening += piece
    return Context("reference", tuple(opening))


def split_lights(bar: Bar) -> tuple[list[int], list[int]]:
    """A bar's tokens without its lights, and its lights alone; each with the positions it needs.

    Raises:
        ValueError: an object stands before any position.
    """
    sides: tuple[list[int], list[int]] = ([], [])
    position: int | None = None
    said = [False, False]
    for token in map(int, bar):
        part = _PART[token]
        if part == _POSITION:
            position, said = token, [False, False]
            continue
        side = int(part == _LIGHT)
        if not said[side]:
            if position is None:
                raise ValueError(f"expected a position before {v.describe(token)}, found none")
            sides[side].append(position)
            said[side] = True
        sides[side].append(token)
    return sides


def merge_lights(without: Bar, lights: Bar) -> list[int]:
    """The inverse of `split_lights`: the lights of a tick follow its other objects."""
    ticks: dict[int, list[int]] = {}
    for side in (without, lights):
        here: list[int] | None = None
        for token in map(int, side):
            if _PART[token] == _POSITION:
                here = ticks.setdefault(token, [])
            elif here is None:
                raise ValueError(f"expected a position before {v.describe(token)}, found none")
            else:
                here.append(token)
    return [token for position in sorted(ticks) for token in (position, *ticks[position])]


def notes_only(bar: Bar) -> list[int]:
    """A bar's notes with their angles and positions; what hangs on them and all else left out."""
    out: list[int] = []
    position: int | None = None
    for token in map(int, bar):
        part = _PART[token]
        if part == _POSITION:
            position = token
        elif part == _NOTE:
            if position is not None:
                out.append(position)
                position = None
            out.append(token)
        elif part == _ANGLE:
            out.append(token)
    return out


def before_tick(bar: Bar, tick: int) -> list[int]:
    """A bar's tokens up to, not including, a tick of it."""
    out: list[int] = []
    for token in map(int, bar):
        if _PART[token] == _POSITION and token - v.OFFSETS["position"] >= tick:
            break
        out.append(token)
    return out


def cut_arcs(bars: Sequence[Bar], borders: Sequence[int]) -> tuple[Sequence[Bar], int]:
    """The bars of a whole map without the arcs that cross the start of one of the bars
    ``borders``, and how many these were.

    What is given on one side of a border then says nothing of the other side, and the tokens of
    either side close what they open.
    """
    if not any(_open_arcs(bars[:border]) for border in borders):
        return bars, 0
    beatmap, _ = decode([[int(token) for token in bar] for bar in bars])
    edges = [border * v.BEATS_PER_SEGMENT for border in borders]
    kept = tuple(a for a in beatmap.arcs if not any(a.beat < e <= a.tail_beat for e in edges))
    cut = encode(replace(beatmap, arcs=kept))
    return cut + [[]] * (len(bars) - len(cut)), len(beatmap.arcs) - len(kept)


def _open_arcs(bars: Sequence[Bar]) -> int:
    """Arcs begun and not ended in the bars from a map's start."""
    if not len(bars):
        return 0
    ids = np.concatenate([np.asarray(bar, dtype=np.int64) for bar in bars])
    starts, ends = (v.block_range(kind) for kind in ("arc_start", "arc_end"))
    begun = (ids >= starts.start) & (ids < starts.stop)
    return int(begun.sum() - ((ids >= ends.start) & (ids < ends.stop)).sum())
