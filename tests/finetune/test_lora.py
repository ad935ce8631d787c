"""A decoder on a base: what trains, what is saved, and that it decodes as it was trained."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore")


def new(base: Path, dtype: torch.dtype = torch.bfloat16, **lora: Any) -> Any:
    from saberlm.finetune.lora import LoraSettings, model_with_lora
    from saberlm.finetune.run_config import RunConfig, new_config

    torch.manual_seed(5)
    config = new_config(RunConfig(audio_hidden_size=24, audio_num_layers=1, window_bars=2))
    settings = LoraSettings(**{"rank": 4, "alpha": 8, **lora})
    return model_with_lora(config, base.name, base, settings, use_cpu=True, dtype=dtype)


def test_a_base_in_single_precision_learns_without_autocast(
    tiny_base: Path, batch: dict[str, Any]
) -> None:
    model = new(tiny_base, dtype=torch.float32)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    (model(**batch).loss + model.model.onset_loss).backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


@pytest.fixture
def batch(data_dir: Path) -> dict[str, Any]:
    from saberlm.finetune.collator import DataCollatorForBeatmapModeling
    from saberlm.finetune.shards import load_dataset

    collator = DataCollatorForBeatmapModeling(load_dataset(data_dir, "train"), 2, augment=False)
    return dict(collator([{"song": 0, "difficulty": d, "bar": 2} for d in (0, 1)]))


def step(model: Any, batch: dict[str, Any]) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(**batch).loss
    return loss + model.model.onset_loss


def test_the_base_is_frozen_and_the_rest_learns(tiny_base: Path, batch: dict[str, Any]) -> None:
    model = new(tiny_base, dropout=0.0)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        first = float(model(**batch).loss)
    assert first == pytest.approx(torch.tensor(1728.0).log().item(), abs=0.5), "no better than even"
    frozen = {n: p.clone() for n, p in model.named_parameters() if not p.requires_grad}
    assert frozen
    assert all(".lora_" not in n and "language_model" in n for n in frozen)
    assert {p.dtype for n, p in model.named_parameters() if n in frozen} == {torch.bfloat16}
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-2)
    model.train()
    losses = []
    for _ in range(8):
        loss = step(model, batch)
        loss.backward()
        assert all(p.grad is not None for p in trained)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    now = dict(model.named_parameters())
    assert all(torch.equal(p, now[n]) for n, p in frozen.items())


def test_saved_and_loaded_it_is_the_same_model(
    tiny_base: Path, batch: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from peft import PeftModel

    from saberlm.adapter.loading import load_model
    from saberlm.adapter.on_base import build_on_base, load_trained, save_trained
    from saberlm.prompts.vocab import fingerprint

    monkeypatch.setenv("SABERLM_BASES", str(tiny_base.parent))
    model = new(tiny_base)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_B" in name or "onset_head" in name:
                p.normal_(std=0.1)
        model.model.audio_tower.feature_mean.fill_(0.5)
    save_trained(model, tmp_path)
    saved = sum(p.stat().st_size for p in tmp_path.iterdir())
    whole = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert saved < 4.2 * whole + 20_000, "the base is not in it"
    assert str(tiny_base.parent) not in (tmp_path / "config.json").read_text()

    def logits(m: Any) -> Tensor:
        with torch.no_grad():
            return m.float().eval()(**batch).logits

    wanted = logits(model)
    loaded = load_model(tmp_path, fingerprint()).model
    torch.testing.assert_close(logits(loaded), wanted, atol=1e-4, rtol=1e-4)
    assert not any("lora" in n for n, _ in loaded.named_parameters())

    plain = build_on_base(loaded.config, tiny_base, dtype=torch.float32)
    peft = PeftModel.from_pretrained(plain, str(tmp_path))
    torch.testing.assert_close(logits(peft), wanted, atol=1e-4, rtol=1e-4)

    other = new(tiny_base)
    load_trained(other, tmp_path)
    torch.testing.assert_close(logits(other), wanted, atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="another rank"):
        load_trained(new(tiny_base, rank=8), tmp_path)


def test_another_base_of_that_name_is_refused(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saberlm.adapter.loading import load_model
    from saberlm.adapter.on_base import save_trained
    from saberlm.prompts.vocab import fingerprint

    save_trained(new(tiny_base), tmp_path / "model")
    monkeypatch.setenv("SABERLM_BASES", str(tmp_path / "bases"))
    with pytest.raises(ValueError, match=r"expected the base model 'tiny-llama' in .*, found none"):
        load_model(tmp_path / "model", fingerprint())
    fake = tmp_path / "bases" / "tiny-llama"
    fake.mkdir(parents=True)
    config = json.loads((tiny_base / "config.json").read_text()) | {"vocab_size": 999}
    (fake / "config.json").write_text(json.dumps(config))
    (fake / "model.safetensors").write_bytes((tiny_base / "model.safetensors").read_bytes())
    with pytest.raises(ValueError, match="vocab_size 160, found 999"):
        load_model(tmp_path / "model", fingerprint())


def test_four_bits_learn_too(tiny_base: Path, batch: dict[str, Any]) -> None:
    """QLoRA on the CPU: bitsandbytes' own kernels there."""
    bitsandbytes = pytest.importorskip("bitsandbytes")
    model = new(tiny_base, dropout=0.0, quantize="nf4")
    layers = [m for m in model.modules() if isinstance(m, bitsandbytes.nn.Linear4bit)]
    assert len(layers) == 7 * 2, "the decoder's matrices and no others"
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-2)
    losses = []
    for _ in range(4):
        loss = step(model, batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_bad_settings_fail_at_once() -> None:
    from saberlm.finetune.run_config import RunConfig

    with pytest.raises(ValueError, match="quantize: expected one of none, nf4"):
        RunConfig(quantize="int3")
    with pytest.raises(ValueError, match="lora: expected a rank"):
        RunConfig(lora_rank=0)
    with pytest.raises(ValueError, match="found both"):
        RunConfig(decoder="smollm2", base_model="runs/x")
