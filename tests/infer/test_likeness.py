"""Bars that sound alike: what comes again is found, and its surroundings count."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saberlm.infer.likeness import LEAST_BARS_BACK, around, bar_cosines, echoes


def song(parts: str, seed: int = 0) -> np.ndarray:
    """Latents of a song whose bars are named by letters, each heard a little differently."""
    random = np.random.default_rng(seed)
    sounds = {name: random.normal(size=64) for name in sorted(set(parts))}
    return np.stack([sounds[name] + 0.1 * random.normal(size=64) for name in parts])


@given(st.integers(0, 100))
def test_cosines_are_symmetric_and_a_bar_is_like_itself(seed: int) -> None:
    cosines = bar_cosines(np.random.default_rng(seed).normal(size=(9, 16)))
    assert np.allclose(cosines, cosines.T)
    assert np.allclose(np.diag(cosines), 1)
    assert (np.abs(cosines) <= 1 + 1e-9).all()


def test_surroundings_are_the_mean_along_the_diagonal_as_far_as_it_goes() -> None:
    cosines = bar_cosines(np.random.default_rng(0).normal(size=(6, 16)))
    found = around(cosines, 1)
    assert found[2, 4] == pytest.approx(np.mean([cosines[1, 3], cosines[2, 4], cosines[3, 5]]))
    assert found[0, 3] == pytest.approx(np.mean([cosines[0, 3], cosines[1, 4]]))
    assert np.allclose(around(cosines, 0), cosines)


def test_a_verse_that_comes_again_echoes_its_own_bars() -> None:
    # "x" is heard in both parts: its surroundings tell which of them is meant
    verse, chorus = "abxcde", "fgxhij"
    found = echoes(song(verse + chorus + verse + chorus))
    assert found.bar[12:].tolist() == list(range(12))
    assert (found.likeness[13:23] > 0.9).all()
    assert (found.bar[:LEAST_BARS_BACK] == -1).all()


@given(st.integers(1, 12), st.integers(0, 50))
def test_echoes_lie_far_enough_back(bars: int, seed: int) -> None:
    found = echoes(np.random.default_rng(seed).normal(size=(bars, 8)))
    assert len(found.bar) == len(found.likeness) == bars
    for bar, echo in enumerate(found.bar):
        assert echo == -1 or 0 <= echo <= bar - LEAST_BARS_BACK
        assert (echo == -1) == (bar < LEAST_BARS_BACK)
