"""Compiled kernels of the decoder on a CPU: matrix products, attention and the rest of a Llama
layer, for any mix of rows and tokens.

Every output is summed in one fixed order, whatever else is computed beside it. So a token's hidden
state is the same to the last bit whether it is fed alone, in a long piece or in a batch of other
rows. Weights that bf16 holds exactly are kept in it: half the bytes, the same numbers.
Numba compiles at the first use and keeps the result on disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16
"""Outputs that one vector holds; narrower machines split it."""
GROUP = 64
"""Outputs that are summed side by side; weights are padded to it."""
_F32 = ir.FloatType()
_I32 = ir.IntType(32)
_VECTOR = ir.VectorType(_F32, LANES)
_OPTIONS: dict[str, Any] = {
    "fastmath": {"contract", "nnan", "ninf", "nsz"},
    "error_model": "numpy",
    "nogil": True,
    "cache": True,
}


def _make_tile(tokens: int, columns: int, *, adds: bool = False) -> Any:
    """A tile of ``tokens`` x 64 outputs, ``columns`` of them at a time with all their sums held in
    registers.

    ``tile(w, x, y, (w_at, x_at, x_step, y_at, y_step, inputs))``: from element ``w_at`` of ``w`` on
    lie ``inputs`` lines of 64 weights; token t reads ``inputs`` values of ``x`` from ``x_at + t *
    x_step`` and writes 64 of ``y`` from ``y_at + t * y_step``, or adds to them.
    """

    @intrinsic
    def tile(_: Any, w: Any, x: Any, y: Any, numbers: Any) -> Any:
        half = w.dtype == types.uint16

        def generate(context: Any, b: Any, signature: Any, args: Any) -> Any:
            size = ir.IntType(64)
            w_data, x_data, y_data = (
                context.make_array(kind)(context, b, value=value).data
                for kind, value in zip(signature.args[:3], args[:3], strict=True)
            )
            numbers = cgutils.unpack_tuple(b, args[3], 6)
            w_at, x_at, x_step, y_at, y_step, inputs = numbers
            weight = ir.IntType(16) if half else _F32
            vectors = columns // LANES

            def const(value: int) -> Any:
                return ir.Constant(size, value)

            starts = [b.add(x_at, b.mul(x_step, const(t))) for t in range(tokens)]
            sums = [
                [cgutils.alloca_once(b, _VECTOR) for _ in range(vectors)] for _ in range(tokens)
            ]
            zero = ir.Constant(_VECTOR, [0.0] * LANES)
            kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
            fma = cgutils.get_or_insert_function(b.module, kind, f"llvm.fmuladd.v{LANES}f32")
            unknown = ir.Constant(_VECTOR, ir.Undefined)
            lanes = ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES)
            for column in range(0, GROUP, columns):
                ends = []
                for t, row in enumerate(sums):
                    start = b.add(y_at, b.mul(y_step, const(t)))
                    for k, cell in enumerate(row):
                        at = b.gep(y_data, [b.add(start, const(column + k * LANES))])
                        ends.append((b.bitcast(at, _VECTOR.as_pointer()), cell))
                for end, cell in ends:
                    b.store(b.load(end, align=4) if adds else zero, cell)
                with cgutils.for_range(b, inputs) as loop:
                    line = b.add(w_at, b.mul(loop.index, const(GROUP)))
                    loaded = []
                    for k in range(vectors):
                        at = b.gep(w_data, [b.add(line, const(column + k * LANES))])
                        wide = ir.VectorType(weight, LANES)
                        value = b.load(b.bitcast(at, wide.as_pointer()), align=2 if half else 4)
                        if half:
                            ints = ir.VectorType(_I32, LANES)
                            shift = ir.Constant(ints, [16] * LANES)
                            value = b.bitcast(b.shl(b.zext(value, ints), shift), _VECTOR)
                        loaded.append(value)
                    for row, start in zip(sums, starts, strict=True):
                        one = b.load(b.gep(x_data, [b.add(start, loop.index)]))
                        first = b.insert_element(unknown, one, ir.Constant(_I32, 0))
                        splat = b.shuffle_vector(first, unknown, lanes)
                        for cell, value in zip(row, loaded, strict=True):
                            b.store(b.call(fma, [value, splat, b.load(cell)]), cell)
                for end, cell in ends:
                    b.store(b.load(cell), end, align=4)
            return context.get_dummy_value()

        return types.none(w, x, y, types.UniTuple(types.intp, 6)), generate

    return tile


_WIDE = bool(get_host_cpu_features().get("avx512f", False))
"""Whether there are 32 registers of `LANES`; else 16 of half as many."""
_COLUMNS = GROUP if _WIDE else LANES
"""Outputs of several tokens whose sums all fit."""
_tile_6 = _make_tile(6, LANES)
_tile_4 = _make_tile(4, _COLUMNS)
_tile_2 = _make_tile(2, GROUP if _WIDE else 32)
_tile_1 = _make_tile(1, GROUP)
_more_4 = _make_tile(4, _COLUMNS, adds=True)
_more_1 = _make_tile(1, GROUP, adds=True)


@intrinsic
def _bits_to_float(_: Any, bits: Any) -> Any:
    def generate(_context: Any, b: Any, _signature: Any, args: Any) -> Any:
        return b.bitcast(args[0], _F32)

    return types.float32(types.int32), generate


@njit(inline="always")
def exp32(x: np.float32) -> np.float32:
    """``exp`` in single precision, without branches so that loops over it vectorise (Cephes
    ``expf``: error below 2 ulp); 0 below -87."""
    x = min(max(x, np.float32(-87.3)), np.float32(88.3))
    n = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    r = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + np.float32(1.0)
    return p * _bits_to_float(np.int32((np.int32(n) + np.int32(127)) << np.int32(23)))


@njit(**_OPTIONS)
def linear(w: Any, x: Any, y: Any, count: int) -> None:
    """``y[:count] = x[:count] @ W.T``; ``w`` ``(groups, inputs, 64)`` from `pack`, ``y`` ``(N,
    groups * 64)``, all C-contiguous."""
    groups, inputs = w.shape[0], w.shape[1]
    outputs = groups * GROUP
    sixes = 0 if _WIDE else count - count % 6
    fours = sixes + (count - sixes) // 4 * 4
    pairs = count - (count - fours) % 2
    for group in range(groups):  # its weights stay near while all tokens go by
        at, here = group * inputs * GROUP, group * GROUP
        for token in range(0, sixes, 6):
            _tile_6(w, x, y, (at, token * inputs, inputs, token * outputs + here, outputs, inputs))
        for token in range(sixes, fours, 4):
            _tile_4(w, x, y, (at, token * inputs, inputs, token * outputs + here, outputs, inputs))
        if fours < pairs:
            _tile_2(w, x, y, (at, fours * inputs, inputs, fours * outputs + here, outputs, inputs))
        if pairs < count:
            _tile_1(w, x, y, (at, pairs * inputs, inputs, pairs * outputs + here, outputs, inputs))


@njit(**{**_OPTIONS, "fastmath": True})
def _rms_norm(x: Any, weight: Any, eps: float, out: Any, count: int) -> None:
    width = weight.shape[0]
    for t in range(count):
        total = np.float32(0)
        for i in range(width):
            total += x[t, i] * x[t, i]
        scale = np.float32(1) / np.sqrt(total / np.float32(width) + np.float32(eps))
        for i in range(width):
            out[t, i] = weight[i] * (x[t, i] * scale)


@njit(**_OPTIONS)
def _rotate(x: Any, start: int, heads: int, cos: Any, sin: Any) -> None:
    """Rotary embedding of one token's heads in place, halves apart as Llama has them."""
    size = cos.shape[0]
    half = size // 2
    for h in range(heads):
        at = start + h * size
        for i in range(half):
            a, b = x[at + i], x[at + half + i]
            x[at + i] = a * cos[i] - b * sin[i]
            x[at + half + i] = b * cos[half + i] + a * sin[half + i]


@njit(**{**_OPTIONS, "fastmath": True})
def _softmax(scores: Any, seen: int, scale: np.float32) -> None:
    """In place over the first ``seen`` scores, times ``scale``; summed as their number alone
    says."""
    top = np.float32(-3.0e38)
    for n in range(seen):
        top = max(top, scores[n])
    total = np.float32(0)
    for n in range(seen):
        scores[n] = exp32((scores[n] - top) * scale)
        total += scores[n]
    for n in range(seen):
        scores[n] /= total


@njit(**_OPTIONS)
def _attend(
    q: Any, q_at: int, heads: int, keys: Any, values: Any, seen: int, scores: Any, out: Any
) -> None:
    """The query heads of one token that share a key head, over its first ``seen`` keys.

    Args:
        q: flat; the heads' queries from ``q_at``.
        q_at: see ``q``.
        heads: how many.
        keys: ``(capacity / 64, D, 64)``.
        values: ``(D / 64 rounded up, capacity, 64)``.
        seen: keys to look at.
        scores: buffer ``(heads or more, capacity)``.
        out: ``(heads or more, width of values)``, written.
    """
    size, capacity = keys.shape[1], scores.shape[1]
    fours = heads - heads % 4
    groups = (seen + GROUP - 1) // GROUP
    for group in range(groups):
        at = group * size * GROUP
        # one head reads them in the order in which they lie, which is quickest from afar
        for head in range(fours, heads):
            said = (head * capacity + group * GROUP, capacity, size)
            _tile_1(keys, q, scores, (at, q_at + head * size, size, *said))
        for head in range(0, fours, 4):
            said = (head * capacity + group * GROUP, capacity, size)
            _tile_4(keys, q, scores, (at, q_at + head * size, size, *said))
    for head in range(heads):
        _softmax(scores[head], seen, np.float32(1) / np.sqrt(np.float32(size)))
    width = out.shape[1]
    out[:heads] = np.float32(0)
    for group in range(values.shape[0]):
        for start in range(0, seen, GROUP):  # few enough to stay near while all heads go by
            at, here = (group * capacity + start) * GROUP, group * GROUP
            count = min(GROUP, seen - start)
            for head in range(fours, heads):
                said = (head * width + here, width, count)
                _more_1(values, scores, out, (at, head * capacity + start, capacity, *said))
            for head in range(0, fours, 4):
                said = (head * width + here, width, count)
                _more_4(values, scores, out, (at, head * capacity + start, capacity, *said))


@njit(**_OPTIONS)
def forward(
    x: Any,
    slots: Any,
    places: Any,
    keys: Any,
    values: Any,
    layers: Any,
    norms: Any,
    eps: float,
    cos: Any,
    sin: Any,
    heads: int,
    work: Any,
) -> None:
    """All layers of a Llama over new tokens, in place.

    Args:
        x: embeddings ``(N, H)``, replaced by the last hidden states before the final norm.
        slots: which row of the cache each token belongs to, ``(N,)``.
        places: how many tokens its row holds before it, ``(N,)``; a row's tokens come in order.
        keys: ``(layers, slots, key heads, capacity / 64, D, 64)``; the tokens' own are written.
        values: ``(layers, slots, key heads, D / 64 rounded up, capacity, 64)``, likewise.
        layers: packed weights of query-key-value, output, gate-up and down, ``(layers, groups,
            inputs, 64)`` each.
        norms: ``(layers, 2, H)`` weights of the norms before attention and before the MLP.
        eps: of the norms.
        cos: ``(positions, D)``.
        sin: the same.
        heads: of queries.
        work: buffers for N tokens or more, and of one token for `_attend`.
    """
    count, width = x.shape
    key_heads, size = keys.shape[2], keys.shape[4]
    group = heads // key_heads
    normed, qkv, mixed, wide, inner, out, scores, heard = work
    for number in range(norms.shape[0]):
        w_qkv, w_out, w_wide, w_down = (
            layers[0][number],
            layers[1][number],
            layers[2][number],
            layers[3][number],
        )
        _rms_norm(x, norms[number, 0], eps, normed, count)
        linear(w_qkv, normed, qkv, count)
        for t in range(count):
            slot, place = slots[t], places[t]
            _rotate(qkv[t], 0, heads + key_heads, cos[place], sin[place])
            for h in range(key_heads):
                key, value = (heads + h) * size, (heads + key_heads + h) * size
                for i in range(size):
                    keys[number, slot, h, place // GROUP, i, place % GROUP] = qkv[t, key + i]
                    values[number, slot, h, i // GROUP, place, i % GROUP] = qkv[t, value + i]
        for t in range(count):
            slot, seen = slots[t], places[t] + 1
            for h in range(key_heads):
                _attend(
                    qkv,
                    t * qkv.shape[1] + h * group * size,
                    group,
                    keys[number, slot, h],
                    values[number, slot, h],
                    seen,
                    scores,
                    heard,
                )
                for head in range(group):
                    for i in range(size):
                        mixed[t, (h * group + head) * size + i] = heard[head, i]
        linear(w_out, mixed, out, count)
        for t in range(count):
            for i in range(width):
                x[t, i] += out[t, i]
        _rms_norm(x, norms[number, 1], eps, normed, count)
        linear(w_wide, normed, wide, count)
        hidden = inner.shape[1]
        for t in range(count):
            for i in range(hidden):
                gate = wide[t, i]
                inner[t, i] = gate / (np.float32(1) + exp32(-gate)) * wide[t, hidden + i]
        linear(w_down, inner, out, count)
        for t in range(count):
            for i in range(width):
                x[t, i] += out[t, i]


@njit(**_OPTIONS)
def head(x: Any, norm: Any, eps: float, w: Any, logits: Any) -> None:
    """Final norm, in place, and language head of ``(N, H)``: logits ``(N, groups * 64)``."""
    _rms_norm(x, norm, eps, x, x.shape[0])
    linear(w, x, logits, x.shape[0])


def kept_on_disk() -> bool:
    """Whether numba has compiled this version before; the first start takes half a minute more."""
    source = Path(__file__).stat().st_mtime
    kept = Path(forward._cache.cache_path).glob("kernels.forward-*.nbi")
    return any(index.stat().st_mtime >= source for index in kept)


def fits_half(weight: Any) -> bool:
    """Whether bf16 holds a float32 array exactly."""
    return not (np.ascontiguousarray(weight).view(np.uint32) & 0xFFFF).any()


def pack(weight: Any, *, half: bool) -> Any:
    """A weight ``(outputs, inputs)`` as `linear` reads it: ``(groups, inputs, 64)``, padded with
    zeros; as bf16 bits (uint16) if ``half``, else float32."""
    outputs, inputs = weight.shape
    groups = -(-outputs // GROUP)
    full = np.zeros((groups * GROUP, inputs), np.float32)
    full[:outputs] = weight
    packed = np.ascontiguousarray(full.reshape(groups, GROUP, inputs).transpose(0, 2, 1))
    return (packed.view(np.uint32) >> 16).astype(np.uint16) if half else packed
