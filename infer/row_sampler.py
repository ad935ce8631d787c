"""How one row's next token is drawn: grammar, the request's wishes, playability and what the tower
hears join the decoder's logits.

From the onset head follows the chance that the next event of the bar is at a tick
(`saberlm.infer.hazard`). A weighted product of this hazard and the decoder's distribution decides
*when*; right after a position, the head's odds of "a note starts here" join the decoder's the same
way; the decoder keeps its say on whether the tick goes on. DESIGN section 4 tells why: alone, the
decoder learns metre and does not listen. *What* is shaped by temperatures and filters.
Everything is compiled; all chances are double precision.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from numba import njit

from saberlm.infer import row_grammar as grammar
from saberlm.infer.hazard import BarHazard
from saberlm.infer.playability import RowPlayability
from saberlm.infer.sampling import SamplingParams
from saberlm.prompts import vocab as v

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

LIVE = v.OFFSETS["text"]
"""Map tokens are the ids below the header's text, which nobody samples."""
_NOTE, _LIGHT, _OTHER, _MOVE = range(4)


def _kinds() -> npt.NDArray[np.int16]:
    """What each token is to the temperatures, ``(LIVE,)``; positions and the end of the bar are
    `_MOVE` + their place among the moves."""
    kinds = np.full(LIVE, _OTHER, np.int16)
    kinds[list(v.block_range("position"))] = _MOVE + np.arange(v.TICKS_PER_SEGMENT)
    kinds[v.END_SEG] = _MOVE + v.TICKS_PER_SEGMENT
    kinds[list(v.block_range("note"))] = _NOTE
    for block in ("boost", "light", "laser", "brightness"):
        kinds[list(v.block_range(block))] = _LIGHT
    return kinds


_KINDS = _kinds()
_NO_NATS = np.zeros(v.VOCAB_SIZE, np.float32)


class LogitBias(Protocol):
    """Something of a row's own that moves its logits: a penalty on patterns, a memory of motifs."""

    def adjust(self, logits: Floats, tick: int) -> None:
        """Change the decoder's logits ``(LIVE,)`` in place, before any constraint; ``tick`` of the
        song is the last position said."""

    def say(self, token: int, tick: int) -> None:
        """A token was drawn or given; ``tick`` is where the row is after it."""


class _Settings(NamedTuple):
    """`SamplingParams` as the compiled code takes them."""

    temperature: float
    kinds: npt.NDArray[np.float64]  # (3,) temperatures within notes, lights and the rest
    position_temperature: float
    decoder: float
    hazard: float
    top_p: float
    top_k: int
    min_p: float


@njit(cache=True, nogil=True)
def _log_sum(x: Any, count: int) -> float:
    top = -np.inf
    for i in range(count):
        top = max(top, x[i])
    if top == -np.inf:
        return top
    total = 0.0
    for i in range(count):
        total += np.exp(x[i] - top)
    return top + np.log(total)


@njit(cache=True, nogil=True)
def _likeliest(x: Any, count: int) -> int:
    """The first place of the largest."""
    best = 0
    for i in range(1, count):
        if x[i] > x[best]:
            best = i
    return best


@njit(cache=True, nogil=True)
def _heat(x: Any, count: int, temperature: float) -> None:
    """Log-chances at a temperature, normalised, in place; 0 keeps the first of the likeliest."""
    if temperature == 0:
        best = _likeliest(x, count)
        for i in range(count):
            x[i] = -np.inf
        x[best] = 0.0
        return
    for i in range(count):
        x[i] /= temperature
    total = _log_sum(x, count)
    for i in range(count):
        x[i] -= total


@njit(cache=True, nogil=True)
def _heat_within(x: Any, raw: Any, kinds: Any, count: int, kind: int, temperature: float) -> None:
    """The chances within one kind as at another temperature, their sum unchanged."""
    mass, top = -np.inf, -np.inf
    for i in range(count):
        if kinds[i] == kind:
            mass = np.logaddexp(mass, x[i])
            top = max(top, raw[i])
    if mass == -np.inf or top == -np.inf:
        return
    total, first = 0.0, True
    for i in range(count):
        if kinds[i] == kind:
            if temperature == 0:
                x[i] = 0.0 if raw[i] == top and first else -np.inf
                first = first and raw[i] != top
            else:
                x[i] = (raw[i] - top) / temperature
            total += np.exp(x[i])
    for i in range(count):
        if kinds[i] == kind:
            x[i] += mass - np.log(total)


@njit(cache=True, nogil=True)
def _join_note_odds(x: Any, kinds: Any, count: int, heard: float, s: Any) -> None:
    """Re-weigh notes against everything else by the head's odds at the tick, in place."""
    note, other = -np.inf, -np.inf
    for i in range(count):
        if kinds[i] == _NOTE:
            note = np.logaddexp(note, x[i])
        else:
            other = np.logaddexp(other, x[i])
    if note == -np.inf or other == -np.inf:
        return
    odds = s.decoder * (note - other) + s.hazard * heard
    log_note = -np.logaddexp(0.0, -odds)
    log_other = -np.logaddexp(0.0, odds)
    for i in range(count):
        x[i] += log_note - note if kinds[i] == _NOTE else log_other - other


@njit(cache=True, nogil=True)
def _filter(x: Any, count: int, s: Any) -> None:
    """Keep the ``top_k`` likeliest, of these the fewest that hold ``top_p`` of the chance, and what
    has ``min_p`` of the likeliest's; in place. Sorts nothing: numba takes seconds to compile it."""
    left = np.empty(count)
    if s.top_k > 0 and s.top_k < count:
        for i in range(count):
            left[i] = x[i]
        kth = -np.inf
        for _ in range(s.top_k):
            best = _likeliest(left, count)
            kth = left[best]
            left[best] = -np.inf
        for i in range(count):
            if x[i] < kth:
                x[i] = -np.inf
    if s.top_p < 1:
        total = _log_sum(x, count)
        for i in range(count):
            left[i] = x[i]
            x[i] = -np.inf
        held = 0.0
        while held < s.top_p:
            best = _likeliest(left, count)
            if left[best] == -np.inf:
                break
            x[best] = left[best]
            held += np.exp(left[best] - total)
            left[best] = -np.inf
    if s.min_p > 0:
        floor = x[_likeliest(x, count)] + np.log(s.min_p)
        for i in range(count):
            if x[i] < floor:
                x[i] = -np.inf


@njit(cache=True, nogil=True)
def distribution(
    x: Any, ids: Any, count: int, kinds: Any, heard: Any, odds: Any, at_tick: int, s: Any
) -> None:
    """Turn logits into the log-chances to draw from, in place.

    Args:
        x: of the legal tokens, ``(count or more,)``; -inf for what has no chance.
        ids: theirs, rising.
        count: how many.
        kinds: of every token, ``(LIVE,)``, from `_kinds`.
        heard: log-hazard of the bar's 192 positions and of its end, ``(193,)``.
        odds: the head's log-odds of a note at each tick, ``(192,)``.
        at_tick: the tick just named, -1 where the last token was no position.
        s: settings.
    """
    total = _log_sum(x, count)
    what, own = np.empty(count), np.empty(count)
    kind = np.empty(count, np.int16)
    none: Any = np.int64(0)  # a plain 0 is a type of its own: what takes it is compiled twice
    whats = moves = none
    for i in range(count):
        x[i] -= total
        if kinds[ids[i]] >= _MOVE:
            own[moves] = x[i]
            moves += 1
        else:
            what[whats] = x[i]
            kind[whats] = kinds[ids[i]]
            whats += 1
    what_mass, move_mass = _log_sum(what, whats), _log_sum(own, moves)
    if what_mass > -np.inf:
        for i in range(whats):
            what[i] -= what_mass
        raw = what.copy()
        _heat(what, whats, s.temperature)
        if s.temperature > 0:
            for one in range(3):
                if s.kinds[one] != s.temperature:
                    _heat_within(what, raw, kind, whats, one, s.kinds[one])
        if at_tick >= 0:
            _join_note_odds(what, kind, whats, odds[at_tick], s)
        _filter(what, whats, s)
        left = _log_sum(what, whats)
        for i in range(whats):
            what[i] += what_mass - left
    if move_mass > -np.inf:
        at = 0
        for i in range(count):
            if kinds[ids[i]] >= _MOVE:
                place = kinds[ids[i]] - _MOVE
                own[at] = s.decoder * (own[at] - move_mass) + s.hazard * heard[place]
                at += 1
        _heat(own, moves, s.position_temperature)
        for i in range(moves):
            own[i] += move_mass
    whats, moves = 0, 0
    for i in range(count):
        if kinds[ids[i]] >= _MOVE:
            x[i] = own[moves]
            moves += 1
        else:
            x[i] = what[whats]
            whats += 1


@njit(cache=True, nogil=True)
def draw(x: Any, count: int, uniform: float) -> int:
    """Inverse-transform sampling: the first place at which the cumulated chance passes
    ``uniform``, from log-chances."""
    top = -np.inf
    for i in range(count):
        top = max(top, x[i])
    total = 0.0
    for i in range(count):
        total += np.exp(x[i] - top)
    passed, last = 0.0, 0
    for i in range(count):
        chance = np.exp(x[i] - top)
        passed += chance
        if chance > 0:
            last = i
            if passed > uniform * total:
                return i
    return last  # rounding can land past the last token that has any chance at all


@njit(cache=True, nogil=True)
def _allow(ids: Any, count: int, forbidden: Any, taken: Any, closing: int, out: Any) -> int:
    """Of the ids the grammar allows those that may be said, into ``out``; their number.

    What the request forbids gives way where nothing else is left. The token ``closing`` leaves
    nothing beside it, if it is legal (-1: none does).
    """
    wanted, possible = 0, 0
    for i in range(count):
        if not np.isinf(taken[ids[i]]) and not forbidden[ids[i]]:
            out[wanted] = ids[i]
            wanted += 1
    if wanted == 0:
        for i in range(count):
            if not np.isinf(taken[ids[i]]):
                out[possible] = ids[i]
                possible += 1
        wanted = possible
    for i in range(wanted):
        if out[i] == closing:
            out[0] = closing
            return 1
    return wanted


@njit(cache=True, nogil=True)
def _choose(
    logits: Any,
    ids: Any,
    count: int,
    taken: Any,
    kinds: Any,
    heard: Any,
    at_tick: int,
    s: Any,
    uniform: float,
) -> int:
    x = np.empty(count)
    for i in range(count):
        x[i] = np.float64(logits[ids[i]]) - np.float64(taken[ids[i]])
    distribution(x, ids, count, kinds, heard[0], heard[1], at_tick, s)
    token: int = ids[draw(x, count, uniform)]
    return token


@njit(cache=True, nogil=True)
def _any_charged(ids: Any, count: int, charged: Any) -> bool:
    found = False
    for i in range(count):
        found = found or charged[ids[i]]
    return found


class RowSampler:
    """Draws a row's tokens, bar by bar.

    Args:
        params: sampling.
        seed: of the row's chances.
        play: the playability layer, or None.
        biases: of the row.
    """

    def __init__(
        self,
        params: SamplingParams,
        seed: int,
        play: RowPlayability | None,
        biases: Sequence[LogitBias] = (),
    ) -> None:
        self.play = play
        self.biases = tuple(biases)
        self.counts: Counter[str] = Counter()
        self._random = np.random.default_rng([seed, 20_211])
        self._tables = grammar.grammar_tables()
        self._state = grammar.start_state()
        self._legal = np.zeros(v.VOCAB_SIZE, np.int32)
        self._ids = np.zeros(v.VOCAB_SIZE, np.int32)
        self._cap = params.max_segment_tokens
        own = (params.note_temperature, params.light_temperature, params.other_temperature)
        self._settings = _Settings(
            params.temperature,
            np.array([params.temperature if one is None else one for one in own], np.float64),
            params.position_temperature,
            params.decoder,
            params.hazard,
            params.top_p,
            params.top_k,
            params.min_p,
        )
        self._bar_tick = 0
        self._said = 0

    @property
    def bar_tick(self) -> int:
        """The tick in the bar of the last position said, 0 before any."""
        return max(0, int(self._state[grammar.TICK]))

    def open_bar(self, bar: int, hazard: BarHazard, forbidden: Bools) -> None:
        """A bar to be drawn begins: what is heard in it, and what the request rules out in it,
        ``(V,)``."""
        self._bar_tick = bar * v.TICKS_PER_SEGMENT
        self._said = 0
        self._heard = (hazard.moves, hazard.note_odds)
        self._forbidden = forbidden
        if self.play is not None:
            self.play.open_bar(self._bar_tick, forbidden)

    def sample(self, logits: Floats) -> int:
        """Draw the next token from the decoder's logits ``(LIVE,)``, which are changed; ``</seg>``
        ends the bar."""
        state = self._state
        tick = int(state[grammar.TICK])
        here = self._bar_tick + tick
        for bias in self.biases:
            bias.adjust(logits, here)
        count = grammar.legal_ids(state, self._tables, self._legal)
        taken = _NO_NATS
        if self.play is not None and (
            self.play.strict or _any_charged(self._legal, count, self.play.charged)
        ):
            taken = self.play.penalties(here)
        closing = v.END_SEG if self._said >= self._cap else -1
        allowed = _allow(self._legal, count, self._forbidden, taken, closing, self._ids)
        if allowed == 1 and self._ids[0] == closing:
            self.counts["bar closed at the cap"] += 1
        at_tick = tick if state[grammar.STATE] == grammar.AT_POSITION else -1
        uniform = self._random.random()
        token = int(
            _choose(
                *(logits, self._ids, allowed, taken, _KINDS),
                *(self._heard, at_tick, self._settings, uniform),
            )
        )
        grammar.step(state, self._tables, token)
        if token != v.END_SEG:
            self._say(token, self._bar_tick + int(state[grammar.TICK]))
        return token

    def _say(self, token: int, tick: int) -> None:
        self._said += 1
        if self.play is not None:
            self.play.place(token, tick)
        for bias in self.biases:
            bias.say(token, tick)

    def close_bar(self) -> None:
        """On to the next bar, ``</seg>`` having been drawn."""
        grammar.close_bar(self._state, said=True)

    def give_start(self, tokens: Sequence[int]) -> None:
        """What the bar that was opened begins with stands as it is."""
        for token in tokens:
            grammar.step(self._state, self._tables, token)
            self._say(token, self._bar_tick + int(self._state[grammar.TICK]))

    def give(self, bar: int, tokens: Sequence[int]) -> None:
        """A whole bar that stands as it is."""
        tick, positions = bar * v.TICKS_PER_SEGMENT, v.block_range("position")
        first = tick
        for token in tokens:
            if token in positions:
                tick = first + token - positions.start
            self._say(token, tick)
        # of a whole bar the grammar remembers nothing but its open arcs
        if _ARCS.intersection(tokens):
            for token in tokens:
                grammar.step(self._state, self._tables, token)
        grammar.close_bar(self._state, said=False)


_ARCS = {*v.block_range("arc_start"), *v.block_range("arc_end")}
