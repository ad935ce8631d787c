"""Decorative walls stand beside the notes, in nobody's way."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from level_kit import picture, sound

from saberlm.eval.playability import ALL_RULES, judge_playability
from saberlm.eval.report import check_level
from saberlm.infer.chroma import Section
from saberlm.infer.decoration import DECORATIONS, LANES, NOTE_SECONDS, WALL_SECONDS, decorate
from saberlm.prompts.beatmap import (
    Arc,
    Beatmap,
    Bomb,
    ColorNote,
    Difficulty,
    LevelInfo,
    Obstacle,
)
from saberlm.prompts.mapfile import write_level
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.vanilla import fault_of

TEMPO = TempoMap(120.0)
PARTS = [
    Section(0, 0, 0),
    Section(16, 2, 0),
    Section(32, 1, 0),
    Section(48, 2, 1),
    Section(64, 0, 1),
]


def some_map(seed: int) -> Beatmap:
    rng = np.random.default_rng(seed)
    beats = np.arange(4, 76, 0.5)
    notes = [
        ColorNote(float(b), int(rng.integers(4)), int(rng.integers(3)), i % 2, i // 2 % 2)
        for i, b in enumerate(beats)
        if rng.random() < 0.7
    ]
    return Beatmap(
        color_notes=tuple(notes),
        bombs=tuple(Bomb(float(b) + 0.25, int(rng.integers(4)), 0) for b in beats[::19]),
        obstacles=(Obstacle(20.0, 1, 0, 1.0, 1, 5), Obstacle(50.0, 2, 0, 2.0, 2, 5)),
        arcs=(Arc(34.0, 0, 0, 0, 0, 40.0, 1, 1, 1),),
    )


@pytest.mark.parametrize("seed", range(4))
def test_pillars_keep_clear_of_all_that_is_played(seed: int) -> None:
    before = some_map(seed)
    after = decorate(before, "high", PARTS, TEMPO)
    assert replace(after, obstacles=before.obstacles) == before
    assert set(before.obstacles) < set(after.obstacles)
    pillars = [wall for wall in after.obstacles if wall not in before.obstacles]
    assert {wall.x for wall in pillars} == set(LANES)
    assert all(fault_of(wall) is None for wall in pillars)
    for wall in pillars:
        start, end = TEMPO.to_seconds(wall.beat), TEMPO.to_seconds(wall.beat + wall.duration)
        for thing in (*before.color_notes, *before.bombs):
            at = TEMPO.to_seconds(thing.beat)
            near = start - NOTE_SECONDS + 1e-6 < at < end + NOTE_SECONDS - 1e-6
            assert thing.x != wall.x or not near
        for own in before.obstacles:
            gap = max(TEMPO.to_seconds(own.beat) - end,
                      start - TEMPO.to_seconds(own.beat + own.duration))  # fmt: skip
            assert gap >= WALL_SECONDS - 1e-6
        assert wall.x != 0 or not 34 <= wall.beat <= 40  # an arc ends there
    found = [judge_playability(one, TEMPO, "Expert", ALL_RULES) for one in (before, after)]
    assert found[0] == found[1]


def test_more_is_more_and_loud_parts_have_most() -> None:
    sparse = Beatmap(color_notes=tuple(ColorNote(float(b), 1, 0, 0, 1) for b in range(0, 80, 2)))
    made = {one: decorate(sparse, one, PARTS, TEMPO).obstacles for one in DECORATIONS}
    counts = [len(made[one]) for one in DECORATIONS]
    assert counts[0] == 0
    assert counts == sorted(set(counts))
    beats = np.array([wall.beat for wall in made["high"]])
    loud, middle, quiet = (np.sum((beats >= a) & (beats < a + 16)) for a in (16, 32, 0))
    assert loud > middle > quiet > 0
    assert {wall.beat for wall in made["low"]} <= {16.0 + 4 * i for i in range(12)}
    both = [wall for wall in made["high"] if 48 <= wall.beat < 64]
    assert len({wall.beat for wall in both}) == len(both), "one side, then the other"
    assert decorate(Beatmap(), "high", PARTS, TEMPO) == Beatmap()


def test_the_level_is_valid_in_every_version(tmp_path: Path) -> None:
    beatmap = decorate(replace(some_map(0), arcs=()), "high", PARTS, TEMPO)
    made = Difficulty("Standard", "Expert", 16.0, 0.0, beatmap)
    path = tmp_path / "level.zip"
    info = LevelInfo(title="t", bpm=120)
    write_level(path, info, [made], {"song.egg": sound(seconds=45.0), "cover.png": picture()})
    assert check_level(path).valid
