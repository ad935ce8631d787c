"""Train a small codec of Descript's architecture (transformers' `DacModel`) on songs.

Losses: multi-scale mel, waveform, commitment and codebook; no discriminator, whose training wants a
GPU and many more steps. The budget is minutes of one core (or steps); a run that is killed goes on
from its last checkpoint to the same losses.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import DacConfig, DacModel

from saberlm.finetune.codec_data import SoundFile, draw_crops, find_sounds, read_crop
from saberlm.finetune.codec_loss import mel_distance, si_sdr, wave_distance
from saberlm.finetune.precision import has_bf16
from saberlm.finetune.sources import MapSource

CHECKPOINT_NAME, LOG_NAME, REPORT_NAME, FACTS_NAME = (
    "checkpoint.pt",
    "log.jsonl",
    "report.json",
    "training.json",
)
MEASURED_SECONDS = 10.0  # from the middle of each valid song

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CodecTrainingConfig:
    """Sizes and recipe; the defaults are those of ``dac-nano``."""

    sample_rate: int = 24_000
    ratios: tuple[int, ...] = (4, 4, 4, 4)  # down; the decoder goes up by the same
    encoder_hidden_size: int = 16
    decoder_hidden_size: int = 256
    hidden_size: int = 128  # of a latent
    codebooks: int = 8
    codebook_size: int = 512
    codebook_dim: int = 8
    quantizer_dropout: float = 0.25  # share of rows that use a random number of codebooks
    crops: int = 6  # in a batch
    crop_seconds: float = 0.768
    minutes: float = 45.0  # budget, those before a resume counted; 0 for none
    steps: int = 0  # another budget; 0 for none
    learning_rate: float = 1e-3  # the highest; a cosine over the budget falls from it
    warmup_steps: int = 100
    mel_weight: float = 15.0
    wave_weight: float = 5.0
    max_grad_norm: float = 10.0
    bfloat16: bool = True  # arithmetic of the convolutions; weights stay in 32 bits
    checkpoint_every: int = 200  # steps
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        if self.minutes <= 0 and self.steps <= 0:
            raise ValueError("expected a budget of minutes or of steps, found neither")
        if any(ratio < 2 or ratio % 2 for ratio in self.ratios):
            raise ValueError(f"ratios must be even (the decoder's length), found {self.ratios}")
        for name in ("crops", "codebooks", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, found {getattr(self, name)}")
        if self.crop_samples < 2048:
            raise ValueError(
                f"crop_seconds must hold 2048 samples or more, found {self.crop_samples}"
            )

    @property
    def crop_samples(self) -> int:
        """Samples of a crop: whole frames."""
        hop = math.prod(self.ratios)
        return round(self.crop_seconds * self.sample_rate / hop) * hop

    def dac(self) -> DacConfig:
        """The configuration of the model."""
        return DacConfig(
            encoder_hidden_size=self.encoder_hidden_size,
            downsampling_ratios=list(self.ratios),
            decoder_hidden_size=self.decoder_hidden_size,
            upsampling_ratios=list(reversed(self.ratios)),
            hidden_size=self.hidden_size,
            n_codebooks=self.codebooks,
            codebook_size=self.codebook_size,
            codebook_dim=self.codebook_dim,
            quantizer_dropout=self.quantizer_dropout,
            sampling_rate=self.sample_rate,
        )


@torch.no_grad()
def new_codec(config: CodecTrainingConfig) -> DacModel:
    """A `DacModel` whose convolutions keep the size of what goes through them.

    transformers leaves weights that expect Descript's weight normalisation: without it a signal
    shrinks a hundredfold on its way through the encoder.
    """
    model = DacModel(config.dac())
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            heard = (
                module.in_channels
                * module.kernel_size[0]
                / (module.stride[0] if isinstance(module, nn.ConvTranspose1d) else 1)
            )
            quieter = 0.5 if name.endswith("conv2") and "res_unit" in name else 1.0
            quieter = 0.1 if name == "decoder.conv2" else quieter  # begin within tanh's range
            nn.init.normal_(module.weight, std=quieter / math.sqrt(heard))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for quantizer in model.quantizer.quantizers:
        # out of the codebook's space by the way that led in: a level takes away what it heard
        nn.init.orthogonal_(quantizer.in_proj.weight)
        quantizer.out_proj.weight.copy_(quantizer.in_proj.weight.transpose(0, 1))
    return model


@torch.no_grad()
def fit_codebooks(model: DacModel, heard: Tensor, generator: torch.Generator) -> None:
    """Scale the latents to a deviation of 1, and set every codebook's entries to projected latents
    of real sound, level by level.

    Entries that begin near 0, as transformers leaves them, chase latents hundreds of times as
    large, and the codebook loss drowns all others.

    Args:
        model: not trained yet.
        heard: sound ``(B, 1, T)``, with as many frames as a codebook has entries, better more.
        generator: draws the frames.
    """
    scale = 1 / model.encoder(heard).std()
    model.encoder.conv2.weight.mul_(scale)
    model.encoder.conv2.bias.mul_(scale)
    residual = model.encoder(heard)
    for quantizer in model.quantizer.quantizers:
        found = quantizer.in_proj(residual).transpose(1, 2).flatten(0, 1)  # (frames, dim)
        entries = len(quantizer.codebook.weight)
        order = torch.randperm(len(found), generator=generator)
        picked = found[order.repeat(-(-entries // len(found)))[:entries]]
        quantizer.codebook.weight.copy_(picked)
        residual = residual - quantizer(residual)[0]


def train_codec(
    sounds: Sequence[SoundFile], config: CodecTrainingConfig, out: Path, *, device: str = "cpu"
) -> DacModel:
    """Train on songs; a run that was stopped goes on from its last checkpoint, one that is finished
    when its budget is raised.

    Args:
        sounds: at least one.
        config: settings; by steps alone a seed makes a run repeatable on one machine.
        out: folder for ``final``, the log and checkpoints.
        device: ``cpu`` or ``cuda``.

    Raises:
        ValueError: no songs, a loss that is no number, or a folder that holds another run.
    """
    if not sounds:
        raise ValueError("expected songs to train on, found none")
    out.mkdir(parents=True, exist_ok=True)
    facts = json.loads(json.dumps({**asdict(config), "songs": len(sounds)}))
    torch.manual_seed(config.seed)
    model = new_codec(config).to(device).train()
    optimiser = torch.optim.AdamW(
        model.parameters(), config.learning_rate, betas=(0.8, 0.99), weight_decay=0.0
    )
    done, spent, lines = 0, 0.0, list[str]()
    checkpoint = out / CHECKPOINT_NAME
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=device)
        if _apart_from_budget(json.loads(state["facts"])) != _apart_from_budget(facts):
            raise ValueError(
                f"{out} holds a run with other settings or songs; choose another --out or delete it"
            )
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        done, spent, lines = state["step"], state["seconds"], state["log"]
    else:
        _start_codebooks(model, sounds, config, device)
    began = time.monotonic() - spent
    sums: dict[str, float] = {}
    progress = _progress(config, done, spent)
    bar = tqdm(total=config.steps or None, initial=done, unit="step", desc=f"codec {out.name}")
    while progress < 1:
        done += 1
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * _rate(progress, done, config.warmup_steps)
        parts = train_step(model, optimiser, sounds, config, done, device)
        sums = {name: sums.get(name, 0.0) + value for name, value in parts.items()}
        progress = _progress(config, done, time.monotonic() - began)
        bar.update()
        if done % config.checkpoint_every == 0 or progress >= 1:
            since = done % config.checkpoint_every or config.checkpoint_every
            means = {name: round(value / since, 5) for name, value in sums.items()}
            seconds = time.monotonic() - began
            lines.append(json.dumps({"step": done, "seconds": round(seconds), **means}))
            bar.set_postfix(mel=means["mel"], wave=means["wave"])
            sums = {}
            partial = checkpoint.with_suffix(".partial")
            torch.save(
                {
                    "facts": json.dumps(facts),
                    "step": done,
                    "seconds": seconds,
                    "model": model.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "log": lines,
                },
                partial,
            )
            partial.replace(checkpoint)
            (out / LOG_NAME).write_text("".join(f"{line}\n" for line in lines))
    bar.close()
    return model.eval()


def _apart_from_budget(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name not in ("minutes", "steps")}


def _start_codebooks(
    model: DacModel, sounds: Sequence[SoundFile], config: CodecTrainingConfig, device: str
) -> None:
    frames = config.crop_samples // math.prod(config.ratios)
    count = -(-2 * config.codebook_size // frames)
    crops = draw_crops(sounds, count, config.crop_samples, config.sample_rate, config.seed, 0)
    chance = torch.Generator().manual_seed(config.seed)
    fit_codebooks(model, torch.from_numpy(crops).to(device)[:, None], chance)


def _progress(config: CodecTrainingConfig, step: int, seconds: float) -> float:
    by_steps = step / config.steps if config.steps > 0 else 0.0
    by_time = seconds / 60 / config.minutes if config.minutes > 0 else 0.0
    return max(by_steps, by_time)


def _rate(progress: float, step: int, warmup_steps: int) -> float:
    warm = min(1.0, step / max(1, warmup_steps))
    return warm * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * min(progress, 1.0))))


def train_step(
    model: DacModel,
    optimiser: torch.optim.Optimizer,
    sounds: Sequence[SoundFile],
    config: CodecTrainingConfig,
    step: int,
    device: str = "cpu",
) -> dict[str, float]:
    """One step, counted from 1; what chance decides in it depends on the seed and the step alone.

    Returns:
        The parts of the loss: ``mel``, ``wave``, ``quantizer``.

    Raises:
        ValueError: the loss is no finite number.
    """
    torch.manual_seed(config.seed * 1_000_003 + step)
    crops = draw_crops(
        sounds, config.crops, config.crop_samples, config.sample_rate, config.seed, step
    )
    heard = torch.from_numpy(crops).to(device)
    half = config.bfloat16 and has_bf16(heard.device)
    with torch.autocast(heard.device.type, torch.bfloat16, enabled=half):
        made = model(heard[:, None])
    said = made.audio_values.float()
    mel = mel_distance(said, heard, config.sample_rate)
    wave = wave_distance(said, heard)
    quantizer = made.loss.float().mean()
    loss = config.mel_weight * mel + config.wave_weight * wave + quantizer
    if not torch.isfinite(loss):
        raise ValueError(
            f"step {step}: the loss is {float(loss.detach())}; the rate of"
            f" {config.learning_rate:g} is likely too high. The last checkpoint is from before"
        )
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
    optimiser.step()
    return {name: float(part.detach()) for name, part in
            (("mel", mel), ("wave", wave), ("quantizer", quantizer))}  # fmt: skip


@torch.no_grad()
def measure_codec(model: DacModel, sounds: Sequence[SoundFile]) -> dict[str, float]:
    """How well the middle of each song comes back, and how the codebooks are used.

    Returns:
        Means over songs: ``mel`` (see `saberlm.finetune.codec_loss.mel_distance`), ``si_sdr`` in
        dB, ``wave``; over codebooks: ``used``, the share of entries that occur, and
        ``perplexity``, the exponential of the entropy of how often; ``encode_speed`` in seconds
        of sound a second of processor time, which a busy machine changes less than the clock.
    """
    model.eval()
    rate = int(model.config.sampling_rate)
    size = int(MEASURED_SECONDS * rate)
    rows, codes, spent = [], [], 0.0
    for sound in tqdm(sounds, desc="measure", unit="song"):
        start = max(0.0, (sound.seconds - MEASURED_SECONDS) / 2)
        heard = torch.from_numpy(read_crop(sound, start, size, rate))[None]
        began = time.process_time()
        latents = model.encoder(heard[:, None])
        spent += time.process_time() - began
        quantized, found, *_ = model.quantizer(latents)
        said = model.decode(quantized).audio_values[:, :size]
        said = nn.functional.pad(said, (0, size - said.shape[1]))
        rows.append(
            (
                float(mel_distance(said, heard, rate)),
                float(si_sdr(said, heard)),
                float(wave_distance(said, heard)),
            )
        )
        codes.append(found[0])
    mel, sdr, wave = np.mean(rows, axis=0).tolist()
    used, perplexity = code_use(torch.cat(codes, dim=1), int(model.config.codebook_size))
    return {
        "songs": len(sounds),
        "mel": mel,
        "si_sdr": sdr,
        "wave": wave,
        "used": used,
        "perplexity": perplexity,
        "encode_speed": len(sounds) * MEASURED_SECONDS / spent,
    }


def code_use(codes: Tensor, codebook_size: int) -> tuple[float, float]:
    """Share of entries that occur and perplexity, means over codebooks; codes ``(K, F)``."""
    used, perplexity = [], []
    for row in codes:
        share = torch.bincount(row, minlength=codebook_size).double() / row.numel()
        used.append(float((share > 0).double().mean()))
        entropy = -(share[share > 0] * share[share > 0].log()).sum()
        perplexity.append(float(entropy.exp()))
    return float(np.mean(used)), float(np.mean(perplexity))


def run_codec(
    sources: Sequence[MapSource], out: Path, config: CodecTrainingConfig, *, device: str = "cpu"
) -> dict[str, float]:
    """Train on the train songs of maps, measure on the valid ones, save in half
    precision.

    Args:
        sources: maps with songs, see `saberlm.finetune.sources.find_sources`.
        out: gets ``final/`` (a `DacModel` folder), ``report.json``, the log and the checkpoint.
        config: settings.
        device: ``cpu`` or ``cuda``.

    Returns:
        The measures of `measure_codec` on the valid split; none where it is empty.

    Raises:
        ValueError: no songs that read, or what `train_codec` refuses.
    """
    sounds = find_sounds([s for s in sources if s.split == "train"], config.crop_seconds)
    model = train_codec(sounds, config, out, device=device).cpu()
    final = out / "final"
    model.half().save_pretrained(final)
    (final / FACTS_NAME).write_text(json.dumps(asdict(config), indent=1) + "\n")
    valid = [s for s in sources if s.split == "valid"]
    report: dict[str, float] = {}
    if valid:
        # measured as it is shipped
        report = measure_codec(
            DacModel.from_pretrained(final, dtype=torch.float32), find_sounds(valid, 1.0)
        )
    else:
        _log.warning("no valid songs: the codec is not measured")
    partial = out / (REPORT_NAME + ".partial")
    partial.write_text(json.dumps(report, indent=1) + "\n")
    partial.replace(out / REPORT_NAME)
    return report
