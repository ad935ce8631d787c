"""A trained model that only maps, without transformers.

Importing transformers' modelling code takes as long as mapping half a minute of music, and mapping
on a CPU runs the decoder through kernels of its own (`saberlm.infer.kernels`) that want weights
alone. So here are the same weights under the same names as in
`saberlm.adapter.modeling_saber.SaberForConditionalGeneration`, for which it stands in; what it
cannot be, `load_bare` leaves to that.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from saberlm.adapter.tower import HearingParts, SaberProjector, TowerParts

VECTOR = 16
"""The compiled decoder takes heads of so many numbers, or of a multiple."""
_PLAIN = {
    "model_type": "llama",
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": False,
}


def load_bare(folder: Path) -> BareModel | None:
    """The model of a folder in float32; None where it is none of ours with a plain Llama that
    hears a spectrogram, or does not read: transformers' loader knows the rest, and what to say."""
    try:
        told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        text = told["text_config"]
        plain = told["model_type"] == "saberlm" and told["decoder_base"] is None
        plain &= all(text[name] == value for name, value in _PLAIN.items())
        plain &= text["rope_parameters"]["rope_type"] == "default"
        plain &= told["audio_config"]["frontend"] == "logmel" and text["head_dim"] % VECTOR == 0
        if not plain:
            return None
        for name in ("audio_config", "text_config"):
            told[name] = _Fields(**told[name])
        model = BareModel(_Fields(**told))
        weights = load_file(folder / "model.safetensors")
        model.load_state_dict({name: weight.float() for name, weight in weights.items()})
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # another configuration
        return None
    except (SafetensorError, RuntimeError):  # damaged weights, or of another shape
        return None
    return model.requires_grad_(False).eval()


class _Fields(SimpleNamespace):
    """A configuration as it stands in the file."""

    def to_dict(self) -> dict[str, Any]:
        """As transformers' configurations have it."""
        return dict(vars(self))


class BareModel(nn.Module):
    """See the module; ``config`` has the fields of `SaberConfig` as they stand in the file."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.model = _Hearing(config)
        text = config.text_config
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=False)

    def get_input_embeddings(self) -> nn.Module:
        """The decoder's token embedding."""
        return self.model.language_model.embed_tokens


class _Hearing(HearingParts, nn.Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.audio_tower = _Tower(config.audio_config)
        self.projector = SaberProjector(config)
        self.language_model = _Llama(config.text_config)


class _Tower(TowerParts, nn.Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        self.add_parts(config)


class _Llama(nn.Module):
    """A Llama's weights, by transformers' names."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = _Norm(config.hidden_size)
        self.rotary_emb = _Rotary(config)


class _Layer(nn.Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        self.self_attn = _Attention(config)
        self.mlp = _Mlp(config.hidden_size, config.intermediate_size)
        self.input_layernorm = _Norm(config.hidden_size)
        self.post_attention_layernorm = _Norm(config.hidden_size)


class _Attention(nn.Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        width, self.head_dim = config.hidden_size, config.head_dim
        own, shared = config.num_attention_heads, config.num_key_value_heads
        self.q_proj = nn.Linear(width, own * self.head_dim, bias=False)
        self.k_proj = nn.Linear(width, shared * self.head_dim, bias=False)
        self.v_proj = nn.Linear(width, shared * self.head_dim, bias=False)
        self.o_proj = nn.Linear(own * self.head_dim, width, bias=False)


class _Mlp(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)


class _Norm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))


class _Rotary(nn.Module):
    """Rotary embedding (Su et al. 2021), halves apart as Llama has them."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        size = config.head_dim
        places = torch.arange(0, size, 2, dtype=torch.float) / size
        self.rates = 1.0 / (config.rope_parameters["rope_theta"] ** places)

    def forward(self, x: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines ``(B, S, D)`` of places ``(B, S)``, in the type of ``x``."""
        angles = places[..., None].float() * self.rates
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos().to(x.dtype), angles.sin().to(x.dtype)
