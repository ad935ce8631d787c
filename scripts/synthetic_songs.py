"""Made-up band music on known beats: steady songs, tempo steps, drifts and free intros.

Drums, bass, chords and noise are played by the clock that the beats give, with a few milliseconds
of human spread; patterns, sounds, loudness and breaks follow the seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RATE = 22050
SPREAD_SECONDS = 0.002
"""Standard deviation of a player's timing."""
_PATTERNS = {  # beats of a bar
    "rock": ((0, 2, 2.5), (1, 3)),
    "four on the floor": ((0, 1, 2, 3), (1, 3)),
    "half time": ((0, 1.5), (2,)),
    "break": ((0, 0.75, 2.5), (1, 3, 3.75)),
}
_NOTES = (55.0, 65.41, 73.42, 82.41, 49.0)  # Hz

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SyntheticSong:
    """A song and its true beats.

    Attributes:
        name: what it is.
        samples: (T,) mono at ``RATE``.
        beats: (N,) times in seconds of all beats, the first one a downbeat.
        num_free: how many beats belong to an intro without a steady tempo.
    """

    name: str
    samples: npt.NDArray[np.float32]
    beats: Floats
    num_free: int = 0


def steady_song(seed: int, *, seconds: float = 90.0) -> SyntheticSong:
    """One tempo of 95-190 BPM: whole in three of four songs."""
    chance = np.random.default_rng(seed)
    bpm = float(chance.uniform(95, 190))
    bpm = round(bpm) if chance.random() < 0.75 else round(bpm, 2)
    return play(f"steady {bpm:g}", _until(seconds, lambda _: bpm, chance), seconds, seed)


def step_song(
    seed: int, *, seconds: float = 120.0, bpms: tuple[float, float] = (120.0, 132.0)
) -> SyntheticSong:
    """Two tempi; the second begins on a bar near the middle."""
    chance = np.random.default_rng(seed)
    bar = round(float(chance.uniform(0.4, 0.6)) * seconds * bpms[0] / 240)
    beats = _until(seconds, lambda beat: bpms[beat >= 4 * bar], chance)
    return play(f"step {bpms[0]:g} to {bpms[1]:g}", beats, seconds, seed)


def drift_song(
    seed: int, *, seconds: float = 120.0, bpm: float = 120.0, share: float = 0.03
) -> SyntheticSong:
    """A tempo that rises or falls steadily by a share of itself over the song."""
    chance = np.random.default_rng(seed)
    sign = 1 if chance.random() < 0.5 else -1
    last = seconds * bpm / 60
    beats = _until(seconds, lambda beat: bpm * (1 + sign * share * beat / last), chance)
    return play(f"drift of {sign * share:+.0%}", beats, seconds, seed)


def free_intro_song(
    seed: int, *, seconds: float = 90.0, bpm: float = 120.0, intro_seconds: float = 10.0
) -> SyntheticSong:
    """A free intro whose tempo wanders by 15 % either way, played on chords and a few drums, then
    one tempo."""
    chance = np.random.default_rng(seed)
    turns, depth = chance.uniform(0.6, 1.4), chance.uniform(0.10, 0.15)
    start = chance.uniform(0, 2 * np.pi)
    num = 4 * round(intro_seconds * bpm / 240)

    def tempo(beat: int) -> float:
        wave = np.sin(start + 2 * np.pi * turns * beat / num)
        return bpm * (1 + depth * wave) if beat < num else bpm

    return play("free intro", _until(seconds, tempo, chance), seconds, seed, num_free=num)


def _until(seconds: float, bpm_of: Callable[[int], float], chance: np.random.Generator) -> Floats:
    """Beat times from a chance start, each beat lasting as its tempo says."""
    times = [float(chance.uniform(0.05, 1.0))]
    while times[-1] < seconds:
        times.append(times[-1] + 60 / bpm_of(len(times) - 1))
    return np.array(times[:-1])


def play(
    name: str, beats: Floats, seconds: float, seed: int, *, num_free: int = 0
) -> SyntheticSong:
    """Music on the given beats, the first of which is a downbeat."""
    chance = np.random.default_rng([seed, 1])
    out = np.zeros(int((seconds + 2) * RATE), np.float32)
    kicks, snares = list(_PATTERNS.values())[chance.integers(len(_PATTERNS))]
    hat_step = (0.5, 0.25, 1.0)[chance.choice(3, p=(0.6, 0.25, 0.15))]
    levels = chance.uniform(0.3, 1.0, 5)
    sounds = {
        "kick": _kick(chance),
        "snare": _noise(chance, 0.15, 40),
        "hat": _noise(chance, 0.04, 200),
    }
    last = len(beats) - 1
    in_break = _break_bars(chance, last // 4)
    for bar in range(last // 4):
        quiet = bar in in_break
        free = 4 * bar < num_free
        hits = [("kick", b, 1.0) for b in kicks if not quiet]
        hits += [("snare", b, 1.0) for b in snares if not (quiet or free)]
        hits += [("hat", b, 0.5 if b % 1 else 0.8) for b in np.arange(0, 4, hat_step) if not quiet]
        for sound, place, loud in hits:
            level = levels[("kick", "snare", "hat").index(sound)] * loud
            _put(out, _at(beats, 4 * bar + place, chance), sounds[sound] * level)
        root = _NOTES[chance.integers(len(_NOTES))]
        for place in (0, 1, 2, 3) if free else (0, 1.5, 2, 3) if not quiet else (0, 2):
            start = _at(beats, 4 * bar + place, chance)
            _put(out, start, _tone((root,), 0.35, 6) * 0.5 * levels[3])
            if place in (0, 2) or free:
                chord = (4 * root, 5 * root, 6 * root)
                _put(out, start, _tone(chord, 0.8, 3) * 0.35 * levels[4])
    out += (chance.standard_normal(len(out)) * 10 ** chance.uniform(-4, -2.3)).astype(np.float32)
    samples = out[: int(seconds * RATE)]
    played = beats[: 4 * (last // 4) + 1]
    return SyntheticSong(name, 0.7 * samples / np.abs(samples).max(), played, num_free)


def _break_bars(chance: np.random.Generator, bars: int) -> set[int]:
    """Bars without drums: none, or four in a row after the first third."""
    if chance.random() < 0.5 or bars < 16:
        return set()
    start = int(chance.integers(bars // 3, bars - 6))
    return set(range(start, start + 4))


def _at(beats: Floats, place: float, chance: np.random.Generator) -> float:
    """Time of a place between beats, as a player hits it."""
    return float(
        np.interp(place, np.arange(len(beats)), beats) + SPREAD_SECONDS * chance.standard_normal()
    )


def _put(out: npt.NDArray[np.float32], start: float, sound: Floats) -> None:
    place = round(start * RATE)
    out[place : place + len(sound)] += sound[: max(0, len(out) - place)].astype(np.float32)


def _kick(chance: np.random.Generator) -> Floats:
    time = np.arange(int(0.2 * RATE)) / RATE
    sweep = 55 * time - np.exp(-40 * time) * chance.uniform(1, 3)
    return np.sin(2 * np.pi * sweep) * np.exp(-20 * time)


def _noise(chance: np.random.Generator, seconds: float, decay: float) -> Floats:
    time = np.arange(int(seconds * RATE)) / RATE
    return 0.4 * chance.standard_normal(len(time)) * np.exp(-decay * time)


def _tone(hertz: tuple[float, ...], seconds: float, decay: float) -> Floats:
    time = np.arange(int(seconds * RATE)) / RATE
    waves = np.sum([np.sin(2 * np.pi * h * k * time) / k for h in hertz for k in (1, 2, 3)], axis=0)
    return waves / len(hertz) * np.exp(-decay * time) * np.minimum(1, time / 0.005)
