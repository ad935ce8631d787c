"""One run of supervised fine-tuning: its settings, and the model that it begins with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from transformers import AutoConfig
from trl import SFTConfig

from saberlm.adapter.bases import is_on_base
from saberlm.adapter.configuration_saber import SaberAudioConfig, SaberConfig
from saberlm.adapter.loading import model_folder
from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.adapter.on_base import load_trained, lora_of
from saberlm.finetune.lessons import DEFAULT_TASKS, check_tasks
from saberlm.finetune.lora import LoraSettings, model_for_pack, model_with_lora
from saberlm.finetune.tower import TOWER_NAME
from saberlm.prompts import vocab as v

HEARING = ("interleaved", "ticks", "none")


@dataclass(frozen=True)
class RunConfig:
    """One run, read from YAML beside TRL's own `SFTConfig` (unknown keys fail).

    Sizes are of the decoder; ``minutes`` and ``warmup_minutes`` are budgets of wall time, 0 for
    none. With ``decoder`` the decoder is a pre-trained one with LoRA and the sizes are its own.
    """

    data_dir: str = "cache/nano"
    more_data: list[str] = field(default_factory=list)  # datasets whose train split joins
    # how the decoder hears: "interleaved" (places for each bar's sound in the sequence), "ticks"
    # (a frozen tower's latent joins what is said at a tick), "none" (the maps alone)
    audio: str = "interleaved"
    base_model: str | None = None  # a saberlm model folder to go on from; None begins anew
    decoder: str | None = None  # a base by name (saberlm.adapter.bases): smollm2, llama-3.2-1b, ...
    decoder_folder: str | None = None  # where the base lies, if not in its place
    lora_rank: int = 32
    lora_alpha: int = 32
    lora_dropout: float = 0.05
    quantize: str = "none"  # nf4 holds the base in 4 bits
    # nothing but a LoRA in base_model's decoder learns, on maps alone (saberlm.finetune.train_pack)
    lora_alone: bool = False
    # a saberlm model (name or folder), or a folder of warm_tower's, whose tower to start with
    tower_from: str | None = None
    minutes: float = 60.0
    slice_minutes: float = 0.0  # stop this call then, with a checkpoint to resume from; 0 for never
    warmup_minutes: float = 15.0
    warmup_learning_rate: float = 1.5e-3
    window_bars: int = 8
    field_dropout: float = 0.15
    # chances of the context tasks, see saberlm.finetune.lessons; {} for none
    context_tasks: dict[str, float] = field(default_factory=lambda: dict(DEFAULT_TASKS))
    onset_weight: float = 0.5
    tower_rate: float = 0.1  # the warm tower's learning rate as a share of the decoder's
    hidden_size: int = 320
    intermediate_size: int = 960
    num_hidden_layers: int = 6
    num_attention_heads: int = 5
    num_key_value_heads: int = 1
    max_positions: int = 4096
    audio_hidden_size: int = 192
    audio_num_layers: int = 4
    audio_dropout: float = 0.1
    tick_latents: bool = True  # what a tick sounds like joins the tokens said at it
    # with audio: ticks, only the road from a tick's sound to its tokens learns, anew from nothing
    freeze_decoder: bool = False
    frontend: str = "logmel"
    frontend_path: str | None = None  # of the codec when frontend is dac
    resampler: str = "perceiver"
    valid_windows: int = 64
    rate_warmup_steps: int = 100
    threads: int = 0  # torch threads, 0 for its own choice

    def __post_init__(self) -> None:
        """Check what would only fail hours later."""
        if self.window_bars < 1 or not 0 <= self.field_dropout < 1:
            raise ValueError(
                f"window_bars must be positive and field_dropout in [0, 1),"
                f" found {self.window_bars}"
                f" and {self.field_dropout}"
            )
        if self.audio not in HEARING:
            raise ValueError(f"audio must be one of {', '.join(HEARING)}, found {self.audio!r}")
        if self.freeze_decoder and (self.audio != "ticks" or not self.base_model):
            raise ValueError(
                "freeze_decoder: expected audio: ticks and a base_model whose decoder stays, found"
                f" audio: {self.audio} and base_model: {self.base_model}"
            )
        if self.lora_alone and (self.audio != "none" or not self.base_model):
            raise ValueError(
                "lora_alone: expected audio: none and a base_model whose weights stay, found"
                f" audio: {self.audio} and base_model: {self.base_model}"
            )
        check_tasks(self.context_tasks)
        self.lora()
        if self.decoder and self.base_model and not self.on_base:
            raise ValueError(
                "expected decoder (a new model on a base) or base_model (one to go on from), found"
                f" both, and no LoRA in the latter: {self.decoder} and {self.base_model}"
            )

    @property
    def on_base(self) -> bool:
        """Whether the decoder is a pre-trained one with LoRA, new or to go on from."""
        if self.lora_alone:
            return False
        return is_on_base(Path(self.base_model)) if self.base_model else self.decoder is not None

    @property
    def road(self) -> bool:
        """Whether the model has the road from a tick's sound to its tokens."""
        return self.tick_latents and self.audio != "none"

    def lora(self) -> LoraSettings:
        """The settings of the LoRA, checked."""
        return LoraSettings(self.lora_rank, self.lora_alpha, self.lora_dropout, self.quantize)


def new_config(run: RunConfig, num_features: int = 120) -> SaberConfig:
    """The model's configuration for a run from scratch: a small Llama over the map vocabulary, a
    tower for frames of so many features."""
    text = AutoConfig.for_model(
        "llama",
        vocab_size=-(-v.VOCAB_SIZE // 64) * 64,
        hidden_size=run.hidden_size,
        intermediate_size=run.intermediate_size,
        num_hidden_layers=run.num_hidden_layers,
        num_attention_heads=run.num_attention_heads,
        num_key_value_heads=run.num_key_value_heads,
        head_dim=run.hidden_size // run.num_attention_heads,
        max_position_embeddings=run.max_positions,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=v.END_MAP,
        pad_token_id=v.PAD,
    )
    audio = (
        SaberConfig.from_pretrained(model_folder(run.tower_from)).audio_config
        if run.tower_from and not (Path(run.tower_from) / TOWER_NAME).exists()
        else SaberAudioConfig(
            frontend=run.frontend,
            frontend_path=run.frontend_path,
            num_features=num_features,
            resampler=run.resampler,
            hidden_size=run.audio_hidden_size,
            num_hidden_layers=run.audio_num_layers,
            dropout=run.audio_dropout,
        )
    )
    return SaberConfig(
        audio_config=audio,
        text_config=text,
        audio_token_id=v.AUDIO,
        sketch_token_id=v.SKETCH,
        tick_latents=run.road,
        position_token_id=v.OFFSETS["position"],
        segment_token_id=v.SEG,
        end_segment_token_id=v.END_SEG,
        vocab_fingerprint=v.fingerprint(),
        context_segments=run.window_bars,
    )


def base_model(folder: str, *, tick_latents: bool) -> SaberForConditionalGeneration:
    """A trained model to go on from, in float32.

    Args:
        folder: of the model.
        tick_latents: with that road or without. In a model which has none it starts with zeros, so
            the model begins as it was.
    """
    config = SaberConfig.from_pretrained(folder)
    opened = tick_latents and not config.tick_latents
    config.tick_latents = tick_latents
    model = SaberForConditionalGeneration.from_pretrained(
        folder, config=config, dtype=torch.float32
    )
    if opened:
        torch.nn.init.zeros_(model.model.projector.tick.weight)
    return model


def make_model(
    run: RunConfig, args: SFTConfig, num_features: int = 120
) -> SaberForConditionalGeneration:
    """The model that a run begins with: from scratch, from one to go on from, or on a base."""
    if run.base_model and run.lora_alone:
        return model_for_pack(run.base_model, run.lora())
    if run.base_model and not run.on_base:
        folder = str(model_folder(run.base_model))
        return base_model(folder, tick_latents=run.road)
    if not run.on_base:
        return SaberForConditionalGeneration(new_config(run, num_features))
    lora, config, name = run.lora(), new_config(run, num_features), run.decoder
    if run.base_model:
        config = SaberConfig.from_pretrained(run.base_model)
        name = str((config.decoder_base or {})["name"])
        rank, alpha = lora_of(Path(run.base_model))
        lora = replace(lora, rank=rank, alpha=alpha)
    assert name is not None
    model = model_with_lora(
        config,
        name,
        Path(run.decoder_folder) if run.decoder_folder else None,
        lora,
        use_cpu=bool(args.use_cpu),
        local_rank=args.local_process_index,
        dtype=torch.bfloat16 if args.bf16 else torch.float32,
    )
    if run.base_model:
        load_trained(model, Path(run.base_model))
    return model
