"""Augmentation of the sound that keeps the map true.

What changes is the sound (shifts, gain, tone, pitch, noise, a codec's artefacts, masks over time
and frequency), or sound and grid together (speed), or where the bars are said to begin. The notes
stay on their ticks throughout. `Augmentation` says what is done; its defaults are what nano's
tower learned with.

Features are grid frames in blocks of bands, those of the ``logmel`` front end by default; frames of
another width than their layout's are masked alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

import numpy as np

from saberlm.finetune.shards import SongShard
from saberlm.finetune.slices import NUM_FLUX, NUM_MELS, flux_of

JITTER_SECONDS = 0.006
_PITCH_STEPS = 40
"""Bands of the flux, and so two of the 80 log-mel ones: about a semitone each."""
_MOST_PITCH = 2
_FLOOR = float(np.log(1e-3))
"""What the ``logmel`` front end says of silence."""
_MOST_SPEED = 1.12
"""Times as fast or as slow; more, and what is said of the tempo leaves what songs have."""


@dataclass(frozen=True)
class Augmentation:
    """What may be done to a window's sound; each kind that is on happens by chance.

    ``jitter`` moves the sound by a few milliseconds against the grid, ``pitch`` up or down by up to
    two semitones; ``gain`` is loudness and tone (an equaliser of five broad bands); ``masks`` are
    SpecAugment's (Park et al. 2019); ``noise`` lays a steady noise under the song; ``codec`` is
    what a lossy codec leaves out or adds; ``speed`` plays song and grid faster or slower together;
    ``bar_phase`` begins the bars on another of the map's beats, as a found downbeat may.
    """

    jitter: bool = True
    pitch: bool = True
    gain: bool = True
    masks: bool = True
    noise: bool = False
    codec: bool = False
    speed: bool = False
    bar_phase: bool = False


NO_AUGMENTATION = Augmentation(jitter=False, pitch=False, gain=False, masks=False)


@dataclass(frozen=True)
class Bands:
    """A block of features by frequency, low to high.

    ``kind`` is ``level``, logarithms of amplitudes, or ``rise``, what these rise by, which loudness
    does not move.
    """

    kind: str
    count: int


LOGMEL = (Bands("level", NUM_MELS), Bands("rise", NUM_FLUX))


def jitter_seconds(random: Random) -> float:
    """A shift of the sound against the grid, Gaussian of 6 ms: mappers' timing is no better."""
    return random.gauss(0, JITTER_SECONDS)


def change_speed(song: SongShard, rate: float) -> SongShard:
    """The song and its grid played ``rate`` times as fast at the same pitch, its maps with it.

    Frames are read off at the new pace (and the flux of ``logmel`` made from them anew); the
    conditions' tempo and notes a second follow. On the grid of beats the sound stays where it was:
    what changes is how far one window of the front end reaches in beats, and what is said of the
    tempo.
    """
    if rate <= 0:
        raise ValueError(f"expected a rate above 0, found {rate}")
    frames = song.frames
    if song.has_audio:
        places = np.arange(int((len(frames) - 1) / rate) + 1) * rate
        low = np.minimum(places.astype(np.int64), len(frames) - 1)
        high = np.minimum(low + 1, len(frames) - 1)
        part = (places - low)[:, None].astype(np.float32)
        values = frames.astype(np.float32)
        read = values[low] * (1 - part) + values[high] * part
        if read.shape[1] == NUM_MELS + NUM_FLUX:
            read[:, NUM_MELS:] = flux_of(read[:, :NUM_MELS])
        frames = read
    streams = []
    for stream in song.difficulties:
        asked = stream.conditions
        moved = replace(
            asked,
            bpm=None if asked.bpm is None else asked.bpm * rate,
            nps=None if asked.nps is None else asked.nps * rate,
        )
        streams.append(replace(stream, conditions=moved))
    return replace(
        song,
        frames=frames,
        bpm=song.bpm * rate,
        offset_seconds=song.offset_seconds / rate,
        difficulties=tuple(streams),
    )


def draw_speed(random: Random) -> float:
    """A rate for `change_speed`, one half of the time, as likely fast as slow."""
    return _MOST_SPEED ** random.uniform(-1, 1) if random.random() < 0.5 else 1.0


def augment_features(
    features: np.ndarray,
    random: Random,
    kinds: Augmentation | None = None,
    layout: tuple[Bands, ...] = LOGMEL,
) -> np.ndarray:
    """A changed copy of grid frames ``(F, D)``.

    Args:
        features: see the module.
        random: decides what happens.
        kinds: what may happen; None for the defaults.
        layout: the blocks that the features are made of.
    """
    kinds = kinds or Augmentation()
    rng = np.random.default_rng(random.getrandbits(32))
    out = features.astype(np.float32)
    if sum(bands.count for bands in layout) != out.shape[1]:
        layout = ()
    blocks = _blocks(out, layout)
    if kinds.pitch and rng.random() < 0.5:
        pitch = int(rng.integers(-_MOST_PITCH, _MOST_PITCH + 1))
        for block, _ in blocks:
            block[:] = _moved(block, round(pitch * block.shape[1] / _PITCH_STEPS))
    if kinds.gain:
        _gain(blocks, rng)
    if kinds.noise and rng.random() < 0.5:
        _add_noise(blocks, rng)
    if kinds.codec and rng.random() < 0.5:
        _add_artefacts(blocks, rng)
    if kinds.masks:
        _mask(out, blocks, rng)
    return out


_Blocks = list[tuple[np.ndarray, str]]


def _blocks(features: np.ndarray, layout: tuple[Bands, ...]) -> _Blocks:
    """Views of the features' blocks, and their kinds."""
    ends = np.cumsum([bands.count for bands in layout])
    return [
        (features[:, end - bands.count : end], bands.kind)
        for bands, end in zip(layout, ends, strict=True)
    ]


def _moved(bands: np.ndarray, count: int) -> np.ndarray:
    """Bands ``(F, D)`` moved up by ``count``, the outermost repeated: the song at another pitch."""
    places = np.clip(np.arange(bands.shape[1]) - count, 0, bands.shape[1] - 1)
    return bands[:, places]


def _gain(blocks: _Blocks, rng: np.random.Generator) -> None:
    knots, gain, rise = rng.normal(0, 0.4, 5), rng.normal(0, 0.5), np.exp(rng.normal(0, 0.15))
    for block, kind in blocks:
        if kind == "rise":
            block *= rise
        else:
            places = np.linspace(0, len(knots) - 1, block.shape[1])
            block += np.interp(places, np.arange(len(knots)), knots) + gain


def _add_noise(blocks: _Blocks, rng: np.random.Generator) -> None:
    """A steady noise of some colour, 10 to 40 dB below the song's mean. Its power adds to the
    song's; what rises out of it rises by less."""
    decibels, tilt = rng.uniform(10, 40), rng.normal(0, 0.5)
    share = None  # of the power that is the song's, by cell and band
    for block, kind in blocks:
        count = block.shape[1]
        if kind == "level":
            level = block.mean() - decibels * np.log(10) / 20
            noise = level + tilt * np.linspace(-1, 1, count) + rng.normal(0, 0.2, block.shape)
            mixed = np.logaddexp(2 * block, 2 * noise) / 2
            share = np.exp(2 * (block - mixed))
            block[:] = mixed
        elif share is not None:
            block *= share[:, np.arange(count) * share.shape[1] // count]


def _add_artefacts(blocks: _Blocks, rng: np.random.Generator) -> None:
    """What Vorbis at 50 kbit/s and MP3 at 40 did to songs of the training split, roughly: errors
    that grow with how far a band lies below the loudest (measured .07 to .38 a frame, half of that
    in a cell of four), and in some files no high bands."""
    strength = rng.uniform(0.5, 1.5)
    edge = rng.uniform(0.75, 1.0) if rng.random() < 0.5 else 1.0
    for block, kind in blocks:
        first_lost = round(edge * block.shape[1])
        if kind == "rise":
            block += strength * rng.normal(0, 0.08, block.shape) * (block > 0)
            np.maximum(block, 0, out=block)
            block[:, first_lost:] = 0
        else:
            below = block.max(1, keepdims=True) - block
            block += strength * rng.normal(0, 1, block.shape) * np.clip(0.05 * below, 0.03, 0.2)
            lost = block[:, first_lost:]
            np.minimum(lost, np.maximum(lost - 3, _FLOOR), out=lost)


def _mask(features: np.ndarray, blocks: _Blocks, rng: np.random.Generator) -> None:
    frames, width = features.shape
    quiet = features.mean(0)
    columns = np.arange(width)
    for _ in range(int(rng.integers(0, 3))):
        low, share = rng.integers(0, 35) / _PITCH_STEPS, rng.integers(1, 7) / _PITCH_STEPS
        end = 0
        for size in [block.shape[1] for block, _ in blocks] or [width]:
            start, end = end, end + size
            place = (columns - start) / size
            hit = (columns >= start) & (columns < end) & (place >= low) & (place < low + share)
            features[:, hit] = quiet[hit]
    for _ in range(int(rng.integers(0, 3))):
        start, span = int(rng.integers(0, frames)), int(rng.integers(2, 18))
        features[start : start + span] = quiet
