from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from saberlm.adapter.configuration_saber import SaberAudioConfig
from saberlm.adapter.modeling_saber import SaberAudioTower
from saberlm.finetune import onset_report
from saberlm.finetune.shards import load_dataset
from saberlm.finetune.tower import load_tower
from saberlm.finetune.windows import NOTE_TICK, onset_targets

SIZES = {"hidden_size": 24, "num_hidden_layers": 1, "num_resampler_layers": 1, "dropout": 0.0}


class Oracle(SaberAudioTower):
    """Knows the first song's notes and says them whatever it hears, unless it is deaf to it."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__(SaberAudioConfig(**SIZES))
        self.said = logits

    def onsets(self, latents, latent_mask, conditions):  # type: ignore[no-untyped-def]
        return torch.stack([self.said, torch.zeros_like(self.said)])


@pytest.fixture
def tower() -> SaberAudioTower:
    torch.manual_seed(0)
    return SaberAudioTower(SaberAudioConfig(**SIZES)).eval()


def test_who_knows_the_notes_scores_one_and_who_hears_nothing_less(data_dir: Path) -> None:
    songs = load_dataset(data_dir, "train")[:2]
    stream = songs[0].difficulties[0]
    first = replace(songs[0], difficulties=(stream,))
    other = replace(songs[1], difficulties=())
    targets = torch.from_numpy(onset_targets(list(stream.bars), [True] * songs[0].num_bars))
    logits = torch.zeros(len(targets), 2)
    logits[:, 0] = torch.where(targets == NOTE_TICK, 5.0, -5.0)
    row = onset_report.hear_maps(Oracle(logits).eval(), [first, other])[0]
    assert row.f1_50 == row.f1_20 == 1
    assert row.other_f1_50 < 1  # equal logits everywhere: the first ticks that are free
    assert row.onsets == int((targets == NOTE_TICK).sum())
    assert row.loss < row.other_loss


def test_a_tower_alone_is_read_as_it_was(tower: SaberAudioTower, tmp_path: Path) -> None:
    save_file(tower.state_dict(), tmp_path / "tower.safetensors")
    again = load_tower(tmp_path / "tower.safetensors")
    features = torch.randn(1, 96, 120)
    mask = torch.ones(1, 96, dtype=torch.bool)
    assert torch.equal(again(features, mask), tower(features, mask))
    save_file({"x": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="audio tower, found none"):
        load_tower(tmp_path / "other.safetensors")


def test_frames_of_another_front_end_are_refused(data_dir: Path) -> None:
    tower = SaberAudioTower(SaberAudioConfig(num_features=64, **SIZES)).eval()
    with pytest.raises(ValueError, match="64 features, found 120"):
        onset_report.hear_maps(tower, load_dataset(data_dir, "train")[:2])


def test_latents_repeat_to_the_length_asked_for() -> None:
    latents = torch.arange(6.0).view(3, 2)
    assert torch.equal(onset_report.lay_over(latents, 7), latents[[0, 1, 2, 0, 1, 2, 0]])
    assert torch.equal(onset_report.lay_over(latents, 2), latents[:2])


def test_tables_and_json(tower: SaberAudioTower, data_dir: Path) -> None:
    rows = onset_report.hear_maps(tower, load_dataset(data_dir, "train")[:2])
    assert onset_report.from_json(onset_report.to_json(rows)) == rows
    table = onset_report.render(rows)
    assert "| Hard | 2 |" in table
    assert f"{np.mean([row.f1_50 for row in rows]):.3f}" in table
    assert "+0.000" in onset_report.render_difference(rows, rows)
    with pytest.raises(ValueError, match="same maps"):
        onset_report.render_difference(rows, [])
