"""Random and regular small beatmaps for the tests of the metrics."""

from __future__ import annotations

import numpy as np

from saberlm.prompts.beatmap import Beatmap, Bomb, ColorNote, LightEvent, Obstacle
from saberlm.prompts.tempo import TempoMap

TEMPO = TempoMap(120.0)


def random_map(seed: int = 0, moments: int = 120) -> Beatmap:
    """Notes on the half beat, a third of them doubles, with lights on every beat."""
    rng = np.random.default_rng(seed)
    notes = []
    for i in range(moments):
        hands = (0, 1) if rng.random() < 1 / 3 else (int(rng.integers(2)),)
        for hand in hands:
            x, y = 2 * hand + int(rng.integers(2)), int(rng.integers(3))
            notes.append(ColorNote(4 + i / 2, x, y, hand, int(rng.integers(9))))
    beats = range(4, 4 + moments // 2)
    return Beatmap(
        color_notes=tuple(sorted(notes)),
        bombs=tuple(Bomb(beat + 0.25, 1, 0) for beat in beats[::8]),
        obstacles=tuple(Obstacle(beat, 0, 0, 0.5, 1, 5) for beat in beats[::8]),
        lights=tuple(
            LightEvent(float(beat), int(rng.integers(5)), int(rng.integers(8))) for beat in beats
        ),
    )


def notes_at(*beats: float) -> Beatmap:
    """Downward notes of the right hand in one cell."""
    return Beatmap(color_notes=tuple(ColorNote(float(beat), 2, 0, 1, 1) for beat in sorted(beats)))
