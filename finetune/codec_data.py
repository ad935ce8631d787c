"""Sound for a codec's training: crops read from the middle of song files, none decoded whole.

What a step hears depends on its number and the seed alone, so a stopped run goes on to the same
losses. Knows nothing of notes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr

from saberlm.finetune.sources import MapSource

SUFFIXES = (".ogg", ".egg", ".wav", ".flac", ".mp3")
GAINS = (0.5, 1.2)  # of a crop, drawn evenly
QUIET = 1e-3  # mean amplitude below which a crop is drawn again, -60 dBFS
TRIES = 4

_log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SoundFile:
    """A song file as libsndfile sees it."""

    path: Path
    sample_rate: int
    frames: int

    @property
    def seconds(self) -> float:
        """Length."""
        return self.frames / self.sample_rate


def find_sounds(sources: Sequence[MapSource], least_seconds: float) -> list[SoundFile]:
    """The song files of the sources that can be read in the middle; the others are counted.

    Raises:
        ValueError: none of them can.
    """
    found, left_out = [], 0
    for source in sources:
        path = source.audio
        if path is None and source.level.is_dir():
            inside = (p for p in sorted(source.level.iterdir()) if p.suffix.lower() in SUFFIXES)
            path = next(inside, None)
        try:
            info = sf.info(path) if path is not None else None
        except (sf.SoundFileError, OSError):
            info = None
        if path is None or info is None or info.frames < least_seconds * info.samplerate:
            left_out += 1
            continue
        found.append(SoundFile(path, int(info.samplerate), int(info.frames)))
    if left_out:
        _log.warning("%d songs without a sound file that reads (or in zips): left out", left_out)
    if not found:
        raise ValueError(
            f"expected songs with sound files, found none that read among {len(sources)}:"
            " likely a folder of zips (unpack them) or of maps without sound"
        )
    return found


def read_crop(sound: SoundFile, start_seconds: float, num_samples: int, rate: int) -> Floats:
    """``num_samples`` mono samples at ``rate`` from a time of the song, zeros after its end."""
    wanted = -(-num_samples * sound.sample_rate // rate) + 16
    with sf.SoundFile(sound.path) as file:
        file.seek(min(max(0, round(start_seconds * sound.sample_rate)), sound.frames - 1))
        samples = file.read(wanted, dtype="float32", always_2d=True).mean(axis=1)
    samples = soxr.resample(samples, sound.sample_rate, rate)[:num_samples]
    return np.pad(samples, (0, num_samples - len(samples))).astype(np.float32)


def draw_crops(
    sounds: Sequence[SoundFile], count: int, num_samples: int, rate: int, seed: int, step: int
) -> Floats:
    """A batch of crops ``(count, num_samples)``; songs are drawn by their length.

    Args:
        sounds: at least one.
        count: crops.
        num_samples: of each, at ``rate``.
        rate: samples a second.
        seed: of the run.
        step: whose batch it is.
    """
    rng = np.random.default_rng([seed, step])
    seconds = np.array([sound.seconds for sound in sounds])
    out = np.zeros((count, num_samples), np.float32)
    for row in out:
        for _ in range(TRIES):
            sound = sounds[int(rng.choice(len(sounds), p=seconds / seconds.sum()))]
            start = rng.uniform(0, max(0.0, sound.seconds - num_samples / rate))
            try:
                row[:] = read_crop(sound, start, num_samples, rate)
            except sf.SoundFileError:  # damaged in the middle: another place may do
                continue
            if np.abs(row).mean() > QUIET:
                break
        row *= rng.uniform(*GAINS)
    return out
