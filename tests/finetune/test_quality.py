"""Scores from votes: BeatSaver's formulas and ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saberlm.finetune.quality import (
    beatsaver_score,
    beatsaver_score_2021,
    clear_gap,
    quality_of,
    quality_of_row,
)

VOTES = st.integers(0, 20_000)


def test_the_formulas_give_what_beatsaver_gave() -> None:
    assert beatsaver_score_2021(13_549, 199) == pytest.approx(0.9579531837, abs=1e-9)
    assert beatsaver_score(13_549, 199) == pytest.approx(0.98368, abs=1e-5)
    assert beatsaver_score(0, 0) == beatsaver_score_2021(0, 0) == 0.5


@given(VOTES, VOTES)
def test_scores_lie_between_one_half_and_the_share(up: int, down: int) -> None:
    share = up / (up + down) if up + down else 0.5
    for score in (beatsaver_score(up, down), beatsaver_score_2021(up, down)):
        assert min(share, 0.5) - 1e-12 <= score <= max(share, 0.5) + 1e-12
        assert abs(score - 0.5) <= abs(share - 0.5) + 1e-12


@given(VOTES, VOTES, st.booleans(), st.booleans())
def test_quality_is_a_share_that_votes_move(
    up: int, down: int, ranked: bool, curated: bool
) -> None:
    one = quality_of(up, down, ranked=ranked, curated=curated)
    assert 0 < one.value < 1
    assert quality_of(up + 5, down, ranked=ranked, curated=curated) > one
    assert quality_of(up, down + 5, ranked=ranked, curated=curated) < one
    assert quality_of(up, down, ranked=True, curated=True) >= one
    assert quality_of(3 * up + 30, 3 * down, ranked=ranked, curated=curated).error < one.error


def test_few_votes_make_an_ordinary_map_and_no_clear_gap() -> None:
    assert quality_of(2, 0).value == pytest.approx(quality_of(0, 0).value, abs=0.02)
    loved, new, poor = quality_of(900, 10), quality_of(3, 0), quality_of(300, 200)
    assert clear_gap(loved, poor, 0.04) == pytest.approx(loved.value - poor.value)
    assert clear_gap(loved, new, 0.04) is None
    assert clear_gap(poor, loved, 0.04) is None


def test_rows_without_votes_have_no_quality() -> None:
    assert quality_of_row(None) is None
    assert quality_of_row({"rating": 0.9}) is None
    plain = quality_of_row({"upvotes": 50, "downvotes": 5})
    ranked = quality_of_row({"upvotes": 50, "downvotes": 5, "ss_stars": 6.1})
    assert plain is not None
    assert ranked is not None
    assert plain < ranked
    with pytest.raises(ValueError, match="at least 0, found -1 up"):
        beatsaver_score(-1, 0)
