"""The decoding engine: requests in, maps out.

A row is one difficulty of one song. Rows run side by side, each at its own bar: whatever each has
to feed next (one token; ``</seg> <seg>`` and a bar's audio; a past made anew) goes through the
decoder in one forward. A finished row leaves, and one that waits takes its place. A row's tokens
depend on its seed and not on its neighbours.

The opening (sketch, header, task) stays in the cache for good, and rows of one song share what is
equal in it. When a row's bars reach what the model was trained to see, or the decoder's room, its
past is made anew from the newest bars. Bars and beginnings of bars that a request gives stand as
they are and are not sampled. With guidance a row has a second slot, which hears the same bars
under a header without what was asked.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from saberlm.infer.decoder import make_decoder
from saberlm.infer.engine_row import GeneratedMap, MapRequest, Row, SongEncoding
from saberlm.infer.guidance import guided_onsets, unasked
from saberlm.infer.row_sampler import LIVE, LogitBias
from saberlm.infer.sampling import SamplingParams
from saberlm.prompts import vocab as v
from saberlm.prompts.stream import LATENTS_PER_SEGMENT, MapPrompt

if TYPE_CHECKING:
    from saberlm.adapter.modeling_saber import SaberForConditionalGeneration

__all__ = ["MAX_ROWS", "Engine", "GeneratedMap", "MapRequest", "SongEncoding"]

Floats = npt.NDArray[np.float32]

MAX_ROWS = 32
"""Rows that run side by side, unless the engine is told otherwise."""
KEPT_PART = 4
"""When a row's past is made anew, it is one over so much of the bars that the model was trained to
see. Half of them makes maps no better and a batch's decoding a sixth slower
(`finetune/EXPERIMENTS.md` 50)."""


@dataclass(frozen=True)
class _Heard:
    """A song's embeddings on the host: latents' ``(N, H)``, sketch ``(K, H)``, and what joins the
    tokens said at each latent's ticks ``(N, H)``, in a model with that road."""

    embeds: Floats
    sketch: Floats
    at_ticks: Floats | None


class Engine:
    """Requests in, maps out.

    Args:
        model: in evaluation mode; its device is used.
        context_bars: bars in the cache before it is made anew; None takes what the model was
            trained with.
        max_rows: rows that run side by side.
        biases: of a new row, what moves its logits besides the constraints (`LogitBias`); called
            once a row, so that each has its own.
    """

    def __init__(
        self,
        model: SaberForConditionalGeneration,
        context_bars: int | None = None,
        max_rows: int = MAX_ROWS,
        biases: Callable[[MapRequest], Sequence[LogitBias]] | None = None,
    ) -> None:
        self.model = model.eval()
        self.decoder = make_decoder(model, LIVE)
        self.context_bars = context_bars or int(model.config.context_segments)
        self.kept_bars = max(1, self.context_bars // KEPT_PART)
        self.places = bool(model.config.audio_places)
        self.positions = int(model.config.text_config.max_position_embeddings)
        self.max_rows = max_rows
        self.biases = biases
        embeddings = model.get_input_embeddings().weight
        self._tokens: Floats = embeddings.detach().float().cpu().numpy()
        self._heard: dict[int, tuple[SongEncoding, _Heard]] = {}
        self._ticks_per_latent = int(model.config.ticks_per_latent)
        self._last_position = v.OFFSETS["position"] + v.TICKS_PER_SEGMENT - 1

    def generate(
        self,
        requests: Sequence[MapRequest],
        params: SamplingParams,
        progress: Callable[[int], None] | None = None,
    ) -> list[GeneratedMap]:
        """Decode requests side by side.

        Args:
            requests: rows; songs may differ in length.
            params: shared by all rows; each row has its own seed.
            progress: called with the number of row-bars finished.

        Returns:
            Maps in the order of the requests.
        """
        on_bar = None
        if progress is not None:
            report = progress

            def on_bar(_row: int, _bar: int, _tokens: list[int]) -> None:
                report(1)

        made = dict(self.stream(((one, params) for one in requests), on_bar))
        return [made[i] for i in range(len(requests))]

    def stream(
        self,
        requests: Iterable[tuple[MapRequest, SamplingParams]],
        on_bar: Callable[[int, int, list[int]], None] | None = None,
    ) -> Iterator[tuple[int, GeneratedMap]]:
        """Decode requests as they come: one is taken whenever a row is free.

        Args:
            requests: with their sampling; taken one after the other, so that they may be made
                (a song read and encoded) just before they are needed.
            on_bar: called with a request's number, a bar's number and its tokens when the bar is
                made.

        Yields:
            Numbers of requests in the order in which they finish, with their maps.
        """
        coming = enumerate(requests)
        waiting: deque[Row] = deque()  # rows that had to make room
        running: list[Row] = []
        most, more = self.max_rows, True
        try:
            while True:
                while len(running) < most and (waiting or more):
                    row = waiting.popleft() if waiting else self._next_row(coming)
                    if row is None:
                        more = False
                        break
                    self._open_bar(row, on_bar)
                    if row.done:
                        yield row.index, self._result(row, running)
                    elif self._admit(row, running):
                        running.append(row)
                    else:
                        most = self._less_room(running, waiting, row)
                if not running:
                    return
                logits = self._forward(running)
                if logits is None:
                    most = self._less_room(running, waiting, None)
                    continue
                finished = []
                for row, own in zip(running, logits, strict=True):
                    self._say(row, own, on_bar)
                    if row.done:
                        finished.append(row)
                for row in finished:
                    running.remove(row)
                    yield row.index, self._result(row, running)
        finally:
            self._heard.clear()

    def _next_row(
        self, coming: Iterator[tuple[int, tuple[MapRequest, SamplingParams]]]
    ) -> Row | None:
        for index, (request, params) in coming:
            biases = () if self.biases is None else self.biases(request)
            if params.cfg_scale != 1:
                request = guided_onsets(self.model, request, params)
            return Row(index, request, params, biases, self.places)
        return None

    def _result(self, row: Row, running: Sequence[Row]) -> GeneratedMap:
        song = row.request.song
        if not any(other.request.song is song for other in running):
            self._heard.pop(id(song), None)
        return GeneratedMap(row.bars, row.sampler.counts)

    def _less_room(self, running: list[Row], waiting: deque[Row], new: Row | None) -> int:
        """Memory ran out: half of the rows wait, to go on later from the token they are at."""
        if len(running) + (new is not None) <= 1:
            raise MemoryError(
                "expected memory for one row, found none left: likely other programs on the same"
                " device, or a model too large for it"
            )
        kept = max(1, (len(running) + (new is not None)) // 2)
        leaving = running[kept:] + ([new] if new is not None else [])
        del running[kept:]
        for row in leaving:
            row.past_fed, row.slots = False, []
        waiting.extendleft(reversed(leaving))
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        warnings.warn(
            f"out of memory: going on with {kept} rows at a time", RuntimeWarning, stacklevel=2
        )
        return kept

    def _admit(self, row: Row, running: Sequence[Row]) -> bool:
        """Give a row its slots, their openings filled; False where memory does not suffice."""
        taken = {slot for other in running for slot in other.slots}
        wanted = 1 + (row.params.cfg_scale != 1)
        free = [slot for slot in range(len(taken) + wanted) if slot not in taken][:wanted]
        try:
            held, needed = len(self.decoder.lengths), max(free) + 1
            if needed > held:  # twice as many, so that few resizings copy what is there
                self.decoder.resize(max(needed, min(2 * held, self.max_rows)))
            for slot, opening in zip(free, self._openings(row), strict=True):
                self._fill_opening(row, slot, opening, running)
                row.slots.append(slot)
        except (torch.OutOfMemoryError, MemoryError):
            return False
        self._feed_anew(row)
        return True

    def _openings(self, row: Row) -> list[list[int]]:
        """What stands first in each of a row's slots."""
        openings = [row.prompt.opening()]
        if row.params.cfg_scale != 1:
            without = unasked(row.request.conditions, row.params.negative_style)
            song, context = row.request.song, row.request.context
            openings.append(MapPrompt(without, song.num_bars, context, self.places).opening())
        return openings

    def _fill_opening(
        self, row: Row, slot: int, opening: list[int], running: Sequence[Row]
    ) -> None:
        """Put an opening into a slot, what another row of the song has of it copied."""
        self.decoder.lengths[slot] = 0
        shared = 0
        for other in [*running, row]:
            if other.request.song is not row.request.song:
                continue
            for source, has in zip(other.slots, self._openings(other), strict=False):
                equal = _equal_start(has, opening[:-1])
                if equal > shared:
                    self.decoder.share(source, slot, equal)
                    shared = equal
        rest = self._embed(row.request.song, opening, 0)[shared:]
        self.decoder.extend([slot], [rest])

    def _forward(self, running: Sequence[Row]) -> list[Floats] | None:
        """Logits of what each row says next ``(LIVE,)``, guided; None where memory ran out."""
        slots, pieces = [], []
        for row in running:
            assert row.piece is not None
            slots += row.slots
            pieces += [row.piece] * len(row.slots)
        try:
            logits = self.decoder.extend(slots, pieces)
        except (torch.OutOfMemoryError, MemoryError):
            return None
        out, at = [], 0
        for row in running:
            own = logits[at]
            if len(row.slots) > 1:
                own = logits[at + 1] + np.float32(row.params.cfg_scale) * (own - logits[at + 1])
            out.append(own)
            at += len(row.slots)
        return out

    def _say(
        self,
        row: Row,
        logits: Floats,
        on_bar: Callable[[int, int, list[int]], None] | None,
    ) -> None:
        """Draw a row's next token, and see to what the decoder gets after it."""
        row.past_fed = True
        token = row.sampler.sample(logits)
        if token != v.END_SEG:
            row.bars[-1].append(token)
            row.piece = self._tokens[token : token + 1]
            at_ticks = self._of_song(row.request.song).at_ticks
            if at_ticks is not None:
                latent = row.sampler.bar_tick // self._ticks_per_latent
                bar = len(row.bars) - 1
                row.piece = row.piece + at_ticks[bar * LATENTS_PER_SEGMENT + latent]
            return
        row.sampler.close_bar()
        row.close_bar()
        if on_bar is not None:
            on_bar(row.index, len(row.bars) - 1, row.bars[-1])
        self._open_bar(row, on_bar)

    def _open_bar(self, row: Row, on_bar: Callable[[int, int, list[int]], None] | None) -> None:
        """Go through the bars that stand as they are to the next one to sample, if there is one,
        and see to what the decoder gets for it."""
        if row.open:
            return  # it waited in the middle of a bar
        unfed: list[int] = []  # of bars that stand, after what the decoder has
        first_unfed = len(row.bars)
        while not row.done:
            bar = len(row.bars)
            room = self.positions - 2 * row.params.max_segment_tokens
            if row.slide(bar, self.context_bars, self.kept_bars, room):
                row.past_fed = False
            standing = row.standing()
            if standing is None:
                break
            row.give_bar(standing)
            unfed += [v.END_SEG, *row.prompt.bar(bar), *row.bars[-1]]
            if on_bar is not None:
                on_bar(row.index, bar, row.bars[-1])
        if row.done:
            return
        row.begin_bar()
        if row.past_fed:
            bar = len(row.bars) - 1
            ids = [*unfed, v.END_SEG, *row.prompt.bar(bar), *row.bars[-1]]
            row.piece = self._embed(row.request.song, ids, first_unfed)
        elif row.slots:
            self._feed_anew(row)

    def _feed_anew(self, row: Row) -> None:
        """Let the decoder get a row's past and what it has said of the bar, after its opening."""
        bar = len(row.bars) - 1
        ids = [*row.window_ids(row.first, bar), *row.bars[-1]]
        for slot, opening in zip(row.slots, self._openings(row), strict=True):
            self.decoder.lengths[slot] = len(opening)
        row.piece = self._embed(row.request.song, ids[row.opening_length :], row.first)

    def _of_song(self, song: SongEncoding) -> _Heard:
        """A song on the host, brought there once."""
        known = self._heard.get(id(song))
        if known is None:
            at_ticks = None
            with torch.inference_mode():
                projector = self.model.model.projector
                if projector.tick is not None:
                    at_ticks = projector.at_ticks(song.latents).float().cpu().numpy()
            known = song, _Heard(_host(song.embeds), _host(song.sketch), at_ticks)
            self._heard[id(song)] = known
        return known[1]

    def _embed(self, song: SongEncoding, ids: list[int], first_bar: int) -> Floats:
        """A piece of the prompt embedded, ``(n, H)``, its places of sound filled: the sketch, and
        the audio of the bars from ``first_bar``, the number of the piece's first ``<seg>``."""
        heard = self._of_song(song)
        tokens = np.array(ids)
        out = self._tokens[tokens]
        sounds = np.nonzero(tokens == v.AUDIO)[0]
        start = first_bar * LATENTS_PER_SEGMENT
        out[sounds] = heard.embeds[start : start + len(sounds)]
        if v.SKETCH in ids:
            out[tokens == v.SKETCH] = heard.sketch
        if heard.at_ticks is None:
            return out
        # as `SaberModel.tick_embeds` has it
        bar, tick = first_bar - 1, -1
        for i, token in enumerate(ids):
            if token == v.SEG:
                bar, tick = bar + 1, -1
            elif v.OFFSETS["position"] <= token <= self._last_position and bar >= first_bar:
                tick = token - v.OFFSETS["position"]
            if tick >= 0 and token != v.END_SEG:
                latent = bar * LATENTS_PER_SEGMENT + tick // self._ticks_per_latent
                out[i] += heard.at_ticks[latent]
        return out


def _host(tensor: Tensor) -> Floats:
    out: Floats = tensor.detach().float().cpu().numpy()
    return out


def _equal_start(first: list[int], second: list[int]) -> int:
    """How many tokens two lists begin with in common."""
    for i, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return i
    return min(len(first), len(second))
