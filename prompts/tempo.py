"""Beats to seconds and back: a map's tempo as a piecewise-constant function.

Beats are beats *of the map*: a tempo event's own ``beat`` is counted through all the tempos before
it, as difficulty files v2.5 (event type 100), v3 (``bpmEvents``) and the game count them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypeAlias, overload

import numpy as np
import numpy.typing as npt

from saberlm.prompts.beatmap import BpmEvent

FloatArray: TypeAlias = npt.NDArray[np.float64]

_SECONDS_PER_MINUTE = 60.0


@dataclass(frozen=True)
class TempoMap:
    """The tempo of a map; beat 0 is second 0, and both may go below zero at the first tempo.

    Under a steady tempo the two ways are ``beat * 60 / bpm`` and ``seconds * bpm / 60`` to the last
    bit.

    Args:
        bpm: Base tempo in beats a minute (Info.dat's).
        events: Tempo changes, in any order. One at or before beat 0 replaces the base tempo; of
            several at one beat the last given holds, as in the game.

    Raises:
        ValueError: If a tempo is not a finite number above 0 or an event's beat is not finite.
    """

    bpm: float
    events: tuple[BpmEvent, ...] = ()
    _beats: FloatArray = field(init=False, repr=False, compare=False)
    _seconds: FloatArray = field(init=False, repr=False, compare=False)
    _bpms: FloatArray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Checks the tempos and lays out where each begins, in beats and in seconds."""
        _check_bpm(self.bpm, "the base tempo")
        tempos = {0.0: float(self.bpm)}
        for event in sorted(self.events, key=lambda event: event.beat):
            _check_bpm(event.bpm, f"the tempo event at beat {event.beat}")
            if not math.isfinite(event.beat):
                raise ValueError(
                    f"expected a tempo event at a finite beat, found beat {event.beat}: "
                    "the map file is likely damaged or was written by a faulty converter"
                )
            tempos[max(0.0, float(event.beat))] = float(event.bpm)
        beats = np.array(list(tempos), dtype=np.float64)
        bpms = np.array(list(tempos.values()), dtype=np.float64)
        lengths = np.diff(beats) * _SECONDS_PER_MINUTE / bpms[:-1]
        seconds = np.concatenate(([0.0], np.cumsum(lengths)))
        object.__setattr__(self, "_beats", beats)
        object.__setattr__(self, "_bpms", bpms)
        object.__setattr__(self, "_seconds", seconds)

    @overload
    def to_seconds(self, beat: float) -> float: ...
    @overload
    def to_seconds(self, beat: FloatArray) -> FloatArray: ...
    def to_seconds(self, beat: float | FloatArray) -> float | FloatArray:
        """Turns beats into seconds.

        Args:
            beat: A beat, or an array of them in any order and shape.

        Returns:
            Seconds from beat 0: a float for a number, an array of the same shape for an array.
        """
        at = np.asarray(beat, dtype=np.float64)
        part = np.maximum(np.searchsorted(self._beats, at, side="right") - 1, 0)
        since = at - self._beats[part]
        with np.errstate(over="ignore"):  # absurd beats come out infinite, which callers refuse
            seconds = self._seconds[part] + since * _SECONDS_PER_MINUTE / self._bpms[part]
        return np.asarray(seconds) if isinstance(beat, np.ndarray) else float(seconds)

    @overload
    def to_beats(self, seconds: float) -> float: ...
    @overload
    def to_beats(self, seconds: FloatArray) -> FloatArray: ...
    def to_beats(self, seconds: float | FloatArray) -> float | FloatArray:
        """Turns seconds into beats: the inverse of `to_seconds` to within rounding.

        Args:
            seconds: A time from beat 0, or an array of them in any order and shape.

        Returns:
            Beats of the map: a float for a number, an array of the same shape for an array.
        """
        at = np.asarray(seconds, dtype=np.float64)
        part = np.maximum(np.searchsorted(self._seconds, at, side="right") - 1, 0)
        since = at - self._seconds[part]
        with np.errstate(over="ignore"):
            beats = self._beats[part] + since * self._bpms[part] / _SECONDS_PER_MINUTE
        return np.asarray(beats) if isinstance(seconds, np.ndarray) else float(beats)

    def usual_bpm(self, end_seconds: float) -> float:
        """The tempo that rules longest between beat 0 and ``end_seconds`` after it; the first of
        several."""
        ends = np.minimum(np.append(self._seconds[1:], np.inf), end_seconds)
        ruled: dict[float, float] = {}
        for bpm, seconds in zip(self._bpms, np.maximum(ends - self._seconds, 0.0), strict=True):
            ruled[float(bpm)] = ruled.get(float(bpm), 0.0) + float(seconds)
        return max(ruled, key=lambda bpm: ruled[bpm])


def _check_bpm(bpm: float, what: str) -> None:
    if not (math.isfinite(bpm) and bpm > 0):
        raise ValueError(
            f"expected {what} to be a finite number of beats a minute above 0, found {bpm}: "
            "likely a missing or damaged tempo in the map file"
        )


MIN_GRID_BPM, MAX_GRID_BPM = 95.0, 190.0
"""The octave of tempo that maps are tokenised in."""


def fold_bpm(bpm: float) -> float:
    """The octave of ``bpm`` that lies in 95-190."""
    while bpm < MIN_GRID_BPM:
        bpm *= 2
    while bpm >= MAX_GRID_BPM:
        bpm /= 2
    return bpm
