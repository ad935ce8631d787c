"""What tests of biases on notes share: where each hand's tokens lie, and what must hold of all."""

import numpy as np
import pytest

from saberlm.infer.hands import HANDS, NOTES

__all__ = ["HANDS", "NOTES", "check_hands_keep_their_mass"]


def check_hands_keep_their_mass(before: np.ndarray, after: np.ndarray) -> None:
    """Logits ``(LIVE,)`` before and after: each hand's moved, its chance the same, no others."""
    for hand in HANDS:
        mass = np.exp(before[hand].astype(np.float64)).sum()
        assert np.exp(after[hand].astype(np.float64)).sum() == pytest.approx(mass, rel=1e-4)
        assert not np.array_equal(before[hand], after[hand])
    notes = slice(NOTES.start, NOTES.stop)
    assert np.array_equal(np.delete(before, notes), np.delete(after, notes))
