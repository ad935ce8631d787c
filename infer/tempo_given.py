"""A tempo that a person gives: beat times of another tool or an editor, or the grid of a level."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saberlm.infer.tempo_estimate import TempoEstimate, TempoPiece
from saberlm.infer.tempo_fit import BEATS_A_BAR, FittedPieces, beat_numbers, fit_pieces
from saberlm.prompts.beatmap import BpmEvent, Level
from saberlm.prompts.mapfile import read_level
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.tempo_files import bpm_events_of

Floats = npt.NDArray[np.float64]

MIN_BPM, MAX_BPM = 10.0, 1000.0
ROUND_SECONDS = 0.010
"""A steady tempo is made whole, or half, if no beat moves by more."""
_ON_BEAT = 0.02  # beats that a change may stand beside one
_COMMENT = re.compile(r"^\s*([#;%].*|//.*)?$")
_SEPARATOR = re.compile(r"[\s,;]+")


@dataclass(frozen=True)
class BeatList:
    """Beats that were given.

    Attributes:
        seconds: (N,) rising song times.
        places: (N,) number of each beat in its bar, from 1; None where the file does not say.
    """

    seconds: Floats
    places: npt.NDArray[np.int64] | None = None


def given_tempo(
    beats: str | Path | None,
    level: str | Path | None,
    *,
    bpm: float | None = None,
    offset_seconds: float | None = None,
) -> TempoEstimate | None:
    """The tempo that a command line names; None when it names neither file.

    Args:
        beats: a file of beat times.
        level: a level's folder or zip.
        bpm: a steady tempo instead of the file's.
        offset_seconds: song time of beat 0 instead of the file's; its changes move along.

    Raises:
        ValueError: both files, or one that cannot be used.
    """
    if beats is not None and level is not None:
        raise ValueError("expected --beats or --tempo-from, found both: give the one you trust")
    if beats is not None:
        found = tempo_of_beats(read_beats(Path(beats)))
    elif level is not None:
        found = tempo_of_level(Path(level))
    else:
        return None
    if bpm is not None:
        found = replace(found, bpm=bpm, events=())
    if offset_seconds is not None:
        late = offset_seconds - found.offset_seconds
        events = tuple(replace(piece, seconds=piece.seconds + late) for piece in found.events)
        found = replace(found, offset_seconds=offset_seconds, events=events)
    return found


def read_beats(path: Path) -> BeatList:
    """Read beat times.

    One beat a line: seconds, and as second column, if there is one, its number in the bar, as
    madmom, Beat This and Sonic Visualiser write it (``2.1`` is bar 2, beat 1). Audacity's label
    files work too: start, end and a label that may hold the number. Commas, semicolons, tabs and
    spaces part columns; lines of comments (``#``, ``;``, ``%``, ``//``) and one line of headings
    are passed over.

    Raises:
        ValueError: the file cannot be read, a line holds no time, or beats are too few, out of
            order or not finite.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: expected a text file of beat times, found {error}: likely a missing file, or"
            " one of another kind"
        ) from error
    rows = [
        (number, [part for part in _SEPARATOR.split(line.strip()) if part])
        for number, line in enumerate(lines, 1)
        if not _COMMENT.match(line)
    ]
    if rows and _number(rows[0][1][0]) is None:
        rows = rows[1:]  # headings
    seconds, places = [], []
    for number, row in rows:
        time = _number(row[0])
        if row[0] == "\\":
            continue  # Audacity's frequencies of the label before
        if time is None or not math.isfinite(time):
            raise ValueError(
                f"{path}: line {number}: expected a time in seconds, found {row[0]!r}: likely"
                " minutes and seconds, a decimal comma or another kind of file"
            )
        seconds.append(time)
        places.append(_place(row, time))
    if len(seconds) < 2:
        raise ValueError(
            f"{path}: expected the times of two beats or more, one a line, found {len(seconds)}"
        )
    times = np.array(seconds)
    wrong = np.flatnonzero(np.diff(times) <= 0)
    if len(wrong):
        line = rows[int(wrong[0]) + 1][0]
        raise ValueError(
            f"{path}: line {line}: expected times in rising order, found {times[wrong[0] + 1]:g}"
            f" after {times[wrong[0]]:g}: likely a list of something else"
        )
    if all(place is not None for place in places) and 1 in places:
        return BeatList(times, np.array(places, np.int64))
    return BeatList(times)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _place(row: list[str], time: float) -> int | None:
    """The beat's number in its bar, from a row of two columns or an Audacity label's."""
    label = row[1] if len(row) == 2 else ""
    if len(row) == 3 and (_number(row[1]) or -1.0) >= time:
        label = row[2]
    found = re.fullmatch(r"(\d+)(?:\.0+)?|\d+[.:](\d+)", label.strip("\"'"))
    return int(found[1] or found[2]) if found else None


def tempo_of_beats(beats: BeatList) -> TempoEstimate:
    """The fewest pieces of constant tempo that hold beats within 15 ms.

    Beat 0 is a beat numbered 1, or the first beat where none is numbered, moved by whole bars into
    the song's first bar, and no later than the first change of tempo. A gap of several beats holds
    as many.

    Raises:
        ValueError: a tempo that no level can have.
    """
    numbers = beat_numbers(beats.seconds)
    pieces = fit_pieces(beats.seconds, numbers)
    for bpm in pieces.bpms:
        if not MIN_BPM <= bpm <= MAX_BPM:
            raise ValueError(
                f"expected beats at {MIN_BPM:g} to {MAX_BPM:g} BPM, found {bpm:g}: likely times in"
                " another unit than seconds, or a list of something else"
            )
    if len(pieces.bpms) == 1:
        pieces = _whole(beats.seconds, numbers, pieces)
    downbeat = 0
    if beats.places is not None:
        # the place in a bar of four that most beats numbered 1 have
        votes = Counter(int(number) % BEATS_A_BAR for number in numbers[beats.places == 1])
        downbeat = max(votes, key=lambda place: (votes[place], -place))
    offset = float(pieces.times(pieces.first_downbeat(downbeat)))
    return TempoEstimate(float(pieces.bpms[0]), offset, 1.0, "beats given", pieces.changes())


def _whole(seconds: Floats, numbers: npt.NDArray[np.int64], pieces: FittedPieces) -> FittedPieces:
    """A steady tempo made whole or half, if it holds."""
    bpm = float(pieces.bpms[0])
    for unit in (1.0, 0.5):
        rounded = round(bpm / unit) * unit
        if rounded > 0 and abs(60 / rounded - 60 / bpm) * numbers[-1] / 2 <= ROUND_SECONDS:
            first = float(np.mean(seconds - numbers * 60 / rounded))
            return FittedPieces(pieces.numbers, first + pieces.numbers * 60 / rounded)
    return pieces


def tempo_of_level(path: Path) -> TempoEstimate:
    """The grid of a level, for the same sound file: beat 0 at its start, moved by the level's
    ``_songTimeOffset``.

    Changes are the difficulties' own (the first that has any), else the tempo file's
    (``BPMInfo.dat``), else those that old editors kept beside the map (``_BPMChanges``).

    Raises:
        ValueError: no level that can be read.
    """
    level = read_level(path, characteristic=None)
    bpm, late = level.info.bpm, level.info.time_offset / 1000
    events = _level_events(level)
    found = TempoEstimate(bpm, 0.0, 1.0, "level given")
    if events:
        tempo = TempoMap(bpm, events)
        pieces = [TempoPiece(tempo.to_seconds(e.beat), e.bpm) for e in events if e.beat > 0]
        early = [event.bpm for event in events if event.beat <= 0]
        found = replace(found, bpm=early[-1] if early else bpm, events=tuple(pieces))
    else:
        entries = (_entries(one.beatmap.extra) for one in level.difficulties)
        found = _editor_grid(bpm, next(filter(None, entries), []))
    events_late = tuple(replace(piece, seconds=piece.seconds + late) for piece in found.events)
    return replace(found, offset_seconds=found.offset_seconds + late, events=events_late)


def _level_events(level: Level) -> tuple[BpmEvent, ...]:
    """A level's changes of tempo in order, in beats: of a difficulty, or of the tempo file."""
    for difficulty in level.difficulties:
        if any(event.bpm != level.info.bpm for event in difficulty.beatmap.bpm_events):
            return tuple(sorted(difficulty.beatmap.bpm_events, key=lambda event: event.beat))
    if level.audio_data is not None and level.audio_data.regions:
        return bpm_events_of(level.audio_data, level.info.bpm)
    return ()


def _editor_grid(bpm: float, changes: list[tuple[float, float]]) -> TempoEstimate:
    """The grid of ``_BPMChanges``: beats and tempi, the beats counted in the base tempo.

    Such a change begins a beat anew wherever it stands. So that it falls on a beat of what comes
    before it, the last beat before it is made longer or shorter; before the first change beat 0
    moves instead.
    """
    starts = [(time * 60 / bpm, new) for time, new in sorted(changes) if time > 0]
    begin = [new for time, new in sorted(changes) if time <= 0]
    bpm = begin[-1] if begin else bpm
    if not starts:
        return TempoEstimate(bpm, 0.0, 1.0, "level given")
    first = starts[0][0]
    bar = BEATS_A_BAR * 60 / bpm
    zero = first - max(1, math.floor(first / bar)) * bar
    pieces: list[TempoPiece] = []
    for (start, tempo), (end, _) in zip(starts, [*starts[1:], (math.inf, 0.0)], strict=True):
        if end - start < 1e-6:
            continue  # another at the same place follows
        pieces.append(TempoPiece(start, tempo))
        beats = (end - start) * tempo / 60
        if math.isfinite(end) and abs(beats - round(beats)) > _ON_BEAT:
            whole = max(0, math.floor(beats) - 1)
            rest_start = start + whole * 60 / tempo
            changed = TempoPiece(rest_start, round(beats - whole + 1e-9) * 60 / (end - rest_start))
            pieces[-1 if not whole else len(pieces) :] = [changed]
    same = [b for a, b in pairwise([TempoPiece(zero, bpm), *pieces]) if a.bpm != b.bpm]
    return TempoEstimate(bpm, zero, 1.0, "level given", tuple(same))


def _entries(extra: Any) -> list[tuple[float, float]]:
    """Beat and tempo of every usable entry, wherever the version keeps them."""
    found = []
    for place in (extra, (extra or {}).get("_customData"), (extra or {}).get("customData")):
        entries = place.get("_BPMChanges", ()) if isinstance(place, dict) else ()
        for entry in entries if isinstance(entries, list) else ():
            try:
                time, bpm = float(entry["_time"]), float(entry["_BPM"])
            except (TypeError, KeyError, ValueError):
                continue  # an editor's note that says nothing
            if math.isfinite(time) and MIN_BPM <= bpm <= MAX_BPM:
                found.append((time, bpm))
    return found
