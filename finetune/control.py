"""Makes the maps of a control run: a stretch of a held-out song, asked for this and for that.

The stretch is cut out and mapped as a song of its own, so that its notes a second are the ones that
were asked. It begins in the bar of the human's first note.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from saberlm.adapter.audio import load_audio
from saberlm.adapter.loading import LoadedModel
from saberlm.eval.control import ControlRow
from saberlm.eval.fit import notes_per_second
from saberlm.finetune.held_out import HeldOutSong
from saberlm.infer.amounts import asked_amounts, held_to
from saberlm.infer.engine import Engine
from saberlm.infer.lighting import generate_lit, make_passes
from saberlm.infer.pipeline import Song, completed, encode_song, to_beatmap
from saberlm.infer.sampling import SamplingParams
from saberlm.infer.style_words import wishes
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.descriptors import DESCRIPTORS, descriptor_values
from saberlm.prompts.header import Conditions
from saberlm.prompts.retempo import move_beats

BAR_BEATS = 4


@dataclass(frozen=True)
class ControlPlan:
    """What is tried on every song.

    Attributes:
        difficulty: Asked for throughout.
        nps: Notes a second asked for, each in a map of its own without a style.
        words: Style words, each asked for and avoided.
        scale: Of the guidance, tried beside none; 1 leaves guidance out.
        bars: Length of the stretch, four beats each.
        playability: As `saberlm.infer.sampling.SamplingParams` has it.
        seed: Of the sampling, the same for all maps of all songs.
    """

    difficulty: str
    nps: tuple[float, ...]
    words: tuple[str, ...]
    scale: float
    bars: int
    playability: str
    seed: int

    def __post_init__(self) -> None:
        """Refuse what cannot be tried.

        Raises:
            ValueError: a word that nothing measures, a rate or a length that means nothing.
        """
        known = [one.word for one in DESCRIPTORS]
        for word in self.words:
            if word not in known:
                raise ValueError(f"words: expected some of {', '.join(known)}, found {word!r}")
        if any(not (math.isfinite(rate) and rate > 0) for rate in self.nps):
            raise ValueError(f"notes a second: expected numbers above 0, found {self.nps}")
        if not self.nps and not self.words:
            raise ValueError("expected notes a second or words to ask for, found none of them")
        if self.bars < 4:
            raise ValueError(f"bars: expected 4 or more, found {self.bars}")


@dataclass(frozen=True)
class _Ask:
    """One map to make."""

    nps: float | None = None
    word: str | None = None
    avoided: str | None = None
    scale: float = 1.0


def stretch(samples: np.ndarray, rate: int, song: HeldOutSong, bars: int) -> Song:
    """The first bars with notes of a song, as a song that starts on a bar line.

    Args:
        samples: The whole song, mono, ``(T,)``.
        rate: Samples a second.
        song: For its grid and its human maps.
        bars: How many, or as many as there are.

    Raises:
        ValueError: the sound ends before the human's first note.
    """
    grid = song.grid
    bar_seconds = BAR_BEATS * 60 / grid.bpm
    beats = [note.beat for one in song.maps.values() for note in one.beatmap.color_notes]
    whole = math.ceil(-grid.offset_seconds / bar_seconds - 1e-9)  # the first bar inside the sound
    first = max(whole, math.floor(min(beats) / BAR_BEATS + 1e-6))
    start = round((grid.offset_seconds + first * bar_seconds) * rate)
    cut = samples[start : start + round(bars * bar_seconds * rate)]
    if len(cut) < bar_seconds * rate:
        raise ValueError(
            f"song {song.key}: expected sound from the human's first note on, found"
            f" {len(samples) / rate:.1f} s in all: likely another song's file"
        )
    return Song(cut, rate, grid.bpm, 0.0)


def control_rows(loaded: LoadedModel, song: HeldOutSong, plan: ControlPlan) -> list[ControlRow]:
    """All maps of a song, decoded side by side, measured.

    Raises:
        ValueError: the song's sound cannot be used.
    """
    rate = loaded.frontend.sample_rate
    with song.audio() as path:
        samples = load_audio(path, rate)[0]
    cut = stretch(samples, rate, song, plan.bars)
    encoding = encode_song(loaded.model, loaded.frontend, cut)
    asks = _asks(plan)
    lights = any(one.measure == "lights" for one in DESCRIPTORS if one.word in plan.words)
    passes, settings = [], []
    for ask in asks:
        wish = Conditions(plan.difficulty, nps=ask.nps, style=ask.word, lights=lights)
        params = SamplingParams(
            playability=plan.playability,
            cfg_scale=ask.scale,
            negative_style=ask.avoided,
            seed=plan.seed,
        )
        asked = completed(loaded.model, cut, wish)
        one = make_passes(loaded.model, encoding, cut, asked, plan.seed)
        amounts = asked_amounts(None, None, wishes(ask.word, ask.avoided))
        passes.append(replace(one, notes=held_to(one.notes, amounts)))
        settings.append(params)
    made = generate_lit(Engine(loaded.model), passes, settings)
    maps = [to_beatmap(made[i], cut)[0] for i in range(len(asks))]
    return [_row(song.key, ask, beatmap, cut) for ask, beatmap in zip(asks, maps, strict=True)]


def _asks(plan: ControlPlan) -> Sequence[_Ask]:
    asks = [_Ask(nps=rate) for rate in plan.nps]
    if not plan.words:
        return asks
    scales = [1.0] + ([plan.scale] if plan.scale != 1 else [])
    for scale in scales:
        asks.append(_Ask(scale=scale))
        asks += [_Ask(word=word, scale=scale) for word in plan.words]
        asks += [_Ask(avoided=word, scale=scale) for word in plan.words]
    return asks


def _row(song: str, ask: _Ask, beatmap: Beatmap, cut: Song) -> ControlRow:
    on_grid = move_beats(replace(beatmap, bpm_events=()), lambda beat: beat * cut.octave)
    return ControlRow(
        song,
        ask.nps,
        ask.word,
        ask.avoided,
        ask.scale,
        len(beatmap.color_notes),
        notes_per_second(beatmap, cut.tempo),
        descriptor_values(on_grid),
    )
