"""Shared fixtures: a tiny random model of the real shape, made here and never downloaded."""

import hypothesis
import pytest

hypothesis.settings.register_profile("saberlm", deadline=None)  # busy machines are no failures
hypothesis.settings.load_profile("saberlm")


@pytest.fixture(scope="session")
def tiny_model():
    """A model of a few thousand weights, in evaluation mode."""
    import torch

    from saberlm.adapter.modeling_saber import SaberForConditionalGeneration

    torch.manual_seed(0)
    model = SaberForConditionalGeneration(tiny_config()).eval()
    with torch.no_grad():  # wide enough that rows differ, and the heads say something
        model.lm_head.weight.mul_(8)
        model.model.audio_tower.onset_head.out.weight.mul_(4)
        torch.nn.init.normal_(model.model.projector.tick.weight, std=0.05)
    return model


@pytest.fixture
def make_pack(tiny_model):
    """Style packs of a saved tiny model: one matrix grows by ``fill * fill`` in every place."""
    import torch

    from saberlm.adapter.decoder_lora import lora_of_state
    from saberlm.adapter.loading import load_model
    from saberlm.adapter.style_pack import StylePack, weights_fingerprint
    from saberlm.prompts.vocab import fingerprint

    def make(part, folder, name, fill, **told):
        weight = tiny_model.get_parameter(f"{part}.weight")
        state = {
            f"{part}.lora_A.default.weight": torch.full((2, weight.shape[1]), fill),
            f"{part}.lora_B.default.weight": torch.full((weight.shape[0], 2), fill),
        }
        lora = lora_of_state(state, 0.5, "tiny", tiny_model)
        weights = weights_fingerprint(load_model(folder, fingerprint()).weights)
        return StylePack(name, lora, weights, **told)

    return make


def tiny_config(resampler: str = "perceiver", **audio):
    from transformers import AutoConfig

    from saberlm.adapter.configuration_saber import SaberAudioConfig, SaberConfig
    from saberlm.prompts import vocab as v

    text = AutoConfig.for_model(
        "llama",
        vocab_size=1728,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
    )
    return SaberConfig(
        audio_config=SaberAudioConfig(
            hidden_size=24,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_onset_layers=1,
            num_resampler_layers=1,
            resampler=resampler,
            **audio,
        ),
        text_config=text,
        vocab_fingerprint=v.fingerprint(),
        context_segments=4,
        tick_latents=True,
    )


@pytest.fixture(scope="session")
def make_config():
    """`tiny_config`, for tests that vary it."""
    return tiny_config


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory):
    """A random Llama of Llama 3's shape (grouped heads, scaled rope) in a Hugging Face folder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=160,
        hidden_size=128,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=1,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 500_000.0,
            "factor": 32.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 1024,
        },
    )
    folder = tmp_path_factory.mktemp("bases") / "tiny-llama"
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder
