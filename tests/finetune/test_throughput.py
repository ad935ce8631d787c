"""The largest batch is found by trying, and the figures follow from what was timed."""

from pathlib import Path
from typing import Any

import pytest
import torch

from saberlm.finetune import throughput
from saberlm.finetune.collator import window_table
from saberlm.finetune.memory import PEAK_TFLOPS
from saberlm.finetune.shards import load_dataset


def test_batches_grow_until_one_does_not_fit(
    data_dir: Path, tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import copy

    model = copy.deepcopy(tiny_model).train()
    original = throughput._time

    def small_machine(model: Any, optimizer: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        if len(inputs["input_ids"]) > 2:
            raise torch.OutOfMemoryError("as a full GPU says it")
        return original(model, optimizer, inputs, *rest, **named)

    monkeypatch.setattr(throughput, "_time", small_machine)
    songs = load_dataset(data_dir, "train")
    found = list(
        throughput.speeds(model, songs, 1, torch.device("cpu"), bf16=False, steps=1, most=16)
    )
    assert [speed.rows for speed in found] == [1, 2]
    for speed in found:
        assert speed.tokens_per_second == pytest.approx(
            speed.tokens / speed.seconds_per_step, rel=0.1
        )
        assert speed.share_of_peak is None, "no GPU, no peak"
        assert speed.tflops >= 0
    assert model.model.onset_loss is None


def test_rows_are_the_longest(data_dir: Path) -> None:
    songs = load_dataset(data_dir, "train")
    table = window_table(songs, 2)
    (row,) = throughput.longest_rows(songs, 2, 1)
    at = [
        i
        for i in range(len(table["bar"]))
        if all(table[k][i] == row[k] for k in ("song", "difficulty", "bar"))
    ]
    assert [table["length"][i] for i in at] == [max(table["length"])]
    assert len(throughput.longest_rows(songs, 2, 10_000)) == 10_000


def test_peaks_go_by_the_gpus_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    assert throughput.peak_tflops(torch.device("cuda")) == PEAK_TFLOPS["H200"]
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some Card 9")
    assert throughput.peak_tflops(torch.device("cuda")) is None
