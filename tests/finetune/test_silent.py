"""Learning from maps without their songs: how they are built, shown and refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("datasets")

from saberlm.finetune.build import build_dataset
from saberlm.finetune.collator import DataCollatorForBeatmapModeling, window_table
from saberlm.finetune.shards import SongShard, load_dataset
from saberlm.finetune.sources import MIN_MAPS_OF_A_MAPPER, find_sources
from saberlm.finetune.windows import MAX_WINDOW_TOKENS
from saberlm.prompts import vocab as v
from saberlm.prompts.header import header_of_ids

SIZE = 8


@pytest.fixture(scope="module")
def silent_dir(maps_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("silent")
    report = build_dataset(maps_dir, out, None, frozenset({"level2"}))
    assert report.songs["left out by name"] == 1
    return out


@pytest.fixture(scope="module")
def songs(silent_dir: Path) -> list[SongShard]:
    return load_dataset(silent_dir, "train")


def rows_of(songs: list[SongShard]) -> list[dict[str, int]]:
    table = window_table(songs, SIZE)
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


def test_maps_are_those_built_with_their_songs(songs: list[SongShard], data_dir: Path) -> None:
    heard = {song.key: song for song in load_dataset(data_dir, "train")}
    for song in songs:
        assert not song.has_audio
        other = heard[song.key]
        assert other.has_audio
        for mine, theirs in zip(song.difficulties, other.difficulties, strict=True):
            assert not mine.finished  # where the song ends is not known
            same = zip(mine.bars[: mine.last_bar], theirs.bars[: mine.last_bar], strict=True)
            assert all(np.array_equal(a, b) for a, b in same)


@pytest.mark.parametrize("augment", [True, False])
def test_windows_show_maps_alone(songs: list[SongShard], augment: bool) -> None:
    collator = DataCollatorForBeatmapModeling(songs, SIZE, augment=augment, places=False)
    lights = {*v.block_range("light"), *v.block_range("laser"), *v.block_range("boost")}
    lit = 0
    for row in rows_of(songs):
        made = collator.row(row["song"], row["difficulty"], row["bar"])
        assert v.AUDIO not in made.stream.ids
        assert v.SKETCH not in made.stream.ids
        assert len(made.stream.ids) <= MAX_WINDOW_TOKENS
        shown = bool(lights & set(made.stream.ids))
        header = header_of_ids(made.stream.ids[: made.stream.ids.index(v.END_HEADER)])
        assert not shown or "Lights: on" in header
        lit += shown
    assert lit < len(rows_of(songs)) / (1 if augment else 100)


def test_a_batch_trains_the_decoder_and_no_tower(
    songs: list[SongShard], tiny_model: torch.nn.Module
) -> None:
    collator = DataCollatorForBeatmapModeling(songs, SIZE, places=False)
    batch = collator(rows_of(songs)[:3])
    assert set(batch) == {"input_ids", "attention_mask", "labels"}
    tiny_model.zero_grad()
    tiny_model(**batch).loss.backward()
    grads = {name: p.grad for name, p in tiny_model.named_parameters() if p.requires_grad}
    assert any(g is not None and g.abs().sum() > 0 for n, g in grads.items() if "language" in n)
    assert all(g is None or not g.any() for n, g in grads.items() if "audio_tower" in n)
    tiny_model.zero_grad()


def test_runs_with_sound_refuse_songs_without(songs: list[SongShard]) -> None:
    from saberlm.finetune.sft import _refuse_silent

    with pytest.raises(ValueError, match="audio: ticks or none"):
        _refuse_silent(songs)
    _refuse_silent([replace(song, frames=np.zeros((4, 2))) for song in songs])


def test_mappers_with_enough_maps_are_named(tmp_path: Path) -> None:
    import json

    names = ["often"] * MIN_MAPS_OF_A_MAPPER + ["once"]
    lines = [
        json.dumps({"n": i, "dat": f"{i}/", "audio": f"{i}.ogg", "mapper": name, "year": 2019})
        for i, name in enumerate(names)
    ]
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines))
    sources = find_sources(tmp_path, tmp_path)
    assert [s.mapper for s in sources] == ["often"] * MIN_MAPS_OF_A_MAPPER + [None]
    assert {s.year for s in sources} == {2019}
