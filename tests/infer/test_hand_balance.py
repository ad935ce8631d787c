"""The balance of hands: what swings too often after what was before fades; notes stay as likely."""

import numpy as np
import pytest
from note_logits import HANDS, NOTES

from saberlm.eval.relations import usual_relations
from saberlm.infer.hand_balance import SWING_TICKS, HandBalance
from saberlm.prompts import vocab as v
from saberlm.prompts.mirror import mirrored_note_token

RED, BLUE = (v.note_value(hand, 1, 0, 1) + NOTES.start for hand in (0, 1))
BPM, BEAT = 120.0, 48
"""A beat is half a second."""


def balance(strength: float = 4.0) -> HandBalance:
    usual = usual_relations("Expert")
    assert usual is not None
    return HandBalance(usual, BPM, strength)


def moved(bias: HandBalance, tick: int) -> tuple[float, float]:
    """Nats that each hand's notes gain, from even logits; nothing else may move."""
    logits = np.zeros(v.OFFSETS["text"], np.float32)
    bias.adjust(logits, tick)
    assert not np.delete(logits, slice(NOTES.start, NOTES.stop)).any()
    for hand in HANDS:
        assert np.ptp(logits[hand]) < 1e-6
    return float(logits[HANDS[0]][0]), float(logits[HANDS[1]][0])


def say(bias: HandBalance, moments: list[tuple[int, ...]], gap: int = BEAT, start: int = 0) -> int:
    """Moments of some tokens each; the tick after the last."""
    for i, tokens in enumerate(moments):
        for token in tokens:
            bias.say(token, start + gap * i)
    return start + gap * len(moments)


def test_hands_that_always_take_turns_come_to_repeat() -> None:
    bias = balance()
    tick = say(bias, [(RED,), (BLUE,)] * 40)  # ends on blue
    red, blue = moved(bias, tick)
    assert blue > 0.5 > 0 > red
    assert np.exp(red) + np.exp(blue) == pytest.approx(2, rel=1e-5)  # a note stays as likely
    assert moved(bias, tick + 10 * BEAT) == (0.0, 0.0)  # of another time nothing is known


def test_a_hand_over_and_over_comes_to_rest() -> None:
    bias = balance()
    tick = say(bias, [(RED,)] * 40)
    red, blue = moved(bias, tick)
    assert red < -1
    assert blue > 0


def test_single_notes_after_both_hands_come_to_be_both() -> None:
    bias = balance()
    tick = say(bias, [(RED, BLUE), (RED,), (BLUE,)] * 30, gap=24)
    bias.say(RED, tick)
    bias.say(BLUE, tick)
    assert moved(bias, tick + 24) == (0.0, 0.0)  # either hand may be first
    bias.say(RED, tick + 24)
    red, blue = moved(bias, tick + 24)
    assert red == 0
    assert blue > 1


def test_both_hands_after_every_single_note_fade() -> None:
    bias = balance()
    tick = say(bias, [(RED,), (RED, BLUE)] * 30 + [(RED,), (RED,)], gap=24)
    assert moved(bias, tick - 24)[1] < -0.5


def test_doubles_that_never_go_on_come_to() -> None:
    """A third double in a row is asked for more where a second always ended it, and no more than a
    first: what is held is held by how long a passage has lasted."""
    bias = balance()
    both = (RED, BLUE)
    tick = say(bias, [both, both, (RED,), (BLUE,), (RED,)] * 20 + [both, both])
    bias.say(RED, tick)
    third = moved(bias, tick)[1]
    assert third > 1
    other = balance()
    tick = say(other, [both, both, (RED,), (BLUE,), (RED,)] * 20 + [both])
    other.say(RED, tick)
    assert moved(other, tick)[1] < third - 1


def test_a_swing_that_goes_on_is_no_new_moment() -> None:
    one, other = balance(), balance()
    tick = say(one, [(RED,), (BLUE,)] * 30)
    for i in range(60):
        for note in range(3):
            other.say((RED, BLUE)[i % 2], BEAT * i + SWING_TICKS * note)
    assert moved(other, tick) == moved(one, tick)
    assert moved(other, tick - BEAT + 3 * SWING_TICKS) == (0.0, 0.0)


@pytest.mark.parametrize("seed", range(3))
def test_a_mirrored_past_moves_the_other_hand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, image = balance(), balance()
    tick = 0
    for token in rng.choice(np.array(NOTES), 200).tolist():
        assert moved(one, tick) == pytest.approx(moved(image, tick)[::-1], abs=1e-6)
        one.say(token, tick)
        image.say(mirrored_note_token(token), tick)
        tick += int(rng.integers(0, 4)) * 12


def test_hands_that_cannot_play_stay_so() -> None:
    bias = balance()
    tick = say(bias, [(RED,), (BLUE,)] * 40)
    logits = np.zeros(v.OFFSETS["text"], np.float32)
    logits[HANDS[1]] = -np.inf
    bias.adjust(logits, tick)
    assert np.isneginf(logits[HANDS[1]]).all()
    assert logits[HANDS[0]] == pytest.approx(0, abs=1e-5)
