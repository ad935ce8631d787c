"""Rules about a hand's swings: the smallest map that breaks each and the nearest that does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rule_kit import (
    BLUE,
    DOT,
    DOWN,
    DOWN_LEFT,
    DOWN_RIGHT,
    LEFT,
    RED,
    RIGHT,
    SECONDS,
    UP,
    broken,
    notes,
)

from saberlm.eval.playability_scene import Scene
from saberlm.eval.playability_swings import (
    BurstBreak,
    BurstClutter,
    DoubleDirectional,
    SharpTurn,
    SlowSlider,
    SpeedPause,
    TooFast,
    UnevenSlider,
    ebpm,
)
from saberlm.eval.swing_speed import swing_report
from saberlm.prompts.beatmap import Beatmap, Bomb, ColorNote
from saberlm.prompts.tempo import TempoMap


@pytest.mark.parametrize(
    ("gap", "color", "direction", "found"),
    [
        (0.5, BLUE, DOWN, 1),
        (0.75, BLUE, DOWN, 1),
        (0.8, BLUE, DOWN, 0),  # time to come back
        (0.5, BLUE, DOWN_LEFT, 1),  # 45 degrees
        (0.5, BLUE, LEFT, 0),
        (0.5, BLUE, UP, 0),
        (0.5, BLUE, DOT, 0),
        (0.5, RED, DOWN, 0),  # the other hand
    ],
)
def test_the_same_way_twice(gap: float, color: int, direction: int, found: int) -> None:
    beatmap = notes((0, 2, 0, BLUE, DOWN), (gap, 2, 0, color, direction))
    assert broken(beatmap, [DoubleDirectional()]) == ({"double directional": 1} if found else {})


@pytest.mark.parametrize(
    ("beat", "x", "y", "found"),
    [(0.5, 2, 0, 0), (0.5, 2, 1, 1), (0.5, 3, 0, 1), (0.2, 2, 0, 1)],
)
def test_a_bomb_brings_the_hand_back(beat: float, x: int, y: int, found: int) -> None:
    twice = (ColorNote(0, 2, 0, BLUE, DOWN), ColorNote(0.7, 2, 0, BLUE, DOWN))
    beatmap = Beatmap(twice, bombs=(Bomb(beat, x, y),))
    assert len(broken(beatmap, [DoubleDirectional()])) == found


@pytest.mark.parametrize(
    ("gap", "direction", "found"),
    [
        (0.15, RIGHT, 1),
        (0.16, RIGHT, 0),
        (0.15, UP, 0),
        (0.15, DOWN_RIGHT, 0),  # a double-directional
        (0.15, DOT, 0),
    ],
)
def test_a_fast_hand_swings_back(gap: float, direction: int, found: int) -> None:
    beatmap = notes((0, 2, 0, BLUE, DOWN), (gap, 2, 0, BLUE, direction))
    assert len(broken(beatmap, [SharpTurn()])) == found


def test_ebpm_is_the_tempo_of_a_quarter_stream() -> None:
    """Quarter notes (four to a bar's beat: sixteenths in music) of alternate hands at 180."""
    stream = notes(*((i / 4, 1 + i % 2, 0, i % 2, (i // 2) % 2) for i in range(40)))
    first, then = Scene(stream, TempoMap(180.0), "Expert").swings[RED][:2]
    assert ebpm(first, then) == pytest.approx(180)
    report = swing_report(stream, TempoMap(180.0))
    assert report.red.ebpm_peak == pytest.approx(180)
    assert report.blue.ebpm_sustained == pytest.approx(180)
    assert report.red.per_second == pytest.approx(6)
    assert report.red.peak_per_second == 6
    assert report.turns == {"0": 0, "45": 0, "90": 0, "135": 0, "180": 1}


QUICK = TempoMap(240.0)


def quick(*each: ColorNote) -> Beatmap:
    """Notes whose beats are seconds, in `QUICK`: at a slower tempo fast swings are within an eighth
    of a beat, and so one swing."""
    return Beatmap(tuple(sorted(replace(one, beat=4 * one.beat) for one in each)))


@pytest.mark.parametrize(
    ("speed", "beats", "found"),
    [
        (349, 30, 0),
        (360, 8, 0),
        (360, 8.5, 1),
        (399, 6, 0),
        (399, 6.5, 1),
        (420, 2, 0),
        (420, 2.5, 1),
        (430, 0.5, 1),
    ],
)
def test_how_long_a_hand_may_be_fast(speed: float, beats: float, found: int) -> None:
    """A burst's beats are those of its eBPM, two swings of a hand each."""
    times = (i * 30 / speed for i in range(int(2 * beats) + 1))
    stream = quick(*(ColorNote(at, 2, 0, BLUE, i % 2) for i, at in enumerate(times)))
    assert len(broken(stream, [TooFast()], QUICK)) == found


@pytest.mark.parametrize(
    ("swings", "rest", "found"),
    [(3, 1.5, 0), (3, 1.4, 1), (9, 6.0, 0), (9, 5.9, 1)],
)
def test_a_burst_is_followed_by_a_break(swings: int, rest: float, found: int) -> None:
    """1.5 beats, or 1.5 times the burst: at 360 eBPM a beat is a sixth of a second."""
    times = [i / 12 for i in range(swings)]
    again = [times[-1] + rest / 6 + at for at in times]
    both = [ColorNote(at, 2, 0, BLUE, i % 2) for i, at in enumerate([*times, *again])]
    broken_by = broken(quick(*both), [BurstBreak()], QUICK)
    assert broken_by == ({"burst break": 1} if found else {})
    both[swings:] = [replace(one, color=RED) for one in both[swings:]]
    assert broken(quick(*both), [BurstBreak()], QUICK) == {}


@pytest.mark.parametrize(
    ("speed", "direction", "extra", "bomb", "found"),
    [
        (360, UP, None, None, 0),
        (360, DOT, None, None, 1),
        (349, DOT, None, None, 0),
        (360, UP, ColorNote(30 / 360, 2, 1, BLUE, UP), None, 1),
        (360, UP, None, Bomb(0.1, 0, 0), 1),
        (360, UP, None, Bomb(0.2, 0, 0), 0),  # behind it
    ],
)
def test_bursts_are_single_arrows(
    speed: float, direction: int, extra: ColorNote | None, bomb: Bomb | None, found: int
) -> None:
    gap = 30 / speed
    cuts = ((0.0, DOWN), (gap, direction), (2 * gap, DOWN))
    single = [ColorNote(beat, 2, 0, BLUE, cut) for beat, cut in cuts]
    burst = quick(*single, *([extra] if extra else []))
    if bomb is not None:
        burst = replace(burst, bombs=(replace(bomb, beat=4 * bomb.beat),))
    assert len(broken(burst, [BurstClutter()], QUICK)) == found


@pytest.mark.parametrize(
    ("seconds", "y", "found"),
    [(0.025, 1, 0), (0.03, 1, 1), (0.05, 0, 0), (0.06, 0, 1)],
)
def test_sliders_are_quick(seconds: float, y: int, found: int) -> None:
    """2 cells of way may take 50 ms."""
    slider = notes((0, 2, 2, BLUE, DOWN), (seconds, 2, y, BLUE, DOWN))
    assert len(broken(slider, [SlowSlider()])) == found


def test_a_slow_songs_swings_are_no_sliders() -> None:
    swings = notes((0, 2, 2, BLUE, DOWN), (0.1, 2, 1, BLUE, DOWN))
    assert broken(swings, [SlowSlider()]) == {}


@pytest.mark.parametrize(("last", "found"), [(0.04, 0), (0.05, 1)])
def test_sliders_keep_their_speed(last: float, found: int) -> None:
    slider = notes((0, 2, 2, BLUE, DOWN), (0.02, 2, 1, BLUE, DOWN), (last, 2, 0, BLUE, DOWN))
    assert len(broken(slider, [UnevenSlider()])) == found


@pytest.mark.parametrize(
    ("gaps", "found"),
    [
        ((0.15, 0.2, 0.15), 1),
        ((0.15, 0.225, 0.15), 1),
        ((0.15, 0.25, 0.15), 0),  # a rest
        ((0.15, 0.15, 0.15), 0),
        ((0.2, 0.2, 0.15), 0),
        ((0.15, 0.2), 0),
    ],
)
def test_a_run_does_not_stumble(gaps: tuple[float, ...], found: int) -> None:
    beats = [sum(gaps[:i]) for i in range(len(gaps) + 1)]
    run = notes(*((beat, 2, 0, BLUE, i % 2) for i, beat in enumerate(beats)))
    assert len(broken(run, [SpeedPause()])) == found


def test_speed_at_the_edges() -> None:
    nothing = swing_report(Beatmap(), SECONDS)
    assert (nothing.red.swings, nothing.red.per_second, nothing.turns) == (0, None, None)
    assert set(nothing.metrics().values()) == {None}
    one = swing_report(notes((0, 2, 0, BLUE, DOWN)), SECONDS)
    assert (one.blue.swings, one.blue.peak_per_second, one.blue.ebpm_peak) == (1, 1, None)
