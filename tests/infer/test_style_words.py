"""Style words: what ships is about cuts, and words add up within bounds."""

import numpy as np
import pytest

from saberlm.infer.cut_balance import NUM_CUTS, human_shares
from saberlm.infer.style_words import (
    MOST_NATS,
    STREAM_NATS,
    StyleWishes,
    cut_tilt,
    shipped_styles,
    stream_nats,
    taste,
    wishes,
)
from saberlm.prompts.descriptors import WORDS, words_of


def test_what_ships_is_of_known_words_and_every_cut() -> None:
    assert set(shipped_styles().words) <= set(WORDS)
    assert set(STREAM_NATS) <= set(WORDS)
    for nats in shipped_styles().words.values():
        assert nats.shape == (NUM_CUTS,)
        assert np.isfinite(nats).all()


@pytest.mark.parametrize(
    ("word", "rows", "columns", "directions"),
    [("wide", range(3), (0, 3), range(9)), ("vertical", range(3), range(4), (0, 1))],
)
def test_a_word_asks_for_more_of_what_it_names(
    word: str, rows: range, columns: tuple[int, ...], directions: tuple[int, ...]
) -> None:
    usual = human_shares("Expert")
    assert usual is not None
    own = np.ix_(rows, columns, directions)

    def share(tilt: np.ndarray | None) -> float:
        assert tilt is not None
        moved = usual * np.exp(tilt)
        return float(moved.reshape(3, 4, 9)[own].sum() / moved.sum())

    plain = float(usual.reshape(3, 4, 9)[own].sum())
    assert share(cut_tilt(wishes(word))) > plain + 0.05
    assert share(cut_tilt(wishes(None, word))) < plain - 0.05


def test_words_add_up_within_bounds_and_others_say_nothing() -> None:
    assert cut_tilt(wishes(None)) is None
    assert cut_tilt(wishes("dense lights, no such word", "streams")) is None
    one, two = cut_tilt(wishes("wide")), cut_tilt(wishes(" vertical,wide "))
    assert one is not None
    assert two is not None
    assert np.allclose(
        two, np.clip(one + shipped_styles().words["vertical"], -MOST_NATS, MOST_NATS)
    )
    assert words_of(" tech ,, wide") == ("tech", "wide")
    assert stream_nats(wishes("streams, tech")) > 0 > stream_nats(wishes("chill"))
    assert stream_nats(wishes(None)) == stream_nats(wishes("tech", "wide")) == 0


def test_a_word_to_avoid_undoes_the_same_word_and_says_the_opposite() -> None:
    assert wishes("tech, wide", "wide, jumps") == StyleWishes(("tech",), ("jumps",))
    for word in shipped_styles().words:
        asked, avoided = cut_tilt(wishes(word)), cut_tilt(wishes(None, word))
        assert asked is not None
        assert avoided is not None
        assert np.array_equal(avoided, -asked)
        assert cut_tilt(wishes(word, word)) is None
    assert stream_nats(wishes(None, "streams")) < 0 < stream_nats(wishes("tech", "chill"))
    assert stream_nats(wishes("streams", "streams")) == 0


def test_levels_have_tastes_that_spread_about_what_is_usual() -> None:
    drawn = np.array([taste([seed, 40], 0.7) for seed in range(200)])
    assert np.array_equal(taste([3, 40], 0.7), drawn[3])
    assert not np.array_equal(drawn[3], drawn[4])
    assert not taste([3, 40], 0.0).any()
    assert np.abs(drawn.mean(axis=0)).max() < 0.3
    assert np.abs(drawn).max() <= MOST_NATS
    usual = human_shares("Expert")
    assert usual is not None
    shares = usual * np.exp(drawn)
    shares /= shares.sum(axis=1, keepdims=True)
    apart = np.abs(shares - usual).sum(axis=1).mean() / 2
    assert 0.1 < apart < 0.36  # mappers' own maps: .36, chance included
