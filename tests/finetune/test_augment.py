from dataclasses import fields, replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from saberlm.finetune.augment import (
    LOGMEL,
    NO_AUGMENTATION,
    Augmentation,
    Bands,
    augment_features,
    change_speed,
    draw_speed,
)
from saberlm.finetune.shards import SongShard, load_dataset
from saberlm.finetune.warmup import OnsetCollator
from saberlm.prompts import vocab as v

SOUND = ("pitch", "gain", "masks", "noise", "codec")
SIZE = 3


def only(*kinds: str) -> Augmentation:
    return replace(NO_AUGMENTATION, **dict.fromkeys(kinds, True))


@pytest.fixture(scope="module")
def songs(data_dir: Path) -> list[SongShard]:
    return load_dataset(data_dir, "train")[:2]


@pytest.fixture
def features(songs: list[SongShard]) -> np.ndarray:
    return songs[0].grid(0, 6)


def windows(songs: list[SongShard], kinds: Augmentation, seed: int) -> dict:
    collator = OnsetCollator(songs, SIZE, augmentation=kinds, seed=seed)
    return collator([{"song": 0}, {"song": 1}])


def test_nothing_is_done_unasked(features: np.ndarray) -> None:
    assert np.array_equal(augment_features(features, Random(0), NO_AUGMENTATION), features)


@pytest.mark.parametrize("kind", SOUND)
def test_each_kind_changes_the_sound_by_chance_and_no_more(kind: str, features: np.ndarray) -> None:
    before = features.copy()
    made = [augment_features(features, Random(seed), only(kind)) for seed in range(8)]
    assert np.array_equal(features, before)
    assert any(not np.array_equal(one, features) for one in made)
    assert all(one.shape == features.shape and np.isfinite(one).all() for one in made)
    again = augment_features(features, Random(3), only(kind))
    assert np.array_equal(again, made[3])


@pytest.mark.parametrize("seed", range(8))
def test_pitch_moves_bands_alike_in_all_blocks(seed: int, features: np.ndarray) -> None:
    """A ramp over the bands, so that a band says where it came from."""
    layout = (*LOGMEL, Bands("level", 60))
    ramp = [np.linspace(0, 40, bands.count, endpoint=False) for bands in layout]
    frames = np.tile(np.concatenate(ramp), (4, 1)).astype(np.float32)
    moved = augment_features(frames, Random(seed), only("pitch"), layout) - frames
    middles = [moved[0, 40], moved[0, 100], moved[0, 150]]  # of each block, away from its ends
    assert np.ptp(middles) < 0.34  # half of one of 60 bands
    assert abs(middles[0]) < 2.01


@pytest.mark.parametrize("seed", range(8))
def test_noise_fills_up_and_flattens(seed: int, features: np.ndarray) -> None:
    made = augment_features(features, Random(seed), only("noise"))
    assert (made[:, :80] >= features[:, :80] - 1e-5).all()
    assert (made[:, 80:] <= features[:, 80:] + 1e-5).all()
    assert (made[:, 80:] >= 0).all()


@pytest.mark.parametrize("seed", range(8))
def test_a_codec_spares_what_is_loud(seed: int, features: np.ndarray) -> None:
    made = augment_features(features, Random(seed), only("codec"))
    change = np.abs(made - features)[:, :60]  # bands that no codec drops
    loud = features[:, :60] > features[:, :60].max(1, keepdims=True) - 0.5
    assert change[loud].mean() <= change[~loud].mean()
    assert change.mean() < 0.3
    assert (made[:, 80:] >= 0).all()


def test_other_widths_are_masked_alone() -> None:
    frames = np.random.default_rng(0).normal(size=(96, 30)).astype(np.float32)
    kinds = Augmentation(masks=False, noise=True, codec=True)
    assert np.array_equal(augment_features(frames, Random(1), kinds), frames)
    masked = [augment_features(frames, Random(seed), only("masks")) for seed in range(4)]
    assert any(not np.array_equal(one, frames) for one in masked)


@pytest.mark.parametrize("rate", [0.9, 1.1])
def test_another_speed_leaves_sound_and_notes_on_the_grid(
    rate: float, songs: list[SongShard]
) -> None:
    song = songs[0]
    fast = change_speed(song, rate)
    assert fast.bpm == song.bpm * rate
    assert len(fast.frames) == pytest.approx(len(song.frames) / rate, abs=2)
    here, there = song.grid(1, 8)[:, :80], fast.grid(1, 8)[:, :80]
    assert np.corrcoef(here.ravel(), there.ravel())[0, 1] > 0.98
    off = song.grid(1 + 1 / 16, 8)[:, :80]  # a quarter of a beat away
    assert np.abs(here - there).mean() < 0.5 * np.abs(here - off).mean()
    for ours, theirs in zip(song.difficulties, fast.difficulties, strict=True):
        assert theirs.bars is ours.bars
        assert theirs.conditions.nps == pytest.approx(ours.conditions.nps * rate)
        assert theirs.conditions.bpm == pytest.approx(ours.conditions.bpm * rate)
        assert theirs.conditions.difficulty == ours.conditions.difficulty


def test_the_same_speed_changes_nothing(songs: list[SongShard]) -> None:
    same = change_speed(songs[0], 1.0)
    assert np.abs(same.frames - songs[0].frames.astype(np.float32)).max() < 0.02  # flux of float16
    assert same.num_bars == songs[0].num_bars
    with pytest.raises(ValueError, match="rate above 0"):
        change_speed(songs[0], 0)
    rates = [draw_speed(Random(seed)) for seed in range(200)]
    assert rates.count(1.0) > 60
    assert max(rates) < 1.13
    assert min(rates) > 1 / 1.13


def test_which_windows_come_does_not_depend_on_their_sound(songs: list[SongShard]) -> None:
    every = Augmentation(**dict.fromkeys((f.name for f in fields(Augmentation)), True))
    every = replace(every, bar_phase=False, speed=False)
    plain, changed = windows(songs, NO_AUGMENTATION, 5), windows(songs, every, 5)
    assert (plain["targets"] == changed["targets"]).all()
    assert (plain["conditions"] == changed["conditions"]).all()
    assert (plain["audio_features"] != changed["audio_features"]).any()


def test_bars_that_begin_on_another_beat_take_notes_and_sound_along(
    songs: list[SongShard],
) -> None:
    cells, ticks = 12, v.TICKS_PER_BEAT
    moved = set()
    for seed in range(6):
        plain = windows(songs, NO_AUGMENTATION, seed)
        shifted = windows(songs, only("bar_phase"), seed)
        for row in range(2):
            here, there = plain["audio_features"][row], shifted["audio_features"][row]
            fits = [
                beat
                for beat in range(4)
                if np.allclose(here[beat * cells :], there[: len(there) - beat * cells], atol=1e-3)
            ]
            owner = plain["rows"] == row
            ours, theirs = plain["targets"][owner], shifted["targets"][owner]
            assert any(
                (ours[:, beat * ticks :] == theirs[:, : ours.shape[1] - beat * ticks]).all()
                for beat in fits
            )
            moved.update(fits)
    assert moved == {0, 1, 2, 3}
