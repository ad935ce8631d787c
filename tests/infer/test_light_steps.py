"""Light steps: bars that keep a step keep it, others stay; where the song comes again, it does."""

import numpy as np
import pytest
import torch

from saberlm.infer.light_steps import (
    BEGINS,
    GOES_ON,
    ON_STEP,
    STEPS,
    heard_steps,
    plan_light_steps,
    with_light_steps,
)
from saberlm.infer.likeness import Echoes
from saberlm.prompts import vocab as v

BARS = 4000
BAR = v.TICKS_PER_SEGMENT


EVEN = np.ones((BARS, len(STEPS)))


def no_echoes(bars: int = BARS) -> Echoes:
    return Echoes(np.full(bars, -1), np.zeros(bars))


def test_chances_are_chances_and_steps_part_a_bar() -> None:
    assert set(BEGINS) == set(GOES_ON) == set(STEPS)
    assert all(BAR % step == 0 for step in STEPS)
    assert all(0 < GOES_ON[step] < 1 for step in STEPS)
    assert all(0 < sum(BEGINS[step][kind] for step in STEPS) < 0.2 for kind in range(3))


def test_bars_begin_and_go_on_as_often_as_said() -> None:
    rng = np.random.default_rng(0)
    counts = rng.choice([2, 6, 12], size=BARS)  # quiet, usual and busy, by their mean of 6.7
    moments = [range(n) for n in counts]
    found = plan_light_steps(moments, EVEN, no_echoes(), np.random.default_rng(1))
    for kind, count in enumerate((2, 6, 12)):
        free = [bar for bar in range(1, BARS) if counts[bar] == count and bar - 1 not in found]
        began = np.mean([bar in found for bar in free])
        assert began == pytest.approx(sum(one[kind] for one in BEGINS.values()), abs=0.03)
    for step in STEPS:
        kept = [found.get(bar + 1) == step for bar in range(BARS - 1) if found.get(bar) == step]
        assert np.mean(kept) == pytest.approx(GOES_ON[step], abs=0.15)


def test_steps_come_where_they_are_heard_and_no_more_often() -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(BARS * BAR, 2)) - 4
    loud = rng.random(BARS) < 0.3
    logits.reshape(BARS, BAR, 2)[loud, ::12, 0] += 6  # quarters
    heard = heard_steps(logits)
    assert heard.shape == (BARS, len(STEPS))
    assert heard.mean(axis=0) == pytest.approx(1, abs=1e-9)
    quarter = STEPS.index(12)
    assert heard[loud, quarter].min() > heard[~loud, quarter].max()
    moments = [range(6)] * BARS
    found = plan_light_steps(moments, heard, no_echoes(), np.random.default_rng(1))
    even = plan_light_steps(moments, EVEN, no_echoes(), np.random.default_rng(1))
    assert len(found) == pytest.approx(len(even), rel=0.15)
    shares = [
        np.mean([loud[bar] for bar, step in one.items() if step == 12 and one.get(bar - 1) != 12])
        for one in (found, even)
    ]
    assert shares[0] > shares[1] + 0.15
    assert np.array_equal(heard_steps(np.zeros((2 * BAR, 2))), np.ones((2, len(STEPS))))


def test_bars_without_notes_keep_none() -> None:
    moments = [range(n) for n in np.random.default_rng(0).choice([0, 6], size=BARS)]
    found = plan_light_steps(moments, EVEN, no_echoes(), np.random.default_rng(1))
    assert found
    assert all(len(moments[bar]) for bar in found)
    assert plan_light_steps([()] * 8, EVEN, no_echoes(8), np.random.default_rng(1)) == {}


def test_where_the_song_comes_again_so_does_the_step() -> None:
    half = 200
    echoes = Echoes(
        np.concatenate([np.full(half, -1), np.arange(half)]),
        np.concatenate([np.zeros(half), np.ones(half)]),
    )
    moments = [range(6)] * (2 * half)
    found = plan_light_steps(moments, EVEN, echoes, np.random.default_rng(2))
    began = [bar for bar in range(half, 2 * half) if bar in found and bar - 1 not in found]
    assert began
    assert all(found[bar] == found[bar - half] for bar in began)


@pytest.mark.parametrize("step", STEPS)
def test_a_bar_that_keeps_a_step_has_lights_there(step: int) -> None:
    torch.manual_seed(0)
    logits = torch.randn(3 * BAR, 2) - 4
    noted = torch.zeros(3 * BAR, dtype=torch.bool)
    noted[::30] = True
    logits[noted, 1], logits[~noted, 0] = -30.0, -30.0
    outside = 2 * BAR - 7  # the song ends within the bar
    logits[outside:] = -30.0
    out = with_light_steps(logits, {1: step})
    assert torch.equal(out[:BAR], logits[:BAR])
    assert torch.equal(out[2 * BAR :], logits[2 * BAR :])
    here, heard = out[BAR:outside].max(dim=1).values, noted[BAR:outside]
    on = torch.zeros(BAR, dtype=torch.bool)
    on[::step] = True
    on = on[: outside - BAR]
    assert (here[on] == ON_STEP).all()
    assert (here[~on & ~heard] < -5).all()
    assert (here[~on & heard] < ON_STEP).all()
    assert (out[outside : 2 * BAR] <= -30).all()
    assert (out[noted, 1] == -30).all(), "a note's tick stays one"
    assert torch.equal(with_light_steps(logits, {}), logits)
