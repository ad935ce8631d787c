"""An audio tower alone: its weights, and what it makes of whole songs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor
from tqdm import tqdm

from saberlm.adapter.configuration_saber import SaberAudioConfig, SaberConfig
from saberlm.adapter.loading import check_weights, model_folder
from saberlm.adapter.modeling_saber import SaberAudioTower
from saberlm.finetune.shards import SongShard
from saberlm.finetune.windows import MARGIN_BARS

TOWER_NAME = "tower.safetensors"
"""A tower that was warmed up alone, in its folder."""


def tower_weights(path: str | Path) -> tuple[dict[str, Tensor], SaberAudioConfig | None, Path]:
    """The float32 weights of the tower of a model (name or folder, whole or with LoRA), of a folder
    of `saberlm.scripts.warm_tower`, or of its file.

    Returns:
        Weights by name, the tower's configuration (None beside a file alone), and the file.

    Raises:
        ValueError: no such model, or no weights in it.
    """
    alone = Path(path) if Path(path).is_file() else Path(path) / TOWER_NAME
    config = None
    if alone.is_file():
        file = alone
    else:
        folder = model_folder(path)
        names = ("model.safetensors", "adapter_model.safetensors")
        found = [folder / name for name in names if (folder / name).is_file()]
        if not found:
            raise ValueError(f"{folder}: expected {' or '.join(names)}, found neither")
        file, config = found[0], SaberConfig.from_pretrained(folder).audio_config
    check_weights(file)
    state: dict[str, Tensor] = {}
    with safe_open(file, framework="pt") as f:
        for name in f.keys():  # noqa: SIM118 - no dictionary
            if config is None or ".audio_tower." in name:
                state[name.rpartition("audio_tower.")[2]] = f.get_tensor(name).float()
    return state, config, file


def take_weights(tower: SaberAudioTower, state: dict[str, Tensor], file: Path) -> None:
    """Put weights into a tower; weights that it has no place for are left.

    Raises:
        ValueError: some of the tower's are missing.
    """
    missing = tower.load_state_dict(state, strict=False).missing_keys
    if missing:
        raise ValueError(
            f"{file}: expected the weights of an audio tower of this size,"
            f" found {len(missing)} missing ({missing[0]}, ...)"
        )


def load_tower(path: str | Path) -> SaberAudioTower:
    """A tower in evaluation mode; see `tower_weights`.

    A file alone has no configuration: its sizes are read from the weights, the rest is default.

    Raises:
        ValueError: no such model, or no weights of a tower in it.
    """
    state, config, file = tower_weights(path)
    tower = SaberAudioTower(config or _config_of(state, file))
    take_weights(tower, state, file)
    return tower.eval()


def _config_of(state: dict[str, Tensor], file: Path) -> SaberAudioConfig:
    if "feature_mean" not in state or "onset_head.out.weight" not in state:
        raise ValueError(f"{file}: expected the weights of an audio tower, found none")

    def count(prefix: str) -> int:
        return len({name.split(".")[2] for name in state if name.startswith(prefix)})

    return SaberAudioConfig(
        num_features=state["feature_mean"].numel(),
        hidden_size=state["onset_head.out.weight"].shape[1],
        num_hidden_layers=count("encoder.layers."),
        num_resampler_layers=count("resampler.attention."),
        num_onset_layers=count("onset_head.layers."),
    )


@torch.no_grad()
def song_latents(tower: SaberAudioTower, song: SongShard) -> Tensor:
    """Latents of all bars ``(K * latents a bar, H_a)``, heard with a margin either side.

    Raises:
        ValueError: the data has features of another width than the tower.
    """
    wanted, found = tower.config.num_features, song.frames.shape[1]
    if wanted != found:
        raise ValueError(
            f"song {song.key}: expected frames of {wanted} features, found {found}:"
            " the data was built with another front end than the tower was trained on"
        )
    frames = torch.from_numpy(song.grid(-MARGIN_BARS, song.num_bars + 2 * MARGIN_BARS))[None]
    device = next(tower.parameters()).device
    frames = frames.to(device)
    mask = torch.ones(frames.shape[:2], dtype=torch.bool, device=device)
    margin = MARGIN_BARS * tower.config.latents_per_bar
    return tower(frames, mask)[0, margin:-margin]


def all_latents(tower: SaberAudioTower, songs: Sequence[SongShard]) -> list[np.ndarray | None]:
    """What a tower makes of whole songs, ``(K * 16, H_a)`` float16 each; None for a song whose
    sound is not at hand."""
    training = tower.training
    tower.eval()
    bar = tqdm(songs, unit="song", desc="hearing")
    out = [
        song_latents(tower, song).cpu().numpy().astype(np.float16) if song.has_audio else None
        for song in bar
    ]
    tower.train(training)
    return out
