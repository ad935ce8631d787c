"""Hands among the tokens, and chance that moves between them."""

import numpy as np
import pytest

from saberlm.infer.hands import HANDS, NOTES, hand_of, share_out
from saberlm.prompts import vocab as v


def test_every_note_is_of_its_hand() -> None:
    for token in NOTES:
        color = v.note_parts(token - NOTES.start)[0]
        assert hand_of(token) == color
        assert HANDS[color].start <= token < HANDS[color].stop


@pytest.mark.parametrize("nats", [(0.0, -3.0), (2.0, 1.0), (-40.0, 0.0), (1.5, 1.5)])
@pytest.mark.parametrize("closed", [None, 0, 1])
def test_chance_moves_between_hands_alone(nats: tuple[float, float], closed: int | None) -> None:
    before = np.random.default_rng(0).normal(size=v.OFFSETS["text"]).astype(np.float32)
    if closed is not None:
        before[HANDS[closed]] = -np.inf
    after = before.copy()
    share_out(after, nats)

    def mass(logits: np.ndarray, hand: int) -> float:
        return float(np.exp(logits[HANDS[hand]].astype(np.float64)).sum())

    assert mass(after, 0) + mass(after, 1) == pytest.approx(mass(before, 0) + mass(before, 1), 1e-4)
    if closed is None:
        odds = [np.log(mass(one, 0) / mass(one, 1)) for one in (before, after)]
        assert odds[1] - odds[0] == pytest.approx(nats[0] - nats[1], abs=1e-3)
    notes = slice(NOTES.start, NOTES.stop)
    assert np.array_equal(np.delete(before, notes), np.delete(after, notes))


def test_without_a_note_that_may_come_nothing_happens() -> None:
    logits = np.zeros(v.OFFSETS["text"], np.float32)
    logits[NOTES.start : NOTES.stop] = -np.inf
    before = logits.copy()
    share_out(logits, (1.0, 0.0))
    assert np.array_equal(logits, before)
