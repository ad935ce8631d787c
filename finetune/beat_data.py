"""What the beat network learns from: log-mel features of songs beside the grids of their maps.

The grids are those of `saberlm.finetune.tempo_truth`, their tempi folded into 95-190 BPM. Features
are made once and kept in a folder. Crops are drawn at other speeds, levels and colours of sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from saberlm.adapter.audio import load_audio
from saberlm.finetune.tempo_truth import TrueTempo
from saberlm.infer.beat_features import FORMAT, FPS, NUM_BANDS, beat_features
from saberlm.infer.onsets import RATE
from saberlm.prompts.grid import FittedGrid
from saberlm.prompts.tempo import MAX_GRID_BPM, MIN_GRID_BPM

BEATS_A_BAR = 4
MARGIN_BEATS = 8  # before the first and after the last note that the grid is still believed
STATED_BAR = 0.04
"""Share of the notes by which a map's other beats of four must outdo its stated first beat.

The fitted grid keeps the stated bar unless the notes speak strongly against it, yet a network
taught these bars found them in 18 of 45 unseen songs, and the bars of this rule in 29: many maps
were never laid on bars."""
REACH_FRAMES = 2.5  # frames from a beat from which on a target is 0

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class BeatSong:
    """A song and its grid.

    Attributes:
        key: its name.
        features: (F, M) float16, see `saberlm.infer.beat_features`.
        bpm: tempo of the grid, 95-190.
        offset_seconds: song time of a downbeat, by `first_beat_of_bar`.
        first_seconds: song time of the first note.
        last_seconds: song time of the last note.
    """

    key: str
    features: npt.NDArray[np.float16]
    bpm: float
    offset_seconds: float
    first_seconds: float
    last_seconds: float

    @property
    def believed(self) -> tuple[float, float]:
        """The part of the song, in seconds, in which the grid is taken for true."""
        margin = MARGIN_BEATS * 60 / self.bpm
        return self.first_seconds - margin, self.last_seconds + margin


@dataclass(frozen=True)
class Augmentation:
    """How crops differ from the songs they are cut from; all drawn evenly."""

    speed: float = 0.15  # the tempo changes up to this share, staying within 95-190 BPM
    gain_db: float = 9.0  # louder or softer up to this
    colour_db: float = 6.0  # bands louder or softer up to this, smoothly over frequency
    band_masks: int = 2  # stretches of bands silenced, at most
    mask_bands: int = 10  # their width at most
    time_mask_share: float = 0.3  # crops of which a stretch of time is silenced
    time_mask_seconds: float = 1.0  # its length at most


def first_beat_of_bar(note_seconds: npt.NDArray[np.float64], grid: FittedGrid) -> int:
    """Which beat of four of the fitted grid likely begins its bars, 0-3: the one with most of the
    notes on beats, `STATED_BAR` in favour of the grid's own, 0."""
    beats = (note_seconds - grid.offset_seconds) * grid.bpm / 60
    whole = np.round(beats)
    near = np.abs(beats - whole) < 1 / 48
    counts = np.bincount(whole[near].astype(int) % BEATS_A_BAR, minlength=BEATS_A_BAR)
    share = counts / max(1, counts.sum())
    share[0] += STATED_BAR
    return int(share.argmax())


def load_songs(truths: Sequence[TrueTempo], cache: Path) -> list[BeatSong]:
    """Songs with their features, made where the cache lacks them.

    Args:
        truths: the songs; each one's sound is read once.
        cache: folder of the features; a run that was stopped goes on where it was.

    Raises:
        ValueError: a song's sound cannot be read.
    """
    cache.mkdir(parents=True, exist_ok=True)
    songs = []
    for truth in tqdm(truths, unit="song", desc="beat features"):
        path = cache / f"{truth.key}.v{FORMAT}.npy"
        if not path.exists():
            features = beat_features(load_audio(truth.audio, RATE), RATE).astype(np.float16)
            partial = path.with_suffix(".partial")
            with partial.open("wb") as file:
                np.save(file, features)
            partial.replace(path)
        grid = truth.grid
        bar = first_beat_of_bar(truth.note_seconds, grid)
        songs.append(
            BeatSong(
                truth.key,
                np.load(path),
                grid.bpm,
                grid.offset_seconds + bar * 60 / grid.bpm,
                truth.first_seconds,
                truth.last_seconds,
            )
        )
    return songs


def targets(seconds: npt.NDArray[np.float64], song: BeatSong, frame_seconds: float) -> Floats:
    """Targets (F, 2) of beat and downbeat for frames that speak of ``seconds`` (F,).

    1 on a beat, half as much for each frame's length away from it (.5, .25), then 0. Beats between
    two frames keep their place: .71 on both sides of one in the middle.
    """
    beats = (seconds - song.offset_seconds) * song.bpm / 60
    out = np.empty((len(seconds), 2), np.float32)
    for column, step in enumerate((1, BEATS_A_BAR)):
        apart = np.abs(beats - np.round(beats / step) * step) * 60 / song.bpm / frame_seconds
        out[:, column] = np.where(apart < REACH_FRAMES, 0.5**apart, 0.0)
    return out


@dataclass(frozen=True)
class BeatBatch:
    """Crops: features (B, F, M), targets (B, F, 2), and where these are believed, (B, F), 0 or
    1."""

    features: Floats
    targets: Floats
    weight: Floats


def draw_batch(
    songs: Sequence[BeatSong],
    count: int,
    frames: int,
    rng: np.random.Generator,
    augmentation: Augmentation,
) -> BeatBatch:
    """Draw crops of songs, each song as likely as another, changed as ``augmentation`` says.

    Args:
        songs: to draw from.
        count: crops, B.
        frames: their length, F; parts of a crop beyond its song are silent and not believed.
        rng: the source of chance.
        augmentation: how they are changed.
    """
    features = np.zeros((count, frames, NUM_BANDS), np.float32)
    wanted = np.zeros((count, frames, 2), np.float32)
    weight = np.zeros((count, frames), np.float32)
    for row, index in enumerate(rng.integers(len(songs), size=count)):
        song = songs[index]
        slow = max(1 - augmentation.speed, min(1.0, MIN_GRID_BPM / song.bpm))
        fast = min(1 + augmentation.speed, max(1.0, MAX_GRID_BPM / song.bpm))
        step = rng.uniform(slow, fast)  # of the song's frames to a frame of the crop
        low, high = (second * FPS for second in song.believed)
        first = rng.uniform(low, max(low, high - frames * step))
        place = first + step * np.arange(frames)
        inside = (place >= 0) & (place <= len(song.features) - 1)
        features[row, inside] = _colour(_at(song.features, place[inside]), rng, augmentation)
        wanted[row] = targets(place / FPS, song, step / FPS)
        weight[row] = inside & (place >= low) & (place <= high)
        _mask(features[row], rng, augmentation)
    return BeatBatch(features, wanted, weight)


def _at(features: npt.NDArray[np.float16], place: npt.NDArray[np.float64]) -> Floats:
    """Features at places between frames, linearly."""
    low = np.minimum(place.astype(np.int64), max(0, len(features) - 2))
    upper = (place - low).astype(np.float32)[:, None]
    high = np.minimum(low + 1, len(features) - 1)
    out: Floats = features[low] * (1 - upper) + features[high] * upper
    return out


def _colour(features: Floats, rng: np.random.Generator, augmentation: Augmentation) -> Floats:
    """The features of the same sound at another level, and through a smooth filter."""
    knots = rng.uniform(-augmentation.colour_db, augmentation.colour_db, 5)
    curve = np.interp(np.linspace(0, 4, NUM_BANDS), np.arange(5), knots)
    curve += rng.uniform(-augmentation.gain_db, augmentation.gain_db)
    out: Floats = np.log1p(np.expm1(features) * (10 ** (curve / 20)).astype(np.float32))
    return out


def _mask(features: Floats, rng: np.random.Generator, augmentation: Augmentation) -> None:
    """Silence bands and a stretch of time, in place (as SpecAugment does)."""
    for _ in range(rng.integers(augmentation.band_masks + 1)):
        width = rng.integers(augmentation.mask_bands + 1)
        start = rng.integers(NUM_BANDS - width + 1)
        features[:, start : start + width] = 0
    if rng.random() < augmentation.time_mask_share:
        length = int(rng.uniform(0, augmentation.time_mask_seconds) * FPS)
        first = int(rng.integers(max(1, len(features) - length)))
        features[first : first + length] = 0
