"""How well a found steady tempo meets the grid of a human map.

Conventions: times in seconds of song time, tempi in beats a minute. The reference is the grid
fitted to the mapper's notes, whose tempo is folded into 95-190 BPM, with the tempo that the mapper
states in Info.dat beside it; the estimate is a tempo and the song time of a downbeat. Both are
judged where there are notes: at the first and at the last one.

Metrics:
    - ``exact``: tempo within 0.1 % of the *stated* one: the octave is the mapper's own choice.
    - ``folded``: tempo folded into 95-190 BPM within 0.1 % of the reference: the octave that levels
      are written in, whatever the mapper states.
    - ``octave``: tempo within 0.1 % of the reference, of its double or of its half.
    - ``phase``: the grid through the estimate's downbeat lies within 20 ms of the reference's beats
      at both ends. The step between beats is the estimate's, brought to the reference's octave, so
      that a beat at double tempo does not score by being everywhere.
    - ``downbeat``: the same for the first beats of bars of four reference beats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from saberlm.prompts.tempo import fold_bpm

BPM_TOLERANCE = 1e-3
PHASE_SECONDS = 0.020
BEATS_A_BAR = 4


@dataclass(frozen=True)
class TempoScore:
    """How one estimate fares.

    Attributes:
        exact: see the module's metrics; likewise ``folded``, ``octave``, ``phase``, ``downbeat``.
        start_seconds: signed distance from the reference's nearest beat at the first note.
        end_seconds: the same at the last note.
        start_beats: how many beats after the reference's nearest downbeat the estimate's
            downbeat falls at the first note, -2 to 2.
    """

    exact: bool
    folded: bool
    octave: bool
    phase: bool
    downbeat: bool
    start_seconds: float
    end_seconds: float
    start_beats: float


def score_tempo(
    *,
    stated_bpm: float,
    reference_bpm: float,
    reference_offset: float,
    first_seconds: float,
    last_seconds: float,
    bpm: float,
    offset_seconds: float,
) -> TempoScore:
    """Judge a steady estimate.

    Args:
        stated_bpm: Info.dat's tempo.
        reference_bpm: of the fitted grid.
        reference_offset: a downbeat of the fitted grid.
        first_seconds: the map's first note.
        last_seconds: the map's last note.
        bpm: the estimate's tempo.
        offset_seconds: a downbeat of the estimate.

    Raises:
        ValueError: a tempo that is not a finite number above 0.
    """
    for value in (stated_bpm, reference_bpm, bpm):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"expected a finite tempo above 0, found {value}")
    octave = any(_near(bpm, reference_bpm * ratio) for ratio in (0.5, 1.0, 2.0))
    step = bpm * 2.0 ** round(math.log2(reference_bpm / bpm))
    beats = [
        _beats_apart(at, reference_bpm, reference_offset, step, offset_seconds)
        for at in (first_seconds, last_seconds)
    ]
    start, end = ((x - round(x)) * 60 / reference_bpm for x in beats)
    near = max(abs(start), abs(end)) <= PHASE_SECONDS
    bars = [abs(math.remainder(x, BEATS_A_BAR)) * 60 / reference_bpm for x in beats]
    return TempoScore(
        exact=_near(bpm, stated_bpm),
        folded=_near(fold_bpm(bpm), reference_bpm),
        octave=octave,
        phase=near,
        downbeat=max(bars) <= PHASE_SECONDS,
        start_seconds=start,
        end_seconds=end,
        start_beats=math.remainder(beats[0], BEATS_A_BAR),
    )


def _near(bpm: float, reference: float) -> bool:
    return abs(bpm / reference - 1) <= BPM_TOLERANCE


def _beats_apart(
    at: float, reference_bpm: float, reference_offset: float, bpm: float, offset: float
) -> float:
    """Reference beats from a reference downbeat to the estimate's downbeat nearest ``at``."""
    bar = BEATS_A_BAR * 60 / bpm
    nearest = offset + round((at - offset) / bar) * bar
    return (nearest - reference_offset) * reference_bpm / 60
