"""``AudioData.dat`` (v4) and ``BPMInfo.dat`` (v1, v2), and their tempo as tempo events.

A region says which samples of the song make which beats, so a tempo is known only to the rounding
of a sample; `bpm_events_of` finds the plain number that was meant. Rules: BeatSaver's upload
validator (beatsaver-common-mp): ``0 <= si <= ei <= songSampleCount`` and ``0 <= sb <= eb``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from saberlm.prompts.audio_data import AudioData, BpmRegion, LufsRegion
from saberlm.prompts.beatmap import BpmEvent
from saberlm.prompts.errors import LevelError
from saberlm.prompts.schema_fields import DropError, FieldReader
from saberlm.prompts.tempo import TempoMap

AUDIO_DATA_VERSION = "4.0.0"
BPM_INFO_VERSION = "2.0.0"

_SECONDS_PER_MINUTE = 60.0
_MOST_DECIMALS = 6
_ROUNDED, _CUT, _END = 0.5, 1.0, 1.5
"""Samples that a region's end may be off: rounded as by us, cut off as by some editors; the game's
editor ends the last region one sample before its last beat."""

_AUDIO_DATA = ("songSampleCount", "songFrequency", "bpmData", ("si", "ei", "sb", "eb"))
_BPM_INFO = (
    "_songSampleCount",
    "_songFrequency",
    "_regions",
    ("_startSampleIndex", "_endSampleIndex", "_startBeat", "_endBeat"),
)


def read_audio_data(data: Mapping[str, Any], where: str) -> tuple[AudioData, dict[str, int]]:
    """Reads a parsed v4 ``AudioData.dat``.

    Args:
        data: The file's parsed JSON.
        where: The file's name, for messages.

    Returns:
        The audio data, its regions in order and within the song, and how often each kind of thing
        was mended or dropped.

    Raises:
        LevelError: If it is no such file: the sample count or the frequency is missing or wrong.
    """
    reader = FieldReader()
    audio = _read(reader, data, where, _AUDIO_DATA)
    lufs: list[LufsRegion] = []
    for item in reader.items(data, "lufsData"):
        try:
            start, end = reader.integer(item, "si"), reader.integer(item, "ei")
            if not 0 <= start <= end:
                raise DropError("with its end before its start")
            lufs.append(LufsRegion(start, end, reader.number(item, "l")))
        except DropError as reason:
            reader.counts[f"loudness region {reason} dropped"] += 1
    checksum = data.get("songChecksum")
    audio = replace(audio, lufs=tuple(lufs), checksum="" if checksum is None else str(checksum))
    return audio, dict(reader.counts)


def read_bpm_info(data: Mapping[str, Any], where: str) -> tuple[AudioData, dict[str, int]]:
    """Reads a parsed ``BPMInfo.dat`` of version 1 or 2, as `read_audio_data` reads its file."""
    reader = FieldReader()
    return _read(reader, data, where, _BPM_INFO), dict(reader.counts)


def audio_data_to_dict(audio: AudioData) -> dict[str, Any]:
    """Makes an ``AudioData.dat`` 4.0.0."""
    return {
        "version": AUDIO_DATA_VERSION,
        "songChecksum": audio.checksum,
        "songSampleCount": audio.sample_count,
        "songFrequency": audio.frequency,
        "bpmData": [_region_item(region, _AUDIO_DATA[3]) for region in audio.regions],
        "lufsData": [
            {"si": region.start_sample, "ei": region.end_sample, "l": region.lufs}
            for region in audio.lufs
        ],
    }


def bpm_info_to_dict(audio: AudioData) -> dict[str, Any]:
    """Makes a ``BPMInfo.dat`` 2.0.0; it has no place for loudness and checksum."""
    return {
        "_version": BPM_INFO_VERSION,
        "_songSampleCount": audio.sample_count,
        "_songFrequency": audio.frequency,
        "_regions": [_region_item(region, _BPM_INFO[3]) for region in audio.regions],
    }


def bpm_events_of(audio: AudioData, base_bpm: float) -> tuple[BpmEvent, ...]:
    """Returns the tempo changes that put every region's end within a sample of its own.

    A tempo is the one in force where that fits, else the number with the fewest decimals that hits
    the end to half a sample (at most 6; the exact quotient where none does). So no error adds up,
    and regions made of the events (`audio_data_of`) give the same events again, but for a change
    that moves no region's end by two samples.

    Args:
        audio: Regions in order, as `read_audio_data` gives them.
        base_bpm: Info.dat's tempo, in force before the first region.
    """
    events: list[BpmEvent] = []
    bpm = base_bpm
    late = 0.0  # our samples minus the file's at the region's start
    previous: BpmRegion | None = None
    for region in audio.regions:
        if previous is None or _is_break(previous, region):
            late = 0.0
        last = region is audio.regions[-1]
        found = _tempo(region, audio.frequency, late, bpm, last)
        if found != bpm:
            bpm = found
            events.append(BpmEvent(region.start_beat, bpm))
        late += _samples(region, audio.frequency, bpm) - (region.end_sample - region.start_sample)
        previous = region
    return tuple(events)


def audio_data_of(
    tempo: TempoMap,
    bpm: float,
    events: Sequence[BpmEvent],
    sample_count: int,
    frequency: int,
    end_beat: float,
    lost: Counter[str] | None = None,
) -> AudioData:
    """Returns a map's tempo as regions from sample 0 to the song's end.

    Args:
        tempo: The map's tempo: ``bpm`` and ``events``.
        bpm: Info.dat's tempo.
        events: The tempo changes.
        sample_count: The song's length in samples.
        frequency: Samples a second.
        end_beat: The beat of the song's end.
        lost: Counts the changes that no region holds: after the song's end, or closer than a
            sample.

    Raises:
        LevelError: If the song has no length.
    """
    lost = Counter() if lost is None else lost
    if not (sample_count > 0 and frequency > 0 and end_beat > 0):
        raise LevelError(
            f"expected a song with samples and beats, found {sample_count} samples at {frequency} "
            f"Hz up to beat {end_beat}: likely an unknown or empty sound"
        )
    tempos = {0.0: bpm} | {
        max(0.0, event.beat): event.bpm for event in sorted(events, key=lambda e: e.beat)
    }
    starts = [0.0]
    in_force = tempos[0.0]
    for beat, change in tempos.items():
        if change == in_force:
            continue
        in_force = change
        if beat < end_beat:
            starts.append(beat)
        else:
            lost["tempo change after the end of the song"] += 1
    marks = [(0, 0.0)]
    for beat in starts[1:]:
        sample = round(tempo.to_seconds(beat) * frequency)
        if marks[-1][0] < sample < sample_count:
            marks.append((sample, beat))
        else:
            lost["tempo change within a sample of another"] += 1
    marks.append((sample_count, end_beat))
    regions = (
        BpmRegion(start, end, beat, last_beat)
        for (start, beat), (end, last_beat) in pairwise(marks)
    )
    return AudioData(sample_count, frequency, tuple(regions))


def _read(
    reader: FieldReader,
    data: Mapping[str, Any],
    where: str,
    names: tuple[str, str, str, tuple[str, str, str, str]],
) -> AudioData:
    if not isinstance(data, Mapping):
        raise LevelError(
            f"{where}: expected a tempo file, found {type(data).__name__}: likely another kind of "
            "file"
        )
    count_key, frequency_key, regions_key, keys = names
    try:
        count, frequency = reader.integer(data, count_key), reader.integer(data, frequency_key)
    except DropError as reason:
        raise LevelError(
            f"{where}: expected a sample count and a frequency, found one {reason}: likely a "
            "damaged file"
        ) from reason
    if count < 0 or frequency <= 0:
        raise LevelError(
            f"{where}: expected `{count_key}` and `{frequency_key}` above 0, found {count} and "
            f"{frequency}: likely a damaged file or another kind of file"
        )
    regions: list[BpmRegion] = []
    for item in reader.items(data, regions_key):
        try:
            regions.append(_region(reader, item, keys))
        except DropError as reason:
            reader.counts[f"tempo region {reason} dropped"] += 1
    if not count and regions:
        reader.counts["song length taken from the tempo regions"] += 1
        count = max(region.end_sample for region in regions)
    return AudioData(count, frequency, _mended(reader, regions, count))


def _region(
    reader: FieldReader, item: Mapping[str, Any], keys: tuple[str, str, str, str]
) -> BpmRegion:
    start, end = reader.integer(item, keys[0]), reader.integer(item, keys[1])
    start_beat, end_beat = reader.number(item, keys[2]), reader.number(item, keys[3])
    if start < 0 or start_beat < 0:
        raise DropError("before the song's start")
    if end <= start or end_beat <= start_beat:
        raise DropError("of no length")
    return BpmRegion(start, end, start_beat, end_beat)


def _mended(
    reader: FieldReader, regions: list[BpmRegion], sample_count: int
) -> tuple[BpmRegion, ...]:
    """Regions in order, apart and within the song; stretches between them filled where a tempo
    can."""
    ordered = sorted(regions, key=lambda region: region.start_sample)
    if ordered != regions:
        reader.counts["tempo regions sorted by sample"] += 1
    found: list[BpmRegion] = []
    for region in ordered:
        end, end_beat = (found[-1].end_sample, found[-1].end_beat) if found else (0, 0.0)
        if region.start_sample >= sample_count:
            reader.counts["tempo region after the song's end dropped"] += 1
            continue
        if region.start_sample < end or region.start_beat < end_beat:
            reader.counts["tempo region overlapping another dropped"] += 1
            continue
        if region.end_sample > sample_count:
            reader.counts["tempo region past the song's end cut"] += 1
            share = (sample_count - region.start_sample) / (region.end_sample - region.start_sample)
            beats = (region.end_beat - region.start_beat) * share
            region = replace(region, end_sample=sample_count, end_beat=region.start_beat + beats)
        if region.start_sample > end and region.start_beat > end_beat:
            reader.counts["stretch without a tempo region filled"] += 1
            found.append(BpmRegion(end, region.start_sample, end_beat, region.start_beat))
        elif region.start_sample > end:
            reader.counts["stretch of the song without beats: later beats come too early"] += 1
        elif region.start_beat > end_beat:
            reader.counts["beats without a stretch of the song: later beats come too late"] += 1
        found.append(region)
    return tuple(found)


def _is_break(previous: BpmRegion, region: BpmRegion) -> bool:
    return (previous.end_sample, previous.end_beat) != (region.start_sample, region.start_beat)


def _samples(region: BpmRegion, frequency: int, bpm: float) -> float:
    return (region.end_beat - region.start_beat) * _SECONDS_PER_MINUTE * frequency / bpm


def _tempo(region: BpmRegion, frequency: int, late: float, in_force: float, last: bool) -> float:
    length = region.end_sample - region.start_sample
    aim = length - late if length - late > _ROUNDED else float(length)
    exact = (region.end_beat - region.start_beat) * _SECONDS_PER_MINUTE * frequency / aim
    if abs(_samples(region, frequency, in_force) - aim) <= (_END if last else _CUT):
        return in_force
    for bpm in (round(exact, decimals) for decimals in range(_MOST_DECIMALS + 1)):
        off = abs(_samples(region, frequency, bpm) - aim) if bpm else float("inf")
        if off <= (_END if last else _ROUNDED):
            return bpm
    return exact


def _region_item(region: BpmRegion, keys: tuple[str, str, str, str]) -> dict[str, Any]:
    values = (region.start_sample, region.end_sample, region.start_beat, region.end_beat)
    return dict(zip(keys, values, strict=True))
