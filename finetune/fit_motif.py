"""The weights of the motif memory (`saberlm.infer.motif`), fitted to human maps.

A model reads windows of real maps as in training and says how likely each note and light was; the
memory, which has the whole map before that place, says what followed the same contexts. The weights
of their mixture are those that make the maps likeliest, by expectation and maximisation (Jelinek
and Mercer, 1980).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.finetune.collator import DataCollatorForBeatmapModeling, collate, window_table
from saberlm.finetune.precision import has_bf16
from saberlm.finetune.shards import SongShard
from saberlm.finetune.tower import all_latents
from saberlm.finetune.windows import WindowRow
from saberlm.infer.likeness import Echoes, echoes
from saberlm.infer.motif import CHANNELS, ChannelMemory, channel_tokens
from saberlm.prompts import vocab as v

ROUNDS = 8
_START = 0.3
_LEAST_CHANCE = 1e-9

Place = tuple[int, int]
"""Bar, and which of its tokens of the channel."""
Tries = tuple[tuple[int, int, float], ...]
"""Order, times seen (capped) and the share of what was said, order by order."""


@dataclass(frozen=True)
class Guess:
    """One token of a channel: its song, the decoder's chance within the channel, the memory's."""

    song: int
    decoder: float
    memory: Tries


def collect_guesses(
    model: SaberForConditionalGeneration,
    songs: list[SongShard],
    *,
    windows: int,
    seed: int = 0,
    bf16: bool = True,
    wrap: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> dict[str, list[Guess]]:
    """Guesses by channel over windows of maps taken by chance.

    Args:
        model: in evaluation mode.
        songs: not learnt by the model, or its chances flatter it.
        windows: how many.
        seed: of the choice.
        bf16: autocast, where the processor has it.
        wrap: for a progress bar.
    """
    size = int(model.config.context_segments)
    table = window_table(songs, size)
    rows = list(zip(table["song"], table["difficulty"], table["bar"], strict=True))
    Random(seed).shuffle(rows)
    places = bool(model.config.audio_places)
    latents = all_latents(model.model.audio_tower, songs)
    heard = latents if model.config.tick_latents and not places else None
    alike = [
        None if one is None else echoes(one.reshape(song.num_bars, -1))
        for song, one in zip(songs, latents, strict=True)
    ]
    # as maps are made (`saberlm.infer.lighting`): notes without lights, lights to given notes
    collators = {
        "notes": DataCollatorForBeatmapModeling(songs, size, augment=False, places=places),
        "lights": DataCollatorForBeatmapModeling(
            songs, size, augment=False, places=places, latents=heard, tasks={"lights": 1.0}
        ),
    }
    chances: dict[tuple[int, int], dict[tuple[str, Place], float]] = defaultdict(dict)
    for song, difficulty, bar in wrap(rows[:windows]):
        for channel, collator in collators.items():
            row = collator.row(song, difficulty, bar)
            here = _decoder_chances(model, row, channel, bf16)
            chances[song, difficulty] |= {(channel, place): one for place, one in here.items()}
    found: dict[str, list[Guess]] = {channel: [] for channel in CHANNELS}
    for (song, difficulty), here in chances.items():
        bars = songs[song].difficulties[difficulty].bars
        for channel, place, memory in _memory_tries(bars, alike[song]):
            if (channel, place) in here:
                found[channel].append(Guess(song, here[channel, place], memory))
    return found


@torch.no_grad()
def _decoder_chances(
    model: SaberForConditionalGeneration, row: WindowRow, channel: str, bf16: bool
) -> dict[Place, float]:
    """The chance of each learnt token of a channel, given that one of it comes."""
    batch = collate([row], int(model.config.context_segments))
    labels = batch.pop("labels")
    assert isinstance(labels, torch.Tensor)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16 and has_bf16()):
        logits = model(**batch).logits[0].float()
    own = channel_tokens(channel)
    within = torch.full((v.VOCAB_SIZE,), -1)
    within[torch.from_numpy(own)] = torch.arange(len(own))
    share = logits[:, torch.from_numpy(own)].log_softmax(-1)
    out: dict[Place, float] = {}
    bar, place = row.first_bar - 1, 0
    for i, token in enumerate(row.stream.ids):
        if token == v.SEG:
            bar, place = bar + 1, 0
        elif labels[0, i] >= 0 and within[token] >= 0:
            out[bar, place] = float(share[i - 1, within[token]].exp())
            place += 1
    return out


def _memory_tries(
    bars: Iterable[np.ndarray], echoes: Echoes | None
) -> Iterable[tuple[str, Place, Tries]]:
    """What the memory says of every token of a channel, having heard all before it."""
    memories = {c: ChannelMemory(c, echoes) for c in CHANNELS}
    of_token = {int(t): c for c in CHANNELS for t in channel_tokens(c)}
    positions = v.block_range("position")
    for bar, tokens in enumerate(bars):
        tick = 0
        places = dict.fromkeys(CHANNELS, 0)
        for token in tokens.tolist():
            if token in positions:
                tick = bar * v.TICKS_PER_SEGMENT + token - positions.start
            channel = of_token.get(token)
            if channel is None:
                continue
            tries = []
            for order, seen, counts in memories[channel].followers(tick):
                tries.append((order, seen, counts.get(token, 0) / sum(counts.values())))
            yield channel, (bar, places[channel]), tuple(tries)
            places[channel] += 1
            memories[channel].say(token, tick)


def fit_weights(guesses: list[Guess]) -> dict[tuple[int, int], float]:
    """The weights that make the guesses likeliest, by order and count."""
    weights: dict[tuple[int, int], float] = {}
    for _ in range(ROUNDS):
        credit: defaultdict[tuple[int, int], float] = defaultdict(float)
        weighed: defaultdict[tuple[int, int], float] = defaultdict(float)
        for guess in guesses:
            chances = _through_orders(guess, weights)
            reached = 1.0  # the chance that the token came from this order or a lower one
            for i in range(len(guess.memory) - 1, -1, -1):
                order, seen, share = guess.memory[i]
                own = weights.get((order, seen), _START) * share / chances[i + 1]
                credit[order, seen] += reached * own
                weighed[order, seen] += reached
                reached *= 1 - own
        weights = {key: credit[key] / weighed[key] for key in weighed}
    return weights


def mean_loss(guesses: list[Guess], weights: Mapping[tuple[int, int], float] | None) -> float:
    """Mean negative log-chance in nats; without weights the decoder's alone."""
    if not guesses:
        return float("nan")
    if weights is None:
        return -float(np.mean([np.log(max(g.decoder, _LEAST_CHANCE)) for g in guesses]))
    return -float(np.mean([np.log(_through_orders(g, weights)[-1]) for g in guesses]))


def _through_orders(guess: Guess, weights: Mapping[tuple[int, int], float]) -> list[float]:
    chances = [max(guess.decoder, _LEAST_CHANCE)]
    for order, seen, share in guess.memory:
        weight = weights.get((order, seen), _START)
        chances.append((1 - weight) * chances[-1] + weight * share)
    return chances


def cross_fitted_loss(guesses: list[Guess]) -> float:
    """Mean loss with weights fitted on the other half of the songs."""
    halves = [[g for g in guesses if g.song % 2 == side] for side in (0, 1)]
    losses = [
        mean_loss(own, fit_weights(other)) * len(own)
        for own, other in ((halves[0], halves[1]), (halves[1], halves[0]))
        if own
    ]
    return sum(losses) / max(len(guesses), 1)


def write_weights(
    path: Path, channels: Mapping[str, Mapping[tuple[int, int], float]], about: str
) -> None:
    """Write the weights' file: to a temporary name, then renamed."""
    rows = {
        channel: [
            {"order": order, "seen": seen, "weight": round(weight, 3)}
            for (order, seen), weight in sorted(weights.items())
        ]
        for channel, weights in channels.items()
    }
    temporary = path.with_suffix(".partial")
    temporary.write_text(json.dumps({"about": about, "channels": rows}, indent=1) + "\n", "utf-8")
    temporary.replace(path)
