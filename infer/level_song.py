"""A level's own song and the beats its notes stand on, for work on the level.

Many human maps do not stand on their own grid: a constant lies between their notes and beat 0
(`saberlm.prompts.grid`). The model's bars follow the notes; the level's own beats are counted from
the level's beat 0 and differ from the song's by a shift.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saberlm.adapter.audio import load_audio
from saberlm.infer.given import GROUPS, check_on_grid
from saberlm.infer.pipeline import Song
from saberlm.prompts.beatmap import Beatmap, BpmEvent, Difficulty, Level
from saberlm.prompts.errors import LevelError
from saberlm.prompts.grid import fit_grid
from saberlm.prompts.levelzip import LevelFiles
from saberlm.prompts.retempo import moved
from saberlm.prompts.tempo import fold_bpm

_DECIMALS = 6
"""Of the beats of what is made where they are not the song's own: a millionth of a beat."""


@dataclass(frozen=True)
class LevelSong:
    """A song on the beats of a level's notes: a level's beat minus ``shift`` is the song's."""

    song: Song
    shift: float

    def to_song(self, beatmap: Beatmap) -> Beatmap:
        """What tokens can say of a difficulty, in the song's beats; objects keep their places in
        their collections."""
        groups: dict[str, Any] = {
            name: tuple(map(self._to_song, getattr(beatmap, name))) for name in GROUPS
        }
        return Beatmap(**groups, bpm_events=beatmap.bpm_events)

    def to_level(self, item: Any) -> Any:
        """An object in the level's beats."""
        if not self.shift:
            return item
        return moved(item, lambda beat: round(beat + self.shift, _DECIMALS))

    def seconds(self, beat: float) -> float:
        """Song time of a level's beat."""
        return self.song.offset_seconds + float(self.song.tempo.to_seconds(beat - self.shift))

    def _to_song(self, item: Any) -> Any:
        return moved(item, lambda beat: beat - self.shift) if self.shift else item


def load_level_song(
    level: Level, files: LevelFiles, song: Path | None, rate: int
) -> npt.NDArray[np.float32]:
    """The samples of a level's song, ``(T,)``.

    Args:
        level: names it.
        files: hold it.
        song: another file of the same sound, where the level has none.
        rate: samples a second.

    Raises:
        LevelError: the level lacks it and none is given.
        ValueError: it cannot be used.
    """
    if song is not None:
        return load_audio(song, rate)[0]
    name = level.info.audio_filename
    if name not in files:
        raise LevelError(
            f"{files.path}: expected the song {name!r} in the level, found"
            f" {len(files.names())} other files: likely a level without its song; give the song's"
            " file, too"
        )
    with tempfile.TemporaryDirectory(prefix="saberlm-") as folder:
        path = Path(folder) / "song"
        path.write_bytes(files.read(name))
        try:
            return load_audio(path, rate)[0]
        except ValueError as error:
            said = str(error).replace(str(path), f"{files.path}: {name}")
            raise LevelError(said) from error


def level_song(
    samples: npt.NDArray[np.float32], rate: int, level: Level, difficulty: Difficulty
) -> LevelSong:
    """A song on the beats of one of its level's difficulties.

    Where the tempo changes, the level's beats are taken as they are. Else the phase is that of the
    notes of all difficulties of the same tempo, or where these disagree with it, of the
    difficulty's own.

    Raises:
        ValueError: the notes are on no grid of the level's tempo.
    """
    late = level.info.time_offset / 1000
    base, changes = _tempo(level.info.bpm, difficulty.beatmap.bpm_events)
    if changes:
        return LevelSong(Song(samples, rate, base, late, changes), 0.0)
    own = _note_beats([difficulty])
    same = [
        one
        for one in level.difficulties
        if one.characteristic == difficulty.characteristic
        and _tempo(level.info.bpm, one.beatmap.bpm_events) == (base, ())
    ]
    found: list[ValueError] = []
    for beats in (_note_beats(same), own):
        shift = 0.0
        if len(beats):
            shift = fit_grid(beats * 60 / base, base).offset_seconds * base / 60
        try:
            check_on_grid(list((own - shift) * fold_bpm(base) / base), fold_bpm(base))
        except ValueError as error:
            found.append(error)
            continue
        return LevelSong(Song(samples, rate, base, late + shift * 60 / base), shift)
    raise found[0]


def on_own_beats(level: Level, difficulty: Difficulty) -> tuple[Beatmap, float]:
    """A difficulty's notes counted from the beat they stand on, and the tempo of their beats; for a
    map that is followed on another song."""
    silent = level_song(np.zeros(1, np.float32), 1, level, difficulty)
    beatmap = replace(silent.to_song(difficulty.beatmap), bpm_events=())
    last = max((note.beat for note in beatmap.color_notes), default=0.0)
    tempo = silent.song.tempo
    return beatmap, tempo.usual_bpm(max(1.0, float(tempo.to_seconds(last))))


def _tempo(bpm: float, events: Sequence[BpmEvent]) -> tuple[float, tuple[BpmEvent, ...]]:
    """The tempo at beat 0, and the events after it that change it."""
    changes: list[BpmEvent] = []
    in_force = bpm
    for event in sorted(events, key=lambda event: event.beat):
        if event.beat <= 0:
            bpm = in_force = event.bpm
        elif event.bpm != in_force:
            in_force = event.bpm
            changes.append(BpmEvent(event.beat, event.bpm))
    return bpm, tuple(changes)


def _note_beats(difficulties: Sequence[Difficulty]) -> npt.NDArray[np.float64]:
    return np.array([note.beat for one in difficulties for note in one.beatmap.color_notes])
