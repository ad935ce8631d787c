"""The one tempo of a whole level, and the tempo file that goes with it.

Versions 2.2 and 4 count every difficulty of a level in the same beats; version 3 does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from saberlm.prompts.audio_data import AudioData
from saberlm.prompts.beatmap import Beatmap, BpmEvent, Difficulty, LevelInfo
from saberlm.prompts.errors import LevelError
from saberlm.prompts.retempo import SAME_SECONDS, tempo_gap, with_tempo
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.tempo_files import audio_data_of, bpm_events_of

DEFAULT_FREQUENCY = 44_100
"""Hz, where nothing says how the song was sampled."""
OUTRO_SECONDS = 2.0
"""What a song of unknown length is taken to go on for after the last object."""
MAX_SECONDS = 1e6
"""No song is longer; what says so is damaged."""
TEMPO_TOLERANCE = 0.01
"""Seconds by which a tempo file may place a beat elsewhere than the difficulties do."""
SAME_SAMPLES = 2
"""As many samples, or fewer, are the rounding of a tempo file's regions."""


def changes_tempo(info: LevelInfo, difficulties: Sequence[Difficulty]) -> bool:
    """Says whether a difficulty leaves the level's tempo, to which version 2.2 holds all."""
    return any(
        event.bpm != info.bpm
        for difficulty in difficulties
        for event in difficulty.beatmap.bpm_events
    )


def in_one_tempo(
    beatmap: Beatmap, bpm: float, events: tuple[BpmEvent, ...], lost: Counter[str]
) -> Beatmap:
    """Returns a difficulty with these tempo events, its beats moved where they are not its own.

    Args:
        beatmap: The difficulty.
        bpm: The level's base tempo.
        events: The tempo of all difficulties.
        lost: Counts a difficulty that had another, and events that no tempo file repeats.
    """
    repeated = _num_repeated(bpm, beatmap.bpm_events)
    lost.update({"tempo event that repeats the tempo in force": repeated} if repeated else {})
    end = max(1.0, _last_beat(beatmap))
    if tempo_gap(bpm, beatmap.bpm_events, events, end) <= SAME_SECONDS:
        return beatmap
    lost["difficulty with a tempo of its own: moved to the first difficulty's beats"] += 1
    return with_tempo(beatmap, bpm, events, lost)


def _num_repeated(bpm: float, events: Sequence[BpmEvent]) -> int:
    tempos = [bpm, *(event.bpm for event in sorted(events, key=lambda event: event.beat))]
    return sum(before == after for before, after in pairwise(tempos))


def audio_data_for(
    info: LevelInfo,
    difficulties: Sequence[Difficulty],
    audio: AudioData | None,
    events: tuple[BpmEvent, ...],
    lost: Counter[str],
) -> AudioData:
    """Returns the tempo file for these tempo events; a given one is kept where it says the same.

    Args:
        info: The level's base tempo, and the song's length where no file states it.
        difficulties: Whose last object ends a song of unknown length.
        audio: The level's tempo file, if it has one.
        events: The tempo of all difficulties.
        lost: Counts what the given file said otherwise, and a length that is a guess.

    Raises:
        LevelError: If an object is later than any song.
    """
    tempo = TempoMap(info.bpm, events)
    if audio is not None and has_length(audio):
        count, frequency = audio.sample_count, audio.frequency
        gap = _gap(info.bpm, audio, events, tempo.to_beats(count / frequency))
        if audio.regions and gap * frequency <= SAME_SAMPLES:
            return audio
        if audio.regions and gap > TEMPO_TOLERANCE:
            lost["tempo file replaced: its tempo was not that of the difficulties"] += 1
    else:
        seconds = info.duration
        if not 0 < seconds <= MAX_SECONDS:
            seconds = OUTRO_SECONDS + max((_last_second(info, d) for d in difficulties), default=0)
            lost["song length estimated"] += 1
        if not seconds <= MAX_SECONDS:
            raise LevelError(
                f"expected a song of at most {MAX_SECONDS:g} s, found objects after it: likely a "
                "damaged level"
            )
        count, frequency = round(seconds * DEFAULT_FREQUENCY), DEFAULT_FREQUENCY
    end_beat = tempo.to_beats(count / frequency)
    made = audio_data_of(tempo, info.bpm, events, count, frequency, end_beat, lost)
    if audio is None:
        return made
    return replace(made, lufs=audio.lufs, checksum=audio.checksum)


def has_length(audio: AudioData) -> bool:
    """Says whether a tempo file states a length that a song can have."""
    return audio.frequency > 0 and 0 < audio.sample_count <= MAX_SECONDS * audio.frequency


def _last_second(info: LevelInfo, difficulty: Difficulty) -> float:
    tempo = TempoMap(info.bpm, difficulty.beatmap.bpm_events)
    return tempo.to_seconds(_last_beat(difficulty.beatmap))


def _gap(bpm: float, audio: AudioData, events: tuple[BpmEvent, ...], end: float) -> float:
    return tempo_gap(bpm, bpm_events_of(audio, bpm), events, end)


def _last_beat(beatmap: Beatmap) -> float:
    return max(
        (
            0.0,
            *(note.beat for note in beatmap.color_notes),
            *(bomb.beat for bomb in beatmap.bombs),
            *(wall.beat + max(wall.duration, 0.0) for wall in beatmap.obstacles),
            *(arc.tail_beat for arc in beatmap.arcs),
            *(chain.tail_beat for chain in beatmap.chains),
            *(light.beat for light in beatmap.lights),
            *(group.beat for group in beatmap.group_lights),
        )
    )
