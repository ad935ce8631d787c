"""The decoding engine: bar by bar on one KV cache, many rows at once.

A row is one difficulty of one song. All rows of a batch open a bar together (``</seg> <seg>`` and
the bar's audio in one forward), then
each goes on until its own ``</seg>``; columns of rows that closed early are masked. When a row's
bars in the cache reach what the model was trained to see, or the decoder's room, the cache is made
anew from the sketch, the header, the task and the newest bars. Bars that a request gives stand as
they are and are not sampled. A row's tokens depend on its seed and not on its neighbours.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.infer.constraints import GrammarMask, TokenGroups, forbidden_tokens
from saberlm.infer.density import DensityControl
from saberlm.infer.hazard import BarHazard, join_note_odds, join_positions
from saberlm.infer.playability import PlayabilityMask, check_difficulty
from saberlm.infer.rhythm import RhythmPlan
from saberlm.infer.sampling import SamplingParams, draw, filter_logits
from saberlm.prompts import vocab as v
from saberlm.prompts.context import Context
from saberlm.prompts.header import Conditions
from saberlm.prompts.stream import LATENTS_PER_SEGMENT, MapPrompt

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
    notes/s is the model's own choice. ``context`` is the task and what it is given; ``fixed`` the
    tokens of bars that stand as they are; nothing is made from ``end_bar`` on (None: the song's
    end).
    """

    song: SongEncoding
    conditions: Conditions
    onset_logits: Tensor
    seed: int
    density: DensityControl | None = None
    context: Context | None = None
    fixed: Mapping[int, Sequence[int]] = field(default_factory=dict)
    end_bar: int | None = None

    @property
    def num_bars(self) -> int:
        """Bars to go through, the fixed ones counted."""
        return self.song.num_bars if self.end_bar is None else self.end_bar


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
        self.prompt = MapPrompt(request.conditions, request.song.num_bars, request.context)
        self.opening_length = len(self.prompt.opening())
        self.first = 0  # the oldest bar that the decoder still sees
        self.unfed: list[int] = []  # of the last bar: tokens that are not in the cache yet
        self.notes = 0
        self.recent: deque[int] = deque(maxlen=params.repetition_window)
        self.random = np.random.default_rng([request.seed, 20_211])
        self.rhythm: DensityControl | RhythmPlan | None = request.density
        if request.density is not None and params.rhythm == "planned":
            chance = np.random.default_rng([request.seed, 7])
            self.rhythm = RhythmPlan(request.density, params.rhythm_noise, chance)
        lights_only = request.context is not None and request.context.task == "lights"
        self.forbidden = forbidden_tokens(request.conditions, lights_only=lights_only)
        self.forbidden_late = forbidden_tokens(
            request.conditions, last_bars=True, lights_only=lights_only
        )
        self.counts: Counter[str] = Counter()
        if self.rhythm is not None:
            self.rhythm.after(0, 0)

    def add(self, token: int) -> None:
        """A token was drawn or given."""
        self.bars[-1].append(token)
        value = token - v.OFFSETS["note"]
        if 0 <= value < v.SIZES["note"]:
            self.recent.append(token)

    def give(self, tokens: Sequence[int]) -> None:
        """The bar just begun is one that stands as it is."""
        for token in tokens:
            self.add(token)
        self.unfed = list(tokens)

    def close_bar(self) -> None:
        """The density follows what was made; what was given counts as what was wanted."""
        notes = v.block_range("note")
        self.notes += sum(token in notes for token in self.bars[-1])
        rhythm, tick = self.rhythm, len(self.bars) * v.TICKS_PER_SEGMENT
        if rhythm is not None:
            if len(self.bars) - 1 in self.request.fixed:
                self.notes = round(rhythm.wanted_at(tick))
            rhythm.after(tick, self.notes)

    def onset_logits(self, ticks: slice) -> Tensor:
        """The head's logits of a bar, ``(192, 2)``, those of notes as the rhythm has them."""
        logits = self.request.onset_logits[ticks].float()
        if self.rhythm is None:
            return logits
        notes = self.rhythm.note_logits(ticks).to(logits)
        return torch.stack([notes, logits[:, 1]], dim=1)

    def slide(self, bar: int, most_bars: int, kept_bars: int, room: int) -> bool:
        """Let the oldest bars leave where bar ``bar`` would be one too many, or its end might lie
        beyond ``room`` tokens; whether any left."""
        if bar - self.first < most_bars and self.window_length(self.first, bar) <= room:
            return False
        first = max(self.first, bar - kept_bars)
        while first < bar and self.window_length(first, bar) > room // 2:
            first += 1
        changed, self.first = first != self.first, first
        return changed

    def window_ids(self, first: int, bar: int) -> list[int]:
        """Everything from the song's sketch to what opens ``bar``, the past beginning with bar
        ``first``."""
        past = self.bars[first:bar]
        return [
            *self.prompt.window(first, past, [False] * len(past), ends=False).ids,
            *self.prompt.bar(bar),
        ]

    def window_length(self, first: int, bar: int) -> int:
        """How many ids `window_ids` gives."""
        past = sum(len(self.prompt.bar(b)) + len(self.bars[b]) + 1 for b in range(first, bar))
        return self.opening_length + past + len(self.prompt.bar(bar))


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
        self.positions = int(model.config.text_config.max_position_embeddings)

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
        play = self._playability(requests, params)
        while rows:
            live = [i for i, row in enumerate(rows) if row.request.num_bars > bar]
            if len(live) < len(rows):
                finished += [row for row in rows if row.request.num_bars <= bar]
                rows = [rows[i] for i in live]
                if not rows:
                    break
                state = state[live]
                cache.select(live)
                if play is not None:
                    play.select(live)
            room = self.positions - 2 * params.max_segment_tokens
            slid = [row.slide(bar, self.context_bars, self.kept_bars, room) for row in rows]
            if any(slid) or all(bar in row.request.fixed for row in rows):
                cache.past = None  # made when a bar is sampled
            hidden = None
            if not all(bar in row.request.fixed for row in rows):
                hidden = self._open_bar(rows, cache, bar)
            for row in rows:
                row.bars.append([])
                row.unfed = []
            state = self._give_bar(rows, bar, state)
            if play is not None:
                given = [row.request.fixed.get(bar, ()) for row in rows]
                play.give(given, bar * v.TICKS_PER_SEGMENT)
            if hidden is not None:
                state = self._decode_bar(rows, cache, bar, state, hidden, params, play)
            segment = torch.full((len(rows),), v.SEG, device=self.device)
            state = self.grammar.step(state, segment)
            state = self.grammar.step(state, torch.full_like(segment, v.AUDIO))
            for row in rows:
                row.close_bar()
            if progress is not None:
                progress(len(rows))
            bar += 1
        finished.sort(key=lambda row: row.index)
        return [GeneratedMap(row.bars, row.counts) for row in finished]

    def _playability(
        self, requests: Sequence[MapRequest], params: SamplingParams
    ) -> PlayabilityMask | None:
        """The playability layer of the rows, if it is wanted."""
        if params.playability == "off":
            return None
        asked = [request.conditions for request in requests]
        bpm = torch.tensor([one.bpm or DEFAULT_BPM for one in asked], dtype=torch.float64)
        difficulties = [check_difficulty(one.difficulty) for one in asked]
        return PlayabilityMask(params.playability, bpm, difficulties, self.device)

    def _embed(self, song: SongEncoding, ids: list[int], first_bar: int) -> Tensor:
        """A piece of the prompt embedded, ``(n, H)``, its places of sound filled: the sketch, and
        the audio of the bars from ``first_bar``."""
        tokens = torch.tensor(ids, device=self.device)
        out: Tensor = self.model.get_input_embeddings()(tokens)
        heard = tokens == v.AUDIO
        start = first_bar * LATENTS_PER_SEGMENT
        out[heard] = song.embeds[start : start + ids.count(v.AUDIO)].to(out)
        if v.SKETCH in ids:
            out[tokens == v.SKETCH] = song.sketch.to(out)
        if self.model.model.projector.tick is not None:
            latents = song.latents[None, start:]
            out += self.model.model.tick_embeds(tokens[None], latents)[0].to(out)
        return out

    def _bar_sound(self, rows: list[_Row], bar: int) -> Tensor | None:
        """What joins the tokens of a bar's ticks, ``(B, latents a bar, H)``, in a model with that
        road."""
        projector = self.model.model.projector
        if projector.tick is None:
            return None
        at = slice(bar * LATENTS_PER_SEGMENT, (bar + 1) * LATENTS_PER_SEGMENT)
        sound: Tensor = projector.at_ticks(torch.stack([r.request.song.latents[at] for r in rows]))
        return sound

    def _open_bar(self, rows: list[_Row], cache: _Cache, bar: int) -> Tensor:
        """Feed what opens a bar, and before it what the cache lacks. Returns last hidden states
        ``(B, H)``."""
        pieces = []
        if cache.past is not None:
            for row in rows:
                song = row.request.song
                piece = self._embed(song, [v.END_SEG, *row.prompt.bar(bar)], bar)
                if row.unfed:  # of the bar before
                    past = self._embed(song, [v.SEG, *row.unfed], bar - 1)[1:]
                    piece = torch.cat([past, piece])
                pieces.append(piece)
        else:
            for row in rows:
                ids = row.window_ids(row.first, bar)
                pieces.append(self._embed(row.request.song, ids, row.first))
            cache.reset(len(rows), self.device)
        return self._forward(cache, pieces)

    def _give_bar(self, rows: list[_Row], bar: int, state: Tensor) -> Tensor:
        """Bring the rows whose bar is fixed to its end; returns all rows' states."""
        arcs = {*v.block_range("arc_start"), *v.block_range("arc_end")}
        out = state.clone()
        for i, row in enumerate(rows):
            tokens = row.request.fixed.get(bar)
            if tokens is None:
                continue
            row.give(tokens)
            # of a whole bar the grammar remembers nothing but its open arcs
            for token in [*(tokens if arcs.intersection(tokens) else ()), v.END_SEG]:
                said = torch.tensor([token], device=self.device)
                out[i : i + 1] = self.grammar.step(out[i : i + 1], said)
        return out

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
        play: PlayabilityMask | None,
    ) -> Tensor:
        """Sample the tokens up to ``</seg>`` of every row whose bar is not fixed; returns the
        states after it."""
        ticks = slice(bar * v.TICKS_PER_SEGMENT, (bar + 1) * v.TICKS_PER_SEGMENT)
        onsets = torch.stack([row.onset_logits(ticks) for row in rows])
        hazard = BarHazard(onsets.to(self.device))
        forbidden = torch.stack(
            [
                row.forbidden_late if bar >= row.request.num_bars - 2 else row.forbidden
                for row in rows
            ]
        ).to(self.device)
        heard = self._bar_sound(rows, bar)
        sampled = [bar not in row.request.fixed for row in rows]
        open_rows = torch.tensor(sampled, device=self.device)
        if play is not None:
            play.open_bar(ticks.start, forbidden)
        while True:
            legal = self.grammar.allowed(state)
            taken = None if play is None else play.penalties(state[:, 1] + ticks.start)
            if taken is not None:
                legal = legal & torch.isfinite(taken)
            wanted = legal & ~forbidden
            stuck = ~wanted.any(1, keepdim=True)
            legal = torch.where(stuck, legal, wanted)
            self._cap(rows, legal, params)
            log_probs = self._log_probs(rows, hidden, legal, state, taken, hazard, params)
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
            if play is not None:
                play.place(token, state[:, 1] + ticks.start, open_rows & ~closing)
            for row, said, on, closed in zip(
                rows, token.tolist(), open_rows.tolist(), closing.tolist(), strict=True
            ):
                if on and not closed:
                    row.add(said)
            open_rows = open_rows & ~closing
            if not open_rows.any():
                break
            # closed rows get a masked column
            fed = torch.where(open_rows, token, v.PAD)
            x = self.model.get_input_embeddings()(fed)[:, None]
            if heard is not None:
                latent = state[:, 1].clamp(min=0) // self.model.config.ticks_per_latent
                x = x + heard.gather(1, latent[:, None, None].expand(-1, 1, x.shape[2])).to(x)
            hidden = self._run(cache, x, open_rows[:, None].long())
        return state

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
        taken: Tensor | None,
        hazard: BarHazard,
        params: SamplingParams,
    ) -> Tensor:
        """Log-probabilities to draw from, ``(B, V)``."""
        logits = self.model.lm_head(hidden).float()[:, : v.VOCAB_SIZE]
        if params.repetition_penalty != 1:
            for i, row in enumerate(rows):
                if row.recent:
                    logits[i, list(set(row.recent))] -= float(np.log(params.repetition_penalty))
        if taken is not None:
            logits = logits - taken
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
