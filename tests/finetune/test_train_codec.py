import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from saberlm.finetune import train_codec as tc
from saberlm.finetune.codec_data import draw_crops, find_sounds, read_crop
from saberlm.finetune.codec_loss import mel_distance, si_sdr, wave_distance
from saberlm.finetune.sources import MapSource

RATE = 8_000
TINY = {
    "sample_rate": RATE,
    "ratios": (4, 4),
    "encoder_hidden_size": 8,
    "decoder_hidden_size": 32,
    "hidden_size": 16,
    "codebooks": 2,
    "codebook_size": 16,
    "codebook_dim": 4,
    "crops": 2,
    "crop_seconds": 0.256,
    "minutes": 0.0,
    "steps": 6,
    "warmup_steps": 2,
    "checkpoint_every": 2,
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[MapSource]:
    root = tmp_path_factory.mktemp("songs")
    rng = np.random.default_rng(0)
    out = []
    for i in range(3):
        folder = root / f"level{i}"
        folder.mkdir()
        time = np.arange(3 * 16_000) / 16_000
        tone = 0.3 * np.sin(2 * np.pi * (200 + 150 * i) * time) * (time % 0.5 < 0.3)
        stereo = (tone + 0.01 * rng.normal(size=len(time)))[:, None].repeat(2, axis=1)
        soundfile.write(folder / "song.wav", stereo, 16_000)
        out.append(MapSource(f"{i}", folder, None, "train", None))
    (root / "silent").mkdir()
    return [*out, MapSource("none", root / "silent", None, "train", None)]


def test_crops_are_the_song_at_that_time(sources: list[MapSource]) -> None:
    sounds = find_sounds(sources, 1.0)
    assert len(sounds) == 3  # the folder without sound is left out
    whole = read_crop(sounds[0], 0.0, 3 * RATE, RATE)
    part = read_crop(sounds[0], 1.0, RATE // 2, RATE)
    np.testing.assert_allclose(part[100:-100], whole[RATE:][: RATE // 2][100:-100], atol=0.01)
    tail = read_crop(sounds[0], 2.9, RATE, RATE)
    assert tail.shape == (RATE,)
    assert not tail[RATE // 4 :].any()
    with pytest.raises(ValueError, match="found none that read among 1"):
        find_sounds(sources[3:], 1.0)


def test_a_batch_depends_on_seed_and_step_alone(sources: list[MapSource]) -> None:
    sounds = find_sounds(sources, 1.0)
    one = draw_crops(sounds, 3, 2048, RATE, 0, 5)
    np.testing.assert_array_equal(one, draw_crops(sounds, 3, 2048, RATE, 0, 5))
    assert (one != draw_crops(sounds, 3, 2048, RATE, 0, 6)).any()
    assert np.abs(one).mean() > 0.01


def test_distances_order_estimates_as_ears_do() -> None:
    torch.manual_seed(0)
    sound = torch.randn(2, 8192) * 0.2
    near, far = sound + 0.01 * torch.randn(2, 8192), sound + 0.2 * torch.randn(2, 8192)
    for distance in (lambda a, b: mel_distance(a, b, RATE), wave_distance):
        assert distance(sound, sound) == 0
        assert distance(near, sound) < distance(far, sound)
    assert (si_sdr(near, sound) > si_sdr(far, sound)).all()
    # a tenth of the amplitude as noise is 20 dB; size does not matter
    assert si_sdr(sound + 0.02 * torch.randn(2, 8192), sound).mean().item() == pytest.approx(
        20, abs=1
    )
    assert torch.allclose(si_sdr(3 * far, sound), si_sdr(far, sound), atol=1e-3)


def test_signals_keep_their_size_and_codebooks_begin_among_them(sources: list[MapSource]) -> None:
    torch.manual_seed(0)
    config = tc.CodecTrainingConfig(**TINY)
    model = tc.new_codec(config)
    heard = torch.from_numpy(draw_crops(find_sounds(sources, 1.0), 4, 2048, RATE, 0, 0))[:, None]
    tc.fit_codebooks(model, heard, torch.Generator().manual_seed(0))
    latents = model.encoder(heard)
    assert latents.std().item() == pytest.approx(1, abs=0.01)
    used, perplexity = tc.code_use(
        model.eval().quantizer(latents)[1].transpose(0, 1).flatten(1), 16
    )
    assert used > 0.5
    assert 1 < perplexity <= 16


def test_code_use_counts() -> None:
    used, perplexity = tc.code_use(torch.tensor([[0, 1, 2, 3], [0, 0, 0, 0]]), 8)
    assert used == pytest.approx((4 / 8 + 1 / 8) / 2)
    assert perplexity == pytest.approx((4 + 1) / 2)


def test_a_stopped_run_goes_on_to_the_same_weights(
    sources: list[MapSource], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sounds = find_sounds(sources, 1.0)
    config = tc.CodecTrainingConfig(**TINY)
    whole = tc.train_codec(sounds, config, tmp_path / "whole")
    original = tc.train_step

    def dies(*given, **named):  # type: ignore[no-untyped-def]
        if given[4] == 5:
            raise KeyboardInterrupt
        return original(*given, **named)

    monkeypatch.setattr(tc, "train_step", dies)
    with pytest.raises(KeyboardInterrupt):
        tc.train_codec(sounds, config, tmp_path / "stopped")
    monkeypatch.setattr(tc, "train_step", original)
    again = tc.train_codec(sounds, config, tmp_path / "stopped")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    lines = [json.loads(x) for x in (tmp_path / "stopped" / tc.LOG_NAME).read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6]
    more = tc.train_codec(
        sounds, tc.CodecTrainingConfig(**{**TINY, "steps": 8}), tmp_path / "stopped"
    )
    assert any((more.state_dict()[name] != t).any() for name, t in again.state_dict().items())
    with pytest.raises(ValueError, match="other settings"):
        tc.train_codec(sounds, tc.CodecTrainingConfig(**{**TINY, "seed": 1}), tmp_path / "stopped")


def test_training_brings_the_sound_nearer(sources: list[MapSource], tmp_path: Path) -> None:
    sounds = find_sounds(sources, 1.0)
    settings = {**TINY, "steps": 30, "learning_rate": 5e-3, "checkpoint_every": 10}
    tc.train_codec(sounds, tc.CodecTrainingConfig(**settings), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / tc.LOG_NAME).read_text().splitlines()]
    assert lines[-1]["mel"] < 0.9 * lines[0]["mel"]


def test_a_loss_that_is_no_number_stops(sources: list[MapSource], tmp_path: Path) -> None:
    sounds = find_sounds(sources, 1.0)
    config = tc.CodecTrainingConfig(**{**TINY, "wave_weight": float("nan")})
    with pytest.raises(ValueError, match="step 1: the loss is nan"):
        tc.train_codec(sounds, config, tmp_path)


def test_a_run_ships_a_front_end(sources: list[MapSource], tmp_path: Path) -> None:
    from dataclasses import replace

    from saberlm.adapter.frontend import DacFrontEnd

    settings = tc.CodecTrainingConfig(**{**TINY, "steps": 1})
    split = [replace(one, split="valid" if one.key == "2" else "train") for one in sources]
    report = tc.run_codec(split, tmp_path, settings)
    assert report["songs"] == 1
    assert np.isfinite(list(report.values())).all()
    front = DacFrontEnd.from_pretrained(tmp_path / "final")
    assert next(front.model.parameters()).dtype == torch.float32
    frames = front.encode(torch.zeros(RATE))
    assert frames.shape == (RATE // 16 + 1, 16)
    assert json.loads((tmp_path / "final" / tc.FACTS_NAME).read_text())["steps"] == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"steps": 0}, "budget"), ({"ratios": (4, 5)}, "even"), ({"crops": 0}, "1 or more")],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tc.CodecTrainingConfig(**{**TINY, **wrong})
