"""What the tests of the playability rules share: short names and one question."""

from __future__ import annotations

from collections.abc import Sequence

from saberlm.eval.playability import judge_playability
from saberlm.eval.playability_scene import PlayabilityRule, SetUp
from saberlm.prompts.beatmap import Beatmap, ColorNote, CutDirection
from saberlm.prompts.mirror import mirror
from saberlm.prompts.tempo import TempoMap

UP, DOWN, LEFT, RIGHT = (int(one) for one in list(CutDirection)[:4])
UP_LEFT, UP_RIGHT, DOWN_LEFT, DOWN_RIGHT, DOT = (int(one) for one in list(CutDirection)[4:])
RED, BLUE = 0, 1
SECONDS = TempoMap(60.0)
"""A beat is a second."""


def notes(*each: tuple[float, int, int, int, int]) -> Beatmap:
    """Notes of (beat, x, y, colour, direction)."""
    return Beatmap(tuple(ColorNote(*one) for one in sorted(each)))


def broken(
    beatmap: Beatmap,
    rules: Sequence[PlayabilityRule],
    tempo: TempoMap = SECONDS,
    difficulty: str = "Expert",
    set_up: SetUp | None = None,
) -> dict[str, int]:
    """How often each rule is broken, 0 left out; the mirror image breaks them as often."""
    counts = judge_playability(beatmap, tempo, difficulty, rules, set_up).counts
    assert judge_playability(mirror(beatmap), tempo, difficulty, rules, set_up).counts == counts
    return {rule: count for rule, count in counts.items() if count}
