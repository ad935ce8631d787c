"""What preference training changed, measured between two tiny models."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from pair_kit import save_tiny_model, write_longer

pytest.importorskip("datasets")
pytest.importorskip("matplotlib")

from saberlm.adapter.loading import load_model
from saberlm.finetune.preference_change import changed_bars, shift_table, shifts
from saberlm.finetune.preference_samples import choose_stretches
from saberlm.finetune.preferences import for_play
from saberlm.finetune.shards import load_dataset
from saberlm.infer.sampling import SamplingParams
from saberlm.prompts import vocab as v


@pytest.mark.parametrize("hears", [True, False])
def test_a_model_is_no_way_from_itself_and_some_from_another(
    data_dir: Path, make_config: Any, tmp_path: Path, hears: bool
) -> None:
    songs = load_dataset(write_longer(data_dir, tmp_path / "data"), "train")[:2]
    folder = save_tiny_model(make_config, tmp_path / "model", tick_latents=hears)
    one, other = (load_model(folder, v.fingerprint()).model for _ in range(2))
    same = shifts(one, other, songs, windows=3)
    assert same["all"].divergence == 0
    assert same["all"].tokens == sum(s.tokens for name, s in same.items() if name != "all")
    stretches = choose_stretches([for_play(song) for song in songs], 1, Random(0))
    params = SamplingParams(playability="off", seed=1, max_segment_tokens=40)
    assert changed_bars(one, other, stretches, params) == []
    left = v.OFFSETS["note"]
    with torch.no_grad():  # as if red notes alone were known
        other.lm_head.weight[left : left + 108] *= 20
    moved = shifts(one, other, songs, windows=3)
    assert all(shift.divergence > 0 for shift in moved.values())
    assert moved["note"].entropy_after < moved["note"].entropy_before
    assert moved["all"].before == same["all"].after
    assert f"| note | {moved['note'].tokens} |" in shift_table(moved)
    pairs = changed_bars(one, other, stretches, params)
    assert pairs
    assert all(pair.human is not None and pair.human != pair.made for pair in pairs)
