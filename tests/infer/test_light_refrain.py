"""Light refrains: only bars that share their moments, chains that keep their distance, as often as
mappers."""

import numpy as np
import pytest

from saberlm.infer.light_refrain import (
    BEGINS,
    LEAST_SHARED,
    note_moments,
    plan_light_refrains,
)
from saberlm.infer.likeness import Echoes
from saberlm.prompts import vocab as v

POSITION, NOTE = v.OFFSETS["position"], v.OFFSETS["note"]


def echoes(bars: int, back: int = 0, likeness: float = 0.9) -> Echoes:
    """Every bar sounds like the one so far back; 0: like none."""
    found = np.arange(bars) - back if back else np.full(bars, -1)
    return Echoes(np.maximum(found, -1), np.full(bars, likeness))


def planned(moments: list[list[int]], known: Echoes, seed: int = 0) -> dict[int, int]:
    return plan_light_refrains(moments, known, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(4))
def test_a_bar_repeats_an_earlier_one_with_the_same_moments(seed: int) -> None:
    rng = np.random.default_rng(seed)
    moments = [sorted(rng.choice(5, rng.integers(0, 6), replace=False) * 24) for _ in range(300)]
    plan = planned(moments, echoes(300, 40), seed)
    assert plan
    for bar, source in plan.items():
        here, there = set(moments[bar]), set(moments[source])
        assert 0 <= source < bar
        assert here
        assert len(here & there) >= LEAST_SHARED * len(here | there)
    assert plan == planned(moments, echoes(300, 40), seed)


def test_bars_that_differ_or_are_empty_repeat_nothing() -> None:
    different = [[6 * (bar % 32)] for bar in range(32)]
    assert planned(different, echoes(32)) == {}
    assert planned([[]] * 100, echoes(100, 4)) == {}
    assert planned([], echoes(0)) == {}


def test_alike_bars_repeat_about_as_often_as_asked() -> None:
    moments = [[0, 48]] * 2000
    without, with_echo = planned(moments, echoes(2000)), planned(moments, echoes(2000, 40))
    assert 0.3 < len(without) / 2000 < 0.6
    assert len(with_echo) > 1.2 * len(without)
    back = np.array([bar - source for bar, source in with_echo.items()])
    assert set(back) <= {*BEGINS, 40}
    assert (back == 40).mean() > 0.25
    # a run keeps its distance
    runs = [with_echo[bar] - with_echo[bar - 1] for bar in with_echo if bar - 1 in with_echo]
    assert np.mean(np.array(runs) == 1) > 0.6
    assert len(planned(moments, echoes(2000, 40, likeness=0.5))) < 1.1 * len(without)


def test_note_moments_are_the_ticks_with_notes() -> None:
    bar = [POSITION + 3, NOTE, NOTE + 1, POSITION + 9, v.OFFSETS["bomb"], POSITION + 12, NOTE]
    assert note_moments(bar) == [3, 12]
    assert note_moments(np.array(bar)) == [3, 12]
    assert note_moments([]) == []
