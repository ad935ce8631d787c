"""Batch runs: each song once, whatever happens in between."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from saberlm.infer import batch_run, rounds
from saberlm.infer.batch_folder import (
    LOCK_NAME,
    SUMMARY_NAME,
    WORK_NAME,
    Summary,
    locked,
    made_here,
)
from saberlm.infer.batch_requests import find_requests
from saberlm.infer.batch_run import BatchSettings, DiskFullError, run_batch, unsure
from saberlm.infer.decoder import CompiledDecoder
from saberlm.infer.mapper import MappedLevel
from saberlm.prompts.mapfile import read_level

GRID = {"bpm": 120.0, "offset": 0.0, "max_segment_tokens": 30}


@pytest.fixture(scope="module")
def model_dir(tiny_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny_model.save_pretrained(folder)
    return folder


def rows_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / SUMMARY_NAME).read_text().splitlines()]


def whole_levels(out: Path) -> dict[str, bytes]:
    """Every level of a folder, read whole."""
    for path in out.glob("*.zip"):
        assert read_level(path).difficulties
        assert made_here(path)
    return {path.name: path.read_bytes() for path in out.glob("*.zip")}


def test_a_run_reports_the_bad_song_and_a_second_one_does_nothing_anew(
    songs: Path, model_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    settings = BatchSettings(out, str(model_dir), rows=3)
    items = find_requests([songs], GRID)
    said: list[str] = []
    result = run_batch(items, settings, say=said.append)
    assert (result.made, result.skipped, result.failed) == (4, 0, 1)
    assert any("bad.mp3" in text for text in said)
    levels = whole_levels(out)
    assert len(levels) == 4
    rows = rows_of(out)
    assert [row["output"] for row in rows] == [item.output for item in items]
    assert [row["status"] for row in rows].count("failed") == 1
    assert sorted(p.name for p in out.iterdir() if p.suffix != ".zip") == [LOCK_NAME, SUMMARY_NAME]

    times = {path: path.stat().st_mtime_ns for path in out.glob("*.zip")}
    result = run_batch(items, settings)
    assert (result.made, result.skipped, result.failed) == (0, 4, 1)
    assert times == {path: path.stat().st_mtime_ns for path in out.glob("*.zip")}
    assert rows_of(out) == rows

    # other settings, another song under the old name: both are made anew
    result = run_batch(find_requests([songs], {**GRID, "seed": 5}), settings)
    assert (result.made, result.skipped) == (4, 0)
    assert whole_levels(out).keys() == levels.keys()


def test_rows_of_a_song_do_not_depend_on_its_neighbours(
    songs: Path, model_dir: Path, tmp_path: Path
) -> None:
    items = [item for item in find_requests([songs], GRID) if item.output != "bad.zip"]
    for rows in (1, 8):
        run_batch(items, BatchSettings(tmp_path / str(rows), str(model_dir), rows=rows))
    assert whole_levels(tmp_path / "1") == whole_levels(tmp_path / "8")


def test_a_level_is_the_same_when_its_song_is_read_again(
    songs: Path, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [item for item in find_requests([songs], GRID) if item.output != "bad.zip"]
    made = []
    for room in (batch_run.SOUND_BYTES, 1, 0):  # for all songs, for the first, for none
        monkeypatch.setattr(batch_run, "SOUND_BYTES", room)
        out = tmp_path / str(room)
        assert run_batch(items, BatchSettings(out=out, model=str(model_dir))).made == 4
        made.append(whole_levels(out))
    assert made[0] == made[1] == made[2]


def test_a_lost_summary_comes_back_from_the_levels(
    songs: Path, model_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    settings = BatchSettings(out, str(model_dir))
    items = find_requests([songs / "a.wav", songs / "b.wav"], GRID)
    run_batch(items, settings)
    text = (out / SUMMARY_NAME).read_text()
    (out / SUMMARY_NAME).write_text(text[: len(text) - 20])  # cut by a kill
    assert run_batch(items, settings).skipped == 2
    assert [row["status"] for row in rows_of(out)] == ["done", "done"]
    assert len({row["output"] for row in rows_of(out)}) == 2


def test_a_file_that_no_run_made_is_left_alone(
    songs: Path, model_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.zip").write_bytes(b"mine")
    result = run_batch(find_requests([songs / "a.wav"], GRID), BatchSettings(out, str(model_dir)))
    assert result.failed == 1
    assert (out / "a.zip").read_bytes() == b"mine"


def test_a_second_run_on_the_folder_is_refused_and_a_stale_lock_is_noticed(
    songs: Path, model_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    settings = BatchSettings(out, str(model_dir))
    with (
        locked(out),
        pytest.raises(ValueError, match=rf"found process {os.getpid()} on .* at work"),
    ):
        run_batch([], settings)
    (out / LOCK_NAME).write_text("process 999999 on elsewhere\n")
    (out / ".a.zip.x1.part").write_bytes(b"half")
    (out / WORK_NAME).mkdir()
    said: list[str] = []
    assert run_batch([], settings, say=said.append).songs == 0
    assert "999999" in said[0]
    assert sorted(path.name for path in out.iterdir()) == [LOCK_NAME, SUMMARY_NAME]
    said.clear()
    run_batch([], settings, say=said.append)
    assert said == []


@pytest.mark.parametrize("fault", [RuntimeError("a fault of ours"), MemoryError("no room")])
def test_a_song_that_decoding_fails_on_is_found_and_reported(
    songs: Path,
    model_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
) -> None:
    plain = rounds.to_beatmap

    def to_beatmap(generated: Any, song: Any) -> Any:
        if abs(song.seconds - 7) < 0.1:  # b.wav
            raise fault
        return plain(generated, song)

    monkeypatch.setattr(rounds, "to_beatmap", to_beatmap)
    items = find_requests([songs / f"{name}.wav" for name in "abc"], GRID)
    out = tmp_path / "out"
    result = run_batch(items, BatchSettings(out, str(model_dir)))
    assert (result.made, result.failed) == (2, 1)
    assert whole_levels(out).keys() == {"a.zip", "c.zip"}
    errors = {row["output"]: row.get("error") for row in rows_of(out)}
    told = f"{type(fault).__name__}: {fault}"
    assert errors == {"a.zip": None, "b.zip": told, "c.zip": None}


def test_a_run_without_memory_for_all_rows_goes_on_with_fewer(
    songs: Path, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = find_requests([songs / f"{name}.wav" for name in "abc"], GRID)
    run_batch(items, BatchSettings(tmp_path / "one", str(model_dir), rows=1))
    resize = CompiledDecoder.resize

    def cramped(self: CompiledDecoder, slots: int) -> None:
        if slots > 1:
            raise MemoryError
        resize(self, slots)

    monkeypatch.setattr(CompiledDecoder, "resize", cramped)
    with pytest.warns(RuntimeWarning, match="out of memory: going on with 1 rows"):
        result = run_batch(items, BatchSettings(tmp_path / "three", str(model_dir), rows=3))
    assert (result.made, result.failed) == (3, 0)
    assert whole_levels(tmp_path / "one") == whole_levels(tmp_path / "three")


def test_songs_whose_beat_is_unsure_are_named(songs: Path, model_dir: Path, tmp_path: Path) -> None:
    items = find_requests([songs / "a.wav"], GRID)
    run_batch(items, BatchSettings(tmp_path, str(model_dir)))
    (row,) = rows_of(tmp_path)
    assert (row["bpm"], row["offset"], row["confidence"]) == (120.0, 0.0, 1.0)
    summary = Summary(tmp_path)
    assert unsure(summary, items) == []
    summary.put({**row, "confidence": 0.2})
    assert unsure(Summary(tmp_path), items) == ["a.zip"]


def test_a_full_disk_ends_the_run_and_keeps_what_is_done(
    songs: Path, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    settings = BatchSettings(out, str(model_dir), rows=1)
    items = find_requests([songs / "a.wav", songs / "b.wav"], GRID)
    written = []
    save = MappedLevel.save

    def full(self: MappedLevel, path: Any, **more: Any) -> Any:
        if written:
            raise OSError(28, "No space left on device")
        written.append(path)
        return save(self, path, **more)

    monkeypatch.setattr(MappedLevel, "save", full)
    with pytest.raises(DiskFullError, match=r"disk full.*run the same command again"):
        run_batch(items, settings)
    monkeypatch.undo()
    assert len(whole_levels(out)) == 1
    result = run_batch(items, settings)
    assert (result.made, result.skipped) == (1, 1)


def test_a_disk_that_is_full_when_the_summary_is_written_loses_no_level(
    songs: Path, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = BatchSettings(tmp_path, str(model_dir))
    items = find_requests([songs / "a.wav"], GRID)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Summary, "put", full)
    with pytest.raises(DiskFullError, match="run the same command again"):
        run_batch(items, settings)
    monkeypatch.undo()
    assert run_batch(items, settings).skipped == 1
    assert [row["status"] for row in rows_of(tmp_path)] == ["done"]


def test_an_interrupt_leaves_no_half_level(
    songs: Path, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("saberlm.prompts.levelzip._copy", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_batch(find_requests([songs / "a.wav"], GRID), BatchSettings(out, str(model_dir)))
    assert sorted(path.name for path in out.iterdir()) == [LOCK_NAME, SUMMARY_NAME]


@pytest.mark.skipif(sys.platform != "linux", reason="forks a process that has used torch")
def test_a_run_killed_at_random_is_finished_by_the_next(
    songs: Path, model_dir: Path, tmp_path: Path
) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for i in range(8):
        shutil.copy(songs / f"{'abc'[i % 3]}.wav", many / f"song {i}.wav")
    out = tmp_path / "out"
    items = find_requests([many], GRID)
    settings = BatchSettings(out, str(model_dir), rows=1)
    seed = random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)

    def run() -> None:
        torch.set_num_threads(1)  # a forked child has no other threads
        run_batch(items, settings)

    kept: dict[str, int] = {}
    for _ in range(3):
        process = multiprocessing.get_context("fork").Process(target=run)
        process.start()
        wanted, end = len(kept) + chance.randint(0, 2), time.monotonic() + 60
        while process.is_alive() and len(list(out.glob("*.zip"))) < wanted:
            assert time.monotonic() < end
            time.sleep(0.005)
        time.sleep(chance.random() * 0.4)
        process.kill()
        process.join()
        now = {path.name: path.stat().st_mtime_ns for path in out.glob("*.zip")}
        assert kept.items() <= now.items(), f"made anew, seed {seed}"
        kept = now
        whole_levels(out)
    result = run_batch(items, settings)
    assert (result.songs, result.failed) == (8, 0)
    assert result.skipped == len(kept), f"seed {seed}"
    now = {path.name: path.stat().st_mtime_ns for path in out.glob("*.zip")}
    assert kept.items() <= now.items()
    assert now.keys() == {item.output for item in items}
    whole_levels(out)
    assert [row["output"] for row in rows_of(out)] == sorted(now)
    assert not list(out.glob(".*.part"))


@pytest.mark.slow
def test_workers_make_the_same_levels_and_a_dying_one_is_replaced(
    songs: Path, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [item for item in find_requests([songs], GRID) if item.output != "bad.zip"]
    run_batch(items, BatchSettings(tmp_path / "one", str(model_dir), rows=1))
    from saberlm.infer import batch_workers

    give = batch_workers._Worker.give
    died = []

    def give_and_kill(self: Any, group: Any) -> None:
        give(self, group)
        if not died:
            died.append(self.process.pid)
            os.kill(self.process.pid, signal.SIGKILL)

    monkeypatch.setattr(batch_workers._Worker, "give", give_and_kill)
    said: list[str] = []
    settings = BatchSettings(tmp_path / "two", str(model_dir), workers=2, rows=2)
    result = run_batch(items, settings, say=said.append)
    assert (result.made, result.failed) == (4, 0)
    assert any("one by one" in text for text in said)
    assert whole_levels(tmp_path / "one") == whole_levels(tmp_path / "two")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends signals of Unix")
@pytest.mark.parametrize("sent", ["SIGINT", "SIGKILL"])
def test_workers_end_with_the_run_and_the_next_one_goes_on(
    songs: Path, model_dir: Path, tmp_path: Path, sent: str
) -> None:
    listed, out = songs / "many.jsonl", tmp_path / "out"
    lines = [{"song": "a.wav", "seed": i, "output": f"{i}.zip", **GRID} for i in range(12)]
    listed.write_text("\n".join(map(json.dumps, lines)))
    command = [sys.executable, "-m", "saberlm.scripts.cli", "batch", str(listed), "--workers", "2"]
    command += ["--out", str(out), "--model", str(model_dir)]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 240
    while not list(out.glob("*.zip")):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    if sent == "SIGINT":
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of its processes
    else:
        process.kill()
    said = process.communicate(timeout=60)[1]  # until none of them has its end of the pipe
    if sent == "SIGINT":
        assert process.returncode == 130, said
        assert said.strip().endswith("saberlm batch: error: interrupted")
        assert "Traceback" not in said
        rest = sorted(path.name for path in out.iterdir() if path.suffix != ".zip")
        assert rest == [LOCK_NAME, SUMMARY_NAME]
    made = len(whole_levels(out))
    result = run_batch(find_requests([listed], {}), BatchSettings(out, str(model_dir)))
    assert (result.made, result.skipped) == (12 - made, made)


def test_options_of_one_song_are_sent_to_its_line(
    songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from saberlm.scripts.cli import main

    for option, wanted in (("--bpm", '"bpm": 128'), ("--tempo-from", '"tempo_from": "128"')):
        with pytest.raises(SystemExit):
            main(["batch", str(songs), "--out", str(tmp_path / "out"), option, "128"])
        assert wanted in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["batch", str(songs)])
    assert "--out DIR is missing" in capsys.readouterr().err
    assert main(["batch", str(songs), "--list", "--artist", "B", "-d", "Hard"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    song = json.loads(lines[-1])
    assert (song["artist"], song["difficulties"]) == ("B", ["Hard"])
    assert Path(song["song"]).is_absolute()
    assert not (tmp_path / "out").exists()


def test_the_command_says_by_its_exit_code_whether_any_failed(
    songs: Path, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from saberlm.scripts.cli import main

    command = ["batch", "--out", str(tmp_path / "out"), "--model", str(model_dir), "--json"]
    assert main([*command, str(songs / "a.wav")]) == 0
    assert json.loads(capsys.readouterr().out)["made"] == 1
    assert main([*command, str(songs / "a.wav"), str(songs / "bad.mp3")]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["made"], told["skipped"], told["failed"]) == (0, 1, 1)
    assert main([*command, str(songs / "more" / "nothing.wav"), "--nps", "99"]) == 1
    assert "nps" in capsys.readouterr().err
    plain = batch_run.weights_digest(model_dir)
    pack = tmp_path / "pack.safetensors"
    packed = []
    for content in (b"one", b"two"):
        pack.write_bytes(content)
        packed.append(batch_run.weights_digest(model_dir, str(pack)))
    assert len({plain, *packed}) == 3
    with pytest.raises(ValueError, match="expected a pack's file"):
        batch_run.weights_digest(model_dir, str(tmp_path / "none"))
