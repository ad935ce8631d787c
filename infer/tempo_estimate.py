"""What is found of a song's tempo: the records that its finders, the map and the level share.

Knows nothing of sound.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TempoPiece:
    """A change of tempo.

    Attributes:
        seconds: song time where it begins, on a beat of the piece before it.
        bpm: beats a minute from there on.
    """

    seconds: float
    bpm: float


@dataclass(frozen=True)
class Reading:
    """Another way to read a song's beat.

    Attributes:
        bpm: beats a minute.
        offset_seconds: song time of beat 0, the downbeat of its first bar.
        probability: that this reading is the right one, 0-1.
    """

    bpm: float
    offset_seconds: float
    probability: float


@dataclass(frozen=True)
class TempoEstimate:
    """A song's grid.

    Attributes:
        bpm: beats a minute, of the first piece.
        offset_seconds: song time of beat 0, the likely downbeat; found ones lie in the song's first
            bar of the grid in 95-190 BPM.
        confidence: probability, 0-1, that tempo (to its octave) and beat are right; 1 when both
            were given.
        method: ``found`` or ``given``, for the tempo; with ``+given offset`` when only the
            offset was given.
        events: changes of tempo in order; none in a steady song.
        alternatives: the next best readings, likeliest first; none when both were given.
    """

    bpm: float
    offset_seconds: float
    confidence: float
    method: str
    events: tuple[TempoPiece, ...] = ()
    alternatives: tuple[Reading, ...] = ()

    @property
    def first_beat_seconds(self) -> float:
        """Song time in seconds of the first beat at or after second 0."""
        return self.offset_seconds % (60 / self.bpm)
