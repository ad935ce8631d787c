"""Bring a beatmap onto the grid and into what the token language can say, counting every change.

`snap` is the only lossy step between a map and its tokens: after it, encoding and decoding are
exact inverses. Listed quantisations: time to the nearest of 48 ticks a beat, angle offsets to 5
degrees, arc multipliers to 0.1 (0-5), squish to 0.05 (0.05-2), brightness to 0.05 (0-2), slices
1-32, tempo to 0.001. Listed drops: see the keys of the returned counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import (
    Arc,
    Beatmap,
    Bomb,
    BoostEvent,
    BpmEvent,
    Chain,
    ColorNote,
    CutDirection,
    LightEvent,
    Obstacle,
)
from saberlm.prompts.vanilla import vanilla

MAX_SLICES = v.NUM_SLICES - 1
MAX_BEAT = 2**16
"""Nothing is tokenised from here on (an hour at 1000 beats a minute): a faulty time must not make
millions of empty bars."""
_FAR = 2.0**40  # of any beat's size: above it ticks would lose their last digits, or overflow


def tick_of(beat: float) -> int:
    """Nearest tick (rounding, not flooring: flooring costs half a tick of bias)."""
    return round(min(max(beat, -_FAR), _FAR) * v.TICKS_PER_BEAT)


def beat_of(tick: int) -> float:
    """Beat of a tick."""
    return tick / v.TICKS_PER_BEAT


def _grid(value: float, step: float, low: int, high: int) -> float:
    """The nearest multiple of ``step`` that lies between ``low`` and ``high`` steps."""
    return round(round(min(max(value / step, low), high)) * step, 6)


def snap(beatmap: Beatmap) -> tuple[Beatmap, Counter[str]]:
    """The nearest beatmap that tokens can say, and counts of what was moved or dropped.

    What no unmodded game plays is left out first (`saberlm.prompts.vanilla.vanilla`).

    Returns:
        The snapped beatmap (canonical order) and a counter; ``moved: ...`` keys are quantisations,
        ``dropped: ...`` keys losses, ``not modelled: ...`` keys what the tokens have no word for.
    """
    beatmap, removed = vanilla(beatmap)
    counts: Counter[str] = Counter()
    for what, count in removed.items():
        told = what if what.startswith("not ") else f"dropped: {what.removesuffix(' dropped')}"
        counts[told] += count

    def move(beat: float) -> float:
        snapped = beat_of(tick_of(beat))
        counts["moved: object not on a tick"] += abs(snapped - beat) > 1e-4
        return snapped

    notes, bombs = _cells(beatmap, move, counts)
    by_cell = {(n.beat, n.color, n.x, n.y): n for n in notes}
    return (
        Beatmap(
            color_notes=tuple(notes),
            bombs=tuple(bombs),
            obstacles=tuple(_obstacles(beatmap.obstacles, move, counts)),
            arcs=tuple(_arcs(beatmap.arcs, move, counts, by_cell)),
            chains=tuple(_chains(beatmap.chains, move, counts, by_cell)),
            lights=tuple(_lights(beatmap.lights, move, counts)),
            boosts=tuple(_boosts(beatmap.boosts, move, counts)),
            bpm_events=tuple(_tempo(beatmap.bpm_events, move, counts)),
        ),
        +counts,
    )


def _outside(beat: float, counts: Counter[str], last: float | None = None) -> bool:
    """Whether something from ``beat`` to ``last`` lies outside what can be tokenised; counted."""
    if beat < 0:
        counts["dropped: object before beat 0"] += 1
        return True
    if max(beat, last or beat) >= MAX_BEAT:
        counts[f"dropped: object at or after beat {MAX_BEAT}"] += 1
        return True
    return False


def _cells(
    beatmap: Beatmap, move: Callable[[float], float], counts: Counter[str]
) -> tuple[list[ColorNote], list[Bomb]]:
    notes: dict[tuple[float, int, int], ColorNote] = {}
    for n in sorted(beatmap.color_notes, key=lambda n: (n.beat, n.color, n.y, n.x, n.direction)):
        beat = move(n.beat)
        if _outside(beat, counts):
            continue
        if (beat, n.x, n.y) in notes:
            counts["dropped: second note in one cell and tick"] += 1
            continue
        angle = round(n.angle_offset / v.ANGLE_STEP) % v.NUM_ANGLES * v.ANGLE_STEP
        angle = angle - 360 if angle > 180 else angle
        counts["moved: angle offset"] += (angle - n.angle_offset) % 360 != 0
        notes[beat, n.x, n.y] = replace(n, beat=beat, angle_offset=angle)
    bombs: dict[tuple[float, int, int], Bomb] = {}
    for b in beatmap.bombs:
        beat = move(b.beat)
        if _outside(beat, counts):
            continue
        if (beat, b.x, b.y) in notes or (beat, b.x, b.y) in bombs:
            counts["dropped: bomb in a taken cell"] += 1
        else:
            bombs[beat, b.x, b.y] = replace(b, beat=beat)
    return (
        sorted(notes.values(), key=lambda n: (n.beat, n.color, n.y, n.x)),
        sorted(bombs.values(), key=lambda b: (b.beat, b.y, b.x)),
    )


def _obstacles(
    obstacles: Iterable[Obstacle], move: Callable[[float], float], counts: Counter[str]
) -> list[Obstacle]:
    kept: list[Obstacle] = []
    for o in obstacles:
        beat = move(o.beat)
        ticks = max(1, tick_of(min(o.duration, MAX_BEAT)))
        if _outside(beat, counts):
            continue
        counts["moved: wall duration"] += abs(beat_of(ticks) - o.duration) > 1e-4
        kept.append(replace(o, beat=beat, duration=beat_of(ticks)))
    return sorted(kept, key=lambda o: (o.beat, o.y, o.x))


def _multiplier(value: float, counts: Counter[str]) -> float:
    snapped = _grid(value, v.MULTIPLIER_STEP, 0, v.NUM_MULTIPLIERS - 1)
    counts["moved: arc multiplier"] += abs(snapped - value) > 1e-6
    return snapped


def arc_place(arc: Arc) -> tuple[float, int, int, int]:
    """Sort key of arcs: when and where they start; arcs from one head keep the map's order."""
    return arc.beat, arc.color, arc.y, arc.x


def _arcs(
    arcs: Iterable[Arc],
    move: Callable[[float], float],
    counts: Counter[str],
    notes: Mapping[tuple[float, int, int, int], ColorNote],
) -> list[Arc]:
    kept: list[Arc] = []
    for a in arcs:
        arc = replace(
            a,
            beat=move(a.beat),
            tail_beat=move(a.tail_beat),
            multiplier=_multiplier(a.multiplier, counts),
            tail_multiplier=_multiplier(a.tail_multiplier, counts),
        )
        if _outside(arc.beat, counts, arc.tail_beat):
            continue
        if arc.tail_beat <= arc.beat:
            counts["dropped: arc shorter than a tick"] += 1
        else:
            kept.append(arc)
    kept.sort(key=arc_place)
    return _within_slots(kept, counts, notes)


def _within_slots(
    arcs: list[Arc],
    counts: Counter[str],
    notes: Mapping[tuple[float, int, int, int], ColorNote],
) -> list[Arc]:
    """The arcs for which a slot is free, as the encoder goes through their ends."""

    def place(beat: float, color: int, x: int, y: int) -> tuple[float, bool, int, int, int]:
        return beat, (beat, color, x, y) not in notes, color, y, x  # free anchors come last

    ends = [(*place(a.tail_beat, a.color, a.tail_x, a.tail_y), 0, i) for i, a in enumerate(arcs)]
    ends += [(*place(a.beat, a.color, a.x, a.y), 1, i) for i, a in enumerate(arcs)]
    open_arcs: set[int] = set()
    kept: set[int] = set()
    for *_, is_head, i in sorted(ends):
        if not is_head:
            open_arcs.discard(i)
        elif len(open_arcs) < v.NUM_ARC_SLOTS:
            open_arcs.add(i)
            kept.add(i)
        else:
            counts[f"dropped: more than {v.NUM_ARC_SLOTS} arcs open at once"] += 1
    return [arc for i, arc in enumerate(arcs) if i in kept]


def _chains(
    chains: Iterable[Chain],
    move: Callable[[float], float],
    counts: Counter[str],
    notes: dict[tuple[float, int, int, int], ColorNote],
) -> list[Chain]:
    kept: dict[tuple[float, int, int, int], Chain] = {}
    for c in sorted(chains):
        chain = replace(
            c,
            beat=move(c.beat),
            tail_beat=move(c.tail_beat),
            slice_count=min(max(c.slice_count, 1), MAX_SLICES),
            squish=_grid(c.squish, v.SQUISH_STEP, 1, v.NUM_SQUISH - 1),
        )
        counts["moved: chain slices or squish"] += (
            chain.slice_count != c.slice_count or abs(chain.squish - c.squish) > 1e-6
        )
        key = (chain.beat, chain.color, chain.x, chain.y)
        if _outside(chain.beat, counts, chain.tail_beat):
            continue
        if chain.tail_beat < chain.beat:
            counts["dropped: chain tail before its head"] += 1
        elif key in kept:
            counts["dropped: second chain on one head"] += 1
        else:
            counts["noted: chain without a head note"] += key not in notes
            kept[key] = chain
    return sorted(kept.values())


def _lights(
    lights: Iterable[LightEvent], move: Callable[[float], float], counts: Counter[str]
) -> list[LightEvent]:
    kept: list[LightEvent] = []
    for e in sorted(lights, key=lambda e: e.beat):
        beat = move(e.beat)
        limit = v.NUM_LASER_VALUES if e.type in v.LASER_TYPES else v.NUM_LIGHT_VALUES
        if _outside(beat, counts):
            continue
        if e.type not in v.LIGHT_TYPES and e.type not in v.LASER_TYPES:
            counts["dropped: light of an unknown type"] += 1
            continue
        value = e.value
        if e.type in (8, 9):  # rings act on any value
            value = min(max(value, 0), limit - 1)
            counts["moved: ring event value"] += value != e.value
        elif e.type in v.LASER_TYPES:
            value = min(max(value, 0), limit - 1)
            counts["moved: laser speed"] += value != e.value
        if not 0 <= value < limit:
            counts["dropped: light of an unknown value"] += 1
            continue
        brightness = 1.0
        if e.type not in v.LASER_TYPES:
            brightness = _grid(e.brightness, v.BRIGHTNESS_STEP, 0, v.NUM_BRIGHTNESS - 1)
            counts["moved: brightness"] += abs(brightness - e.brightness) > 1e-6
        else:
            counts["moved: brightness of a laser speed, which has none"] += e.brightness != 1.0
        kept.append(replace(e, beat=beat, value=value, brightness=brightness))
    return sorted(kept, key=lambda e: (e.beat, light_rank(e.type)))


def light_rank(event_type: int) -> int:
    """Place of a light type in a tick's canonical order."""
    types = v.LIGHT_TYPES + v.LASER_TYPES
    return types.index(event_type)


def _boosts(
    boosts: Iterable[BoostEvent], move: Callable[[float], float], counts: Counter[str]
) -> list[BoostEvent]:
    kept = [replace(e, beat=move(e.beat)) for e in sorted(boosts, key=lambda e: e.beat)]
    return [e for e in kept if not _outside(e.beat, counts)]


def _tempo(
    events: Iterable[BpmEvent], move: Callable[[float], float], counts: Counter[str]
) -> list[BpmEvent]:
    kept: dict[float, BpmEvent] = {}
    for e in sorted(events, key=lambda e: e.beat):
        beat = max(0.0, move(e.beat))
        bpm = round(e.bpm, 3)
        if not 0 < bpm < 10 ** (v.BPM_DIGITS - 3):
            counts["dropped: tempo out of range"] += 1
            continue
        if _outside(beat, counts):
            continue
        counts["moved: tempo"] += abs(bpm - e.bpm) > 1e-9
        counts["dropped: tempo overridden in its tick"] += beat in kept
        kept[beat] = replace(e, beat=beat, bpm=bpm)
    return [kept[beat] for beat in sorted(kept)]


ANY = int(CutDirection.ANY)
