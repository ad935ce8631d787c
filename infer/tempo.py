"""Tempo and beats of a song from its sound.

`saberlm.infer.tempo_comb` proposes tempi, `saberlm.infer.tempo_phase` places for the beat and the
bar; `saberlm.infer.tempo_reading` weighs them, with what the beat network hears, and says how sure
it is.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy.typing as npt

from saberlm.infer.beat_features import log_mel
from saberlm.infer.beat_net import BeatNet, activations_of, load_beat_net
from saberlm.infer.onsets import RATE, OnsetCurve, onset_curve, prepare_samples
from saberlm.infer.tempo_estimate import TempoEstimate
from saberlm.infer.tempo_phase import Heard
from saberlm.infer.tempo_pieces import follow_tempo
from saberlm.infer.tempo_reading import Evidence, estimate_from, load_weights

MIN_BPM, MAX_BPM = 10.0, 1000.0  # what BeatSaver accepts
MIN_ONSETS = 4


def check_flags(bpm: float | None, offset_seconds: float | None) -> None:
    """Refuse a ``--bpm`` or ``--offset`` that no level can carry.

    Raises:
        ValueError: a BPM outside 10-1000 or not finite, or an offset that is not finite.
    """
    if bpm is not None and not (math.isfinite(bpm) and MIN_BPM <= bpm <= MAX_BPM):
        raise ValueError(
            f"expected --bpm from {MIN_BPM:g} to {MAX_BPM:g}, found {bpm}; "
            "leave it out to have it found"
        )
    if offset_seconds is not None and not math.isfinite(offset_seconds):
        raise ValueError(
            f"expected --offset in seconds, found {offset_seconds}; leave it out to have it found"
        )


def hear(samples: npt.ArrayLike, sample_rate: int, net: BeatNet | None = None) -> Heard:
    """What is heard of a song.

    Args:
        samples: (T,) mono samples, full scale 1.
        sample_rate: samples a second.
        net: the beat network; None for the shipped one.

    Raises:
        ValueError: sound without onsets (silence, a steady tone, under two seconds).
    """
    prepared = prepare_samples(samples, sample_rate)
    curve = onset_curve(prepared, RATE)
    if _num_onsets(curve) < MIN_ONSETS:
        raise ValueError(
            f"expected at least {MIN_ONSETS} onsets to find a beat in, found {_num_onsets(curve)}; "
            "give --bpm and --offset for a song without attacks"
        )
    return Heard(curve, activations_of(log_mel(prepared), net or load_beat_net()))


def estimate_tempo(
    samples: npt.ArrayLike,
    sample_rate: int,
    *,
    bpm: float | None = None,
    offset_seconds: float | None = None,
    net: BeatNet | None = None,
) -> TempoEstimate:
    """Find what is not given of a song's tempo and first beat.

    Args:
        samples: (T,) mono samples, full scale 1.
        sample_rate: samples a second.
        bpm: the tempo when known; then only the offset is sought.
        offset_seconds: the song time of beat 0 when known.
        net: the beat network; None for the shipped one.

    Raises:
        ValueError: bad flags, or sound without onsets (silence, a steady tone, under two seconds).
    """
    check_flags(bpm, offset_seconds)
    if bpm is not None and offset_seconds is not None:
        return TempoEstimate(bpm, offset_seconds, 1.0, "given")
    return estimate_heard(hear(samples, sample_rate, net), bpm=bpm, offset_seconds=offset_seconds)


def estimate_heard(
    heard: Heard, *, bpm: float | None = None, offset_seconds: float | None = None
) -> TempoEstimate:
    """`estimate_tempo` of a song that was heard already; one of tempo and offset may be given."""
    found = estimate_from(Evidence(heard), bpm, load_weights())
    if bpm is None and offset_seconds is None:
        return follow_tempo(heard.beats, heard.curve, found)
    if offset_seconds is None:
        return found
    others = {other.bpm: other for other in reversed(found.alternatives) if other.bpm != found.bpm}
    return replace(
        found,
        offset_seconds=offset_seconds,
        method=f"{found.method}+given offset",
        alternatives=tuple(
            replace(other, offset_seconds=offset_seconds) for other in reversed(others.values())
        ),
    )


def _num_onsets(curve: OnsetCurve) -> int:
    full = curve.full
    peaks = (
        (full[1:-1] > full[:-2])
        & (full[1:-1] >= full[2:])
        & (full[1:-1] > 0.1 * full.max())
        & (full[1:-1] > 1e-3)
    )
    return int(peaks.sum())
