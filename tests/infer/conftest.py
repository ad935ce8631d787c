"""Songs that batches are tried on."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 22_050


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """Five songs of noise, one in a folder of its own with another's name, and a bad one."""
    folder = tmp_path / "songs"
    (folder / "more").mkdir(parents=True)
    for i, name in enumerate(["a.wav", "b.wav", "c.wav", "more/a.wav"]):
        noise = np.random.default_rng(i).normal(size=RATE * (6 + i)).astype(np.float32) * 0.1
        soundfile.write(folder / name, noise, RATE)
    (folder / "bad.mp3").write_text("no music\n" * 40)
    (folder / "notes.txt").write_text("not a song")
    return folder
