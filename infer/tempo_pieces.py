"""Songs whose tempo changes: whether a steady grid holds, and the pieces of constant tempo that
hold where it does not.

The beats are tracked (`saberlm.infer.beat_tracking`) with a tempo free to change. The steady grid
holds unless the tracked beats leave it for long and are heard better than it where they do: where
nothing is heard a tracker goes anywhere, and a player who drags for a bar changes no tempo.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from saberlm.infer.beat_tracking import beat_evidence, track_beats
from saberlm.infer.onsets import FPS, OnsetCurve
from saberlm.infer.tempo_estimate import TempoEstimate, TempoPiece
from saberlm.infer.tempo_fit import BEATS_A_BAR, fit_pieces
from saberlm.prompts.beatmap import BpmEvent
from saberlm.prompts.tempo import fold_bpm

if TYPE_CHECKING:
    from saberlm.infer.beat_net import BeatActivations

Floats = npt.NDArray[np.float64]

TRACKED_HOLD_SECONDS = 0.008
"""How far pieces may lie from tracked beats, which are themselves some ms off."""
OFF_SECONDS = 0.015
WINDOW_BEATS = 16
MIN_GAIN = 0.6
"""By how much tracked beats must be heard better than the steady grid's, in deviations of the
evidence a beat."""
MIN_HEARD = 1.7
"""Evidence a beat below which tracked beats prove nothing: in noise they reach 1.6."""
MIN_RUN_GAIN = 3.0
"""Gain that windows in a row off the steady grid have together where it does not hold: 10 s of free
intro have 3 to 6, five of 197 steady train and valid songs have as much."""
MOST_PIECES, SECONDS_A_PIECE = 10, 6.0
"""A song that takes more pieces than the first number and one for each of the second's seconds was
not followed but guessed at, and keeps its steady reading."""
BPM_DECIMALS = 5
"""Of a piece's tempo: five minutes then drift by .02 ms at most. Further ones are noise of sums,
which differs with the number of threads, and a song's level is to be the same in a batch."""
_SLACK_FRAMES = 3
_SNAP_SECONDS = 0.001


@dataclass(frozen=True)
class Departure:
    """How far tracked beats leave a steady grid, window by window.

    Attributes:
        off_seconds: (W,) median distance from the grid's nearest quarter beat: a tracker may go by
            the off-beats for a while.
        heard: (W,) evidence a beat.
        gain: (W,) by how much that is above the most that the grid has in one of its four phases.
    """

    off_seconds: Floats
    heard: Floats
    gain: Floats

    @property
    def off(self) -> npt.NDArray[np.bool_]:
        """(W,) windows where the grid does not hold."""
        clear = (self.heard > MIN_HEARD) & (self.gain > MIN_GAIN)
        return clear & (self.off_seconds > OFF_SECONDS)

    @property
    def run_gain(self) -> float:
        """The greatest sum of gains over windows in a row that are off the grid."""
        greatest = run = 0.0
        for off, gain in zip(self.off, self.gain, strict=True):
            run = run + float(gain) if off else 0.0
            greatest = max(greatest, run)
        return greatest


def departure(evidence: Floats, beats: Floats, bpm: float) -> Departure:
    """Compare tracked beats with the steady grid of a tempo, in the phase that most of them have.

    Args:
        evidence: (F,) see `saberlm.infer.beat_tracking.beat_evidence`.
        beats: (N,) tracked, in seconds.
        bpm: the grid's tempo, in the octave of the beats.
    """
    quarter = 15 / bpm
    phase = _usual_phase(beats % quarter, quarter)
    off, heard, gain = [], [], []
    for start in range(0, max(1, len(beats) - WINDOW_BEATS + 1), WINDOW_BEATS // 2):
        here = beats[start : start + WINDOW_BEATS]
        near = phase + np.round((here - phase) / quarter) * quarter
        off.append(float(np.median(np.abs(here - near))))
        grid = near[0] + np.arange(-2, 4 * len(here) - 2) * quarter
        steady = max(_heard(evidence, grid[place::4]) for place in range(4))
        heard.append(_heard(evidence, here))
        gain.append(heard[-1] - steady)
    return Departure(np.array(off), np.array(heard), np.array(gain))


def _usual_phase(phases: Floats, period: float) -> float:
    """Where phases lie densest around a period."""
    places = np.linspace(0, period, 60, endpoint=False)
    apart = (phases - places[:, None] + period / 2) % period - period / 2
    return float(places[np.argmax(np.exp(-0.5 * (apart / 0.006) ** 2).sum(axis=1))])


def _heard(evidence: Floats, seconds: Floats) -> float:
    """Mean evidence at beats, all of them moved alike by 15 ms at most to where it is greatest."""
    frames = np.round(seconds * FPS).astype(np.int64)
    moves = np.arange(-_SLACK_FRAMES, _SLACK_FRAMES + 1)
    places = frames[:, None] + moves
    inside = (places >= 0) & (places < len(evidence))
    values = np.where(inside, evidence[np.clip(places, 0, len(evidence) - 1)], 0.0)
    return float(values.mean(axis=0).max())


def follow_tempo(
    activations: BeatActivations | None, curve: OnsetCurve, steady: TempoEstimate
) -> TempoEstimate:
    """The steady reading where its grid holds; else the same song by pieces of constant tempo.

    Args:
        activations: the beat network's chances, if there are any.
        curve: onset strength of the whole song.
        steady: the song's best steady reading; the octave is taken from it.

    Returns:
        ``steady`` itself (also where the beats need too many pieces to be believed), or an estimate
        with ``events``: tempo and beat 0 of the first piece, as few pieces as hold the tracked
        beats, every one beginning on a beat; the confidence and alternatives are those of the
        steady reading.
    """
    evidence = beat_evidence(activations, curve)
    bpm = fold_bpm(steady.bpm)
    beats = track_beats(evidence, bpm)
    if len(beats) < WINDOW_BEATS:
        return steady
    if departure(evidence, beats, bpm).run_gain < MIN_RUN_GAIN:
        return steady
    pieces = fit_pieces(beats, hold_seconds=TRACKED_HOLD_SECONDS)
    most = MOST_PIECES + curve.duration / SECONDS_A_PIECE
    if not 1 < len(pieces.bpms) <= most:
        return steady
    octave = steady.bpm / bpm
    zero = pieces.first_downbeat(_find_downbeat(activations, curve, beats))
    return replace(
        steady,
        bpm=round(float(pieces.bpms[0]) * octave, BPM_DECIMALS),
        offset_seconds=float(pieces.times(zero)),
        method=f"{steady.method}+changes",
        events=tuple(replace(p, bpm=round(p.bpm * octave, BPM_DECIMALS)) for p in pieces.changes()),
    )


def find_pieces(
    activations: BeatActivations | None, curve: OnsetCurve, steady: TempoEstimate
) -> tuple[TempoPiece, ...]:
    """The pieces of constant tempo, the first one from its downbeat in the song's first bar on;
    none where the steady grid holds. See `follow_tempo`."""
    found = follow_tempo(activations, curve, steady)
    if not found.events:
        return ()
    return (TempoPiece(found.offset_seconds, found.bpm), *found.events)


def _find_downbeat(activations: BeatActivations | None, curve: OnsetCurve, beats: Floats) -> int:
    """Which of the first four beats begins a bar: by the network's chances of a downbeat, else by
    the low band."""
    if activations is not None:
        times = np.arange(len(activations.downbeat)) / activations.fps
        heard = np.interp(beats, times, activations.downbeat.astype(np.float64))
    else:
        frames = np.clip(np.round(beats * FPS).astype(np.int64), 2, len(curve.low) - 3)
        heard = np.max([curve.low[frames + move] for move in (-2, -1, 0, 1, 2)], axis=0)
    return int(np.argmax([heard[place::BEATS_A_BAR].mean() for place in range(BEATS_A_BAR)]))


def events_of(estimate: TempoEstimate) -> tuple[BpmEvent, ...]:
    """The changes of an estimate as tempo events, in beats from its beat 0.

    Changes within 1 ms of a 1/48 beat begin on it.
    """
    beat, seconds, bpm = 0.0, estimate.offset_seconds, estimate.bpm
    events = []
    for piece in estimate.events:
        exact = beat + (piece.seconds - seconds) * bpm / 60
        near = round(exact * 48) / 48
        new = near if abs(near - exact) * 60 / bpm <= _SNAP_SECONDS else exact
        seconds += (new - beat) * 60 / bpm
        beat, bpm = new, piece.bpm
        events.append(BpmEvent(beat, bpm))
    return tuple(events)
