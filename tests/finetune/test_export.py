"""A run's result in the form that ships: it loads, and says how its training maps were."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from saberlm.adapter.loading import load_model
from saberlm.finetune.export import USUAL_NOTES, export_model, measure_cuts
from saberlm.finetune.shards import load_dataset
from saberlm.infer.cut_balance import balanced_shares, count_cuts, human_shares
from saberlm.prompts.vocab import fingerprint


def test_the_use_of_cuts_lies_between_the_maps_and_what_is_usual(data_dir: Path) -> None:
    songs = load_dataset(data_dir, "train")
    found = measure_cuts(songs)
    for name, shares in found.items():
        streams = [
            d for song in songs for d in song.difficulties if d.conditions.difficulty == name
        ]
        counts = np.sum([count_cuts(stream.bars) for stream in streams], axis=0)
        usual = human_shares(name)
        assert usual is not None
        weight = counts.sum() / (counts.sum() + USUAL_NOTES)
        mixed = weight * counts / counts.sum() + (1 - weight) * usual
        assert np.abs(np.array(shares) - mixed).max() < 1e-4


def test_an_exported_model_loads_and_holds_to_its_maps(
    tiny_model: Any, data_dir: Path, tmp_path: Path
) -> None:
    songs = load_dataset(data_dir, "train")
    tiny_model.save_pretrained(tmp_path / "run")
    assert export_model(tmp_path / "run", songs, tmp_path / "out") < 45
    loaded = load_model(tmp_path / "out", fingerprint()).model
    calibration = loaded.config.calibration
    assert calibration["median_nps"]
    for name in calibration["cut_shares"]:
        held = balanced_shares(calibration["cut_shares"], name)
        assert held is not None
        assert held.sum() == pytest.approx(1)
    for (name, ours), theirs in zip(
        loaded.named_parameters(), tiny_model.parameters(), strict=True
    ):
        assert torch.allclose(ours.float(), theirs.to(torch.bfloat16).float()), name
