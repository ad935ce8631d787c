"""A run that is killed, fed damage or spread over processes comes to what it would have been."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("trl")
import train_kit

pytestmark = pytest.mark.filterwarnings("ignore")


def run_apart(tmp_path: Path, processes: int = 1, **settings: Any) -> int:
    """`train_kit` in processes of its own; its exit code."""
    path = tmp_path / "settings.json"
    path.write_text(
        json.dumps({k: str(s) if isinstance(s, Path) else s for k, s in settings.items()})
    )
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    done = subprocess.run(
        [*command, train_kit.__file__, str(path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode > 0:
        raise AssertionError(done.stderr[-3000:])
    return done.returncode


@pytest.mark.slow
def test_killed_and_resumed_is_as_never_killed(data_dir: Path, tmp_path: Path) -> None:
    """Dropout, augmentation, tasks and order are all on; the kill falls into the second epoch."""
    whole = {
        "max_steps": 8,
        "num_train_epochs": 100,
        "save_steps": 5,
        "window_bars": 6,
        "per_device_train_batch_size": 8,
    }
    train_kit.run_tiny(data_dir, tmp_path / "straight", **whole)
    code = run_apart(tmp_path, data_dir=data_dir, output=tmp_path / "killed", kill_after=7, **whole)
    assert code == -signal.SIGKILL
    assert not (tmp_path / "killed" / "final").exists()
    state = json.loads((tmp_path / "killed" / "checkpoint-5" / "trainer_state.json").read_text())
    assert 1 < state["epoch"] < 2
    half = tmp_path / "killed" / "checkpoint-7"  # as a kill in the middle of saving leaves it
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half of it")
    train_kit.run_tiny(data_dir, tmp_path / "killed", resume=True, **whole)
    straight, resumed = (train_kit.losses(tmp_path / n) for n in ("straight", "killed"))
    assert len(straight) == len(resumed) == 8
    assert resumed == pytest.approx(straight, abs=1e-6)
    assert not half.exists()


def test_resume_without_a_checkpoint_starts(data_dir: Path, tmp_path: Path) -> None:
    train_kit.run_tiny(data_dir, tmp_path, resume=True, max_steps=1)
    assert len(train_kit.losses(tmp_path)) == 1


def test_slices_add_up(data_dir: Path, tmp_path: Path) -> None:
    """A run cut into calls takes the same steps; the clock goes on."""
    settings: dict[str, Any] = {"max_steps": 3, "slice_minutes": 1e-6, "save_steps": 100}
    train_kit.run_tiny(data_dir, tmp_path / "straight", max_steps=3)
    places = [train_kit.run_tiny(data_dir, tmp_path / "cut", **settings)]
    while places[-1].name != "final":
        places.append(train_kit.run_tiny(data_dir, tmp_path / "cut", resume=True, **settings))
    assert [p.name for p in places] == [*(f"checkpoint-{i}" for i in range(1, 3)), "final"]
    straight, cut = (train_kit.losses(tmp_path / n) for n in ("straight", "cut"))
    assert cut == pytest.approx(straight, abs=1e-6)


def test_on_a_base_too(data_dir: Path, tiny_base: Path, tmp_path: Path) -> None:
    on_base = {
        "decoder": tiny_base.name,
        "decoder_folder": str(tiny_base),
        "lora_rank": 4,
        "bf16": True,
        "max_steps": 2,
    }
    train_kit.run_tiny(data_dir, tmp_path / "straight", **on_base)
    train_kit.run_tiny(data_dir, tmp_path / "cut", slice_minutes=1e-6, **on_base)
    names = {p.name for p in (tmp_path / "cut" / "checkpoint-1").iterdir()}
    assert "adapter_model.safetensors" in names
    assert "model.safetensors" not in names, "the base is not saved"
    train_kit.run_tiny(data_dir, tmp_path / "cut", resume=True, **on_base)
    straight, cut = (train_kit.losses(tmp_path / n) for n in ("straight", "cut"))
    assert cut == pytest.approx(straight, abs=1e-6)
    start = str(tmp_path / "straight" / "final")
    more = on_base | {"base_model": start, "lora_rank": 16, "learning_rate": 0.0, "max_steps": 1}
    train_kit.run_tiny(data_dir, tmp_path / "more", **more)
    from safetensors.torch import load_file

    before, after = (
        load_file(Path(p) / "adapter_model.safetensors")
        for p in (start, tmp_path / "more" / "final")
    )
    assert all(torch.equal(before[k], after[k]) for k in before), "it began where the other ended"


def test_a_loss_that_is_no_number_stops_and_keeps_its_batch(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors import safe_open

    from saberlm.finetune import sft

    original = sft.DataCollatorForBeatmapModeling.__call__
    calls = []

    def poisoned(self: Any, rows: Any) -> Any:
        batch = original(self, rows)
        if self.augment:
            calls.append(rows)
            if len(calls) == 3:
                batch["audio_features"][0, 5, 5] = float("nan")
        return batch

    monkeypatch.setattr(sft.DataCollatorForBeatmapModeling, "__call__", poisoned)
    with pytest.raises(
        ValueError, match="expected a loss that is a number, found nan after step 2"
    ):
        train_kit.run_tiny(data_dir, tmp_path)
    (saved,) = tmp_path.glob("bad_batch_step2_*.safetensors")
    with safe_open(saved, framework="pt") as f:
        assert torch.isnan(f.get_tensor("audio_features")).any()
        assert {"input_ids", "labels", "onset_targets"} <= set(f.keys())


def test_a_damaged_shard_is_named_and_counted(
    data_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import shutil

    from saberlm.finetune.shards import load_dataset

    shutil.copytree(data_dir, tmp_path / "data")
    rows = [json.loads(r) for r in (tmp_path / "data" / "index.jsonl").read_text().splitlines()]
    shards = [tmp_path / "data" / r["shard"] for r in rows if r["split"] == "train"]
    whole = len(load_dataset(tmp_path / "data", "train"))
    shards[0].write_bytes(shards[0].read_bytes()[:-100])
    shards[1].unlink()
    left = load_dataset(tmp_path / "data", "train")
    assert len(left) == whole - 2
    assert str(shards[0]) in caplog.text
    assert str(shards[1]) in caplog.text
    assert f"2 of {whole} shards of split train left out" in caplog.text
    for shard in shards[2:]:
        shard.write_bytes(b"")
    with pytest.raises(ValueError, match=f"found {whole} damaged shards"):
        load_dataset(tmp_path / "data", "train")


@pytest.mark.slow
def test_two_processes_are_one(data_dir: Path, tmp_path: Path) -> None:
    """Gloo on the CPU: two processes of one row a step against one process of two, dropout off."""
    same = {"data_dir": data_dir, "max_steps": 4, "audio_dropout": 0.0, "save_steps": 100}
    one, two = tmp_path / "one", tmp_path / "two"
    run_apart(tmp_path, output=one, per_device_train_batch_size=2, **same)
    run_apart(tmp_path, 2, output=two, per_device_train_batch_size=1, **same)
    assert train_kit.losses(two) == pytest.approx(train_kit.losses(one), rel=1e-4)
    from safetensors.torch import load_file

    a, b = (load_file(p / "final" / "model.safetensors") for p in (one, two))
    assert a.keys() == b.keys()
    for name, weight in a.items():
        torch.testing.assert_close(b[name], weight, atol=2e-4, rtol=1e-3, msg=name)
