"""Density control: as many notes as asked, by a bias on the onset head's note logits.

The tower's head already knows the difficulty and the notes/s; sampling drifts from what it expects
(temperatures, the decoder's own
taste), so after every bar the bias follows the gap between the notes wanted by now and those made.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

DEFAULT_NPS = {"Easy": 1.6, "Normal": 2.2, "Hard": 3.0, "Expert": 4.2, "ExpertPlus": 5.6}
"""Median notes/s of the training maps, used when neither the user nor the model's calibration
says."""
GAIN = 1.2
PATIENCE_NOTES = 24.0
"""Notes by which the gap is judged: small enough to act within a few bars, large enough not to
chase single notes."""
MAX_BIAS = 2.5


class DensityControl:
    """One row's controller.

    Args:
        note_logits: the head's note logits over the song ``(T,)``.
        seconds: length of the song that can hold notes.
        nps: notes a second wanted.
        notes_per_onset: how many notes an onset brings at this difficulty.
    """

    def __init__(
        self, note_logits: Tensor, seconds: float, nps: float, notes_per_onset: float
    ) -> None:
        self.logits = note_logits.float().cpu()
        self.wanted = nps * seconds
        self.notes_per_onset = notes_per_onset
        self.base = solve_bias(note_logits, self.wanted / notes_per_onset)
        expected = torch.sigmoid(note_logits.float() + self.base)
        total = float(expected.sum().clamp(min=1e-6))
        self.wanted_by_tick = (expected.cumsum(0) * self.wanted / total).tolist()
        self.bias = self.base

    def note_logits(self, ticks: slice) -> Tensor:
        """Logits of notes for `saberlm.infer.hazard.BarHazard`."""
        return self.logits[ticks] + self.bias

    def wanted_at(self, tick: int) -> float:
        """Notes wanted up to ``tick`` (exclusive)."""
        return self.wanted_by_tick[min(tick, len(self.wanted_by_tick)) - 1] if tick > 0 else 0.0

    def after(self, tick: int, notes_made: int) -> None:
        """Set the bias for the next bar, ``notes_made`` being the count up to ``tick``
        (exclusive)."""
        gap = math.log((self.wanted_at(tick) + PATIENCE_NOTES) / (notes_made + PATIENCE_NOTES))
        self.bias = max(-MAX_BIAS, min(MAX_BIAS, self.base + GAIN * gap * 4))


def solve_bias(note_logits: Tensor, onsets: float) -> float:
    """The bias (within +-`MAX_BIAS`) at which the expected number of onsets is ``onsets``;
    bisection, the sum being monotone."""
    low, high = -MAX_BIAS, MAX_BIAS
    for _ in range(30):
        middle = (low + high) / 2
        if float(torch.sigmoid(note_logits.float() + middle).sum()) < onsets:
            low = middle
        else:
            high = middle
    return (low + high) / 2
