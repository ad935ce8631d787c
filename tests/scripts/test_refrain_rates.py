"""Rates of refrains: a bar is what it is told from its echo."""

from collections import Counter, defaultdict

import numpy as np

from saberlm.infer.likeness import Echoes
from saberlm.infer.refrain import MIRRORED, PLAIN
from saberlm.prompts import vocab as v
from saberlm.prompts.mirror import mirrored_note_token
from saberlm.scripts.refrain_rates import count_bars, moments, render, what_it_is


def note(x: int, direction: int) -> int:
    return v.token_id("note", v.note_value(0, 0, x, direction))


def bar(tokens: list[int]) -> list[int]:
    first = v.block_range("position").start
    return [one for i, token in enumerate(tokens) for one in (first + 48 * i, token)]


VERSE = [note(0, 1), note(1, 0), note(2, 1), note(3, 0)]
OTHER = [note(3, 5), note(2, 4), note(1, 5), note(0, 4)]
IMAGE = [mirrored_note_token(token) for token in VERSE]


def test_bars_are_told_apart() -> None:
    verse = moments(bar(VERSE))
    assert what_it_is(verse, verse) == PLAIN
    assert what_it_is(moments(bar(IMAGE)), verse) == MIRRORED
    assert what_it_is(moments(bar(OTHER)), verse) == 0
    assert what_it_is(moments(bar([*VERSE[:3], OTHER[3]])), verse) == PLAIN
    assert what_it_is(moments(bar([*VERSE[:2], *OTHER[2:]])), verse) == 0
    assert what_it_is(moments(bar(VERSE[:1])), verse) is None


def test_a_refrain_goes_on_only_where_its_echo_does() -> None:
    bars = [bar(VERSE), bar(OTHER), bar(VERSE), bar(OTHER), bar(VERSE)]
    rates: defaultdict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    count_bars(bars, Echoes(np.array([-1, -1, 0, 1, 0]), np.array([0, 0, 0.6, 0.6, 0.6])), rates)
    assert rates == {(0, 1): Counter({PLAIN: 2}), (PLAIN, 1): Counter({PLAIN: 1})}
    assert render(rates).count("1.000") == 2
