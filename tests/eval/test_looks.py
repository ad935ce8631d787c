"""Looks of a show: counted by hand, and after pauses."""

from collections import Counter

import pytest

from saberlm.eval.looks import MOST_TICKS, Look, Looks, count_looks, looks_of
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import Beatmap, LightEvent

RED, BLUE = 5, 1


def show(*looks: Look, step: float = 1.0) -> Beatmap:
    """Moments a step apart, by event type."""
    lights = [
        LightEvent(step * i, kind, value)
        for i, look in enumerate(looks)
        for kind, value in look.items()
    ]
    return Beatmap(lights=tuple(lights))


def counted(*looks: Look, step: float = 1.0) -> dict[tuple[str, str], int]:
    counts: Counter[tuple[str, str]] = Counter()
    count_looks(show(*looks, step=step), counts)
    return dict(counts)


def test_looks_are_counted_by_how_the_last_moment_went_on() -> None:
    same = counted(*[{0: RED}] * 5)
    assert same == {("stayed", "last"): 3, ("value", "last"): 3}
    to_and_fro = counted(*[{0: RED}, {1: RED, 4: RED}] * 3)
    assert to_and_fro == {("other", "last but one"): 1, ("back", "last but one"): 3}
    wanders = counted({0: RED}, {1: RED}, {2: RED}, {3: RED}, {3: BLUE})
    assert wanders == {("other", "others"): 2, ("other", "last"): 1, ("value", "others"): 1}
    flips = counted({0: RED}, {0: BLUE}, {0: RED})
    assert flips == {("stayed", "last"): 1, ("value", "last but one"): 1}


def test_nothing_goes_on_after_a_pause() -> None:
    beats = MOST_TICKS / v.TICKS_PER_BEAT
    assert counted(*[{0: RED}] * 4, step=beats)[("stayed", "last")] == 2
    assert counted(*[{0: RED}] * 4, step=beats + 0.1) == {}


def test_shares_are_of_moments_that_could_stay() -> None:
    found = looks_of(show({0: RED}, {1: RED}, {0: BLUE}, {0: RED}, {2: RED}))
    assert found.metrics() == {
        "looks:stay": pytest.approx(1 / 3),
        "looks:back": pytest.approx(1 / 3),
    }
    assert looks_of(show({0: RED}, {0: RED})) == Looks(None, None)
    rings = Beatmap(lights=tuple(LightEvent(float(i), 8, 0) for i in range(9)))
    assert looks_of(rings) == Looks(None, None)
