"""Refrains: what was said at the same place comes again where the hands allow it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saberlm.infer.likeness import Echoes
from saberlm.infer.motif import MotifMemory, channel_tokens
from saberlm.infer.refrain import (
    MIRRORED,
    OTHERWISE,
    PLAIN,
    PLANNED,
    SAME_CUT,
    SAME_NOTE,
    RefrainMemory,
    plan_refrains,
    swings_on,
)
from saberlm.prompts import vocab as v
from saberlm.prompts.mirror import mirrored_note_token

BAR = v.TICKS_PER_SEGMENT
UP, DOWN, LEFT = 0, 1, 2


def note(color: int, x: int, direction: int) -> int:
    return v.token_id("note", v.note_value(color, 0, x, direction))


def twice(bars: int = 4, likeness: float = 1.0) -> Echoes:
    """A song whose second half is its first."""
    bar = np.concatenate([np.full(bars, -1), np.arange(bars)])
    return Echoes(bar, np.where(bar < 0, 0.0, likeness))


def verse(memory: RefrainMemory, tokens: list[int], first: int = 0) -> None:
    """Notes a beat apart."""
    for i, token in enumerate(tokens):
        memory.say(token, first + i * v.TICKS_PER_BEAT)


PATTERN = [note(0, 1, DOWN), note(1, 2, DOWN), note(0, 0, UP), note(1, 3, UP)]


def test_a_guess_knows_how_its_hand_stands() -> None:
    echoes = twice(2)
    for last, standing in (
        (note(0, 1, UP), OTHERWISE),
        (note(0, 3, DOWN), SAME_CUT),
        (note(0, 1, DOWN), SAME_NOTE),
    ):
        memory = RefrainMemory(echoes, True)
        memory.say(note(0, 1, DOWN), 0)
        memory.say(note(0, 0, UP), v.TICKS_PER_BEAT)
        memory.say(last, 2 * BAR)
        found = {one.kind: one for one in memory.guesses(2 * BAR + v.TICKS_PER_BEAT)}
        assert found[PLAIN].token == note(0, 0, UP)
        assert found[PLAIN].level % 3 == standing
        assert found[MIRRORED].token == mirrored_note_token(note(0, 0, UP))


def test_nothing_is_guessed_where_nothing_was_said_or_no_bar_is_alike() -> None:
    memory = RefrainMemory(twice(2), True)
    verse(memory, PATTERN)
    assert memory.guesses(2 * BAR + 1) == []
    assert memory.guesses(BAR) == []
    assert memory.guesses(99 * BAR) == []
    late = RefrainMemory(twice(2), True, np.array([0, 0, PLAIN, PLAIN]))
    late.say(PATTERN[0], 99 * BAR)  # past the song's last bar
    assert late.second_hand(99 * BAR) is None


def test_the_second_of_two_hands_follows_the_first() -> None:
    memory = RefrainMemory(twice(2), True)
    both = [note(0, 1, DOWN), note(1, 2, DOWN)]
    for token in both:
        memory.say(token, 0)
    memory.say(both[0], 2 * BAR)
    assert memory.guesses(2 * BAR)[-1].token == both[1]
    memory.say(both[1], 2 * BAR)
    assert memory.guesses(2 * BAR) == []


@pytest.mark.parametrize("kind", [PLAIN, MIRRORED])
def test_a_planned_refrain_waits_until_the_hands_can_follow(kind: int) -> None:
    plan = np.array([0, 0, kind, kind])
    image = PATTERN if kind == PLAIN else [mirrored_note_token(token) for token in PATTERN]
    for last, comes in ((UP, True), (DOWN, False)):
        memory = RefrainMemory(twice(2), True, plan)
        verse(memory, PATTERN)
        for hand in (0, 1):  # just before, so that no hand is at rest
            memory.say(note(hand, 1 + hand, last), 2 * BAR - 12)
        found = memory.guesses(2 * BAR)
        planned = [one.token for one in found if one.kind == PLANNED]
        assert planned == ([image[0]] if comes else [])


def test_a_refrain_keeps_its_image() -> None:
    memory = RefrainMemory(twice(2), True, np.array([0, 0, PLAIN, PLAIN]))
    verse(memory, [*PATTERN, *PATTERN])
    seen = []
    for i in range(8):
        tick = 2 * BAR + i * v.TICKS_PER_BEAT
        (token,) = [one.token for one in memory.guesses(tick) if one.kind == PLANNED]
        memory.say(token, tick)
        seen.append(token)
    assert seen == [*PATTERN, *PATTERN]


def test_doubles_and_single_notes_of_a_refrain_are_known() -> None:
    memory = RefrainMemory(twice(2), True, np.array([0, 0, PLAIN, PLAIN]))
    memory.say(note(0, 1, DOWN), 0)
    memory.say(note(1, 2, DOWN), 0)
    memory.say(note(0, 1, UP), v.TICKS_PER_BEAT)
    assert memory.second_hand(2 * BAR) is None
    memory.say(note(0, 1, DOWN), 2 * BAR)
    assert memory.second_hand(2 * BAR) is True
    memory.say(note(0, 1, UP), 2 * BAR + v.TICKS_PER_BEAT)
    assert memory.second_hand(2 * BAR + v.TICKS_PER_BEAT) is False


@given(st.integers(0, 1000))
def test_a_plan_begins_and_goes_on_only_where_bars_are_alike(seed: int) -> None:
    random = np.random.default_rng(seed)
    bar = np.where(random.random(40) < 0.3, -1, random.integers(0, 20, 40))
    plan = plan_refrains(Echoes(bar, random.random(40)), random)
    assert set(plan.tolist()) <= {0, PLAIN, MIRRORED}
    assert not plan[bar < 0].any()
    assert not plan_refrains(Echoes(bar, random.random(40)), random, 0.0).any()


def test_songs_that_come_again_more_alike_have_more_refrains_that_last() -> None:
    def share(likeness: float) -> float:
        return float(
            np.mean(
                [
                    (
                        plan_refrains(twice(60, likeness), np.random.default_rng(seed))[60:] != 0
                    ).mean()
                    for seed in range(20)
                ]
            )
        )

    assert share(0.3) < share(0.75) < share(0.99)
    assert share(0.99) > 0.6


def test_a_cut_swings_on_at_a_right_angle_or_wider() -> None:
    assert swings_on(note(0, 1, UP), note(0, 1, DOWN))
    assert swings_on(note(0, 1, UP), note(0, 1, LEFT))
    assert not swings_on(note(0, 1, UP), note(0, 1, UP))
    assert not swings_on(note(0, 1, UP), note(0, 1, 4))  # up and left
    assert swings_on(note(0, 1, UP), note(0, 1, 8))


def test_a_row_comes_back_to_what_it_said() -> None:
    echoes = twice(4)
    plan = np.array([0] * 4 + [PLAIN] * 4)
    memory = MotifMemory(echoes=echoes, plan=plan)
    notes = channel_tokens("notes")
    random, said = np.random.default_rng(0), []
    for i in range(32):
        tick = i * v.TICKS_PER_BEAT
        memory.say(v.block_range("position").start + tick % BAR, tick)
        logits = np.zeros(v.OFFSETS["text"], np.float32)
        memory.adjust(logits, tick)
        chances = np.exp(logits[notes])
        hand, swing = (i % 2, (UP, DOWN)[i // 2 % 2])
        token = note(hand, int(random.integers(0, 4)), swing)
        if i >= 16:
            token = int(notes[random.choice(len(notes), p=chances / chances.sum())])
        memory.say(token, tick)
        said.append(token)
    assert np.mean(np.equal(said[16:], said[:16])) > 0.8
