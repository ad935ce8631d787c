"""The arithmetic of memory against models that are small enough to count."""

import argparse
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaModel

from saberlm.finetune.memory import NF4_BYTES, DecoderSizes, flops_per_token, memory_gb

CONFIGS = Path(__file__).parents[2] / "scripts" / "configs"
SHAPES = [(128, 384, 3, 4, 1), (192, 256, 2, 6, 6)]


def llama(hidden: int, inner: int, layers: int, heads: int, kv: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=64,
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv,
    )


def with_lora(config: LlamaConfig, rank: int) -> LlamaModel:
    peft = pytest.importorskip("peft")
    from saberlm.adapter.on_base import LORA_TARGETS

    model = LlamaModel(config).to(torch.bfloat16)
    peft.inject_adapter_in_model(
        peft.LoraConfig(r=rank, target_modules=list(LORA_TARGETS), lora_dropout=0.05), model
    )
    return model


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shape", SHAPES)
def test_weights_are_counted_exactly(shape: tuple[int, ...]) -> None:
    config = llama(*shape)
    model = with_lora(config, 4)
    sizes = DecoderSizes.of(config)
    named = dict(model.named_parameters())
    assert sizes.lora(4) == sum(p.numel() for n, p in named.items() if "lora_" in n)
    body = sum(p.numel() for n, p in named.items() if "lora_" not in n and "embed" not in n)
    assert sizes.body == body


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_activations_are_about_what_is_saved(shape: tuple[int, ...], checkpointing: bool) -> None:
    """Within a fifth of what torch keeps for the backward pass (without what checkpointing makes
    again while it runs)."""
    config = llama(*shape)
    model = with_lora(config, 4)
    model.train()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def pack(t: torch.Tensor) -> torch.Tensor:
        if t.untyped_storage().data_ptr() not in weights:
            kept[t.untyped_storage().data_ptr()] = t
        return t

    tokens = 2 * 96
    x = torch.randn(2, 96, config.hidden_size, dtype=torch.bfloat16, requires_grad=True)
    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t),
        torch.autocast("cpu", dtype=torch.bfloat16),
    ):
        model(inputs_embeds=x, use_cache=False)
    counted = sum(t.untyped_storage().nbytes() for t in kept.values())
    sizes = DecoderSizes.of(config)
    told = 1e9 * memory_gb(sizes, tokens=tokens, rank=4, checkpointing=checkpointing)["activations"]
    if checkpointing:
        one = DecoderSizes.of(llama(*shape[:2], 1, *shape[3:]))
        told -= 1e9 * memory_gb(one, tokens=tokens, rank=4)["activations"]
        assert 0.8 < counted / told < 3, "the last norm, in float32, weighs in at so few layers"
    else:
        assert counted == pytest.approx(told, rel=0.2)


def test_parts_follow_their_rules() -> None:
    sizes = DecoderSizes(4096, 32, 32, 8, 14_336, 1728, 128)
    assert sizes.body == pytest.approx(6.98e9, rel=0.01), "Llama-3-8B without its vocabulary"
    lora = memory_gb(sizes, tokens=1000, rank=16)
    four = memory_gb(sizes, tokens=1000, rank=16, quantize="nf4")
    assert lora["base"] == pytest.approx(2 * sizes.body / 1e9)
    assert four["base"] / lora["base"] == pytest.approx(NF4_BYTES / 2)
    assert memory_gb(sizes, tokens=1000, rank=16, gpus=8)["base"] == lora["base"] / 8
    whole = memory_gb(sizes, tokens=1000)
    assert whole["base"] == 0
    assert whole["trained"] > 100, "all of 8B in float32 with AdamW"
    for parts in (lora, four, whole):
        assert parts["total"] == pytest.approx(sum(v for k, v in parts.items() if k != "total"))


def test_preference_trains_the_lora_alone() -> None:
    """By hand for Llama-3-8B: layers in bf16, vocabulary and tower in float32, 42 M of LoRA."""
    sizes = DecoderSizes(4096, 32, 32, 8, 14_336, 1728, 128)
    told = {"tokens": 1000, "rank": 16, "tower": 5_000_000, "lora_alone": True}
    plain, eight = memory_gb(sizes, **told), memory_gb(sizes, **told, eight_bit=True)
    assert plain["base"] == pytest.approx(1e-9 * (2 * sizes.body + 4 * (sizes.ends + 5e6)))
    assert plain["trained"] == pytest.approx(16e-9 * sizes.lora(16))
    assert eight["trained"] == pytest.approx(10e-9 * sizes.lora(16))
    assert sizes.lora(16) == pytest.approx(42e6, rel=0.01)
    four = memory_gb(sizes, **told, quantize="nf4", eight_bit=True)
    assert four["base"] < 0.3 * plain["base"]
    assert flops_per_token(sizes, context=900, rank=16, lora_alone=True) < flops_per_token(
        sizes, context=900, rank=16
    )


def test_arithmetic_of_a_token() -> None:
    """Six operations a weight where all is trained, four where only a LoRA is; torch counts the
    same."""
    from torch.utils.flop_counter import FlopCounterMode

    config = llama(128, 384, 3, 4, 4)
    sizes = DecoderSizes.of(config)
    model = LlamaModel(config)
    context = 64
    x = torch.randn(1, context, 128, requires_grad=True)
    counter = FlopCounterMode(display=False)
    with counter:
        model(inputs_embeds=x, use_cache=False).last_hidden_state.sum().backward()
    told = context * (flops_per_token(sizes, context=context) - 6 * sizes.vocab * sizes.hidden)
    assert counter.get_total_flops() == pytest.approx(told, rel=0.1)
    lora = flops_per_token(sizes, context=context, rank=4)
    assert lora < flops_per_token(sizes, context=context)
    assert flops_per_token(sizes, context=context, rank=4, checkpointing=True) > lora


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("sft_135m", 24),
        ("sft_1b", 24),
        ("sft_1b_qlora", 8),
        ("sft_8b", 40),
        ("sft_8b_qlora", 16),
        ("dpo_8b", 24),
    ],
)
def test_configs_fit_the_cards_that_they_name(name: str, most: float) -> None:
    from saberlm.scripts.memory import render

    args = argparse.Namespace(
        config=str(CONFIGS / f"{name}.yaml"), gpu="H100", gpus=1, row_tokens=900, share=0.35
    )
    (total,) = [line for line in render(args).splitlines() if line.strip().startswith("total")]
    assert float(total.split()[1]) < most
