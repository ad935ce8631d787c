"""The engine with vLLM as its decoder: the same requests in, the same maps out.

A row is a request of vLLM's for as long as its past stands: it begins with what the decoder is to
see (opening and newest bars, with their sound) as a prompt of embeddings, goes on through its bars,
and ends when the map is done or when old bars leave; then a new request takes the row up. vLLM
schedules and batches; `saberlm.infer.vllm_model` says how rows speak in it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from saberlm.infer.engine import MAX_ROWS, Engine, GeneratedMap, MapRequest
from saberlm.infer.engine_row import Row
from saberlm.infer.row_sampler import LogitBias
from saberlm.infer.sampling import SamplingParams
from saberlm.infer.vllm_plugin import (
    ARCHITECTURE,
    DESKS,
    LOAD_FORMAT,
    ROW_ARGUMENT,
    Desk,
    Floats,
    register,
)
from saberlm.prompts import vocab as v

if TYPE_CHECKING:
    from saberlm.adapter.modeling_saber import SaberForConditionalGeneration

_GO_ON, _STOP = v.SEG, v.END_MAP
"""What vLLM is told was said: it needs to know no more than whether a request ends."""
_BLOCK = 128
"""Tokens of a block of vLLM's cache at most; a row may leave one unfilled."""

SETTINGS = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # rows and weights are in this process
    "VLLM_USE_V2_MODEL_RUNNER": "0",  # the second runner has other logits processors
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}
"""Of vLLM's environment, where nothing else is set."""


class VllmEngine(Engine):
    """Requests in, maps out, through vLLM.

    Args:
        model: in evaluation mode, its decoder a plain Llama; its device is used.
        context_bars: see `Engine`.
        max_rows: see `Engine`.
        biases: see `Engine`.

    Raises:
        ValueError: vLLM is not installed, or the decoder is none that it is given here.
    """

    def __init__(
        self,
        model: SaberForConditionalGeneration,
        context_bars: int | None = None,
        max_rows: int = MAX_ROWS,
        biases: Callable[[MapRequest], Sequence[LogitBias]] | None = None,
    ) -> None:
        super().__init__(model, context_bars, max_rows, biases)
        text = model.config.text_config
        if text.model_type != "llama":
            raise ValueError(
                f"engine vllm: expected a Llama as decoder, found one of type {text.model_type!r}"
            )
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        try:
            import vllm
        except ImportError as error:
            raise ValueError(
                f"engine vllm: expected vLLM in this environment, found none ({error}): likely the"
                " extra saberlm[vllm], which wants an environment of its own"
            ) from None
        self._params = vllm.SamplingParams
        _keep_vllm_from_llvmlite()
        register()
        from saberlm.infer import vllm_model  # what it registers

        # vLLM reads config.json alone
        self._folder = tempfile.TemporaryDirectory(prefix="saberlm-vllm-")
        folder = self._folder.name
        told = {**text.to_dict(), "architectures": [ARCHITECTURE]}
        Path(folder, "config.json").write_text(json.dumps(told), encoding="utf-8")
        self._desk = DESKS[folder] = Desk(lambda: plain_llama(model))
        self._names = map(str, count())
        dtype = model.model.language_model.norm.weight.dtype
        head = text.head_dim or text.hidden_size // text.num_attention_heads
        token_bytes = 2 * text.num_hidden_layers * text.num_key_value_heads * head * dtype.itemsize
        self._llm = vllm.LLM(
            folder,
            load_format=LOAD_FORMAT,
            dtype=str(dtype).removeprefix("torch."),
            skip_tokenizer_init=True,
            enable_prompt_embeds=True,
            logits_processors=[vllm_model.RowLogits],
            max_model_len=self.positions,
            max_num_seqs=max_rows,
            # a row draws once a step, so its prompt is taken whole, nothing is scheduled ahead, and
            # no row is ever put out of the cache
            enable_chunked_prefill=False,
            max_num_batched_tokens=self.positions + max_rows,
            async_scheduling=False,
            enable_prefix_caching=False,
            kv_cache_memory_bytes=max_rows * (self.positions + 2 * _BLOCK) * token_bytes,
            gpu_memory_utilization=0.5,  # no more than that this share is free at the start
            enforce_eager=model.lm_head.weight.device.type == "cpu",
        )

    def stream(
        self,
        requests: Iterable[tuple[MapRequest, SamplingParams]],
        on_bar: Callable[[int, int, list[int]], None] | None = None,
    ) -> Iterator[tuple[int, GeneratedMap]]:
        """See `Engine.stream`.

        Raises:
            ValueError: a request with guidance, whose two halves vLLM does not keep in step.
        """
        coming = enumerate(requests)
        running: dict[str, Row] = {}
        engine, more = self._llm.llm_engine, True
        try:
            while True:
                while len(running) < self.max_rows and more:
                    row = self._next_row(coming)
                    if row is None:
                        more = False
                        break
                    self._open_bar(row, on_bar)
                    if row.done:
                        yield row.index, self._result(row, list(running.values()))
                    else:
                        self._submit(row, running, on_bar)
                if not running:
                    return
                for output in engine.step():
                    if not output.finished:
                        continue
                    row = running.pop(output.request_id)
                    del self._desk.feeds[output.request_id]
                    if output.outputs[0].finish_reason != "stop":
                        raise RuntimeError(
                            f"vLLM ended a row early: {output.outputs[0].finish_reason}"
                        )
                    if row.done:
                        yield row.index, self._result(row, list(running.values()))
                    else:
                        self._submit(row, running, on_bar)
        finally:
            if running:
                engine.abort_request(list(running))
            for name in running:
                self._desk.feeds.pop(name, None)
            self._heard.clear()

    def _next_row(
        self, coming: Iterator[tuple[int, tuple[MapRequest, SamplingParams]]]
    ) -> Row | None:
        row = super()._next_row(coming)
        if row is not None and row.params.cfg_scale != 1:
            raise ValueError(
                f"cfg scale: expected 1 with the engine vllm, found {row.params.cfg_scale:g}: the"
                " engine native has guidance"
            )
        return row

    def _submit(
        self,
        row: Row,
        running: dict[str, Row],
        on_bar: Callable[[int, int, list[int]], None] | None,
    ) -> None:
        """Give vLLM a row's past and what it has said of its bar."""
        bar = len(row.bars) - 1
        ids = [*row.window_ids(row.first, bar), *row.bars[-1]]
        prompt = torch.from_numpy(self._embed(row.request.song, ids, row.first))
        name = next(self._names)
        self._desk.feeds[name] = _RowFeed(row, lambda logits: self._say(row, logits, on_bar))
        running[name] = row
        params = self._params(
            temperature=0,  # the row draws, and leaves one token alone possible
            max_tokens=self.positions - len(ids),
            stop_token_ids=[_STOP],
            ignore_eos=True,
            detokenize=False,
            extra_args={ROW_ARGUMENT: name},
        )
        dtype = self.model.model.language_model.norm.weight.dtype
        self._llm.llm_engine.add_request(name, {"prompt_embeds": prompt.to(dtype)}, params)


class _RowFeed:
    """A row of the engine as vLLM sees it: token after token, until its past is no longer what
    the decoder has."""

    def __init__(self, row: Row, say: Callable[[Floats], None]) -> None:
        self.embedding: Floats | None = None
        self._row = row
        self._say = say
        self._given: deque[Floats] = deque()

    def answer(self, logits: Floats) -> int:
        """See `saberlm.infer.vllm_plugin.Feed`."""
        if not self._given:  # else: what opens a bar is fed one by one, and nobody draws
            self._say(logits)
            if self._row.done or not self._row.past_fed:
                return _STOP
            assert self._row.piece is not None
            self._given.extend(self._row.piece)
        self.embedding = self._given.popleft()
        return _GO_ON


def _keep_vllm_from_llvmlite() -> None:
    """vLLM 0.32 on a CPU looks for kernels in the ``__dict__`` of whatever is imported, and stops
    at llvmlite's library, which has a function by any name one asks for."""
    from vllm.triton_utils import dispatcher

    def vars_of(value: object) -> dict[str, Any]:
        found = vars(value)
        return found if hasattr(found, "get") else {}

    dispatcher.vars = vars_of


def plain_llama(model: Any) -> Iterator[tuple[str, Tensor]]:
    """Decoder and head under the names of a Llama without anything around it."""
    for name, weight in model.model.language_model.state_dict().items():
        yield f"model.{name}", weight
    yield "lm_head.weight", model.lm_head.weight.detach()
