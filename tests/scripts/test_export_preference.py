"""A run's preference LoRA put beside a shipped model's weights."""

from pathlib import Path
from typing import Any

import pytest
import torch

from saberlm.adapter import loading
from saberlm.adapter.preference_lora import PREFERENCE_NAME, PreferenceLora, save_preference
from saberlm.prompts.vocab import fingerprint
from saberlm.scripts.export_preference import main


def test_the_name_changes_and_the_sft_name_stays(
    tiny_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PRETRAINED", tmp_path / "pretrained")
    tiny_model.save_pretrained(tmp_path / "pretrained" / "tiny")
    part = "model.language_model.layers.1.mlp.up_proj"
    weight = tiny_model.get_parameter(f"{part}.weight").detach()
    factors = {part: (torch.ones(2, weight.shape[1]), torch.ones(weight.shape[0], 2))}
    own = PreferenceLora(factors, "/somewhere/else", {part: float(weight.norm())})
    save_preference(own, tmp_path / "run" / "lora" / PREFERENCE_NAME)
    assert main([str(tmp_path / "run"), "tiny"]) == 0
    for name, step in (("tiny", 2.0), ("tiny-sft", 0.0)):
        got = loading.load_model(name, fingerprint()).model.get_parameter(f"{part}.weight")
        torch.testing.assert_close(got, weight + step)
    shipped = (tmp_path / "pretrained" / "tiny" / PREFERENCE_NAME).read_bytes()
    assert b"/somewhere/else" not in shipped
    wrong = PreferenceLora(factors, "x", {part: 2 * float(weight.norm())})
    save_preference(wrong, tmp_path / "run" / "lora" / PREFERENCE_NAME)
    assert main([str(tmp_path / "run"), "tiny"]) == 1
