"""Songs and models for the tests of preference pairs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from saberlm.finetune.shards import SongShard


def later(song: SongShard, seconds: float, key: str) -> SongShard:
    """The same recording and map with silence put in front, whole frames of it."""
    step = round(seconds * song.frame_rate)
    quiet = np.repeat(song.frames[:1], step, axis=0)
    return replace(
        song,
        key=key,
        frames=np.concatenate([quiet, song.frames]),
        offset_seconds=song.offset_seconds + step / song.frame_rate,
    )


def busy_song(song: SongShard, seed: int, seconds: float = 40.0) -> SongShard:
    """The song with another sound: loud moments by chance."""
    rng = np.random.default_rng(seed)
    count = round(seconds * song.frame_rate)
    loud = np.convolve(rng.random(count) < 0.02, np.exp(-np.arange(40) / 8))[:count]
    tone = rng.normal(size=(1, song.frames.shape[1]))
    frames = np.outer(loud, 1 + 0.2 * tone) + 0.05 * rng.normal(size=(count, tone.shape[1]))
    return replace(song, frames=frames.astype(np.float16))


def save_tiny_model(make_config: Any, folder: Path) -> Path:
    """A random model that sees eight bars, as training leaves one."""
    import torch

    from saberlm.adapter.modeling_saber import SaberForConditionalGeneration

    torch.manual_seed(0)
    config = make_config()
    config.context_segments = 8
    model = SaberForConditionalGeneration(config)
    with torch.no_grad():
        torch.nn.init.normal_(model.model.projector.tick.weight, std=0.05)
    model.save_pretrained(folder)
    return folder
