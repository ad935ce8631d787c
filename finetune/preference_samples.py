"""What a model makes after a human's bars, sampled as for a user but for the masks, and judged.

The samples get the human's rhythm: what happens is to be preferred or not, and not when, nor how
often. From them come two kinds of pairs: a better sample over a worse one that is like it in all
else (``sampled``, `saberlm.finetune.preference_matching`), and the human's own bars over a sample
(``human``).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import torch

from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.eval.critic import Critic
from saberlm.finetune.critic_samples import encode_shard, silent_song
from saberlm.finetune.preference_matching import Way, like_many, matched_pairs
from saberlm.finetune.preference_score import StretchScore, score_stretch
from saberlm.finetune.preferences import (
    PREFIX_BARS,
    PreferencePair,
    Stretch,
    asked,
    candidates,
    make_pair,
    num_notes,
)
from saberlm.finetune.quality import Quality
from saberlm.finetune.shards import SongShard
from saberlm.infer.engine import Engine, MapRequest, SongEncoding
from saberlm.infer.lighting import make_passes, note_ticks
from saberlm.infer.rhythm import PLANNED_LOGIT
from saberlm.infer.sampling import SamplingParams

SAMPLED, HUMAN = "sampled", "human"
GOOD_RATING, GOOD_QUALITY = 8, 0.9
"""A human's map from here on may stand as the better side. `GOOD_RATING` is the header's, for data
sets without votes."""

Bars = list[list[int]]


@dataclass(frozen=True)
class Sampled:
    """A stretch and what a model made of its last bars."""

    at: Stretch
    ways: tuple[Bars, ...]


@dataclass(frozen=True)
class Judged:
    """A sampled stretch, judged: what is kept of it on disk.

    Attributes:
        ways: Its samples that could be judged, in the order in which they were drawn.
        human: The score of the human's bars; None where they cannot be judged.
    """

    ways: tuple[Way, ...]
    human: float | None


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
    song = silent_song(at.song)
    lit = replace(asked(at.stream), lights=True)  # what is heard is asked of a lit map
    first = make_passes(model, encoding, song, lit, 0).notes
    logits = first.onset_logits.clone()
    logits[:, 0] = -PLANNED_LOGIT
    ticks = note_ticks([bar.tolist() for bar in at.stream.bars])
    logits[[tick for tick in ticks if tick < len(logits)], 0] = PLANNED_LOGIT
    fixed = {bar: at.stream.bars[bar].tolist() for bar in range(at.split_bar)}
    place = zlib.crc32(f"{at.song.key} {at.difficulty} {at.split_bar} {seed}".encode())
    first = replace(first, density=None, onset_logits=logits, fixed=fixed, end_bar=at.end_bar)
    return [replace(first, seed=place + number) for number in range(samples)]


def judge(made: Sampled, critic: Critic) -> Judged:
    """Score the samples of a stretch and the human's bars.

    Args:
        made: the stretch and its samples.
        critic: see `saberlm.finetune.preference_score`.
    """
    at = made.at

    def judged(bars: Bars) -> StretchScore | None:
        return score_stretch(at.prefix, bars, at.song.bpm, at.difficulty, critic)

    ways = tuple(
        Way(tuple(map(tuple, way)), score.value, score.notes)
        for way in made.ways
        if (score := judged(way)) is not None
    )
    human = judged(at.human)
    return Judged(ways, None if human is None else human.value)


def sampled_pairs(
    windows: Sequence[tuple[Stretch, Judged]],
    quality: Mapping[str, Quality],
    sources: Sequence[str],
) -> Iterator[PreferencePair]:
    """The pairs that judged stretches yield.

    Args:
        windows: the stretches of one split; their order has a say in the choice.
        quality: of the songs' maps by key, where votes are known.
        sources: which are wanted, `SAMPLED` and `HUMAN`.
    """
    if SAMPLED in sources:
        humans = [at.human for at, _ in windows]
        found = matched_pairs([one.ways for _, one in windows], humans)
        for (at, one), some in zip(windows, found, strict=True):
            for better, worse in ((one.ways[i], one.ways[j]) for i, j in some):
                gap = better.value - worse.value
                told = {"source": SAMPLED, "kind": "of n", "score_gap": gap}
                yield make_pair(at, better.bars, worse.bars, **told)  # type: ignore[arg-type]
    if HUMAN in sources:
        for at, one in windows:
            yield from _human_pair(at, one, quality)


def _human_pair(
    at: Stretch, judged: Judged, quality: Mapping[str, Quality]
) -> Iterator[PreferencePair]:
    """The human's bars over the first sample that has as many notes, good or bad: the worse ones
    are in the other pairs."""
    if judged.human is None or not is_good(at, quality):
        return
    notes = num_notes(at.human)
    own = next((way for way in judged.ways if like_many(way.notes, notes)), None)
    if own is not None and judged.human > own.value and at.human != [*map(list, own.bars)]:
        gap = judged.human - own.value
        yield make_pair(at, at.human, own.bars, source=HUMAN, kind="a sample", score_gap=gap)


def is_good(at: Stretch, quality: Mapping[str, Quality]) -> bool:
    """Whether players thought well of the human's map, as far as is known."""
    if at.song.key in quality:
        return quality[at.song.key].value >= GOOD_QUALITY
    rating = at.stream.conditions.rating
    return not quality and rating is not None and rating >= GOOD_RATING
