"""`saberlm map` from the command line to a level that `saberlm check` accepts."""

import argparse
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from verb_kit import run

from saberlm.eval.report import check_level
from saberlm.prompts.mapfile import read_level
from saberlm.prompts.tempo import TempoMap
from saberlm.scripts.map import add_arguments

RATE = 22_050


@pytest.fixture(scope="module")
def model_dir(tiny_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved tiny model."""
    folder = tmp_path_factory.mktemp("model")
    tiny_model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen seconds of clicks at 120 BPM, beat 0 at 0.31 s, Ogg Vorbis."""
    samples = np.random.default_rng(0).normal(size=RATE * 14).astype(np.float32) * 0.003
    burst = np.random.default_rng(1).normal(size=900) * np.exp(-np.arange(900) / 200) * 0.6
    for beat in np.arange(0.31, 13.8, 0.5):
        samples[int(beat * RATE) : int(beat * RATE) + 900] += burst.astype(np.float32)
    path = tmp_path_factory.mktemp("song") / "Someone - A Song.ogg"
    soundfile.write(path, samples, RATE, format="OGG", subtype="VORBIS")
    return path


def test_a_list_of_beats_of_two_tempi_becomes_a_level_with_a_change(
    song: Path, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beats = 0.31 + np.cumsum(np.concatenate([[0.0], np.full(12, 0.5), np.full(18, 0.4)]))
    listed = tmp_path / "beats.txt"
    listed.write_text("".join(f"{time:.4f}\t{i % 4 + 1}\n" for i, time in enumerate(beats)))
    args = ("map", song, "-d", "Hard", "--model", model_dir, "--seed", 1, "--json")
    code, printed, _ = run(capsys, *args, "-o", tmp_path / "a.zip", "--beats", listed)
    assert code == 0
    summary = json.loads(printed)
    assert summary["bpm"] == pytest.approx(120, rel=2e-3)
    (change,) = summary["events"]
    assert (change["seconds"], change["bpm"]) == pytest.approx((6.31, 150), rel=2e-3)
    assert check_level(tmp_path / "a.zip").valid
    level = read_level(tmp_path / "a.zip")
    (event,) = level.difficulties[0].beatmap.bpm_events
    assert event.beat == round(event.beat)
    tempo = TempoMap(level.info.bpm, (event,))
    at = tempo.to_seconds(event.beat) - summary["padding_seconds"]
    assert at == pytest.approx(6.31, abs=0.02)
    assert all(n.beat * 48 == round(n.beat * 48) for n in level.difficulties[0].beatmap.color_notes)
    # the same grid, from the level that was made; its sound file is the padded one
    args = (*args, "--tempo-from", tmp_path / "a.zip", "--offset", -summary["padding_seconds"])
    code, printed, _ = run(capsys, *args, "-o", tmp_path / "b.zip")
    assert code == 0
    again = json.loads(printed)
    assert again["events"][0]["seconds"] == pytest.approx(change["seconds"], abs=0.003)
    first, second = (read_level(tmp_path / f"{n}.zip").difficulties[0].beatmap for n in "ab")
    assert len(first.bpm_events) == len(second.bpm_events) == 1
    code, _, said = run(capsys, *args, "--beats", listed)
    assert code == 2
    assert "not allowed with" in said


def test_a_song_becomes_a_valid_level(
    song: Path, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "level.zip"
    code, printed, _ = run(
        capsys, "map", song, "-o", out, "-d", "Hard", "Expert", "--model", model_dir, "--bpm", 120,
        "--offset", 0.31, "--nps", 3, "--seed", 7, "--json",
    )  # fmt: skip
    assert code == 0
    summary = json.loads(printed)
    assert set(summary) == {
        "output", "bpm", "offset", "events", "padding_seconds", "seed", "model", "difficulties",
        "seconds",
    }  # fmt: skip
    assert summary["seconds"].keys() == {"tempo", "encode", "decode", "pack"}
    assert summary["difficulties"].keys() == {"Hard", "Expert"}
    assert summary["difficulties"]["Hard"].keys() == {
        "notes", "bombs", "walls", "arcs", "chains", "lights", "nps", "njs",
    }  # fmt: skip
    report = check_level(out)
    assert report.valid, report.errors
    level = read_level(out)
    assert level.info.title == "A Song"
    assert level.info.artist == "Someone"
    # time in the packed audio minus the padding is time in the song: the grid is the song's
    shift = (summary["padding_seconds"] + summary["offset"]) * 120 / 60
    assert shift == pytest.approx(round(shift), abs=1e-6)
    with zipfile.ZipFile(out) as files:
        packed = soundfile.info(io.BytesIO(files.read(level.info.audio_filename)))
        info = json.loads(files.read("Info.dat"))
    assert packed.subtype == "VORBIS"
    assert packed.duration == pytest.approx(14 + summary["padding_seconds"], abs=0.01)
    assert "automapper" in json.dumps(info["_customData"]).lower()
    for difficulty in level.difficulties:
        ticks = [note.beat * 48 for note in difficulty.beatmap.color_notes]
        assert ticks == pytest.approx([round(t) for t in ticks], abs=1e-6)
        assert all(note.beat * 0.5 >= 1.5 - 0.01 for note in difficulty.beatmap.color_notes)


def test_the_same_seed_gives_the_same_bytes(
    song: Path, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.zip", "b.zip"):
        code, _, _ = run(
            capsys, "map", song, "-o", tmp_path / name, "--model", model_dir, "--seed", 3
        )
        assert code == 0
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def _bad_songs(folder: Path) -> dict[str, Path]:
    noise = np.random.default_rng(0).normal(size=RATE * 8).astype(np.float32) * 0.1
    made = {
        name: folder / name
        for name in (
            "missing.ogg",
            "empty.mp3",
            "text.mp3",
            "short.wav",
            "silence.wav",
            "nan.wav",
            "long.flac",
            "cut.mp3",
        )
    }
    made["empty.mp3"].write_bytes(b"")
    made["text.mp3"].write_text("this is not music\n" * 50)
    soundfile.write(made["short.wav"], noise[: RATE // 2], RATE)
    soundfile.write(made["silence.wav"], np.zeros(RATE * 8, np.float32), RATE)
    broken = noise.copy()
    broken[RATE] = np.nan
    soundfile.write(made["nan.wav"], broken, RATE, subtype="FLOAT")
    soundfile.write(made["long.flac"], np.zeros(8000 * 60 * 40, np.int16), 8000)
    soundfile.write(made["cut.mp3"], noise, RATE, format="MP3")
    made["cut.mp3"].write_bytes(made["cut.mp3"].read_bytes()[:900])
    return made


@pytest.mark.parametrize(
    "name",
    [
        "missing.ogg",
        "empty.mp3",
        "text.mp3",
        "short.wav",
        "silence.wav",
        "nan.wav",
        "long.flac",
        "cut.mp3",
    ],
)
def test_bad_songs_get_one_line_and_no_file(
    name: str, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _bad_songs(tmp_path)[name]
    out = tmp_path / "out" / "level.zip"
    out.parent.mkdir()
    code, printed, said = run(capsys, "map", path, "-o", out, "--model", model_dir)
    assert code == 1
    assert printed == ""
    assert len(said.strip().splitlines()) == 1
    assert "Traceback" not in said
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (["--bpm", "0"], 1, "bpm"),
        (["--bpm", "nan"], 1, "bpm"),
        (["--offset", "inf"], 1, "offset"),
        (["-d", "Impossible"], 2, "invalid choice"),
        (["--nps", "0"], 1, "--nps"),
        (["--nps", "1", "2"], 1, "--nps"),
        (["--njs", "500"], 1, "--njs"),
        (["--top-p", "3"], 1, "top-p"),
        (["--temperature", "-1"], 1, "temperature"),
        (["--style", "x" * 200], 1, "style"),
        (["--environment", "MoonEnvironment"], 1, "environment"),
        (["--model", "no-such-model"], 1, "misspelt"),
        (["--cover", "nothing.png"], 1, "nothing.png"),
        (["--device", "cuda"], 1, "CUDA"),
        (["-o", "no/such/folder/x.zip"], 1, "folder"),
        (["-d", "Hard,Impossible"], 2, "'Impossible'"),
        (["-d", "Hard", "song.ogg"], 2, "a song goes before -d"),
    ],
)
def test_bad_flags_are_refused_before_the_long_work(
    flags: list[str], code: int, says: str, song: Path, model_dir: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    given = ["map", song, "--model", model_dir, *flags]
    got, _, said = run(capsys, *given)
    assert got == code
    assert says.lower() in said.lower()
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_difficulties_are_taken_as_people_write_them() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    for words in (["hard,expert+", "Easy"], ["HARD", "EXPERT+,easy"]):
        assert parser.parse_args(["a.ogg", "-d", *words]).difficulties == [
            "Hard",
            "ExpertPlus",
            "Easy",
        ]


@pytest.mark.parametrize(
    ("there", "says"),
    [
        (b"no level", "expected no file there"),
        ({}, "expected no file there"),
        ({"_saberlm": {"edits": [{}]}}, "expected no file there"),  # a person's, or worked on
        ({"_saberlm": {"seed": 0}}, "CUDA"),  # goes on to the next fault
    ],
)
def test_only_a_level_by_saberlm_is_replaced_unasked(
    there: Any, says: str, song: Path, model_dir: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    out = tmp_path / f"{song.stem}.zip"
    if isinstance(there, bytes):
        out.write_bytes(there)
    else:
        with zipfile.ZipFile(out, "w") as files:
            files.writestr("Info.dat", json.dumps({"_customData": there}))
    before = out.read_bytes()
    code, _, said = run(capsys, "map", song, "--model", model_dir, "--device", "cuda")
    assert code == 1
    assert says in said
    assert out.read_bytes() == before


def test_a_file_that_is_no_level_is_not_written_over(
    song: Path, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "notes.txt"
    out.write_text("mine")
    code, _, said = run(capsys, "map", song, "--model", model_dir, "-o", out)
    assert code == 1
    assert "ends in .zip" in said
    assert out.read_text() == "mine"


def test_a_prompt_by_hand_is_followed_and_a_wrong_one_pointed_at(
    song: Path, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("map", song, "--model", model_dir, "--bpm", 120, "--offset", 0.31, "--json")
    out = tmp_path / "a.zip"
    code, printed, _ = run(
        capsys, *given, "-o", out, "--prompt", "Difficulty: Hard | NJS: 17 | Lights: off"
    )
    assert code == 0
    hard = json.loads(printed)["difficulties"]["Hard"]
    assert (hard["njs"], hard["lights"]) == (17.0, 0)
    code, printed, said = run(
        capsys, *given, "-o", tmp_path / "b.zip", "--prompt", "Difficulty: Hard | NPS: quick"
    )
    assert (code, printed) == (1, "")
    first, shown, carets = said.rstrip("\n").split("\n")
    assert "expected a number" in first
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "quick"
    assert not (tmp_path / "b.zip").exists()


def test_a_full_spread_and_candidates_from_the_command_line(
    song: Path, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.zip"
    code, printed, said = run(
        capsys, "map", song, "--model", model_dir, "--bpm", 120, "--offset", 0.31, "--json", "-o",
        out, "--full-spread", "-d", "Hard", "Expert", "--candidates", 2, "--redo-weak", "--style",
        "teck",
    )  # fmt: skip
    assert code == 0
    assert "warning: style: the model learnt no such word as 'teck' (tech?)" in said
    summary = json.loads(printed)
    assert {name: len(rows) >= 2 for name, rows in summary["scores"].items()} == {
        "Hard": True,
        "Expert": True,
    }
    notes = {name: row["notes"] for name, row in summary["difficulties"].items()}
    assert notes["Hard"] < notes["Expert"]
    assert said.count("  candidate ") >= 4
    assert said.count("(the highest, kept)") >= 2
    assert check_level(out).valid
