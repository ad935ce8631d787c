"""Two human maps of one recording and difficulty: the one that players liked better wins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np

from saberlm.finetune.preferences import (
    COMPLETION_BARS,
    PreferencePair,
    bars_of,
    candidates,
    make_pair,
    num_notes,
    played,
)
from saberlm.finetune.quality import Quality, clear_gap
from saberlm.finetune.same_audio import SameRecording, same_recordings
from saberlm.finetune.shards import DifficultyStream, SongShard
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.retempo import move_beats
from saberlm.prompts.tokens import decode

SOURCE = "humans"
LEAST_GAP = 0.04
"""Of quality (`saberlm.finetune.quality`), and the votes must be sure of it."""
LIKE_RATE = (0.8, 1.25)
"""Notes a second of the one against the other: else the pair is about how many."""
MAX_DRIFT_SECONDS = 0.02
STEP_BEATS = 0.25
"""Two grids of one recording may lie this, or a multiple, apart."""


def human_pairs(
    songs: Sequence[SongShard],
    quality: Mapping[str, Quality],
    *,
    windows: int,
    random: Random,
    counts: Counter[str],
) -> list[PreferencePair]:
    """Pairs of all maps that share a recording and a difficulty, and whose gap is clear.

    Args:
        songs: of one split.
        quality: by the song's key; maps without are left out.
        windows: pairs of two maps, at most.
        random: decides where.
        counts: what became of songs that share a recording is counted here.
    """
    out: list[PreferencePair] = []
    for same in same_recordings(songs):
        one, other = songs[same.first], songs[same.second]
        counts["two songs of one recording"] += 1
        if one.key not in quality or other.key not in quality:
            counts["of them without votes"] += 1
            continue
        if quality[one.key] < quality[other.key]:
            same = SameRecording(same.second, same.first, -same.lag_seconds, same.correlation)
            one, other = other, one
        gap = clear_gap(quality[one.key], quality[other.key], LEAST_GAP)
        if gap is None:
            counts["of them without a clear gap"] += 1
            continue
        for better in one.difficulties:
            for worse in other.difficulties:
                if _comparable(better, worse):
                    out += _pairs(one, better, other, worse, same, gap, windows, random)
    return out


def _comparable(better: DifficultyStream, worse: DifficultyStream) -> bool:
    rates = better.conditions.nps, worse.conditions.nps
    if better.conditions.difficulty != worse.conditions.difficulty or None in rates:
        return False
    return LIKE_RATE[0] <= float(rates[1] or 0) / max(float(rates[0] or 0), 1e-9) <= LIKE_RATE[1]


def _pairs(
    one: SongShard,
    better: DifficultyStream,
    other: SongShard,
    worse: DifficultyStream,
    same: SameRecording,
    gap: float,
    windows: int,
    random: Random,
) -> list[PreferencePair]:
    moved = on_grid_of(one, other, worse, same.lag_seconds)
    if moved is None:
        return []
    # nothing before: the two maps come from different bars
    places = candidates(one, better, prefix_bars=0, num_bars=COMPLETION_BARS)
    random.shuffle(places)
    out: list[PreferencePair] = []
    for at in places:
        rejected = moved[at.split_bar : at.end_bar]
        few = num_notes(rejected) < 0.5 * num_notes(at.human)
        if few or len(rejected) < COMPLETION_BARS or played(rejected) is None:
            continue
        out.append(
            make_pair(
                at,
                at.human,
                rejected,
                source=SOURCE,
                kind=f"{one.key} over {other.key}",
                score_gap=gap,
                when=True,
            )
        )
        if len(out) >= windows:
            break
    return out


def on_grid_of(
    one: SongShard, other: SongShard, stream: DifficultyStream, lag_seconds: float
) -> list[list[int]] | None:
    """A map of another song of the same recording, in bars of this one.

    Args:
        one: the song whose bars are wanted.
        other: the song that the map is of.
        stream: the map.
        lag_seconds: by how much the other's sound comes later.

    Returns:
        Tokens of every bar; None where the two grids do not agree to `MAX_DRIFT_SECONDS`.
    """
    ratio = one.bpm / other.bpm
    shift = (other.offset_seconds - lag_seconds - one.offset_seconds) * one.bpm / 60
    steps = round(shift / STEP_BEATS) * STEP_BEATS
    beats = one.num_bars * v.BEATS_PER_SEGMENT
    ends = np.array([0.0, beats])
    drift = np.abs((ends * ratio + shift - ends - steps) * 60 / one.bpm)
    if drift.max() > MAX_DRIFT_SECONDS:
        return None
    beatmap = decode([bar.tolist() for bar in stream.bars])[0]
    late = move_beats(beatmap, lambda beat: beat + steps)
    return bars_of(_within(late, beats), one.num_bars)


def _within(beatmap: Beatmap, beats: float) -> Beatmap:
    """What begins and ends between beat 0 and ``beats``."""

    def kept(items: tuple) -> tuple:  # type: ignore[type-arg]
        ends = ((item, getattr(item, "tail_beat", item.beat)) for item in items)
        return tuple(item for item, end in ends if item.beat >= 0 and end < beats - 0.02)

    names = ("color_notes", "bombs", "obstacles", "arcs", "chains", "lights", "boosts")
    inside: dict[str, Any] = {name: kept(getattr(beatmap, name)) for name in names}
    return replace(beatmap, **inside)
