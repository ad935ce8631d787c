"""Silence in front of a song so that its beats fall on the level's grid and the player has time to
get ready.

A level counts beats from audio time 0 (``_songTimeOffset`` must be 0). A song's beat 0 may be
anywhere, so the audio is moved until it is a whole number of beats in, and the maps by as many
beats.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import soxr

from saberlm.adapter.audio import (
    FloatArray,
    audio_info,
    is_ogg_vorbis,
    load_audio,
    write_ogg_vorbis,
)
from saberlm.prompts.beatmap import Arc, Beatmap, Chain, LightEvent, Obstacle

LEAD_IN_SECONDS = 1.5  # ScoreSaber's, BeatLeader's and BS Map Check's least before the first object
TOLERANCE_SECONDS = (
    0.002  # a song whose beat 0 is this near to a whole beat needs no padding for it
)
MAX_RATE = 48_000  # Hz; higher ones are resampled
MIN_RATE = 8_000  # Hz, libvorbis' least

_log = logging.getLogger(__name__)
_T = TypeVar("_T", bound=Any)


@dataclass(frozen=True)
class Padding:
    """Silence in front of a song, and how far its maps move.

    Attributes:
        seconds: of silence.
        beat_shift: whole beats to add to every object; under 0 for a beat 0 before the song.
    """

    seconds: float
    beat_shift: int


def plan_padding(
    bpm: float,
    offset_seconds: float,
    first_object_beat: float | None = None,
    *,
    lead_in: float = LEAD_IN_SECONDS,
) -> Padding:
    """The least silence that puts beat 0 on a whole beat and the first object ``lead_in`` seconds
    in.

    Args:
        bpm: the level's tempo, or its first one: none changes before the song's second 0.
        offset_seconds: song time of the map's beat 0.
        first_object_beat: beat, counted at ``bpm``, of the first note, bomb, wall, arc or chain;
            None for maps without any.
        lead_in: seconds.
    """
    beat = 60 / bpm
    shift = math.ceil((offset_seconds - TOLERANCE_SECONDS) / beat)
    if first_object_beat is not None:
        shift = max(shift, math.ceil((lead_in - TOLERANCE_SECONDS) / beat - first_object_beat))
    seconds = shift * beat - offset_seconds
    return Padding(0.0 if seconds <= TOLERANCE_SECONDS else seconds, shift)


def first_object_beat(beatmap: Beatmap) -> float | None:
    """Beat of the first thing that flies at the player; None when there is nothing."""
    groups = (beatmap.color_notes, beatmap.bombs, beatmap.obstacles, beatmap.arcs, beatmap.chains)
    return min((thing.beat for group in groups for thing in group), default=None)


def shift_beatmap(beatmap: Beatmap, beats: int, *, end_beat: float = math.inf) -> Beatmap:
    """Every object ``beats`` later; what then begins before beat 0 or lies after ``end_beat`` is
    left out.

    Of lights and boosts that would come before beat 0, the last of each kind is kept, at beat 0.
    Walls end by ``end_beat``.
    """
    wholes: dict[str, tuple[Any, ...]] = {
        "color_notes": beatmap.color_notes,
        "bombs": beatmap.bombs,
    }
    tailed: dict[str, tuple[Any, ...]] = {"arcs": beatmap.arcs, "chains": beatmap.chains}
    shifted: dict[str, Any] = {
        name: tuple(
            t for t in (replace(o, beat=o.beat + beats) for o in group) if 0 <= t.beat <= end_beat
        )
        for name, group in wholes.items()
    }
    for name, group in tailed.items():
        moved: list[Arc | Chain] = [
            replace(o, beat=o.beat + beats, tail_beat=o.tail_beat + beats) for o in group
        ]
        shifted[name] = tuple(
            o
            for o in moved
            if min(o.beat, o.tail_beat) >= 0 and max(o.beat, o.tail_beat) <= end_beat
        )
    walls: list[Obstacle] = [replace(wall, beat=wall.beat + beats) for wall in beatmap.obstacles]
    shifted["obstacles"] = tuple(
        replace(wall, duration=min(wall.duration, end_beat - wall.beat))
        for wall in walls
        if 0 <= wall.beat < end_beat
    )
    shifted["lights"] = _shift_states(beatmap.lights, beats, end_beat)
    shifted["boosts"] = _shift_states(beatmap.boosts, beats, end_beat)
    shifted["bpm_events"] = _shift_states(beatmap.bpm_events, beats, end_beat)
    result = Beatmap(**shifted)
    lost = sum(len(getattr(beatmap, name)) - len(things) for name, things in shifted.items())
    if lost:
        _log.info("%d events outside the song left out", lost)
    return result


def _shift_states(events: tuple[_T, ...], beats: int, end_beat: float) -> tuple[_T, ...]:
    """Shifts what holds until the next of its kind: the last one before beat 0 moves to 0."""
    early: dict[int, Any] = {}
    later = []
    for event in events:
        moved = replace(event, beat=event.beat + beats)
        if moved.beat < 0:
            early[event.type if isinstance(event, LightEvent) else 0] = replace(moved, beat=0.0)
        elif moved.beat <= end_beat:
            later.append(moved)
    return (*sorted(early.values()), *later)


def prepare_audio(
    path: Path, padding_seconds: float, folder: Path, blocks: Sequence[FloatArray] | None = None
) -> Path:
    """The song as Ogg Vorbis with silence in front.

    Args:
        path: any sound file that ``saberlm.adapter.audio`` reads.
        padding_seconds: 0 or more.
        folder: where a new file goes, as ``song.egg``.
        blocks: the song as ``load_audio`` kept it, so that it is not decoded again.

    Returns:
        ``path`` itself when it is Ogg Vorbis and needs no padding; else the new file, with the
        song's channels (two at most) and rate (48 kHz at most). A song that only ffmpeg reads
        becomes mono.

    Raises:
        ValueError: no sound file, or a damaged one.
    """
    if padding_seconds == 0 and is_ogg_vorbis(path):
        return path
    if blocks is None:
        read: list[FloatArray] = []
        load_audio(path, MIN_RATE, keep=read)
        blocks = read
    own = audio_info(path).sample_rate
    rate = min(max(own, MIN_RATE), MAX_RATE)
    samples = np.concatenate(blocks)
    if rate != own:
        samples = soxr.resample(samples, own, rate)
    np.clip(samples, -1, 1, out=samples)
    silence = np.zeros((round(padding_seconds * rate), samples.shape[1]), np.float32)
    out = folder / "song.egg"
    write_ogg_vorbis(out, np.concatenate([silence, samples]).T, rate)
    return out
