"""Configurations of the audio tower and of the whole model, in the Hugging Face shape."""

from __future__ import annotations

from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import CONFIG_MAPPING, AutoConfig, PreTrainedConfig

try:
    from transformers.configuration_utils import SubConfigSpec
except ImportError:  # what vLLM takes, 5.19, knows `sub_configs` alone
    SubConfigSpec = None


@strict
class SaberAudioConfig(PreTrainedConfig):
    """Front end, Conformer, resampler and onset head.

    ``frontend`` is ``logmel`` or ``dac``; ``resampler`` is ``perceiver`` or ``qformer``. Cells are
    twelfths of a beat.
    """

    model_type = "saberlm_audio"
    base_config_key = "audio_config"

    frontend: str = "logmel"
    frontend_path: str | None = None  # codec of dac: a name, folder, file or id; None is dac-nano
    num_features: int = 120
    hidden_size: int = 192
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    attention_window: int = 48
    conv_kernel_size: int = 9
    resampler: str = "perceiver"
    num_resampler_layers: int = 2
    resampler_span: int = 27
    cells_per_latent: int = 3
    latents_per_bar: int = 16
    num_onset_layers: int = 2
    dropout: float | int = 0.1
    initializer_range: float = 0.02


@strict
class SaberConfig(PreTrainedConfig):
    """The whole model: audio tower and decoder, plus what its tokens mean by fingerprint.

    The token ids repeat the vocabulary's so that this room need not know it; ``vocab_fingerprint``
    proves that they agree.
    """

    model_type = "saberlm"
    if SubConfigSpec is not None:
        sub_configs_defaults = {
            "audio_config": SubConfigSpec(SaberAudioConfig, model_type="saberlm_audio"),
            "text_config": SubConfigSpec(AutoConfig, model_type="llama"),
        }
    else:
        sub_configs = {"audio_config": SaberAudioConfig, "text_config": AutoConfig}

    audio_config: Any = None  # SaberAudioConfig, or its fields
    text_config: Any = None  # a Llama configuration, or its fields
    audio_token_id: int = 7
    sketch_token_id: int = 6
    tick_latents: bool = False  # what a tick sounds like joins the tokens said at it
    audio_places: bool = True  # the sequence has places for the sketch and for each bar's sound
    position_token_id: int = 32  # of a bar's first tick; the others follow
    segment_token_id: int = 8
    end_segment_token_id: int = 9
    ticks_per_latent: int = 12
    vocab_fingerprint: str = ""
    context_segments: int = 12  # bars the decoder was trained to see at once
    tie_word_embeddings: bool = False
    decoder_base: dict[str, Any] | None = None  # name and sizes, see saberlm.adapter.bases
    calibration: dict[str, Any] | None = (
        None  # densities and hazard weights measured after training
    )

    def __post_init__(self, **kwargs: Any) -> None:
        """Fill the sub-configs in."""
        if SubConfigSpec is None:
            if not isinstance(self.audio_config, PreTrainedConfig):
                self.audio_config = SaberAudioConfig(**(self.audio_config or {}))
            if not isinstance(self.text_config, PreTrainedConfig):
                fields = {"model_type": "llama", **(self.text_config or {})}
                self.text_config = CONFIG_MAPPING[fields["model_type"]](**fields)
        super().__post_init__(**kwargs)
