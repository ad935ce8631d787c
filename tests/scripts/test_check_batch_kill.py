"""The check that kills batch runs."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from saberlm.scripts.check_batch_kill import main, make_songs

RATE = 22_050


@pytest.fixture
def song(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).normal(size=RATE * 12).astype(np.float32) * 0.1
    soundfile.write(tmp_path / "noise.wav", noise, RATE)
    return tmp_path / "noise.wav"


def test_one_song_in_twenty_is_corrupt_and_a_seed_gives_the_same_songs(
    song: Path, tmp_path: Path
) -> None:
    made = [make_songs(tmp_path / name, [song], 40, 1.0, random.Random(4)) for name in "ab"]
    assert (len(made[0].whole), len(made[0].corrupt)) == (38, 2)
    assert {p.stem for p in made[0].folder.iterdir()} == made[0].whole | made[0].corrupt
    files = [{p.name: p.read_bytes() for p in one.folder.iterdir()} for one in made]
    assert files[0] == files[1]
    assert len(set(files[0].values())) == 40
    for name in made[0].whole:
        assert 0.8 <= soundfile.info(made[0].folder / f"{name}.wav").duration <= 1.2


def test_a_song_too_short_is_refused(
    song: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(song), "--dir", str(tmp_path / "x"), "--seconds", "11"]) == 1
    assert "expected 13.2 s" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_killed_once_passes(
    song: Path, tmp_path: Path, tiny_model: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_model.save_pretrained(tmp_path / "model")
    command = [str(song), "--dir", str(tmp_path / "x"), "--n", "12", "--seconds", "6"]
    command += ["--kills", "1", "--", "--model", str(tmp_path / "model"), "--rows", "1"]
    assert main(command) == 0, (tmp_path / "x" / "run1.log").read_text()
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told == {
        **{"songs": 12, "levels": 11, "corrupt": 1, "kills": 1, "seed": 0, "faults": []}
    }
