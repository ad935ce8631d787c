"""Chroma colours for a light show: palettes that follow the song's energy and its sections.

The colours ride on the lights as custom data that players without the mod Chroma never see; which
lights come when, and how bright, stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from saberlm.prompts.beatmap import Beatmap, LightEvent
from saberlm.prompts.extra_fields import CUSTOM_DATA
from saberlm.prompts.tempo import TempoMap

if TYPE_CHECKING:
    from saberlm.infer.pipeline import Song

Pair = tuple[str, str]
"""Colours of what the game plays in the environment's left colour and in its right one."""

CHROMA = "Chroma"
SUGGESTION: Mapping[str, list[str]] = {"_suggestions": [CHROMA]}
"""A difficulty's custom data in Info.dat, without which the mod does nothing (v2 and v4 alike)."""
BLOCK_BEATS = 16
MAX_SECTION_BLOCKS = 4
RANGE = (0.1, 0.9)
"""Quantiles of the blocks' loudness between which a song's range lies."""
MIN_SPREAD_DECIBELS = 2.0
"""A song with a smaller range is taken for equally loud throughout."""
COLORED_TYPES = frozenset((0, 1, 2, 3, 4, 6, 7, 10, 11))
"""Event types that are lights (``beat-saber.md`` 2.5); the rest moves rings and lasers."""
_DIGITS = 3


@dataclass(frozen=True)
class Palette:
    """Colours by loudness: two pairs for each, which sections of one loudness take in turn, so that
    a second verse differs from the first; ``white`` stands in for the game's white."""

    quiet: tuple[Pair, Pair]
    middle: tuple[Pair, Pair]
    loud: tuple[Pair, Pair]
    white: str

    def pair(self, level: int, turn: int) -> Pair:
        """Colours of the ``turn``-th section (from 0) of a level 0-2."""
        return (self.quiet, self.middle, self.loud)[level][turn % 2]


PALETTES: Mapping[str, Palette] = {
    "aurora": Palette(
        (("#0b6e6e", "#1b3a8a"), ("#20506e", "#3b2a7a")),
        (("#12c2a0", "#3a6bff"), ("#2fd08a", "#7a4dff")),
        (("#2bff9e", "#a04dff"), ("#5dffd0", "#ff5de0")),
        "#dffcff",
    ),
    "candy": Palette(
        (("#8a2f5e", "#4a3f8c"), ("#7a3a7a", "#2f5e8a")),
        (("#f04f96", "#7470f0"), ("#f070b0", "#50b8f0")),
        (("#ff4fb4", "#5cf0ff"), ("#ffe04d", "#ff6be0")),
        "#fff0fa",
    ),
    "ember": Palette(
        (("#6e1a0b", "#5e3a12"), ("#5a1420", "#6e2c0b")),
        (("#e0451a", "#e08a1a"), ("#c82a3a", "#ff9a2f")),
        (("#ff2f12", "#ffb01f"), ("#ff5a1f", "#ffe04d")),
        "#fff1d6",
    ),
    "forest": Palette(
        (("#2c5e1a", "#0b5a4a"), ("#4a5e12", "#125a2c")),
        (("#62c832", "#1ab487"), ("#a0c832", "#2fae5a")),
        (("#9eff3d", "#1fffb4"), ("#e6ff4d", "#3dff7a")),
        "#f4ffe6",
    ),
    "neon": Palette(
        (("#7a0b6e", "#0b4a7a"), ("#4a0b8a", "#0b6e5e")),
        (("#e01ac8", "#1a9ae0"), ("#8a2fff", "#1ae0b4")),
        (("#ff1fd2", "#1ff4ff"), ("#b41fff", "#3dff5a")),
        "#f2f0ff",
    ),
    "ocean": Palette(
        (("#0b3a7a", "#0b5e6e"), ("#1a2f6e", "#0b6e62")),
        (("#1f6bff", "#1fc8e0"), ("#3a5aff", "#2fe0c0")),
        (("#2f8cff", "#3dfff0"), ("#5a7bff", "#b4fff4")),
        "#e6f7ff",
    ),
}


def check_palette(name: str) -> str:
    """The name itself.

    Raises:
        ValueError: no such palette.
    """
    if name not in PALETTES:
        raise ValueError(f"chroma (--chroma): expected {', '.join(PALETTES)}, found {name!r}")
    return name


@dataclass(frozen=True)
class Section:
    """A stretch of one loudness: its first beat, its level 0-2, and how many of that level came
    before it."""

    beat: float
    level: int
    turn: int


def sections_of(song: Song) -> list[Section]:
    """A song's sections, in its beats."""
    return sections(song.samples, song.sample_rate, song.tempo, -song.offset_seconds)


def sections(
    samples: npt.NDArray[np.float32], sample_rate: int, tempo: TempoMap, first_second: float = 0.0
) -> list[Section]:
    """A song's stretches of like loudness, in blocks of `BLOCK_BEATS`.

    Args:
        samples: the song, mono, ``(T,)``.
        sample_rate: in Hz.
        tempo: of the level.
        first_second: level time at which the song's samples begin.

    Returns:
        In order, the first at beat 0. The levels are thirds of the song's range in decibels; no
        section is longer than `MAX_SECTION_BLOCKS`.
    """
    end = tempo.to_beats(first_second + len(samples) / sample_rate)
    edges = BLOCK_BEATS * np.arange(math.ceil(max(end, 1) / BLOCK_BEATS) + 1, dtype=np.float64)
    at = np.clip((tempo.to_seconds(edges) - first_second) * sample_rate, 0, len(samples))
    places = at.astype(np.int64)
    power = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    mean = np.diff(power[places]) / np.maximum(np.diff(places), 1)
    decibels = 10 * np.log10(mean + 1e-9)
    low, high = np.quantile(decibels[np.diff(places) > 0], RANGE) if len(samples) else (0.0, 0.0)
    levels = np.digitize(decibels, [low + (high - low) / 3, high - (high - low) / 3]).tolist()
    if high - low < MIN_SPREAD_DECIBELS:
        levels = [1] * len(levels)
    found: list[Section] = []
    turns = [0, 0, 0]
    for level, run in groupby(range(len(levels)), key=levels.__getitem__):
        blocks = list(run)
        for first in blocks[::MAX_SECTION_BLOCKS]:
            found.append(Section(float(edges[first]), level, turns[level]))
            turns[level] += 1
    return found


def paint(beatmap: Beatmap, palette: str, parts: Sequence[Section]) -> Beatmap:
    """The map with a colour on each light that is not switched off.

    Raises:
        ValueError: no such palette.
    """
    colors = PALETTES[check_palette(palette)]
    starts = np.array([part.beat for part in parts])

    def painted(event: LightEvent) -> LightEvent:
        if event.type not in COLORED_TYPES or not 1 <= event.value <= 12:
            return event
        part = parts[max(int(np.searchsorted(starts, event.beat, "right")) - 1, 0)]
        left, right = colors.pair(part.level, part.turn)
        # 1-4 are in the right colour, 5-8 in the left one, 9-12 white
        color = (right, left, colors.white)[(event.value - 1) // 4]
        custom = {**((event.extra or {}).get(CUSTOM_DATA) or {}), "color": _rgb(color)}
        return replace(event, extra={**(event.extra or {}), CUSTOM_DATA: custom})

    return replace(beatmap, lights=tuple(map(painted, beatmap.lights)))


def _rgb(color: str) -> list[float]:
    return [round(int(color[i : i + 2], 16) / 255, _DIGITS) for i in (1, 3, 5)]
