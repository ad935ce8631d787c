"""What is installed is what is in the tree: packages, type markers, weights and configurations."""

import importlib
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("adapter", "prompts", "finetune", "infer", "eval", "scripts")
EXTRAS = {
    "trl",
    "peft",
    "datasets",
    "accelerate",
    "bitsandbytes",
    "dac",
    "fastapi",
    "flash_attn",
    "gradio",
    "matplotlib",
    "ray",
    "vllm",
}


def test_the_listed_packages_are_the_rooms_and_rooms_are_flat() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(f"saberlm.{room}" for room in ROOMS)
    for room in ROOMS:
        inits = sorted(p.relative_to(ROOT / room) for p in (ROOT / room).rglob("__init__.py"))
        assert inits == [Path("__init__.py")], f"{room} has a sub-package that the wheel would miss"


def test_the_wheel_holds_everything(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in (*ROOMS, "pyproject.toml", "README.md", "LICENSE"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    code = f"from setuptools import build_meta as b; print(b.build_wheel({str(tmp_path)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        f"saberlm/{path.relative_to(ROOT).as_posix()}"
        for room in ROOMS
        for pattern in ("*.py", "py.typed", "pretrained/*/*", "configs/*.yaml", "page/**/*.*")
        for path in (ROOT / room).glob(pattern)
    }
    assert "saberlm/adapter/pretrained/nano/model.safetensors" in wanted, "the default model ships"
    assert wanted <= names, sorted(wanted - names)
    assert not any(name.startswith(("tests/", "examples/")) for name in names)


@pytest.mark.parametrize(
    "module",
    sorted(f"saberlm.{room}.{p.stem}" for room in ROOMS for p in (ROOT / room).glob("[!_]*.py")),
)
@pytest.mark.filterwarnings("ignore")
def test_every_module_imports(module: str) -> None:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as missing:
        if (missing.name or "").split(".")[0] not in EXTRAS:
            raise
        pytest.skip(f"needs the extra that brings {missing.name}")


def test_the_shipped_weights_fit_this_vocabulary() -> None:
    from saberlm.adapter.loading import load_model
    from saberlm.prompts.vocab import fingerprint

    loaded = load_model("nano", fingerprint())
    weights = ROOT / "adapter" / "pretrained" / "nano" / "model.safetensors"
    assert weights.stat().st_size < 45e6
    calibration = loaded.model.config.calibration
    assert set(calibration) == {"median_nps", "notes_per_onset", "shifts"}


def test_what_preference_changed_is_in_the_decoder_alone() -> None:
    from saberlm.adapter.loading import load_model
    from saberlm.prompts.vocab import fingerprint

    lora = ROOT / "adapter" / "pretrained" / "nano" / "preference.safetensors"
    assert lora.stat().st_size < 5e6
    plain, option = (load_model(name, fingerprint()).model for name in ("nano-sft", "nano"))
    moved = [
        name
        for (name, ours), theirs in zip(plain.named_parameters(), option.parameters(), strict=True)
        if not ours.equal(theirs)
    ]
    assert moved
    assert all("language_model" in name or "lm_head" in name for name in moved)
