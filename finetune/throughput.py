"""How fast a training step is on this machine, and the largest batch that fits: both by trying."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.finetune.collator import DataCollatorForBeatmapModeling, window_table
from saberlm.finetune.memory import PEAK_TFLOPS, DecoderSizes, flops_of_tower, flops_per_token
from saberlm.finetune.shards import SongShard


@dataclass(frozen=True)
class Speed:
    """A batch that fitted.

    ``tokens_per_second`` counts every position of the batch, padding too; ``share_of_peak`` is
    useful arithmetic (nothing computed twice is counted) over the GPU's bf16 peak, None where that
    is not known.
    """

    rows: int
    tokens: int
    seconds_per_step: float
    tokens_per_second: float
    tflops: float
    share_of_peak: float | None
    peak_gb: float | None

    def row(self) -> dict[str, Any]:
        """As a line of JSON."""
        return asdict(self)


def peak_tflops(device: torch.device) -> float | None:
    """The bf16 peak of a GPU whose name is known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    found = [peak for key, peak in PEAK_TFLOPS.items() if key.lower() in name.lower()]
    return found[0] if found else None


def longest_rows(songs: list[SongShard], size: int, count: int) -> list[dict[str, int]]:
    """Rows of the windows that hold most, the longest first, repeated where there are too few."""
    table = window_table(songs, size)
    order = sorted(range(len(table["length"])), key=lambda i: -table["length"][i])
    keys = ("song", "difficulty", "bar")
    return [{k: table[k][order[i % len(order)]] for k in keys} for i in range(count)]


def speeds(
    model: SaberForConditionalGeneration,
    songs: list[SongShard],
    size: int,
    device: torch.device,
    *,
    bf16: bool,
    rank: int = 0,
    first: int = 1,
    most: int = 512,
    steps: int = 5,
) -> Iterator[Speed]:
    """Measure batches of 1, 2, 4 ... of the longest rows until one does not fit.

    Args:
        model: on the device, in training mode; its weights are changed.
        songs: to take rows from.
        size: bars a window.
        device: to run on.
        bf16: autocast to it.
        rank: of the model's LoRA, 0 for none (for the arithmetic).
        first: rows to begin with.
        most: rows to end with.
        steps: timed, after two that are not.
    """
    collator = DataCollatorForBeatmapModeling(songs, size, augment=False)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-6)
    rows = first
    while rows <= most:
        batch = collator(longest_rows(songs, size, rows))
        inputs = {k: t.to(device) if isinstance(t, Tensor) else t for k, t in batch.items()}
        try:
            seconds, peak = _time(model, optimizer, inputs, device, bf16=bf16, steps=steps)
        except torch.OutOfMemoryError:
            return
        finally:
            model.model.onset_loss = None
            del inputs
            gc.collect()
            if device.type == "cuda":
                torch.cuda.empty_cache()
        ids, features = batch["input_ids"], batch["audio_features"]
        assert isinstance(ids, Tensor)
        assert isinstance(features, Tensor)
        sizes = DecoderSizes.of(model.config.text_config)
        tower = sum(p.numel() for p in model.model.audio_tower.parameters())
        flops = ids.numel() * flops_per_token(sizes, context=ids.shape[1], rank=rank)
        flops += flops_of_tower(tower, features.shape[0] * features.shape[1])
        best = peak_tflops(device)
        tflops = flops / seconds / 1e12
        yield Speed(
            rows,
            ids.numel(),
            round(seconds, 4),
            round(ids.numel() / seconds, 1),
            round(tflops, 3),
            None if best is None else round(tflops / best, 4),
            peak,
        )
        rows *= 2


def _time(
    model: SaberForConditionalGeneration,
    optimizer: torch.optim.Optimizer,
    inputs: dict[str, Any],
    device: torch.device,
    *,
    bf16: bool,
    steps: int,
) -> tuple[float, float | None]:
    """Median seconds of a step, and GB at the most."""
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    times = []
    for _ in range(steps + 2):
        began = time.perf_counter()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
            loss = model(**inputs, use_cache=False).loss
        assert model.model.onset_loss is not None
        (loss + 0.5 * model.model.onset_loss).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if cuda:
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - began)
    timed = sorted(times[2:])
    peak = round(torch.cuda.max_memory_allocated(device) / 1e9, 2) if cuda else None
    return timed[len(timed) // 2], peak
