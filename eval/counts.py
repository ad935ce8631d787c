"""What a difficulty contains, in numbers: density, hands, variety, lights."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import asdict, dataclass, field

from saberlm.prompts.beatmap import Beatmap, CutDirection, NoteColor
from saberlm.prompts.tempo import TempoMap

PEAK_SECONDS = 4.0
"""Window of the peak density."""
BAR_BEATS = 4.0
SAME_BEAT = 0.01
"""Notes this close (beats) are at one moment."""
LAMP_TYPES = frozenset({0, 1, 2, 3, 4, 6, 7, 10, 11})
"""Basic event types that switch lamps (`beat-saber.md` 2.5); the others turn rings and lasers."""


@dataclass(frozen=True)
class ObjectCounts:
    """Counts of one difficulty.

    Attributes:
        nps: Colour notes over the seconds from the first to the last; 0 with fewer than two
            moments.
        peak_nps: Most notes in any 4 seconds, over 4 seconds.
        seconds: First to last note.
        red_share: Share of notes for the left hand; 0 without notes (as all shares).
        cells: Distinct cells used, of 12.
        distinct_directions: Distinct cut directions used, of 9.
        doubles_share: Share of note moments at which both hands play.
        lit_bar_share: Share of bars (4 beats, first to last note) in which a lamp goes on.
        directions: Notes by direction, named as in `CutDirection`.
    """

    notes: int = 0
    bombs: int = 0
    walls: int = 0
    arcs: int = 0
    chains: int = 0
    lights: int = 0
    boosts: int = 0
    bpm_changes: int = 0
    seconds: float = 0.0
    nps: float = 0.0
    peak_nps: float = 0.0
    red_share: float = 0.0
    blue_share: float = 0.0
    cells: int = 0
    distinct_directions: int = 0
    doubles_share: float = 0.0
    lit_bar_share: float = 0.0
    directions: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """The counts as plain JSON values, shares and rates rounded to 4 digits."""
        pairs = asdict(self).items()
        return {key: round(one, 4) if isinstance(one, float) else one for key, one in pairs}


def count_objects(beatmap: Beatmap, tempo: TempoMap) -> ObjectCounts:
    """Count a difficulty's objects; ``tempo`` turns its beats into seconds."""
    notes = sorted(beatmap.color_notes)
    red = sum(one.color == NoteColor.RED for one in notes)
    times = [float(tempo.to_seconds(one.beat)) for one in notes]
    seconds = times[-1] - times[0] if times else 0.0
    used = Counter(one.direction for one in notes)
    return ObjectCounts(
        notes=len(notes),
        bombs=len(beatmap.bombs),
        walls=len(beatmap.obstacles),
        arcs=len(beatmap.arcs),
        chains=len(beatmap.chains),
        lights=len(beatmap.lights),
        boosts=len(beatmap.boosts),
        bpm_changes=len(beatmap.bpm_events),
        seconds=seconds,
        nps=len(notes) / seconds if seconds > 0 else 0.0,
        peak_nps=_peak(times),
        red_share=red / len(notes) if notes else 0.0,
        blue_share=1 - red / len(notes) if notes else 0.0,
        cells=len({(one.x, one.y) for one in notes}),
        distinct_directions=len(used),
        doubles_share=_doubles(beatmap),
        lit_bar_share=_lit_bars(beatmap),
        directions={one.name: used[one] for one in CutDirection},
    )


def _peak(times: list[float]) -> float:
    most = max(
        (bisect_right(times, start + PEAK_SECONDS) - i for i, start in enumerate(times)), default=0
    )
    return most / PEAK_SECONDS


def _doubles(beatmap: Beatmap) -> float:
    moments: list[tuple[float, set[int]]] = []
    for note in sorted(beatmap.color_notes):
        if moments and note.beat - moments[-1][0] <= SAME_BEAT:
            moments[-1][1].add(note.color)
        else:
            moments.append((note.beat, {note.color}))
    return sum(len(hands) > 1 for _, hands in moments) / len(moments) if moments else 0.0


def _lit_bars(beatmap: Beatmap) -> float:
    if not beatmap.color_notes:
        return 0.0
    beats = [one.beat for one in beatmap.color_notes]
    first, last = int(min(beats) // BAR_BEATS), int(max(beats) // BAR_BEATS)
    lit = {
        int(one.beat // BAR_BEATS)
        for one in beatmap.lights
        if one.type in LAMP_TYPES and one.value != 0
    }
    return sum(first <= bar <= last for bar in lit) / (last - first + 1)
