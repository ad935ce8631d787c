"""Notes first, then their lights: a lit map is made in two passes of the same model.

In one pass the lights of a tick crowd the notes' past out of what the decoder sees, and a show
that fell silent stays so for a whole song (`finetune/EXPERIMENTS.md` 21). So the first pass makes
the map as one without lights, and the second lights it (the task "lights" of
`saberlm.prompts.context`), told what was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from saberlm.infer.amounts import held_to
from saberlm.infer.engine import Engine, GeneratedMap, MapRequest, SongEncoding
from saberlm.infer.light_refrain import note_moments
from saberlm.infer.pipeline import Song, make_request, onset_logits
from saberlm.infer.sampling import SamplingParams
from saberlm.prompts import vocab as v
from saberlm.prompts.context import Bar, lights_context, merge_lights
from saberlm.prompts.header import Conditions, onset_conditions, without_lights

if TYPE_CHECKING:
    from saberlm.adapter.modeling_saber import SaberForConditionalGeneration

LIT_NOTE_LOGIT = math.log(0.8 / 0.2)
"""A given note has a light on its tick in 80 % of cases (62 difficulties of 23 songs)."""
_SILENT = -30.0


@dataclass(frozen=True)
class Passes:
    """A map's rows: its notes, and what their lights are asked for with (None: it gets none)."""

    notes: MapRequest
    lights: MapRequest | None


@torch.no_grad()
def make_passes(
    model: SaberForConditionalGeneration,
    encoding: SongEncoding,
    song: Song,
    conditions: Conditions,
    seed: int,
) -> Passes:
    """Rows for one difficulty; see `saberlm.infer.pipeline.make_request`.

    Where notes are heard is asked of a lit map, which most of what the tower knows are; what else
    is heard, of one without.
    """
    lit = make_request(model, encoding, song, conditions, seed)
    if not conditions.lights:
        return Passes(lit, None)
    dark = without_lights(conditions)
    other = onset_logits(model, encoding, onset_conditions(dark))[:, 1].to(lit.onset_logits)
    logits = lit.onset_logits.clone()
    logits[:, 1] = torch.where(logits[:, 1] > _SILENT, other, logits[:, 1])
    return Passes(replace(lit, conditions=dark, onset_logits=logits), lit)


def note_ticks(bars: Sequence[Bar]) -> list[int]:
    """Ticks of the song at which notes start, rising."""
    return [
        number * v.TICKS_PER_SEGMENT + tick
        for number, bar in enumerate(bars)
        for tick in note_moments(bar)
    ]


def lights_row(request: MapRequest, bars: Sequence[Bar], ticks: Iterable[int]) -> MapRequest:
    """The row that lights given bars.

    Args:
        request: for a lit map of the song.
        bars: the map's tokens; lights in them are not shown.
        ticks: at which its notes start: the head's guesses there give way to what is known.
    """
    logits = request.onset_logits.clone()
    logits[:, 0] = _SILENT
    for tick in ticks:
        if 0 <= tick < len(logits):
            logits[tick, 0], logits[tick, 1] = LIT_NOTE_LOGIT, _SILENT
    return replace(request, onset_logits=logits, density=None, context=lights_context(bars))


def generate_lit(
    engine: Engine,
    passes: Sequence[Passes],
    params: Sequence[SamplingParams],
    progress: Callable[[int], None] | None = None,
) -> list[GeneratedMap]:
    """Decode both passes of maps, all notes side by side and then all lights.

    Args:
        engine: decodes.
        passes: maps; their order is that of the result.
        params: of each map.
        progress: called with bars finished, those of lights counted.

    Returns:
        Maps with their lights, counts of both passes.
    """

    def run(rows: Sequence[tuple[MapRequest, SamplingParams]]) -> list[GeneratedMap]:
        on_bar = None if progress is None else lambda _row, _bar, _ids, p=progress: p(1)
        made = dict(engine.stream(rows, on_bar))
        return [made[i] for i in range(len(rows))]

    notes = [held_to(one.notes, one.notes.amounts) for one in passes]
    dark = run(list(zip(notes, params, strict=True)))
    lit = [
        (number, (lights_row(one.lights, made.bars, note_ticks(made.bars)), own))
        for number, (one, made, own) in enumerate(zip(passes, dark, params, strict=True))
        if one.lights is not None
    ]
    for (number, _), shown in zip(lit, run([row for _, row in lit]), strict=True):
        bars = list(map(merge_lights, dark[number].bars, shown.bars))
        dark[number] = GeneratedMap(bars, dark[number].counts + shown.counts)
    return dark
