"""How lamps go on: looks that are kept whole, light that stays as likely."""

from itertools import pairwise

import numpy as np
import pytest

from saberlm.eval.counts import LAMP_TYPES
from saberlm.infer import light_relations
from saberlm.infer.light_relations import NUM_LAMPS, Chances, LightRelations
from saberlm.prompts import vocab as v

Look = dict[int, int]
"""Values of a moment's lamps by event type."""
RED, BLUE, OFF = 5, 1, 0
LAMPS = range(v.OFFSETS["light"], v.OFFSETS["light"] + NUM_LAMPS * v.NUM_LIGHT_VALUES)


def token(kind: int, value: int) -> int:
    return LAMPS.start + v.LIGHT_TYPES.index(kind) * v.NUM_LIGHT_VALUES + value


def say(bias: LightRelations, *looks: Look, step: int = 24) -> int:
    """Say moments a step apart; returns the tick of the next one."""
    for i, look in enumerate(looks):
        for kind, value in look.items():
            bias.say(token(kind, value), step * i)
    return step * len(looks)


def moved(bias: LightRelations, tick: int) -> np.ndarray:
    logits = np.zeros(v.OFFSETS["text"], np.float32)
    bias.adjust(logits, tick)
    others = np.setdiff1d(np.arange(len(logits)), np.array(LAMPS))
    assert not logits[others].any()
    return logits


def bias_that_keeps(monkeypatch: pytest.MonkeyPatch, last: float, before: float) -> LightRelations:
    kept = dict.fromkeys(light_relations.KEPT, Chances(last, before))
    monkeypatch.setattr(light_relations, "KEPT", kept)
    return LightRelations(np.random.default_rng(0), 1000)


def test_lamps_are_the_event_types_that_switch_them() -> None:
    assert set(v.LIGHT_TYPES[:NUM_LAMPS]) == LAMP_TYPES


def test_a_look_comes_back_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    bias = bias_that_keeps(monkeypatch, 0.0, 1.0)
    tick = say(bias, {0: RED, 4: BLUE}, {1: RED})
    for kinds in ((0, 4), (4,), ()):
        logits = moved(bias, tick)
        wanted = [token(kind, value) for kind in kinds for value in range(v.NUM_LIGHT_VALUES)]
        assert (logits[wanted] > 2).all()
        assert (logits[np.setdiff1d(np.array(LAMPS), wanted)] < -5).all()
        if kinds:
            bias.say(token(kinds[0], RED), tick)


def test_a_look_that_stays_may_change_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    bias = bias_that_keeps(monkeypatch, 1.0, 0.0)
    tick = say(bias, {0: RED, 4: RED}, {0: BLUE, 4: BLUE})
    logits = moved(bias, tick)
    assert logits[token(0, RED)] > logits[token(0, OFF)] > logits[token(0, BLUE)] > 0
    assert logits[token(1, RED)] < -5


@pytest.mark.parametrize("seed", range(3))
def test_where_no_look_is_kept_a_light_stays_as_likely(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bias = bias_that_keeps(monkeypatch, 0.0, 0.0)
    rng = np.random.default_rng(seed)
    lamps, tick = np.array(LAMPS), 0
    for chosen in rng.choice(lamps, 100).tolist():
        before = rng.normal(size=v.OFFSETS["text"]).astype(np.float32)
        after = before.copy()
        bias.adjust(after, tick)
        assert np.exp(after[lamps]).sum() == pytest.approx(np.exp(before[lamps]).sum(), rel=1e-4)
        bias.say(chosen, tick)
        tick += int(rng.integers(0, 3)) * 24


def test_what_is_ruled_out_stays_so() -> None:
    bias = LightRelations(np.random.default_rng(0), 10)
    tick = say(bias, {0: RED}, {0: RED}, {0: RED})
    logits = np.full(v.OFFSETS["text"], -np.inf, np.float32)
    bias.adjust(logits, tick)  # past the row's last tick, too
    assert np.isneginf(logits).all()


def test_shows_go_on_more_where_looks_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def stays(kept: bool) -> float:
        """Share of moments with the lamps of the last one, of lamps dealt by chance."""
        rng = np.random.default_rng(1)
        bias = bias_that_keeps(monkeypatch, 0.4, 0.0)
        looks: list[set[int]] = []
        for i in range(500):
            look: set[int] = set()
            while True:
                logits = np.zeros(v.OFFSETS["text"], np.float64)
                if kept:
                    bias.adjust(logits, 24 * i)
                some = [token(kind, RED) for kind in (0, 1, 2) if kind not in look]
                chances = np.exp([*logits[some], 0.0 if look else -50.0])
                chosen = int(rng.choice(len(chances), p=chances / chances.sum()))
                if chosen == len(some):
                    break
                bias.say(some[chosen], 24 * i)
                look.add((some[chosen] - LAMPS.start) // v.NUM_LIGHT_VALUES)
            looks.append(look)
        return float(np.mean([a == b for a, b in pairwise(looks)]))

    assert stays(True) > stays(False) + 0.2
