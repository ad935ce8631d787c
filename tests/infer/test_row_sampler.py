"""What the compiled sampler makes of logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from saberlm.infer.hazard import BarHazard
from saberlm.infer.row_sampler import _KINDS, _Settings, distribution, draw
from saberlm.prompts import vocab as v

MOVES = np.array([v.END_SEG, *v.block_range("position")])
NOTES = np.array(v.block_range("note"))
LIGHTS = np.array(v.block_range("light"))
HAZARD = BarHazard(np.random.default_rng(3).normal(size=(192, 2)) - 3)
PLAIN: dict[str, Any] = {
    "temperature": 1.0,
    "position_temperature": 1.0,
    "decoder": 1.0,
    "hazard": 0.0,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
}


def chances(
    ids: np.ndarray, logits: np.ndarray, kinds: Any = None, at_tick: int = -1, **changes: Any
) -> np.ndarray:
    settings = {**PLAIN, **changes}
    own = [settings["temperature"]] * 3 if kinds is None else kinds
    x = logits.astype(np.float64).copy()
    distribution(
        *(x, ids.astype(np.int32), len(ids), _KINDS, HAZARD.moves, HAZARD.note_odds, at_tick),
        _Settings(kinds=np.array(own, np.float64), **settings),
    )
    return np.exp(x)


def softmax(x: np.ndarray) -> np.ndarray:
    out: np.ndarray = np.exp(x - x.max())
    return out / out.sum()


def logits_of(ids: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=len(ids)) * 2


ALL = np.concatenate([MOVES, NOTES, LIGHTS])


def test_plain_settings_are_the_softmax() -> None:
    logits = logits_of(ALL)
    np.testing.assert_allclose(chances(ALL, logits), softmax(logits), rtol=1e-9)


def test_the_hazard_alone_replaces_the_decoders_opinion_on_when() -> None:
    logits = logits_of(MOVES)
    heard = np.exp(np.concatenate([HAZARD.moves[-1:], HAZARD.moves[:-1]]))
    np.testing.assert_allclose(chances(MOVES, logits, decoder=0.0, hazard=1.0), heard, rtol=1e-9)


@pytest.mark.parametrize("temperature", [0.0, 0.5, 2.0])
def test_each_kinds_joint_chance_stays(temperature: float) -> None:
    """Neither the hazard nor a temperature of its own moves chance from one kind to another."""
    logits = logits_of(ALL)
    before = softmax(logits)
    after = chances(
        ALL, logits, kinds=[temperature] * 3, position_temperature=temperature, hazard=1.0
    )
    for ids in (MOVES, NOTES, LIGHTS):
        among = np.isin(ALL, ids)
        np.testing.assert_allclose(after[among].sum(), before[among].sum(), rtol=1e-9)
    among = np.isin(ALL, NOTES)
    assert bool(after[among].max() > before[among].max()) == (temperature < 1)


def test_a_kind_is_shaped_by_its_own_temperature() -> None:
    logits = logits_of(ALL)
    notes = np.isin(ALL, NOTES)
    after = chances(ALL, logits, kinds=[0.5, 1.0, 1.0])
    np.testing.assert_allclose(
        after[notes] / after[notes].sum(), softmax(logits[notes] / 0.5), rtol=1e-9
    )
    rest = np.isin(ALL, LIGHTS)
    np.testing.assert_allclose(after[rest], softmax(logits)[rest], rtol=1e-9)


def test_note_odds_come_from_the_head_at_a_position() -> None:
    ids = np.concatenate([NOTES, LIGHTS])
    after = chances(ids, logits_of(ids), at_tick=17, decoder=0.0, hazard=1.0)
    odds = after[: len(NOTES)].sum() / after[len(NOTES) :].sum()
    np.testing.assert_allclose(odds, np.exp(HAZARD.note_odds[17]), rtol=1e-9)


def test_what_has_no_chance_gets_none() -> None:
    logits = logits_of(ALL)
    logits[::3] = -np.inf
    after = chances(ALL, logits, hazard=1.0, position_temperature=0.6, kinds=[0.7, 1.0, 1.3])
    assert (after[::3] == 0).all()
    np.testing.assert_allclose(after.sum(), 1.0, rtol=1e-9)


def test_zero_temperature_takes_the_likeliest() -> None:
    logits = logits_of(NOTES)
    after = chances(NOTES, logits, temperature=0.0)
    assert after[logits.argmax()] == pytest.approx(1.0)


def test_filters_keep_the_likeliest() -> None:
    logits = np.log([0.1, 0.4, 0.3, 0.2])
    four = NOTES[:4]
    kept = [
        list(np.nonzero(chances(four, logits, **how))[0])
        for how in ({"top_k": 2}, {"top_p": 0.6}, {"top_p": 0.01}, {"min_p": 0.6}, {"min_p": 0.3})
    ]
    assert kept == [[1, 2], [1, 2], [1], [1, 2], [1, 2, 3]]
    np.testing.assert_allclose(chances(four, logits, top_k=2)[1], 0.4 / 0.7)


@pytest.mark.parametrize("seed", range(40))
def test_filters_keep_what_sorting_would(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 30))
    logits = random.integers(-4, 4, count).astype(float)  # many are equal
    logits[random.random(count) < 0.2] = -np.inf
    logits[random.integers(count)] = 1.5
    top_k, top_p = int(random.integers(0, count + 2)), float(random.choice([0.3, 0.7, 0.95, 1.0]))

    kept = np.isfinite(logits)
    if 0 < top_k < count:
        kept &= logits >= np.sort(logits)[count - top_k]
    shares = softmax(np.where(kept, logits, -np.inf))
    order = np.argsort(-np.where(kept, logits, -np.inf), kind="stable")
    before = np.concatenate([[0.0], np.cumsum(shares[order])[:-1]])
    if top_p < 1:
        kept[order[before >= top_p]] = False
    after = chances(NOTES[:count], logits, top_k=top_k, top_p=top_p)
    np.testing.assert_array_equal(after > 0, kept)
    np.testing.assert_allclose(after[kept], softmax(logits[kept]))


def test_draw_follows_the_chances_and_never_leaves_them() -> None:
    with np.errstate(divide="ignore"):
        x = np.log([0.0, 0.2, 0.0, 0.5, 0.3, 0.0])
    picked = [draw(x, 6, uniform) for uniform in np.linspace(0, 1, 1001)]
    shares = np.bincount(picked, minlength=6) / 1001
    np.testing.assert_allclose(shares, [0, 0.2, 0, 0.5, 0.3, 0], atol=0.002)
