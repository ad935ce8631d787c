"""Where each hand's notes stand among the tokens, and how chance moves from one hand to the other:
what biases on which hand plays share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from saberlm.eval.swing import BEAT_TOLERANCE, SWING_BEATS
from saberlm.prompts import vocab as v

NOTES = v.block_range("note")
HAND_NOTES = len(NOTES) // 2
HANDS = tuple(
    slice(NOTES.start + hand * HAND_NOTES, NOTES.start + (hand + 1) * HAND_NOTES) for hand in (0, 1)
)
"""The left hand's tokens, and the right one's."""
SWING_TICKS = int((SWING_BEATS + BEAT_TOLERANCE) * v.TICKS_PER_BEAT)
"""Notes of one hand this close are one swing."""


def hand_of(token: int) -> int:
    """The hand of a note's token."""
    return (token - NOTES.start) // HAND_NOTES


def share_out(logits: npt.NDArray[np.float32], nats: Sequence[float]) -> None:
    """Add nats to each hand's notes, in place, the chance of a note unchanged."""
    notes = logits[NOTES.start : NOTES.stop]
    top = notes.max()
    if nats[0] == nats[1] or not np.isfinite(top):
        return
    before = np.log(np.exp(notes - top).sum())
    for hand, own in zip(HANDS, nats, strict=True):
        logits[hand] += np.float32(own)
    moved = notes.max()
    after = moved - top + np.log(np.exp(notes - moved).sum())
    notes += before - after
