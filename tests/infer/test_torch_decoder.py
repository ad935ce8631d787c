"""Steps through all slots at once, as on a GPU, against padded batches of those spoken to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from saberlm.infer import torch_decoder
from saberlm.infer.torch_decoder import TorchDecoder

LIVE = 700


def embeddings(tokens: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(tokens, 32)).astype(np.float32)


def with_kvcache(
    q: Any, keys: Any, values: Any, k: Any, v: Any, *, cache_seqlens: Any, causal: bool
) -> Any:
    """What flash-attn's documentation says of `flash_attn_with_kvcache`, row by row."""
    assert causal
    assert cache_seqlens.dtype == torch.int32
    out = torch.empty_like(q)
    for row, length in enumerate(cache_seqlens.tolist()):
        new = slice(length, length + q.shape[1])
        keys[row, new], values[row, new] = k[row], v[row]
        for head in range(q.shape[2]):
            group = head * k.shape[2] // q.shape[2]
            scores = keys[row, : new.stop, group] @ q[row, 0, head] / q.shape[3] ** 0.5
            out[row, 0, head] = scores.softmax(0) @ values[row, : new.stop, group]
    return out


@pytest.mark.parametrize("flash", [False, True])
def test_a_step_through_all_slots_is_that_of_those_spoken_to(tiny_model: Any, flash: bool) -> None:
    padded = TorchDecoder(tiny_model, LIVE, together=False)
    together = TorchDecoder(tiny_model, LIVE, together=True)
    if flash:
        together._flash = with_kvcache
    chance = np.random.default_rng(3)
    for decoder in (padded, together):
        decoder.resize(4)
    # one slot is full to the brim of a span, one grows past what a slot holds at first
    for slot, length in enumerate((torch_decoder.SPAN - 2, 0, 1, torch_decoder.FIRST_CAPACITY - 3)):
        for decoder in (padded, together):
            if length:
                decoder.extend([slot], [embeddings(length, slot)])
    for step in range(8):
        slots = [int(one) for one in chance.permutation(4)[: 1 + step % 4]]
        pieces = [embeddings(1, 10 * step + slot) for slot in slots]
        logits = [decoder.extend(slots, pieces) for decoder in (padded, together)]
        np.testing.assert_allclose(logits[1], logits[0], atol=2e-4)
        np.testing.assert_allclose(together.last_hidden, padded.last_hidden, atol=2e-4)
        assert together.lengths == padded.lengths
    assert max(padded.lengths) > torch_decoder.FIRST_CAPACITY


def test_no_flash_attention_for_a_cpu_or_single_precision() -> None:
    assert torch_decoder.flash_attention(torch.device("cpu"), torch.bfloat16) is None
    assert torch_decoder.flash_attention(torch.device("cuda"), torch.float32) is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_replayed_graphs_are_the_steps_they_captured(tiny_model: Any) -> None:
    import copy

    on_cpu = TorchDecoder(tiny_model, LIVE)
    on_gpu = TorchDecoder(copy.deepcopy(tiny_model).to("cuda"), LIVE)
    for decoder in (on_cpu, on_gpu):
        decoder.resize(3)
        decoder.extend([0, 2], [embeddings(9, 1), embeddings(torch_decoder.SPAN, 2)])
    for step in range(6):
        pieces = [embeddings(1, 20 + step), embeddings(1, 40 + step)]
        slots = [0, 2] if step % 2 else [1, 0]
        logits = [decoder.extend(slots, pieces) for decoder in (on_cpu, on_gpu)]
        np.testing.assert_allclose(logits[1], logits[0], atol=2e-3)
    assert on_gpu._graphs
