"""A map that is given, seen on the song's grid: what the prompt shows of it, and the join with what
is made.

The prompt shows a snapped copy; the given objects themselves are carried to the result untouched.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from saberlm.infer.pipeline import Song
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.header import Conditions
from saberlm.prompts.retempo import moved, tempo_gap
from saberlm.prompts.snap import snap, tick_of
from saberlm.prompts.tempo import TempoMap, fold_bpm
from saberlm.prompts.tokens import encode

GROUPS = {
    "color_notes": "note",
    "bombs": "bomb",
    "obstacles": "wall",
    "arcs": "arc",
    "chains": "chain",
    "lights": "light",
    "boosts": "boost",
}
"""What tokens say of a beatmap, tempo apart, each with its name in counts."""
MIN_ON_GRID = 0.6
"""Share of notes on sixteenths or twelfths of a beat, to a tenth of a tick, below which a map does
not belong to the grid; by chance it is a tenth of them."""
_NEAR_TICKS = 0.1
_SAME_TEMPO_SECONDS = 0.005


@dataclass(frozen=True)
class SongGrid:
    """Beats of a map to beats from bar 0 of the model: ``beat * scale - shift``."""

    scale: float
    shift: float
    num_bars: int

    @classmethod
    def of(cls, song: Song, num_bars: int) -> SongGrid:
        """The grid of a song for maps in beats from its beat 0."""
        return cls(song.octave, song.first_beat, num_bars)

    def tick(self, beat: float) -> int:
        """The nearest tick from bar 0, below 0 before it."""
        return tick_of(beat * self.scale - self.shift)

    def bar(self, beat: float) -> int:
        """The bar that the nearest tick lies in."""
        return self.tick(beat) // v.TICKS_PER_SEGMENT

    def moved(self, item: Any) -> Any:
        """An object with its times on the grid."""
        return moved(item, lambda beat: beat * self.scale - self.shift)


def bars_between(song: Song, start_seconds: float, end_seconds: float) -> range:
    """The model's bars that a stretch of the song touches."""
    times = np.array([start_seconds, end_seconds]) - song.bar_zero_seconds
    first, last = song.bar_tempo.to_beats(times) / v.BEATS_PER_SEGMENT
    return range(max(0, int(first + 1e-6)), max(0, math.ceil(last - 1e-6)))


def check_tempo(beatmap: Beatmap, tempo: TempoMap) -> None:
    """Refuse a map whose tempo is not the song's.

    Raises:
        ValueError: see above.
    """
    beats = [note.beat for note in beatmap.color_notes]
    end = max([0.0, *beats, *(event.beat for event in beatmap.bpm_events)]) + 1
    if tempo_gap(tempo.bpm, beatmap.bpm_events, tempo.events, end) > _SAME_TEMPO_SECONDS:
        raise ValueError(
            f"expected a map at the song's tempo ({_spelled(tempo)}), found"
            f" {_spelled(TempoMap(tempo.bpm, beatmap.bpm_events))}: likely a song whose tempo"
            " changes; give the song the map's own tempo"
        )


def _spelled(tempo: TempoMap) -> str:
    """The tempo in a few words."""
    changes = [f"{event.bpm:g} from beat {event.beat:g}" for event in tempo.events]
    more = [f"{len(changes) - 2} more"] if len(changes) > 3 else []
    return ", ".join([f"{tempo.bpm:g} BPM", *changes[: 2 if more else 3], *more])


def check_on_grid(beats: Sequence[float], bpm: float) -> None:
    """Refuse notes, in beats at the grid's ``bpm``, that do not lie on its divisions.

    Raises:
        ValueError: see above.
    """
    if not beats:
        return
    on = 0
    for beat in beats:
        ticks = beat * v.TICKS_PER_BEAT
        near = round(ticks)
        on += abs(ticks - near) < _NEAR_TICKS and (near % 3 == 0 or near % 4 == 0)
    if on < MIN_ON_GRID * len(beats):
        raise ValueError(
            f"expected a map on the song's grid of {bpm:g} BPM, found {len(beats) - on} of"
            f" {len(beats)} notes off it: likely another tempo or offset"
        )


def given_bars(
    beatmap: Beatmap, song: Song, num_bars: int, *, ours: bool = False
) -> tuple[list[list[int]], Counter[str]]:
    """Tokens of every bar of a given map, for the prompt.

    Args:
        beatmap: in beats from the song's beat 0.
        song: on its grid.
        num_bars: bars of the song as encoded.
        ours: it was made on this grid, on whichever ticks.

    Returns:
        ``num_bars`` bars, and counts of what the prompt cannot show of the map.

    Raises:
        ValueError: the map's tempo changes, or it is not on the grid.
    """
    check_tempo(beatmap, song.tempo)
    grid = SongGrid.of(song, num_bars)
    groups: dict[str, Any] = {
        name: [grid.moved(o) for o in getattr(beatmap, name)] for name in GROUPS
    }
    if not ours:
        check_on_grid([note.beat for note in groups["color_notes"]], song.grid_bpm)
    counts: Counter[str] = Counter()
    end = num_bars * v.TICKS_PER_SEGMENT
    for name, items in groups.items():
        inside = [o for o in items if tick_of(getattr(o, "tail_beat", o.beat)) < end]
        counts[f"not shown to the model: {GROUPS[name]} past the song's end"] += len(items) - len(
            inside
        )
        groups[name] = tuple(inside)
    snapped, lost = snap(Beatmap(**groups))
    for what, count in lost.items():
        if what.startswith("dropped"):
            counts[what.replace("dropped", "not shown to the model", 1)] += count
    bars = encode(snapped)
    return bars + [[] for _ in range(num_bars - len(bars))], +counts


def reference_bars(beatmap: Beatmap, bpm: float) -> list[list[int]]:
    """Tokens of every bar of a map of any song, in beats from its own beat 0 at ``bpm``.

    Raises:
        ValueError: its tempo changes, or it is not on its own grid.
    """
    check_tempo(beatmap, TempoMap(bpm))
    grid = SongGrid(fold_bpm(bpm) / bpm, 0.0, 0)
    notes = tuple(grid.moved(note) for note in beatmap.color_notes)
    check_on_grid([note.beat for note in notes], fold_bpm(bpm))
    return encode(snap(Beatmap(color_notes=notes))[0])


def described(conditions: Conditions, beatmap: Beatmap, song: Song) -> Conditions:
    """Conditions whose unknown notes/s and flags are the given map's, at the song's tempo."""
    beats = [note.beat for note in beatmap.color_notes]
    seconds = 0.0
    if beats and song.bpm_events:
        seconds = song.tempo.to_seconds(max(beats)) - song.tempo.to_seconds(min(beats))
    elif beats:  # without the rounding that a difference of times brings
        seconds = (max(beats) - min(beats)) * 60 / song.bpm
    found: dict[str, Any] = {
        "nps": round(len(beats) / seconds, 2) if seconds > 0 else None,
        "lights": bool(beatmap.lights),
        "arcs": bool(beatmap.arcs),
        "chains": bool(beatmap.chains),
        "bombs": bool(beatmap.bombs),
        "walls": bool(beatmap.obstacles),
    }
    unknown = {name: value for name, value in found.items() if getattr(conditions, name) is None}
    return replace(conditions, bpm=song.grid_bpm, **unknown)


def kept_outside(
    beatmap: Beatmap, grid: SongGrid, ticks: range, *, keep_lights: bool
) -> tuple[Beatmap, Counter[str]]:
    """A given map without what starts at ``ticks``, every other object as it is.

    An arc with exactly one end in the range goes, too, since its note may; one that spans the
    range stays. With ``keep_lights`` the light show stays whole.
    """
    counts: Counter[str] = Counter()
    kept: dict[str, Any] = {}
    for name, what in GROUPS.items():
        items: Iterable[Any] = getattr(beatmap, name)
        if keep_lights and name in ("lights", "boosts"):
            continue
        left = []
        for item in items:
            inside = grid.tick(item.beat) in ticks
            if name == "arcs":
                tail_inside = grid.tick(item.tail_beat) in ticks
                if inside != tail_inside:
                    counts["removed: arc across the range's border"] += 1
                    continue
            if inside:
                counts[f"replaced: {what}"] += 1
            else:
                left.append(item)
        kept[name] = tuple(left)
    return replace(beatmap, **kept), counts


def joined(kept: Beatmap, made: Beatmap) -> Beatmap:
    """Both maps' objects, by beat; on one beat the given come first."""
    both: dict[str, Any] = {
        name: tuple(sorted((*getattr(kept, name), *getattr(made, name)), key=lambda o: o.beat))
        for name in GROUPS
    }
    return replace(kept, **both)


def within(
    made: Beatmap, grid: SongGrid, ticks: range, *, lights: bool
) -> tuple[Beatmap, Counter[str]]:
    """What was made at ``ticks``, held back from what follows them: walls end where the range does,
    chains that reach past it go; without ``lights`` the show is left out."""
    counts: Counter[str] = Counter()
    ours: dict[str, Any] = {
        name: tuple(o for o in getattr(made, name) if grid.tick(o.beat) >= ticks.start)
        for name in GROUPS
    }
    made = replace(made, **ours)
    end = (ticks.stop / v.TICKS_PER_BEAT + grid.shift) / grid.scale
    walls = []
    for wall in made.obstacles:
        room = end - wall.beat
        counts["shortened: wall past the range's end"] += wall.duration > room
        walls.append(replace(wall, duration=min(wall.duration, room)))
    chains = tuple(c for c in made.chains if c.tail_beat < end)
    counts["dropped: chain past the range's end"] += len(made.chains) - len(chains)
    shown = made if lights else replace(made, lights=(), boosts=())
    return replace(shown, obstacles=tuple(walls), chains=chains), +counts
