"""The balance of turns: hands keep their mass, turns too frequent fade, parity is not pushed at."""

import numpy as np
import pytest
from note_logits import HANDS, NOTES, check_hands_keep_their_mass

from saberlm.infer.cut_balance import NUM_CUTS, human_shares, right_hand_cuts
from saberlm.infer.turn_balance import TurnBalance, held_turns, human_turns
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import DIFFICULTIES, CutDirection
from saberlm.prompts.mirror import mirrored_note_token

DIRECTIONS = right_hand_cuts()[NUM_CUTS:] % 9
REST = 100.0


def balance(strength: float = 1.0) -> TurnBalance:
    turns = human_turns("Expert")
    assert turns is not None
    return TurnBalance(turns, strength, REST)


def right(direction: CutDirection) -> int:
    return v.note_value(1, 0, 2, direction) + NOTES.start


def alternate(bias: TurnBalance, times: int, *, gap: int = 24) -> int:
    """The right hand up and down, over and over; the tick of its last note."""
    for i in range(times):
        bias.say(right(CutDirection.DOWN if i % 2 == 0 else CutDirection.UP), gap * i)
    return gap * (times - 1)


def moved_by_direction(bias: TurnBalance, tick: int, hand: int = 1) -> np.ndarray:
    """Nats that each direction of a hand gains, from even logits ``(9,)``."""
    logits = np.zeros(v.OFFSETS["text"], np.float32)
    bias.adjust(logits, tick)
    return np.array([logits[HANDS[hand]][cut == DIRECTIONS].mean() for cut in range(9)])


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_rows_are_shares_and_down_follows_up(difficulty: str) -> None:
    turns = human_turns(difficulty)
    assert turns is not None
    assert turns.sum(1) == pytest.approx(1)
    assert turns.min() > 0
    assert turns[CutDirection.UP].argmax() == CutDirection.DOWN
    assert human_turns("Lawless") is None


@pytest.mark.parametrize("seed", range(3))
def test_hands_keep_their_mass_and_nothing_else_moves(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bias = balance(0.7)
    for i, token in enumerate(rng.choice(np.array(NOTES), 100).tolist()):
        bias.say(token, 12 * i)
    before = rng.normal(size=v.OFFSETS["text"]).astype(np.float32)
    before[NOTES.start + 5] = -np.inf
    after = before.copy()
    bias.adjust(after, 12 * 100)
    assert after[NOTES.start + 5] == -np.inf
    check_hands_keep_their_mass(before, after)


def test_a_turn_that_comes_too_often_fades() -> None:
    bias = balance()
    last = alternate(bias, 101)  # ends on down
    moved = moved_by_direction(bias, last + 24)
    assert moved[CutDirection.UP] < 0 < moved[CutDirection.UP_LEFT]
    assert moved[CutDirection.UP] == moved.min()


def test_what_may_break_parity_is_made_likelier_after_a_rest_alone() -> None:
    bias = balance(2.0)
    last = alternate(bias, 101)
    soon, late = (moved_by_direction(bias, last + gap) for gap in (REST / 2, 2 * REST))
    down, dot = CutDirection.DOWN, CutDirection.ANY
    assert soon[down] < soon[dot]  # which never came, either
    assert late[down] > soon[down]
    assert late[down] - late[dot] > soon[down] - soon[dot]


def test_turns_of_the_left_hand_are_those_of_the_right_one_mirrored() -> None:
    tokens = [right(d) for d in (CutDirection.DOWN, CutDirection.UP_RIGHT, CutDirection.LEFT)] * 9
    one, other = balance(), balance()
    for i, token in enumerate(tokens):
        one.say(token, 24 * i)
        other.say(mirrored_note_token(token), 24 * i)
    tick = 24 * len(tokens)
    logits, image = (np.zeros(v.OFFSETS["text"], np.float32) for _ in range(2))
    one.adjust(logits, tick)
    other.adjust(image, tick)
    for token in range(NOTES.start, NOTES.stop):
        assert logits[token] == pytest.approx(image[mirrored_note_token(token)], abs=1e-6)


def test_a_hand_s_further_notes_at_a_moment_are_left_alone() -> None:
    bias = balance()
    last = alternate(bias, 60)
    assert np.array_equal(moved_by_direction(bias, last), np.zeros(9))
    assert moved_by_direction(bias, last + 24).any()
    assert not moved_by_direction(bias, last + 24, hand=0).any()


def test_a_hand_that_cannot_play_stays_so() -> None:
    bias = balance()
    last = alternate(bias, 60)
    logits = np.zeros(v.OFFSETS["text"], np.float32)
    logits[HANDS[1]] = -np.inf
    bias.adjust(logits, last + 24)
    assert np.isneginf(logits[HANDS[1]]).all()
    assert not np.isnan(logits).any()


def test_a_map_held_to_other_cuts_is_held_to_their_turns() -> None:
    turns, usual = human_turns("Expert"), human_shares("Expert")
    assert turns is not None
    assert usual is not None
    assert held_turns("Expert", usual) == pytest.approx(turns, abs=0.05)
    slanted = usual.copy()
    slanted.reshape(-1, 9)[:, 4:8] *= 3
    moved = held_turns("Expert", slanted / slanted.sum())
    assert moved is not None
    assert moved.sum(1) == pytest.approx(1)
    assert (moved[:, 4:8].sum(1) > turns[:, 4:8].sum(1)).all()
