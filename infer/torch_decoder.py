"""The decoder over slots through torch: the model's own layers, on any device, over a static cache.

Pieces of several tokens go through as a padded batch. On a GPU a step of one token a row goes
through all slots at once, so that its shapes stay the same: it is captured once as a CUDA graph and
replayed, and where flash-attn is installed its kernel for caches reads and writes them in place.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from saberlm.adapter.modeling_saber import SaberForConditionalGeneration


Floats = npt.NDArray[np.float32]

FIRST_CAPACITY = 1024
"""Tokens a slot holds at first; doubled when one needs more."""
SPAN = 256
"""Places of the cache that a step reads are a multiple of this: few graphs, little read in vain."""


def rotary(model: SaberForConditionalGeneration, positions: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the first positions as the model makes them, ``(positions, D)`` each."""
    decoder = model.model.language_model
    weight = model.lm_head.weight
    places = torch.arange(positions, device=weight.device)[None]
    cos, sin = decoder.rotary_emb(torch.zeros(1, device=weight.device), places)
    return cos[0].float(), sin[0].float()


def flash_attention(device: torch.device, dtype: torch.dtype) -> Callable[..., Tensor] | None:
    """flash-attn's ``flash_attn_with_kvcache`` where it is installed and takes such tensors."""
    fits = device.type == "cuda" and dtype in (torch.float16, torch.bfloat16)
    if not fits or importlib.util.find_spec("flash_attn") is None:
        return None
    from flash_attn import flash_attn_with_kvcache

    found: Callable[..., Tensor] = flash_attn_with_kvcache
    return found


class TorchDecoder:
    """See `saberlm.infer.decoder.Decoder`.

    Args:
        model: in evaluation mode; its device and the type of its decoder are used.
        live: logits of the vocabulary's first ids are given.
        together: whether steps of a token a row go through all slots at once; None: on a GPU.
    """

    def __init__(
        self, model: SaberForConditionalGeneration, live: int, *, together: bool | None = None
    ) -> None:
        self._model = model
        self._live = live
        decoder = model.model.language_model
        self.device = model.lm_head.weight.device
        self._dtype = decoder.norm.weight.dtype
        self._shape = (
            len(decoder.layers),
            decoder.config.num_key_value_heads,
            int(decoder.layers[0].self_attn.head_dim),
        )
        self._together = self.device.type == "cuda" if together is None else together
        self._flash = flash_attention(self.device, self._dtype)
        self._graphs: dict[int, Any] = {}
        self.lengths: list[int] = []
        self._capacity = 0
        layers, heads, size = self._shape
        self._keys = torch.empty(layers, 0, 0, heads, size, device=self.device, dtype=self._dtype)
        self._values = self._keys
        self.last_hidden: Floats = np.zeros((0, 0), np.float32)

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights that a step reads."""
        head = self._model.lm_head.weight
        layers = self._model.model.language_model.layers.parameters()
        return sum(w.nbytes for w in layers) + self._live * head.shape[1] * head.element_size()

    @property
    def token_bytes(self) -> int:
        """Bytes of keys and values that a token leaves."""
        layers, heads, size = self._shape
        return 2 * layers * heads * size * self._keys.element_size()

    def resize(self, slots: int) -> None:
        """Have room for so many slots; those there keep what they hold."""
        self._grow(slots, max(self._capacity, FIRST_CAPACITY))
        self.lengths = (self.lengths + [0] * slots)[:slots]

    def _grow(self, slots: int, capacity: int) -> None:
        layers, heads, size = self._shape
        self._graphs.clear()  # they hold the old cache
        if capacity > self._capacity:
            self._cos, self._sin = rotary(self._model, capacity)
        old, kept = (self._keys, self._values), min(slots, self._keys.shape[1])
        # zeros: padding is masked, but nothing that is no number may stand there
        self._keys = self._keys.new_zeros(layers, slots, capacity, heads, size)
        self._values = torch.zeros_like(self._keys)
        for before, after in zip(old, (self._keys, self._values), strict=True):
            after[:, :kept, : before.shape[2]] = before[:, :kept]
        self._capacity = capacity

    @torch.inference_mode()
    def extend(self, slots: Sequence[int], pieces: Sequence[Floats]) -> Floats:
        """See `saberlm.infer.decoder.Decoder`."""
        counts = [len(piece) for piece in pieces]
        # a slot that is not spoken to is written to behind its end
        needed = 1 + max(self.lengths)
        needed = max(
            needed, *(self.lengths[slot] + n for slot, n in zip(slots, counts, strict=True))
        )
        if needed > self._capacity:
            self._grow(len(self.lengths), max(needed, 2 * self._capacity))
        through = self._all if self._together and max(counts) == 1 else self._padded
        hidden, logits = through(slots, pieces)
        for slot, n in zip(slots, counts, strict=True):
            self.lengths[slot] += n
        self.last_hidden = hidden.float().cpu().numpy()
        out: Floats = logits.float().cpu().numpy()
        return out

    def share(self, source: int, target: int, length: int) -> None:
        """See `saberlm.infer.decoder.Decoder`."""
        for kept in (self._keys, self._values):
            kept[:, target, :length] = kept[:, source, :length]
        self.lengths[target] = length

    def _padded(self, slots: Sequence[int], pieces: Sequence[Floats]) -> tuple[Tensor, Tensor]:
        """Some slots with pieces of any lengths; last hidden states ``(B, H)``, logits ``(B,
        live)``."""
        counts = [len(piece) for piece in pieces]
        starts = [self.lengths[slot] for slot in slots]
        most = max(start + n for start, n in zip(starts, counts, strict=True))
        width = max(counts)
        padded = np.zeros((len(pieces), width, pieces[0].shape[1]), np.float32)
        for row, piece in zip(padded, pieces, strict=True):
            row[: len(piece)] = piece  # what pads it lies later, where nobody looks
        index = torch.tensor(slots, device=self.device)
        place = torch.tensor(starts, device=self.device)[:, None]
        place = (place + torch.arange(width, device=self.device)).clamp(max=self._capacity - 1)
        seen = torch.arange(most, device=self.device) <= place[..., None]

        def attend(number: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            for kept, new in ((self._keys, k), (self._values, v)):
                kept[number][index[:, None], place] = new
            keys, values = (kept[number, index, :most] for kept in (self._keys, self._values))
            return _attention(q, keys, values, seen[:, None])

        x = self._layers(torch.from_numpy(padded).to(self.device, self._dtype), place, attend)
        ends = torch.tensor(counts, device=self.device) - 1
        return self._said(x[torch.arange(len(counts), device=self.device), ends])

    def _all(self, slots: Sequence[int], pieces: Sequence[Floats]) -> tuple[Tensor, Tensor]:
        """A token for each of some slots, by a step through all of them."""
        count = len(self.lengths)
        given = np.zeros((count, pieces[0].shape[1]), np.float32)
        given[list(slots)] = np.concatenate(pieces)
        x = torch.from_numpy(given).to(self.device, self._dtype)
        place = torch.tensor(self.lengths, device=self.device)
        longest = 1 + max(self.lengths[slot] for slot in slots)
        most = min(self._capacity, -(-longest // SPAN) * SPAN)
        step = self._replayed if self.device.type == "cuda" else self._step
        hidden, logits = step(x, place, most)
        index = torch.tensor(slots, device=self.device)
        return hidden[index], logits[index]

    def _step(self, x: Tensor, place: Tensor, most: int) -> tuple[Tensor, Tensor]:
        """A token ``(S, H)`` at its place ``(S,)`` for every slot, the first ``most`` places being
        looked at; nothing in it depends on more than shapes."""
        slots = torch.arange(len(x), device=x.device)
        seen = (torch.arange(most, device=x.device) <= place[:, None])[:, None, None]
        lengths = place.int()

        def attend(number: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            keys, values = self._keys[number], self._values[number]
            if self._flash is not None:
                return self._flash(q, keys, values, k, v, cache_seqlens=lengths, causal=True)
            keys[slots, place], values[slots, place] = k[:, 0], v[:, 0]
            return _attention(q, keys[:, :most], values[:, :most], seen)

        return self._said(self._layers(x[:, None], place[:, None], attend)[:, 0])

    def _replayed(self, x: Tensor, place: Tensor, most: int) -> tuple[Tensor, Tensor]:
        """`_step` as a CUDA graph, captured at its first use."""
        known = self._graphs.get(most)
        if known is None:
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):  # libraries choose their kernels before the capture
                for _ in range(3):
                    self._step(x, place, most)
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                out = self._step(x, place, most)
            known = self._graphs[most] = graph, x, place, out
        graph, own_x, own_place, out = known
        own_x.copy_(x)
        own_place.copy_(place)
        graph.replay()
        hidden, logits = out
        return hidden, logits

    def _layers(
        self, x: Tensor, place: Tensor, attend: Callable[[int, Tensor, Tensor, Tensor], Tensor]
    ) -> Tensor:
        """``(B, W, H)`` at places ``(B, W)`` through the layers; ``attend`` is given a layer's
        number, queries, keys and values ``(B, W, heads, D)``."""
        size = self._shape[2]
        cos, sin = (part[place][:, :, None].to(x.dtype) for part in (self._cos, self._sin))
        for number, layer in enumerate(self._model.model.language_model.layers):
            attention = layer.self_attn
            normed = layer.input_layernorm(x)
            q, k, v = (
                part(normed).unflatten(-1, (-1, size))
                for part in (attention.q_proj, attention.k_proj, attention.v_proj)
            )
            q, k = (part * cos + _half_turn(part) * sin for part in (q, k))
            x = x + attention.o_proj(attend(number, q, k, v).flatten(2))
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        return x

    def _said(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The last norm, and the head, of ``(B, H)``."""
        hidden = self._model.model.language_model.norm(x)
        weight = self._model.lm_head.weight
        return hidden, functional.linear(hidden.to(weight.dtype), weight[: self._live])


def _attention(q: Tensor, keys: Tensor, values: Tensor, seen: Tensor) -> Tensor:
    """Queries ``(B, W, heads, D)`` over ``(B, T, key heads, D)``, masked by ``(B, 1, W, T)``."""
    q, keys, values = (part.transpose(1, 2) for part in (q, keys, values))
    out = functional.scaled_dot_product_attention(q, keys, values, attn_mask=seen, enable_gqa=True)
    return out.transpose(1, 2)


def _half_turn(x: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return torch.cat([-second, first], dim=-1)
