"""A song to maps: load, find the grid, encode once, decode every difficulty in one batch, turn
tokens into beatmaps."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from saberlm.adapter.audio import load_audio
from saberlm.adapter.frontend import FrontEnd
from saberlm.adapter.loading import LoadedModel
from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.adapter.processing_saber import BEATS_PER_BAR, SaberFeatureExtractor
from saberlm.infer.density import DensityControl
from saberlm.infer.engine import Engine, GeneratedMap, MapRequest, SongEncoding
from saberlm.infer.sampling import SamplingParams
from saberlm.prompts.beatmap import DIFFICULTIES, Beatmap
from saberlm.prompts.header import Conditions, onset_conditions
from saberlm.prompts.tempo import fold_bpm
from saberlm.prompts.tokens import decode

DEFAULT_NPS = {"Easy": 1.6, "Normal": 2.2, "Hard": 3.0, "Expert": 4.2, "ExpertPlus": 5.6}
"""Median notes/s of the training maps, used when neither the user nor the model's calibration
says."""
NOTES_PER_ONSET = {"Easy": 1.15, "Normal": 1.2, "Hard": 1.3, "Expert": 1.35, "ExpertPlus": 1.35}
TAIL_SECONDS = 2.0
"""No object in the last seconds: an outro (ScoreSaber asks for over 2 s)."""


@dataclass(frozen=True)
class Song:
    """Audio on its grid.

    Beat 0 falls at ``offset_seconds``; ``bar_zero_seconds`` starts the model's first bar, a
    downbeat not after 0 s. The model hears
    the octave of the tempo that lies in 95-190 (`grid_bpm`), as it was trained to.
    """

    samples: np.ndarray
    sample_rate: int
    bpm: float
    offset_seconds: float

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / self.sample_rate

    @property
    def grid_bpm(self) -> float:
        """The octave of ``bpm`` in 95-190."""
        return fold_bpm(self.bpm)

    @property
    def first_beat(self) -> int:
        """The grid beat, counted from ``offset_seconds``, that starts the model's bar 0: whole
        bars before beat 0, down to the song's start."""
        bar = BEATS_PER_BAR * 60 / self.grid_bpm
        return -BEATS_PER_BAR * int(np.ceil(max(0.0, self.offset_seconds) / bar - 1e-9)) + (
            BEATS_PER_BAR * int(np.floor(max(0.0, -self.offset_seconds) / bar + 1e-9))
        )

    @property
    def bar_zero_seconds(self) -> float:
        """Time of the model's bar 0."""
        return self.offset_seconds + self.first_beat * 60 / self.grid_bpm


@dataclass
class MappedSong:
    """Beatmaps by difficulty, in beats from the song's beat 0 (they may begin before it), and how
    it went."""

    beatmaps: dict[str, Beatmap]
    counts: dict[str, Counter[str]]
    seconds: dict[str, float] = field(default_factory=dict)


def read_song(path: Path, frontend: FrontEnd, bpm: float, offset_seconds: float) -> Song:
    """Decode a song at the front end's rate and put it on a grid."""
    samples = load_audio(path, frontend.sample_rate)[0]
    return Song(samples, frontend.sample_rate, bpm, offset_seconds)


@torch.no_grad()
def encode_song(
    model: SaberForConditionalGeneration, frontend: FrontEnd, song: Song
) -> SongEncoding:
    """One pass of the tower over the whole song."""
    device = next(model.parameters()).device
    features = SaberFeatureExtractor()(
        song.samples,
        bpm=song.grid_bpm,
        offset_seconds=song.bar_zero_seconds,
        margin_bars=1,
        front=frontend,
    )
    bars = int(features["audio_num_bars"][0])
    out = model.model.get_audio_features(
        features["audio_features"].to(device),
        features["audio_num_bars"].to(device),
        features["sketch_features"].to(device),
        features["audio_num_bars"].to(device),
        torch.zeros(1, dtype=torch.long, device=device),
        1,
        return_dict=True,
    )
    flat = out.pooler_output
    return SongEncoding(out.last_hidden_state[0], flat[bars:], flat[:bars], bars)


@torch.no_grad()
def onset_logits(
    model: SaberForConditionalGeneration, song: SongEncoding, conditions: np.ndarray
) -> torch.Tensor:
    """The onset head's logits for one difficulty, ``(T, 2)``."""
    latents = song.latents[None]
    mask = torch.ones(latents.shape[:2], dtype=torch.bool, device=latents.device)
    row = torch.from_numpy(conditions)[None].to(latents.device)
    return model.model.audio_tower.onsets(latents, mask, row)[0]


def completed(
    model: SaberForConditionalGeneration, song: Song, conditions: Conditions
) -> Conditions:
    """Conditions with the grid's tempo and, where nobody said, the difficulty's usual notes/s."""
    usual = (model.config.calibration or {}).get("median_nps", DEFAULT_NPS)
    nps = usual[conditions.difficulty or "Expert"] if conditions.nps is None else conditions.nps
    return replace(conditions, bpm=song.grid_bpm, nps=nps)


def make_request(
    model: SaberForConditionalGeneration,
    encoding: SongEncoding,
    song: Song,
    conditions: Conditions,
    seed: int,
) -> MapRequest:
    """A row for the engine, silent where the song has not begun or is about to end."""
    calibration = model.config.calibration or {}
    logits = onset_logits(model, encoding, onset_conditions(conditions)).float().clone()
    ticks = torch.arange(len(logits), device=logits.device)
    seconds = song.bar_zero_seconds + ticks * 60 / song.grid_bpm / 48
    quiet = (seconds < 0) | (seconds > song.seconds - TAIL_SECONDS)
    logits[quiet] = -30.0
    density = None
    if conditions.nps is not None:
        per_onset = calibration.get("notes_per_onset", NOTES_PER_ONSET)[
            conditions.difficulty or "Expert"
        ]
        density = DensityControl(
            logits[:, 0].cpu(),
            playable_seconds(logits[:, 0], song.grid_bpm),
            conditions.nps,
            per_onset,
        )
    return MapRequest(encoding, conditions, logits, seed, density)


def playable_seconds(note_logits: torch.Tensor, bpm: float) -> float:
    """Seconds from where the head first expects notes to where it last does, judged over bars."""
    per_bar = torch.sigmoid(note_logits).view(-1, 192).sum(1)
    busy = torch.nonzero(per_bar > 0.25 * per_bar.median().clamp(min=0.5))[:, 0]
    bars = int(busy[-1] - busy[0]) + 1 if len(busy) else 1
    return bars * BEATS_PER_BAR * 60 / bpm


def map_song(
    loaded: LoadedModel,
    song: Song,
    asked: Sequence[Conditions],
    params: SamplingParams,
    *,
    progress: Callable[[int], None] | None = None,
    timings: dict[str, float] | None = None,
) -> MappedSong:
    """Make every asked difficulty of a song.

    Args:
        loaded: model and front end.
        song: on its grid.
        asked: one set of conditions a difficulty; an unknown notes/s becomes the difficulty's
            usual one.
        params: sampling; ``params.seed`` and the difficulty's place seed each row.
        progress: called with bars finished.
        timings: ``encode`` and ``decode`` seconds are put here.

    Returns:
        Beatmaps in beats counted from ``song.offset_seconds``.
    """
    timings = {} if timings is None else timings
    started = time.perf_counter()
    encoding = encode_song(loaded.model, loaded.frontend, song)
    requests = []
    for conditions in asked:
        name = conditions.difficulty or "Expert"
        complete = completed(loaded.model, song, conditions)
        seed = params.seed * 10 + DIFFICULTIES.index(name)
        requests.append(make_request(loaded.model, encoding, song, complete, seed))
    timings["encode"] = time.perf_counter() - started
    started = time.perf_counter()
    made = Engine(loaded.model).generate(requests, params, progress)
    timings["decode"] = time.perf_counter() - started
    out = MappedSong({}, {}, timings)
    for conditions, generated in zip(asked, made, strict=True):
        name = conditions.difficulty or "Expert"
        out.beatmaps[name], out.counts[name] = to_beatmap(generated, song)
    return out


def to_beatmap(generated: GeneratedMap, song: Song) -> tuple[Beatmap, Counter[str]]:
    """Tokens to objects in beats from the song's beat 0; what sounds before second 0 is dropped
    and counted."""
    beatmap, counts = decode(generated.bars)
    counts.update(generated.counts)
    shift = song.first_beat
    scale = song.bpm / song.grid_bpm  # a power of two: exact
    earliest = -song.offset_seconds * song.grid_bpm / 60
    end = (song.seconds - song.offset_seconds) * song.grid_bpm / 60

    def moved(items: tuple, name: str) -> tuple:  # type: ignore[type-arg]
        out = []
        for item in items:
            beat = item.beat + shift
            last = getattr(item, "tail_beat", item.beat) + shift
            if beat < earliest - 1e-6 or last > end:
                counts[f"dropped: {name} outside the song"] += 1
                continue
            changed = {"beat": beat * scale}
            if hasattr(item, "tail_beat"):
                changed["tail_beat"] = last * scale
            if hasattr(item, "duration"):
                room = max(1 / 48, math.floor((end - beat) * 48) / 48)
                counts["shortened: wall past the song's end"] += item.duration > room
                changed["duration"] = min(item.duration, room) * scale
            out.append(replace(item, **changed))
        return tuple(out)

    return (
        Beatmap(
            color_notes=moved(beatmap.color_notes, "note"),
            bombs=moved(beatmap.bombs, "bomb"),
            obstacles=moved(beatmap.obstacles, "wall"),
            arcs=moved(beatmap.arcs, "arc"),
            chains=moved(beatmap.chains, "chain"),
            lights=moved(beatmap.lights, "light"),
            boosts=moved(beatmap.boosts, "boost"),
        ),
        +counts,
    )
