"""From a training run to a model folder that ships: bf16 weights, and the densities and the use of
cuts measured on the training maps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file

from saberlm.adapter.bases import LORA_CONFIG_NAME, WEIGHTS_NAME
from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.adapter.processing_saber import SaberFeatureExtractor, SaberProcessor, make_tokenizer
from saberlm.finetune.resume import newest_checkpoint
from saberlm.finetune.shards import SongShard
from saberlm.infer.cut_balance import NUM_CUTS, count_cuts, human_shares
from saberlm.prompts import vocab as v

MAX_MEGABYTES = 45
USUAL_NOTES = 300
"""Notes that the usual shares of cuts count for beside a mapper's own."""


def measure_densities(songs: list[SongShard]) -> dict[str, Any]:
    """Median notes/s and mean notes per onset by difficulty.

    These steer a map whose notes/s nobody asked for, and turn notes/s into onsets/s.
    """
    rates: dict[str, list[float]] = defaultdict(list)
    per_onset: dict[str, list[float]] = defaultdict(list)
    positions, notes = v.block_range("position"), v.block_range("note")
    for song in songs:
        for stream in song.difficulties:
            name = stream.conditions.difficulty
            ids = np.concatenate([*stream.bars, np.zeros(0, np.int16)]).astype(np.int64)
            is_note = (ids >= notes.start) & (ids < notes.stop)
            named = np.flatnonzero((ids >= positions.start) & (ids < positions.stop))
            onsets = int(is_note[named + 1].sum())
            if name is None or stream.conditions.nps is None or not onsets:
                continue
            rates[name].append(stream.conditions.nps)
            per_onset[name].append(float(is_note.sum()) / onsets)
    return {
        "median_nps": {name: round(float(np.median(x)), 2) for name, x in rates.items()},
        "notes_per_onset": {name: round(float(np.mean(x)), 3) for name, x in per_onset.items()},
    }


def measure_cuts(songs: Sequence[SongShard]) -> dict[str, list[float]]:
    """How often the maps of a difficulty use each cut (`saberlm.infer.cut_balance`), mixed with
    what is usual where the maps are few."""
    counts: dict[str, npt.NDArray[np.float64]] = defaultdict(lambda: np.zeros(NUM_CUTS))
    for song in songs:
        for stream in song.difficulties:
            counts[stream.conditions.difficulty or ""] += count_cuts(stream.bars)
    out = {}
    for name, found in counts.items():
        usual = human_shares(name)
        if usual is not None:
            shares = (found + USUAL_NOTES * usual) / (found.sum() + USUAL_NOTES)
            out[name] = [round(float(share), 5) for share in shares]
    return out


def slim_model(run: Path, out: Path) -> float:
    """The newest weights of a run in bf16: ``final``, or its newest whole checkpoint.

    Args:
        run: folder of the run.
        out: folder to write.

    Returns:
        Megabytes of weights.

    Raises:
        ValueError: the run has saved nothing yet.
    """
    folder = run / "final" if (run / "final").is_dir() else newest_checkpoint(run)
    if folder is None:
        raise ValueError(f"{run}: expected a trained model or a checkpoint, found none")
    out.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", LORA_CONFIG_NAME):
        if (folder / name).is_file():
            (out / name).write_text((folder / name).read_text())
    (weights,) = (
        path for name in (WEIGHTS_NAME, "model.safetensors") if (path := folder / name).is_file()
    )
    tensors = {
        name: t.to(torch.bfloat16) if t.is_floating_point() else t
        for name, t in load_file(weights).items()
    }
    temporary = out / (weights.name + ".partial")
    save_file(tensors, temporary, metadata={"format": "pt"})
    temporary.replace(out / weights.name)
    return (out / weights.name).stat().st_size / 1e6


def export_model(run_final: Path, train: list[SongShard], out: Path) -> float:
    """Write the shipped form of a trained model.

    Args:
        run_final: folder that `saberlm.finetune.sft.run_sft` returned.
        train: songs whose densities and cuts calibrate it.
        out: folder to write.

    Returns:
        Megabytes of weights.

    Raises:
        ValueError: the weights are too large to ship.
    """
    model = SaberForConditionalGeneration.from_pretrained(run_final)
    model.config.calibration = {**measure_densities(train), "cut_shares": measure_cuts(train)}
    model.to(torch.bfloat16).save_pretrained(out)
    audio = model.config.audio_config
    SaberProcessor(
        SaberFeatureExtractor(audio.frontend, audio.frontend_path), make_tokenizer(v.VOCAB_SIZE)
    ).save_pretrained(out)
    (out / "generation_config.json").unlink(missing_ok=True)
    megabytes = (out / "model.safetensors").stat().st_size / 1e6
    if megabytes > MAX_MEGABYTES:
        raise ValueError(
            f"{out}: expected at most {MAX_MEGABYTES} MB of weights to ship,"
            f" found {megabytes:.0f} MB"
        )
    return megabytes
