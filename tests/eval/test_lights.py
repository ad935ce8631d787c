"""Light shows: rates, agreement with notes and sound, dark bars."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from map_kit import TEMPO, notes_at, random_map

from saberlm.eval.corruptions import shift, strip_lights
from saberlm.eval.counts import LAMP_TYPES
from saberlm.eval.lights import agreement, light_report
from saberlm.prompts.beatmap import Beatmap, BoostEvent, LightEvent
from saberlm.prompts.group_lights import EventBoxGroup
from saberlm.prompts.mirror import mirror

FOUR_BARS = notes_at(0, 4, 8, 12, 15)


def show(*events: tuple[float, ...], notes: Beatmap = FOUR_BARS, **other) -> Beatmap:
    lights = tuple(LightEvent(e[0], int(e[1]), int(e[2]), *e[3:]) for e in events)
    return Beatmap(color_notes=notes.color_notes, lights=lights, **other)


@pytest.mark.parametrize(
    ("events", "dark"),
    [
        ([], 4),
        ([(0, 1, 1)], 0),  # on, and stays
        ([(0, 1, 5), (8, 1, 0)], 2),  # off on the first beat of a bar
        ([(0, 1, 5), (8.5, 1, 0)], 1),  # off within it
        ([(0, 1, 2)], 0),  # a flash stays on
        ([(0, 1, 3)], 3),  # a fade does not
        ([(5, 1, 7), (9, 1, 11)], 2),
        ([(0, 1, 4)], 0),  # a transition
        ([(0, 8, 1), (0, 12, 5)], 4),  # rings and laser speeds are no lamps
        ([(0, 1, 1, 0.0)], 4),  # without brightness
        ([(0, 1, 1), (4, 1, 5, 0.0)], 3),
        ([(0, 1, 1), (4, 2, 0)], 0),  # another lamp goes off
        ([(0, 1, 1), (0, 1, 0)], 4),  # on and off at one moment
        ([(0, 1, 0), (0, 1, 1)], 0),
        ([(0, 1, 1), (4, 1, 99)], 0),  # an unknown value changes nothing
        ([(-8, 1, 1)], 4),  # before beat 0: the game has no such event
        ([(3.9999, 1, 1), (8, 1, 0)], 3),  # a hair before the bar is in it
        ([(100, 1, 1)], 4),
    ],
)
def test_dark_bars(events: list[tuple[float, ...]], dark: int) -> None:
    report = light_report(show(*events), TEMPO)
    assert report.bars == 4
    assert report.dark_bar_share == dark / 4


def test_a_light_from_before_the_first_note() -> None:
    late = notes_at(8, 12, 15)
    assert light_report(show((0, 4, 1), notes=late), TEMPO).dark_bar_share == 0
    assert light_report(show((0, 4, 1), (4, 4, 0), notes=late), TEMPO).dark_bar_share == 1


@given(st.lists(st.tuples(st.integers(0, 64), st.integers(0, 13), st.integers(0, 13)), max_size=30))
def test_dark_bars_as_by_walking(raw: list[tuple[int, int, int]]) -> None:
    """Against the plain way: walk through the events, keeping who is lit."""
    events = sorted((quarter / 4, kind, value) for quarter, kind, value in raw)
    lit: set[int] = set()
    state: dict[int, bool] = {}
    pending = [e for e in events if e[1] in LAMP_TYPES and e[2] <= 12]
    for quarter in range(64):
        for _, kind, value in (e for e in pending if e[0] == quarter / 4):
            state[kind] = value > 0
            if value in (3, 7, 11):  # lit for this bar only, if nothing follows at once
                last = [e for e in pending if e[0] == quarter / 4 and e[1] == kind][-1]
                state[kind] = False
                if last[2] == value:
                    lit.add(quarter // 16)
        if any(state.values()):
            lit.add(quarter // 16)
    expected = 1 - len(lit) / 4
    assert light_report(show(*events), TEMPO).dark_bar_share == pytest.approx(expected)


def test_rates_and_shares() -> None:
    report = light_report(show((0, 0, 1), (1, 0, 0), (2, 8, 0), (3, 12, 3)), TEMPO)
    assert (report.events, report.events_per_beat) == (4, 4 / 15)
    assert report.types == {"0": 0.5, "8": 0.25, "12": 0.25}
    assert report.values == {"0": 0.5, "1": 0.5}


def test_agreement_with_notes_and_sound() -> None:
    report = light_report(show((0, 0, 1), (4, 0, 1), (6, 0, 1), (8, 0, 0)), TEMPO, [0.0, 3.04])
    assert report.lights_on_notes.share == pytest.approx(2 / 3)
    assert report.notes_lit.share == pytest.approx(2 / 5)
    assert report.lights_on_onsets is not None
    assert report.lights_on_onsets.share == pytest.approx(2 / 3)
    assert light_report(show((0, 0, 1)), TEMPO).lights_on_onsets is None


@given(
    st.lists(st.floats(0, 60), min_size=1, max_size=30).map(lambda t: np.array(sorted(set(t)))),
    st.lists(st.floats(0, 60), min_size=1, max_size=30).map(lambda t: np.array(sorted(set(t)))),
)
def test_agreement_is_a_share(times: np.ndarray, others: np.ndarray) -> None:
    found = agreement(times, others)
    distance = np.abs(times[:, None] - others[None]).min(axis=1)
    assert found.share == pytest.approx((distance <= 0.05 + 1e-9).mean())
    assert 0 <= found.by_chance <= 1
    assert agreement(times, times).share == 1


def test_chance() -> None:
    found = agreement(np.array([0.0, 10.0]), np.arange(0.5, 10, 1.0))
    assert found.share == 0
    assert found.by_chance == pytest.approx(0.1)


def test_boost() -> None:
    boosts = (BoostEvent(5, True), BoostEvent(8, False), BoostEvent(12, True))
    report = light_report(show(boosts=boosts), TEMPO)
    assert (report.boosts, report.boosted_share) == (3, 6 / 15)


def test_the_mirror_has_the_same_show() -> None:
    one, other = (light_report(m, TEMPO) for m in (random_map(1), mirror(random_map(1))))
    assert one.dark_bar_share == other.dark_bar_share
    assert one.lights_on_notes == other.lights_on_notes


def test_corruptions_show() -> None:
    human = random_map(1)
    late = light_report(shift(human, TEMPO, 0), TEMPO)
    assert light_report(human, TEMPO).lights_on_notes.share > 0.8
    assert late.lights_on_notes.share == 0
    dark = light_report(strip_lights(human, TEMPO, 0), TEMPO)
    assert (dark.events, dark.dark_bar_share, dark.lights_on_notes.share) == (0, 1, None)


def test_edges() -> None:
    nothing = light_report(Beatmap(), TEMPO, [])
    assert (nothing.bars, nothing.dark_bar_share, nothing.events_per_beat) == (0, None, None)
    assert (nothing.boosted_share, nothing.types, nothing.notes_lit.share) == (None, {}, None)
    one = light_report(show((4, 1, 1), notes=notes_at(4)), TEMPO)
    assert (one.bars, one.dark_bar_share, one.events_per_beat) == (1, 0, None)
    assert one.lights_on_notes.share == one.lights_on_notes.by_chance == 1
    only_lights = light_report(Beatmap(lights=(LightEvent(1, 1, 1),)), TEMPO)
    assert (only_lights.events, only_lights.dark_bar_share) == (1, None)
    far = light_report(show((0, 1, 1), notes=notes_at(0, 1e9)), TEMPO)
    assert far.dark_bar_share is None
    with pytest.raises(ValueError, match="finite"):
        light_report(FOUR_BARS, TEMPO, [float("nan")])


def test_group_lighting_is_not_judged() -> None:
    group = EventBoxGroup(0.0, 0, "color")
    report = light_report(show(group_lights=(group,)), TEMPO)
    assert (report.group_lighting, report.dark_bar_share) == (1, None)
