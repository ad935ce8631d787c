"""The GPU hour on the CPU: slices carried one by one, a tiny model, several calls, pieces back."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

pytest.importorskip("trl")
ROOT = Path(__file__).parents[2]


def call(state: Path, *arguments: str, **more: str) -> str:
    done = subprocess.run(
        ["bash", str(ROOT / "scripts" / "gpu_hour.sh"), *arguments],
        env={
            **os.environ,
            "STATE": str(state),
            "PYTHON": sys.executable,
            "GPU_HOUR_DRY": "1",
            "OMP_NUM_THREADS": "1",
            **more,
        },
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("config", ["135m", "nano_large"])
def test_a_dry_run_from_slices_to_a_model(
    config: str,
    small_data: Path,
    tiny_base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from saberlm.adapter.loading import load_model
    from saberlm.finetune.pieces import join
    from saberlm.finetune.slices import pack
    from saberlm.prompts.vocab import fingerprint

    pack(small_data, tmp_path / "packed", slice_megabytes=0.45, files=[])
    slices = sorted((tmp_path / "packed").iterdir())
    assert len(slices) > 1
    state, out = tmp_path / "state", tmp_path / "out"
    settings = {
        "CONFIG": config,
        "MINUTES": "60",
        "TRAIN_MORE": "--max_steps 2",
        "DRY_BASE": str(tiny_base),
    }
    for number, folder in enumerate(slices):  # each call finds only what it carries
        carry = tmp_path / f"carry{number}"
        carry.mkdir()
        folder.rename(carry / folder.name)
        said = call(state, "next", str(carry), str(out), **settings)
        last = number == len(slices) - 1
        assert ("waiting for more slices" in said) != last
    assert "call again to go on" in said, "a step of the two was done"
    assert (out / f"{config}.tar.part000").stat().st_size <= 16_000_000
    empty = tmp_path / "nothing"
    empty.mkdir()
    assert "trained to the end" in call(state, "next", str(empty), str(out), **settings)
    join(out, f"{config}.tar", tmp_path / "model.tar")
    with tarfile.open(tmp_path / "model.tar") as tar:
        tar.extractall(tmp_path / "back", filter="data")
    folder = tmp_path / "back" / config
    assert "tokens_per_second" in (folder / "speed.jsonl").read_text()
    assert "eval_wrong_position_loss" in (folder / "valid.jsonl").read_text()
    monkeypatch.setenv("SABERLM_BASES", str(tiny_base.parent))
    model = load_model(folder / "model", fingerprint()).model
    assert model.lm_head.weight.isfinite().all()
