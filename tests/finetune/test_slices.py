"""Slices and pieces: what goes in comes out, within the error that is stated."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from saberlm.adapter.frontend import LogMelFrontEnd
from saberlm.finetune.pieces import join, split
from saberlm.finetune.shards import load_dataset
from saberlm.finetune.slices import STEP, decode_song, encode_song, flux_of, pack, unpack


def test_flux_is_the_front_ends() -> None:
    rng = np.random.default_rng(0)
    frames = LogMelFrontEnd().encode(torch.from_numpy(rng.normal(size=24_000))).numpy()
    np.testing.assert_allclose(flux_of(frames[:, :80]), frames[:, 80:], atol=1e-5)


def test_a_dataset_comes_back_in_slices(data_dir: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    extra = tmp_path / "base.gguf"
    extra.write_bytes(rng.bytes(300_000))
    packed = pack(data_dir, tmp_path / "out", slice_megabytes=0.2, files=[extra])
    slices = sorted((tmp_path / "out").glob("slice_*"))
    assert len(slices) == packed.slices > 2
    listed = json.loads((slices[0] / "slices.json").read_text())
    for folder, names in zip(slices, listed["slices"], strict=True):
        assert sum((folder / name).stat().st_size for name in names) <= 200_000
    state = tmp_path / "state"
    for folder in reversed(slices[1:]):
        assert slices[0].name in unpack(folder, state)
        assert not (state / "cache" / "index.jsonl").exists(), "half a dataset is none"
    assert unpack(slices[0], state) == []
    assert unpack(slices[0], state) == [], "again changes nothing"
    assert (state / "files" / "base.gguf").read_bytes() == extra.read_bytes()
    for part in ("train", "valid"):
        before, after = load_dataset(data_dir, part), load_dataset(state / "cache", part)
        assert [s.key for s in before] == [s.key for s in after]
        for a, b in zip(before, after, strict=True):
            mel = np.abs(a.frames[:, :80].astype(np.float32) - b.frames[:, :80])
            assert mel.max() < 0.51 * STEP + 0.01, "half a step, and float16's own"
            assert (a.bpm, a.offset_seconds, a.num_bars) == (b.bpm, b.offset_seconds, b.num_bars)
            for x, y in zip(a.difficulties, b.difficulties, strict=True):
                assert x.conditions == y.conditions
                assert (x.first_bar, x.last_bar, x.finished) == (
                    y.first_bar,
                    y.last_bar,
                    y.finished,
                )
                assert all(np.array_equal(p, q) for p, q in zip(x.bars, y.bars, strict=True))
    assert packed.rms_error < STEP / 2


def test_latents_keep_eight_bits(data_dir: Path) -> None:
    from dataclasses import replace

    song = load_dataset(data_dir, "valid")[0]
    frames = np.random.default_rng(2).normal(size=(50, 96)).astype(np.float16) * 3
    back = decode_song(encode_song(replace(song, frames=frames))).frames
    span = np.ptp(frames.astype(np.float32), axis=0)
    assert (np.abs(back - frames) <= span / 255 * 0.51 + 1e-3).all()


def test_damage_is_named(data_dir: Path, tmp_path: Path) -> None:
    pack(data_dir, tmp_path / "out", slice_megabytes=50, files=[])
    song = next((tmp_path / "out" / "slice_00").glob("*.xz"))
    song.write_bytes(song.read_bytes()[:-5])
    with pytest.raises(ValueError, match=rf"{song.name}: expected the file that was packed"):
        unpack(tmp_path / "out" / "slice_00", tmp_path / "state")
    with pytest.raises(ValueError, match="likely no slice"):
        unpack(tmp_path, tmp_path / "state")
    with pytest.raises(ValueError, match="likely no dataset"):
        pack(tmp_path, tmp_path / "out", slice_megabytes=50, files=[])
    with pytest.raises(ValueError, match=r"expected items of at most 0\.0 MB"):
        pack(data_dir, tmp_path / "small", slice_megabytes=0.001, files=[])


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 5000])
def test_pieces_join(size: int, tmp_path: Path) -> None:
    whole = tmp_path / "model.tar"
    whole.write_bytes(np.random.default_rng(size).bytes(size))
    written = split(whole, tmp_path / "p", piece_bytes=1000)
    assert max(p.stat().st_size for p in written[:-1]) <= 1000
    assert join(tmp_path / "p", "model.tar", tmp_path / "back").read_bytes() == whole.read_bytes()
    if size > 1000:
        written[1].unlink()
        with pytest.raises(ValueError, match=r"part001: expected the piece .* found none"):
            join(tmp_path / "p", "model.tar", tmp_path / "again")
        assert not (tmp_path / "again").exists()
