"""Rules about what stands around the notes: note speed, start, end and pauses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_kit import BLUE, DOWN, RED, SECONDS, UP, broken, notes

from saberlm.eval.playability import ALL_RULES, judge_playability
from saberlm.eval.playability_scene import Scene, SetUp
from saberlm.eval.playability_setup import SET_UP_RULES, ManyDoubles, half_jump_beats, peak_swings
from saberlm.prompts.beatmap import (
    DIFFICULTIES,
    Arc,
    Beatmap,
    Bomb,
    Chain,
    ColorNote,
    Obstacle,
)
from saberlm.prompts.mirror import mirror
from saberlm.prompts.tempo import TempoMap

FINE = SetUp(njs=12.0, offset=0.0, duration=60.0)
ODD_SPEED = {"note speed", "speed for density", "speed for difficulty"}
SOON = {"jump distance", "speed for difficulty"}


def lone_hand(start: float = 2.0, end: float = 52.0, step: float = 1.0) -> Beatmap:
    beats = [start + i * step for i in range(int((end - start) / step) + 1)]
    return notes(*((beat, 2, 0, BLUE, (DOWN, UP)[i % 2]) for i, beat in enumerate(beats)))


@pytest.mark.parametrize(
    ("njs", "offset", "bpm", "beats"),
    [
        (10, 0, 60, 1.0),  # 4 beats would be 40 m
        (10, 0, 120, 2.0),  # 4 beats would be 20 m
        (20, 0, 60, 1.0),  # 20 m at 1 beat would halve again: the floor of 1 holds
        (16, 0.3, 128, 2.3),
        (16, 0, 120, 2.0),
        (18, 0, 180, 2.0),
        (10, 0, 200, 4.0),
        (20, -0.5, 200, 1.5),
        (20, -9, 200, 0.25),
        (25, 0, 50, 1.0),
    ],
)
def test_half_jump(njs: float, offset: float, bpm: float, beats: float) -> None:
    assert half_jump_beats(njs, offset, bpm) == beats


@pytest.mark.parametrize(
    ("set_up", "difficulty", "found"),
    [
        (FINE, "Expert", set()),
        (replace(FINE, njs=23.5), "Expert", ODD_SPEED | {"jump distance"}),
        (replace(FINE, njs=2.9), "Expert", ODD_SPEED),
        (replace(FINE, njs=15.0), "Expert", set()),
        (replace(FINE, njs=16.0), "Expert", {"speed for density"}),
        (replace(FINE, njs=0), "Expert", set()),  # the game's own 12
        (replace(FINE, njs=None), "Expert", set()),
        (replace(FINE, offset=0.41), "Expert", set()),  # 34 m
        (replace(FINE, offset=0.42), "Expert", {"speed for difficulty"}),
        (replace(FINE, offset=0.5), "Hard", set()),  # 36 m
        (replace(FINE, offset=0.6), "Hard", {"jump distance", "speed for difficulty"}),
        (replace(FINE, njs=10.0), "Expert", set()),
        (replace(FINE, njs=9.9), "Expert", {"speed for difficulty"}),
        (replace(FINE, njs=14.0), "Easy", set()),
        (replace(FINE, njs=14.1), "Easy", {"speed for difficulty"}),
        (replace(FINE, offset=-0.25), "Expert", set()),  # 18 m
        (replace(FINE, offset=-0.3), "Expert", {"jump distance"}),
        (replace(FINE, offset=-0.6), "Expert", SOON | {"reaction time"}),
        (replace(FINE, offset=-0.6), "ExpertPlus", SOON),
        (replace(FINE, offset=-0.7), "ExpertPlus", SOON | {"reaction time"}),
        (replace(FINE, duration=54.0), "Expert", set()),
        (replace(FINE, duration=53.9), "Expert", {"outro"}),
        (replace(FINE, duration=67.0), "Expert", set()),
        (replace(FINE, duration=67.1), "Expert", {"outro"}),
        (replace(FINE, duration=None), "Expert", set()),
        (replace(FINE, beat_0=-0.5), "Expert", set()),
        (replace(FINE, beat_0=-0.6), "Expert", {"hot start"}),
        (None, "Expert", set()),
    ],
)
def test_around_the_notes(set_up: SetUp | None, difficulty: str, found: set[str]) -> None:
    assert set(broken(lone_hand(), SET_UP_RULES, SECONDS, difficulty, set_up)) == found


@pytest.mark.parametrize(
    ("wall", "found"),
    [
        (Obstacle(1.4, 1, 0, 1.0, 1, 5), {"hot start": 1}),
        (Obstacle(1.4, 0, 0, 1.0, 1, 5), {}),  # not in the way
        (Obstacle(1.5, 1, 0, 1.0, 1, 5), {}),
    ],
)
def test_walls_start_and_end_a_map(wall: Obstacle, found: dict[str, int]) -> None:
    beatmap = replace(lone_hand(), obstacles=(wall,))
    assert broken(beatmap, SET_UP_RULES, set_up=FINE) == found


@pytest.mark.parametrize(("gap", "found"), [(15.0, {}), (15.1, {"long gap": 1})])
def test_pauses(gap: float, found: dict[str, int]) -> None:
    before, after = lone_hand(2, 20), lone_hand(20 + gap, 52)
    beatmap = Beatmap((*before.color_notes, *after.color_notes))
    assert broken(beatmap, SET_UP_RULES, set_up=replace(FINE, duration=None)) == found


@pytest.mark.parametrize(("end", "found"), [(47.0, {}), (46.0, {"short map": 1})])
def test_length(end: float, found: dict[str, int]) -> None:
    assert broken(lone_hand(2, end), SET_UP_RULES, set_up=FINE) == found


@pytest.mark.parametrize(("doubles", "found"), [(60, {}), (61, {"many doubles": 1})])
def test_doubles(doubles: int, found: dict[str, int]) -> None:
    single = lone_hand(2, 101)
    other = (replace(one, x=1, color=RED) for one in single.color_notes[:doubles])
    both = Beatmap(tuple(sorted((*single.color_notes, *other))))
    assert len(single.color_notes) == 100
    assert broken(both, [ManyDoubles()], set_up=FINE) == found
    assert broken(both, [ManyDoubles()]) == {}
    assert broken(Beatmap(), [ManyDoubles()], set_up=FINE) == {}


def test_peak_swings() -> None:
    assert peak_swings(Scene(Beatmap(), SECONDS, "Easy")) == 0
    assert peak_swings(Scene(lone_hand(step=0.25), SECONDS, "Easy")) == 4


_CELLS = st.tuples(st.integers(0, 3), st.integers(0, 2))
_TICKS = st.integers(0, 60).map(lambda tick: tick / 12)
_HAND, _CUT = st.integers(0, 1), st.integers(0, 8)
_NOTE = st.tuples(_TICKS, _CELLS, _HAND, _CUT, st.sampled_from([0, 30]))
_WALL = st.tuples(_TICKS, _CELLS, st.integers(1, 96), st.integers(1, 4), st.integers(1, 5))
_LONG = st.tuples(_TICKS, _CELLS, _HAND, _CUT, st.integers(0, 24), _CELLS, _CUT)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(_NOTE, max_size=60),
    st.lists(st.tuples(_TICKS, _CELLS), max_size=12),
    st.lists(_WALL, max_size=6),
    st.lists(_LONG, max_size=6),
    st.sampled_from(DIFFICULTIES),
    st.sampled_from([60.0, 130.0, 400.0]),
)
def test_a_mirror_image_breaks_all_rules_alike(
    colored: list, bombs: list, walls: list, hung: list, difficulty: str, bpm: float
) -> None:
    unique = {(beat, cell): rest for beat, cell, *rest in colored}
    beatmap = Beatmap(
        tuple(sorted(ColorNote(b, *cell, *rest) for (b, cell), rest in unique.items())),
        bombs=tuple(sorted(Bomb(beat, *cell) for beat, cell in set(bombs))),
        obstacles=tuple(
            sorted(
                Obstacle(beat, x, y, length / 48, min(width, 4 - x), min(height, 5 - y))
                for beat, (x, y), length, width, height in walls
            )
        ),
        arcs=tuple(
            sorted(
                Arc(b, *cell, hand, cut, b + length / 12, *tail, tail_cut)
                for b, cell, hand, cut, length, tail, tail_cut in hung
            )
        ),
        chains=tuple(
            sorted(
                Chain(b, *cell, hand, cut, b + length / 12, *tail, 3)
                for b, cell, hand, cut, length, tail, _ in hung
            )
        ),
    )
    tempo, set_up = TempoMap(bpm), SetUp(14.0, 0.0, 10.0)
    both = [
        judge_playability(one, tempo, difficulty, ALL_RULES, set_up).counts
        for one in (beatmap, mirror(beatmap))
    ]
    assert both[0] == both[1]
