"""What a model makes after a human's bars, sampled as for a user but for the masks, and judged.

From it come two kinds of pairs: the best sample over the worst (``sampled``), and the human's own
bars over a sample (``human``).
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import torch

from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.eval.critic import Critic
from saberlm.finetune.critic_samples import encode_shard
from saberlm.finetune.preference_score import StretchScore, score_stretch
from saberlm.finetune.preferences import (
    PREFIX_BARS,
    PreferencePair,
    Stretch,
    asked,
    candidates,
    make_pair,
)
from saberlm.finetune.quality import Quality
from saberlm.finetune.shards import SongShard
from saberlm.infer.engine import Engine, MapRequest, SongEncoding
from saberlm.infer.lighting import make_passes
from saberlm.infer.pipeline import Song
from saberlm.infer.sampling import SamplingParams

SAMPLED, HUMAN = "sampled", "human"
LEAST_GAP = 2.0
"""Points (`saberlm.finetune.preference_score`) between the best sample and the worst."""
LIKE_NOTES = (0.75, 1.34)
"""Notes of the worse against the better: else the pair is about how many."""
GOOD_RATING, GOOD_QUALITY = 8, 0.9
"""A human's map from here on may stand as the better side. `GOOD_RATING` is the header's, for data
sets without votes."""
_CLOCK = 1000  # samples a second of the silent stand-in for a cached song

Bars = list[list[int]]


@dataclass(frozen=True)
class Sampled:
    """A stretch and what a model made of its last bars."""

    at: Stretch
    ways: tuple[Bars, ...]


def choose_stretches(songs: Sequence[SongShard], windows: int, random: Random) -> list[Stretch]:
    """Stretches by chance, as many of each song, its difficulties in turn.

    Only borders are taken before which `sample_stretches` sees just the bars that the pair gives.

    Args:
        songs: cached songs.
        windows: of a song.
        random: decides.
    """
    out = []
    for song in songs:
        places = [
            [at for at in candidates(song, stream) if at.split_bar % PREFIX_BARS == 0]
            for stream in song.difficulties
        ]
        for one in places:
            random.shuffle(one)
        random.shuffle(places)
        turn = [at for row in zip(*_padded(places), strict=True) for at in row if at is not None]
        out += turn[:windows]
    return out


def _padded(rows: list[list[Stretch]]) -> list[list[Stretch | None]]:
    longest = max(map(len, rows), default=0)
    return [[*row, *[None] * (longest - len(row))] for row in rows]


@torch.no_grad()
def sample_stretches(
    model: SaberForConditionalGeneration,
    stretches: Sequence[Stretch],
    samples: int,
    params: SamplingParams,
    *,
    rows: int = 96,
) -> Iterator[list[Sampled]]:
    """Sample every stretch several times, batch by batch.

    The human's bars before are given. A sample depends on the seed, its song, its place and its
    number alone. The engine drops half of its bars at a time, so it is told a context of twice the
    bars that a pair gives.

    Args:
        model: in evaluation mode.
        stretches: where.
        samples: of each.
        params: of the sampling; masks should be off.
        rows: of a batch, of which the engine takes up as many at a time as it holds.
    """
    engine = Engine(model, 2 * PREFIX_BARS)
    order = sorted(stretches, key=lambda at: at.song.key)
    size = max(1, rows // samples)
    for i in range(0, len(order), size):
        batch = order[i : i + size]
        heard: dict[str, SongEncoding] = {}
        requests = []
        for at in batch:
            if at.song.key not in heard:
                heard[at.song.key] = encode_shard(model, at.song)
            requests += _requests(model, heard[at.song.key], at, samples, params.seed)
        made = iter(engine.generate(requests, params))
        out = []
        for at in batch:
            ways = [next(made).bars[at.split_bar : at.end_bar] for _ in range(samples)]
            out.append(Sampled(at, tuple([list(map(int, b)) for b in way] for way in ways)))
        yield out


def _requests(
    model: SaberForConditionalGeneration,
    encoding: SongEncoding,
    at: Stretch,
    samples: int,
    seed: int,
) -> list[MapRequest]:
    seconds = len(at.song.frames) / at.song.frame_rate
    silence = np.zeros(round(seconds * _CLOCK), dtype=np.float32)
    song = Song(silence, _CLOCK, at.song.bpm, at.song.offset_seconds)
    lit = replace(asked(at.stream), lights=True)  # what is heard is asked of a lit map
    first = make_passes(model, encoding, song, lit, 0).notes
    fixed = {bar: at.stream.bars[bar].tolist() for bar in range(at.split_bar)}
    place = zlib.crc32(f"{at.song.key} {at.difficulty} {at.split_bar} {seed}".encode())
    return [
        replace(
            first,
            seed=place + number,
            density=copy.deepcopy(first.density),
            fixed=fixed,
            end_bar=at.end_bar,
        )
        for number in range(samples)
    ]


def sampled_pairs(
    made: Sampled, critic: Critic, quality: Mapping[str, Quality], sources: Sequence[str]
) -> list[PreferencePair]:
    """The pairs that a sampled stretch yields: none, one or two.

    Args:
        made: the stretch and its samples.
        critic: see `saberlm.finetune.preference_score`.
        quality: of the songs' maps by key, where votes are known.
        sources: which are wanted, `SAMPLED` and `HUMAN`.
    """
    at = made.at

    def judged(bars: Bars) -> StretchScore | None:
        return score_stretch(at.prefix, bars, at.song.bpm, at.difficulty, critic)

    scored = [(score, way) for way in made.ways if (score := judged(way)) is not None]
    scored.sort(key=lambda one: -one[0].value)
    out = []
    if SAMPLED in sources and len(scored) > 1:
        best, chosen = scored[0]
        like = [one for one in scored[1:] if _alike(one[0].notes, best.notes)]
        if like and best.value - like[-1][0].value >= LEAST_GAP:
            worst, rejected = like[-1]
            gap = best.value - worst.value
            out.append(
                make_pair(at, chosen, rejected, source=SAMPLED, kind="best of n", score_gap=gap)
            )
    human = judged(at.human) if HUMAN in sources and is_good(at, quality) else None
    if human is not None:
        # the first sample, good or bad: not the worst, which `SAMPLED` has
        own = next((one for one in map(judged, made.ways[:1]) if one is not None), None)
        if own is not None and _alike(own.notes, human.notes) and human.value > own.value:
            gap = human.value - own.value
            ways = (at.human, made.ways[0])
            out.append(make_pair(at, *ways, source=HUMAN, kind="a sample", score_gap=gap))
    return [pair for pair in out if pair.chosen != pair.rejected]


def _alike(notes: int, other: int) -> bool:
    return LIKE_NOTES[0] <= notes / other <= LIKE_NOTES[1]


def is_good(at: Stretch, quality: Mapping[str, Quality]) -> bool:
    """Whether players thought well of the human's map, as far as is known."""
    if at.song.key in quality:
        return quality[at.song.key].value >= GOOD_QUALITY
    rating = at.stream.conditions.rating
    return not quality and rating is not None and rating >= GOOD_RATING
