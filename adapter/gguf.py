"""Reading Llama weights out of a GGUF file: enough of the format to convert one small base model.

The format is ggml's (``docs/gguf.md`` of that project, version 3); of its quantisations those are
read that occur here: F32, F16, Q8_0 and Q4_1 (blocks of 32 weights).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_STRING, _ARRAY = 8, 9
_BLOCK = 32


def _q8_0(raw: np.ndarray) -> np.ndarray:
    """Blocks of a float16 scale and 32 int8."""
    scale = raw[:, :2].copy().view(np.float16).astype(np.float32)
    return scale * raw[:, 2:].view(np.int8).astype(np.float32)


def _q4_1(raw: np.ndarray) -> np.ndarray:
    """Blocks of a float16 scale, a float16 minimum and 32 nibbles, the low halves first."""
    scale = raw[:, 0:2].copy().view(np.float16).astype(np.float32)
    least = raw[:, 2:4].copy().view(np.float16).astype(np.float32)
    nibbles = np.concatenate([raw[:, 4:] & 15, raw[:, 4:] >> 4], axis=1)
    return scale * nibbles.astype(np.float32) + least


# type: name, weights a block, bytes a block, decoder of (blocks, bytes) uint8
_TYPES: dict[int, tuple[str, int, int, Callable[[np.ndarray], np.ndarray]]] = {
    0: ("F32", 1, 4, lambda raw: raw.view(np.float32).copy()),
    1: ("F16", 1, 2, lambda raw: raw.view(np.float16).astype(np.float32)),
    3: ("Q4_1", _BLOCK, 20, _q4_1),
    8: ("Q8_0", _BLOCK, 34, _q8_0),
}


class GgufFile:
    """An open GGUF file.

    Args:
        path: of the file.

    Raises:
        ValueError: not a GGUF file of version 2 or 3, or cut short.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fields: dict[str, Any] = {}
        self.tensors: dict[str, tuple[tuple[int, ...], int, int]] = {}
        try:
            with path.open("rb") as f:
                self._read_header(f)
        except (struct.error, KeyError, UnicodeDecodeError, MemoryError) as error:
            raise ValueError(
                f"{path}: expected a GGUF file, found one whose header does not read"
                f" ({type(error).__name__}): likely a download that was cut short"
            ) from None

    def _read_header(self, f: BinaryIO) -> None:
        magic, version = f.read(4), struct.unpack("<I", f.read(4))[0]
        if magic != b"GGUF" or version not in (2, 3):
            raise ValueError(
                f"{self.path}: expected a GGUF file of version 2 or 3, found {magic!r} of version"
                f" {version}"
            )
        num_tensors, num_fields = struct.unpack("<QQ", f.read(16))
        for _ in range(num_fields):
            name = _string(f)
            self.fields[name] = _value(f, struct.unpack("<I", f.read(4))[0])
        for _ in range(num_tensors):
            name = _string(f)
            (rank,) = struct.unpack("<I", f.read(4))
            shape = struct.unpack(f"<{rank}Q", f.read(8 * rank))[::-1]  # ggml's fastest is first
            kind, offset = struct.unpack("<IQ", f.read(12))
            self.tensors[name] = shape, kind, offset
        align = int(self.fields.get("general.alignment", 32))
        self.start = -(-f.tell() // align) * align

    def read(self, name: str) -> np.ndarray:
        """A tensor as float32.

        Raises:
            ValueError: a quantisation that is not read here, or the file ends too early.
        """
        shape, kind, offset = self.tensors[name]
        if kind not in _TYPES:
            known = ", ".join(row[0] for row in _TYPES.values())
            raise ValueError(
                f"{self.path}: expected {name} in one of {known}, found ggml type {kind}"
            )
        _, per_block, size, decode = _TYPES[kind]
        blocks = int(np.prod(shape)) // per_block
        with self.path.open("rb") as f:
            f.seek(self.start + offset)
            raw = np.frombuffer(f.read(blocks * size), dtype=np.uint8)
        if len(raw) != blocks * size:
            raise ValueError(
                f"{self.path}: expected {blocks * size} bytes of {name}, found {len(raw)}:"
                " likely a download that was cut short"
            )
        return decode(raw.reshape(blocks, size)).reshape(shape)


def _string(f: BinaryIO) -> str:
    (length,) = struct.unpack("<Q", f.read(8))
    if length > 1 << 24:
        raise struct.error(f"a string of {length} bytes")
    return f.read(length).decode("utf-8")


def _value(f: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(f)
    if kind == _ARRAY:
        element, length = struct.unpack("<IQ", f.read(12))
        return [_value(f, element) for _ in range(length)]
    code = "<" + _SCALARS[kind]
    return struct.unpack(code, f.read(struct.calcsize(code)))[0]


_LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def _hugging_face_name(name: str) -> str:
    if name == "token_embd.weight":
        return "model.embed_tokens.weight"
    if name == "output_norm.weight":
        return "model.norm.weight"
    if name == "output.weight":
        return "lm_head.weight"
    block, number, part, suffix = name.split(".")
    assert block == "blk"
    return f"model.layers.{number}.{_LAYER_NAMES[part]}.{suffix}"


def _unrotate(weight: np.ndarray, num_heads: int) -> np.ndarray:
    """Undo llama.cpp's order of the query and key rows, which pairs the two halves of a head."""
    rows = weight.shape[0] // num_heads // 2
    paired = weight.reshape(num_heads, rows, 2, *weight.shape[1:])
    return paired.swapaxes(2, 1).reshape(weight.shape)


def llama_from_gguf(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A GGUF Llama as transformers knows it.

    Returns:
        The fields of its `LlamaConfig`, and its weights by transformers' names, float32.

    Raises:
        ValueError: not a Llama, or see `GgufFile`.
    """
    file = GgufFile(path)
    kind = file.fields.get("general.architecture")
    if kind != "llama":
        raise ValueError(f"{path}: expected the architecture 'llama', found {kind!r}")
    get = file.fields.__getitem__
    heads, kv_heads = get("llama.attention.head_count"), get("llama.attention.head_count_kv")
    hidden = get("llama.embedding_length")
    fields = {
        "vocab_size": file.tensors["token_embd.weight"][0][0],
        "hidden_size": hidden,
        "intermediate_size": get("llama.feed_forward_length"),
        "num_hidden_layers": get("llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": hidden // heads,
        "max_position_embeddings": get("llama.context_length"),
        "rms_norm_eps": round(float(get("llama.attention.layer_norm_rms_epsilon")), 9),
        "rope_theta": float(get("llama.rope.freq_base")),
        "tie_word_embeddings": "output.weight" not in file.tensors,
    }
    weights = {}
    for name in file.tensors:
        if name == "rope_freqs.weight":
            continue
        weight = file.read(name)
        if ".attn_q." in name or ".attn_k." in name:
            weight = _unrotate(weight, heads if ".attn_q." in name else kv_heads)
        weights[_hugging_face_name(name)] = weight
    return fields, weights
