"""Dials for bombs and walls: how many the map gets, held to while it is sampled.

A row's logits of beginning such an object follow the gap between the objects wanted in the last
bars and those made, so that an amount means the same whatever the model's own taste and the other
settings. In a row without lights nothing but bombs and walls can stand away from the notes: there
as many moments are kept for them as these objects take. A part that is made anew within a level
gets as many as the bars around it have, unless told otherwise. Nothing is deleted afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from saberlm.infer.fading_gap import FadingGap
from saberlm.infer.light_limit import LIGHT_IDS
from saberlm.infer.rhythm import MIN_GAP_TICKS, PLANNED_LOGIT, SILENT_LOGIT, spaced_peaks
from saberlm.infer.style_words import StyleWishes
from saberlm.prompts import vocab as v

if TYPE_CHECKING:
    from saberlm.infer.engine_row import MapRequest

AMOUNTS = ("none", "low", "medium", "high")
OBJECTS_A_BAR = {
    "bomb": {"low": 0.083, "medium": 0.194, "high": 0.397},
    "wall": {"low": 0.112, "medium": 0.220, "high": 0.482},
}
"""Quartiles of the 400 Standard difficulties of the training maps with 50 notes or more, of those
that have any: bars of four beats at 95-190 BPM."""
USUAL_A_BAR = {"bomb": 0.13, "wall": 0.32}
"""The same maps' means, those without any counted."""
MOMENTS_AN_OBJECT = {"bomb": 0.43, "wall": 0.31}
"""Ticks without notes at which such objects begin, for each object (133 of the same maps)."""
_FLAGS = {"bomb": "bombs", "wall": "walls"}
LEAST_GIVEN_BARS = 8
"""Bars around a part made anew that say how many objects it is to have."""
MOST_A_BAR = 8.0
"""Of a kind, whatever the map around holds: a wall of bombs is not made anew."""
MEMORY_BARS = 16.0
"""What was made counts less by 1/e after as many."""
GIVEN_MEMORY_BARS = 4.0
"""The same in a part made anew, which is often as short as the other."""
PATIENCE = 2.0
"""Objects by which the gap is judged: single ones are not chased."""
GAIN = 5.0
MAX_NATS = 8.0


class AmountBias:
    """Makes one kind of object as frequent as asked; a `saberlm.infer.row_sampler.LogitBias`.

    Args:
        kind: ``bomb`` or ``wall``, the block of the token that begins the object.
        a_bar: objects a bar; none at all is the grammar's to see to (`saberlm.infer.constraints`).
        memory_bars: what was made counts less by 1/e after as many.
    """

    def __init__(self, kind: str, a_bar: float, memory_bars: float = MEMORY_BARS) -> None:
        self._tokens = v.block_range(kind)
        self._block = slice(self._tokens.start, self._tokens.stop)
        self._per_tick = a_bar / v.TICKS_PER_SEGMENT
        self._gap = FadingGap(memory_bars, PATIENCE)

    def adjust(self, logits: npt.NDArray[np.float32], tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        self._go_to(tick)
        logits[self._block] += np.float32(self._gap.nats(GAIN, MAX_NATS))

    def say(self, token: int, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        self._go_to(tick)
        self._gap.made += token in self._tokens

    def _go_to(self, tick: int) -> None:
        """Let time pass; what is wanted grows with it."""
        left = self._gap.fade_to(tick)
        self._gap.wanted += self._per_tick * self._gap.memory * (1 - left)


def objects_a_bar(bars: Iterable[Sequence[int]]) -> dict[str, float]:
    """How many bombs and walls bars hold, and as ``light`` how many light events: what a part that
    is made anew beside them is to have. Nothing where they are too few to tell, nor of a kind that
    they lack."""
    whole = [np.asarray(bar, np.int64) for bar in bars]
    if len(whole) < LEAST_GIVEN_BARS:
        return {}
    said = np.bincount(np.concatenate(whole), minlength=v.VOCAB_SIZE)
    counts = {kind: int(said[list(v.block_range(kind))].sum()) for kind in OBJECTS_A_BAR}
    counts["light"] = int(said[LIGHT_IDS].sum())
    return {kind: count / len(whole) for kind, count in counts.items() if count}


def asked_amounts(bombs: str | None, walls: str | None, words: StyleWishes) -> dict[str, str]:
    """What is asked for by kind, where anything is: amounts as such, or for walls a style word."""
    if walls is None:
        by_word = {"high": words.asked, "low": words.avoided}
        walls = next((amount for amount, said in by_word.items() if "walls" in said), None)
    asked = {"bomb": bombs, "wall": walls}
    return {kind: amount for kind, amount in asked.items() if amount not in (None, "none")}


def wanted_a_bar(amounts: Mapping[str, str], around: Mapping[str, float]) -> dict[str, float]:
    """Bombs and walls a bar by kind: what was asked for, or else what the map has around the bars
    to be made; a kind of which neither says anything is left out."""
    found = {kind: min(MOST_A_BAR, around[kind]) for kind in OBJECTS_A_BAR if kind in around}
    return found | {kind: OBJECTS_A_BAR[kind][amount] for kind, amount in amounts.items()}


def held_to(request: MapRequest, amounts: Mapping[str, str]) -> MapRequest:
    """A row that is held to amounts, by kind; a kind that is not among them is as usual.

    A row without lights gets as many moments away from the notes as its bombs and walls take,
    where the head hears most, with Gumbel noise of the row's seed. Left to the head alone it names
    ten times as many: hardly any map that it learned from has no lights.
    """
    request = replace(request, amounts=dict(amounts))
    if request.conditions.lights is not False:
        return request
    wanted, a_bar = wanted_a_bar(amounts, request.around), 0.0
    for kind, flag in _FLAGS.items():
        if getattr(request.conditions, flag) is not False:
            a_bar += MOMENTS_AN_OBJECT[kind] * wanted.get(kind, USUAL_A_BAR[kind])
    heard = request.onset_logits[:, 1].double().cpu().numpy()
    noise = np.random.default_rng([request.seed, 11]).gumbel(size=len(heard))
    song = heard > SILENT_LOGIT
    count = round(a_bar * song.sum() / v.TICKS_PER_SEGMENT)
    chosen = spaced_peaks(np.where(song, heard + noise, heard), MIN_GAP_TICKS)[:count]
    planned = np.where(song, -PLANNED_LOGIT, heard)
    planned[chosen] = PLANNED_LOGIT
    logits = request.onset_logits.clone()
    logits[:, 1] = torch.from_numpy(planned).to(logits)
    return replace(request, onset_logits=logits)
