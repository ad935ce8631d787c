"""`saberlm evaluate` from made songs to its report: every system judged, resumed, refused."""

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from saberlm.infer.sampling import SamplingParams
from saberlm.prompts.beatmap import Beatmap, ColorNote, Difficulty, LevelInfo, LightEvent
from saberlm.prompts.mapfile import write_level
from saberlm.scripts.cli import main

pytest.importorskip("matplotlib")

RATE, SECONDS, BPM = 22_050, 14.0, 150.0
SPLITS = ("valid", "valid", "valid", "train", "valid")
SILENT = 4
"""This song has no sound file."""


@pytest.fixture(scope="module", autouse=True)
def short_bars() -> Iterator[None]:
    """A random model would fill every bar to the brim."""
    with pytest.MonkeyPatch.context() as patch:
        short = partial(SamplingParams, max_segment_tokens=24)
        patch.setattr("saberlm.scripts.evaluate_songs.SamplingParams", short)
        yield


def notes(seed: int, step: float, late: float) -> Beatmap:
    rng = np.random.default_rng(seed)
    beats = np.arange(4, 30, step) + late
    return Beatmap(
        color_notes=tuple(
            ColorNote(float(b), int(rng.integers(4)), int(rng.integers(3)), i % 2, i // 2 % 2)
            for i, b in enumerate(beats)
        ),
        lights=tuple(LightEvent(float(b), int(rng.integers(5)), 1 + i % 7)
                     for i, b in enumerate(beats)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of five songs; the second's notes lie 0.2 beat off its beat 0."""
    root = tmp_path_factory.mktemp("pack")
    rows = []
    for n, split in enumerate(SPLITS):
        late = 0.2 if n == 1 else 0.0
        levels = [
            Difficulty("Standard", name, 14.0, 0.0, notes(10 * n + i, step, late))
            for i, (name, step) in enumerate((("Hard", 0.5), ("Expert", 0.25), ("Easy", 4.0)))
        ]
        write_level(root / str(n), LevelInfo(f"song {n}", BPM), levels, {})
        if n != SILENT:
            rng = np.random.default_rng(n)
            samples = rng.normal(size=int(RATE * SECONDS)) * 0.002
            burst = rng.normal(size=900) * np.exp(-np.arange(900) / 200) * 0.5
            for beat in np.arange(late, (SECONDS - 0.3) * BPM / 60, 1 + n % 2):
                start = int(beat * 60 / BPM * RATE)
                samples[start : start + 900] += burst
            soundfile.write(root / f"{n}.ogg", samples, RATE, format="OGG", subtype="VORBIS")
        rows.append({"n": n, "dat": str(n), "audio": f"{n}.ogg", "split": split})
    (root / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def model(tiny_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def done(pack: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two songs with everything on."""
    out = tmp_path_factory.mktemp("run")
    assert evaluate(pack, out, "--model", model, "--n", 2, "--levels", "--seed", 3) == 0
    return out


def evaluate(pack: Path, out: Path, *more: object) -> int:
    return main(["evaluate", *map(str, ("--maps", pack, "--out", out, *more))])


def report(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return found


def test_every_system_judges_every_map(done: Path) -> None:
    found = report(done)
    systems = [
        "human", "half beat", "onset peaks", "tiny off", "tiny soft", "tiny strict",
        "tiny off, other song",
    ]  # fmt: skip
    assert found["systems"] == systems
    places = {(row["song"], row["difficulty"], row["system"]) for row in found["rows"]}
    assert places == {(s, d, y) for s in ("0000", "0001") for d in ("Hard", "Expert")
                      for y in systems}  # fmt: skip
    assert found["left_out"]["difficulty under 40 notes"] == 4, "of all valid songs"
    human = [row["metrics"] for row in found["rows"] if row["system"] == "human"]
    assert all(one["f1@10"] == one["count_ratio"] == 1 for one in human)
    half = {r["song"]: r["metrics"] for r in found["rows"]
            if (r["system"], r["difficulty"]) == ("half beat", "Hard")}  # fmt: skip
    assert all(one["recall@20"] > 0.95 for one in half.values()), "the grid is fitted to the notes"
    tiny = [row["metrics"] for row in found["rows"] if row["system"].startswith("tiny")]
    assert all(one["decode_seconds"] > 0 for one in tiny)
    assert {one["valid"] for one in tiny if "valid" in one} == {1.0}
    assert len(list((done / "levels").glob("*.zip"))) == 6
    assert set(found["seconds"]) == {"0000", "0001"}
    assert {"tiny encode", "tiny off"} <= set(found["seconds"]["0000"])


def test_the_control_hears_something_else(done: Path) -> None:
    made: dict[str, list[Any]] = {}
    for row in report(done)["rows"]:
        made.setdefault(row["system"], []).append((row["metrics"]["notes"], row["curve"]))
    assert made["tiny off"] != made["tiny off, other song"]


@pytest.mark.parametrize("offset", [0.0, -0.25, -1.333])
def test_the_sound_begins_at_the_grids_beat_0(offset: float) -> None:
    from saberlm.scripts.evaluate_songs import from_beat_0

    strength = np.zeros(400)
    strength[[100, 300]] = 1.0  # seconds 1 and 3 of the song
    laid = from_beat_0(strength, 100.0, offset)
    heard = np.flatnonzero(laid > 0.5) / 100
    assert heard == pytest.approx([1 - offset, 3 - offset], abs=0.006)
    assert laid.sum() == pytest.approx(2, abs=1e-6)


def test_styles_are_measured_against_the_train_maps(done: Path) -> None:
    rows = report(done)["rows"]
    assert all(row["metrics"]["style:cells"] is not None for row in rows)
    assert all(row["metrics"]["copied_share"] is not None for row in rows)


def test_the_page_stands_alone(done: Path) -> None:
    text = (done / "report.html").read_text(encoding="utf-8")
    assert text.count("data:image/svg+xml;base64,") == 7
    assert 'src="http' not in text
    assert not list(done.rglob("*.partial"))


def test_a_run_goes_on_where_it_stopped(
    pack: Path, model: Path, done: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = report(done)
    kept, lost = done / "songs" / "0000.json", done / "songs" / "0001.json"
    stamp = kept.stat().st_mtime_ns
    lost.unlink()
    assert evaluate(pack, done, "--model", model, "--n", 2, "--levels", "--seed", 3) == 0
    assert kept.stat().st_mtime_ns == stamp
    after = report(done)
    for one in (*before["rows"], *after["rows"]):
        one["metrics"].pop("decode_seconds", None)
    assert after["rows"] == before["rows"], "the same seed makes the same maps"
    out = capsys.readouterr().out
    assert "| tiny soft |" in out
    assert "over another song's audio" in out


def test_kept_maps_are_judged_again_and_not_made_again(
    pack: Path, model: Path, done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made_again(*_: object) -> None:
        raise AssertionError("the engine was asked")

    before = report(done)["rows"]
    stamps = {path: path.stat().st_mtime_ns for path in (done / "songs").glob("*.json")}
    assert len(stamps) == 2
    monkeypatch.setattr("saberlm.scripts.evaluate_songs.Engine", made_again)
    more = ("--model", model, "--n", 2, "--levels", "--seed", 3, "--rejudge")
    assert evaluate(pack, done, *more) == 0
    assert all(path.stat().st_mtime_ns > stamp for path, stamp in stamps.items())
    assert report(done)["rows"] == before


def test_a_model_trained_on_is_another_run(
    pack: Path, done: Path, tiny_model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = deepcopy(tiny_model)
    with torch.no_grad():
        next(other.parameters()).add_(0.01)
    other.save_pretrained(tmp_path / "tiny")
    more = ("--model", tmp_path / "tiny", "--n", 2, "--levels", "--seed", 3)
    assert evaluate(pack, done, *more) == 1
    assert "with other weights" in capsys.readouterr().err


def test_other_settings_are_another_run(
    pack: Path, model: Path, done: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(pack, done, "--model", model, "--n", 2, "--levels", "--seed", 4) == 1
    message = capsys.readouterr().err
    assert "with other seed" in message
    assert "--out" in message


def test_without_what_is_given_the_sound_is_asked(pack: Path, model: Path, tmp_path: Path) -> None:
    assert (
        evaluate(pack, tmp_path, "--model", model, "--n", 1, "--difficulty", "Hard", "--given",
                 "nothing", "--playability", "off", "--no-other-song") == 0
    )  # fmt: skip
    found = report(tmp_path)
    assert found["systems"] == ["human", "half beat", "onset peaks", "tiny off"]
    made = found["rows"][-1]["metrics"]
    assert made["notes"] > 0
    assert found["about"]["given"] == []


def test_a_song_without_sound_is_left_out_and_named(
    pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(pack, tmp_path, "--model") == 0
    found = report(tmp_path)
    assert {row["song"] for row in found["rows"]} == {"0000", "0001", "0002"}
    assert found["systems"] == ["human", "half beat", "onset peaks"]
    (reason,) = [key for key in found["left_out"] if "0004" in key]
    assert "expected audio" in reason
    assert "song 0004 left out" in capsys.readouterr().err
    assert evaluate(pack, tmp_path, "--model") == 0
    assert "song 0004 left out" in capsys.readouterr().err, "tried again"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--split", "nope"], "expected songs of split 'nope'"),
        (["--n", "0"], "expected 1 song or more"),
        (["--given", "bpm,njs"], "expected bpm, nps"),
        (["--model", "no-such-model"], "likely a misspelt name"),
        (["--model", "nano", "nano"], "'nano' twice"),
    ],
)
def test_nonsense_is_refused_in_one_line(
    words: list[str], message: str, pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(pack, tmp_path, *words) == 1
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""
