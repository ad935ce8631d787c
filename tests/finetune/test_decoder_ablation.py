import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from saberlm.adapter.configuration_saber import SaberAudioConfig
from saberlm.adapter.modeling_saber import SaberAudioTower
from saberlm.finetune import decoder_ablation as ablation
from saberlm.finetune.ablation import Split
from saberlm.finetune.shards import SongShard, load_dataset
from saberlm.prompts import vocab as v

TINY = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}


@pytest.fixture(scope="module")
def songs(data_dir: Path) -> list[SongShard]:
    return load_dataset(data_dir, "train")[:2]


def test_smoothing_moves_a_share_of_each_position_to_its_neighbours() -> None:
    """Against a sum over soft targets written out."""
    torch.manual_seed(0)
    first, note = v.OFFSETS["position"], v.OFFSETS["note"]
    labels = torch.tensor([[-100, first + 5, note, first, -100]])
    logits = torch.randn(1, 5, v.VOCAB_SIZE)
    soft = torch.zeros(3, v.VOCAB_SIZE)
    soft[0, first + 4 : first + 7] = torch.tensor([0.1, 0.8, 0.1])
    soft[1, note] = 1
    soft[2, first : first + 2] = torch.tensor([0.9, 0.1])  # nothing lies before the bar
    wanted = -(soft * logits[0, :3].log_softmax(-1)).sum(-1).mean()
    assert torch.allclose(ablation.next_token_loss(logits, labels, 0.1), wanted, atol=1e-5)
    plain = torch.nn.functional.cross_entropy(logits[0, :3], labels[0, 1:4])
    assert torch.allclose(ablation.next_token_loss(logits, labels), plain, atol=1e-5)


def test_windows_of_any_size_tile_the_same_bars(songs: list[SongShard]) -> None:
    long = [replace(song, num_bars=70) for song in songs]

    def bars(size: int) -> set[tuple[int, int, int]]:
        windows = ablation.shared_windows(long, size, 3)
        assert len(windows) == len(set(windows)) == 3 * 32 // size
        return {(i, j, bar + k) for i, j, bar in windows for k in range(size)}

    assert bars(8) == bars(16) == bars(32)
    assert len(bars(8)) == 96
    with pytest.raises(ValueError, match="tile 32"):
        ablation.shared_windows(long, 12, 3)


@pytest.mark.parametrize("name", ["base", "hears, in places, no sketch", "positions smoothed"])
def test_a_variant_learns(
    name: str,
    songs: list[SongShard],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its loss falls on songs that it sees again and again; what hears has a loss when deaf."""
    torch.manual_seed(0)
    tower = SaberAudioTower(SaberAudioConfig(hidden_size=16, num_hidden_layers=1)).eval()
    monkeypatch.setattr(ablation, "load_tower", lambda _: tower)
    monkeypatch.setattr(ablation, "SPAN_BARS", 8)
    variant = next(one for one in ablation.VARIANTS if one.name.startswith(name))
    tiny = replace(variant, settings={**variant.settings, **TINY, "window_bars": 2})
    split: dict = {None: Split(songs, songs)}
    budget = ablation.Budget(steps=1, batch_size=2, learning_rate=1e-2, valid_spans=1)
    short = ablation.run(tiny, split, 0, budget)
    longer = ablation.run(tiny, split, 0, replace(budget, steps=12))
    assert longer.found["loss"] < short.found["loss"]
    assert ("wrong_note_loss" in longer.found) == name.startswith("hears")
    assert ablation.Run.from_json(json.loads(json.dumps(longer.to_json()))) == longer
    table = ablation.render([short, replace(longer, variant="longer")])
    assert f"{longer.found['note_loss']:.3f}" in table.splitlines()[3]
    assert np.isfinite(longer.train_loss)
