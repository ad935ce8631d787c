import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from saberlm.finetune import tower_ablation as ablation
from saberlm.finetune.shards import SongShard, load_dataset
from saberlm.scripts import ablate

TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_resampler_layers": 1}
BUDGET = ablation.Budget(songs=2, steps=1, batch_size=2, window_bars=2)


@pytest.fixture(scope="module")
def songs(data_dir: Path) -> list[SongShard]:
    return load_dataset(data_dir, "train")[:2]


def test_as_many_bands_as_there_were_are_the_same(songs: list[SongShard]) -> None:
    frames = songs[0].frames[:200].astype(np.float32)
    same = ablation.fewer_bands(frames, 80)
    # the cache is float16, and the last frame's flux looks one further
    assert np.abs(same - frames)[:-1].max() < 0.05
    steady = np.full((10, 120), -2.0, np.float32)
    for count in (40, 60):
        fewer = ablation.fewer_bands(steady, count)
        assert fewer.shape == (10, count * 3 // 2)
        assert np.allclose(fewer[:, :count], -2.0, atol=1e-4)
        assert np.allclose(fewer[:, count:], 0)


def test_clicks_are_percussive_and_tones_are_not() -> None:
    silence = np.full((200, 120), np.log(1e-3), np.float32)
    clicks, tone = silence.copy(), silence.copy()
    clicks[::25, :80] = 0.0
    tone[:, 20] = 0.0
    for frames, percussive in ((clicks, True), (tone, False)):
        split = ablation.with_percussion(frames)
        assert np.array_equal(split[:, :120], frames)
        loudest = split[:, 120:160].max(), split[:, 160:].max()
        assert (loudest[0] > loudest[1] + 1) == percussive


@pytest.mark.parametrize(
    "variant",
    [
        one
        for one in ablation.VARIANTS
        if one.change or one.needs or one.smoothing or "cells_per_latent" in one.audio
    ],
    ids=lambda one: one.name,
)
def test_every_kind_of_tower_is_one_that_learns(
    variant: ablation.TowerVariant, songs: list[SongShard]
) -> None:
    """One step each of towers that differ from the base's in one thing."""
    audio = {**TINY, **{k: x for k, x in variant.audio.items() if k not in ("hidden_size",)}}
    given = songs
    if variant.needs == "basic-pitch":
        wide = [np.pad(song.frames, ((0, 0), (0, 88))) for song in songs]
        given = [replace(song, frames=x) for song, x in zip(songs, wide, strict=True)]
    found = ablation.run(
        replace(variant, audio=audio),
        {variant.needs: ablation.Split(given, given)},
        0,
        BUDGET,
    )
    assert len(found.maps) == sum(len(song.difficulties) for song in songs)
    assert found.weights > 0
    assert np.isfinite([row.loss for row in found.maps]).all()
    assert ablation.Run.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_a_table_says_how_far_from_the_base(songs: list[SongShard]) -> None:
    split: dict = {None: ablation.Split(songs, songs)}
    base = replace(ablation.BASE, audio=TINY)
    runs = [ablation.run(base, split, seed, BUDGET) for seed in (0, 1)]
    assert runs[0].maps != runs[1].maps
    same = replace(runs[0], variant="the same")
    worse = replace(
        runs[1], variant="worse", maps=tuple(replace(r, loss=r.loss + 1) for r in runs[1].maps)
    )
    lines = ablation.render([*runs, same, worse]).splitlines()
    assert "+0.000" in lines[3]
    assert "+1.000" in lines[4]


def test_a_file_of_runs_is_gone_on_with(
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(ablation, "BASE", replace(ablation.BASE, audio=TINY))
    monkeypatch.setattr(ablation, "VARIANTS", (ablation.BASE, ablation.TowerVariant("x", TINY)))
    out = tmp_path / "runs.jsonl"
    given = [str(data_dir), "--out", str(out), "--songs", "2", "--steps", "1"]
    assert ablate.main([*given, "--only", "base"]) == 0
    first = out.read_text()
    assert ablate.main(given) == 0
    assert out.read_text().startswith(first)
    assert [json.loads(line)["variant"] for line in out.read_text().splitlines()] == ["base", "x"]
    monkeypatch.setattr(ablation, "run", None)  # nothing left to do
    assert ablate.main(given) == 0
    assert "| x |" in capsys.readouterr().out
    assert ablate.main([*given[:-1], "2"]) == 1
    assert "name another --out" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        ablate.main([*given, "--only", "nobody"])


def test_other_frames_are_of_the_same_songs(
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    variant = ablation.TowerVariant("x", TINY, needs="dac")
    monkeypatch.setattr(ablation, "VARIANTS", (variant,))
    (tmp_path / "shards").symlink_to(data_dir / "shards")
    index = (data_dir / "index.jsonl").read_text().splitlines()
    given = [str(data_dir), "--out", str(tmp_path / "runs.jsonl"), "--songs", "2", "--steps", "1"]
    given += ["--also", "dac", str(tmp_path)]
    for rows, code in ((index[::-1], 1), (index, 0)):
        (tmp_path / "index.jsonl").write_text("\n".join(rows))
        assert ablate.main(given) == code
    assert "made of other songs?" in capsys.readouterr().err


def test_songs_are_spread_evenly(songs: list[SongShard]) -> None:
    many = songs * 5
    assert ablate.spread(many, 0) == ablate.spread(many, 10) == ablate.spread(many, 99) == many
    assert len(ablate.spread(many, 3)) == 3
    assert asdict(BUDGET)["songs"] == 2
