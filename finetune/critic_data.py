"""What the critic learns from: human bars against corrupted, baseline and model-made ones."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from saberlm.eval.baselines import flowing_map, half_beat_map, onset_peak_map
from saberlm.eval.corruptions import CORRUPTIONS
from saberlm.eval.critic_features import CriticInput, critic_input
from saberlm.finetune.critic_samples import SampledMap
from saberlm.finetune.shards import SongShard
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.tokens import decode

HUMAN = "human"
UNTAUGHT = ("shift by 60 ms", "strip lights")
"""Corruptions that the critic cannot notice: it hears no song and sees no lights."""
FAMILIES = {"corruption": 0.45, "model": 0.35, "baseline": 0.2}
"""Kinds of machine bars, and how often each is shown."""
_MIN_GAP = 0.14  # beats: what comes sooner is one moment, as `flowing_map` asks
_MIN_BASELINE_NOTES = 8


@dataclass(frozen=True, eq=False)
class Example:
    """A map as the critic sees it: whose (`HUMAN`, or the kind of machine), and of which family
    (empty for a human's)."""

    song: str
    difficulty: str
    kind: str
    family: str
    seen: CriticInput


def human_maps(shards: Iterable[SongShard]) -> Iterator[tuple[SongShard, str, Beatmap]]:
    """Song, difficulty and objects of every cached human map."""
    for shard in shards:
        for stream in shard.difficulties:
            beatmap = decode([bar.tolist() for bar in stream.bars])[0]
            yield shard, stream.conditions.difficulty or "Expert", beatmap


def build_examples(
    shards: Sequence[SongShard],
    samples: Sequence[SampledMap],
    *,
    seed: int = 0,
    all_kinds: bool = False,
    progress: Callable[[], None] | None = None,
) -> list[Example]:
    """Every human map, what it is corrupted to, baselines of its song, and the samples.

    Args:
        shards: cached songs of one split.
        samples: model-made maps of such songs; others are refused.
        seed: of the corruptions.
        all_kinds: the kinds that the critic cannot notice, too (`UNTAUGHT`).
        progress: called after each human map.

    Raises:
        ValueError: a sample is of a song that is not among the shards.
    """
    out = []

    def add(song: str, name: str, kind: str, family: str, beatmap: Beatmap, bpm: float) -> None:
        seen = critic_input(beatmap, TempoMap(bpm), name)
        if len(seen.bars):
            out.append(Example(song, name, kind, family, seen))

    for shard, name, beatmap in human_maps(shards):
        tempo = TempoMap(shard.bpm)
        add(shard.key, name, HUMAN, "", beatmap, shard.bpm)
        own_seed = zlib.crc32(f"{shard.key} {name} {seed}".encode())
        for kind, corrupt in CORRUPTIONS.items():
            if all_kinds or kind not in UNTAUGHT:
                worse = corrupt(beatmap, tempo, own_seed)
                add(shard.key, name, kind, "corruption", worse, shard.bpm)
        for kind, plain in baselines(shard, beatmap).items():
            add(shard.key, name, kind, "baseline", plain, shard.bpm)
        if progress is not None:
            progress()
    known = {shard.key for shard in shards}
    for one in samples:
        if one.key not in known:
            raise ValueError(
                f"expected samples of the split's songs, found one of song {one.key}: likely the "
                "samples of another split"
            )
        kind = f"model, playability {one.playability}"
        add(one.key, one.difficulty, kind, "model", one.beatmap(), one.bpm)
    return out


def baselines(shard: SongShard, human: Beatmap) -> dict[str, Beatmap]:
    """Maps without a model, with as many notes as the human's where they can."""
    moments: dict[float, int] = {}
    last = -np.inf
    for note in human.color_notes:
        if note.beat - last > _MIN_GAP:
            last = note.beat
            moments[last] = 0
        moments[last] += 1
    if sum(moments.values()) < _MIN_BASELINE_NOTES:
        return {}
    doubles = [beat for beat, notes in moments.items() if notes > 1]
    seconds = len(shard.frames) / shard.frame_rate - shard.offset_seconds
    rise = np.maximum(np.diff(shard.frames.astype(np.float32), axis=0, prepend=0), 0).mean(1)
    start = round(shard.offset_seconds * shard.frame_rate)  # of beat 0, in frames
    heard = np.concatenate([np.zeros(max(0, -start)), rise[max(0, start) :]])
    heard[: max(0, -start) + 1] = 0  # the step from nothing to the first frame is no onset
    count = len(moments) + len(doubles)
    return {
        "half-beat baseline": half_beat_map(shard.bpm, seconds),
        "onset-peak baseline": onset_peak_map(
            heard, shard.frame_rate, shard.bpm, count, doubles=len(doubles)
        ),
        "flow pattern on the human's rhythm": flowing_map(sorted(moments), doubles),
    }


def crop(seen: CriticInput, first: int, count: int) -> CriticInput:
    """Bars ``first`` to ``first + count`` alone, with the padding that keeps hands apart."""
    bar = seen.bar_of_row
    inside = (bar >= first) & (bar < first + count)
    # padding rows come in two blocks; keep them where they are
    keep = inside | (bar < 0)
    chosen = bar[keep]
    return CriticInput(
        seen.notes[keep],
        np.where(chosen >= 0, chosen - first, -1),
        seen.bars[first : first + count],
        seen.bar_beats[first : first + count],
        seen.bar_notes[first : first + count],
    )


def join(parts: Sequence[CriticInput]) -> CriticInput:
    """Many maps as one input; the padding keeps them apart."""
    starts = np.cumsum([0, *(len(one.bars) for one in parts)])[:-1]
    bar = [
        np.where(one.bar_of_row >= 0, one.bar_of_row + start, -1)
        for one, start in zip(parts, starts, strict=True)
    ]
    return CriticInput(
        np.concatenate([one.notes for one in parts]),
        np.concatenate(bar),
        np.concatenate([one.bars for one in parts]),
        np.concatenate([one.bar_beats for one in parts]),
        np.concatenate([one.bar_notes for one in parts]),
    )


class CropSampler:
    """Draws batches: half human, half machine by `FAMILIES`, kinds of a family alike.

    Args:
        examples: to draw from; at least one human and one machine map.
        bars: most bars of a crop.
        seed: of the draws.
    """

    def __init__(self, examples: Sequence[Example], bars: int, seed: int) -> None:
        self.bars = bars
        self.random = np.random.default_rng(seed)
        self.human = [one for one in examples if one.kind == HUMAN]
        self.machine: dict[str, dict[str, list[Example]]] = {}
        for one in examples:
            if one.kind != HUMAN:
                self.machine.setdefault(one.family, {}).setdefault(one.kind, []).append(one)
        if not self.human or not self.machine:
            raise ValueError("expected human and machine maps to learn from, found one kind alone")
        self.families = list(self.machine)
        chance = np.array([FAMILIES[name] for name in self.families])
        self.chance = chance / chance.sum()

    def draw(self, crops: int) -> tuple[CriticInput, np.ndarray]:
        """A batch of ``crops`` human and as many machine crops, and whether each bar is human's
        (B,) float32."""
        parts, labels = [], []
        for human in (True, False):
            for _ in range(crops):
                seen = self._pick(human).seen
                count = min(self.bars, len(seen.bars))
                first = int(self.random.integers(len(seen.bars) - count + 1))
                parts.append(crop(seen, first, count))
                labels.append(np.full(count, human, dtype=np.float32))
        return join(parts), np.concatenate(labels)

    def _pick(self, human: bool) -> Example:
        pool = self.human
        if not human:
            family = self.families[int(self.random.choice(len(self.families), p=self.chance))]
            kinds = list(self.machine[family].values())
            pool = kinds[int(self.random.integers(len(kinds)))]
        return pool[int(self.random.integers(len(pool)))]


__all__ = [
    "FAMILIES",
    "HUMAN",
    "UNTAUGHT",
    "CropSampler",
    "Example",
    "build_examples",
    "crop",
    "join",
]
