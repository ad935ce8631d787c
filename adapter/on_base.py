"""A saberlm model whose decoder is a pre-trained Llama: the base's layers, with the map vocabulary
in place of its own and LoRA over its matrices.

Its folder holds only what was trained, in PEFT's names (``adapter_model.safetensors``: LoRA, tower,
projector, both ends of the vocabulary); the base lies elsewhere, see `saberlm.adapter.bases`. To
decode, the LoRA is merged into the base, and nothing of PEFT is needed.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModel

from saberlm.adapter.bases import (
    LORA_CONFIG_NAME,
    WEIGHTS_NAME,
    base_folder,
    base_sizes,
    check_base,
)
from saberlm.adapter.configuration_saber import SaberConfig
from saberlm.adapter.modeling_saber import SaberForConditionalGeneration

TRAINED_WHOLE = ("model.audio_tower", "model.projector", "lm_head")
TOKEN_EMBEDDING = "model.language_model.embed_tokens"
LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_PREFIX = "base_model.model."  # PEFT's


def lora_of(folder: Path) -> tuple[int, int]:
    """Rank and alpha of the LoRA in a model folder."""
    about = json.loads((folder / LORA_CONFIG_NAME).read_text())
    return int(about["r"]), int(about["lora_alpha"])


def build_on_base(
    config: SaberConfig,
    folder: Path,
    *,
    dtype: torch.dtype,
    attention: str = "sdpa",
    quantization: Any = None,
    device_map: Any = None,
) -> SaberForConditionalGeneration:
    """A model on a base, all else new.

    Map tokens begin as draws from the Gaussian of the base's own embeddings (mean and deviation of
    each dimension), so that they lie where the layers expect a token; the head's rows begin near
    their mean, so that the first loss is about the logarithm of the vocabulary's size.

    Args:
        config: ``text_config`` is replaced by the base's with the map vocabulary's ids;
            ``decoder_base`` by its name and sizes (``name`` must be there).
        folder: of the base, checked.
        dtype: of the base's layers; tower, projector, embeddings and head are float32.
        attention: of transformers' names.
        quantization: a `BitsAndBytesConfig`, or None.
        device_map: see transformers; None for the CPU.

    Raises:
        ValueError: see `saberlm.adapter.bases.check_base`.
    """
    name = (config.decoder_base or {})["name"]
    about = check_base(folder, name, (config.decoder_base or {}).get("sizes"))
    base = AutoModel.from_pretrained(
        folder,
        dtype=dtype,
        attn_implementation=attention,
        quantization_config=quantization,
        device_map=device_map,
        local_files_only=True,
        use_safetensors=True,
    )
    ids, old = config.text_config, base.embed_tokens.weight.detach()
    mean, deviation = old.float().mean(0).cpu(), old.float().std(0).cpu()
    text = base.config
    for key in ("vocab_size", "pad_token_id", "bos_token_id", "eos_token_id"):
        setattr(text, key, getattr(ids, key))
    text.tie_word_embeddings = False
    text.use_cache = True
    config.text_config = _without_layers(text)
    config.decoder_base = {"name": name, "sizes": base_sizes(about)}
    model = SaberForConditionalGeneration(config)
    config.text_config = text
    base.embed_tokens = nn.Embedding(text.vocab_size, text.hidden_size, text.pad_token_id)
    with torch.no_grad():
        drawn = mean + deviation * torch.randn(text.vocab_size, text.hidden_size)
        base.embed_tokens.weight.copy_(drawn)
        model.lm_head.weight.copy_(mean + 0.1 * deviation * torch.randn_like(drawn))
    model.model.language_model = base
    return model


def _without_layers(text: Any) -> Any:
    """The same decoder with none of its layers: what is built with it is thrown away."""
    shell = copy.deepcopy(text)
    shell.num_hidden_layers = 0
    if hasattr(shell, "quantization_config"):
        del shell.quantization_config
    return shell


def trained_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What of a model's state was trained, in PEFT's names.

    Args:
        state: of the whole model, LoRA layers inside.
    """
    out = {}
    for name, tensor in state.items():
        whole = name.startswith((*(f"{part}." for part in TRAINED_WHOLE), f"{TOKEN_EMBEDDING}."))
        if whole or ".lora_" in name:
            out[_PREFIX + name.replace(".default.", ".")] = tensor
    return out


def save_trained(
    model: SaberForConditionalGeneration,
    folder: Path,
    *,
    dtype: torch.dtype | None = None,
    state: Mapping[str, Tensor] | None = None,
) -> float:
    """Write what was trained and the configurations.

    Args:
        model: on a base, LoRA layers inside.
        folder: to write; each file under another name first.
        dtype: to save floating-point weights in; None keeps theirs.
        state: the gathered state of a sharded model; None takes the model's.

    Returns:
        Megabytes of weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: (t.to(dtype) if dtype and t.is_floating_point() else t).detach().cpu().contiguous()
        for name, t in trained_state(model.state_dict() if state is None else state).items()
    }
    config = copy.deepcopy(model.config)
    for key in ("quantization_config", "_name_or_path"):
        config.text_config.__dict__.pop(key, None)
    config.text_config.dtype = None
    config.architectures = ["SaberForConditionalGeneration"]
    config.save_pretrained(folder)
    layers = model.model.language_model.peft_config["default"]
    lora = {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": (config.decoder_base or {})["name"],
        "r": layers.r,
        "lora_alpha": layers.lora_alpha,
        "lora_dropout": layers.lora_dropout,
        "target_modules": rf".*language_model.*\.({'|'.join(LORA_TARGETS)})",
        "modules_to_save": ["audio_tower", "projector", "embed_tokens", "lm_head"],
        "bias": "none",
        "inference_mode": True,
    }
    temporary = folder / (WEIGHTS_NAME + ".partial")
    save_file(tensors, temporary, metadata={"format": "pt"})
    temporary.replace(folder / WEIGHTS_NAME)
    (folder / LORA_CONFIG_NAME).write_text(json.dumps(lora, indent=2) + "\n")
    return (folder / WEIGHTS_NAME).stat().st_size / 1e6


def load_trained(model: SaberForConditionalGeneration, folder: Path) -> None:
    """Put back what `save_trained` wrote, into a model with LoRA layers inside.

    Raises:
        ValueError: the folder's weights are not those of such a model.
    """
    own = trained_state(model.state_dict())
    saved = load_file(folder / WEIGHTS_NAME)
    odd = sorted(own.keys() ^ saved.keys())
    odd += [n for n in own if n in saved and own[n].shape != saved[n].shape]
    if odd:
        raise ValueError(
            f"{folder / WEIGHTS_NAME}: expected the {len(own)} trained weights of this model, found"
            f" {len(odd)} that differ ({odd[0]}, ...): likely another rank or another base"
        )
    with torch.no_grad():
        for name, tensor in own.items():  # these share memory with the model
            tensor.copy_(saved[name])


def load_merged(
    folder: Path, config: SaberConfig, dtype: torch.dtype
) -> SaberForConditionalGeneration:
    """A model on a base, its LoRA merged, to decode with.

    Args:
        folder: that `save_trained` wrote.
        config: its configuration.
        dtype: to compute in.

    Raises:
        ValueError: the base is not there or another, or weights are missing.
    """
    name = (config.decoder_base or {}).get("name")
    if not name:
        raise ValueError(
            f"{folder}: expected the name of a base model in config.json (decoder_base), found none"
        )
    rank, alpha = lora_of(folder)
    model = build_on_base(config, base_folder(name), dtype=torch.float32)
    saved = {k.removeprefix(_PREFIX): t for k, t in load_file(folder / WEIGHTS_NAME).items()}
    pairs = {k.removesuffix(".lora_A.weight") for k in saved if k.endswith(".lora_A.weight")}
    state, scale = model.state_dict(), alpha / rank
    wanted = set(trained_state(state)) | {
        f"{_PREFIX}{part}.lora_{x}.weight" for part in pairs for x in "AB"
    }
    found = {_PREFIX + name for name in saved}
    if wanted != found or not pairs:
        odd = sorted(wanted ^ found) or ["no LoRA at all"]
        raise ValueError(
            f"{folder / WEIGHTS_NAME}: expected all weights of the model, found {len(odd)} that"
            f" do not fit ({odd[0]}, ...): likely saved from another configuration"
        )
    with torch.no_grad():
        for part in pairs:
            a, b = (saved.pop(f"{part}.lora_{x}.weight").float() for x in "AB")
            state[f"{part}.weight"].add_(scale * (b @ a))
        for key, tensor in saved.items():
            state[key].copy_(tensor)
    config.text_config.dtype = None
    return model.to(dtype)
