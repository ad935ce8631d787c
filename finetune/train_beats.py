"""Train the beat network on the grids of human maps: minutes on one core.

A fixed number of steps and no stopping by results: held-out songs only measure. With folds, every
training song is also heard by a network that did not learn from it, so that what is built on the
chances can be fitted to honest ones.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from saberlm.finetune.beat_data import Augmentation, BeatBatch, BeatSong, draw_batch, load_songs
from saberlm.finetune.beat_report import measure
from saberlm.finetune.precision import has_bf16
from saberlm.finetune.tempo_truth import read_true_tempi
from saberlm.infer.beat_features import FPS
from saberlm.infer.beat_net import (
    CONFIG_NAME,
    WEIGHTS_NAME,
    BeatNet,
    BeatNetConfig,
    load_beat_net,
    save_beat_net,
)

CHECKPOINT_NAME, LOG_NAME, FOLDS_NAME, REPORT_NAME = (
    "checkpoint.pt",
    "log.jsonl",
    "folds.json",
    "report.json",
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BeatTrainingConfig:
    """How the network is trained."""

    steps: int = 400
    crops: int = 8  # in a batch
    crop_seconds: float = 24.0
    learning_rate: float = 3e-3  # the highest; a cosine falls from it to 0
    weight_decay: float = 0.02
    downbeat_weight: float = 0.4  # of the downbeats' loss beside the beats'
    checkpoint_every: int = 100  # steps
    bfloat16: bool = True  # arithmetic in 16 bits; weights stay in 32
    seed: int = 0
    network: BeatNetConfig = field(default_factory=BeatNetConfig)
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        for name in ("steps", "crops", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, found {getattr(self, name)}")
        if self.crop_seconds * FPS < 8:
            raise ValueError(f"crop_seconds must be 0.16 or more, found {self.crop_seconds}")


def fold_of(keys: Sequence[str], folds: int, seed: int) -> dict[str, int]:
    """The fold that each song is held out of, evenly and by chance.

    Raises:
        ValueError: fewer than two folds, or fewer songs than folds.
    """
    if not 2 <= folds <= len(keys):
        raise ValueError(f"expected 2 to {len(keys)} folds (one song each), found {folds}")
    order = np.random.default_rng([seed, folds]).permutation(len(keys))
    ranked = sorted(keys)
    return {ranked[index]: place % folds for place, index in enumerate(order)}


def train_beat_net(songs: Sequence[BeatSong], config: BeatTrainingConfig, out: Path) -> BeatNet:
    """Train on songs; a run that was stopped goes on from its last checkpoint.

    Args:
        songs: at least one.
        config: settings; the seed makes a run repeatable on one machine, stopped or not.
        out: folder for the network, the log and, until it is done, a checkpoint. A network that
            lies there already is loaded and not trained again.

    Raises:
        ValueError: no songs; a loss that is no number; or the folder holds another run.
    """
    if not songs:
        raise ValueError("expected songs to train on, found none")
    facts = {**asdict(config), "songs": sorted(song.key for song in songs)}
    facts = json.loads(json.dumps(facts))  # as the files hold it
    if (out / WEIGHTS_NAME).exists():
        _check_same(json.loads((out / CONFIG_NAME).read_text())["training"], facts, out)
        return load_beat_net(out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    net = BeatNet(config.network)
    optimiser = torch.optim.AdamW(
        net.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    done, lines, running = 0, [], 0.0
    checkpoint = out / CHECKPOINT_NAME
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        _check_same(json.loads(state["facts"]), facts, out)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        done, lines = state["step"], state["log"]
    with tqdm(total=config.steps, initial=done, unit="step", desc=f"beats {out.name}") as bar:
        for step in range(done + 1, config.steps + 1):
            running += train_step(net, optimiser, songs, config, step)
            bar.update()
            if step % config.checkpoint_every == 0 or step == config.steps:
                since = step % config.checkpoint_every or config.checkpoint_every
                lines.append(json.dumps({"step": step, "loss": round(running / since, 5)}))
                bar.set_postfix(loss=f"{running / since:.4f}")
                running = 0.0
                partial = checkpoint.with_suffix(".partial")
                torch.save(
                    {
                        "facts": json.dumps(facts),
                        "step": step,
                        "net": net.state_dict(),
                        "optimiser": optimiser.state_dict(),
                        "log": lines,
                    },
                    partial,
                )
                partial.replace(checkpoint)
    (out / LOG_NAME).write_text("".join(f"{line}\n" for line in lines))
    save_beat_net(net, out, facts)
    checkpoint.unlink()
    return load_beat_net(out)


def _check_same(found: object, facts: dict[str, object], out: Path) -> None:
    if found != facts:
        raise ValueError(
            f"{out} holds a run with other settings or songs; choose another --out or delete it"
        )


def train_step(
    net: BeatNet,
    optimiser: torch.optim.Optimizer,
    songs: Sequence[BeatSong],
    config: BeatTrainingConfig,
    step: int,
) -> float:
    """One step, counted from 1; what chance decides in it depends on the seed and the step alone.

    Returns:
        The loss, see `beat_loss`.

    Raises:
        ValueError: the loss is no finite number.
    """
    torch.manual_seed(config.seed * 1_000_003 + step)
    frames = round(config.crop_seconds * FPS)
    rng = np.random.default_rng([config.seed, step])
    batch = draw_batch(songs, config.crops, frames, rng, config.augmentation)
    net.train()
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16 and has_bf16()):
        odds = net(torch.from_numpy(batch.features))
    loss = beat_loss(odds.float(), batch, config.downbeat_weight)
    if not torch.isfinite(loss):
        raise ValueError(
            f"step {step}: the loss is {float(loss.detach())}; the rate of"
            f" {config.learning_rate:g} is likely too high. The last checkpoint is from before"
        )
    for group in optimiser.param_groups:
        group["lr"] = config.learning_rate * _rate(step / config.steps)
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach())


def beat_loss(odds: Tensor, batch: BeatBatch, downbeat_weight: float) -> Tensor:
    """Binary cross-entropy: of beats, over the believed frames; of downbeats among beats, over the
    frames near a beat, in proportion to the beat's target.

    Downbeats as a curve of their own hardly move in so few steps: one frame in a hundred says
    something of them.

    Args:
        odds: log-odds (B, F, 2), see `saberlm.infer.beat_net.BeatNet`.
        batch: what was wanted.
        downbeat_weight: weight of the second part beside the first.
    """
    wanted, weight = torch.from_numpy(batch.targets), torch.from_numpy(batch.weight)
    beat = functional.binary_cross_entropy_with_logits(odds[..., 0], wanted[..., 0], weight)
    beat = beat * weight.numel() / weight.sum().clamp(min=1)
    near = weight * wanted[..., 0]
    is_down = (wanted[..., 1] > 0).float()
    down = functional.binary_cross_entropy_with_logits(odds[..., 1], is_down, near)
    return beat + downbeat_weight * down * near.numel() / near.sum().clamp(min=1)


def _rate(done: float) -> float:
    return min(1.0, done / 0.08) * (0.5 + 0.5 * math.cos(math.pi * min(done, 1.0)))


def run_beats(
    maps_dir: Path,
    out: Path,
    config: BeatTrainingConfig,
    folds: int = 0,
    cache: Path | None = None,
) -> dict[str, dict[str, float]]:
    """Train the networks of the folds, then the one that learns from all train songs.

    Args:
        maps_dir: see `saberlm.finetune.tempo_truth.read_true_tempi`.
        out: gets ``fold{i}/``, ``folds.json`` (song: the fold whose network did not learn from
            it), ``final/`` and ``report.json``.
        config: settings of every network.
        folds: networks to train on a part of the songs; 0 for none.
        cache: folder of the features; ``out/features`` by default.

    Returns:
        The measures of `saberlm.finetune.beat_report.measure` on songs not learnt from: of each
        fold, of all folds together, and of the final network on the valid split.

    Raises:
        ValueError: no usable songs, or what `train_beat_net` refuses.
    """
    truths, left_out = read_true_tempi(maps_dir, out, "train")
    _log.info("%d train songs; left out: %s", len(truths), dict(left_out))
    songs = load_songs(truths, cache or out / "features")
    report: dict[str, dict[str, float]] = {}
    if folds:
        held = fold_of([song.key for song in songs], folds, config.seed)
        _write_json(out / FOLDS_NAME, held)
        for fold in range(folds):
            net = train_beat_net(
                [song for song in songs if held[song.key] != fold], config, out / f"fold{fold}"
            )
            report[f"fold{fold}"] = measure(net, [s for s in songs if held[s.key] == fold])
            _log.info("fold %d: %s", fold, _rounded(report[f"fold{fold}"]))
        sizes = [sum(value == fold for value in held.values()) for fold in range(folds)]
        report["folds"] = {
            name: float(np.average([report[f"fold{i}"][name] for i in range(folds)], weights=sizes))
            for name in report["fold0"]
        }
    net = train_beat_net(songs, config, out / "final")
    try:
        valid, _ = read_true_tempi(maps_dir, out, "valid")
    except ValueError:
        _log.warning("no valid songs: the final network is not measured")
    else:
        report["final on valid"] = measure(net, load_songs(valid, cache or out / "features"))
    report = {name: _rounded(row) for name, row in report.items()}
    _write_json(out / REPORT_NAME, report)
    return report


def _rounded(row: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in row.items()}


def _write_json(path: Path, value: object) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value, indent=1) + "\n")
    partial.replace(path)
