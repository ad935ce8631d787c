"""The memory's weights: they fit what repeats, and each guess is of its own token."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from saberlm.finetune.fit_motif import (
    Guess,
    collect_guesses,
    cross_fitted_loss,
    fit_weights,
    mean_loss,
)
from saberlm.finetune.shards import load_dataset
from saberlm.infer.motif import CHANNELS, channel_tokens
from saberlm.prompts.context import split_lights


@pytest.mark.parametrize("places", [True, False])
def test_every_token_of_the_windows_is_guessed_once(
    places: bool, data_dir: Path, tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny_model.config, "audio_places", places)
    monkeypatch.setattr(tiny_model.config, "tick_latents", False)
    monkeypatch.setattr(tiny_model.config, "context_segments", 2)
    songs = load_dataset(data_dir, "train")[:2]
    with torch.no_grad():
        found = collect_guesses(tiny_model, songs, windows=10_000, bf16=False)
    assert found.keys() == set(CHANNELS)
    side = {"notes": 0, "lights": 1}
    for channel, guesses in found.items():
        own = set(channel_tokens(channel).tolist())
        said = [
            int(token)
            for song in songs
            for stream in song.difficulties
            for bar in stream.bars
            for token in split_lights(bar)[side[channel]]
            if int(token) in own
        ]
        assert len(guesses) == len(said)
        assert all(0 < guess.decoder <= 1 for guess in guesses)


def test_what_repeats_is_trusted_and_noise_is_not() -> None:
    random = np.random.default_rng(0)
    repeating = [Guess(i % 4, 0.01, ((2, 3, 0.95),)) for i in range(200)]
    misled = [Guess(i % 4, 0.3, ((2, 3, float(random.random() < 0.02)),)) for i in range(200)]
    for guesses, trusted in ((repeating, True), (misled, False)):
        weight = fit_weights(guesses)[2, 3]
        assert (weight > 0.9) == trusted
        assert (weight < 0.1) != trusted
        alone, joined = mean_loss(guesses, None), mean_loss(guesses, fit_weights(guesses))
        assert joined <= alone + 1e-6
        assert cross_fitted_loss(guesses) == pytest.approx(joined, abs=0.05)
