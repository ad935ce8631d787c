"""Lights at one moment: as many as a show can use, and never nothing left to say."""

import numpy as np
import pytest

from saberlm.infer.light_limit import MOST_ALIKE, MOST_AT_TICK, LightLimit
from saberlm.prompts import vocab as v

LIGHTS = v.block_range("light")


def allowed(limit: LightLimit, tick: int) -> np.ndarray:
    logits = np.zeros(v.OFFSETS["text"], np.float32)
    limit.adjust(logits, tick)
    assert np.isfinite(logits[list(v.block_range("position"))]).all()
    assert np.isfinite(logits[v.END_SEG])
    assert np.isfinite(logits[list(v.block_range("note"))]).all()
    out: np.ndarray = np.isfinite(logits)
    return out


@pytest.mark.parametrize("seed", range(5))
def test_a_tick_fills_up_and_the_next_begins_anew(seed: int) -> None:
    rng = np.random.default_rng(seed)
    limit = LightLimit()
    for tick in (12, 24):
        said = []
        while (choice := np.flatnonzero(allowed(limit, tick)[LIGHTS.start : LIGHTS.stop])).size:
            token = LIGHTS.start + int(rng.choice(choice[:9]))
            limit.say(token, tick)
            said.append(token)
        assert len(said) == MOST_AT_TICK
        assert max(said.count(token) for token in said) <= MOST_ALIKE
    assert allowed(limit, 36).all()


def test_notes_do_not_count() -> None:
    limit = LightLimit()
    for _ in range(50):
        limit.say(v.block_range("note").start, 12)
    assert allowed(limit, 12).all()
