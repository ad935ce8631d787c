"""The verbs that work on a level, from the command line."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from edit_kit import level_files, random_beatmap, write_level
from verb_kit import run

from saberlm.prompts.mapfile import open_level_files, read_level

RATE = 22_050


@pytest.fixture(scope="module")
def model_dir(tiny_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny_model.save_pretrained(folder)
    return folder


@pytest.fixture
def level(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).normal(0, 0.1, RATE * 16).astype(np.float32)
    buffer = io.BytesIO()
    soundfile.write(buffer, noise, RATE, format="OGG", subtype="VORBIS")
    maps = {"Hard": random_beatmap(0, 3), "Expert": random_beatmap(1, 3, beats=8)}
    files = level_files(3, maps, song=buffer.getvalue())
    return write_level(tmp_path / "level.zip", files)


def test_every_verb_writes_a_level_and_says_what_was_made(
    level: Path, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of_map = ("map", "--from-level", level, "--model", model_dir, "--json")
    for number, (words, touched) in enumerate(
        [
            ((*of_map, "--range", "4-8s", "-d", "Hard", "--walls", "none"), {"Hard"}),
            ((*of_map, "--continue"), {"Expert"}),
            (("lights", level, "--model", model_dir, "--json"), {"Hard", "Expert"}),
            (("spread", level, "-d", "Easy", "--model", model_dir, "--json"), {"Easy"}),
        ]
    ):
        out = tmp_path / f"out{number}.zip"
        code, printed, said = run(capsys, *words, "-o", out)
        assert code == 0, said
        summary = json.loads(printed)
        assert set(summary["difficulties"]) == touched
        assert f"wrote {out}" in said
        files = [open_level_files(path) for path in (level, out)]
        for name in files[0].names():
            if name != "info.dat" and name.removesuffix(".dat") not in touched:
                assert files[1].read(name) == files[0].read(name)
        for name, row in summary["difficulties"].items():
            made = next(d for d in read_level(out).difficulties if d.name == name).beatmap
            assert len(made.color_notes) >= row["notes"]
            assert row["walls"] == 0 or words[0] != "map" or "none" not in words


def test_a_reference_is_followed(
    level: Path, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = tmp_path / "song.ogg"
    song.write_bytes(open_level_files(level).read("song.ogg"))
    made = []
    for number, more in enumerate([(), ("--reference", level)]):
        out = tmp_path / f"out{number}.zip"
        words = ("map", song, "--bpm", 120, "--offset", 0, "-d", "Hard", "--model", model_dir)
        code, _, said = run(capsys, *words, *more, "-o", out)
        assert code == 0, said
        made.append(read_level(out).difficulties[0].beatmap)
    assert made[0] != made[1]
    code, _, said = run(capsys, *words, "--reference", song, "-o", tmp_path / "x.zip")
    assert code == 1
    assert "song.ogg: expected a level" in said


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("map",), 2, "SONG is missing"),
        (("map", "a.ogg", "--range", "1-2s"), 2, "--range needs --from-level"),
        (("map", "a.ogg", "--continue"), 2, "--continue needs --from-level"),
        (("map", "--from-level", "LEVEL"), 2, "needs --range A-B or --continue"),
        (("map", "--from-level", "LEVEL", "--continue", "--range", "1-2s"), 2, "not allowed with"),
        (("map", "--from-level", "LEVEL", "--continue", "--bpm", "120"), 2, "--bpm does not go"),
        (("map", "--from-level", "LEVEL", "--range", "9-2s"), 1, "inside out"),
        (("map", "--from-level", "LEVEL", "--range", "9-20s"), 1, "within the song"),
        (("map", "--from-level", "LEVEL", "--continue", "-d", "Easy"), 1, "found Easy"),
        (("map", "--from-level", "no.zip", "--continue"), 1, "nothing there"),
        (("lights", "LEVEL"), 2, "required: -o"),
        (("lights", "LEVEL", "-o", "LEVEL"), 1, "--overwrite"),
        (("lights", "LEVEL", "-o", "no/out.zip"), 1, "existing folder"),
        (("spread", "LEVEL", "-o", "out.zip", "-d", "Hard"), 1, "found Hard in it already"),
        (("spread", "BAD", "-o", "out.zip"), 1, "likely a damaged or malicious level"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    level: Path,
    model_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    bad = write_level(tmp_path / "bad.zip", {"../info.dat": b"{}"})
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    named = {"LEVEL": level, "BAD": bad}
    real = [named.get(word, word) for word in words]
    found, printed, error = run(capsys, *real, "--model", model_dir)
    assert found == code
    assert said in error
    assert not printed
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
