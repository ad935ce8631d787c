"""Loading a trained model: shipped by name or from a folder, safetensors only, vocabulary
checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch

from saberlm.adapter.bare_model import load_bare
from saberlm.adapter.bases import WEIGHTS_NAME, is_on_base
from saberlm.adapter.decoder_lora import PREFERENCE_NAME, merge_lora, read_lora
from saberlm.adapter.frontend import PRETRAINED, FrontEnd, make_frontend

if TYPE_CHECKING:
    from saberlm.adapter.configuration_saber import SaberConfig
    from saberlm.adapter.modeling_saber import SaberForConditionalGeneration

SFT_SUFFIX = "-sft"
"""A shipped model's name with this is the model as supervised training left it."""


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to decode (or a `BareModel`, which stands in for it where it only maps), its
    front end, the name it goes by, and the files of its weights."""

    model: SaberForConditionalGeneration
    frontend: FrontEnd
    name: str
    weights: tuple[Path, ...] = ()


def model_folder(name_or_dir: str | Path) -> Path:
    """The folder of a shipped model's name or of a path; ``NAME-sft`` shares that of ``NAME``.

    Raises:
        ValueError: neither.
    """
    name = str(name_or_dir)
    for shipped in (PRETRAINED / name, PRETRAINED / name.removesuffix(SFT_SUFFIX)):
        if "/" not in name and _is_model(shipped):
            return shipped
    folder = Path(name_or_dir)
    if folder.is_dir():
        return folder
    names = sorted(p.name for p in PRETRAINED.glob("*") if _is_model(p))
    raise ValueError(
        f"model: expected one of {', '.join(names) or '(none shipped)'} or a folder"
        f" with config.json and"
        f" model.safetensors, found {str(name_or_dir)!r}: likely a misspelt name or path"
    )


def _is_model(folder: Path) -> bool:
    """Whether a shipped folder is one of ours and not a codec's."""
    config = folder / "config.json"
    return config.is_file() and '"saberlm"' in config.read_text(encoding="utf-8")


def without_preference(name_or_dir: str | Path) -> bool:
    """Whether the name asks for a shipped model without its preference LoRA."""
    name = str(name_or_dir)
    return name.endswith(SFT_SUFFIX) and model_folder(name).name != name and "/" not in name


def load_model(
    name_or_dir: str | Path,
    fingerprint: str,
    *,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    bare: bool = False,
) -> LoadedModel:
    """Load a model for decoding.

    Where the folder has a preference LoRA (`saberlm.adapter.decoder_lora`) it is merged; a
    folder with nothing but that and a configuration stands on the model that the LoRA names.

    Args:
        name_or_dir: a shipped model's name (``nano``; ``nano-sft`` without its preference LoRA) or
            a folder.
        fingerprint: the vocabulary's (`saberlm.prompts.vocab.fingerprint`); this room does not
            know it by itself.
        device: ``cpu`` or ``cuda``.
        dtype: of the decoder's layers; None: `usual_dtype`. The rest is float32.
        bare: it is only to map: where a `BareModel` can stand in for it, that is what comes.

    Raises:
        ValueError: no such model, damaged weights, another vocabulary, no such device, or the base
            model that the weights stand on is not there.
    """
    folder = model_folder(name_or_dir)
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            "device: expected a CUDA GPU for --device cuda, found none: likely a CPU build of torch"
        )
    dtype = usual_dtype(device) if dtype is None else dtype
    preference = None
    files: tuple[Path, ...] = ()
    if (folder / PREFERENCE_NAME).is_file() and not without_preference(name_or_dir):
        files = (folder / PREFERENCE_NAME,)
        preference = read_lora(folder / PREFERENCE_NAME)
    name = str(name_or_dir) if without_preference(name_or_dir) else folder.name
    if preference is not None and not _has_weights(folder):
        folder = model_folder(preference.base)
    on_base = is_on_base(folder)
    weights = folder / (WEIGHTS_NAME if on_base else "model.safetensors")
    for needed in (folder / "config.json", weights):
        if not needed.is_file():
            raise ValueError(
                f"{folder}: expected {needed.name}, found none: likely not a saberlm model folder"
            )
    model = None
    if bare and not on_base and (device, dtype) == ("cpu", torch.float32):
        model = cast("SaberForConditionalGeneration | None", load_bare(folder))
    if model is None or model.config.vocab_fingerprint != fingerprint:
        model = _load_whole(folder, weights, fingerprint, dtype)
    if preference is not None:
        merge_lora(model, preference, f"{name}/{PREFERENCE_NAME}", rounded=not on_base)
        if "shifts" in preference.header:
            shifts = json.loads(preference.header["shifts"])
            model.config.calibration = {**(model.config.calibration or {}), "shifts": shifts}
    model.to(device).eval()
    decoder = model.model.language_model
    for part in (decoder.layers, decoder.norm):
        part.to(dtype)
    audio = model.config.audio_config
    frontend = make_frontend(audio.frontend, audio.frontend_path)
    return LoadedModel(model, frontend, name, (weights, *files))


def _has_weights(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (WEIGHTS_NAME, "model.safetensors"))


def usual_dtype(device: str) -> torch.dtype:
    """What a decoder computes in: bfloat16 on a GPU that has it, else float32."""
    has = device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if has else torch.float32


def _load_whole(
    folder: Path, weights: Path, fingerprint: str, dtype: torch.dtype
) -> SaberForConditionalGeneration:
    """The model as transformers has it.

    Raises:
        ValueError: as `load_model`.
    """
    # here: it takes as long as mapping half a minute of music
    from transformers.utils.logging import disable_progress_bar

    from saberlm.adapter.configuration_saber import SaberConfig
    from saberlm.adapter.on_base import load_merged

    try:
        config = SaberConfig.from_pretrained(folder)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"{folder / 'config.json'}: expected a saberlm configuration,"
            f" found {_first_line(error)}"
        ) from None
    if config.vocab_fingerprint != fingerprint:
        raise ValueError(
            f"{folder}: expected weights of vocabulary {fingerprint},"
            f" found {config.vocab_fingerprint or 'none'}:"
            " the model was trained with another version of saberlm"
        )
    check_weights(weights)
    disable_progress_bar()  # loading takes a second; the bar would stand between the user's lines
    try:
        if is_on_base(folder):
            return load_merged(folder, config, dtype)
        return _load_complete(folder, config)
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"{weights}: expected weights that fit config.json, found {_first_line(error)}"
        ) from None


def _load_complete(folder: Path, config: SaberConfig) -> SaberForConditionalGeneration:
    from saberlm.adapter.modeling_saber import SaberForConditionalGeneration

    model, info = SaberForConditionalGeneration.from_pretrained(
        folder, config=config, dtype=torch.float32, use_safetensors=True, output_loading_info=True
    )
    missing = sorted(info["missing_keys"])
    if missing:
        raise ValueError(
            f"{folder / 'model.safetensors'}: expected all weights of the model,"
            f" found {len(missing)} missing ({missing[0]}, ...):"
            " likely saved from another configuration"
        )
    return model


def check_weights(path: Path) -> None:
    """Refuse a safetensors file that is cut or damaged.

    Raises:
        ValueError: with the likely cause.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as f:
            f.keys()
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path}: expected a safetensors file, found {path.stat().st_size} bytes"
            " that do not read"
            f" ({_first_line(error)}): likely a download that was cut short"
        ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
