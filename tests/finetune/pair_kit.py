"""Songs and models for the tests of preference pairs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from saberlm.finetune.shards import INDEX_NAME, SongShard, load_dataset, save_shard


def write_longer(data_dir: Path, folder: Path, songs: int = 5) -> Path:
    """The train songs of a dataset played twice, as one of their own; the last is for valid."""
    (folder / "shards").mkdir(parents=True)
    rows = []
    for i, song in enumerate(load_dataset(data_dir, "train")[:songs]):
        split = "valid" if i == songs - 1 else "train"
        second = round(song.num_bars * 240 / song.bpm * song.frame_rate)
        frames = np.concatenate([song.frames[:second], song.frames])
        difficulties = tuple(
            replace(one, bars=one.bars * 2, last_bar=one.last_bar + song.num_bars)
            for one in song.difficulties
        )
        bars = 2 * song.num_bars
        twice = replace(song, split=split, frames=frames, num_bars=bars, difficulties=difficulties)
        name = f"shards/{song.key}.safetensors"
        save_shard(twice, folder / name)
        rows.append(json.dumps({"shard": name, "split": split}) + "\n")
    (folder / INDEX_NAME).write_text("".join(rows))
    return folder


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


def save_tiny_model(make_config: Any, folder: Path, *, tick_latents: bool = True) -> Path:
    """A random model without places for sound, as training leaves one."""
    import torch

    from saberlm.adapter.modeling_saber import SaberForConditionalGeneration

    torch.manual_seed(0)
    config = make_config()
    config.context_segments = 32
    config.audio_places = False
    config.tick_latents = tick_latents
    model = SaberForConditionalGeneration(config)
    if tick_latents:
        with torch.no_grad():
            torch.nn.init.normal_(model.model.projector.tick.weight, std=0.05)
    model.save_pretrained(folder)
    return folder
