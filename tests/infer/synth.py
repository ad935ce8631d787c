"""Synthesised drum tracks for the tests of this folder."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RATE = 22050


def drums(
    bpm: float, offset: float, *, seconds: float = 40.0, rate: int = RATE, seed: int = 0
) -> npt.NDArray[np.float32]:
    """Kick and snare in turn, a bar's first kick louder, hats on eighths, from ``offset`` on."""
    chance = np.random.default_rng(seed)
    out = np.zeros(int((seconds + 1) * rate), np.float32)
    time = np.arange(int(0.15 * rate)) / rate
    kick = np.sin(2 * np.pi * (60 * time - np.exp(-40 * time) * 2)) * np.exp(-25 * time)
    snare = 0.4 * chance.standard_normal(len(time)) * np.exp(-40 * time)
    hat = 0.2 * chance.standard_normal(len(time)) * np.exp(-200 * time)
    beat = 60 / bpm
    for number in range(int((seconds - offset) / beat)):
        hit = kick * (1.3 if number % 4 == 0 else 1.0) if number % 2 == 0 else snare
        for start, sound in ((0.0, hit), (0.0, hat), (0.5, hat)):
            place = round((offset + (number + start) * beat) * rate)
            out[place : place + len(sound)] += sound
    return 0.5 * out[: int(seconds * rate)] / np.abs(out).max()


def bars(
    bpm: float, beats_a_bar: int, *, offset: float = 0.3, seconds: float = 40.0
) -> npt.NDArray[np.float32]:
    """A kick on each bar's first beat, snares on the others, hats on eighths, a little noise."""
    chance = np.random.default_rng(0)
    out = 0.002 * chance.standard_normal(int((seconds + 1) * RATE))
    time = np.arange(int(0.12 * RATE)) / RATE
    for number in range(int((seconds - offset) * bpm / 60)):
        snare = 0.35 * chance.standard_normal(len(time)) * np.exp(-45 * time)
        kick = np.sin(2 * np.pi * 60 * time) * np.exp(-20 * time)
        hat = 0.15 * chance.standard_normal(len(time)) * np.exp(-150 * time)
        for start, sound in ((0.0, snare if number % beats_a_bar else kick), (0, hat), (0.5, hat)):
            place = round((offset + (number + start) * 60 / bpm) * RATE)
            out[place : place + len(sound)] += sound
    return out[: int(seconds * RATE)].astype(np.float32)


def clicks(bpm: float, offset: float, seconds: float) -> npt.NDArray[np.float32]:
    """A metronome that starts at ``offset``, and nothing else."""
    out = np.zeros(int((seconds + 1) * RATE), np.float32)
    time = np.arange(int(0.03 * RATE)) / RATE
    click = np.sin(2 * np.pi * 1500 * time) * np.exp(-150 * time)
    for start in np.arange(offset, seconds, 60 / bpm):
        out[round(start * RATE) : round(start * RATE) + len(click)] += click
    return out[: int(seconds * RATE)]
