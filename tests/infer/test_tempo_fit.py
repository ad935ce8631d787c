"""Pieces of constant tempo: as few as hold the beats, joined on beats."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saberlm.infer.tempo_fit import beat_numbers, fit_pieces


def beats_of(bpms: list[float], counts: list[int], first: float = 0.3) -> np.ndarray:
    steps = np.repeat(60 / np.array(bpms), counts)
    return first + np.concatenate([[0.0], np.cumsum(steps)])


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.floats(80, 200), min_size=1, max_size=4),
    st.lists(st.integers(8, 40), min_size=4, max_size=4),
    st.integers(0, 99),
)
def test_no_more_pieces_than_there_are_and_all_beats_held(
    bpms: list[float], counts: list[int], seed: int
) -> None:
    true = beats_of(bpms, counts[: len(bpms)])
    heard = true + np.random.default_rng(seed).uniform(-0.004, 0.004, len(true))
    pieces = fit_pieces(heard)
    assert len(pieces.bpms) <= len(bpms)
    assert np.abs(pieces.times(np.arange(len(true))) - heard).max() <= 0.015 + 1e-9
    assert (np.diff(pieces.numbers) > 0).all()


def test_a_step_is_two_pieces_and_its_place_and_tempi_are_found() -> None:
    true = beats_of([120.0, 132.0], [100, 120])
    heard = true + np.random.default_rng(0).normal(size=len(true)) * 0.003
    pieces = fit_pieces(heard)
    assert len(pieces.bpms) == 2
    assert abs(pieces.numbers[1] - 100) <= 1
    np.testing.assert_allclose(pieces.bpms, [120, 132], rtol=2e-3)
    (change,) = pieces.changes()
    assert change.seconds == pytest.approx(50.3, abs=0.6)
    np.testing.assert_allclose(pieces.times(np.arange(len(true))), true, atol=0.01)


def test_a_drift_takes_more_pieces_the_closer_it_is_held() -> None:
    drift = np.cumsum(0.5 / (1 + 0.03 * np.arange(240) / 240))
    loose, close = (len(fit_pieces(drift, hold_seconds=h).bpms) for h in (0.03, 0.005))
    assert 1 < loose < close < 20


def test_beats_that_were_left_out_are_counted() -> None:
    true = beats_of([120.0, 90.0], [40, 40])
    kept = np.delete(true, [10, 30, 31, 60])
    numbers = beat_numbers(kept)
    np.testing.assert_array_equal(numbers, np.delete(np.arange(81), [10, 30, 31, 60]))
    assert len(fit_pieces(kept, numbers).bpms) == 2


def test_the_first_downbeat_lies_in_the_first_bar_and_before_the_first_change() -> None:
    steady = fit_pieces(beats_of([120.0], [40], first=5.1))
    for downbeat in range(4):
        number = steady.first_downbeat(downbeat)
        assert number % 4 == downbeat
        assert 0 <= float(steady.times(number)) < 2.0
    early = fit_pieces(beats_of([120.0, 90.0], [2, 40], first=0.1))
    assert early.first_downbeat(3) == -1


@pytest.mark.parametrize("beats", [[], [1.0], [1.0, 1.0], [2.0, 1.0, 3.0]])
def test_what_is_no_list_of_beats_is_refused(beats: list[float]) -> None:
    with pytest.raises(ValueError, match="rising order"):
        fit_pieces(beats)
