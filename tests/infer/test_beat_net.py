"""The beat network: shapes, blocks, files, and what the shipped one hears in drums."""

import json
import tracemalloc

import numpy as np
import pytest
import torch
from synth import RATE, drums

from saberlm.infer import beat_net
from saberlm.infer.beat_features import FPS, HOP, NUM_BANDS
from saberlm.infer.beat_net import (
    BeatNet,
    BeatNetConfig,
    activations_of,
    beat_activations,
    load_beat_net,
    save_beat_net,
)

SMALL = BeatNetConfig(front_channels=2, channels=6, dilations=(1, 2, 4))


def small_net(seed: int = 0) -> BeatNet:
    """Random weights and norms, and a head that says more than its bias."""
    torch.manual_seed(seed)
    net = BeatNet(SMALL)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
    net.head.weight.data.normal_()
    net.head.bias.data.zero_()
    return net.eval()


def noise(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 4, (frames, NUM_BANDS)).astype(np.float32)


def test_log_odds_of_every_frame() -> None:
    assert small_net()(torch.from_numpy(noise(50))[None]).shape == (1, 50, 2)


def test_a_batch_is_its_songs_one_by_one() -> None:
    net, features = small_net(), torch.from_numpy(np.stack([noise(80, seed) for seed in range(3)]))
    with torch.inference_mode():
        together = net(features)
        for row in range(3):
            torch.testing.assert_close(together[row], net(features[row : row + 1])[0])


def test_nothing_is_heard_beyond_the_reach() -> None:
    net, features = small_net(), noise(120)
    before = activations_of(features, net)
    features[60] += 3
    after = activations_of(features, net)
    changed = np.flatnonzero(np.abs(after.beat - before.beat) > 1e-7)
    assert 60 in changed
    assert changed.min() >= 60 - SMALL.reach
    assert changed.max() <= 60 + SMALL.reach


def test_a_long_song_is_heard_in_blocks_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    net, features = small_net(), noise(500)
    whole = activations_of(features, net)
    monkeypatch.setattr(beat_net, "BLOCK_FRAMES", 64)
    parts = activations_of(features, net)
    np.testing.assert_allclose(parts.beat, whole.beat, atol=1e-6)
    np.testing.assert_allclose(parts.downbeat, whole.downbeat, atol=1e-6)
    assert whole.fps == FPS
    assert len(whole.beat) == 500


def test_ten_minutes_take_little_memory() -> None:
    net = small_net()
    features = np.zeros((int(600 * FPS), NUM_BANDS), np.float32)
    tracemalloc.start()
    heard = activations_of(features, net)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(heard.beat) == len(features)
    assert peak < 20e6  # of numpy; the blocks bound torch's


def test_training_mode_is_left_as_it_was() -> None:
    net = small_net().train()
    activations_of(noise(40), net)
    assert net.training


def test_no_frames_give_no_chances() -> None:
    assert len(activations_of(np.zeros((0, NUM_BANDS)), small_net()).beat) == 0


def test_weights_come_back(tmp_path) -> None:
    net = small_net()
    save_beat_net(net, tmp_path, {"seed": 3})
    again = load_beat_net(tmp_path)
    np.testing.assert_allclose(
        activations_of(noise(60), again).beat, activations_of(noise(60), net).beat, atol=2e-3
    )
    assert not again.training
    assert json.loads((tmp_path / "config.json").read_text())["training"] == {"seed": 3}


def test_what_is_no_network_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"found no config\.json"):
        load_beat_net(tmp_path)
    save_beat_net(small_net(), tmp_path, {})
    facts = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(
        json.dumps({"network": {**facts["network"], "channels": 7}})
    )
    with pytest.raises(ValueError, match="expected the weights"):
        load_beat_net(tmp_path)
    (tmp_path / "config.json").write_text(
        json.dumps({"network": {**facts["network"], "features": 0}})
    )
    with pytest.raises(ValueError, match="another version"):
        load_beat_net(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="network's sizes"):
        load_beat_net(tmp_path)


@pytest.mark.parametrize("sizes", [{"channels": 0}, {"kernel": 4}, {"dilations": ()}])
def test_sizes_of_no_network_are_refused(sizes: dict) -> None:
    with pytest.raises(ValueError, match="odd kernel"):
        BeatNetConfig(**sizes)


@pytest.fixture(scope="module")
def shipped() -> BeatNet:
    return load_beat_net()


def test_the_shipped_files_are_small() -> None:
    assert sum(path.stat().st_size for path in beat_net.SHIPPED.iterdir()) < 1_000_000


@pytest.mark.parametrize(("bpm", "offset"), [(120, 0.0), (174, 0.37)])
def test_the_shipped_network_hears_the_beats_of_drums(
    shipped: BeatNet, bpm: float, offset: float
) -> None:
    heard = beat_activations(drums(bpm, offset, seconds=30.0), RATE, shipped)
    beats = offset + np.arange(8, 8 + int(15 * bpm / 60)) * 60 / bpm
    between = beats + 30 / bpm
    on, off = (heard.beat[np.round(at * FPS).astype(int)] for at in (beats, between))
    assert np.median(on) > 0.4
    assert np.median(off) < 0.1


def test_later_sound_is_heard_later(shipped: BeatNet) -> None:
    samples = drums(128, 0.2, seconds=20.0)
    later = np.concatenate([np.zeros(50 * HOP, np.float32), samples])
    first = beat_activations(samples, RATE, shipped).beat
    second = beat_activations(later, RATE, shipped).beat[50 : 50 + len(first)]
    # the silence in front is heard for as far as the network reaches, but hardly changes a thing
    assert np.corrcoef(first[250:-250], second[250:-250])[0, 1] > 0.95


def test_the_same_sound_gives_the_same_chances(shipped: BeatNet) -> None:
    samples = drums(140, 0.1, seconds=6.0)
    once, again = (beat_activations(samples, RATE, shipped) for _ in range(2))
    np.testing.assert_array_equal(once.beat, again.beat)
    assert once.beat.min() >= 0
    assert once.beat.max() <= 1


@pytest.mark.gpu
def test_a_gpu_hears_the_same(shipped: BeatNet) -> None:
    features = noise(300)
    on_cpu = activations_of(features, shipped)
    on_gpu = activations_of(features, load_beat_net().to("cuda"))
    np.testing.assert_allclose(on_gpu.beat, on_cpu.beat, atol=1e-2)
