"""What becomes of a map on its way through the tokens: the figures behind ``prompts/README.md``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.grammar import Grammar, first_illegal
from saberlm.prompts.snap import snap, tick_of
from saberlm.prompts.tokens import decode, encode
from saberlm.prompts.vanilla import vanilla
from saberlm.prompts.vocab import TICKS_PER_BEAT

KINDS = {
    "notes": "color_notes",
    "bombs": "bombs",
    "walls": "obstacles",
    "arcs": "arcs",
    "chains": "chains",
    "light events": "lights",
    "boost events": "boosts",
    "tempo events": "bpm_events",
}


@dataclass
class RoundTrip:
    """One difficulty's way ``map -> tokens -> map``.

    ``equal``: the map came back object for object, compared after snapping; ``legal``: its stream
    is one the grammar admits. ``objects`` and ``kept`` count by kind before and after snapping,
    ``errors`` are distances to the grid in beats by kind, ``counts`` says what was quantised or
    dropped. Token counts leave out ``<seg>``, audio places and ``</seg>``.
    """

    equal: bool
    legal: bool
    objects: Counter[str]
    kept: Counter[str]
    errors: dict[str, np.ndarray]
    counts: Counter[str]
    note_tokens: int
    all_tokens: int
    bars: int
    removed: Counter[str] = field(default_factory=Counter)


def round_trip(beatmap: Beatmap, grammar: Grammar) -> RoundTrip:
    """Tokenise a difficulty on its own grid and read it back.

    Args:
        beatmap: as read from a file; what only mods can play is left out first and counted in
            ``removed``.
        grammar: made once for many maps.
    """
    playable, removed = vanilla(beatmap)
    snapped, counts = snap(playable)
    segments = encode(snapped)
    again, lost = decode(segments)
    notes_only = replace(snapped, lights=(), boosts=())
    return RoundTrip(
        equal=again == snapped and not lost,
        legal=first_illegal(segments, grammar) is None,
        objects=_sizes(playable),
        kept=_sizes(snapped),
        errors={
            kind: _distances(item.beat for item in getattr(playable, name))
            for kind, name in KINDS.items()
        },
        counts=counts,
        note_tokens=sum(map(len, encode(notes_only))),
        all_tokens=sum(map(len, segments)),
        bars=len(segments),
        removed=removed,
    )


def _sizes(beatmap: Beatmap) -> Counter[str]:
    return Counter({kind: len(getattr(beatmap, name)) for kind, name in KINDS.items()})


def _distances(beats: Iterable[float]) -> np.ndarray:
    return np.array([abs(beat - tick_of(beat) / TICKS_PER_BEAT) for beat in beats])
