"""A rhythm planned ahead: the ticks that hear notes best, as many as asked, chosen over the whole
song before a note is placed.

Drawing position after position loses part of what the onset head hears: a tick drawn by chance
takes the place of a likelier one (`finetune/EXPERIMENTS.md` 13). A plan keeps the likeliest ones
and leaves the decoder to say what happens at them. Lights and other events keep their own chances.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from saberlm.infer.density import DensityControl
from saberlm.infer.likeness import around, bar_cosines
from saberlm.prompts.vocab import TICKS_PER_BEAT, TICKS_PER_SEGMENT

MIN_GAP_TICKS = 6
"""Onsets lie at least an eighth of a beat apart: faster ones are sliders, which a swing holds."""
PLANNED_LOGIT = 9.0
SILENT_LOGIT = -20.0
"""Where the head's logit is lower, there is no song."""
PRIOR_ONSETS = 60.0
"""Onsets that the usual number of notes an onset counts for, against what was made."""
NOTES_PER_ONSET = 1.16
"""What is planned with, where mappers' mean is higher (1.25 on train maps of Hard to Expert+): what
maps of the model come to, and where, told the notes/s, the head's likeliest ticks match the onsets
of train maps best (`finetune/EXPERIMENTS.md` 39)."""
LEAST, MOST = 0.5, 2.0
"""What is left of the song gets no fewer and no more onsets than this share of the first plan's."""
ALIKE_SHARE = 0.4
"""How much say bars that sound the same have in a bar's logits (`finetune/EXPERIMENTS.md` 20)."""
ALIKE_WIDTH = 0.05
"""Scale of 1 - cosine between bars at which likeness fades."""
ALIKE_LEAST = float(np.exp(-0.5 / ALIKE_WIDTH))
"""Weight of "nothing is alike": bars half a cosine away count as none."""
_LOUD_LOGIT = 12.0
ALONE_LOGIT = 100.0
"""Nats that set `alone` ticks before all others."""
STREAM_TICKS = TICKS_PER_BEAT // 4
STREAM_BEATS = 4
"""Over which `with_streams` judges how busy the song is."""


class RhythmPlan:
    """One row's plan, made anew after every bar for what is left of the notes asked for.

    Args:
        density: how many notes are wanted, and where the head expects them.
        noise: scale of the Gumbel noise on the head's logits, which makes seeds differ; 0: none.
        random: where it is drawn from.
        streams: nats of `with_streams`; below 0: onsets come a quarter of a beat apart, or less,
            only where those further apart are fewer than the notes asked for take.
        most_doubles: onsets that are planned to be doubles, as a share, at most.
    """

    def __init__(
        self,
        density: DensityControl,
        noise: float = 0.0,
        random: np.random.Generator | None = None,
        streams: float = 0.0,
        most_doubles: float = 1.0,
    ) -> None:
        self.density = density
        logits = with_streams(density.logits.double().numpy(), streams)
        if noise > 0:
            random = random or np.random.default_rng(0)
            logits = np.where(
                logits > SILENT_LOGIT, logits + noise * random.gumbel(size=len(logits)), logits
            )
        if streams < 0:
            logits = logits + ALONE_LOGIT * alone(logits)
        self.candidates = spaced_peaks(logits, MIN_GAP_TICKS)
        self.per_onset = min(density.notes_per_onset, NOTES_PER_ONSET, 1 + most_doubles)
        first = self.candidates[: round(density.wanted / self.per_onset)]
        self._first = np.sort(first)
        self.planned = np.zeros(len(logits), bool)
        self.planned[first] = True

    def wanted_at(self, tick: int) -> float:
        """Notes wanted up to ``tick`` (exclusive)."""
        return self.density.wanted_at(tick)

    def note_logits(self, ticks: slice) -> Tensor:
        """Logits of notes for `BarHazard`: almost sure at planned ticks, almost never elsewhere."""
        planned = torch.from_numpy(self.planned[ticks])
        return torch.where(planned, PLANNED_LOGIT, -PLANNED_LOGIT)

    def after(self, tick: int, notes_made: int) -> None:
        """Plan what is left from ``tick`` on, ``notes_made`` being the count before it."""
        onsets = int(self.planned[:tick].sum())
        per_onset = (PRIOR_ONSETS * self.per_onset + notes_made) / (PRIOR_ONSETS + onsets)
        usual = len(self._first) - int(np.searchsorted(self._first, tick))
        left = max(0.0, self.density.wanted - notes_made) / per_onset
        count = round(min(max(left, LEAST * usual), MOST * usual))
        self.planned[tick:] = False
        self.planned[self.candidates[self.candidates >= tick][:count]] = True


def alike_bars(latents: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """How far each other bar has a say in a bar's rhythm, by what is heard in them and around them.

    Mappers write the same rhythm to the same music, and the tower hears a few bars at a time: over
    the song, bars that sound alike tell more about each other.

    Args:
        latents: ``(K, D)``, a row a bar.

    Returns:
        ``(K, K)``, zero on the diagonal, rows summing to less than 1: near 0 where nothing is
        alike.
    """
    alone = bar_cosines(latents)
    like = (alone + around(alone)) / 2
    weights = np.exp((like - 1) / ALIKE_WIDTH)
    np.fill_diagonal(weights, 0.0)
    out: npt.NDArray[np.float64] = weights / (weights.sum(axis=1, keepdims=True) + ALIKE_LEAST)
    return out


def joined_with_alike(
    logits: npt.NDArray[np.floating], latents: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """A song's note logits ``(T,)``, each bar's moved toward those of bars that sound alike.

    Args:
        logits: of the onset head.
        latents: ``(N, H)`` of the same bars, as many a bar in each.
    """
    bars = len(logits) // TICKS_PER_SEGMENT
    heard = np.clip(logits.astype(np.float64), -_LOUD_LOGIT, _LOUD_LOGIT).reshape(bars, -1)
    weights = ALIKE_SHARE * alike_bars(latents.reshape(bars, -1))
    joined = (1 - weights.sum(axis=1, keepdims=True)) * heard + weights @ heard
    out: npt.NDArray[np.float64] = joined.ravel()
    return out


def with_streams(logits: npt.NDArray[np.float64], nats: float) -> npt.NDArray[np.float64]:
    """Logits by which notes a quarter of a beat apart gather where the song is busy: ticks of that
    grid gain ``nats`` for each deviation by which the notes expected there, over
    `STREAM_BEATS`, lie above the song's mean; 0 or less changes nothing. ``(T,)`` -> ``(T,)``."""
    if nats <= 0:
        return logits
    song = logits > SILENT_LOGIT
    expected = np.zeros(len(logits))
    expected[::STREAM_TICKS] = 1 / (1 + np.exp(-logits[::STREAM_TICKS]))
    busy = np.convolve(expected, np.ones(STREAM_BEATS * TICKS_PER_BEAT), "same")[: len(logits)]
    if not song.any() or busy[song].std() < 1e-9:
        return logits
    deviations = np.clip((busy - busy[song].mean()) / busy[song].std(), -2, 2)
    out = logits.copy()
    out[::STREAM_TICKS] += nats * deviations[::STREAM_TICKS]
    out[~song] = logits[~song]
    return out


def alone(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """The likeliest ticks that lie over a quarter of a beat apart, as many as there is room for;
    ``(T,)`` -> ``(T,)``."""
    out = np.zeros(len(logits), bool)
    out[spaced_peaks(logits, STREAM_TICKS + 1)] = True
    return out


def spaced_peaks(logits: npt.NDArray[np.float64], gap: int) -> npt.NDArray[np.int64]:
    """Ticks by falling logit, each at least ``gap`` ticks from all before it; ``(T,)`` -> ``(K,)``.

    Any number of the first ones is the greedy choice of so many.
    """
    free = logits > SILENT_LOGIT
    chosen = []
    for tick in np.argsort(-logits, kind="stable"):
        if free[tick]:
            chosen.append(tick)
            free[max(0, tick - gap + 1) : tick + gap] = False
    return np.array(chosen, np.int64)
