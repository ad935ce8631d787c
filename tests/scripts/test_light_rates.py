"""How mappers light: repeats are counted by distance, palettes are shares."""

from collections import Counter

import pytest

from saberlm.infer.light_palette import TYPES, VALUES
from saberlm.infer.light_steps import STEPS
from saberlm.prompts.beatmap import Beatmap, BoostEvent, ColorNote, LightEvent
from saberlm.scripts.light_rates import (
    bars_of,
    count_repeats,
    count_steps,
    palette_of,
    step_of,
)


def show(*bars: str) -> Beatmap:
    """A letter a beat: the type of its light, a dash for none."""
    beats = [(4 * bar + beat, one) for bar, row in enumerate(bars) for beat, one in enumerate(row)]
    return Beatmap(
        lights=tuple(LightEvent(float(b), int(one), 3) for b, one in beats if one != "-")
    )


def test_repeats_begin_and_go_on() -> None:
    begins, goes = Counter[int](), Counter[int]()
    made = show("0123", "4321", "0123", "4321", "1111", "1111", "-1--", "4321")
    count_repeats(bars_of(made), (1, 2), begins, goes)
    # bars 2 and 3 repeat two back, 5 the one before, 7 another; the seventh is too empty to tell
    assert (begins[2], begins[1], begins[0]) == (1, 1, 1)
    assert (goes[2], goes[-2]) == (1, 2)
    assert begins[-1] == 6
    count_repeats({}, (1, 2), begins, goes)
    assert begins[-1] == 6


@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_kept_unless_it_is_the_notes(step: int) -> None:
    lamps = list(range(0, 192, step))
    notes = [0, 90, 150]
    assert step_of(lamps, notes, STEPS) == step
    assert step_of(lamps, lamps, STEPS) is None
    assert step_of(lamps[:1], notes, STEPS) is None
    assert step_of([], notes, STEPS) is None
    assert step_of([0, 5, 18, 30, 55, 80], notes, STEPS) is None
    assert step_of([tick * 5 for tick in range(20)], notes, STEPS) is None, "no step told apart"
    assert step_of([0, 6, 12, 18], notes, STEPS) is None, "over before half of the bar"


def test_steps_begin_and_go_on() -> None:
    lights = [LightEvent(4 * bar + beat, 1, 3) for bar in (0, 1, 4) for beat in range(4)]
    lights.append(LightEvent(8.0, 8, 0))  # a ring: no lamp
    notes = [ColorNote(4 * bar + x / 2, 0, 0, 0, 1) for bar in range(5) for x in (0, 1, 3, 5)]
    begins, goes = Counter[tuple[int, int]](), Counter[int]()
    count_steps(
        Beatmap(color_notes=tuple(notes), lights=tuple(lights)), STEPS, (2.0,), begins, goes
    )
    assert begins == {(0, 0): 4, (0, 48): 2}  # bars 0, 2, 3 and 4; 1 goes on
    assert goes == {-48: 2, 48: 1}
    before = dict(begins)
    count_steps(Beatmap(lights=tuple(lights)), STEPS, (2.0,), begins, goes)
    assert dict(begins) == before, "without notes nothing is counted"


def test_a_palette_is_shares() -> None:
    lights = [LightEvent(0.0, 0, 0), LightEvent(1.0, 4, 3), LightEvent(2.0, 8, 0)]
    made = palette_of(Beatmap(lights=tuple(lights), boosts=(BoostEvent(0.0, True),)))
    assert len(made["types"]) == len(TYPES)
    assert len(made["values"]) == VALUES
    assert made["types"][TYPES.index(5)] == pytest.approx(0.25)
    assert made["values"][0] == made["values"][3] == 0.5
    assert sum(palette_of(Beatmap())["types"]) == 0
