import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saberlm.eval.swing import parity_errors
from saberlm.infer.playability import STRICT_PENALTY, HandTracker
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import Beatmap, ColorNote
from saberlm.prompts.tempo import TempoMap

BPM = 140.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_notes_placed_where_nothing_is_taken_off_break_no_parity(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hands = HandTracker("strict", BPM)
    notes, tick = [], 0
    for _ in range(60):
        tick += int(rng.choice([12, 24, 36, 48]))
        for color in rng.permutation(2)[: rng.integers(1, 3)]:
            free = np.flatnonzero(hands.penalties(tick) < STRICT_PENALTY)
            # a dot or an arrow that suits both ways leaves the hand's turn open: the judge reads
            # ahead there, so this walk starts its runs with an arrow that tells
            values = [
                x for x in free if v.note_parts(x)[0] == color and v.note_parts(x)[3] in (0, 1)
            ]
            value = int(rng.choice(values))
            _, y, x, direction = v.note_parts(value)
            hands.place(tick, int(color), direction)
            notes.append(ColorNote(tick / 48, x, y, int(color), direction))
    assert parity_errors(Beatmap(tuple(notes)), TempoMap(BPM)).errors == 0


def test_a_repeated_direction_is_taken_off_until_the_hand_is_free() -> None:
    hands = HandTracker("soft", BPM)
    down = v.note_value(1, 0, 2, 1)
    assert hands.penalties(0)[down] == 0
    hands.place(0, 1, 1)
    assert hands.penalties(24)[down] > 0
    assert hands.penalties(24)[v.note_value(1, 2, 2, 0)] == 0
    assert hands.penalties(24)[v.note_value(0, 0, 1, 1)] == 0, "the other hand is not concerned"
    assert hands.penalties(48 * 4)[down] == 0, "a long pause frees the hand"


def test_one_swing_keeps_one_direction() -> None:
    hands = HandTracker("soft", BPM)
    hands.place(0, 0, 1)
    assert hands.penalties(3)[v.note_value(0, 1, 1, 1)] == 0
    assert hands.penalties(3)[v.note_value(0, 1, 1, 0)] > 0


def test_modes_are_checked() -> None:
    with pytest.raises(ValueError, match="off, soft, strict"):
        HandTracker("gentle", BPM)
