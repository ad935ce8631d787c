"""Emphasis: the odds of a second hand follow what is heard, and on average stay what they were."""

import numpy as np
import pytest

from saberlm.infer.emphasis import MOST, USUAL_SHARE, EmphasisBias, crowding, sureness
from saberlm.prompts import vocab as v

NOTES = v.block_range("note")
HAND = len(NOTES) // 2


def song(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=960), rng.random(960) < 0.2


def test_sureness_is_centred_over_the_planned_moments_and_bounded() -> None:
    logits, planned = song()
    sure = sureness(3 * logits + 5, planned)
    assert abs(sure[planned].mean()) < 0.05
    assert sure[planned].std() == pytest.approx(1, abs=0.1)
    assert np.abs(sure).max() <= MOST
    kept = planned & (np.abs(sure) < MOST)
    assert (np.diff(sure[kept][np.argsort(logits[kept])]) >= 0).all()
    assert not sureness(logits, np.zeros(960, bool)).any()
    assert not sureness(np.zeros(960), planned).any()


def test_crowded_is_where_moments_are_close() -> None:
    planned = np.zeros(8000, bool)
    planned[1000:4000:48], planned[4000:7000:12] = True, True
    crowd = crowding(planned)
    assert crowd[planned].mean() == pytest.approx(0, abs=0.05)
    assert crowd[1000:3500].max() < 0 < crowd[4500:7000].min()
    assert crowd[1000] == pytest.approx(crowd[2500], abs=0.2)  # a map's begin is no gap
    assert not crowding(np.zeros(100, bool)).any()
    assert not crowding(np.ones(2000, bool)).any()


def moved(bias: EmphasisBias, tick: int) -> np.ndarray:
    logits = np.zeros(v.OFFSETS["text"], np.float32)
    bias.adjust(logits, tick)
    return logits


@pytest.mark.parametrize("hand", [0, 1])
def test_only_the_other_hand_at_a_tick_that_has_one_moves(hand: int) -> None:
    logits, planned = song()
    bias = EmphasisBias(logits, planned, 1.0)
    tick = int(np.flatnonzero(planned)[3])
    bias.say(v.block_range("position").start, tick)
    assert not moved(bias, tick).any()
    bias.say(NOTES.start + hand * HAND, tick)
    change = moved(bias, tick)
    other = slice(NOTES.start + (1 - hand) * HAND, NOTES.start + (2 - hand) * HAND)
    assert (change[other] == change[other.start]).all()
    change[other] = 0
    assert not change.any()
    assert not moved(bias, tick + 1).any()
    bias.say(NOTES.start + (1 - hand) * HAND, tick)
    assert not moved(bias, tick).any()  # both hands play: nothing more to say


@pytest.mark.parametrize("nats", [0.5, 1.0, 2.0])
def test_doubles_as_frequent_as_usual_stay_so(nats: float) -> None:
    logits, planned = song()
    bias = EmphasisBias(logits, planned, nats)
    factors = []
    for tick in np.flatnonzero(planned).tolist():
        bias.say(NOTES.start, tick)
        factors.append(float(np.exp(moved(bias, tick)[NOTES.start + HAND])))
    odds = USUAL_SHARE / (1 - USUAL_SHARE) * np.array(factors)
    assert (odds / (1 + odds)).mean() == pytest.approx(USUAL_SHARE, rel=1e-3)
    assert np.ptp(factors) > 0.5


def test_doubles_that_came_too_often_become_rarer_and_the_other_way_round() -> None:
    logits, planned = song()
    ticks = np.flatnonzero(planned).tolist()
    change = {}
    for often in (True, False):
        bias = EmphasisBias(logits, planned, 0.0, share=0.16)
        for tick in ticks[:-2]:
            bias.say(NOTES.start, tick)
            if often:
                bias.say(NOTES.start + HAND, tick)
        bias.say(NOTES.start, ticks[-2])
        if often:  # right after doubles it is not said that they came too often: a passage goes on
            assert abs(moved(bias, ticks[-2])[NOTES.start + HAND]) < 1
        bias.say(NOTES.start, ticks[-1])
        change[often] = moved(bias, ticks[-1])[NOTES.start + HAND]
    assert change[True] < -1 < 1 < change[False]


def test_doubles_of_the_share_wanted_leave_the_odds_alone() -> None:
    planned = np.ones(4000, bool)
    bias = EmphasisBias(np.zeros(4000), planned, 0.0, share=0.25)
    for tick in range(4000):
        bias.say(NOTES.start, tick)
        if tick == 3999:
            assert abs(moved(bias, tick)[NOTES.start + HAND]) < 0.1
        if tick % 4 == 0:
            bias.say(NOTES.start + HAND, tick)
