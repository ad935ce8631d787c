"""Style packs: found by name or file, merged into their own model, refused by others."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from saberlm.adapter.decoder_lora import save_lora
from saberlm.adapter.loading import load_model
from saberlm.adapter.style_pack import (
    StylePack,
    check_name,
    new_pack_path,
    pack_names,
    pack_path,
    packs_folder,
    read_pack,
    save_pack,
    with_pack,
)
from saberlm.infer.mapper import Mapper
from saberlm.prompts.vocab import fingerprint

PART = "model.language_model.layers.0.mlp.up_proj"


@pytest.fixture(autouse=True)
def own_packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SABERLM_PACKS", str(tmp_path / "packs"))


@pytest.fixture
def model_dir(tiny_model: Any, tmp_path: Path) -> Path:
    tiny_model.save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture
def pack(make_pack: Any, model_dir: Path) -> StylePack:
    densities = {"median_nps": {"Hard": 3.5}, "notes_per_onset": {"Hard": 1.5}}
    made: StylePack = make_pack(
        *(PART, model_dir, "Some One", 1.0),
        densities=densities,
        cut_shares={"Hard": [0.5, 0.5]},
        about={"maps": 12},
    )
    return made


def test_it_is_merged_into_its_own_model(
    tiny_model: Any, model_dir: Path, pack: StylePack, tmp_path: Path
) -> None:
    assert save_pack(pack, new_pack_path("Some One")) > 0
    assert pack_names() == ["Some One"]
    assert [path.name for path in packs_folder().iterdir()] == ["Some One.safetensors"]
    told = read_pack("Some One")
    assert (told.densities, told.about, told.weights) == (pack.densities, pack.about, pack.weights)
    assert told.cut_shares == pack.cut_shares
    mapper = Mapper.from_pretrained(model_dir, lora="Some One")
    assert mapper.loaded.name == "tiny + Some One"
    plain = tiny_model.get_parameter(f"{PART}.weight")
    merged = mapper.loaded.model.get_parameter(f"{PART}.weight")
    torch.testing.assert_close(merged, plain + 1.0, rtol=2**-8, atol=1e-5)  # bf16 stays bf16
    assert mapper.loaded.model.config.calibration["median_nps"]["Hard"] == 3.5
    moved = tmp_path / "from a friend.safetensors"
    pack_path("Some One").rename(moved)
    assert Mapper.from_pretrained(model_dir, lora=moved).loaded.name == "tiny + Some One"


def test_the_calibration_of_other_difficulties_stays(model_dir: Path, pack: StylePack) -> None:
    loaded = load_model(model_dir, fingerprint())
    loaded.model.config.calibration = {
        "median_nps": {"Easy": 1.0, "Hard": 2.0},
        "shifts": {"walls": 2.8},
    }
    own = with_pack(loaded, pack).model.config.calibration
    assert own["median_nps"] == {"Easy": 1.0, "Hard": 3.5}
    assert "shifts" not in own, "of the model alone: a pack has learnt how many walls there are"
    assert own["mapper_taste"] == ["Hard"]


def test_another_model_refuses_it(tiny_model: Any, pack: StylePack, tmp_path: Path) -> None:
    other = copy.deepcopy(tiny_model)
    with torch.no_grad():
        other.lm_head.weight.add_(1e-3)  # a matrix that the pack does not touch
    other.save_pretrained(tmp_path / "other")
    save_pack(pack, new_pack_path("one"))
    with pytest.raises(ValueError, match=r"trained on \(tiny, weights .*found other with weights"):
        Mapper.from_pretrained(tmp_path / "other", lora="one")


def test_what_is_no_pack_is_said(pack: StylePack, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\(none yet\).*found 'nobody'"):
        read_pack("nobody")
    save_lora(pack.lora, tmp_path / "preference.safetensors")
    with pytest.raises(ValueError, match="expected a style pack, found KeyError"):
        read_pack(tmp_path / "preference.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"cut")
    with pytest.raises(ValueError, match="expected the LoRA of a decoder"):
        read_pack(tmp_path / "cut.safetensors")
    for densities in ({"median_nps": {"Hard": 1e9}}, {"median_nps": {"Hard": "x"}}, {"else": {}}):
        save_pack(replace(pack, densities=densities), tmp_path / "odd.safetensors")
        with pytest.raises(ValueError, match="expected a style pack"):
            read_pack(tmp_path / "odd.safetensors")


@pytest.mark.parametrize("name", ["", "../up", "a/b", "a" * 61, ".hidden", "x.safetensors", "x "])
def test_names_that_no_file_can_have_everywhere(name: str) -> None:
    with pytest.raises(ValueError, match="--name"):
        check_name(name)
    assert check_name("Phønix-2 v1.0") == "Phønix-2 v1.0"
