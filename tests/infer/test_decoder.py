"""The decoders against transformers, and the compiled one against itself to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.infer import kernels
from saberlm.infer.decoder import CompiledDecoder, compiles, make_decoder
from saberlm.infer.torch_decoder import TorchDecoder

LIVE = 700


def embeddings(tokens: int, seed: int, width: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(tokens, width)).astype(np.float32)


@pytest.fixture(scope="module")
def wide_model(make_config: Any) -> SaberForConditionalGeneration:
    """Heads of another size than a vector group's, several key heads, a long rope."""
    config = make_config()
    config.text_config.num_attention_heads = 4
    config.text_config.num_key_value_heads = 2
    config.text_config.head_dim = 80
    torch.manual_seed(5)
    return SaberForConditionalGeneration(config).eval()


@pytest.mark.parametrize("kind", [CompiledDecoder, TorchDecoder])
@pytest.mark.parametrize("which", ["tiny", "wide"])
def test_logits_are_those_of_transformers(
    kind: Any, which: str, tiny_model: Any, wide_model: Any
) -> None:
    model = tiny_model if which == "tiny" else wide_model
    decoder = kind(model, LIVE)
    decoder.resize(3)
    rows = [embeddings(n, n) for n in (90, 1, 41)]
    with torch.no_grad():
        expected = [
            model.lm_head(
                model.model.language_model(
                    inputs_embeds=torch.from_numpy(x)[None]
                ).last_hidden_state
            )[0, -1, :LIVE]
            for x in rows
        ]
    logits = decoder.extend([2, 0, 1], rows)
    np.testing.assert_allclose(logits, torch.stack(expected).numpy(), atol=2e-4)
    # some at a time, other rows beside
    decoder.lengths = [0, 0, 0]
    for part in (slice(0, 40), slice(40, 41), slice(41, 90)):
        own = decoder.extend([0, 1], [rows[0][part], rows[2][:3]])[0]
    np.testing.assert_allclose(own, expected[0].numpy(), atol=2e-4)


def test_a_tokens_result_is_the_same_however_it_is_fed(tiny_model: Any) -> None:
    decoder = CompiledDecoder(tiny_model, LIVE)
    decoder.resize(4)
    x = embeddings(75, 1)
    whole = decoder.extend([0], [x])[0]
    for token in x:
        single = decoder.extend([1], [token[None]])[0]
    others = [embeddings(n, n) for n in (13, 34)]
    decoder.extend([2, 3], [x[:50], others[0]])
    beside = decoder.extend([3, 2], [others[1], x[50:]])[1]
    assert np.array_equal(single, whole)
    assert np.array_equal(beside, whole)
    threaded = CompiledDecoder(tiny_model, LIVE, threads=3)
    threaded.resize(4)
    both = threaded.extend([0, 1, 2, 3], [x[:9], x, others[0], others[1]])
    assert np.array_equal(both[1], whole)


def test_a_shared_beginning_and_more_room_change_nothing(tiny_model: Any) -> None:
    for decoder in (CompiledDecoder(tiny_model, LIVE), TorchDecoder(tiny_model, LIVE)):
        decoder.resize(1)
        x = embeddings(1100, 2)  # more than a slot holds at first
        expected = decoder.extend([0], [x])[0]
        decoder.resize(3)
        decoder.share(0, 2, 70)
        assert decoder.lengths == [1100, 0, 70]
        np.testing.assert_allclose(decoder.extend([2], [x[70:]])[0], expected, atol=1e-5)


def test_weights_that_bf16_holds_stay_exact() -> None:
    x, weight = embeddings(5, 3, 96), embeddings(70, 4, 96)
    rounded = torch.from_numpy(weight).bfloat16().float().numpy()
    assert not kernels.fits_half(weight)
    assert kernels.fits_half(rounded)
    outs = []
    for half in (True, False):
        packed = kernels.pack(rounded, half=half)
        assert packed.dtype == (np.uint16 if half else np.float32)
        y = np.zeros((5, packed.shape[0] * kernels.GROUP), np.float32)
        kernels.linear(packed, x, y, 5)
        outs.append(y)
    assert np.array_equal(outs[0], outs[1])
    np.testing.assert_allclose(outs[0][:, :70], x @ rounded.T, atol=1e-4)


def test_exp_is_exp() -> None:
    x = np.linspace(-80, 80, 4001).astype(np.float32)
    ours = np.array([kernels.exp32(one) for one in x], np.float64)
    np.testing.assert_allclose(ours, np.exp(x.astype(np.float64)), rtol=4e-7)


def test_what_is_no_plain_llama_goes_through_torch(make_config: Any) -> None:
    config = make_config()
    assert compiles(SaberForConditionalGeneration(config))
    config.text_config.attention_bias = True
    biased = SaberForConditionalGeneration(config)
    assert not compiles(biased)
    assert isinstance(make_decoder(biased, LIVE), TorchDecoder)
