"""Fit the weights that choose a song's tempo, octave, phase and downbeat to human maps' grids.

Each choice is a conditional logit (McFadden 1974): the softmax of a linear score over the
candidates of a song, fitted by Newton steps with an L2 penalty on features scaled by their spread.
The confidence is a logistic on the winner's probabilities (Platt scaling), fitted to readings by
weights that did not see the song.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from saberlm.eval.tempo import BPM_TOLERANCE, TempoScore, score_tempo
from saberlm.finetune.tempo_truth import TrueTempo
from saberlm.infer.tempo_estimate import TempoEstimate
from saberlm.infer.tempo_phase import Heard
from saberlm.infer.tempo_reading import (
    OCTAVES,
    SIZES,
    Evidence,
    TempoWeights,
    confidence_features,
    estimate_from,
    read_song,
)

Floats = npt.NDArray[np.float64]

NEAR_SECONDS = 0.040  # a candidate this near the mapper's beat is the right one: mappers' notes lie
# up to 30 ms off the sound
PENALTY = 1.0
NUM_FOLDS = 5


@dataclass(frozen=True)
class Choice:
    """A song's candidates (C, D) and the index of the right one."""

    features: Floats
    right: int


@dataclass(frozen=True)
class Example:
    """A song: what speaks for its candidates, its map's grid, and the choices that can be
    judged."""

    evidence: Evidence
    truth: TrueTempo
    choices: Mapping[str, Choice]


def make_example(heard: Heard, truth: TrueTempo) -> Example:
    """A song's choices; one whose right answer is not among the candidates is left out."""
    bpm = truth.grid.bpm
    choices = {}
    evidence = Evidence(heard)
    tempi = evidence.tempi
    ratio = np.abs(tempi.bpm / bpm - 1)
    if ratio.min() <= BPM_TOLERANCE:
        choices["tempo"] = Choice(tempi.features, int(ratio.argmin()))
        bpm = float(tempi.bpm[ratio.argmin()])
    octaves = np.abs(np.array(OCTAVES) * truth.grid.bpm / truth.stated_bpm - 1)
    if octaves.min() <= BPM_TOLERANCE:
        choices["octave"] = Choice(evidence.octaves(bpm), int(octaves.argmin()))
    # in the middle of the notes, where a slightly wrong tempo does least
    middle = (truth.first_seconds + truth.last_seconds) / 2
    true_beat = (middle - truth.grid.offset_seconds) * truth.grid.bpm / 60
    shift = middle * bpm / 60 - true_beat  # beats at ``bpm`` of the true beat 0, from second 0
    phases = evidence.phases(bpm)
    apart = np.abs((phases.places - shift + 0.5) % 1 - 0.5) * 60 / bpm
    if apart.min() <= NEAR_SECONDS:
        nearest = int(apart.argmin())
        choices["phase"] = Choice(phases.features, nearest)
        place = float(phases.places[nearest])
        choices["bar"] = Choice(evidence.bars(bpm, place), round(shift - place) % 4)
    return Example(evidence, truth, choices)


def fit_logit(choices: Sequence[Choice], penalty: float = PENALTY, steps: int = 30) -> Floats:
    """Weights (D,) of a conditional logit.

    Args:
        choices: at least one.
        penalty: L2, on weights of features with spread 1.
        steps: of Newton's method.
    """
    spread = np.concatenate([c.features - c.features.mean(axis=0) for c in choices]).std(axis=0)
    spread = np.where(spread > 1e-6, spread, 1.0)
    scaled = [Choice(choice.features / spread, choice.right) for choice in choices]
    weights = np.zeros(len(spread))
    value, gradient, hessian = _likelihood(scaled, weights, penalty)
    for _ in range(steps):
        step = np.linalg.solve(hessian, gradient)
        # the likelihood is concave: a step that overshoots is halved until it climbs
        while (tried := _likelihood(scaled, weights + step, penalty))[0] < value:
            if np.abs(step).max() < 1e-9:
                return weights / spread
            step = step / 2
        weights = weights + step
        value, gradient, hessian = tried
        if np.abs(step).max() < 1e-8:
            break
    fitted: Floats = weights / spread
    return fitted


def _likelihood(
    choices: Sequence[Choice], weights: Floats, penalty: float
) -> tuple[float, Floats, Floats]:
    """Penalised log-likelihood, its gradient (D,) and minus its Hessian (D, D)."""
    value = -penalty / 2 * float(weights @ weights)
    gradient = -penalty * weights
    hessian = penalty * np.eye(len(weights))
    for choice in choices:
        x = choice.features
        score = x @ weights
        score = score - score.max()
        share = np.exp(score)
        share /= share.sum()
        mean = share @ x
        value += float(np.log(share[choice.right] + 1e-300))
        gradient = gradient + x[choice.right] - mean
        hessian = hessian + (x * share[:, None]).T @ x - np.outer(mean, mean)
    return value, gradient, hessian


def fit_choices(examples: Sequence[Example]) -> TempoWeights:
    """The four choices' weights; the confidence's are 0.

    Raises:
        ValueError: a choice has no example.
    """
    found = {}
    for name, features in SIZES.items():
        choices = [one.choices[name] for one in examples if name in one.choices]
        if name == "confidence":
            found[name] = np.zeros(len(features))
        elif choices:
            found[name] = fit_logit(choices)
        else:
            raise ValueError(f"expected songs to fit the choice of {name} to, found none")
    return TempoWeights(**found)


def is_right(truth: TrueTempo, bpm: float, offset_seconds: float) -> bool:
    """What the confidence is the probability of: tempo to its octave, and beats at both ends."""
    score = score_of(truth, bpm, offset_seconds)
    return score.exact and score.phase


def score_of(truth: TrueTempo, bpm: float, offset_seconds: float) -> TempoScore:
    """The estimate's score against the song's map."""
    return score_tempo(
        stated_bpm=truth.stated_bpm,
        reference_bpm=truth.grid.bpm,
        reference_offset=truth.grid.offset_seconds,
        first_seconds=truth.first_seconds,
        last_seconds=truth.last_seconds,
        bpm=bpm,
        offset_seconds=offset_seconds,
    )


def fit_confidence(rows: Sequence[Floats], right: Sequence[bool]) -> Floats:
    """Weights (D,) of the logistic of being right."""
    choices = [
        Choice(np.stack([np.zeros(len(row)), row]), int(good))
        for row, good in zip(rows, right, strict=True)
    ]
    return fit_logit(choices)


def folds_of(keys: Sequence[str], num_folds: int = NUM_FOLDS, seed: int = 0) -> dict[str, int]:
    """The fold that each song is tested in."""
    order = np.random.default_rng(seed).permutation(len(keys))
    return {keys[place]: number % num_folds for number, place in enumerate(order)}


def fit(examples: Sequence[Example], folds: Mapping[str, int]) -> TempoWeights:
    """All weights; the confidence's from readings of songs that their weights did not see."""
    rows, right = [], []
    for fold in sorted(set(folds.values())):
        weights = fit_choices([one for one in examples if folds[one.truth.key] != fold])
        for one in examples:
            if folds[one.truth.key] == fold:
                rows.append(
                    confidence_features(one.evidence, read_song(one.evidence, None, weights))
                )
                estimate = estimate_from(one.evidence, None, weights)
                right.append(is_right(one.truth, estimate.bpm, estimate.offset_seconds))
    return replace(fit_choices(examples), confidence=fit_confidence(rows, right))


def cross_validate(
    examples: Sequence[Example], folds: Mapping[str, int]
) -> dict[str, TempoEstimate]:
    """Each song's estimate by weights, confidence too, that did not see it."""
    found = {}
    for fold in sorted(set(folds.values())):
        seen = [one for one in examples if folds[one.truth.key] != fold]
        keys = [one.truth.key for one in seen]
        weights = fit(seen, folds_of(keys))
        for one in examples:
            if folds[one.truth.key] == fold:
                found[one.truth.key] = estimate_from(one.evidence, None, weights)
    return found
