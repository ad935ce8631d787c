"""Motifs: what a map has said before, remembered and joined to the decoder's chances.

Mappers say things again: a pattern comes back with the drums, a light with its chord. The decoder
sees some bars at once; the memory has the whole map so far. For every context of the newest n
tokens of a channel (notes; lights), with their distances, it counts what followed, notes also as
their mirror image with the hands swapped. The chance of a token is mixed up through the orders:

    p_0 = the decoder's chance within the channel
    p_n = (1 - w_n,c) p_(n-1) + w_n,c * (share of the token among what followed the context)

w_n,c being learnt for the order n and the c times the context was seen
(`saberlm.finetune.fit_motif`). Before the shortest context come the guesses of
`saberlm.infer.refrain`, by how far each is trusted. This is the mixing of Jelinek and Mercer
(1980), on a cache as in Kuhn and De Mori, "A cache-based natural language model" (1990). How likely
the channel itself is stays the decoder's.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from saberlm.infer.likeness import Echoes
from saberlm.infer.refrain import PLANNED, RefrainMemory
from saberlm.prompts import vocab as v
from saberlm.prompts.mirror import mirrored_note_token

ORDERS: Mapping[str, tuple[int, ...]] = {
    "notes": (3, 4, 6, 8),
    "lights": (0, 1, 2, 3, 4, 6, 8, 12),
}
"""Lengths of a channel's contexts, in its tokens. Shorter ones would make human maps likelier, too,
but do not know how the hands stand: sampled notes then break parity (`finetune/EXPERIMENTS.md`)."""
MOST_SEEN = 5
"""Contexts seen as often or more share a weight."""
FAR_TICKS = v.TICKS_PER_SEGMENT
"""Distances of a bar or more are one."""
CHANNELS: Mapping[str, tuple[str, ...]] = {
    "notes": ("note",),
    "lights": ("boost", "light", "laser", "brightness"),
}
WEIGHTS_FILE = Path(__file__).parent / "pretrained" / "motif" / "weights.json"

PLANNED_WEIGHT = 0.95
"""Of a guess in a refrain."""
SECOND_HAND_NATS = 4.0
"""By which a refrain's doubles and single notes come again as such."""

Weights = Mapping[tuple[int, int], float]
"""By order and how often its context was seen; for guesses by their kind and level."""
Context = tuple[tuple[int, int], ...]
Follower = tuple[int, int, Mapping[int, int]]
"""An order, how often its context was seen (or how far a guess is trusted), and what followed."""


@cache
def channel_tokens(channel: str) -> npt.NDArray[np.int64]:
    """Ids of a channel, rising."""
    ids = [token for block in CHANNELS[channel] for token in v.block_range(block)]
    return np.array(sorted(ids))


@cache
def shipped_weights() -> Mapping[str, Weights]:
    """The weights that ship, by channel."""
    read = json.loads(WEIGHTS_FILE.read_text(encoding="utf-8"))
    return {
        channel: {(row["order"], row["seen"]): row["weight"] for row in rows}
        for channel, rows in read["channels"].items()
    }


class ChannelMemory:
    """What followed what in one channel of one map.

    Args:
        channel: which.
        echoes: which bars of the song sound alike; None where nothing is known of its sound.
        plan: which of them are refrains (`saberlm.infer.refrain.plan_refrains`).
    """

    def __init__(
        self, channel: str, echoes: Echoes | None = None, plan: npt.NDArray[np.int64] | None = None
    ) -> None:
        self.orders = ORDERS[channel]
        self.mirrored = channel == "notes"
        self.refrain = None
        if echoes is not None:
            self.refrain = RefrainMemory(echoes, self.mirrored, plan if self.mirrored else None)
        self._seen: defaultdict[Context, Counter[int]] = defaultdict(Counter)
        self._last_tick = 0
        # newest first; the distance of the newest to what comes after it is not known yet
        self._recent: Context = ()
        self._images: Context = ()  # the same in the mirror

    def say(self, token: int, tick: int) -> None:
        """A token of the channel at a tick of the song."""
        self._count(self._context(self._recent, tick), token)
        if self.mirrored:
            image = mirrored_note_token(token)
            self._count(self._context(self._images, tick), image)
            self._images = self._after(self._images, image, tick)
        self._recent = self._after(self._recent, token, tick)
        self._last_tick = tick
        if self.refrain is not None:
            self.refrain.say(token, tick)

    def followers(self, tick: int) -> list[Follower]:
        """What came where the song sounded like this, then what followed the present context, for
        each order that was seen, rising."""
        context = self._context(self._recent, tick)
        found: list[Follower] = []
        guesses = [] if self.refrain is None else self.refrain.guesses(tick)
        found += [(kind, level, {one: 1}) for kind, level, one in guesses if kind != PLANNED]
        for order in self.orders:
            if order > len(context):
                break
            counts = self._seen.get(context[:order])
            if counts:
                found.append((order, min(sum(counts.values()), MOST_SEEN), counts))
            elif order:
                break  # what holds it was not seen either
        return found + [(kind, 0, {one: 1}) for kind, _, one in guesses if kind == PLANNED]

    def _count(self, context: Context, token: int) -> None:
        for order in self.orders:
            if order <= len(context):
                self._seen[context[:order]][token] += 1

    def _context(self, recent: Context, tick: int) -> Context:
        """The newest tokens, newest first, each with the distance to what comes after it."""
        if not recent:
            return ()
        return ((min(tick - self._last_tick, FAR_TICKS), recent[0][1]), *recent[1:])

    def _after(self, recent: Context, token: int, tick: int) -> Context:
        """The context's tokens when another has come."""
        return ((0, token), *self._context(recent, tick)[: self.orders[-1] - 1])


class MotifMemory:
    """A row's memory, as the engine's `saberlm.infer.row_sampler.LogitBias`.

    Args:
        strength: multiplies every weight; 1 is as learnt, which is the most for lights: a show that
            leans on its past too far is caught in it.
        weights: by channel; None takes what ships.
        echoes: of `ChannelMemory`.
        plan: of `ChannelMemory`.
    """

    def __init__(
        self,
        strength: float = 1.0,
        weights: Mapping[str, Weights] | None = None,
        echoes: Echoes | None = None,
        plan: npt.NDArray[np.int64] | None = None,
    ) -> None:
        chosen = shipped_weights() if weights is None else weights
        own = {"notes": strength, "lights": min(1.0, strength)}
        self._weights = {
            channel: {
                **{key: min(1.0, own[channel] * one) for key, one in table.items()},
                (PLANNED, 0): PLANNED_WEIGHT,
            }
            for channel, table in chosen.items()
        }
        self._channels = {
            channel: ChannelMemory(channel, echoes, plan) for channel in self._weights
        }
        self._of_token = {
            int(token): channel for channel in self._weights for token in channel_tokens(channel)
        }
        self._positions = v.block_range("position")
        self._open = False  # a tick was named: something may be said at it

    def adjust(self, logits: npt.NDArray[np.float32], tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        if not self._open:
            return
        for channel, memory in self._channels.items():
            found = memory.followers(tick)
            if found:
                ids = channel_tokens(channel)
                logits[ids] = mixed(logits[ids], ids, found, self._weights[channel])
            both = None if memory.refrain is None else memory.refrain.second_hand(tick)
            if both is not None:
                logits[channel_tokens(channel)] += SECOND_HAND_NATS if both else -SECOND_HAND_NATS

    def say(self, token: int, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        channel = self._of_token.get(token)
        if channel is not None:
            self._channels[channel].say(token, tick)
        self._open = token != v.END_SEG and (
            self._open or token in self._positions or channel is not None
        )


def mixed(
    logits: npt.NDArray[np.float32],
    ids: npt.NDArray[np.int64],
    found: Sequence[Follower],
    weights: Weights,
) -> npt.NDArray[np.float32]:
    """A channel's logits with what followed before mixed in; their mass is unchanged.

    Args:
        logits: ``(C,)``.
        ids: of the tokens, ``(C,)``, rising.
        found: of `ChannelMemory.followers`.
        weights: of each order and count.
    """
    # all orders at once: what the later ones leave of the shares of the earlier ones
    left, joined = 1.0, dict[int, float]()
    for order, seen_times, counts in reversed(found):
        total = sum(counts.values())
        weight = weights.get((order, seen_times), 0.0)
        share = left * weight / total
        for token, seen in counts.items():
            joined[token] = joined.get(token, 0.0) + share * seen
        left *= 1 - weight
    places = np.searchsorted(ids, np.fromiter(joined.keys(), np.int64, len(joined)))
    shares = np.fromiter(joined.values(), np.float64, len(joined))
    out: npt.NDArray[np.float32] = _mixed(logits, left, places, shares)
    return out


@njit(cache=True, nogil=True)
def _mixed(logits: Any, left: float, places: Any, shares: Any) -> Any:
    """``left`` of the chances, and ``shares`` at ``places`` besides."""
    out = logits.copy()
    top = -np.inf
    for i in range(len(logits)):
        top = max(top, np.float64(logits[i]))
    if not np.isfinite(top):
        return out
    chance = np.empty(len(logits))
    mass = 0.0
    for i in range(len(logits)):
        chance[i] = np.exp(np.float64(logits[i]) - top)
        mass += chance[i]
    for i in range(len(logits)):
        chance[i] *= left / mass
    for k in range(len(places)):
        chance[places[k]] += shares[k]
    for i in range(len(logits)):
        out[i] = np.log(chance[i] * mass) + top
    return out
