"""Posteriors beside log-mel frames, with functions for the network."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from saberlm.finetune.shards import SongShard, load_dataset, save_shard
from saberlm.scripts import add_basic_pitch as abp

SECONDS = 6.0


def hear(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sample under each frame; pairs of keys tell themselves apart, and one of them is low."""
    assert windows.shape[1:] == (abp.NUM_SAMPLES,)
    under = windows[:, : abp.NUM_FRAMES * abp.HOP : abp.HOP][..., None]
    keys = np.arange(abp.NUM_KEYS)
    notes = under + keys // 2 - 0.5 * (keys % 2)
    return notes.astype(np.float32), (notes + 100).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.5, 1.637, 1.64, 10.0, 30.01])
def test_posteriors_stand_at_their_times(seconds: float) -> None:
    samples = np.linspace(0, 1, int(seconds * abp.SAMPLE_RATE), dtype=np.float32)
    times = np.arange(int(seconds * 100) + 1) / 100
    found = abp.posteriors(samples, times, hear)
    assert found.shape == (len(times), 88)
    inside = times < seconds - 2 * abp.HOP / abp.SAMPLE_RATE
    slope = times[inside] / seconds
    assert np.allclose(found[inside, :44] - np.arange(44), slope[:, None], atol=1e-3)
    assert np.allclose(found[:, 44:], found[:, :44] + 100, atol=1e-3)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A dataset of four train songs and two valid ones, and their maps with sound in ``maps``."""
    data, maps = tmp_path / "data", tmp_path / "maps"
    (data / "shards").mkdir(parents=True)
    maps.mkdir()
    index, manifest = [], []
    rng = np.random.default_rng(0)
    for n in range(6):
        key, split = f"{n:04d}", "valid" if n % 3 == 2 else "train"
        frames = rng.normal(size=(int(SECONDS * 100) + 1, 120))
        song = SongShard(key, split, frames, 100.0, 120.0, 0.0, 2, ())
        save_shard(song, data / "shards" / f"{key}.safetensors")
        index.append({"shard": f"shards/{key}.safetensors", "split": split, "key": key})
        samples = rng.normal(size=int(SECONDS * 8000)) * 0.1
        soundfile.write(maps / f"{n}.wav", samples, 8000)
        manifest.append({"n": n, "dat": f"{n}", "audio": f"{n}.wav", "split": split})
    (data / "index.jsonl").write_text("\n".join(map(json.dumps, index)))
    (maps / "manifest.jsonl").write_text("\n".join(map(json.dumps, manifest)))
    return data


def words(data: Path, out: str = "out") -> list[str]:
    return [str(data), str(data.parent / "maps"), str(data.parent / out), "--model", "nmp.onnx"]


def test_the_songs_asked_for_are_written_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abp, "open_model", lambda path: hear)
    given = [*words(data), "--songs", "2"]
    assert abp.main(given) == 0
    out = data.parent / "out"
    before = {song.key: song for split in ("train", "valid") for song in load_dataset(data, split)}
    assert [song.key for song in load_dataset(out, "train")] == ["0000", "0003"]
    assert [song.key for song in load_dataset(out, "valid")] == ["0002", "0005"]
    for song in load_dataset(out, "train"):
        assert song.frames.shape == (601, 208)
        assert np.array_equal(song.frames[:, :120], before[song.key].frames)
        assert (song.frame_rate, song.bpm) == (100.0, 120.0)
    monkeypatch.setattr(abp, "open_model", lambda path: None)  # nothing left for it to hear
    assert abp.main(given) == 0


def test_songs_that_do_not_fit_are_left_out(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(abp, "open_model", lambda path: hear)
    soundfile.write(data.parent / "maps" / "1.wav", np.full(8000 * 8, 0.1), 8000)
    narrow = SongShard("0003", "train", np.zeros((601, 64)), 100.0, 120.0, 0.0, 2, ())
    save_shard(narrow, data / "shards" / "0003.safetensors")
    assert abp.main(words(data)) == 1
    told = capsys.readouterr().err
    assert "song 0001: expected 6.0 s of sound as the data have, found 8.0 s" in told
    assert "song 0003: expected 120 log-mel features, found 64" in told
    assert len(load_dataset(data.parent / "out", "train")) == 2
    assert abp.main(words(data, "data")) == 1
    assert "other than the dataset's" in capsys.readouterr().err


def test_the_network_is_found_by_its_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "nmp.onnx"
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match="pip install onnxruntime"):
        abp.open_model(file)

    class Session:
        names = ("StatefulPartitionedCall:2", "StatefulPartitionedCall:1")  # as the file has them

        def __init__(self, *args: Any, **more: Any) -> None:
            pass

        def get_inputs(self) -> list[Any]:
            return [SimpleNamespace(name="sound")]

        def get_outputs(self) -> list[Any]:
            return [SimpleNamespace(name=name) for name in self.names]

        def run(self, names: list[str], given: dict[str, np.ndarray]) -> list[np.ndarray]:
            both = hear(given["sound"][..., 0])
            return [both[int(name[-1]) - 1] for name in names]

    fake = SimpleNamespace(SessionOptions=SimpleNamespace, InferenceSession=Session)
    monkeypatch.setitem(sys.modules, "onnxruntime", fake)
    with pytest.raises(ValueError, match="found no file at"):
        abp.open_model(file)
    file.touch()
    notes, onsets = abp.open_model(file)(np.zeros((2, abp.NUM_SAMPLES), np.float32))
    assert notes.shape == (2, abp.NUM_FRAMES, abp.NUM_KEYS)
    assert np.allclose(onsets, notes + 100)
    monkeypatch.setattr(Session, "names", ("else",))
    with pytest.raises(ValueError, match=r"found \['else'\]"):
        abp.open_model(file)
