import pytest
import torch

from saberlm.adapter.configuration_saber import SaberAudioConfig
from saberlm.adapter.modeling_saber import SaberAudioTower
from saberlm.adapter.onset_head import TICKS_PER_BAR, onset_loss
from saberlm.prompts import vocab as v


def test_a_bar_has_as_many_ticks_as_in_the_vocabulary() -> None:
    assert TICKS_PER_BAR == v.TICKS_PER_SEGMENT


@pytest.mark.parametrize(("latents", "cells"), [(8, 6), (16, 3), (32, 3), (32, 1)])
def test_every_tick_has_logits_however_many_latents_a_beat(latents: int, cells: int) -> None:
    config = SaberAudioConfig(
        hidden_size=16, num_hidden_layers=1, latents_per_bar=latents, cells_per_latent=cells
    )
    tower = SaberAudioTower(config).eval()
    features = torch.randn(1, 2 * latents * cells, config.num_features)
    mask = torch.ones(features.shape[:2], dtype=torch.bool)
    with torch.no_grad():
        found = tower(features, mask)
        live = torch.ones(found.shape[:2], dtype=torch.bool)
        logits = tower.onsets(found, live, torch.tensor([[3.0, 4.0, 0.0, 1.0]]))
    assert found.shape[1] == 2 * latents
    assert logits.shape == (1, 2 * TICKS_PER_BAR, 2)


def loss_of_guess(tick: int, smoothing: float) -> float:
    targets = torch.zeros(1, 24, dtype=torch.int8)
    targets[0, 12] = 1
    logits = torch.full((1, 24, 2), -6.0)
    logits[0, tick, 0] = 6.0
    return float(onset_loss(logits, targets, smoothing))


def test_with_smoothing_a_near_miss_costs_less_than_a_far_one() -> None:
    assert loss_of_guess(13, 0.0) == pytest.approx(loss_of_guess(20, 0.0))
    assert loss_of_guess(11, 0.1) == pytest.approx(loss_of_guess(13, 0.1))
    assert loss_of_guess(13, 0.1) < loss_of_guess(20, 0.1)
    assert loss_of_guess(12, 0.1) < loss_of_guess(13, 0.1)


def test_smoothing_keeps_what_there_is_to_say() -> None:
    """Targets sum to the same: at equal logits the loss does not depend on where they lie."""
    targets = torch.zeros(1, 24, dtype=torch.int8)
    targets[0, [5, 6, 12]] = 1
    logits = torch.full((1, 24, 2), -1.0)
    assert float(onset_loss(logits, targets, 0.2)) == pytest.approx(
        float(onset_loss(logits, targets))
    )
