from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

pytest.importorskip("datasets")

from saberlm.finetune.augment import augment_features
from saberlm.finetune.collator import (
    IGNORE,
    MOST_REPEATS,
    DataCollatorForBeatmapModeling,
    repeats,
    window_table,
)
from saberlm.finetune.shards import SongShard, load_shard
from saberlm.finetune.windows import (
    NOTE_TICK,
    OTHER_TICK,
    UNKNOWN_TICK,
    fitting_bars,
    onset_targets,
)
from saberlm.prompts import vocab as v


@pytest.fixture(scope="module")
def songs(data_dir: Path) -> list[SongShard]:
    """All built songs."""
    return [load_shard(p) for p in sorted((data_dir / "shards").glob("*.safetensors"))]


def rows_of(table: dict[str, list[int]]) -> list[dict[str, int]]:
    return [{name: column[i] for name, column in table.items()} for i in range(len(table["song"]))]


def test_labels_are_map_tokens_only(songs: list[SongShard]) -> None:
    collator = DataCollatorForBeatmapModeling(songs, 4, augment=False)
    batch = collator(rows_of(window_table(songs, 4))[:5])
    labels, ids = batch["labels"], batch["input_ids"]
    assert isinstance(labels, torch.Tensor)
    assert isinstance(ids, torch.Tensor)
    learnt = labels != IGNORE
    assert torch.equal(labels[learnt], ids[learnt])
    first_text = v.OFFSETS["text"]
    given = {v.PAD, v.SEG, v.AUDIO, v.SKETCH, v.HEADER, v.END_HEADER}
    assert not any(int(t) in given or int(t) >= first_text for t in labels[learnt])
    # every END_SEG of a taught bar is learnt
    assert int((labels == v.END_SEG).sum()) == int((ids == v.END_SEG).sum())


def test_the_batch_fits_the_model(songs: list[SongShard], tiny_model: torch.nn.Module) -> None:
    collator = DataCollatorForBeatmapModeling(songs, 4, seed=3)
    batch = collator(rows_of(window_table(songs, 4))[-4:])
    out = tiny_model(**batch)
    assert torch.isfinite(out.loss)


def test_padding_changes_no_rows_loss(songs: list[SongShard], tiny_model: torch.nn.Module) -> None:
    collator = DataCollatorForBeatmapModeling(songs, 4, augment=False)
    rows = rows_of(window_table(songs, 4))[:6]

    def losses(batch: dict) -> torch.Tensor:  # type: ignore[type-arg]
        labels = batch.pop("labels")
        with torch.no_grad():
            logits = tiny_model(**batch).logits[:, :-1]
        nll = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), labels[:, 1:], reduction="none", ignore_index=IGNORE
        )
        return nll.sum(1)

    together = losses(collator(rows))
    alone = torch.cat([losses(collator([row])) for row in rows])
    assert torch.allclose(together, alone, rtol=1e-4, atol=1e-3)


def test_onset_targets_say_what_starts() -> None:
    note, light = v.token_id("note", 5), v.token_id("light", 3)
    bar = np.array(
        [v.token_id("position", 0), note, light, v.token_id("position", 50), light], dtype=np.int16
    )
    targets = onset_targets([bar, bar], [True, False]).reshape(2, 192)
    assert targets[0, 0] == NOTE_TICK
    assert targets[0, 50] == OTHER_TICK
    assert (targets[0] == 0).sum() == 190
    assert (targets[1] == UNKNOWN_TICK).all()


def test_dense_windows_hold_fewer_bars() -> None:
    bars = tuple(np.zeros(300, np.int16) for _ in range(8))
    assert fitting_bars(bars, 0, 8, 100) == 2
    assert fitting_bars(bars, 0, 1, 100) == 1
    assert fitting_bars(tuple(np.zeros(1000, np.int16) for _ in range(8)), 0, 8, 100) == 1


def test_augmentation_changes_sound_within_reason() -> None:
    features = np.random.default_rng(0).normal(size=(96, 120)).astype(np.float32)
    changed = augment_features(features, Random(1))
    assert changed.shape == features.shape
    assert not np.array_equal(changed, features)
    assert np.array_equal(augment_features(features, Random(1)), changed)
    assert np.isfinite(changed).all()


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(
        torch.equal(a[k], b[k]) if isinstance(a[k], torch.Tensor) else a[k] == b[k] for k in a
    )


def test_chance_goes_by_seed_epoch_and_row(songs: list[SongShard]) -> None:
    """What a collator made before changes nothing, so a resumed run makes the same rows."""
    rows = rows_of(window_table(songs, 2))[:3]
    tasks = {"lights": 0.3, "remap": 0.3}
    used, fresh = (DataCollatorForBeatmapModeling(songs, 2, seed=4, tasks=tasks) for _ in range(2))
    first = used(rows)
    for epoch in range(3):
        used.epoch = epoch
        used(rows)
    fresh.epoch = 2
    assert same(used(rows), fresh(rows))
    assert not same(first, fresh(rows)), "epochs differ"
    fresh.epoch = 0
    assert same(first, fresh(rows))
    assert not same(first, DataCollatorForBeatmapModeling(songs, 2, seed=5, tasks=tasks)(rows))


def test_workers_that_live_on_hear_of_the_epoch(songs: list[SongShard]) -> None:
    rows = rows_of(window_table(songs, 2))[:2]
    collator = DataCollatorForBeatmapModeling(songs, 2)
    loader = torch.utils.data.DataLoader(
        rows, batch_size=2, collate_fn=collator, num_workers=1, persistent_workers=True
    )
    for epoch in (0, 1):
        collator.epoch = epoch
        (made,) = list(loader)
        assert same(made, collator(rows))
    del loader


def test_rare_difficulties_come_more_often(songs: list[SongShard]) -> None:
    common = [replace(song, difficulties=song.difficulties[:1]) for song in songs]
    named = [
        replace(d, conditions=replace(d.conditions, difficulty="Easy"))
        for d in common[0].difficulties
    ]
    mixed = [replace(common[0], difficulties=tuple(named)), *common]
    times = repeats(mixed)
    assert times["Easy"] == min(MOST_REPEATS, round(len(common) ** 0.5))
    assert min(times.values()) == 1
    plain, balanced = window_table(mixed, 4), window_table(mixed, 4, balance=True)
    easy = sum(song == 0 for song in plain["song"])
    assert sum(song == 0 for song in balanced["song"]) == easy * times["Easy"]
    assert len(balanced["song"]) == len(plain["song"]) + easy * (times["Easy"] - 1)
