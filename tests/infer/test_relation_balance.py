"""The balance of relations: surplus fades, hands keep their mass in moves, hands are alike."""

import numpy as np
import pytest
from note_logits import HANDS, NOTES, check_hands_keep_their_mass

from saberlm.eval.relations import (
    DIRECTION_CLASS,
    DIRECTIONS,
    DISTANCE_CLASS,
    DISTANCES,
    usual_relations,
)
from saberlm.infer.class_balance import MOST_GAIN
from saberlm.infer.relation_balance import MOST_WITHIN, RelationBalance
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import CutDirection
from saberlm.prompts.mirror import mirrored_note_token

D = CutDirection
BPM, BEAT = 120.0, 48
"""A beat is half a second."""


def balance(strength: float = 2.0) -> RelationBalance:
    usual = usual_relations("Expert")
    assert usual is not None
    return RelationBalance(usual, BPM, strength)


def note(hand: int, x: int, y: int, direction: int) -> int:
    return NOTES.start + v.note_value(hand, y, x, direction)


def even() -> np.ndarray:
    return np.zeros(v.OFFSETS["text"], np.float32)


def moved(bias: RelationBalance, tick: int) -> np.ndarray:
    logits = even()
    bias.adjust(logits, tick)
    return logits


def test_doubles_that_differ_too_often_come_to_agree() -> None:
    bias = balance()
    tick = 0
    for _ in range(40):
        bias.say(note(0, 1, 0, D.DOWN), tick)
        bias.say(note(1, 2, 0, D.UP), tick)
        tick += 2 * BEAT
    bias.say(note(0, 1, 0, D.DOWN), tick)
    logits = moved(bias, tick)
    same, opposite = (logits[note(1, 3, 0, one)] for one in (D.DOWN, D.UP))
    assert 1 < same - opposite <= MOST_WITHIN + 2 * MOST_GAIN + 1e-3
    assert np.array_equal(logits[HANDS[0]], np.zeros(len(NOTES) // 2, np.float32))
    # where the hand can only go up, it rather does not play: no cut is forced
    stuck = even()
    stuck[HANDS[1]] = -10
    stuck[note(1, 2, 0, D.UP)] = 0
    free = stuck.copy()
    bias.adjust(stuck, tick)
    assert stuck[note(1, 2, 0, D.UP)] < free[note(1, 2, 0, D.UP)] - 1.5
    assert stuck[HANDS[1]].argmax() == free[HANDS[1]].argmax()


def test_a_hand_that_always_stays_comes_to_move() -> None:
    bias = balance()
    tick = 0
    for i in range(60):
        bias.say(note(1, 2, 0, D.DOWN if i % 2 else D.UP), tick)
        tick += BEAT
    logits = moved(bias, tick)
    stay, near = logits[note(1, 2, 0, D.UP)], logits[note(1, 2, 1, D.UP)]
    assert stay < -1
    assert near > 0
    assert not logits[HANDS[0]].any()
    later = moved(bias, tick + 10 * BEAT)  # other moves are of another time
    assert np.abs(later).max() == 0


def test_a_hand_that_never_goes_to_and_fro_comes_to() -> None:
    bias = balance()
    ways = (D.DOWN, D.UP, D.LEFT, D.RIGHT)
    for i in range(80):
        bias.say(note(1, 1 + i % 3, i % 2, ways[i % 4]), BEAT // 2 * i)
    # the last but one was 78: column 1, row 0, to the left
    logits = moved(bias, BEAT // 2 * 80)
    back, the_way, else_where = (
        logits[note(1, 1, 0, D.LEFT)],
        logits[note(1, 1, 0, D.DOWN)],
        logits[note(1, 1, 0, D.UP)],
    )
    assert the_way == pytest.approx(else_where)  # of one cell: only the return tells them apart
    assert back > the_way + 0.4


@pytest.mark.parametrize("seed", range(3))
def test_moves_leave_each_hand_its_mass(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bias = balance()
    tick = 0
    for token in rng.choice(np.array(NOTES), 200).tolist():
        tick += int(rng.integers(1, 5)) * 12
        bias.say(token, tick)
    before = rng.normal(size=v.OFFSETS["text"]).astype(np.float32)
    before[NOTES.start + 5] = -np.inf
    after = before.copy()
    bias.adjust(after, tick + BEAT)
    assert after[NOTES.start + 5] == -np.inf
    check_hands_keep_their_mass(before, after)


@pytest.mark.parametrize("seed", range(3))
def test_a_mirrored_past_moves_mirrored_notes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, image = balance(), balance()
    tick = 0
    for token in rng.choice(np.array(NOTES), 150).tolist():
        here, there = moved(one, tick), moved(image, tick)
        for cut in NOTES:
            assert here[cut] == pytest.approx(there[mirrored_note_token(cut)], abs=1e-5)
        one.say(token, tick)
        image.say(mirrored_note_token(token), tick)
        tick += int(rng.integers(0, 4)) * 12


def test_further_notes_of_a_hand_and_of_its_swing_are_left_alone() -> None:
    bias = balance()
    tick = 0
    for i in range(60):
        bias.say(note(1, 2, 0, D.DOWN if i % 2 else D.UP), tick)
        tick += BEAT
    bias.say(note(1, 2, 0, D.DOWN), tick)
    assert not moved(bias, tick).any()
    assert not moved(bias, tick + 6)[HANDS[1]].any()
    assert moved(bias, tick + BEAT)[HANDS[1]].any()


def test_hands_that_never_answer_come_to() -> None:
    bias = balance()
    for i in range(80):
        # red down in the left lane, blue up in the right-centre one, and so on: no mirror images
        hand = i % 2
        bias.say(note(hand, (0, 2)[hand], i // 2 % 2, (D.DOWN, D.UP)[hand]), BEAT // 2 * i)
    tick = BEAT // 2 * 80  # the last one was blue, up, column 2, row 1
    logits = moved(bias, tick)
    answer, beside = logits[note(0, 1, 1, D.UP)], logits[note(0, 1, 1, D.LEFT)]
    assert answer > beside + 0.4
    bias.say(note(1, 2, 0, D.DOWN), tick)
    bias.say(note(0, 0, 0, D.DOWN), tick)  # both hands at once: nothing to answer
    later = moved(bias, tick + BEAT // 2)
    ways = [later[note(0, 1, 1, way)] for way in (D.UP, D.DOWN, D.LEFT)]
    assert np.ptp(ways) < 0.4 + 1e-6


def test_what_is_answered_is_the_newest_lone_swing() -> None:
    bias = balance()
    bias.say(note(0, 1, 0, D.DOWN), 0)
    assert bias._newest_alone() == (0, 0, note(0, 1, 0, D.DOWN) - HANDS[0].start)
    bias.say(note(0, 1, 1, D.DOWN), 3)  # the swing goes on
    assert bias._newest_alone() == (0, 0, note(0, 1, 0, D.DOWN) - HANDS[0].start)
    bias.say(note(1, 2, 0, D.DOWN), BEAT)
    assert bias._newest_alone() == (BEAT, 1, note(1, 2, 0, D.DOWN) - HANDS[1].start)
    bias.say(note(0, 1, 0, D.DOWN), BEAT)
    assert bias._newest_alone() is None
    assert [balance._came.sum() for balance in bias._answers].count(0) == len(bias._answers)
    bias.say(note(0, 1, 0, D.UP), 2 * BEAT)
    bias.say(note(1, 2, 0, D.UP), 3 * BEAT)
    bias.say(note(1, 2, 0, D.UP), 4 * BEAT)
    assert sum(one._came.sum() for one in bias._answers) == 1


def test_a_swing_that_goes_on_returns_once() -> None:
    """Returns are counted from swing to swing, by their first cuts."""
    one, other = balance(), balance()
    for i in range(60):
        cut = note(1, 2, i % 2, D.DOWN if i % 2 else D.UP)
        one.say(cut, BEAT * i)
        other.say(cut, BEAT * i)
        other.say(cut, BEAT * i + 3)
    assert np.array_equal(*(bias._returns[2].nats for bias in (one, other)))
    assert one._last_but_one(1, BEAT * 60) == other._last_but_one(1, BEAT * 60)
    assert one._last_but_one(1, BEAT * 60) == note(1, 2, 0, D.UP) - HANDS[1].start


def test_a_hand_that_cannot_play_stays_so() -> None:
    bias = balance()
    for i in range(40):
        bias.say(note(1, 2, 0, D.DOWN), BEAT * i)
    logits = even()
    logits[HANDS[1]] = -np.inf
    bias.adjust(logits, 40 * BEAT)
    assert np.isneginf(logits[HANDS[1]]).all()
    assert not np.isnan(logits).any()


def test_a_chance_dealer_is_brought_to_the_mappers_shares() -> None:
    def dealt(strength: float) -> tuple[float, float]:
        """Shares of doubles the same way, and of moves across, of cuts dealt by chance."""
        rng = np.random.default_rng(5)
        bias = balance(strength)
        counts = np.zeros(len(DIRECTIONS))
        across = fast = 0
        last: dict[int, int] = {}
        for i in range(600):
            tick, cuts = i * 24, []  # a quarter of a second
            for hand in (0, 1):
                own = moved(bias, tick)[HANDS[hand]].astype(np.float64)
                mass = float(np.exp(own).mean())
                if hand and rng.random() > mass / (1 + mass):
                    continue  # the second hand stays out
                cut = int(rng.choice(len(own), p=np.exp(own) / np.exp(own).sum()))
                bias.say(HANDS[hand].start + cut, tick)
                cuts.append(cut)
                if hand in last:
                    fast += 1
                    distance = DISTANCE_CLASS[last[hand] // 9, cut // 9]
                    across += distance == DISTANCES.index("across")
                last[hand] = cut
            if len(cuts) == 2:
                counts[DIRECTION_CLASS[cuts[0] % 9, cuts[1] % 9]] += 1
        return float(counts[0] / counts.sum()), across / fast

    loose, held = dealt(0.0), dealt(4.0)
    assert loose[0] < 0.15
    assert held[0] > 1.5 * loose[0]
    assert held[1] < 0.12 < loose[1]  # Expert, under .4 s: .05
