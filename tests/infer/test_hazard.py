import numpy as np

from saberlm.infer.hazard import BarHazard


def hazard(seed: int = 0) -> BarHazard:
    return BarHazard(np.random.default_rng(seed).normal(size=(192, 2)) - 3)


def test_the_hazard_is_the_chance_of_the_next_event() -> None:
    np.testing.assert_allclose(np.exp(hazard().moves).sum(), 1.0, rtol=1e-9)


def test_it_is_that_ticks_chance_after_silence() -> None:
    logits = np.full((192, 2), -40.0)
    logits[5, 0] = logits[9, 1] = 0.0
    chances = np.exp(BarHazard(logits).moves)
    np.testing.assert_allclose(chances[[5, 9, 192]], [0.5, 0.25, 0.25], atol=1e-6)


def test_note_odds_are_of_a_note_against_something_else_alone() -> None:
    logits = np.array([[2.0, -1.0]] * 192)
    note, other = 1 / (1 + np.exp(-2.0)), 1 / (1 + np.exp(1.0))
    expected = np.log(note / ((1 - note) * other))
    np.testing.assert_allclose(BarHazard(logits).note_odds, expected)
