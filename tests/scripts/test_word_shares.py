"""Shares of style words: against all maps of their own difficulty."""

import numpy as np
import pytest

from saberlm.scripts.word_shares import LEAST_MAPS, CountedMap, tilts


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
