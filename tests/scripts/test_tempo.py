"""`saberlm tempo` and the bench of the tempo, on made-up drums."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from saberlm.scripts.bench_tempo import main as bench
from saberlm.scripts.cli import main

RATE = 22050


def _drums(seconds: int) -> np.ndarray:
    """Bursts of noise each half second from 0.3 s on, every fourth louder."""
    chance = np.random.default_rng(0)
    out = 0.001 * chance.standard_normal(seconds * RATE)
    hit = chance.standard_normal(RATE // 20) * np.exp(-np.arange(RATE // 20) / 200)
    for number, start in enumerate(np.arange(0.3, seconds - 0.1, 0.5)):
        place = round(start * RATE)
        out[place : place + len(hit)] += hit * (0.2 if number % 4 else 0.4)
    return out.astype(np.float32)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    sf.write(path, _drums(20), RATE)
    return path


def test_json_tells_the_tempo(song: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plot = song.with_suffix(".svg")
    assert main(["tempo", str(song), "--json", "--plot", str(plot)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert abs(found["bpm"] % 60) < 0.05
    assert abs((found["offset"] - 0.3 + 0.25) % 0.5 - 0.25) < 0.02
    assert len(found["alternatives"]) == 2
    assert plot.stat().st_size > 1000


def test_given_tempo_is_said_back(song: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tempo", str(song), "--bpm", "120", "--offset", "0.3"]) == 0
    assert capsys.readouterr().out == "120 BPM, beat 0 at 0.300 s (given, confidence 1.00)\n"


@pytest.mark.parametrize(
    "flags", [["--bpm", "-1"], ["--offset", "nan"], ["--plot", "beats.txt"], ["--beats", "none"]]
)
def test_bad_flags_are_refused(
    song: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tempo", str(song), *flags]) == 1
    assert "error:" in capsys.readouterr().err


def test_the_bench_judges_a_map_on_the_beat(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    level = tmp_path / "maps" / "level"
    level.mkdir(parents=True)
    sf.write(level / "song.wav", _drums(40), RATE)
    beats = [number + 0.6 for number in range(72)]  # 0.3 s at 120 BPM
    notes = [
        {"_time": b, "_lineIndex": 1, "_lineLayer": 0, "_type": 0, "_cutDirection": 1}
        for b in beats
    ]
    (level / "Expert.dat").write_text(
        json.dumps({"_version": "2.0.0", "_notes": notes, "_obstacles": [], "_events": []})
    )
    info = {
        "_version": "2.0.0",
        "_songName": "s",
        "_songFilename": "song.wav",
        "_beatsPerMinute": 120,
        "_difficultyBeatmapSets": [
            {
                "_beatmapCharacteristicName": "Standard",
                "_difficultyBeatmaps": [
                    {"_difficulty": "Expert", "_beatmapFilename": "Expert.dat"}
                ],
            }
        ],
    }
    (level / "Info.dat").write_text(json.dumps(info))
    split = "valid"
    for name in (f"level{number}" for number in range(50)):  # the split is by a hash of the name
        level = level.rename(tmp_path / "maps" / name)
        command = [str(tmp_path / "maps"), "--split", split, "--cache", str(tmp_path / "cache")]
        try:
            assert bench([*command, "--plain", "comb", "--json"]) == 0
        except ValueError:
            continue
        break
    found = json.loads(capsys.readouterr().out)
    assert "1 songs" in found["about"]
    assert found["table"]["found"]["folded"]["mean"] == 1
    assert found["table"]["comb"]["phase"]["mean"] == 1
    assert len(list((tmp_path / "cache").glob("heard-*/*.npz"))) == 1
