"""The palette of a show: what comes too often fades, lights stay as likely, what ships is whole."""

import json
from pathlib import Path

import numpy as np
import pytest

from saberlm.infer.light_palette import (
    MOST_OFF,
    MOST_OTHERS,
    TYPES,
    VALUES,
    LightPalette,
    Palette,
    drawn_palette,
    shipped_palettes,
    value_class,
)
from saberlm.prompts import vocab as v

LIGHTS = [*v.block_range("light"), *v.block_range("laser"), *v.block_range("boost")]


def light(kind: int, value: int) -> int:
    return v.OFFSETS["light"] + v.LIGHT_TYPES.index(kind) * v.NUM_LIGHT_VALUES + value


def palette(types: dict[int, float], values: dict[int, float]) -> Palette:
    shares, of_values = np.zeros(len(TYPES)), np.zeros(VALUES)
    for kind, share in types.items():
        shares[TYPES.index(kind)] = share
    for value, share in values.items():
        of_values[value] = share
    return Palette(shares, of_values)


def moved(bias: LightPalette) -> np.ndarray:
    logits = np.zeros(v.OFFSETS["text"], np.float32)
    bias.adjust(logits, 0)
    return logits


def test_fades_alone_come_to_be_joined_by_what_the_palette_holds() -> None:
    bias = LightPalette(palette({0: 0.5, 4: 0.5}, {0: 0.3, 1: 0.4, 3: 0.3}), 2.0)
    assert not moved(bias).any()
    for _ in range(100):
        bias.say(light(0, 3), 0)
    logits = moved(bias)
    assert logits[light(4, 1)] > logits[light(4, 3)] > logits[light(0, 3)]
    assert logits[light(4, 1)] > logits[light(4, 7)]  # a value that the palette lacks
    assert logits[light(4, 1)] > logits[light(2, 1)]  # a type that it lacks


@pytest.mark.parametrize("seed", range(3))
def test_a_light_stays_as_likely_and_nothing_else_moves(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = drawn_palette([seed])
    assert drawn is not None
    bias = LightPalette(drawn, 2.0)
    for token in rng.choice(LIGHTS, 300).tolist():
        bias.say(token, 0)
    before = rng.normal(size=v.OFFSETS["text"]).astype(np.float32)
    before[light(1, 3)] = -np.inf
    after = before.copy()
    bias.adjust(after, 0)
    assert not np.array_equal(before[LIGHTS], after[LIGHTS])
    assert np.array_equal(np.delete(before, LIGHTS), np.delete(after, LIGHTS))
    assert after[light(1, 3)] == -np.inf
    mass = [float(np.exp(one[LIGHTS].astype(np.float64)).sum()) for one in (before, after)]
    assert mass[1] == pytest.approx(mass[0], rel=1e-4)


def test_lights_that_cannot_come_stay_so_and_others_are_not_counted() -> None:
    bias = LightPalette(palette({0: 1.0}, {1: 1.0}), 2.0)
    for token in range(v.OFFSETS["note"], v.OFFSETS["note"] + 100):
        bias.say(token, 0)
    assert not moved(bias).any()
    for _ in range(50):
        bias.say(light(4, 0), 0)
    logits = np.zeros(v.OFFSETS["text"], np.float32)
    logits[LIGHTS] = -np.inf
    bias.adjust(logits, 0)
    assert np.isneginf(logits[LIGHTS]).all()


def test_what_is_dealt_comes_near_the_palette() -> None:
    rng = np.random.default_rng(1)
    wanted = palette({0: 0.1, 1: 0.2, 4: 0.4, 8: 0.2, 12: 0.1}, {0: 0.25, 2: 0.25, 7: 0.5})
    bias = LightPalette(wanted, 2.0)
    types = np.zeros(len(TYPES))
    for _ in range(1500):
        own = moved(bias)[LIGHTS].astype(np.float64)
        token = int(rng.choice(LIGHTS, p=np.exp(own) / np.exp(own).sum()))
        bias.say(token, 0)
        if token in v.block_range("light"):
            kind = v.LIGHT_TYPES[(token - v.OFFSETS["light"]) // v.NUM_LIGHT_VALUES]
            if kind in TYPES:
                types[TYPES.index(kind)] += 1
    shares = types / types.sum()
    assert shares[TYPES.index(4)] > 2 * shares[TYPES.index(0)]
    assert shares[TYPES.index(4)] > 3 * shares[TYPES.index(3)]


def test_what_ships_are_shares_and_draws_differ() -> None:
    every = shipped_palettes()
    assert len(every) > 50
    for one in every:
        assert one.types.shape == (len(TYPES),)
        assert one.values.shape == (VALUES,)
        assert one.types.sum() == pytest.approx(1, abs=0.01)
        assert one.values.sum() == pytest.approx(1, abs=0.01)
    drawn = [drawn_palette([seed, 3]) for seed in range(20)]
    assert len({one.types.tobytes() for one in drawn if one is not None}) > 10
    again = drawn_palette([4, 3])
    assert again is not None
    assert drawn[4] is not None
    assert np.array_equal(again.values, drawn[4].values)
    for one in drawn:
        assert one is not None
        assert one.values.sum() == pytest.approx(1, abs=0.01)
        assert one.values[0] <= MOST_OFF + 1e-9
        others = [one.types[TYPES.index(kind)] for kind in (5, 8, 9, 12, 13)]
        assert sum(others) <= MOST_OTHERS + 1e-9
    assert value_class(0) == 0
    assert value_class(12) == VALUES - 1


def test_other_files(tmp_path: Path) -> None:
    assert shipped_palettes(tmp_path / "none.json") == ()
    path = tmp_path / "palettes.json"
    path.write_text(json.dumps([{"types": [1.0] + [0.0] * 9, "values": [0.1] * 10}]))
    assert shipped_palettes(path)[0].types[0] == 1
