"""Ablations of the audio tower: small runs of one budget, each changing one thing of a base.

A run trains a tower's onset head for so many steps on so many songs, in an order that its seed
fixes, and is measured on the valid songs as `saberlm.finetune.onset_report` does. Budgets are far
too small to say what a long training would come to: they tell what is learnt sooner.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saberlm.adapter.configuration_saber import SaberAudioConfig
from saberlm.adapter.modeling_saber import SaberAudioTower
from saberlm.eval.bootstrap import mean_interval
from saberlm.finetune.ablation import SmallBudget, SmallRun, Split
from saberlm.finetune.augment import LOGMEL, NO_AUGMENTATION, Augmentation, Bands
from saberlm.finetune.onset_report import HeardMap, from_json, hear_maps
from saberlm.finetune.shards import SongShard
from saberlm.finetune.slices import NUM_FLUX, NUM_MELS, flux_of
from saberlm.finetune.warmup import fit_feature_statistics, warm_up

_FLOOR = 1e-3
"""Joins every amplitude before its logarithm, as in the ``logmel`` front end."""
_HPSS_KERNEL = (17, 31)
"""Bands and frames of the two median filters: a fifth of the range, and .31 s."""
_HPSS_BANDS = 40


@dataclass(frozen=True)
class Budget(SmallBudget):
    """What every run gets: steps of windows of ``window_bars`` bars."""

    window_bars: int = 8


@dataclass(frozen=True)
class TowerVariant:
    """One change of the base tower or of how it is taught.

    Args:
        name: as reports have it.
        audio: fields of `SaberAudioConfig` that differ from the base's.
        needs: name of a dataset of the same songs with other frames; None for log-mel.
        change: makes a song's log-mel frames ``(F, 120)`` into others ``(F, D)``.
        layout: of these frames.
        cells_per_beat: of the grid.
        augmentation: of the sound in training.
        smoothing: of the targets.
    """

    name: str
    audio: Mapping[str, Any] = field(default_factory=dict)
    needs: str | None = None
    change: Callable[[np.ndarray], np.ndarray] | None = None
    layout: tuple[Bands, ...] = LOGMEL
    cells_per_beat: int = 12
    augmentation: Augmentation = field(default_factory=Augmentation)
    smoothing: float = 0.0


def fewer_bands(frames: np.ndarray, count: int) -> np.ndarray:
    """Log-mel frames ``(F, 120)`` with ``count`` bands of evenly pooled amplitude for 80, and half
    as many of flux: ``(F, 1.5 count)``."""
    pooled = _pooled(np.exp(frames[:, :NUM_MELS].astype(np.float32)) - _FLOOR, count)
    return np.concatenate([pooled, flux_of(pooled)], axis=1)


def _pooled(amplitudes: np.ndarray, count: int) -> np.ndarray:
    """Mean amplitudes of ``count`` equal shares of the bands, as logarithms."""
    edges = np.linspace(0, amplitudes.shape[1], count + 1)
    low = np.arange(amplitudes.shape[1])[:, None]
    share = np.clip(np.minimum(low + 1, edges[1:]) - np.maximum(low, edges[:-1]), 0, None)
    mixed = amplitudes @ (share / share.sum(0)).astype(np.float32)
    return np.log(np.maximum(mixed, 0) + _FLOOR)


def with_percussion(frames: np.ndarray) -> np.ndarray:
    """Log-mel frames ``(F, 120)``, then 40 bands of what is percussive and 40 of what is harmonic
    by median filters (Fitzgerald 2010), as librosa has them: ``(F, 200)``."""
    import librosa

    amplitudes = np.exp(frames[:, :NUM_MELS].astype(np.float32)) - _FLOOR
    harmonic, percussive = librosa.decompose.hpss(
        np.maximum(amplitudes.T, 0), kernel_size=_HPSS_KERNEL[::-1]
    )
    parts = [_pooled(part.T, _HPSS_BANDS) for part in (percussive, harmonic)]
    return np.concatenate([frames.astype(np.float32), *parts], axis=1)


BASE = TowerVariant("base", {"hidden_size": 96})
"""nano's tower (12 cells and 4 latents a beat, 4 layers, 120 features) at half its width, for
cheaper runs."""
_FINE: dict[str, Any] = {"attention_window": 96, "conv_kernel_size": 17, "resampler_span": 54}
_ON = Augmentation()

VARIANTS = (
    BASE,
    TowerVariant("2 latents a beat", {"cells_per_latent": 6, "latents_per_bar": 8}),
    TowerVariant("24 cells, 4 latents a beat", {**_FINE, "cells_per_latent": 6}, cells_per_beat=24),
    TowerVariant(
        "24 cells, 8 latents a beat",
        {**_FINE, "cells_per_latent": 3, "latents_per_bar": 32},
        cells_per_beat=24,
    ),
    TowerVariant(
        "8 cells, 4 latents a beat",
        {
            "attention_window": 32,
            "conv_kernel_size": 7,
            "resampler_span": 18,
            "cells_per_latent": 2,
        },
        cells_per_beat=8,
    ),
    TowerVariant(
        "60 mel bands",
        change=lambda frames: fewer_bands(frames, 60),
        layout=(Bands("level", 60), Bands("rise", 30)),
    ),
    TowerVariant(
        "40 mel bands",
        change=lambda frames: fewer_bands(frames, 40),
        layout=(Bands("level", 40), Bands("rise", 20)),
    ),
    TowerVariant(
        "no flux", change=lambda frames: frames[:, :NUM_MELS], layout=(Bands("level", NUM_MELS),)
    ),
    TowerVariant(
        "flux alone",
        change=lambda frames: frames[:, NUM_MELS:],
        layout=(Bands("rise", NUM_FLUX),),
    ),
    TowerVariant(
        "percussive and harmonic bands too",
        change=with_percussion,
        layout=(*LOGMEL, Bands("level", _HPSS_BANDS), Bands("level", _HPSS_BANDS)),
    ),
    TowerVariant(
        "basic-pitch's notes and onsets too",
        needs="basic-pitch",
        layout=(*LOGMEL, Bands("rise", 44), Bands("rise", 44)),
    ),
    TowerVariant("dac-nano for log-mel", needs="dac"),
    TowerVariant("Q-Former for Perceiver", {"resampler": "qformer"}),
    TowerVariant("48 wide", {"hidden_size": 48}),
    TowerVariant("192 wide", {"hidden_size": 192}),
    TowerVariant("2 layers", {"num_hidden_layers": 2}),
    TowerVariant("6 layers", {"num_hidden_layers": 6}),
    TowerVariant("head of no layers", {"num_onset_layers": 0}),
    TowerVariant("head of 1 layer", {"num_onset_layers": 1}),
    TowerVariant("targets smoothed, .1 a neighbour", smoothing=0.1),
    TowerVariant("nothing augmented", augmentation=NO_AUGMENTATION),
    TowerVariant("no masks", augmentation=replace(_ON, masks=False)),
    TowerVariant("no pitch", augmentation=replace(_ON, pitch=False)),
    TowerVariant("no gain and tone", augmentation=replace(_ON, gain=False)),
    TowerVariant("no jitter", augmentation=replace(_ON, jitter=False)),
    TowerVariant("masks and jitter alone", augmentation=replace(_ON, pitch=False, gain=False)),
    TowerVariant("speed too", augmentation=replace(_ON, speed=True)),
    TowerVariant("noise too", augmentation=replace(_ON, noise=True)),
    TowerVariant("codec artefacts too", augmentation=replace(_ON, codec=True)),
    TowerVariant("bar phase too", augmentation=replace(_ON, bar_phase=True)),
)


@dataclass(frozen=True)
class Run(SmallRun):
    """A run of a tower."""

    maps: tuple[HeardMap, ...]

    @classmethod
    def values(cls, row: dict[str, Any]) -> dict[str, Any]:
        """See `SmallRun.values`."""
        return {**row, "maps": tuple(from_json(row["maps"]))}


def changed_songs(variant: TowerVariant, songs: Sequence[SongShard]) -> list[SongShard]:
    """The songs as a variant hears them."""
    change = variant.change or (lambda frames: frames)
    return [
        replace(
            song,
            frames=change(song.frames).astype(np.float16),
            cells_per_beat=variant.cells_per_beat,
        )
        for song in songs
    ]


def run(
    variant: TowerVariant,
    songs: Mapping[str | None, Split],
    seed: int,
    budget: Budget,
) -> Run:
    """Train a variant and measure it.

    Args:
        variant: what differs.
        songs: by name of their dataset, as ``needs`` has it.
        seed: of weights, order and augmentation.
        budget: of the run.
    """
    train = changed_songs(variant, songs[variant.needs].train)
    valid = changed_songs(variant, songs[variant.needs].valid)
    torch.manual_seed(seed)
    fields = {**BASE.audio, "num_features": train[0].frames.shape[1], **variant.audio}
    tower = SaberAudioTower(SaberAudioConfig(**fields))
    fit_feature_statistics(tower, train)
    began = time.process_time()
    with tempfile.TemporaryDirectory(prefix="saberlm-") as folder:
        loss = warm_up(
            tower,
            train,
            valid,
            output_dir=Path(folder),
            minutes=None,
            learning_rate=budget.learning_rate,
            max_steps=budget.steps,
            batch_size=budget.batch_size,
            size=budget.window_bars,
            seed=seed,
            augmentation=variant.augmentation,
            layout=variant.layout,
            smoothing=variant.smoothing,
        )
    cpu_seconds = time.process_time() - began
    return Run(
        variant.name,
        seed,
        asdict(budget),
        sum(p.numel() for p in tower.parameters()),
        round(cpu_seconds, 1),
        round(loss, 4),
        tuple(hear_maps(tower.eval(), valid)),
    )


_Measure = Callable[[HeardMap], float]


def _by_map(runs: Sequence[Run], value: _Measure) -> dict[tuple[str, str], float]:
    """Means over runs, by song and difficulty."""
    found = defaultdict(list)
    for run in runs:
        for row in run.maps:
            found[row.song, row.difficulty].append(value(row))
    return {key: float(np.mean(values)) for key, values in found.items()}


def _mean(runs: Sequence[Run], value: _Measure) -> str:
    """Mean over maps; with more seeds than one, each seed's as well."""
    each = [float(np.mean(list(_by_map([run], value).values()))) for run in runs]
    text = f"{np.mean(each):.3f}"
    return text if len(each) == 1 else f"{text} ({', '.join(f'{one:.3f}' for one in each)})"


def _difference(runs: Sequence[Run], base: Sequence[Run], value: _Measure) -> str:
    """Mean over maps of a variant's value less the base's, with its interval by song."""
    ours, theirs = _by_map(runs, value), _by_map(base, value)
    by_song: dict[str, list[float | None]] = defaultdict(list)
    for key in sorted(ours.keys() & theirs.keys()):
        by_song[key[0]].append(ours[key] - theirs[key])
    if not by_song:
        return ""
    found = mean_interval(by_song)
    text = f"{found.mean:+.3f}"
    return text if found.low is None else f"{text} [{found.low:+.3f}, {found.high:+.3f}]"


_COLUMNS: dict[str, _Measure] = {
    "F1@50": lambda row: row.f1_50,
    "another song's sound": lambda row: row.other_f1_50,
    "lift": lambda row: row.f1_50 - row.other_f1_50,
    "loss": lambda row: row.loss,
    "loss, another's": lambda row: row.other_loss,
}
_AGAINST = ("F1@50", "loss")


def render(runs: Sequence[Run]) -> str:
    """The runs as a Markdown table, a line a variant: means over maps and seeds (each seed's in
    brackets), and how far they lie from the base's of the same seeds, map by map, with 95 %
    intervals by song. Those say how songs differ; what chance in training does, the base's seeds
    show."""
    by_name: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_name[run.variant].append(run)
    against = [f"{name} against base" for name in _AGAINST]
    head = ["variant", "n", *_COLUMNS, *against, "CPU s", "weights, M"]
    lines = [f"| {' | '.join(head)} |", "| --- |" + " --- |" * (len(head) - 1)]
    for name, found in by_name.items():
        seeds = {run.seed for run in found}
        base = [run for run in by_name.get(BASE.name, []) if run.seed in seeds]
        cells = [name, str(len(found[0].maps))]
        cells += [_mean(found, value) for value in _COLUMNS.values()]
        cells += [
            "" if name == BASE.name else _difference(found, base, _COLUMNS[column])
            for column in _AGAINST
        ]
        cells.append(f"{np.mean([run.cpu_seconds for run in found]):.0f}")
        cells.append(f"{found[0].weights / 1e6:.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
