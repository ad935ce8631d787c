"""Intervals: they hold the mean, narrow with songs, and say nothing of one song."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saberlm.eval.bootstrap import mean_interval

VALUES = st.floats(-1e6, 1e6)
SONGS = st.dictionaries(st.text(max_size=3), st.lists(VALUES, min_size=1, max_size=3), max_size=8)


@given(SONGS, st.integers(0, 9))
def test_the_interval_lies_among_the_values_and_repeats(by_song, seed):
    found = mean_interval(by_song, seed, draws=50)
    assert found == mean_interval(by_song, seed, draws=50)
    values = [value for values in by_song.values() for value in values]
    assert (found.maps, found.songs) == (len(values), len(by_song))
    if not by_song:
        assert found.mean is None
    else:
        assert found.mean == pytest.approx(sum(values) / len(values), abs=1e-3)
    if len(by_song) < 2:
        assert found.low is None
        assert not found.excludes_zero
    else:
        slack = 1e-9 * max(1.0, *map(abs, values))
        assert min(values) - slack <= found.low <= found.high <= max(values) + slack


def test_maps_of_one_song_are_drawn_together():
    apart = mean_interval({str(i): [float(i % 2)] for i in range(40)})
    together = mean_interval({str(i): [float(i)] * 20 for i in range(2)})
    assert apart.high - apart.low < 0.4
    assert together.high - together.low == 1
    assert mean_interval({"a": [None], "b": [1.0, None], "c": [3.0]}).mean == 2


def test_it_covers_the_truth_about_as_often_as_it_says():
    import numpy as np

    rng = np.random.default_rng(0)
    hit = 0
    for trial in range(200):
        found = mean_interval({str(i): [v] for i, v in enumerate(rng.normal(size=25))}, trial)
        hit += found.low <= 0 <= found.high
    assert 0.87 <= hit / 200 <= 0.99


@pytest.mark.parametrize(
    "call",
    [
        lambda: mean_interval({"a": [float("nan")]}),
        lambda: mean_interval({"a": [1.0]}, level=1.0),
        lambda: mean_interval({"a": [1.0]}, draws=0),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError, match="expected"):
        call()
