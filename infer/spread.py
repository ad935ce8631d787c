"""Rhythms taken from another map; with them a full spread: easier difficulties that are sparser
than the harder ones and keep to their moments.

An easier row may place notes only at moments of the harder map, and is asked for at most
`STEP` of its notes. Mappers do so: of two difficulties of one song the easier one's moments are
mostly the harder one's.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from saberlm.infer.density import DensityControl
from saberlm.infer.engine import MapRequest
from saberlm.infer.given import SongGrid
from saberlm.infer.pipeline import Song
from saberlm.infer.rhythm import PLANNED_LOGIT
from saberlm.prompts.beatmap import Beatmap

MOST_SHARE = 0.8
"""Of the harder map's notes that the next easier one may have."""
STEP = 0.74
"""Share that is asked for: what is made differs from it by some per cent."""
_SILENT = -30.0


def note_ticks(beatmap: Beatmap, song: Song) -> frozenset[int]:
    """The model's ticks at which a map has notes."""
    grid = SongGrid.of(song, song.num_bars)
    return frozenset(grid.tick(note.beat) for note in beatmap.color_notes)


def sparser_than(request: MapRequest, notes: int) -> float | None:
    """Notes a second that bring at most `STEP` of ``notes``; None where the request asks for no
    more."""
    density, nps = request.density, request.conditions.nps
    if density is None or nps is None or density.wanted <= STEP * notes:
        return None
    return nps * STEP * notes / density.wanted


def within_ticks(request: MapRequest, ticks: frozenset[int]) -> MapRequest:
    """The request with notes at ``ticks`` alone."""
    logits = request.onset_logits.clone()
    allowed = torch.zeros(len(logits), dtype=torch.bool)
    allowed[[tick for tick in ticks if 0 <= tick < len(logits)]] = True
    logits[~allowed.to(logits.device), 0] = _SILENT
    density = request.density
    if density is not None:
        density = DensityControl(logits[:, 0].cpu(), density.wanted, 1.0, density.notes_per_onset)
    return replace(request, onset_logits=logits, density=density)


def at_ticks(request: MapRequest, ticks: frozenset[int]) -> MapRequest:
    """The request with notes at all of ``ticks`` and nowhere else: another's rhythm kept."""
    logits = request.onset_logits.clone()
    logits[:, 0] = _SILENT
    logits[[tick for tick in sorted(ticks) if 0 <= tick < len(logits)], 0] = PLANNED_LOGIT
    return replace(request, onset_logits=logits, density=None)
