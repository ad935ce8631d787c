"""The decoding engine: bar by bar on one KV cache, many rows at once.

A row is one difficulty of one song. All rows of a batch open a bar together (``</seg> <seg>`` and
the bar's audio in one forward), then
each goes on until its own ``</seg>``; columns of rows that closed early are masked. When the bars
in the cache reach what the
model was trained to see, the cache is made anew from the header, the sketch and the newest bars. A
row's tokens depend on its
seed and not on its neighbours.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.infer.constraints import GrammarMask, TokenGroups, forbidden_tokens
from saberlm.infer.density import DensityControl
from saberlm.infer.hazard import BarHazard, join_note_odds, join_positions
from saberlm.infer.playability import HandTracker
from saberlm.infer.sampling import SamplingParams, draw, filter_logits
from saberlm.prompts import vocab as v
from saberlm.prompts.header import Conditions
from saberlm.prompts.stream import LATENTS_PER_SEGMENT, open_segment, prompt

DEFAULT_BPM = 135.0
"""Taken where a request does not say its tempo."""


@dataclass(frozen=True)
class SongEncoding:
    """What the tower made of a song, shared by its rows: latents ``(N, H_a)``, embeddings ``(N,
    H)``, sketch ``(K, H)``."""

    latents: Tensor
    embeds: Tensor
    sketch: Tensor
    num_bars: int


@dataclass
class MapRequest:
    """One difficulty to make.

    ``onset_logits`` ``(T, 2)`` are the head's for this difficulty; ``density`` is None where the
    notes/s is the model's own choice.
    """

    song: SongEncoding
    conditions: Conditions
    onset_logits: Tensor
    seed: int
    density: DensityControl | None = None


@dataclass
class GeneratedMap:
    """Token ids of every bar, and counts of what decoding had to do."""

    bars: list[list[int]]
    counts: Counter[str] = field(default_factory=Counter)


class _Row:
    """A request while it runs."""

    def __init__(self, index: int, request: MapRequest, params: SamplingParams) -> None:
        self.index = index
        self.request = request
        self.bars: list[list[int]] = []
        self.notes = 0
        self.recent: deque[int] = deque(maxlen=params.repetition_window)
        self.random = np.random.default_rng([request.seed, 20_211])
        self.forbidden = forbidden_tokens(request.conditions)
        self.forbidden_late = forbidden_tokens(request.conditions, last_bars=True)
        self.counts: Counter[str] = Counter()
        self.hands: HandTracker | None = None
        if params.playability != "off":
            self.hands = HandTracker(params.playability, request.conditions.bpm or DEFAULT_BPM)
        if request.density is not None:
            request.density.after(0, 0)

    def note_penalties(self, tick: int) -> np.ndarray:
        """What playability takes off each note at a tick of the song, ``(216,)``."""
        assert self.hands is not None
        return self.hands.penalties(tick)

    def add(self, token: int, tick: int) -> None:
        """A token was drawn at a tick of the song."""
        self.bars[-1].append(token)
        value = token - v.OFFSETS["note"]
        if 0 <= value < v.SIZES["note"]:
            self.recent.append(token)
            if self.hands is not None:
                color, _, _, direction = v.note_parts(value)
                self.hands.place(tick, color, direction)

    def close_bar(self) -> None:
        notes = v.block_range("note")
        self.notes += sum(token in notes for token in self.bars[-1])
        if self.request.density is not None:
            self.request.density.after(len(self.bars) * v.TICKS_PER_SEGMENT, self.notes)


class Engine:
    """Requests in, maps out.

    Args:
        model: in evaluation mode; its device is used.
        context_bars: bars in the cache before it is made anew; None takes what the model was
            trained with.
    """

    def __init__(
        self, model: SaberForConditionalGeneration, context_bars: int | None = None
    ) -> None:
        self.model = model.eval()
        self.device = next(model.parameters()).device
        self.grammar = GrammarMask(self.device)
        self.groups = TokenGroups.on(self.device)
        self.context_bars = context_bars or int(model.config.context_segments)
        self.kept_bars = max(1, self.context_bars // 2)

    @torch.no_grad()
    def generate(
        self,
        requests: Sequence[MapRequest],
        params: SamplingParams,
        progress: Callable[[int], None] | None = None,
    ) -> list[GeneratedMap]:
        """Decode all requests in one batch.

        Args:
            requests: rows; songs may differ in length.
            params: shared by all rows; each row has its own seed.
            progress: called with the number of row-bars finished.

        Returns:
            Maps in the order of the requests.
        """
        rows = [_Row(i, request, params) for i, request in enumerate(requests)]
        finished: list[_Row] = []
        cache = _Cache()
        bar = 0
        state = self.grammar.start(len(rows))
        while rows:
            live = [i for i, row in enumerate(rows) if row.request.song.num_bars > bar]
            if len(live) < len(rows):
                finished += [row for row in rows if row.request.song.num_bars <= bar]
                rows = [rows[i] for i in live]
                if not rows:
                    break
                state = state[live]
                cache.select(live)
            hidden = self._open_bar(rows, cache, bar)
            state = self._decode_bar(rows, cache, bar, state, hidden, params)
            for row in rows:
                row.close_bar()
            if progress is not None:
                progress(len(rows))
            bar += 1
        finished.sort(key=lambda row: row.index)
        return [GeneratedMap(row.bars, row.counts) for row in finished]

    def _embed(self, ids: list[int]) -> Tensor:
        return self.model.get_input_embeddings()(torch.tensor(ids, device=self.device))

    def _bar_audio(self, row: _Row, bar: int) -> Tensor:
        first = bar * LATENTS_PER_SEGMENT
        return row.request.song.embeds[first : first + LATENTS_PER_SEGMENT]

    def _opening(self, row: _Row, bar: int) -> Tensor:
        """``<seg>`` and the bar's audio, embedded, ``(17, H)``."""
        return torch.cat([self._embed(open_segment()[:1]), self._bar_audio(row, bar)])

    def _open_bar(self, rows: list[_Row], cache: _Cache, bar: int) -> Tensor:
        """Feed what opens a bar; make the cache anew when it is new or full. Returns last hidden
        states ``(B, H)``."""
        if cache.past is not None and cache.bars < self.context_bars:
            close = self._embed([v.END_SEG])
            pieces = [torch.cat([close, self._opening(row, bar)]) for row in rows]
            cache.bars += 1
        else:
            first = max(0, bar - self.kept_bars)
            pieces = []
            for row in rows:
                song = row.request.song
                header = prompt(row.request.conditions, song.num_bars).ids[song.num_bars :]
                parts = [song.sketch, self._embed(header)]
                for past in range(first, bar):
                    parts += [self._opening(row, past), self._embed([*row.bars[past], v.END_SEG])]
                parts.append(self._opening(row, bar))
                pieces.append(torch.cat(parts))
            cache.reset(len(rows), self.device)
            cache.bars = bar - first + 1
        return self._forward(cache, pieces)

    def _forward(self, cache: _Cache, pieces: list[Tensor]) -> Tensor:
        """Append embeddings (ragged: padded on the left) and return the last hidden states ``(B,
        H)``."""
        width = max(len(piece) for piece in pieces)
        x = torch.zeros(
            len(pieces), width, pieces[0].shape[1], dtype=pieces[0].dtype, device=self.device
        )
        live = torch.zeros(len(pieces), width, dtype=torch.long, device=self.device)
        for i, piece in enumerate(pieces):
            if len(piece):
                x[i, width - len(piece) :] = piece
                live[i, width - len(piece) :] = 1
        return self._run(cache, x, live)

    def _run(self, cache: _Cache, x: Tensor, live: Tensor) -> Tensor:
        assert cache.mask is not None
        assert cache.length is not None
        cache.mask = torch.cat([cache.mask, live], dim=1)
        position = (cache.length[:, None] + live.cumsum(1) - 1).clamp(min=0)
        cache.length = cache.length + live.sum(1)
        out = self.model.model.language_model(
            inputs_embeds=x,
            attention_mask=cache.mask,
            position_ids=position,
            past_key_values=cache.past,
            use_cache=True,
        )
        cache.past = out.past_key_values
        return out.last_hidden_state[:, -1]

    def _decode_bar(
        self,
        rows: list[_Row],
        cache: _Cache,
        bar: int,
        state: Tensor,
        hidden: Tensor,
        params: SamplingParams,
    ) -> Tensor:
        """Sample every row's tokens up to its ``</seg>``; returns the states at the next bar's
        start."""
        ticks = slice(bar * v.TICKS_PER_SEGMENT, (bar + 1) * v.TICKS_PER_SEGMENT)
        onsets = torch.stack([row.request.onset_logits[ticks] for row in rows]).to(self.device)
        bias = torch.tensor(
            [row.request.density.bias if row.request.density else 0.0 for row in rows],
            device=self.device,
        )
        hazard = BarHazard(onsets, bias)
        forbidden = torch.stack(
            [
                row.forbidden_late if bar >= row.request.song.num_bars - 2 else row.forbidden
                for row in rows
            ]
        ).to(self.device)
        for row in rows:
            row.bars.append([])
        open_rows = torch.ones(len(rows), dtype=torch.bool, device=self.device)
        while True:
            legal = self.grammar.allowed(state)
            wanted = legal & ~forbidden
            stuck = ~wanted.any(1, keepdim=True)
            legal = torch.where(stuck, legal, wanted)
            self._cap(rows, legal, params)
            log_probs = self._log_probs(rows, hidden, legal, state, bar, hazard, params)
            uniform = torch.tensor(
                [
                    row.random.random() if on else 0.5
                    for row, on in zip(rows, open_rows.tolist(), strict=True)
                ],
                dtype=torch.float64,
                device=self.device,
            )
            token = draw(log_probs, uniform)
            stepped = self.grammar.step(state, torch.where(open_rows, token, v.END_SEG))
            state = torch.where(open_rows[:, None], stepped, state)
            closing = open_rows & (token == v.END_SEG)
            ticks_now = (state[:, 1] + bar * v.TICKS_PER_SEGMENT).tolist()
            for row, said, on, closed, tick in zip(
                rows, token.tolist(), open_rows.tolist(), closing.tolist(), ticks_now, strict=True
            ):
                if on and not closed:
                    row.add(said, tick)
            open_rows = open_rows & ~closing
            if not open_rows.any():
                break
            # closed rows get a masked column
            fed = torch.where(open_rows, token, v.PAD)
            x = self.model.get_input_embeddings()(fed)[:, None]
            hidden = self._run(cache, x, open_rows[:, None].long())
        segment = torch.full((len(rows),), v.SEG, device=self.device)
        state = self.grammar.step(state, segment)
        return self.grammar.step(state, torch.full_like(segment, v.AUDIO))

    def _cap(self, rows: list[_Row], legal: Tensor, params: SamplingParams) -> None:
        """Rows past the cap may only close their bar, as soon as the grammar lets them."""
        for i, row in enumerate(rows):
            if len(row.bars[-1]) >= params.max_segment_tokens and legal[i, v.END_SEG]:
                row.counts["bar closed at the cap"] += 1
                legal[i] = False
                legal[i, v.END_SEG] = True

    def _log_probs(
        self,
        rows: list[_Row],
        hidden: Tensor,
        legal: Tensor,
        state: Tensor,
        bar: int,
        hazard: BarHazard,
        params: SamplingParams,
    ) -> Tensor:
        """Log-probabilities to draw from, ``(B, V)``."""
        logits = self.model.lm_head(hidden).float()[:, : v.VOCAB_SIZE]
        if params.repetition_penalty != 1:
            for i, row in enumerate(rows):
                if row.recent:
                    logits[i, list(set(row.recent))] -= float(np.log(params.repetition_penalty))
        log_probs = logits.masked_fill(~legal, -torch.inf).log_softmax(1)
        temperature = params.temperature
        at_position = state[:, 0] == self.grammar.AT_POSITION
        shared = {"decoder_weight": params.decoder, "hazard_weight": params.hazard}
        moves = torch.isfinite(log_probs[:, self.groups.moves]).any(1, keepdim=True)
        # "what" is shaped by temperature, top-k and top-p; "when" by its own temperature and the
        # hazard
        what = log_probs.clone()
        what[:, self.groups.moves] = -torch.inf
        only_moves = torch.isinf(what).all(1, keepdim=True)
        what_mass = what.logsumexp(1, keepdim=True)
        what = torch.where(only_moves, torch.zeros_like(what), what - what_mass)
        if params.playability != "off":
            ticks = (state[:, 1] + bar * v.TICKS_PER_SEGMENT).tolist()
            taken = np.stack([r.note_penalties(t) for r, t in zip(rows, ticks, strict=True)])
            what[:, self.groups.is_note] -= torch.from_numpy(taken).to(what)
            what = torch.where(only_moves, torch.zeros_like(what), what.log_softmax(1))
        if temperature == 0:
            best = what.argmax(1, keepdim=True)
            what = torch.full_like(what, -torch.inf).scatter(1, best, 0.0)
        else:
            what = (what / temperature).log_softmax(1)
        keep_odds = join_note_odds(what, hazard, state[:, 1], at_position, self.groups, **shared)
        what = torch.where(at_position[:, None], keep_odds, what)
        what = filter_logits(what.log_softmax(1), params.top_p, params.top_k)
        what = what.log_softmax(1) + what_mass
        mixed = torch.where(only_moves, log_probs, what)
        mixed[:, self.groups.moves] = log_probs[:, self.groups.moves]
        joined = join_positions(
            mixed, hazard, self.groups, temperature=params.position_temperature, **shared
        )
        return torch.where(moves, joined, mixed)


class _Cache:
    """KV cache with the mask of its columns and each row's true length."""

    def __init__(self) -> None:
        self.past: DynamicCache | None = None
        self.mask: Tensor | None = None
        self.length: Tensor | None = None
        self.bars = 0

    def reset(self, batch: int, device: torch.device) -> None:
        self.past = DynamicCache()
        self.mask = torch.zeros(batch, 0, dtype=torch.long, device=device)
        self.length = torch.zeros(batch, dtype=torch.long, device=device)

    def select(self, rows: list[int]) -> None:
        if self.past is not None:
            assert self.mask is not None
            assert self.length is not None
            index = torch.tensor(rows, device=self.mask.device)
            self.past.batch_select_indices(index)
            self.mask = self.mask[index]
            self.length = self.length[index]
