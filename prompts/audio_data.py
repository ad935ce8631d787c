"""The tempo file beside a level's difficulties: ``AudioData.dat`` (v4) and ``BPMInfo.dat`` (v2)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class BpmRegion:
    """Samples ``start_sample`` to ``end_sample`` last from ``start_beat`` to ``end_beat``."""

    start_sample: int
    end_sample: int
    start_beat: float
    end_beat: float


@dataclass(frozen=True, slots=True, order=True)
class LufsRegion:
    """Loudness of a stretch of the song."""

    start_sample: int
    end_sample: int
    lufs: float


@dataclass(frozen=True)
class AudioData:
    """The song's length in samples at ``frequency`` Hz, and which samples make which beats."""

    sample_count: int
    frequency: int
    regions: tuple[BpmRegion, ...] = ()
    lufs: tuple[LufsRegion, ...] = ()
    checksum: str = ""
