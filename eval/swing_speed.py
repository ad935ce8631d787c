"""How fast the hands are and how they turn: eBPM, swings a second, and angles from swing to swing.

Conventions: swings are those of parity (`saberlm.eval.swing`), each at its first note. Effective
BPM (eBPM) is 30 / seconds from swing to swing of one hand, so a stream of quarter notes that the
hands cut in turn has the song's tempo (`beat-saber.md` 2.1). Angles are between the last arrow of a
swing and the first of the next, where no reset lies between: 180 is straight back. What a map is
too short for is None.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from saberlm.eval.playability_scene import HandSwing, Scene
from saberlm.eval.playability_swings import EBPM_SECONDS, swing_turns
from saberlm.eval.swing import SECONDS_TOLERANCE
from saberlm.prompts.beatmap import Beatmap, NoteColor
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.vanilla import vanilla

SUSTAINED_SWINGS = 9
"""Swings in a row that the sustained eBPM is taken over: eight beats of a quarter-note stream."""
PEAK_SECONDS = 1.0
TURNS = (0, 45, 90, 135, 180)
"""Angles that the shares of turns are counted by, each to the nearest."""


@dataclass(frozen=True)
class HandSpeed:
    """One hand's speed.

    Attributes:
        swings: How many.
        per_second: Mean over the hand's own span; None with fewer than two swings.
        peak_per_second: The most that begin within `PEAK_SECONDS`; None without swings.
        ebpm_peak: Of its two closest swings; None with fewer than two.
        ebpm_sustained: The highest mean over `SUSTAINED_SWINGS` in a row; None with fewer.
    """

    swings: int
    per_second: float | None
    peak_per_second: float | None
    ebpm_peak: float | None
    ebpm_sustained: float | None


@dataclass(frozen=True)
class SwingReport:
    """Both hands' speed, and the shares of turns by angle (`TURNS`; None without turns)."""

    red: HandSpeed
    blue: HandSpeed
    turns: dict[str, float] | None

    def to_dict(self) -> dict[str, object]:
        """The report as plain JSON values."""
        return asdict(self)

    def metrics(self) -> dict[str, float | None]:
        """The faster hand's figures and the shares of turns, flat."""
        found: dict[str, float | None] = {}
        for name in ("per_second", "peak_per_second", "ebpm_peak", "ebpm_sustained"):
            both = [getattr(self.red, name), getattr(self.blue, name)]
            found[f"swing:{name}"] = max((one for one in both if one is not None), default=None)
        shares = self.turns or {}
        return found | {f"turn:{degrees}": shares.get(str(degrees)) for degrees in TURNS}


def swing_report(beatmap: Beatmap, tempo: TempoMap) -> SwingReport:
    """Measure a map's swings; what the unmodded game cannot play is left out."""
    # The difficulty's name plays no part in swings.
    scene = Scene(vanilla(beatmap)[0], tempo, "ExpertPlus")
    counts = dict.fromkeys(TURNS, 0)
    for _, _, degrees in swing_turns(scene):
        counts[min(TURNS, key=lambda one: (abs(one - degrees), one))] += 1
    total = sum(counts.values())
    return SwingReport(
        _speed(scene.swings[int(NoteColor.RED)]),
        _speed(scene.swings[int(NoteColor.BLUE)]),
        {str(key): count / total for key, count in counts.items()} if total else None,
    )


def _speed(swings: tuple[HandSwing, ...]) -> HandSpeed:
    times = np.array([one.seconds for one in swings], np.float64)
    if not len(times):
        return HandSpeed(0, None, None, None, None)
    begun = np.searchsorted(times, times - PEAK_SECONDS + SECONDS_TOLERANCE)
    peak = float((np.arange(1, len(times) + 1) - begun).max()) / PEAK_SECONDS
    if len(times) == 1:
        return HandSpeed(1, None, peak, None, None)
    span = max(float(times[-1] - times[0]), SECONDS_TOLERANCE)
    closest = max(float(np.diff(times).min()), SECONDS_TOLERANCE)
    gaps = SUSTAINED_SWINGS - 1
    sustained = None
    if len(times) > gaps:
        shortest = max(float((times[gaps:] - times[:-gaps]).min()), SECONDS_TOLERANCE)
        sustained = EBPM_SECONDS * gaps / shortest
    return HandSpeed(len(times), (len(times) - 1) / span, peak, EBPM_SECONDS / closest, sustained)
