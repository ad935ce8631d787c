"""Training the beat network: targets, crops, measures, and that a stopped run ends the same."""

import json

import numpy as np
import pytest
import soundfile as sf
import torch

from saberlm.finetune import train_beats
from saberlm.finetune.beat_data import (
    Augmentation,
    BeatSong,
    draw_batch,
    first_beat_of_bar,
    load_songs,
    targets,
)
from saberlm.finetune.beat_report import average_precision, measure, met, peaks
from saberlm.finetune.sources import MapSource
from saberlm.finetune.tempo_truth import TrueTempo
from saberlm.finetune.train_beats import BeatTrainingConfig, fold_of, train_beat_net
from saberlm.infer.beat_features import FPS, NUM_BANDS
from saberlm.infer.beat_net import BeatNetConfig
from saberlm.infer.onsets import RATE
from saberlm.prompts.grid import FittedGrid

PLAIN = Augmentation(
    speed=0, gain_db=0, colour_db=0, band_masks=0, time_mask_share=0, time_mask_seconds=0
)
TINY = BeatNetConfig(front_channels=2, channels=12, dilations=(1, 2, 4, 8, 16, 32), dropout=0.0)


def clicks(bpm: float, offset: float, *, key: str = "0000", seconds: float = 40.0) -> BeatSong:
    """Features of a click track, low on the first beat of four, over faint noise."""
    features = np.random.default_rng(0).uniform(0, 0.3, (int(seconds * FPS), NUM_BANDS))
    count = int((seconds - offset - 0.1) * bpm / 60)
    for number in range(count):
        frame = round((offset + number * 60 / bpm) * FPS)
        features[frame, : 20 if number % 4 == 0 else 64] += 3
        features[frame, 20:] += 0 if number % 4 == 0 else 1
    last = offset + (count - 1) * 60 / bpm
    return BeatSong(key, features.astype(np.float16), bpm, offset, offset, last)


def config(**changes) -> BeatTrainingConfig:
    plain = {
        "steps": 6, "crops": 2, "crop_seconds": 6.0, "checkpoint_every": 2, "network": TINY,
        "bfloat16": False, "augmentation": PLAIN,
    }  # fmt: skip
    return BeatTrainingConfig(**{**plain, **changes})


def test_targets_peak_on_beats_and_keep_their_place_between_frames() -> None:
    song = clicks(120, 0.31)
    found = targets(np.arange(2000) / FPS, song, 1 / FPS)
    assert found[:, 0].max() <= 1
    assert set(np.flatnonzero(found[:, 1])) <= set(np.flatnonzero(found[:, 0]))
    times, _ = peaks(found[:, 0], FPS, 0.1)
    beats = np.round((times - 0.31) * 2)
    assert len(times) == 80
    np.testing.assert_allclose(times, 0.31 + beats / 2, atol=0.002)
    bars, _ = peaks(found[:, 1], FPS, 0.1)
    assert len(bars) == 20
    np.testing.assert_allclose((bars - 0.31 + 1) % 2, 1, atol=1e-3)


def test_a_whole_frame_away_is_half() -> None:
    song = clicks(120, 1.0)
    near = targets(np.array([0.96, 0.98, 1.0, 1.02, 1.06]), song, 0.02)[:, 0]
    np.testing.assert_allclose(near, [0.25, 0.5, 1.0, 0.5, 0.0], atol=1e-6)


@pytest.mark.parametrize("bpm", [96, 120, 188])
def test_crops_at_other_speeds_keep_their_clicks_on_the_targets(bpm: float) -> None:
    songs = [clicks(bpm, 0.4)]
    changed = Augmentation(speed=0.15, gain_db=6, colour_db=3, band_masks=0, time_mask_share=0)
    rng = np.random.default_rng(1)
    batch = draw_batch(songs, 6, 500, rng, changed)
    for features, wanted, weight in zip(batch.features, batch.targets, batch.weight, strict=True):
        loud = features.sum(axis=1)
        _, on = peaks(wanted[:, 0] * weight, FPS, 0.6)
        assert len(on) >= 12
        believed = weight > 0
        loud, on_beat = loud[believed], wanted[believed, 0]
        assert np.corrcoef(loud, on_beat)[0, 1] > 0.5
        assert np.corrcoef(loud, np.roll(on_beat, 8))[0, 1] < 0.2
        times, _ = peaks(wanted[:, 0] * weight, FPS, 0.6)
        assert 95 * 0.98 < 60 / np.median(np.diff(times)) < 190 * 1.02


def test_targets_are_not_believed_where_there_are_no_notes() -> None:
    song = clicks(120, 0.0)
    short = BeatSong(song.key, song.features, 120, 0.0, 10.0, 20.0)
    batch = draw_batch([short], 4, int(40 * FPS), np.random.default_rng(0), PLAIN)
    assert set(np.unique(batch.weight)) == {0.0, 1.0}
    assert (batch.weight.sum(axis=1) <= (20 - 10 + 2 * 8 * 0.5) * FPS + 1).all()


@pytest.mark.parametrize("fuller", range(4))
def test_the_bar_begins_where_clearly_more_notes_are(fuller: int) -> None:
    grid = FittedGrid(120.0, -0.3, 1.0)
    every = np.arange(100)
    more = np.concatenate([every, np.arange(fuller, 100, 4)])
    assert first_beat_of_bar(more * 0.5 - 0.3, grid) == fuller
    assert first_beat_of_bar(np.append(every, fuller) * 0.5 - 0.3, grid) == 0
    assert first_beat_of_bar(every * 0.5 - 0.05, grid) == 0  # none on a beat


def test_features_are_made_once_and_the_bar_is_moved(tmp_path) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, RATE * 6).astype(np.float32)
    sf.write(tmp_path / "song.wav", samples, RATE)
    notes = np.concatenate([np.arange(8), [1, 5]]) * 0.5
    truth = TrueTempo(
        MapSource("0007", tmp_path, None, "train", None),
        tmp_path / "song.wav",
        120.0,
        FittedGrid(120.0, 0.0, 1.0),
        np.sort(notes),
    )
    once = load_songs([truth], tmp_path / "cache")
    (tmp_path / "song.wav").unlink()
    again = load_songs([truth], tmp_path / "cache")
    np.testing.assert_array_equal(once[0].features, again[0].features)
    assert once[0].features.shape == (6 * FPS + 1, NUM_BANDS)
    assert (once[0].offset_seconds, once[0].last_seconds) == (0.5, 3.5)


def test_masks_silence_bands_and_time() -> None:
    masks = Augmentation(speed=0, gain_db=0, colour_db=0, time_mask_share=1.0)
    batch = draw_batch([clicks(120, 0.0)], 8, 200, np.random.default_rng(2), masks)
    silent = batch.features == 0
    assert silent.all(axis=1).any()  # a band through a whole crop
    assert silent.all(axis=2).any()  # a frame


def test_folds_hold_out_every_song_once() -> None:
    keys = [f"{n:04d}" for n in range(11)]
    held = fold_of(keys, 4, 0)
    assert sorted(held) == keys
    assert sorted(np.bincount(list(held.values()))) == [2, 3, 3, 3]
    assert held == fold_of(keys[::-1], 4, 0)
    assert held != fold_of(keys, 4, 1)
    with pytest.raises(ValueError, match="expected 2 to 11 folds"):
        fold_of(keys, 12, 0)


def test_estimates_meet_a_reference_once() -> None:
    found = met(np.array([0.98, 1.01, 2.2, 3.0]), np.array([1.0, 2.0, 3.0]), 0.07)
    assert found.tolist() == [False, True, False, True]
    assert not met(np.array([1.0]), np.zeros(0), 0.07).any()
    assert met(np.array([1.0]), np.array([1.05]), 0.07).all()


def test_average_precision_of_a_known_ranking() -> None:
    heights = np.array([0.9, 0.8, 0.7])
    assert average_precision(heights, np.array([True, False, True]), 2) == pytest.approx(5 / 6)
    assert average_precision(heights, np.array([True, False, True]), 4) == pytest.approx(5 / 12)
    assert average_precision(heights, np.zeros(3, bool), 2) == 0


def test_a_click_track_is_learnt(tmp_path) -> None:
    songs = [clicks(bpm, 0.1 + bpm / 1000, key=f"{bpm:04d}") for bpm in (100, 120, 140, 160)]
    settings = config(steps=60, crops=4, learning_rate=1e-2, checkpoint_every=10)
    net = train_beat_net(songs, settings, tmp_path / "net")
    lines = [json.loads(x) for x in (tmp_path / "net" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(10, 61, 10))
    assert lines[-1]["loss"] < 0.6 * lines[0]["loss"]
    unheard = measure(net, [clicks(130, 0.2)])
    assert unheard["beat F1@70"] > 0.9
    assert unheard["beat F1@20"] > 0.9
    assert unheard["downbeat AP@70"] > 0.8
    assert unheard["bar"] == 1
    assert not (tmp_path / "net" / "checkpoint.pt").exists()


def test_a_stopped_run_ends_as_one_that_was_not(tmp_path, monkeypatch) -> None:
    songs = [clicks(120, 0.1), clicks(150, 0.2, key="0001")]
    settings = config(augmentation=Augmentation(), network=BeatNetConfig(2, 4, dilations=(1, 2)))
    whole = train_beat_net(songs, settings, tmp_path / "whole")
    step = train_beats.train_step

    def stopped(net, optimiser, given, settings, number):
        if number == 4:
            raise KeyboardInterrupt
        return step(net, optimiser, given, settings, number)

    monkeypatch.setattr(train_beats, "train_step", stopped)
    with pytest.raises(KeyboardInterrupt):
        train_beat_net(songs, settings, tmp_path / "parts")
    assert (tmp_path / "parts" / "checkpoint.pt").exists()
    monkeypatch.setattr(train_beats, "train_step", step)
    with pytest.raises(ValueError, match="other settings or songs"):
        train_beat_net(songs[:1], settings, tmp_path / "parts")
    parts = train_beat_net(songs, settings, tmp_path / "parts")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name]), name
    for name in ("log.jsonl", "model.safetensors", "config.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_a_finished_network_is_not_trained_again(tmp_path, monkeypatch) -> None:
    songs = [clicks(120, 0.1)]
    settings = config(steps=1, network=BeatNetConfig(2, 4, dilations=(1,)))
    train_beat_net(songs, settings, tmp_path / "net")
    monkeypatch.setattr(train_beats, "train_step", None)
    train_beat_net(songs, settings, tmp_path / "net")
    with pytest.raises(ValueError, match="other settings or songs"):
        train_beat_net(songs, config(seed=1), tmp_path / "net")


def test_a_loss_that_is_no_number_stops_the_run(tmp_path) -> None:
    song = clicks(120, 0.1)
    song.features[:] = np.nan
    with pytest.raises(ValueError, match="step 1: the loss is nan"):
        train_beat_net([song], config(), tmp_path / "net")
    assert not (tmp_path / "net" / "checkpoint.pt").exists()


def test_bad_settings_and_no_songs_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="steps must be 1 or more"):
        config(steps=0)
    with pytest.raises(ValueError, match="crop_seconds"):
        config(crop_seconds=0.1)
    with pytest.raises(ValueError, match="found none"):
        train_beat_net([], config(), tmp_path)
