"""A run's preference LoRA put beside a shipped model's weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from saberlm.adapter import loading
from saberlm.adapter.decoder_lora import PREFERENCE_NAME, DecoderLora, save_lora
from saberlm.prompts.vocab import fingerprint
from saberlm.scripts.export_preference import main

PART = "model.language_model.layers.1.mlp.up_proj"


def own_lora(model: Any) -> DecoderLora:
    """One that adds 2 everywhere to a matrix of a model."""
    weight = model.get_parameter(f"{PART}.weight").detach()
    factors = {PART: (torch.ones(2, weight.shape[1]), torch.ones(weight.shape[0], 2))}
    return DecoderLora(factors, "/somewhere/else", {PART: float(weight.norm())})


def test_an_option_shares_the_weights_and_leaves_the_name_alone(
    tiny_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = tmp_path / "pretrained"
    monkeypatch.setattr(loading, "PRETRAINED", places)
    tiny_model.save_pretrained(places / "tiny")
    weight = tiny_model.get_parameter(f"{PART}.weight").detach()
    save_lora(own_lora(tiny_model), tmp_path / "run" / "lora" / PREFERENCE_NAME)
    assert main([str(tmp_path / "run"), "tiny", "--option", "tiny-dpo"]) == 0
    for name, step in (("tiny-dpo", 2.0), ("tiny", 0.0), ("tiny-sft", 0.0)):
        got = loading.load_model(name, fingerprint())
        assert got.name == name
        merged = got.model.get_parameter(f"{PART}.weight")
        torch.testing.assert_close(merged, weight + step, rtol=2**-8, atol=1e-5)  # bf16 stays so
    held = {path.name for path in (places / "tiny-dpo").iterdir()}
    assert held == {"config.json", PREFERENCE_NAME}


def test_the_name_changes_and_the_sft_name_stays(
    tiny_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PRETRAINED", tmp_path / "pretrained")
    tiny_model.save_pretrained(tmp_path / "pretrained" / "tiny")
    weight = tiny_model.get_parameter(f"{PART}.weight").detach()
    own = own_lora(tiny_model)
    save_lora(own, tmp_path / "run" / "lora" / PREFERENCE_NAME)
    assert main([str(tmp_path / "run"), "tiny", "--shift", "walls", "1.5"]) == 0
    for name, step in (("tiny", 2.0), ("tiny-sft", 0.0)):
        model = loading.load_model(name, fingerprint()).model
        got = model.get_parameter(f"{PART}.weight")
        torch.testing.assert_close(got, weight + step, rtol=2**-8, atol=1e-5)
        shifts = (model.config.calibration or {}).get("shifts", {})
        assert shifts == ({"walls": 1.5} if step else {})
    shipped = (tmp_path / "pretrained" / "tiny" / PREFERENCE_NAME).read_bytes()
    assert b"/somewhere/else" not in shipped
    wrong = replace(own, norms={PART: 2 * float(weight.norm())})
    save_lora(wrong, tmp_path / "run" / "lora" / PREFERENCE_NAME)
    assert main([str(tmp_path / "run"), "tiny"]) == 1
