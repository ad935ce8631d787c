"""The decoder over slots: each slot holds one row's keys and values, and any mix of slots goes
through one forward.

`CompiledDecoder` runs on a CPU (`saberlm.infer.kernels`) and gives every token the same result to
the last bit, whatever shares the forward. `saberlm.infer.torch_decoder` runs whatever torch runs:
GPUs, quantised layers, other activations.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from saberlm.infer import kernels
from saberlm.infer.torch_decoder import FIRST_CAPACITY, TorchDecoder, rotary

if TYPE_CHECKING:
    from saberlm.adapter.modeling_saber import SaberForConditionalGeneration

Floats = npt.NDArray[np.float32]

CHUNK = 32
"""Tokens that go through the layers together: what they leave between layers stays in the cache."""


class Decoder(Protocol):
    """Slots of past tokens, and the way through the layers."""

    device: torch.device
    lengths: list[int]
    last_hidden: Floats
    """Of the last forward: the final hidden state of each piece, ``(B, H)``."""

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights that a step reads."""

    @property
    def token_bytes(self) -> int:
        """Bytes of keys and values that a token leaves."""

    def resize(self, slots: int) -> None:
        """Have room for so many slots; those there keep what they hold."""

    def extend(self, slots: Sequence[int], pieces: Sequence[Floats]) -> Floats:
        """Append embeddings ``(n, H)`` to each slot.

        Returns:
            Logits of what follows each, ``(B, live)``.
        """

    def share(self, source: int, target: int, length: int) -> None:
        """Let ``target`` begin with the first ``length`` tokens of ``source``."""


def make_decoder(model: SaberForConditionalGeneration, live: int) -> Decoder:
    """The fastest decoder that fits a model and its device, with logits of the vocabulary's first
    ``live`` ids."""
    return CompiledDecoder(model, live) if compiles(model) else TorchDecoder(model, live)


def compiles(model: SaberForConditionalGeneration) -> bool:
    """Whether `CompiledDecoder` can run a model: a plain Llama on a CPU."""
    decoder = model.model.language_model
    if decoder.config.model_type != "llama" or next(model.parameters()).device.type != "cpu":
        return False
    config = decoder.config
    linears = [m for layer in decoder.layers for m in _linears(layer)]
    plain = all(type(m) is torch.nn.Linear and m.bias is None for m in [*linears, model.lm_head])
    size = decoder.layers[0].self_attn.head_dim
    return plain and config.hidden_act == "silu" and size % kernels.LANES == 0


def _linears(layer: Any) -> list[Any]:
    attention, mlp = layer.self_attn, layer.mlp
    return [
        *(attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj),
        *(mlp.gate_proj, mlp.up_proj, mlp.down_proj),
    ]


class CompiledDecoder:
    """A plain Llama on a CPU, float32 sums; see `saberlm.infer.kernels`. Rows are shared out over
    threads (None: as many as torch has), which changes no result."""

    def __init__(
        self, model: SaberForConditionalGeneration, live: int, threads: int | None = None
    ) -> None:
        decoder = model.model.language_model
        self._model = model
        self._heads = decoder.config.num_attention_heads
        self._eps = float(decoder.config.rms_norm_eps)

        def array(weight: Tensor) -> Floats:
            out: Floats = weight.detach().float().numpy()
            return out

        stacked: list[list[Floats]] = [[], [], [], []]
        norms = []
        for layer in decoder.layers:
            q, k, v, o, gate, up, down = (array(m.weight) for m in _linears(layer))
            for kind, weight in zip(
                stacked,
                (np.concatenate([q, k, v]), o, np.concatenate([gate, up]), down),
                strict=True,
            ):
                kind.append(weight)
            norms.append(
                [array(layer.input_layernorm.weight), array(layer.post_attention_layernorm.weight)]
            )
        self.device = model.lm_head.weight.device
        self._live = live
        head = array(model.lm_head.weight)[:live]
        half = all(kernels.fits_half(w) for kind in [*stacked, [head]] for w in kind)
        self._layers = tuple(
            np.stack([kernels.pack(w, half=half) for w in kind]) for kind in stacked
        )
        self._head = kernels.pack(head, half=half)
        self._norms = np.array(norms, np.float32)
        self._final = array(decoder.norm.weight).copy()
        attention = decoder.layers[0].self_attn
        self._shape = (
            len(decoder.layers),
            decoder.config.num_key_value_heads,
            int(attention.head_dim),
        )
        self.lengths: list[int] = []
        self._capacity = 0
        self._keys, self._values = self._room(0, 0)
        self.threads = threads or torch.get_num_threads()
        self._work: list[tuple[Floats, ...]] = []
        if self.threads > 1:
            self._pool = ThreadPoolExecutor(self.threads)

    @property
    def weight_bytes(self) -> int:
        """See `Decoder`."""
        return sum(w.nbytes for w in self._layers) + self._head.nbytes

    @property
    def token_bytes(self) -> int:
        """See `Decoder`."""
        layers, heads, size = self._shape
        return 2 * layers * heads * size * 4

    def resize(self, slots: int) -> None:
        """Have room for so many slots; those there keep what they hold."""
        self._grow(slots, max(self._capacity, FIRST_CAPACITY))
        self.lengths = (self.lengths + [0] * slots)[:slots]

    def _grow(self, slots: int, capacity: int) -> None:
        capacity = -(-capacity // kernels.GROUP) * kernels.GROUP
        if capacity > self._capacity:
            cos, sin = rotary(self._model, capacity)
            self._cos, self._sin = cos.numpy(), sin.numpy()
        keys, values = self._keys, self._values
        self._keys, self._values = self._room(slots, capacity)
        kept = min(slots, keys.shape[1])
        self._keys[:, :kept, :, : keys.shape[3]] = keys[:, :kept]
        self._values[:, :kept, :, :, : values.shape[4]] = values[:, :kept]
        self._capacity = capacity
        self._work = [self._workspace() for _ in range(self.threads)]

    def _room(self, slots: int, capacity: int) -> tuple[Floats, Floats]:
        """Keys and values of so many slots; memory that nobody writes to is not taken."""
        (layers, heads, size), group = self._shape, kernels.GROUP
        keys = np.empty((layers, slots, heads, capacity // group, size, group), np.float32)
        wide = -(-size // group)
        return keys, np.empty((layers, slots, heads, wide, capacity, group), np.float32)

    def _workspace(self) -> tuple[Floats, ...]:
        """Buffers for a chunk and for one token's attention, as `kernels.forward` names them."""
        qkv, out, wide, down = self._layers
        group = kernels.GROUP
        widths = (
            qkv.shape[2],
            qkv.shape[1] * group,
            out.shape[2],
            wide.shape[1] * group,
            down.shape[2],
            max(out.shape[1], down.shape[1]) * group,
        )
        chunk = tuple(np.zeros((CHUNK, width), np.float32) for width in widths)
        _, key_heads, size = self._shape
        sharing = self._heads // key_heads
        scores = np.zeros((sharing, self._capacity), np.float32)
        return (*chunk, scores, np.zeros((sharing, -(-size // group) * group), np.float32))

    def extend(self, slots: Sequence[int], pieces: Sequence[Floats]) -> Floats:
        """See `Decoder`."""
        counts = [len(piece) for piece in pieces]
        ends = [self.lengths[slot] + n for slot, n in zip(slots, counts, strict=True)]
        if max(ends) > self._capacity:
            self._grow(len(self.lengths), max(*ends, 2 * self._capacity))
        logits = np.empty((len(slots), self._head.shape[0] * kernels.GROUP), np.float32)
        hidden = np.empty((len(slots), self._final.shape[0]), np.float32)
        shares = self._shares(counts)

        def run(number: int) -> None:
            part = shares[number]
            self._run(slots[part], pieces[part], self._work[number], hidden[part], logits[part])

        if len(shares) == 1:
            run(0)
        else:
            list(self._pool.map(run, range(len(shares))))
        for slot, end in zip(slots, ends, strict=True):
            self.lengths[slot] = end
        self.last_hidden = hidden
        return logits[:, : self._live]

    def _shares(self, counts: Sequence[int]) -> list[slice]:
        """Rows by thread, so that each has about as many tokens."""
        if self.threads == 1 or len(counts) == 1:
            return [slice(0, len(counts))]
        before = np.cumsum([0, *counts])
        wanted = before[-1] * np.arange(1, self.threads) / self.threads
        cuts = [0, *np.searchsorted(before, wanted).tolist(), len(counts)]
        return [slice(a, b) for a, b in itertools.pairwise(cuts) if b > a]

    def _run(
        self,
        slots: Sequence[int],
        pieces: Sequence[Floats],
        work: tuple[Floats, ...],
        hidden: Floats,
        logits: Floats,
    ) -> None:
        """Some rows through the layers and the head, on one thread."""
        starts = [self.lengths[slot] for slot in slots]
        if len(pieces) == 1:
            x = np.array(pieces[0])
            of = np.full(len(x), slots[0])
            places = np.arange(starts[0], starts[0] + len(x))
        else:
            counts = [len(piece) for piece in pieces]
            x = np.concatenate(pieces)
            of = np.repeat(slots, counts)
            places = np.concatenate(
                [np.arange(a, a + n) for a, n in zip(starts, counts, strict=True)]
            )
        for start in range(0, len(x), CHUNK):
            part = slice(start, start + CHUNK)
            kernels.forward(
                *(x[part], of[part], places[part], self._keys, self._values),
                *(self._layers, self._norms, self._eps, self._cos, self._sin, self._heads, work),
            )
        at = -1
        for i, piece in enumerate(pieces):
            at += len(piece)
            hidden[i] = x[at]
        kernels.head(hidden, self._final, self._eps, self._head, logits)

    def share(self, source: int, target: int, length: int) -> None:
        """See `Decoder`."""
        groups = -(-length // kernels.GROUP)
        self._keys[:, target, :, :groups] = self._keys[:, source, :, :groups]
        self._values[:, target, :, :, :length] = self._values[:, source, :, :, :length]
        self.lengths[target] = length
