"""The memory of motifs: what it counts, and what it does to chances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saberlm.infer.motif import (
    CHANNELS,
    MOST_SEEN,
    ORDERS,
    ChannelMemory,
    MotifMemory,
    channel_tokens,
    mixed,
    shipped_weights,
)
from saberlm.infer.refrain import MIRRORED, PLAIN
from saberlm.prompts import vocab as v
from saberlm.prompts.mirror import mirrored_note_token

NOTES = channel_tokens("notes")
LIVE = v.OFFSETS["text"]
TICK = 12


def note(color: int, x: int, direction: int) -> int:
    return v.token_id("note", v.note_value(color, 0, x, direction))


def said(memory: MotifMemory, notes: list[int]) -> int:
    """Notes a quarter apart; the tick of the next one, which is named."""
    for i, token in enumerate(notes):
        memory.say(v.OFFSETS["position"] + i * TICK % v.TICKS_PER_SEGMENT, i * TICK)
        memory.say(token, i * TICK)
    tick = len(notes) * TICK
    memory.say(v.OFFSETS["position"] + tick % v.TICKS_PER_SEGMENT, tick)
    return tick


def chances(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max())
    return shifted / shifted.sum()


@given(st.lists(st.sampled_from(NOTES.tolist()), min_size=1, max_size=12), st.integers(0, 9))
def test_mass_of_a_channel_and_all_else_stay(notes: list[int], seed: int) -> None:
    memory = MotifMemory()
    tick = said(memory, notes)
    logits = np.random.default_rng(seed).normal(size=LIVE).astype(np.float32)
    before = logits.copy()
    memory.adjust(logits, tick)
    others = np.setdiff1d(np.arange(LIVE), np.concatenate([channel_tokens(c) for c in CHANNELS]))
    assert np.array_equal(logits[others], before[others])
    assert np.exp(logits[NOTES]).sum() == pytest.approx(np.exp(before[NOTES]).sum(), rel=1e-4)


def test_a_pattern_that_came_twice_is_expected_again() -> None:
    pattern = [note(0, 1, 1), note(1, 2, 1), note(0, 0, 0), note(1, 3, 0)]
    memory = MotifMemory()
    tick = said(memory, [*pattern, *pattern, *pattern[:3]])
    logits = np.zeros(LIVE, np.float32)
    memory.adjust(logits, tick)
    assert int(NOTES[logits[NOTES].argmax()]) == pattern[3]
    assert chances(logits[NOTES]).max() > 0.5


def test_the_mirror_image_is_expected_too() -> None:
    pattern = [note(0, 1, 4), note(1, 2, 1), note(0, 0, 6), note(1, 3, 7)]
    image = [mirrored_note_token(token) for token in pattern]
    memory = MotifMemory()
    tick = said(memory, [*pattern, *pattern, *image[:3]])
    logits = np.zeros(LIVE, np.float32)
    memory.adjust(logits, tick)
    assert int(NOTES[logits[NOTES].argmax()]) == image[3]


@given(st.sampled_from(NOTES.tolist()))
def test_mirroring_twice_changes_nothing(token: int) -> None:
    assert mirrored_note_token(mirrored_note_token(token)) == token


def test_no_strength_changes_nothing() -> None:
    memory = MotifMemory(0.0)
    tick = said(memory, [note(0, 1, 1)] * 6)
    logits = np.random.default_rng(0).normal(size=LIVE).astype(np.float32)
    before = logits.copy()
    memory.adjust(logits, tick)
    assert np.allclose(logits, before, atol=1e-5)


def test_the_memory_of_a_context_is_what_followed_it() -> None:
    memory = ChannelMemory("lights")
    a, b, c = channel_tokens("lights")[:3].tolist()
    for i, token in enumerate([a, b, a, c, a]):
        memory.say(token, i * TICK)
    found = {order: (seen, counts) for order, seen, counts in memory.followers(5 * TICK)}
    assert found[0] == (MOST_SEEN, {a: 3, b: 1, c: 1})
    assert found[1] == (2, {b: 1, c: 1})
    later = memory.followers(5 * TICK + 1)  # another distance is another context
    assert [order for order, _, _ in later] == [0]


def test_a_channel_without_chance_stays_without() -> None:
    logits = np.full(len(NOTES), -np.inf, np.float32)
    assert np.isneginf(mixed(logits, NOTES, [(0, 1, {int(NOTES[0]): 1})], {(0, 1): 0.5})).all()


def test_what_ships_has_a_weight_for_every_order() -> None:
    for channel in CHANNELS:
        weights = shipped_weights()[channel]
        kinds = {PLAIN, MIRRORED} if channel == "notes" else {PLAIN}
        assert {order for order, _ in weights} == {*ORDERS[channel], *kinds}
        assert all(0 <= one <= 1 for one in weights.values())
