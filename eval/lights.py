"""Lights: how much of a show there is, of what, on what, and where the stage stays dark.

Conventions: the basic (classic environment) events, their types and values as in
`beat-saber.md` 2.5. **Lamps** are the types that switch lights; the others turn rings and lasers.
A **light-on** is a lamp event that lights: on, flash, fade or transition in any colour, with a
brightness above 0. Rates are over the beats from the first note to the last. A bar is four beats;
it is **dark** if no lamp is lit in any part of it: a lamp stays lit from its light-on until an
event of its type switches it off, and a fade is lit in the bar it starts in. What is undefined is
None, so is everything about the dark where group lighting, which is not judged, does the work.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from saberlm.eval.counts import LAMP_TYPES
from saberlm.eval.note_arrays import Bools, Floats, Ints, to_bars
from saberlm.eval.timing import unique_onsets
from saberlm.prompts.beatmap import Beatmap, ColorNote, LightEvent
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.vanilla import fault_of

NEAR_SECONDS = 0.05
MAX_VALUE = 12
"""Values above this mean nothing to lamps: they change nothing."""
MAX_BARS = 100_000
FADES = (3, 7, 11)
"""Values that light a lamp and let it go out again."""


@dataclass(frozen=True)
class Agreement:
    """How many of one list of times have one of another within `NEAR_SECONDS`.

    Attributes:
        share: 0 to 1; None where either list is empty.
        by_chance: Share of the time between the first and last of both lists that lies within
            `NEAR_SECONDS` of the other list: what random times would score. None where share is.
    """

    share: float | None
    by_chance: float | None


@dataclass(frozen=True)
class LightReport:
    """A map's light show in numbers.

    Attributes:
        events: Basic events that the unmodded game plays.
        group_lighting: Event box groups; they are counted here and nowhere else.
        events_per_beat: None with fewer than two distinct note times.
        types: Share of events by type (as text); empty without events.
        values: Share of lamp events by value (as text); empty without them.
        lights_on_notes: Light-ons near a note.
        lights_on_onsets: Light-ons near an onset of the sound; None where no onsets are given.
        notes_lit: Note times near a light-on.
        bars: Bars from the first note's to the last's.
        dark_bar_share: None without notes, with group lighting, or past `MAX_BARS`.
        boosts: Boost events.
        boosted_share: Share of the beats from the first note to the last in boost colours; None
            where that is no time.
    """

    events: int
    group_lighting: int
    events_per_beat: float | None
    types: dict[str, float]
    values: dict[str, float]
    lights_on_notes: Agreement
    lights_on_onsets: Agreement | None
    notes_lit: Agreement
    bars: int
    dark_bar_share: float | None
    boosts: int
    boosted_share: float | None

    def to_dict(self) -> dict[str, object]:
        """The report as plain JSON values."""
        return asdict(self)


def light_report(
    beatmap: Beatmap, tempo: TempoMap, onset_seconds: Iterable[float] | None = None
) -> LightReport:
    """Judge a map's basic lights.

    Args:
        beatmap: The map to judge.
        tempo: Its tempo.
        onset_seconds: Onsets picked from the sound, in any order, if there is one.

    Raises:
        ValueError: An onset is not finite.
    """
    events = [one for one in beatmap.lights if fault_of(one) is None]
    notes = [one for one in beatmap.color_notes if fault_of(one) is None]
    table = np.array([(e.beat, e.type, e.value, e.brightness) for e in events], np.float64)
    beat, _, _, brightness = table.reshape(-1, 4).T
    kind, value = table.reshape(-1, 4)[:, 1:3].T.astype(np.int64)
    lamp = np.isin(kind, list(LAMP_TYPES))
    on = lamp & (value >= 1) & (value <= MAX_VALUE) & (brightness > 0)
    on_seconds = np.array(unique_onsets(tempo.to_seconds(beat[on])))
    note_seconds = np.array(unique_onsets(tempo.to_seconds(_beats(notes))))
    first, last = _span(notes)
    heard = None if onset_seconds is None else np.array(unique_onsets(onset_seconds))
    bars, dark = 0, None
    if notes:
        low, high = (int(one) for one in to_bars(np.array([first, last])))
        bars = high - low + 1
        if not beatmap.group_lights and bars <= MAX_BARS:
            known = lamp & (value <= MAX_VALUE)
            lit = _lit_bars(beat[known], kind[known], on[known], value[known], low, bars)
            dark = float((~lit).mean())
    return LightReport(
        events=len(events),
        group_lighting=len(beatmap.group_lights),
        events_per_beat=len(events) / (last - first) if last > first else None,
        types=_shares(kind),
        values=_shares(value[lamp]),
        lights_on_notes=agreement(on_seconds, note_seconds),
        lights_on_onsets=None if heard is None else agreement(on_seconds, heard),
        notes_lit=agreement(note_seconds, on_seconds),
        bars=bars,
        dark_bar_share=dark,
        boosts=len(beatmap.boosts),
        boosted_share=_boosted(beatmap, first, last),
    )


def agreement(times: Floats, others: Floats) -> Agreement:
    """How many of the sorted distinct ``times`` have one of ``others`` near, both in seconds."""
    if not len(times) or not len(others):
        return Agreement(None, None)
    # A hair wider, so that 50 ms is within 50 ms whatever the rounding.
    near = NEAR_SECONDS + 1e-9
    at = np.searchsorted(others, times - near, side="left")
    hit = np.searchsorted(others, times + near, side="right") > at
    start = min(times[0], others[0])
    end = max(times[-1], others[-1])
    left, right = np.maximum(others - near, start), np.minimum(others + near, end)
    right[:-1] = np.minimum(right[:-1], left[1:])
    chance = float((right - left).sum() / (end - start)) if end > start else 1.0
    return Agreement(float(hit.mean()), min(1.0, chance))


def _lit_bars(beat: Floats, kind: Ints, on: Bools, value: Ints, first: int, bars: int) -> Bools:
    """Which of ``bars`` bars from ``first`` on have a lamp lit, (bars,)."""
    order = np.lexsort((np.arange(len(beat)), beat, kind))
    beat, kind, on, value = beat[order], kind[order], on[order], value[order]
    same = kind[:-1] == kind[1:]
    # In whole bars: a lamp is lit from its light-on's bar to the bar in which its next event is,
    # that one not included if the event is on its first beat.
    start = to_bars(beat)
    end = np.full(len(beat), first + bars, dtype=np.int64)
    last_lit = -to_bars(-beat[1:])
    end[:-1][same] = last_lit[same]
    end = np.where(np.isin(value, FADES), np.minimum(end, start + 1), end)
    lasts = np.append(~same | (beat[1:] > beat[:-1]), True) if len(beat) else on
    lit = on & lasts & (end > start)
    edges = np.zeros(bars + 1, dtype=np.int64)
    np.add.at(edges, np.clip(start[lit] - first, 0, bars), 1)
    np.add.at(edges, np.clip(end[lit] - first, 0, bars), -1)
    return np.cumsum(edges)[:-1] > 0


def _shares(values: Ints) -> dict[str, float]:
    distinct, counts = np.unique(values, return_counts=True)
    return {str(v): float(c / len(values)) for v, c in zip(distinct, counts, strict=True)}


def _boosted(beatmap: Beatmap, first: float, last: float) -> float | None:
    if last <= first:
        return None
    on_since: float | None = None
    boosted = 0.0
    for event in sorted(beatmap.boosts, key=lambda one: one.beat):
        if on_since is not None:
            boosted += _overlap(on_since, event.beat, first, last)
        on_since = event.beat if event.on else None
    if on_since is not None:
        boosted += _overlap(on_since, last, first, last)
    return boosted / (last - first)


def _overlap(start: float, end: float, first: float, last: float) -> float:
    return max(0.0, min(end, last) - max(start, first))


def _span(notes: list[ColorNote]) -> tuple[float, float]:
    beats = [one.beat for one in notes]
    return min(beats, default=0.0), max(beats, default=0.0)


def _beats(things: Iterable[ColorNote | LightEvent]) -> Floats:
    return np.array([one.beat for one in things], dtype=np.float64)
