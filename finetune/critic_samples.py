"""Maps that the model makes of cached songs, for the critic to tell from human ones.

They are kept as tokens, one JSON line a map, so that a song is sampled once and the critic trained
often.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.adapter.song_features import SongFeatures
from saberlm.finetune.shards import SongShard
from saberlm.infer.engine import Engine, SongEncoding
from saberlm.infer.lighting import Passes, generate_lit, make_passes
from saberlm.infer.pipeline import Song, encode_features
from saberlm.infer.sampling import SamplingParams
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.tokens import decode

_CLOCK = 1000
"""Samples a second of the silent stand-in for a song whose frames are cached: only its length is
looked at."""


@dataclass(frozen=True)
class SampledMap:
    """A map that a model made of a cached song: ``bars`` are its tokens, on the song's fitted
    grid."""

    key: str
    split: str
    difficulty: str
    playability: str
    bpm: float
    bars: tuple[tuple[int, ...], ...]

    def beatmap(self) -> Beatmap:
        """The objects, in beats of the fitted grid."""
        return decode([list(bar) for bar in self.bars])[0]


def choose_songs(shards: Sequence[SongShard], count: int) -> list[SongShard]:
    """Songs that cost little to sample: half of them the shortest with three difficulties or more,
    the others the shortest with fewer."""
    rich = sorted((s for s in shards if len(s.difficulties) > 2), key=lambda s: s.num_bars)
    poor = sorted((s for s in shards if len(s.difficulties) < 3), key=lambda s: s.num_bars)
    first = rich[: max(count // 2, count - len(poor))]
    return first + poor[: count - len(first)]


def silent_song(shard: SongShard) -> Song:
    """A stand-in for a song whose frames are cached: of its length, on its fitted grid."""
    seconds = len(shard.frames) / shard.frame_rate
    silence = np.zeros(round(seconds * _CLOCK), dtype=np.float32)
    return Song(silence, _CLOCK, shard.bpm, shard.offset_seconds)


def encode_shard(model: SaberForConditionalGeneration, shard: SongShard) -> SongEncoding:
    """One pass of the tower over a cached song."""
    grid = torch.from_numpy(shard.grid(-1, shard.num_bars + 2).astype(np.float32))
    sketch = torch.from_numpy(shard.sketch().astype(np.float32))
    return encode_features(model, SongFeatures(grid, sketch, shard.num_bars))


def sample_maps(
    model: SaberForConditionalGeneration,
    shards: Sequence[SongShard],
    params: SamplingParams,
    progress: Callable[[int], None] | None = None,
) -> list[SampledMap]:
    """Every difficulty that the songs' humans made, made by the model in one batch.

    The model is asked for the human's difficulty and notes/s, so that neither tells the two apart.

    Args:
        model: in evaluation mode.
        shards: cached songs.
        params: sampling; ``params.seed`` and the map's place seed each row.
        progress: called with bars finished.
    """
    passes: list[Passes] = []
    about: list[tuple[SongShard, str]] = []
    for shard in shards:
        encoding = encode_shard(model, shard)
        song = silent_song(shard)
        for stream in shard.difficulties:
            asked = replace(
                stream.conditions,
                style=None,
                rating=9,
                njs=None,
                arcs=None,
                chains=None,
                bombs=None,
                walls=None,
            )
            seed = params.seed * 1000 + len(passes)
            passes.append(make_passes(model, encoding, song, asked, seed))
            about.append((shard, asked.difficulty or "Expert"))
    made = generate_lit(Engine(model), passes, [params] * len(passes), progress)
    return [
        SampledMap(
            shard.key,
            shard.split,
            difficulty,
            params.playability,
            shard.bpm,
            tuple(tuple(int(token) for token in bar) for bar in generated.bars),
        )
        for (shard, difficulty), generated in zip(about, made, strict=True)
    ]


def save_samples(samples: Sequence[SampledMap], path: Path) -> None:
    """Write the vocabulary's fingerprint and one line a map; a temporary file, then renamed."""
    lines = [json.dumps({"fingerprint": v.fingerprint()})]
    lines += [json.dumps(asdict(one)) for one in samples]
    temporary = path.with_suffix(".partial")
    temporary.write_text("\n".join(lines) + "\n")
    temporary.replace(path)


def load_samples(path: Path) -> list[SampledMap]:
    """Read what `save_samples` wrote.

    Raises:
        ValueError: it was made with another vocabulary.
    """
    first, *lines = path.read_text().splitlines()
    fingerprint = json.loads(first).get("fingerprint")
    if fingerprint != v.fingerprint():
        raise ValueError(
            f"{path.name}: expected vocabulary {v.fingerprint()}, found {fingerprint}: likely"
            " sampled with an older model; sample again"
        )
    rows = [json.loads(line) for line in lines]
    return [SampledMap(**{**row, "bars": tuple(tuple(bar) for bar in row["bars"])}) for row in rows]
