"""Rules about the light show: are there lights, and can the bombs be seen?"""

from __future__ import annotations

from dataclasses import replace

import pytest
from rule_kit import BLUE, DOWN, broken, notes

from saberlm.eval.playability_lights import LIGHT_RULES, FewLights
from saberlm.eval.playability_scene import SetUp
from saberlm.prompts.beatmap import Beatmap, Bomb, LightEvent
from saberlm.prompts.group_lights import EventBoxGroup

NOTE = notes((2, 2, 0, BLUE, DOWN))
OFF, ON, FADE = 0, 1, 3
SHOW = tuple(LightEvent(100.0 + i, 1, ON) for i in range(11))
"""Enough of a show to be judged, behind everything else."""
GROUP = EventBoxGroup(0.0, "color", 1)


def lit(*each: LightEvent, bomb: float = 10.0, show: tuple[LightEvent, ...] = SHOW) -> Beatmap:
    return replace(NOTE, bombs=(Bomb(bomb, 1, 0),), lights=(*each, *show))


@pytest.mark.parametrize(
    ("lights", "found"),
    [
        (SHOW, {}),
        (SHOW[1:], {"few lights": 1}),
        ((*SHOW[1:], LightEvent(1.0, 1, OFF)), {"few lights": 1}),
        ((*SHOW[1:], LightEvent(1.0, 8, ON)), {"few lights": 1}),  # turns a ring
        ((*SHOW[1:], LightEvent(1.0, 1, ON, 0.0)), {"few lights": 1}),  # at no brightness
        ((), {"few lights": 1}),
    ],
)
def test_a_map_has_lights(lights: tuple[LightEvent, ...], found: dict[str, int]) -> None:
    beatmap = replace(NOTE, lights=lights)
    assert broken(beatmap, LIGHT_RULES, set_up=SetUp()) == found
    assert broken(beatmap, LIGHT_RULES) == {}  # a piece of a map
    assert broken(replace(beatmap, group_lights=(GROUP,)), LIGHT_RULES, set_up=SetUp()) == {}
    assert broken(replace(beatmap, color_notes=()), [FewLights()], set_up=SetUp()) == {}


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ((LightEvent(9.75, 0, ON),), 0),
        ((LightEvent(9.8, 0, ON),), 1),  # under a quarter second before it
        ((LightEvent(1.0, 0, ON),), 0),
        ((LightEvent(1.0, 8, ON),), 1),
        ((), 1),
        ((LightEvent(1.0, 0, ON), LightEvent(9.0, 0, OFF)), 1),
        ((LightEvent(1.0, 0, ON), LightEvent(9.5, 0, OFF)), 0),
        ((LightEvent(1.0, 0, ON), LightEvent(9.0, 1, OFF)), 0),  # another lamp goes off
        ((LightEvent(8.75, 0, FADE),), 0),
        ((LightEvent(8.7, 0, FADE),), 1),
    ],
)
def test_bombs_are_lit(events: tuple[LightEvent, ...], found: int) -> None:
    """At 60 bpm a beat is a second."""
    dark = {"unlit bomb": 1} if found else {}
    assert broken(lit(*events), LIGHT_RULES, set_up=SetUp()) == dark
    assert broken(lit(*events), LIGHT_RULES) == {}
    grouped = replace(lit(*events), group_lights=(GROUP,))
    assert broken(grouped, LIGHT_RULES, set_up=SetUp()) == {}


def test_without_a_show_no_bomb_is_judged() -> None:
    found = broken(lit(show=SHOW[:5]), LIGHT_RULES, set_up=SetUp())
    assert found == {"few lights": 1}
