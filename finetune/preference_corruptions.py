"""Human bars against the same bars made worse in one way.

The corruptions of `saberlm.eval.corruptions` that two bars can show, and two more: emphasis in the
wrong place, and one beat said again and again. A pair is made only where the human's bars have no
more faults than the corrupted ones: mappers slip, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from random import Random

import numpy as np

from saberlm.eval.corruptions import (
    Corruption,
    break_parity,
    mirror_hand,
    off_beat,
    random_cells,
    shuffle_directions,
)
from saberlm.eval.critic import Critic
from saberlm.finetune.preference_score import score_stretch
from saberlm.finetune.preferences import (
    PreferencePair,
    Stretch,
    bars_of,
    judged_mask,
    make_pair,
    played,
)
from saberlm.prompts.beatmap import Beatmap, ColorNote
from saberlm.prompts.tempo import TempoMap

SOURCE = "corrupted"
LEAST_CHANGED = 2
"""Played tokens that a corruption must change."""


def misplace_emphasis(beatmap: Beatmap, tempo: TempoMap, seed: int = 0) -> Beatmap:
    """Each moment of several notes changes places with the single one nearest to it: doubles fall
    on the soft onsets. Arcs and chains stay behind, so maps with them are left as they are."""
    if beatmap.arcs or beatmap.chains:
        return beatmap
    moments: dict[float, list[ColorNote]] = {}
    for note in beatmap.color_notes:
        moments.setdefault(note.beat, []).append(note)
    beats = sorted(moments)
    to = {beat: beat for beat in beats}
    for i, beat in enumerate(beats):
        near = sorted(
            (j for j, other in enumerate(beats) if len(moments[other]) == 1 and to[other] == other),
            key=lambda j, i=i: (abs(j - i), j),  # type: ignore[misc]
        )
        if len(moments[beat]) > 1 and to[beat] == beat and near:
            other = beats[near[0]]
            to[beat], to[other] = other, beat
    notes = (replace(note, beat=to[note.beat]) for note in beatmap.color_notes)
    return replace(beatmap, color_notes=tuple(sorted(notes)))


def repeat_beat(beatmap: Beatmap, tempo: TempoMap, seed: int = 0) -> Beatmap:
    """The notes of one beat take the place of every beat's that has some; the seed chooses it."""
    beats: dict[int, list[ColorNote]] = {}
    for note in beatmap.color_notes:
        beats.setdefault(int(note.beat + 1e-6), []).append(note)
    if not beats:
        return beatmap
    mean = len(beatmap.color_notes) / len(beats)
    gaps = {beat: abs(len(notes) - mean) for beat, notes in beats.items()}
    usual = [beat for beat in sorted(beats) if gaps[beat] == min(gaps.values())]
    chosen = usual[int(np.random.default_rng(seed).integers(len(usual)))]
    notes = [replace(n, beat=n.beat + b - chosen) for b in sorted(beats) for n in beats[chosen]]
    return replace(beatmap, color_notes=tuple(sorted(notes)), bombs=(), arcs=(), chains=())


KINDS: dict[str, Corruption] = {
    "break parity": break_parity,
    "shuffle directions": shuffle_directions,
    "mirror one hand": mirror_hand,
    "random cells": random_cells,
    "off beat": off_beat,
    "misplaced emphasis": misplace_emphasis,
    "repeat one beat": repeat_beat,
}
WHEN = ("off beat",)
"""Kinds that are about when something happens."""


def corrupt(at: Stretch, kind: str, seed: int) -> tuple[list[list[int]], list[list[int]]] | None:
    """The human's bars of a stretch and a corruption of them, None where it changes nothing to
    speak of.

    Args:
        at: the stretch.
        kind: of `KINDS`.
        seed: of the corruption.
    """
    count = at.num_bars - at.prefix_bars
    human = played(at.human)
    if human is None:
        return None
    worse = KINDS[kind](human, TempoMap(at.song.bpm), seed)
    before, after = bars_of(human, count), bars_of(worse, count)
    if before is None or after is None or played(after) is None:
        return None
    when = kind in WHEN
    told = []
    for bars in (before, after):
        ids = list(chain.from_iterable(bars))
        mask = judged_mask(ids, when=when)
        told.append([token for token, on in zip(ids, mask, strict=True) if on])
    same = sum(a == b for a, b in zip(*told, strict=False))
    return (before, after) if max(map(len, told)) - same >= LEAST_CHANGED else None


def corrupted_pairs(
    stretches: Sequence[Stretch], count: int, critic: Critic, random: Random
) -> Iterator[PreferencePair]:
    """Pairs of a map, the kinds in turn, each at a stretch by chance.

    Args:
        stretches: of `saberlm.finetune.preferences.candidates`.
        count: at most so many.
        critic: see `saberlm.finetune.preference_score`.
        random: decides where and how.
    """
    kinds = random.sample(sorted(KINDS), len(KINDS))
    places = random.sample(range(len(stretches)), min(count, len(stretches)))
    for i, place in enumerate(places):
        at, kind = stretches[place], kinds[i % len(kinds)]
        made = corrupt(at, kind, random.randrange(2**31))
        if made is None:
            continue
        scores = [
            score_stretch(at.prefix, bars, at.song.bpm, at.difficulty, critic) for bars in made
        ]
        better, worse = scores
        if better is None or worse is None or better.faults > worse.faults:
            continue
        gap = better.value - worse.value
        yield make_pair(at, *made, source=SOURCE, kind=kind, score_gap=gap, when=kind in WHEN)
