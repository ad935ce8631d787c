"""How mappers light: repeats are counted by distance, palettes are shares."""

from collections import Counter

import pytest

from saberlm.infer.light_palette import TYPES, VALUES
from saberlm.prompts.beatmap import Beatmap, BoostEvent, LightEvent
from saberlm.scripts.light_rates import bars_of, count_repeats, palette_of


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


def test_a_palette_is_shares() -> None:
    lights = [LightEvent(0.0, 0, 0), LightEvent(1.0, 4, 3), LightEvent(2.0, 8, 0)]
    made = palette_of(Beatmap(lights=tuple(lights), boosts=(BoostEvent(0.0, True),)))
    assert len(made["types"]) == len(TYPES)
    assert len(made["values"]) == VALUES
    assert made["types"][TYPES.index(5)] == pytest.approx(0.25)
    assert made["values"][0] == made["values"][3] == 0.5
    assert sum(palette_of(Beatmap())["types"]) == 0
