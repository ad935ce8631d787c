import numpy as np
import pytest
import torch

from saberlm.adapter import frontend
from saberlm.adapter.frontend import (
    PRETRAINED,
    DacFrontEnd,
    LogMelFrontEnd,
    grid_edges,
    grid_frames,
    make_frontend,
)
from saberlm.adapter.processing_saber import SaberFeatureExtractor


def clicks(seconds: float, bpm: float, offset: float, rate: int = 24_000) -> np.ndarray:
    samples = np.zeros(int(seconds * rate), dtype=np.float32)
    rng = np.random.default_rng(0)
    burst = (rng.normal(size=480) * np.exp(-np.arange(480) / 80)).astype(np.float32)
    for beat in np.arange(offset, seconds - 0.1, 60 / bpm):
        start = int(beat * rate)
        samples[start : start + 480] += burst[: len(samples) - start]
    return samples


@pytest.mark.parametrize(("rate", "window", "bands"), [(24000, 1024, 80), (24000, 2048, 40)])
def test_the_filters_are_those_of_librosa(rate: int, window: int, bands: int) -> None:
    import librosa

    expected = librosa.filters.mel(sr=rate, n_fft=window, n_mels=bands, fmin=30.0)
    assert frontend._mel_filters(rate, window, bands).numpy() == pytest.approx(expected, abs=1e-8)


def test_logmel_shape_does_not_depend_on_blocks() -> None:
    front = LogMelFrontEnd()
    samples = torch.from_numpy(clicks(65, 120, 0.2))
    whole = front.encode(samples)
    assert whole.shape == (6501, 120)
    assert torch.isfinite(whole).all()
    start = front.encode(samples[: 24_000 * 20])
    assert torch.allclose(whole[:1900], start[:1900], atol=1e-4)


@pytest.mark.parametrize("cells", [12, 24])
@pytest.mark.parametrize("bpm", [96.0, 128.0, 187.5])
def test_clicks_land_on_their_grid_cells(bpm: float, cells: int) -> None:
    front = LogMelFrontEnd()
    frames = front.encode(torch.from_numpy(clicks(20, bpm, 0.5))).numpy()
    grid = grid_frames(frames, front.frame_rate, grid_edges(bpm, 0.5, 0, 16, cells))
    flux = grid[:, 80:].sum(1).reshape(16, cells)
    near = max(1, round(0.03 * cells * bpm / 60))  # cells that 30 ms reach
    assert ((flux[1:].argmax(1) <= near) | (flux[1:].argmax(1) >= cells - near)).all()
    around = np.arange(-near, near + 1) % cells
    assert flux[1:, around].sum() > 0.8 * flux[1:].sum()


def test_grid_frames_keep_the_mean() -> None:
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(300, 5)).astype(np.float32)
    edges = np.linspace(0.5, 2.5, 41) - 0.5 / 100
    grid = grid_frames(frames, 100.0, edges)
    assert grid.shape == (40, 5)
    np.testing.assert_allclose(grid.mean(0), frames[50:250].mean(0), atol=1e-4)


def test_grid_outside_the_song_holds_the_edge_frame() -> None:
    frames = np.arange(20, dtype=np.float32)[:, None]
    grid = grid_frames(frames, 10.0, np.array([-3.0, -2.0, -1.0, 5.0, 6.0]))
    assert grid[0, 0] == pytest.approx(0)
    assert grid[-1, 0] == pytest.approx(19)


def test_dac_front_end_gives_latents_by_the_chunk() -> None:
    from transformers import DacConfig, DacModel

    torch.manual_seed(0)
    config = DacConfig(
        encoder_hidden_size=8,
        downsampling_ratios=[2, 4, 8, 8],
        decoder_hidden_size=16,
        n_codebooks=2,
        codebook_size=16,
        codebook_dim=4,
        sampling_rate=44_100,
    )
    for quantized in (True, False):
        front = DacFrontEnd(DacModel(config), quantized=quantized)
        samples = torch.randn(44_100 * 5) * 0.1
        frames = front.encode(samples)
        assert frames.shape == (len(samples) // front.hop + 1, front.num_features)
        # what comes later in the song changes nothing before it, chunk borders included
        again = front.encode(torch.cat([samples, torch.randn(44_100)]))
        half = len(frames) // 2
        assert torch.allclose(frames[:half], again[:half], atol=1e-5)
        # a chunk's margins hold all that its frames hear
        front._chunk_seconds = 0.5
        short = front.encode(samples)
        inner = slice(front.margin, -front.margin)  # the file's ends see other paddings
        assert torch.allclose(frames[inner], short[inner], atol=1e-4)


def test_codec_frames_are_centred_at_their_times() -> None:
    from transformers import DacConfig, DacModel

    torch.manual_seed(0)
    config = DacConfig(
        encoder_hidden_size=8,
        downsampling_ratios=[2, 4, 4],
        upsampling_ratios=[4, 4, 2],
        decoder_hidden_size=16,
        n_codebooks=1,
        codebook_size=16,
        codebook_dim=4,
        sampling_rate=24_000,
    )
    front = DacFrontEnd(DacModel(config), quantized=False)
    samples = torch.zeros(24_000)
    silence = front.encode(samples)
    samples[200 * front.hop - 1 : 200 * front.hop + 1] = 1.0
    change = (front.encode(samples) - silence).abs().sum(1)
    centre = (change * torch.arange(len(change))).sum() / change.sum()
    assert centre.item() == pytest.approx(200, abs=0.2)
    assert (change > 1e-6 * change.max()).nonzero()[0] >= 200 - front.margin


def test_front_ends_are_chosen_by_config() -> None:
    assert make_frontend("logmel").num_features == 120
    shipped = make_frontend("dac")
    assert (shipped.sample_rate, shipped.num_features) == (24_000, 128)
    assert make_frontend("dac", "dac-nano").name == shipped.name
    with pytest.raises(ValueError, match="model_type dac"):
        make_frontend("dac", str(PRETRAINED / "nano"))
    with pytest.raises(ValueError, match="expected dac-nano, a DacModel folder"):
        make_frontend("dac", "nobody/no-codec")
    with pytest.raises(ValueError, match="'logmel' or 'dac'"):
        make_frontend("mfcc")


def test_features_cover_the_song_in_whole_bars() -> None:
    out = SaberFeatureExtractor()(clicks(10, 120, 0.0), bpm=120, offset_seconds=-0.5, margin_bars=1)
    bars = int(out["audio_num_bars"][0])
    assert bars == 6  # 10.5 s at 2 s a bar
    assert out["audio_features"].shape == (1, (bars + 2) * 48, 120)
    assert out["sketch_features"].shape == (1, bars, 120)


def test_a_grid_of_any_tempo_takes_its_times_from_a_function() -> None:
    samples = clicks(10, 120, 0.0)
    steady = SaberFeatureExtractor()(samples, bpm=120, offset_seconds=-0.5, margin_bars=1)
    same = SaberFeatureExtractor()(samples, seconds_of=lambda b: -0.5 + b / 2, margin_bars=1)
    assert steady["audio_num_bars"] == same["audio_num_bars"]
    np.testing.assert_allclose(same["audio_features"], steady["audio_features"], atol=1e-4)

    def faster(beats: np.ndarray) -> np.ndarray:  # 60 BPM, then 240 from beat 4 on
        return np.where(beats < 4, beats, 4 + (beats - 4) / 4)

    out = SaberFeatureExtractor()(samples, seconds_of=faster)
    assert int(out["audio_num_bars"][0]) == 7  # 4 s, then 6 s of one a bar
    flux = out["audio_features"][0, :, 80:].sum(1).numpy()
    beats = flux.reshape(-1, 12)
    # clicks each half second: on beat and half at first, then on every other beat
    assert (beats[1:4, 6] > 5 * beats[1:4, 3]).all()
    assert (beats[6:26:2, 0] > 3 * beats[7:27:2, 0]).all()
    with pytest.raises(ValueError, match="one of bpm and seconds_of"):
        SaberFeatureExtractor()(samples)
