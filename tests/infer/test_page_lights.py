"""The page's lights: what is lit at a moment, by the events before and after it."""

import pytest
from page_kit import in_node, needs_node

pytestmark = needs_node

OFF, BLUE_ON, BLUE_FLASH, BLUE_FADE, BLUE_MOVE, RED_ON, RED_MOVE, WHITE_ON = 0, 1, 2, 3, 4, 5, 8, 9


def lit(events: list[tuple[float, int, float]], times: list[float], boost: bool = False) -> list:
    rows = [{"time": t, "value": value, "brightness": f} for t, value, f in events]
    return in_node(
        "const l = await load('lights');"
        "const colors = {...l.DEFAULT_COLORS, light0: [1,0,0], light1: [0,0,1], boost0: [1,1,0],"
        " boost1: [0,1,0]};"
        "return given.times.map((t) => l.lightAt(given.events, t, colors, given.boost))",
        {"events": rows, "times": times, "boost": boost},
    )


def test_a_light_stays_as_it_was_switched() -> None:
    events = [(1, BLUE_ON, 1), (2, OFF, 1), (3, RED_ON, 0.5), (4, WHITE_ON, 1)]
    before, blue, off, red, white = lit(events, [0.5, 1.5, 2.5, 3.5, 9])
    assert before["level"] == 0 == off["level"]
    assert (blue["color"], blue["level"]) == ([0, 0, 1], 1)
    assert (red["color"], red["level"]) == ([1, 0, 0], 0.5)
    assert white["color"] == [1, 1, 1]


def test_boost_has_colours_of_its_own() -> None:
    assert [one["color"] for one in lit([(0, BLUE_ON, 1), (1, RED_ON, 1)], [0.5, 1.5], True)] == [
        [0, 1, 0],
        [1, 1, 0],
    ]


def test_a_flash_settles_and_a_fade_goes_dark() -> None:
    flash = [one["level"] for one in lit([(0, BLUE_FLASH, 1)], [0, 0.2, 0.6, 5])]
    assert flash == sorted(flash, reverse=True)
    assert flash[0] > 1 == flash[2] == flash[3]
    fade = [one["level"] for one in lit([(0, BLUE_FADE, 1)], [0, 0.3, 0.9, 1.5])]
    assert fade == sorted(fade, reverse=True)
    assert fade[-1] == 0


def test_a_transition_is_reached_at_its_own_moment() -> None:
    events = [(0, BLUE_ON, 1), (2, RED_MOVE, 0.5), (4, OFF, 1), (6, BLUE_MOVE, 1)]
    start, half, there, out_of_the_dark = lit(events, [0, 1, 2, 5])
    assert start["color"] == [0, 0, 1]
    assert (half["color"], half["level"]) == ([0.5, 0, 0.5], 0.75)
    assert (there["color"], there["level"]) == ([1, 0, 0], 0.5)
    assert (out_of_the_dark["color"], out_of_the_dark["level"]) == ([0, 0, 1], 0.5)


def test_rings_step_and_lasers_turn_with_their_speed() -> None:
    rings, turns = in_node(
        "const l = await load('lights'); const at = (time, value) => ({time, value});"
        "return [[0, 1, 3, 3.5, 9].map((t) => l.ringSteps([at(1, 0), at(3, 0)], t)),"
        " [0, 2, 4, 6].map((t) => l.laserTurn([at(1, 3), at(5, 0)], t))]"
    )
    assert rings[:3] == [0, 0, 1]
    assert 1 < rings[3] < 2 == rings[4]
    assert turns[0] == turns[3] == 0
    assert turns[2] == pytest.approx(3 * turns[1])
