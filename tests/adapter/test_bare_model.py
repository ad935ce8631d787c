"""The model that only maps: the same weights, the same numbers, and transformers left out."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from saberlm.adapter.bare_model import BareModel, load_bare
from saberlm.adapter.frontend import PRETRAINED
from saberlm.adapter.loading import load_model
from saberlm.infer.decoder import CompiledDecoder, make_decoder
from saberlm.infer.row_sampler import LIVE
from saberlm.infer.torch_decoder import rotary
from saberlm.prompts.vocab import fingerprint


@pytest.fixture(scope="module")
def both():
    return [load_model("nano", fingerprint(), bare=bare).model for bare in (False, True)]


def test_it_has_the_same_weights_after_the_preference_lora(both) -> None:
    whole, bare = both
    assert isinstance(bare, BareModel)
    wanted, found = whole.state_dict(), bare.state_dict()
    assert list(found) == list(wanted)
    assert all(torch.equal(found[name], weight) for name, weight in wanted.items())
    assert bare.config.calibration == whole.config.calibration


def test_it_hears_the_same(both) -> None:
    torch.manual_seed(0)
    cells = 48 * 5
    given = (
        torch.randn(1, cells, 120),
        torch.tensor([3]),
        torch.randn(1, 9, 120),
        torch.tensor([9]),
        torch.tensor([2]),
        1,
    )
    with torch.inference_mode():
        wanted, found = (model.model.embed_audio(*given) for model in both)
        assert wanted[0].shape == (1, 48, 192)
        assert all(torch.equal(a, b) for a, b in zip(wanted, found, strict=True))
        mask = torch.ones(1, 48, dtype=torch.bool)
        conditions = torch.tensor([[3.0, 5.0, 1.2, 1.0]])
        heads = [m.model.audio_tower.onsets(wanted[0], mask, conditions) for m in both]
    assert torch.equal(*heads)


def test_it_says_the_same(both) -> None:
    rng = np.random.default_rng(0)
    pieces = [rng.standard_normal((n, 320)).astype(np.float32) for n in (40, 1)]
    said = []
    for model in both:
        decoder = make_decoder(model, LIVE)
        assert isinstance(decoder, CompiledDecoder)
        decoder.resize(2)
        said.append(decoder.extend([0, 1], pieces))
    np.testing.assert_array_equal(*said)
    for wanted, found in zip(*(rotary(model, 700) for model in both), strict=True):
        assert torch.equal(wanted, found)


def test_mapping_imports_no_transformers() -> None:
    code = (
        "import sys\nfrom saberlm.infer import Mapper\nMapper.from_pretrained('nano')\n"
        "heavy = {'transformers', 'librosa', 'torch._dynamo'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("text_config", "hidden_act", "gelu"),
        ("text_config", "attention_bias", True),
        ("text_config", "head_dim", 8),
        ("text_config", "rope_parameters", {"rope_type": "llama3", "rope_theta": 1e4}),
        ("text_config", "num_hidden_layers", 5),
        ("audio_config", "frontend", "dac"),
        ("audio_config", "hidden_size", None),
        (None, "decoder_base", {"name": "smollm2"}),
        (None, "model_type", "llama"),
    ],
)
def test_what_it_cannot_be_is_left_to_transformers(part, field, value, tmp_path) -> None:
    shipped = PRETRAINED / "nano"
    told = json.loads((shipped / "config.json").read_text())
    (told if part is None else told[part])[field] = value
    (tmp_path / "config.json").write_text(json.dumps(told))
    (tmp_path / "model.safetensors").symlink_to(shipped / "model.safetensors")
    assert load_bare(tmp_path) is None


def test_damaged_weights_are_left_to_transformers(tmp_path) -> None:
    shipped = PRETRAINED / "nano"
    (tmp_path / "config.json").write_bytes((shipped / "config.json").read_bytes())
    assert load_bare(tmp_path) is None
    whole = (shipped / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert load_bare(tmp_path) is None
    with pytest.raises(ValueError, match="cut short"):
        load_model(tmp_path, fingerprint(), bare=True)
