"""The readings of a song's beat and how likely each is: tempo, octave, phase and downbeat.

Four choices, each a softmax over candidates with a linear score of what speaks for them; the
weights were fitted to the grids of human maps (`saberlm.finetune.fit_tempo`, which says how) and
lie in ``pretrained/tempo/weights.json``. A logistic on the winner's probabilities gives the
confidence.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from saberlm.infer.tempo_comb import Comb, coherence, find_tempi, sharpen, whole_bpm
from saberlm.infer.tempo_estimate import Reading, TempoEstimate
from saberlm.infer.tempo_phase import (
    BAR_FEATURES,
    BEATS_A_BAR,
    PHASE_FEATURES,
    Heard,
    Phases,
    bar_features,
    find_phases,
)
from saberlm.prompts.tempo import fold_bpm

Floats = npt.NDArray[np.float64]

OCTAVES = (1.0, 0.5, 2.0)  # times the tempo in 95-190 BPM
TEMPO_FEATURES = (
    *("comb", "onsets", "onsets/2", "onsets*2", "onsets*4", "onsets*3", "onsets*3/2"),
    *("net", "net/2", "net*2", "net*2/3", "net*4/3"),
    *("whole", "log2", "log2^2"),
)
OCTAVE_FEATURES = (  # few maps state half the tempo: nothing but the prior was found to tell them
    *("half: one", "half: log2"),
    *("double: one", "double: log2", "double: log2^2", "double: onsets", "double: onsets*2"),
)
CONFIDENCE_FEATURES = ("log odds", "coherence", "net", "log seconds", "one")
NUM_TRIED = 3  # tempi whose phases are sought
NUM_ALTERNATIVES = 2
WEIGHTS_FILE = Path(__file__).parent / "pretrained" / "tempo" / "weights.json"


@dataclass(frozen=True)
class TempoWeights:
    """Weights of the four choices and of the confidence, by the features of the same name."""

    tempo: Floats
    octave: Floats
    phase: Floats
    bar: Floats
    confidence: Floats


SIZES = {
    "tempo": TEMPO_FEATURES,
    "octave": OCTAVE_FEATURES,
    "phase": PHASE_FEATURES,
    "bar": BAR_FEATURES,
    "confidence": CONFIDENCE_FEATURES,
}


def weights_from(table: Mapping[str, Mapping[str, float]]) -> TempoWeights:
    """Weights from ``{choice: {feature: weight}}``.

    Raises:
        ValueError: a feature is missing or unknown.
    """
    for choice, names in SIZES.items():
        found = set(table.get(choice, {}))
        if found != set(names):
            raise ValueError(
                f"tempo weights, {choice}: expected the features {sorted(names)}, found "
                f"{sorted(found)}; were they fitted by another version?"
            )
    return TempoWeights(
        **{choice: np.array([table[choice][name] for name in SIZES[choice]]) for choice in SIZES}
    )


@cache
def load_weights(path: Path = WEIGHTS_FILE) -> TempoWeights:
    """The shipped weights, or another fit's."""
    return weights_from(json.loads(path.read_text(encoding="utf-8"))["weights"])


@dataclass(frozen=True)
class Tempi:
    """The tempi that a song may have.

    Attributes:
        bpm: (C,) in 95-190 BPM.
        features: (C, D), as ``TEMPO_FEATURES``.
    """

    bpm: Floats
    features: Floats


def tempo_candidates(heard: Heard) -> Tempi:
    """The tempi that onsets and beat network propose, and what speaks for each."""
    duration = heard.curve.duration
    onsets = Comb(heard.curve.full, len(heard.curve.full) / duration)
    net = Comb(heard.beats.beat, heard.beats.fps)
    found = list(find_tempi(onsets, duration))
    for bpm in find_tempi(net, duration, 3):
        if all(abs(bpm / other - 1) > 3e-3 for other in found):
            found.append(sharpen(onsets, float(bpm), 60 / (duration * 16)))
    # of a short song two peaks may come to the same whole tempo
    bpm = np.array(list(dict.fromkeys(whole_bpm(onsets, tempo, duration) for tempo in found)))
    lines = {"comb": onsets(bpm)}
    lines |= {
        f"onsets{name}": onsets.at(bpm, harmonic)
        for name, harmonic in (
            ("", 1.0), ("/2", 0.5), ("*2", 2.0), ("*4", 4.0), ("*3", 3.0), ("*3/2", 1.5),
        )
    }  # fmt: skip
    lines |= {
        f"net{name}": net.at(bpm, harmonic)
        for name, harmonic in (
            ("", 1.0), ("/2", 0.5), ("*2", 2.0), ("*2/3", 2 / 3), ("*4/3", 4 / 3),
        )
    }  # fmt: skip
    columns = [line / (line.max() + 1e-9) for line in lines.values()]
    octave = np.log2(bpm / 134)
    return Tempi(bpm, np.stack([*columns, bpm % 1 == 0, octave, octave**2], axis=1))


def octave_features(heard: Heard, bpm: float) -> Floats:
    """What speaks for ``bpm`` in 95-190, its half and its double as the stated tempo, (3, D)."""
    onsets = Comb(heard.curve.full, len(heard.curve.full) / heard.curve.duration)
    beat, twice = (float(onsets.at(np.array([bpm]), times)[0]) for times in (1.0, 2.0))
    octave = math.log2(bpm / 134)
    half = [1.0, octave]
    double = [1.0, octave, octave**2, beat, twice]
    return np.array([[0.0] * 7, half + [0.0] * 5, [0.0] * 2 + double])


class Evidence:
    """What speaks for each candidate of a song, worked out when it is first asked for.

    Args:
        heard: of the song.
    """

    def __init__(self, heard: Heard) -> None:
        self.heard = heard
        self._phases: dict[float, Phases] = {}
        self._octaves: dict[float, Floats] = {}
        self._bars: dict[tuple[float, float], Floats] = {}

    @cached_property
    def tempi(self) -> Tempi:
        """See `tempo_candidates`."""
        return tempo_candidates(self.heard)

    def phases(self, bpm: float) -> Phases:
        """See `saberlm.infer.tempo_phase.find_phases`."""
        if bpm not in self._phases:
            self._phases[bpm] = find_phases(self.heard, bpm)
        return self._phases[bpm]

    def octaves(self, bpm: float) -> Floats:
        """See `octave_features`."""
        if bpm not in self._octaves:
            self._octaves[bpm] = octave_features(self.heard, bpm)
        return self._octaves[bpm]

    def bars(self, bpm: float, place: float) -> Floats:
        """See `saberlm.infer.tempo_phase.bar_features`."""
        if (bpm, place) not in self._bars:
            self._bars[bpm, place] = bar_features(self.heard, bpm, place)
        return self._bars[bpm, place]


def chances(features: Floats, weights: Floats) -> Floats:
    """(C,) softmax of the linear scores of candidates with features (C, D)."""
    score = features @ weights
    raised = np.exp(score - score.max())
    share: Floats = raised / raised.sum()
    return share


@dataclass(frozen=True)
class Candidate:
    """One reading with its parts' probabilities, before calibration."""

    bpm: float  # in 95-190
    octave: float
    place: float  # beats at ``bpm``
    probability: float


def read_song(evidence: Evidence, bpm: float | None, weights: TempoWeights) -> list[Candidate]:
    """All readings of a song, likeliest first; they share out probability 1 between them.

    Args:
        evidence: of the song.
        bpm: the tempo where it is known: only phases are sought, and its octave is kept.
        weights: of the choices.
    """
    if bpm is None:
        tempi = evidence.tempi
        share = chances(tempi.features, weights.tempo)
        order = np.argsort(-share, kind="stable")[:NUM_TRIED]
        tried = [(float(tempi.bpm[i]), float(share[i])) for i in order]
    else:
        tried = [(fold_bpm(bpm), 1.0)]
    found = []
    for tempo, chance in tried:
        phases = evidence.phases(tempo)
        in_phase = chances(phases.features, weights.phase)
        octaves: Mapping[float, float] = {(bpm or tempo) / tempo: 1.0}
        if bpm is None:
            shares = chances(evidence.octaves(tempo), weights.octave)
            octaves = dict(zip(OCTAVES, shares, strict=True))
        for place, p in zip(phases.places, in_phase, strict=True):
            for octave, q in octaves.items():
                found.append(Candidate(tempo, octave, float(place), float(chance * p * q)))
    return sorted(found, key=lambda one: -one.probability)


def confidence_features(evidence: Evidence, found: Sequence[Candidate]) -> Floats:
    """What speaks for the first of the readings, (D,) as ``CONFIDENCE_FEATURES``."""
    heard, best = evidence.heard, found[0]
    odds = best.probability / max(1 - best.probability, 1e-6)
    seconds = np.arange(best.place, heard.curve.duration * best.bpm / 60, 1.0) * 60 / best.bpm
    beats = heard.beats.beat
    at = np.interp(seconds, np.arange(len(beats)) / heard.beats.fps, beats)
    return np.array(
        [
            math.log(max(odds, 1e-6)),
            coherence(heard.curve, best.bpm),
            float(at.mean()),
            math.log(heard.curve.duration / 180),
            1.0,
        ]
    )


def estimate_from(evidence: Evidence, bpm: float | None, weights: TempoWeights) -> TempoEstimate:
    """The likeliest reading of a song as its grid, with a calibrated confidence and the next
    two."""
    found = read_song(evidence, bpm, weights)
    score = float(confidence_features(evidence, found) @ weights.confidence)
    confidence = 1 / (1 + math.exp(-score))
    rest = 1 - found[0].probability + 1e-9
    others = tuple(
        Reading(
            round(one.bpm * one.octave, 6),
            offset_of(evidence, one, weights),
            (1 - confidence) * one.probability / rest,
        )
        for one in found[1 : 1 + NUM_ALTERNATIVES]
    )
    best = found[0]
    return TempoEstimate(
        round(best.bpm * best.octave, 6),
        offset_of(evidence, best, weights),
        confidence,
        "found" if bpm is None else "given",
        alternatives=others,
    )


def offset_of(evidence: Evidence, reading: Candidate, weights: TempoWeights) -> float:
    """Song time in seconds of the first likely downbeat of a reading, in its first bar in 95-190
    BPM."""
    share = chances(evidence.bars(reading.bpm, reading.place), weights.bar)
    beat = reading.place + int(np.argmax(share))
    return float(beat % BEATS_A_BAR * 60 / reading.bpm)
