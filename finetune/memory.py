"""What training a decoder of some size takes: memory by part, arithmetic by token.

Symbols: **H** hidden size, **L** layers, **I** the MLP's inner size, **K** width of all key heads,
**V** vocabulary. GB are 1e9 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PEAK_TFLOPS = {
    "H200": 989.0,
    "H100": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "RTX 4090": 165.0,
    "RTX 3090": 71.0,
}
"""Dense bf16 matrix arithmetic with float32 sums, TFLOP/s, from the makers' data sheets."""

TRAINED_BYTES = 16
"""float32 weight, its gradient and AdamW's two moments."""
TRAINED_BYTES_8BIT = 10
"""The same with moments of 8 bits (arXiv 2110.02861)."""
NF4_BYTES = 0.5 + (1 + 4 / 256) / 64
"""4 bits, an 8-bit scale for 64 weights, and a float32 for 256 such scales (arXiv 2305.14314)."""
ACTIVATION_H, ACTIVATION_I, ACTIVATION_K, ACTIVATION_REST = 48, 12, 4, 70
"""Bytes that a layer keeps for the backward pass of a token, times H, I, K and once: counted with
saved-tensor hooks on transformers' Llama with LoRA and its dropout, bf16 (a test counts again)."""


@dataclass(frozen=True)
class DecoderSizes:
    """Sizes of a Llama."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    vocab: int
    head_dim: int

    @classmethod
    def of(cls, config: Any) -> DecoderSizes:
        """From a `LlamaConfig`, or an object with its names."""
        return cls(
            config.hidden_size,
            config.num_hidden_layers,
            config.num_attention_heads,
            config.num_key_value_heads,
            config.intermediate_size,
            config.vocab_size,
            getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        )

    @property
    def query(self) -> int:
        """Width of all query heads."""
        return self.heads * self.head_dim

    @property
    def key(self) -> int:
        """Width of all key heads."""
        return self.kv_heads * self.head_dim

    @property
    def matrices(self) -> int:
        """Weights of the layers' matrices."""
        attention = 2 * self.hidden * (self.query + self.key)
        return self.layers * (attention + 3 * self.hidden * self.intermediate)

    @property
    def body(self) -> int:
        """Weights of the layers and norms, both ends of the vocabulary left out."""
        return self.matrices + (2 * self.layers + 1) * self.hidden

    @property
    def ends(self) -> int:
        """Weights of token embedding and head, untied."""
        return 2 * self.vocab * self.hidden

    def lora(self, rank: int) -> int:
        """Weights of a LoRA on all seven matrices of each layer."""
        attention = 2 * (self.hidden + self.query) + 2 * (self.hidden + self.key)
        return self.layers * rank * (attention + 3 * (self.hidden + self.intermediate))


def memory_gb(
    sizes: DecoderSizes,
    *,
    tokens: int,
    rank: int = 0,
    quantize: str = "none",
    checkpointing: bool = False,
    tower: int = 0,
    gpus: int = 1,
    lora_alone: bool = False,
    eight_bit: bool = False,
) -> dict[str, float]:
    """GB on each GPU by part.

    Args:
        sizes: of the decoder.
        tokens: of a step on one GPU, padding counted.
        rank: of the LoRA; 0 trains the decoder whole, in float32.
        quantize: ``nf4`` holds the base in 4 bits, ``none`` in bf16.
        checkpointing: keep only each layer's input and compute the rest again.
        tower: weights of the audio tower and projector, trained whole.
        gpus: that FSDP shards weights and optimiser over.
        lora_alone: nothing but the LoRA trains: tower and both ends of the vocabulary are frozen,
            in float32 (DPO; its reference is the same weights, asked beforehand).
        eight_bit: the optimiser's moments take 8 bits.

    Returns:
        ``base`` (frozen), ``trained`` (with gradients and moments), ``activations`` (the decoder's;
        the tower's are small beside them), ``working`` (the kernels' own and fragments: a guess of
        1 GB and a tenth) and ``total``.
    """
    beside = tower + sizes.ends
    whole = (0 if lora_alone else beside) + (sizes.lora(rank) if rank else sizes.body)
    per_weight = NF4_BYTES if quantize == "nf4" else 2.0
    base = sizes.body * per_weight if rank else 0.0
    base += 4.0 * beside if lora_alone else 0.0
    layer = (
        ACTIVATION_H * sizes.hidden
        + ACTIVATION_I * sizes.intermediate
        + ACTIVATION_K * sizes.key
        + ACTIVATION_REST
    )
    kept = 2 * sizes.hidden * sizes.layers + layer if checkpointing else layer * sizes.layers
    parts = {
        "base": base / gpus / 1e9,
        "trained": (TRAINED_BYTES_8BIT if eight_bit else TRAINED_BYTES) * whole / gpus / 1e9,
        "activations": tokens * kept / 1e9,
    }
    parts["working"] = 1.0 + 0.1 * sum(parts.values())
    return parts | {"total": sum(parts.values())}


def flops_per_token(
    sizes: DecoderSizes,
    *,
    context: int,
    rank: int = 0,
    checkpointing: bool = False,
    lora_alone: bool = False,
) -> float:
    """Arithmetic of one training token: two operations a weight forward, as many for the gradient
    of its input, as many for its own if it is trained; attention over half the context on average.

    Args:
        sizes: of the decoder.
        context: tokens of a row.
        rank: of the LoRA; 0 trains the decoder whole.
        checkpointing: count the forward pass of the layers twice (the machine's work; leave it out
            for the share of peak, which counts useful work).
        lora_alone: the head's own weights are frozen.
    """
    attention = sizes.layers * 2 * context * sizes.query  # both products, halved by the mask
    body, head = 2 * sizes.matrices + attention, sizes.vocab * sizes.hidden
    backward = 2 * sizes.matrices + 2 * attention + (0 if rank else 2 * sizes.matrices)
    trained = (4 if lora_alone else 6) * head + 6 * (sizes.lora(rank) if rank else 0)
    return body + backward + trained + (body if checkpointing else 0)


def flops_of_tower(weights: int, cells: int) -> float:
    """Arithmetic of the audio tower over ``cells`` grid cells, each weight used at each cell."""
    return 6.0 * weights * cells
