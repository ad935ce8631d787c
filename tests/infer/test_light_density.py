"""How many lights: near what is wanted whatever the model's own rate, and by the song's rise."""

import numpy as np
import pytest

from saberlm.eval.counts import LAMP_TYPES
from saberlm.infer.light_density import USUAL_A_BEAT, LightDensity, wanted_a_beat
from saberlm.infer.style_words import wishes
from saberlm.prompts import vocab as v

LIGHT = v.block_range("light").start
MOVE = v.END_SEG
NUM_BARS = 120


def show(a_beat: float, own_odds: float, heard: np.ndarray, seed: int = 0) -> np.ndarray:
    """Events at each half beat, said by a model that says one more with the same odds always."""
    rng = np.random.default_rng(seed)
    bias = LightDensity(a_beat, heard, 4.0)
    made = np.zeros(len(heard) // 24)
    for place in range(len(made)):
        for _ in range(16):
            logits = np.zeros(v.OFFSETS["text"], np.float32)
            bias.adjust(logits, 24 * place)
            assert logits[MOVE] == 0
            odds = own_odds * np.exp(logits[LIGHT])
            if rng.random() > odds / (1 + odds):
                break
            bias.say(LIGHT, 24 * place)
            made[place] += 1
    return made


def even(num_bars: int = NUM_BARS) -> np.ndarray:
    return np.full((v.TICKS_PER_SEGMENT * num_bars, 2), -2.0, np.float32)


@pytest.mark.parametrize("own_odds", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("a_beat", [1.4, 4.2, 11.0])
def test_a_show_is_as_dense_as_wanted_whatever_the_model_would_do(
    a_beat: float, own_odds: float
) -> None:
    unheld = 2 * own_odds
    made = show(a_beat, own_odds, even()).sum() / (4 * NUM_BARS)
    assert abs(np.log(made / a_beat)) < 0.5 * abs(np.log(unheld / a_beat)) + 0.15


def test_more_are_made_where_more_is_heard() -> None:
    heard = even()
    heard[: len(heard) // 2] = -5.0
    made = show(4.0, 1.0, heard)
    quiet, loud = made[: len(made) // 2].sum(), made[len(made) // 2 :].sum()
    assert loud > 1.5 * quiet


def test_levels_differ_and_words_lie_beyond_what_they_draw() -> None:
    draws = np.array([wanted_a_beat(wishes(None), [seed, 90, 12800]) for seed in range(400)])
    assert np.median(draws) == pytest.approx(USUAL_A_BEAT, rel=0.1)
    assert len(set(draws)) > 300
    assert draws.max() / draws.min() < 6
    sparse, dense = (
        wanted_a_beat(wishes(f"tech, {word} lights"), [0, 90, 1]) for word in ("sparse", "dense")
    )
    assert sparse < np.quantile(draws, 0.1) < np.quantile(draws, 0.9) < dense
    for seed in range(50):
        fewer = wanted_a_beat(wishes("tech", "dense lights"), [seed, 90, 12800])
        more = wanted_a_beat(wishes(None, "sparse lights"), [seed, 90, 12800])
        assert sparse < fewer < np.quantile(draws, 0.3) < np.quantile(draws, 0.7) < more


def test_a_show_caught_in_lasers_comes_to_switch_lamps_on() -> None:
    rng = np.random.default_rng(0)
    laser, lamp = v.block_range("laser").start, LIGHT + 1
    bias = LightDensity(4.0, even(), 4.0)
    said = []
    for place in range(8 * NUM_BARS):
        logits = np.zeros(v.OFFSETS["text"], np.float32)
        bias.adjust(logits, 24 * place)
        chances = np.exp([4.0 + logits[laser], logits[lamp], 4.0 + logits[MOVE]])
        token = (laser, lamp, MOVE)[rng.choice(3, p=chances / chances.sum())]
        bias.say(token, 24 * place)
        said.append(token)
    events = [token for token in said if token != MOVE]
    assert 0.12 < events.count(lamp) / len(events) < 0.6  # unheld: 0.02


def test_what_switches_a_lamp_on_is_what_the_judge_takes_for_it() -> None:
    """Rings and lasers aside every value but 0: transitions, too (`saberlm.eval.lights`)."""
    bias = LightDensity(4.0, even(), 4.0)
    laser = v.block_range("laser").start
    for _ in range(100):
        bias.say(laser, 0)
    logits = np.zeros(v.OFFSETS["text"], np.float32)
    bias.adjust(logits, 0)
    for number, token in enumerate(v.block_range("light")):
        kind, value = divmod(number, v.NUM_LIGHT_VALUES)
        assert (logits[token] > logits[laser]) == (v.LIGHT_TYPES[kind] in LAMP_TYPES and value > 0)
