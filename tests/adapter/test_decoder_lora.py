"""A decoder's LoRA beside weights: merged where it belongs, refused elsewhere."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from saberlm.adapter import loading
from saberlm.adapter.decoder_lora import (
    PREFERENCE_NAME,
    DecoderLora,
    lora_of_state,
    merge_lora,
    read_lora,
    save_lora,
)
from saberlm.adapter.loading import load_model
from saberlm.prompts.vocab import fingerprint

PART = "model.language_model.layers.0.self_attn.q_proj"


def lora_for(model: Any, base: str, seed: int = 0, rank: int = 3) -> DecoderLora:
    """A change of one matrix, as PEFT would name it."""
    weight = model.get_parameter(f"{PART}.weight")
    generator = torch.Generator().manual_seed(seed)
    a = 0.1 * torch.randn(rank, weight.shape[1], generator=generator)
    b = 0.1 * torch.randn(weight.shape[0], rank, generator=generator)
    state = {f"{PART}.lora_A.default.weight": a, f"{PART}.lora_B.default.weight": b}
    return lora_of_state(state, 2.0, base, model)


def change(lora: DecoderLora) -> torch.Tensor:
    a, b = lora.factors[PART]
    return b @ a


@pytest.fixture
def shipped(tiny_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(loading, "PRETRAINED", tmp_path / "pretrained")
    tiny_model.save_pretrained(tmp_path / "pretrained" / "tiny")
    return tmp_path / "pretrained" / "tiny"


def test_a_name_loads_with_it_and_the_sft_name_without(tiny_model: Any, shipped: Path) -> None:
    plain = tiny_model.get_parameter(f"{PART}.weight").detach()
    assert load_model("tiny-sft", fingerprint()).name == "tiny-sft"
    lora = lora_for(tiny_model, "tiny-sft")
    save_lora(lora, shipped / PREFERENCE_NAME, torch.float32)
    changed = load_model("tiny", fingerprint())
    assert changed.name == "tiny"
    got = changed.model.get_parameter(f"{PART}.weight")
    torch.testing.assert_close(got, plain + change(lora))
    assert not torch.equal(got, plain)
    again = load_model("tiny-sft", fingerprint()).model.get_parameter(f"{PART}.weight")
    torch.testing.assert_close(again, plain)
    others = [
        n
        for n, p in changed.model.named_parameters()
        if not torch.equal(p, tiny_model.get_parameter(n))
    ]
    assert others == [f"{PART}.weight"]


def test_a_folder_with_the_lora_alone_stands_on_the_model_it_names(
    tiny_model: Any, shipped: Path, tmp_path: Path
) -> None:
    lora = lora_for(tiny_model, "tiny-sft")
    save_lora(lora, tmp_path / "lone" / PREFERENCE_NAME, torch.float32)
    tiny_model.config.save_pretrained(tmp_path / "lone")
    got = load_model(tmp_path / "lone", fingerprint()).model.get_parameter(f"{PART}.weight")
    plain = tiny_model.get_parameter(f"{PART}.weight").detach()
    torch.testing.assert_close(got, plain + change(lora))


def test_it_is_for_one_model_alone_but_for_rounding(tiny_model: Any, tmp_path: Path) -> None:
    import copy

    lora = lora_for(tiny_model, "tiny-sft")
    rounded = copy.deepcopy(tiny_model).to(torch.bfloat16)
    merge_lora(rounded, lora, "here")
    other = copy.deepcopy(tiny_model)
    with torch.no_grad():
        other.get_parameter(f"{PART}.weight").mul_(1.05)
    with pytest.raises(ValueError, match="it was trained on another model"):
        merge_lora(other, lora, "here")
    other.model.language_model.layers[0].self_attn.q_proj = torch.nn.Linear(8, 8, bias=False)
    with pytest.raises(ValueError, match=r"found one of \(8, 8\)"):
        merge_lora(other, lora, "here")
    (tmp_path / PREFERENCE_NAME).write_bytes(b"cut")
    with pytest.raises(ValueError, match="expected the LoRA of a decoder"):
        read_lora(tmp_path / PREFERENCE_NAME)
    with pytest.raises(ValueError, match="expected LoRA layers in the model, found none"):
        lora_of_state({}, 1.0, "x", tiny_model)


def test_two_rounds_are_one_file(tiny_model: Any, tmp_path: Path) -> None:
    import copy

    first = lora_for(tiny_model, "tiny-sft")
    model = copy.deepcopy(tiny_model)
    merge_lora(model, first, "first")
    second = lora_for(model, "first", seed=1)
    joined = second.after(first)
    assert joined.base == "tiny-sft"
    assert joined.norms == first.norms
    save_lora(joined, tmp_path / PREFERENCE_NAME, torch.float32)
    told = read_lora(tmp_path / PREFERENCE_NAME)
    torch.testing.assert_close(change(told), change(first) + change(second))
    assert told.base == "tiny-sft"


def test_weights_that_bf16_holds_stay_so_where_asked(tiny_model: Any) -> None:
    import copy

    lora = lora_for(tiny_model, "tiny-sft")
    with torch.no_grad():
        for weight in tiny_model.parameters():
            weight.copy_(weight.bfloat16().float())
    plain = tiny_model.get_parameter(f"{PART}.weight").detach().clone()
    got = {}
    for rounded in (True, False):
        model = copy.deepcopy(tiny_model)
        merge_lora(model, lora, "here", rounded=rounded)
        got[rounded] = model.get_parameter(f"{PART}.weight").detach()
    torch.testing.assert_close(got[False], plain + change(lora))
    assert got[True].equal(got[True].bfloat16().float())
    torch.testing.assert_close(got[True], got[False], rtol=2**-8, atol=1e-6)


def test_the_file_brings_how_far_kinds_are_set_back(
    tiny_model: Any, shipped: Path, tmp_path: Path
) -> None:
    lora = lora_for(tiny_model, "tiny-sft")
    notes = {"shifts": json.dumps({"walls": 1.5})}
    save_lora(lora, tmp_path / "lone" / PREFERENCE_NAME, torch.float32, notes=notes)
    tiny_model.config.save_pretrained(tmp_path / "lone")
    got = load_model(tmp_path / "lone", fingerprint()).model.config.calibration
    assert got == {**(tiny_model.config.calibration or {}), "shifts": {"walls": 1.5}}
