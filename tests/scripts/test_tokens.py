"""`saberlm tokens`: what it prints is the stream, and names what tokenising changed."""

from pathlib import Path

import pytest

from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import Beatmap, ColorNote, Difficulty, LevelInfo, LightEvent
from saberlm.prompts.mapfile import read_level, write_level
from saberlm.prompts.snap import snap
from saberlm.prompts.tokens import encode
from saberlm.scripts.cli import main


@pytest.fixture
def level(tmp_path: Path) -> Path:
    path = tmp_path / "level.zip"
    beatmap = Beatmap(
        color_notes=(ColorNote(0.0, 1, 0, 0, 1), ColorNote(4.51, 2, 0, 1, 0)),
        lights=(LightEvent(4.5, 1, 5),),
    )
    rows = [
        Difficulty("Standard", "Hard", 12.0, 0.0, beatmap),
        Difficulty("Standard", "Expert", 14.0, 0.0, beatmap),
    ]
    write_level(path, LevelInfo(title="Song", bpm=120.0), rows, {"song.egg": b"", "cover.png": b""})
    return path


def test_bars_and_ticks_are_printed_as_words(level: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["tokens", str(level), "--difficulty", "hard"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "bar 1 (beat 0, 0.00 s)",
        "  <p0> <red y0 x1 down>",
        "bar 2 (beat 4, 2.00 s)",
        "  <p24> <blue y0 x2 up> <light rings red-on>",
    ]
    assert "Hard" in err
    assert "moved: object not on a tick: 1" in err


def test_ids_are_the_encoder_s_own(level: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["tokens", str(level), "--ids", "--bars", "2"]) == 0
    out, err = capsys.readouterr()
    bars = encode(snap(read_level(level).difficulties[-1].beatmap)[0])
    assert out.split() == ["2:", *map(str, bars[1])]
    assert "Expert" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--difficulty", "Easy"],
        ["--characteristic", "OneSaber"],
        ["--bars", "x"],
        ["--bars", "9-12"],
    ],
)
def test_what_is_not_there_is_said(
    level: Path, capsys: pytest.CaptureFixture, arguments: list[str]
) -> None:
    assert main(["tokens", str(level), *arguments]) == 1
    message = capsys.readouterr().err
    assert "expected" in message
    assert "found" in message


def test_every_token_has_words_of_its_own() -> None:
    words = [v.describe(token) for token in range(v.OFFSETS["text"])]
    assert len(set(words)) == len(words)
