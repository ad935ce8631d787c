"""A song to maps: load, find the grid, encode once, decode every difficulty in one batch, turn
tokens into beatmaps."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from saberlm.adapter.audio import load_audio
from saberlm.adapter.frontend import FrontEnd
from saberlm.adapter.song_features import BEATS_PER_BAR, SongFeatures, song_features
from saberlm.infer.density import DEFAULT_NPS, DensityControl
from saberlm.infer.engine import GeneratedMap, MapRequest, SongEncoding
from saberlm.infer.rhythm import joined_with_alike
from saberlm.infer.tempo_estimate import TempoEstimate
from saberlm.infer.tempo_pieces import events_of
from saberlm.prompts.beatmap import DIFFICULTIES, Beatmap, BpmEvent
from saberlm.prompts.header import Conditions, onset_conditions
from saberlm.prompts.tempo import TempoMap, fold_bpm
from saberlm.prompts.tokens import decode

if TYPE_CHECKING:
    from saberlm.adapter.modeling_saber import SaberForConditionalGeneration

NOTES_PER_ONSET = {"Easy": 1.15, "Normal": 1.2, "Hard": 1.3, "Expert": 1.35, "ExpertPlus": 1.35}
TAIL_SECONDS = 2.0
"""No object in the last seconds: an outro (ScoreSaber asks for over 2 s)."""


@dataclass(frozen=True)
class Song:
    """Audio on its grid.

    Beat 0 falls at ``offset_seconds``; ``bar_zero_seconds`` starts the model's first bar, a
    downbeat not after 0 s. The model hears the octave in which the usual tempo lies in 95-190, as
    it was trained to: *grid* beats are beats of that octave, one power of two for the whole song.

    Args:
        samples: mono, ``(T,)``.
        sample_rate: samples a second.
        bpm: the tempo, or the first one.
        offset_seconds: song time of beat 0.
        bpm_events: changes of tempo, in beats from beat 0; none before the song's second 0.
    """

    samples: np.ndarray
    sample_rate: int
    bpm: float
    offset_seconds: float
    bpm_events: tuple[BpmEvent, ...] = ()

    @classmethod
    def on_estimate(cls, samples: np.ndarray, sample_rate: int, estimate: TempoEstimate) -> Song:
        """Audio on the grid that was found for it."""
        return cls(samples, sample_rate, estimate.bpm, estimate.offset_seconds, events_of(estimate))

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / self.sample_rate

    @cached_property
    def tempo(self) -> TempoMap:
        """Beats to seconds, both from beat 0."""
        return TempoMap(self.bpm, self.bpm_events)

    @cached_property
    def usual_bpm(self) -> float:
        """The tempo that most of the song has."""
        return self.tempo.usual_bpm(self.seconds - self.offset_seconds)

    @property
    def grid_bpm(self) -> float:
        """The octave of the usual tempo in 95-190."""
        return fold_bpm(self.usual_bpm)

    @property
    def octave(self) -> float:
        """Grid beats a beat: a power of two."""
        return self.grid_bpm / self.usual_bpm

    @cached_property
    def bar_tempo(self) -> TempoMap:
        """Grid beats to seconds, both from the model's bar 0."""
        octave, first = self.octave, self.first_beat
        events = (
            BpmEvent(event.beat * octave - first, event.bpm * octave) for event in self.bpm_events
        )
        return TempoMap(self.bpm * octave, tuple(events))

    @property
    def first_beat(self) -> int:
        """The grid beat, counted from ``offset_seconds``, that starts the model's bar 0: whole
        bars before beat 0, down to the song's start."""
        bar = BEATS_PER_BAR * 60 / (self.bpm * self.octave)
        return -BEATS_PER_BAR * int(np.ceil(max(0.0, self.offset_seconds) / bar - 1e-9)) + (
            BEATS_PER_BAR * int(np.floor(max(0.0, -self.offset_seconds) / bar + 1e-9))
        )

    @property
    def bar_zero_seconds(self) -> float:
        """Time of the model's bar 0."""
        return self.offset_seconds + self.first_beat * 60 / (self.bpm * self.octave)

    def seconds_of(self, beats: np.ndarray) -> np.ndarray:
        """Song time in seconds of grid beats from the model's bar 0."""
        return self.bar_zero_seconds + self.bar_tempo.to_seconds(beats)

    def grid_beat_at(self, seconds: float) -> float:
        """Grid beats from beat 0 at a song time."""
        return self.tempo.to_beats(seconds - self.offset_seconds) * self.octave

    @property
    def num_bars(self) -> int:
        """Bars of the model until the song's end."""
        beats = self.bar_tempo.to_beats(self.seconds - self.bar_zero_seconds)
        return max(1, math.ceil(beats / BEATS_PER_BAR))


def read_song(
    path: Path,
    frontend: FrontEnd,
    bpm: float,
    offset_seconds: float,
    bpm_events: tuple[BpmEvent, ...] = (),
) -> Song:
    """Decode a song at the front end's rate and put it on a grid."""
    samples = load_audio(path, frontend.sample_rate)[0]
    return Song(samples, frontend.sample_rate, bpm, offset_seconds, bpm_events)


@torch.no_grad()
def encode_song(
    model: SaberForConditionalGeneration, frontend: FrontEnd, song: Song
) -> SongEncoding:
    """One pass of the tower over the whole song."""
    grid: dict[str, Any] = {"bpm": song.grid_bpm, "offset_seconds": song.bar_zero_seconds}
    if song.bpm_events:
        grid = {"seconds_of": song.seconds_of}
    return encode_features(model, song_features(song.samples, frontend, **grid, margin_bars=1))


@torch.no_grad()
def encode_features(model: SaberForConditionalGeneration, song: SongFeatures) -> SongEncoding:
    """One pass of the tower over a whole song's features, made with a bar either side."""
    device = next(model.parameters()).device
    bars = song.num_bars
    num_bars = torch.tensor([bars], device=device)
    latents, embeds = model.model.embed_audio(
        song.audio[None].to(device),
        num_bars,
        song.sketch[None].to(device),
        num_bars,
        torch.zeros(1, dtype=torch.long, device=device),
        audio_margin_bars=1,
    )
    return SongEncoding(latents[0], embeds[bars:], embeds[:bars], bars)


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
    """Conditions with the grid's tempo, the usual one, and where nobody said the difficulty's usual
    notes/s."""
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
    heard = joined_with_alike(logits[:, 0].cpu().numpy(), encoding.latents.float().cpu().numpy())
    logits[:, 0] = torch.from_numpy(heard).to(logits)
    seconds = _tick_seconds(song, len(logits))
    quiet = (seconds < 0) | (seconds > song.seconds - TAIL_SECONDS)
    logits[quiet.to(logits.device)] = -30.0
    density = None
    if conditions.nps is not None:
        per_onset = calibration.get("notes_per_onset", NOTES_PER_ONSET)[
            conditions.difficulty or "Expert"
        ]
        density = DensityControl(
            logits[:, 0].cpu(),
            playable_seconds(logits[:, 0], song),
            conditions.nps,
            per_onset,
        )
    own = {
        "cut_shares": calibration.get("cut_shares", {}),
        "shifts": calibration.get("shifts", {}),
        "tastes": (conditions.difficulty or "Expert") not in calibration.get("mapper_taste", ()),
    }
    return MapRequest(encoding, conditions, logits, seed, density, **own)


def seed_of(seed: int, conditions: Conditions) -> int:
    """A difficulty's own seed, from the song's."""
    return seed * 10 + DIFFICULTIES.index(conditions.difficulty or "Expert")


def _tick_seconds(song: Song, num_ticks: int) -> torch.Tensor:
    """Song time of the model's ticks, in single precision as ever."""
    if song.bpm_events:
        return torch.from_numpy(song.seconds_of(np.arange(num_ticks) / 48)).float()
    return song.bar_zero_seconds + torch.arange(num_ticks) * 60 / song.grid_bpm / 48


def playable_seconds(note_logits: torch.Tensor, song: Song) -> float:
    """Seconds from where the head first expects notes to where it last does, judged over bars."""
    per_bar = torch.sigmoid(note_logits).view(-1, 192).sum(1)
    busy = torch.nonzero(per_bar > 0.25 * per_bar.median().clamp(min=0.5))[:, 0]
    first, last = (int(busy[0]), int(busy[-1])) if len(busy) else (0, 0)
    if not song.bpm_events:  # without the rounding that a difference of times brings
        return (last - first + 1) * BEATS_PER_BAR * 60 / song.grid_bpm
    start, end = song.seconds_of(np.array([first, last + 1.0]) * BEATS_PER_BAR)
    return float(end - start)


def to_beatmap(generated: GeneratedMap, song: Song) -> tuple[Beatmap, Counter[str]]:
    """Tokens to objects in beats from the song's beat 0; what sounds before second 0 is dropped
    and counted."""
    beatmap, counts = decode(generated.bars)
    counts.update(generated.counts)
    shift = song.first_beat
    scale = 1 / song.octave  # a power of two: exact
    earliest, end = song.grid_beat_at(0.0), song.grid_beat_at(song.seconds)

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
            bpm_events=song.bpm_events,
        ),
        +counts,
    )
