"""A folder of small made maps with synthesised songs, built once for the tests of this room."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from saberlm.prompts.beatmap import (
    Beatmap,
    BoostEvent,
    ColorNote,
    Difficulty,
    LevelInfo,
    LightEvent,
    Obstacle,
)
from saberlm.prompts.mapfile import write_level

BPM, SECONDS = 120.0, 24.0


def song_samples(offset: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    samples = rng.normal(size=int(44_100 * SECONDS)).astype(np.float32) * 0.002
    burst = (rng.normal(size=2000) * np.exp(-np.arange(2000) / 300)).astype(np.float32) * 0.5
    for beat in np.arange(offset, SECONDS - 0.2, 60 / BPM):
        start = int(beat * 44_100)
        samples[start : start + 2000] += burst
    return samples


def beatmap(shift_beats: float, seed: int, *, lit: bool) -> Beatmap:
    rng = np.random.default_rng(seed)
    beats = [b + shift_beats for b in np.arange(2, 44, 0.5)]
    notes = tuple(
        ColorNote(float(b), int(rng.integers(4)), int(rng.integers(3)), i % 2, int(rng.integers(9)))
        for i, b in enumerate(beats)
    )
    lights = tuple(
        LightEvent(float(b), int(rng.integers(5)), int(rng.integers(1, 8))) for b in beats
    )
    return Beatmap(
        color_notes=notes,
        obstacles=(Obstacle(8.0, 0, 0, 2.0, 1, 5),),
        lights=lights if lit else (),
        boosts=(BoostEvent(10.0, True),) if lit else (),
    )


@pytest.fixture(scope="session")
def maps_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve level folders: half of them with a constant offset of 0.13 beat, one off any grid,
    one broken."""
    root = tmp_path_factory.mktemp("maps")
    for i in range(12):
        shift = 0.13 if i % 2 else 0.0
        level = root / f"level{i}"
        difficulties = [
            Difficulty("Standard", name, 12.0, 0.0, beatmap(shift, 10 * i + k, lit=i != 3))
            for k, name in enumerate(("Hard", "Expert"))
        ]
        if i == 4:
            rng = np.random.default_rng(9)
            loose = Beatmap(
                tuple(ColorNote(float(b), 1, 0, 0, 1) for b in np.sort(rng.uniform(0, 44, 80)))
            )
            difficulties = [Difficulty("Standard", "Expert", 12.0, 0.0, loose)]
        write_level(level, LevelInfo(f"song {i}", BPM, audio_filename="song.ogg"), difficulties, {})
        soundfile.write(
            level / "song.ogg", song_samples(shift * 0.5), 44_100, format="OGG", subtype="VORBIS"
        )
        if i == 5:
            (level / "Info.dat").write_text("{ broken")
    return root


@pytest.fixture(scope="session")
def data_dir(maps_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset built from `maps_dir`."""
    from saberlm.adapter.frontend import LogMelFrontEnd
    from saberlm.finetune.build import build_dataset

    out = tmp_path_factory.mktemp("data")
    build_dataset(maps_dir, out, LogMelFrontEnd())
    return out
