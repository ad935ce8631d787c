"""Shares of style words: against all maps of their own difficulty."""

import numpy as np
import pytest

from saberlm.scripts.word_shares import LEAST_MAPS, CountedMap, taste_components, tilts


def counted(difficulty: str, words: str, *shares: float) -> CountedMap:
    return CountedMap(difficulty, frozenset(words.split()), np.array(shares))


def test_a_word_is_what_its_maps_have_more_of() -> None:
    maps = [counted("Hard", "wide", 0.8, 0.2)] * LEAST_MAPS
    maps += [counted("Hard", "", 0.2, 0.8)] * LEAST_MAPS
    maps += [counted("Easy", "rare", 1.0, 0.0)] * (LEAST_MAPS - 1)
    found = tilts(maps)
    assert found.keys() == {"wide"}
    assert found["wide"] == pytest.approx(np.log([0.8 / 0.5, 0.2 / 0.5]), abs=0.01)


def test_a_words_difficulties_do_not_pass_for_its_style() -> None:
    maps = [counted("Hard", "wide", 0.8, 0.2)] * LEAST_MAPS
    maps += [counted("Easy", "", 0.2, 0.8)] * LEAST_MAPS
    assert np.allclose(tilts(maps)["wide"], 0)


def test_the_first_component_is_the_way_in_which_maps_differ() -> None:
    random = np.random.default_rng(0)
    maps = []
    for _ in range(200):
        lean = random.normal() * 0.5
        shares = np.array([0.4, 0.3, 0.2, 0.1]) * np.exp([lean, -lean, 0, 0])
        maps.append(CountedMap("Hard", frozenset(), shares / shares.sum(), 100_000))
    (first,) = taste_components(maps, 1)
    assert abs(first[0] - first[1]) == pytest.approx(1.0, abs=0.15)  # a deviation of 2 * lean
    assert np.sign(first[0]) == -np.sign(first[1])
    assert abs(first[2] - first[3]) < 0.1
