"""Maps made worse on purpose, each in one way, for the judge, the critic and preference pairs.

Every corruption is a pure function of a beatmap, its tempo and a seed, and keeps the beatmap
sorted. Notes, bombs, walls, arcs and chains are what is played: lights, boosts and tempo stay as
they are unless a corruption is about them. Arcs and chains follow the note at their head and tail,
and go where that note goes away. Playable maps are expected (`saberlm.prompts.vanilla`); other
notes are left as they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from saberlm.eval.note_arrays import BAR_BEATS, SAME_BEAT, TICKS_PER_BEAT
from saberlm.prompts.beatmap import (
    NUM_COLUMNS,
    NUM_ROWS,
    Beatmap,
    Chain,
    ColorNote,
    NoteColor,
)
from saberlm.prompts.mirror import MIRRORED_DIRECTION
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.vanilla import fault_of

Corruption: TypeAlias = Callable[[Beatmap, TempoMap, int], Beatmap]

Moves: TypeAlias = dict[ColorNote, ColorNote | None]

SHIFT_SECONDS = 0.06
OFF_BEAT = 1 / 8
"""Beats that `off_beat` moves a note moment by."""
HALF = 0.5
LONGEST_FILLED_GAP_BEATS = 4.0
"""`double` leaves pauses longer than this alone."""
_HALF_TICK = 0.5 / TICKS_PER_BEAT


def shift(beatmap: Beatmap, tempo: TempoMap, seed: int = 0) -> Beatmap:
    """All that is played comes `SHIFT_SECONDS` late (the seed plays no part)."""

    def later(beat: float) -> float:
        return tempo.to_beats(tempo.to_seconds(beat) + SHIFT_SECONDS)

    return _retimed(beatmap, later)


def mirror_hand(beatmap: Beatmap, tempo: TempoMap, seed: int = 0) -> Beatmap:
    """One hand's notes are mirrored, the other's not; the seed says whose."""
    hand = int(np.random.default_rng(seed).integers(2))

    def turn(note: ColorNote) -> ColorNote:
        if note.color != hand:
            return note
        return replace(
            note, x=NUM_COLUMNS - 1 - note.x, direction=MIRRORED_DIRECTION[note.direction]
        )

    return _with_notes(beatmap, {n: turn(n) for n in _playable(beatmap)})


def shuffle_directions(beatmap: Beatmap, tempo: TempoMap, seed: int = 0) -> Beatmap:
    """Each hand's cut directions are dealt out anew among its notes."""
    rng = np.random.default_rng(seed)
    moved: Moves = {}
    for hand in NoteColor:
        notes = [n for n in _playable(beatmap) if n.color == hand]
        dealt = rng.permutation([n.direction for n in notes])
        moved |= {n: replace(n, direction=int(d)) for n, d in zip(notes, dealt, strict=True)}
    return _with_notes(beatmap, moved)


def random_cells(beatmap: Beatmap, tempo: TempoMap, seed: int = 0) -> Beatmap:
    """Every note goes to a random cell; notes of one moment to different ones."""
    rng = np.random.default_rng(seed)
    moved: Moves = {}
    for moment in _moments(_playable(beatmap)):
        cells = rng.permutation(NUM_COLUMNS * NUM_ROWS)
        for i, note in enumerate(moment):
            cell = int(cells[i % len(cells)])
            moved[note] = replace(note, x=cell % NUM_COLUMNS, y=cell // NUM_COLUMNS)
    return _with_notes(beatmap, moved)


def thin(beatmap: Beatmap, tempo: TempoMap, seed: int = 0) -> Beatmap:
    """Half of the moments, at random, lose their notes."""
    moments = _moments(_playable(beatmap))
    gone = np.random.default_rng(seed).permutation(len(moments))[: len(moments) // 2]
    return _with_notes(beatmap, {note: None for i in gone for note in moments[i]})


def double(beatmap: Beatmap, tempo: TempoMap, seed: int = 0) -> Beatmap:
    """Between each moment and the next its notes come once more (the seed plays no part)."""
    added = []
    for moment, after in pairwise(_moments(_playable(beatmap))):
        gap = after[0].beat - moment[0].beat
        if gap <= LONGEST_FILLED_GAP_BEATS:
            added += [replace(n, beat=n.beat + gap / 2) for n in moment]
    return replace(beatmap, color_notes=_sorted([*beatmap.color_notes, *added]))


def shuffle_bars(beatmap: Beatmap, tempo: TempoMap, seed: int = 0) -> Beatmap:
    """The bars from the first note to the last change places with all that is played in them."""
    if not (notes := _playable(beatmap)):
        return beatmap
    first, last = (_bar(one([n.beat for n in notes])) for one in (min, max))
    order = np.random.default_rng(seed).permutation(min(last - first + 1, len(notes) * 1000))
    to = {first + i: first + int(j) for i, j in enumerate(order)}

    def elsewhere(beat: float) -> float:
        bar = _bar(beat)
        return beat + (to.get(bar, bar) - bar) * BAR_BEATS

    return _retimed(beatmap, elsewhere, whole=True)


def repeat_bar(beatmap: Beatmap, tempo: TempoMap, seed: int = 0) -> Beatmap:
    """One bar of usual density takes the place of every bar that has notes; the seed chooses it.

    Bombs, walls, arcs and chains go.
    """
    bars: dict[int, list[ColorNote]] = defaultdict(list)
    for note in _playable(beatmap):
        bars[_bar(note.beat)].append(note)
    if not bars:
        return beatmap
    mean = len(_playable(beatmap)) / len(bars)
    distance = {bar: abs(len(notes) - mean) for bar, notes in bars.items()}
    usual = [bar for bar in sorted(bars) if distance[bar] == min(distance.values())]
    chosen = usual[int(np.random.default_rng(seed).integers(len(usual)))]
    notes = [
        replace(n, beat=n.beat + (bar - chosen) * BAR_BEATS)
        for bar in sorted(bars)
        for n in bars[chosen]
    ]
    return replace(beatmap, color_notes=_sorted(notes), bombs=(), obstacles=(), arcs=(), chains=())


def strip_lights(beatmap: Beatmap, tempo: TempoMap, seed: int = 0) -> Beatmap:
    """No lights at all (the seed plays no part)."""
    return replace(beatmap, lights=(), boosts=(), group_lights=())


def break_parity(beatmap: Beatmap, tempo: TempoMap, seed: int = 0) -> Beatmap:
    """Half of each hand's moments, at random, are cut the same way as the hand's moment before."""
    rng = np.random.default_rng(seed)
    moved: Moves = {}
    for hand in NoteColor:
        before: int | None = None
        for moment in _moments(n for n in _playable(beatmap) if n.color == hand):
            if before is not None and rng.random() < HALF:
                moved |= {note: replace(note, direction=before) for note in moment}
            else:
                before = moment[-1].direction
    return _with_notes(beatmap, moved)


def off_beat(beatmap: Beatmap, tempo: TempoMap, seed: int = 0) -> Beatmap:
    """Half of the moments, at random, come `OFF_BEAT` beats late: the rhythm limps.

    A moment that would meet or pass the next one only goes half of the way to it.
    """
    moments = _moments(_playable(beatmap))
    rng = np.random.default_rng(seed)
    moved: Moves = {}
    for i, moment in enumerate(moments):
        if rng.random() < HALF:
            end = moments[i + 1][0].beat if i + 1 < len(moments) else float("inf")
            step = min(OFF_BEAT, (end - moment[0].beat) / 2)
            moved |= {note: replace(note, beat=note.beat + step) for note in moment}
    return _with_notes(beatmap, moved)


CORRUPTIONS: dict[str, Corruption] = {
    "shift by 60 ms": shift,
    "mirror one hand": mirror_hand,
    "shuffle directions": shuffle_directions,
    "random cells": random_cells,
    "thin by half": thin,
    "double": double,
    "shuffle bars": shuffle_bars,
    "repeat one bar": repeat_bar,
    "off beat": off_beat,
    "break parity": break_parity,
    "strip lights": strip_lights,
}


def _playable(beatmap: Beatmap) -> list[ColorNote]:
    return [note for note in beatmap.color_notes if fault_of(note) is None]


def _moments(notes: Iterable[ColorNote]) -> list[list[ColorNote]]:
    moments: list[list[ColorNote]] = []
    for note in sorted(notes):
        if moments and note.beat - moments[-1][-1].beat <= SAME_BEAT:
            moments[-1].append(note)
        else:
            moments.append([note])
    return moments


def _bar(beat: float) -> int:
    return int((beat + _HALF_TICK) // BAR_BEATS)


def _retimed(beatmap: Beatmap, to: Callable[[float], float], *, whole: bool = False) -> Beatmap:
    """All that is played, moved in time.

    Args:
        beatmap: The map.
        to: New beat of an old one.
        whole: Arcs, chains and walls keep their length; otherwise their ends are moved too.
    """

    def end(start: float, tail: float) -> float:
        return to(start) + tail - start if whole else to(tail)

    return replace(
        beatmap,
        color_notes=_sorted(replace(n, beat=to(n.beat)) for n in beatmap.color_notes),
        bombs=_sorted(replace(b, beat=to(b.beat)) for b in beatmap.bombs),
        obstacles=_sorted(
            replace(o, beat=to(o.beat), duration=end(o.beat, o.beat + o.duration) - to(o.beat))
            for o in beatmap.obstacles
        ),
        arcs=_sorted(
            replace(a, beat=to(a.beat), tail_beat=end(a.beat, a.tail_beat)) for a in beatmap.arcs
        ),
        chains=_sorted(
            replace(c, beat=to(c.beat), tail_beat=end(c.beat, c.tail_beat)) for c in beatmap.chains
        ),
    )


def _with_notes(beatmap: Beatmap, moved: Moves) -> Beatmap:
    """The map with some notes changed, or gone (None), and their arcs and chains with them."""
    there = {(old.beat, old.x, old.y, old.color): (old, new) for old, new in moved.items()}
    chains: list[Chain] = []
    for chain in beatmap.chains:
        old, new = there.get((chain.beat, chain.x, chain.y, chain.color), (None, None))
        if old is None:
            chains.append(chain)
        elif new is not None:
            chains.append(_chain_at(chain, new))
    arcs = []
    for arc in beatmap.arcs:
        head = there.get((arc.beat, arc.x, arc.y, arc.color))
        tail = there.get((arc.tail_beat, arc.tail_x, arc.tail_y, arc.color))
        if (head and head[1] is None) or (tail and tail[1] is None):
            continue
        if head and (new := head[1]) is not None:
            arc = replace(arc, beat=new.beat, x=new.x, y=new.y, direction=new.direction)
        if tail and (new := tail[1]) is not None:
            arc = replace(
                arc, tail_beat=new.beat, tail_x=new.x, tail_y=new.y, tail_direction=new.direction
            )
        arcs.append(arc)
    notes = (moved.get(note, note) for note in beatmap.color_notes)
    return replace(
        beatmap,
        color_notes=_sorted(note for note in notes if note is not None),
        arcs=_sorted(arcs),
        chains=_sorted(chains),
    )


def _chain_at(chain: Chain, head: ColorNote) -> Chain:
    """The chain on its head's new place, its tail as far from it as the grid lets."""
    return replace(
        chain,
        beat=head.beat,
        x=head.x,
        y=head.y,
        direction=head.direction,
        tail_beat=chain.tail_beat + head.beat - chain.beat,
        tail_x=min(max(chain.tail_x + head.x - chain.x, 0), NUM_COLUMNS - 1),
        tail_y=min(max(chain.tail_y + head.y - chain.y, 0), NUM_ROWS - 1),
    )


def _sorted(things: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(things))
