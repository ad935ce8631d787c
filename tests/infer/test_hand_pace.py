"""The pace of hands: the hurried hand is spared, notes stay as likely, hands are alike."""

import numpy as np
import pytest
from note_logits import HANDS, NOTES

from saberlm.infer.hand_pace import HandPace, usual_ebpm
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import DIFFICULTIES
from saberlm.prompts.mirror import mirrored_note_token

RED, BLUE = (v.note_value(hand, 1, 0, 1) + NOTES.start for hand in (0, 1))
QUARTER, BEAT = 12, 48
"""Ticks. At 166 BPM a hand that swings every quarter of a beat is asked for 332 eBPM."""
BPM, USUAL = 166.0, 170.0


def bias(planned: np.ndarray | None = None, bpm: float = BPM, strength: float = 5.0) -> HandPace:
    return HandPace(USUAL, bpm, strength, planned)


def even() -> np.ndarray:
    return np.zeros(v.OFFSETS["text"], np.float32)


def moved(pace: HandPace, tick: int) -> tuple[float, float]:
    """Nats that each hand's notes gain, from even logits; nothing else may move."""
    logits = even()
    pace.adjust(logits, tick)
    assert not np.delete(logits, slice(NOTES.start, NOTES.stop)).any()
    for hand in HANDS:
        assert np.ptp(logits[hand]) < 1e-6
    return float(logits[HANDS[0]][0]), float(logits[HANDS[1]][0])


def mass(logits: np.ndarray) -> float:
    return float(np.exp(logits[NOTES.start : NOTES.stop].astype(np.float64)).sum())


def test_the_hand_that_has_just_swung_is_spared_and_notes_stay_as_likely() -> None:
    pace = bias()
    pace.say(BLUE, 0)
    pace.say(RED, BEAT)
    logits = np.random.default_rng(0).normal(size=v.OFFSETS["text"]).astype(np.float32)
    logits[NOTES.start + 3] = -np.inf
    before = logits.copy()
    pace.adjust(logits, BEAT + QUARTER)
    assert mass(logits) == pytest.approx(mass(before), rel=1e-5)
    change = logits[HANDS[0]][4:] - before[HANDS[0]][4:]
    other = logits[HANDS[1]] - before[HANDS[1]]
    assert np.ptp(other) < 1e-5
    assert change.max() - other.min() == pytest.approx(-5 * np.log(332 / USUAL), abs=1e-3)
    assert np.array_equal(
        np.delete(logits, slice(NOTES.start, NOTES.stop)),
        np.delete(before, slice(NOTES.start, NOTES.stop)),
    )


@pytest.mark.parametrize(
    ("gap", "bpm"), [(2 * QUARTER, BPM), (QUARTER, 84.0), (6, BPM), (4 * BEAT, 400.0)]
)
def test_a_hand_with_time_or_in_one_swing_is_left_alone(gap: int, bpm: float) -> None:
    pace = bias(bpm=bpm)
    pace.say(RED, BEAT)
    assert moved(pace, BEAT + gap) == (0.0, 0.0)


def test_the_faster_the_song_the_more_a_hand_is_spared() -> None:
    def spared(bpm: float) -> float:
        pace = bias(bpm=bpm)
        pace.say(RED, BEAT)
        red, blue = moved(pace, BEAT + QUARTER)
        return blue - red

    found = [spared(bpm) for bpm in (80.0, 100.0, 140.0, 200.0)]
    assert found[0] == 0
    assert found == sorted(found)
    assert found[3] - found[2] == pytest.approx(5 * np.log(200 / 140), abs=1e-3)


def test_two_hands_as_hurried_as_each_other_change_nothing() -> None:
    pace = bias()
    pace.say(RED, BEAT)
    pace.say(BLUE, BEAT)
    at = BEAT + QUARTER
    assert moved(pace, at) == (0.0, 0.0)
    pace.say(RED, at)
    assert moved(pace, at) == (0.0, 0.0)  # both hands at once hurry nobody more


def test_a_second_hand_that_has_just_swung_is_rarer() -> None:
    pace = bias()
    pace.say(BLUE, BEAT)
    at = BEAT + QUARTER
    pace.say(RED, at)
    red, blue = moved(pace, at)
    assert red == 0
    assert blue == pytest.approx(-5 * np.log(332 / USUAL), abs=1e-3)
    pace.say(RED, at)  # a second note of the hand at the moment changes nothing
    assert moved(pace, at) == (red, blue)


@pytest.mark.parametrize("gap", [QUARTER, 2 * QUARTER])
def test_both_hands_are_rarer_where_the_plan_goes_on_soon(gap: int) -> None:
    planned = np.zeros(4 * BEAT, bool)
    pace = bias(planned)
    pace.say(RED, BEAT)
    planned[[BEAT, BEAT + gap]] = True  # the plan is read when it is needed
    red, blue = moved(pace, BEAT)
    assert red == 0
    assert (blue < -3) == (gap == QUARTER)
    assert (blue == 0) == (gap != QUARTER)


def test_a_mirrored_past_spares_the_other_hand() -> None:
    rng = np.random.default_rng(2)
    planned = np.zeros(100 * BEAT, bool)
    planned[::QUARTER] = True
    one, image = bias(planned), bias(planned)
    tick = 0
    for token in rng.choice(np.array(NOTES), 60).tolist():
        here, there = even(), even()
        one.adjust(here, tick)
        image.adjust(there, tick)
        for hand in (0, 1):
            assert here[HANDS[hand]] == pytest.approx(there[HANDS[1 - hand]], abs=1e-5)
        one.say(token, tick)
        image.say(mirrored_note_token(token), tick)
        tick += int(rng.integers(0, 3)) * QUARTER


def test_hands_that_cannot_play_stay_so() -> None:
    pace = bias()
    pace.say(RED, BEAT)
    logits = even()
    logits[HANDS[1]] = -np.inf
    pace.adjust(logits, BEAT + QUARTER)
    assert np.isneginf(logits[HANDS[1]]).all()
    assert logits[HANDS[0]] == pytest.approx(0, abs=1e-5)  # somebody must
    logits[HANDS[0]] = -np.inf
    pace.adjust(logits, BEAT + QUARTER)
    assert np.isneginf(logits[NOTES.start : NOTES.stop]).all()


def drawn(strength: float) -> tuple[float, int]:
    """Share of swings faster than usual, and notes, of a stream of quarters dealt by chance."""
    rng = np.random.default_rng(4)
    pace = bias(strength=strength)
    last, fast = {0: -BEAT, 1: -BEAT}, 0
    for i in range(400):
        tick = QUARTER * i
        logits = even()
        pace.adjust(logits, tick)
        chances = np.exp(logits[NOTES.start : NOTES.stop].astype(np.float64))
        token = int(rng.choice(np.array(NOTES), p=chances / chances.sum()))
        hand = (token - NOTES.start) // (len(NOTES) // 2)
        fast += tick - last[hand] == QUARTER
        last[hand] = tick
        pace.say(token, tick)
    return fast / 400, 400


def test_a_stream_comes_to_alternate() -> None:
    assert drawn(0.0)[0] > 0.4
    assert drawn(5.0)[0] < 0.1


@pytest.mark.parametrize("difficulty", [*DIFFICULTIES, "Lawless"])
def test_denser_maps_may_ask_for_more(difficulty: str) -> None:
    found = [usual_ebpm(difficulty, nps) for nps in (0.0, 1.0, 2.0, 4.0, 9.0)]
    assert found == sorted(found)
    assert 20 < found[0] < found[-1] < 350
