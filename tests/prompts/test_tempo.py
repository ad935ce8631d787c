"""Beats to seconds and back."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saberlm.prompts.beatmap import BpmEvent
from saberlm.prompts.tempo import TempoMap

bpms = st.floats(10, 1000)
events = st.lists(st.builds(BpmEvent, st.floats(0, 500), bpms), max_size=6).map(tuple)
tempo_maps = st.builds(TempoMap, bpms, events)


@given(tempo_maps, st.floats(-8, 1000))
def test_beats_survive_seconds_and_back(tempo: TempoMap, beat: float) -> None:
    assert tempo.to_beats(tempo.to_seconds(beat)) == pytest.approx(beat, abs=1e-6)


@given(tempo_maps, st.lists(st.floats(-8, 1000), min_size=2, max_size=20, unique=True))
def test_later_beats_are_not_earlier_seconds(tempo: TempoMap, beats: list[float]) -> None:
    assert np.all(np.diff(tempo.to_seconds(np.sort(np.array(beats)))) >= 0)


@given(tempo_maps, st.lists(st.floats(0, 1000), max_size=20))
def test_an_array_gives_what_its_numbers_give(tempo: TempoMap, beats: list[float]) -> None:
    seconds = tempo.to_seconds(np.array(beats))
    assert isinstance(seconds, np.ndarray)
    assert seconds.tolist() == [tempo.to_seconds(beat) for beat in beats]
    assert tempo.to_beats(seconds).tolist() == [tempo.to_beats(float(s)) for s in seconds]


def test_a_number_gives_a_float_and_an_array_keeps_its_shape() -> None:
    tempo = TempoMap(120.0)
    assert type(tempo.to_seconds(3)) is float
    assert type(tempo.to_beats(1.5)) is float
    assert tempo.to_seconds(np.zeros((2, 3))).shape == (2, 3)
    assert tempo.to_seconds(np.array(4.0)) == 2.0


def test_a_change_counts_from_its_own_beat() -> None:
    tempo = TempoMap(60.0, (BpmEvent(8.0, 30.0), BpmEvent(4.0, 120.0)))
    assert [tempo.to_seconds(b) for b in (0, 4, 6, 8, 9)] == [0.0, 4.0, 5.0, 6.0, 8.0]


@pytest.mark.parametrize("beat", [0.0, -3.0])
def test_an_event_at_or_before_beat_0_replaces_the_base_tempo(beat: float) -> None:
    tempo = TempoMap(60.0, (BpmEvent(beat, 120.0),))
    assert tempo.to_seconds(4.0) == 2.0
    assert tempo.to_seconds(-4.0) == -2.0


def test_the_last_of_several_events_at_one_beat_holds() -> None:
    assert TempoMap(60.0, (BpmEvent(0.0, 90.0), BpmEvent(0.0, 120.0))).to_seconds(2.0) == 1.0


def test_equal_tempo_maps_are_equal_and_hash_alike() -> None:
    one, other = (TempoMap(120.0, (BpmEvent(1.0, 90.0),)) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize("bpm", [0.0, -120.0, math.nan, math.inf])
def test_a_bad_tempo_is_refused(bpm: float) -> None:
    with pytest.raises(ValueError, match=r"the base tempo .* above 0, found .*: likely"):
        TempoMap(bpm)
    with pytest.raises(ValueError, match=r"tempo event at beat 4.* found .*: likely"):
        TempoMap(120.0, (BpmEvent(4.0, bpm),))


def test_an_event_at_no_beat_is_refused() -> None:
    with pytest.raises(ValueError, match="finite beat, found beat nan"):
        TempoMap(120.0, (BpmEvent(math.nan, 100.0),))
