"""Where the beats of a known tempo may fall, and which of four may begin a bar: candidates, and
what speaks for each.

Onset strength folded over one beat has peaks at the beat, its half and its quarters; the beat
network's chances, the low band and the peaks' heights tell them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from saberlm.infer.onsets import OnsetCurve

if TYPE_CHECKING:
    from saberlm.infer.beat_net import BeatActivations

Floats = npt.NDArray[np.float64]

BEATS_A_BAR = 4
PHASES = 480  # steps of a beat that a phase is sought in
APART = PHASES // 16  # candidates lie at least this far apart
NUM_PHASES = 6
EARLY_SECONDS = 0.005
"""Mappers' notes lie this much before the frame where an onset rises most: with it, or a ms more
or less, the beats of most of 180 maps come within 20 ms."""
PHASE_FEATURES = ("full", "log full", "both halves", "low", "net", "log net", "downbeats")
BAR_FEATURES = (
    *("low", "full", "net", "downbeats", "log downbeats", "downbeats two beats on"),
    *("novelty", "low novelty", "first strong", "song's start"),
)
NOVELTY_BEATS = 16  # sections before and after a beat that are held against each other
STRONG = 0.5  # of the upper quartile of beats: the first beat that reaches it is where music begins
START_SECONDS = 0.030
"""Songs that begin with their sound file begin a bar; of the human maps' sound files, which mappers
cut or pad to the beat, four in ten do."""


@dataclass(frozen=True)
class Heard:
    """What is heard of a song.

    Attributes:
        curve: onset strength.
        beats: the beat network's chances of a beat and of a downbeat.
    """

    curve: OnsetCurve
    beats: BeatActivations


@dataclass(frozen=True)
class Phases:
    """Where the beats of one tempo may fall.

    Attributes:
        places: (C,) candidates in beats, 0 to 1: the first beat at or after second 0.
        features: (C, D), as ``PHASE_FEATURES``.
    """

    places: Floats
    features: Floats


def profile(weights: npt.NDArray[np.float32], beats: Floats, period: int) -> Floats:
    """Onset strength by place in ``period`` beats, PHASES steps a beat, smoothed over 1/60 beat."""
    size = PHASES * period
    place = beats * PHASES
    low = np.floor(place).astype(np.int64)
    upper = place - low
    raw = np.bincount(low % size, weights * (1 - upper), size) + np.bincount(
        (low + 1) % size, weights * upper, size
    )
    width = np.arange(-24, 25) / 8
    kernel = np.exp(-0.5 * width**2)
    wrapped = np.concatenate([raw[-24:], raw, raw[:24]])
    smooth: Floats = np.convolve(wrapped, kernel / kernel.sum(), "valid")
    return smooth


def find_phases(heard: Heard, bpm: float) -> Phases:
    """The places where the beats at ``bpm`` may fall: peaks of the folded onset strength."""
    beats = heard.curve.times * bpm / 60
    full = profile(heard.curve.full, beats, 1)
    low = profile(heard.curve.low, beats, 1)
    steps = _best_apart(full)
    places = steps / PHASES
    net = np.array([_mean_at(heard.beats.beat, heard.beats.fps, bpm, p) for p in places])
    down = np.array([_mean_at(heard.beats.downbeat, heard.beats.fps, bpm, p) for p in places])
    half = (full + np.roll(full, PHASES // 2))[steps]
    tallest = full.max() + 1e-9
    columns = (
        full[steps] / tallest,
        np.log(full[steps] / tallest + 0.02),
        half / (2 * tallest),
        low[steps] / (low.max() + 1e-9),
        net / (net.max() + 1e-9),
        np.log(net / (net.max() + 1e-9) + 0.02),
        down / (down.max() + 1e-9),
    )
    return Phases((places - EARLY_SECONDS * bpm / 60) % 1, np.stack(columns, axis=1))


def _best_apart(full: Floats) -> npt.NDArray[np.int64]:
    """Tallest peaks of a beat's profile, ``APART`` steps from each other or more."""
    peaks = np.flatnonzero((full >= np.roll(full, 1)) & (full > np.roll(full, -1)))
    found: list[int] = []
    for peak in peaks[np.argsort(-full[peaks], kind="stable")]:
        if all(
            abs((peak - other + PHASES // 2) % PHASES - PHASES // 2) >= APART for other in found
        ):
            found.append(int(peak))
            if len(found) == NUM_PHASES:
                break
    return np.array(found or [0])


def _mean_at(chances: npt.NDArray[np.float32], fps: float, bpm: float, place: float) -> float:
    """Mean of the network's chances at the beats ``place + n``."""
    seconds = np.arange(place, len(chances) / fps * bpm / 60, 1.0) * 60 / bpm
    return float(np.interp(seconds, np.arange(len(chances)) / fps, chances).mean())


def bar_features(heard: Heard, bpm: float, place: float) -> Floats:
    """What speaks for each of the first four beats as a bar's first, (4, D) as ``BAR_FEATURES``.

    Args:
        heard: of the song.
        bpm: its tempo.
        place: the first beat at or after second 0, in beats.
    """
    seconds = np.arange(place, heard.curve.duration * bpm / 60, 1.0) * 60 / bpm
    used = len(seconds) // BEATS_A_BAR * BEATS_A_BAR

    def by_beat(values: npt.NDArray[np.float32], fps: float, early: float) -> Floats:
        at = np.interp(seconds + early, np.arange(len(values)) / fps, values)[:used]
        shares = at.reshape(-1, BEATS_A_BAR).sum(axis=0)
        mean: Floats = shares / (shares.mean() + 1e-9)
        return mean

    low, full = (
        by_beat(part, len(part) / heard.curve.duration, EARLY_SECONDS)
        for part in (heard.curve.low, heard.curve.full)
    )
    net, down = (
        by_beat(part, heard.beats.fps, 0.0) for part in (heard.beats.beat, heard.beats.downbeat)
    )
    strong = np.interp(seconds + EARLY_SECONDS, heard.curve.times, heard.curve.full)
    first = int(np.argmax(strong > STRONG * np.percentile(strong, 75)))
    # the bar's first beat nearest to second 0, which may be the one just before it
    nearest = ((place + np.arange(BEATS_A_BAR) + 2) % BEATS_A_BAR - 2) * 60 / bpm
    columns = (
        *(low, full, net, down, np.log(down + 0.02), np.roll(down, 2)),
        *(
            _novelty(part, heard.curve.duration, seconds)
            for part in (heard.curve.full, heard.curve.low)
        ),
        np.eye(BEATS_A_BAR)[first % BEATS_A_BAR],
        np.exp(-0.5 * (nearest / START_SECONDS) ** 2),
    )
    return np.stack(columns, axis=1)


def _novelty(part: npt.NDArray[np.float32], duration: float, seconds: Floats) -> Floats:
    """How much the sections before and after differ at each beat of a bar, (4,) with mean 1.

    Args:
        part: (F,) onset strength.
        duration: seconds that it lasts.
        seconds: (N,) beats; the first is beat 0 of a bar.
    """
    edges = np.clip(np.round((seconds - 0.025) * len(part) / duration).astype(int), 0, len(part))
    sums = np.diff(np.concatenate([[0.0], np.cumsum(part, dtype=np.float64)])[edges])
    level = np.log(sums + 0.1 * sums.mean() + 1e-9)
    total = np.concatenate([[0.0], np.cumsum(level)])
    here = np.arange(NOVELTY_BEATS, len(level) - NOVELTY_BEATS + 1)
    if len(here) < BEATS_A_BAR:
        return np.ones(BEATS_A_BAR)
    after = total[here + NOVELTY_BEATS] - total[here]
    change = (after - (total[here] - total[here - NOVELTY_BEATS])) ** 2
    shares = np.array([change[here % BEATS_A_BAR == beat].mean() for beat in range(BEATS_A_BAR)])
    even: Floats = shares / (shares.mean() + 1e-9)
    return even
