"""Windows of bars: which stretches of which difficulties are taught, and how one becomes a
training row."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np

from saberlm.finetune.augment import augment_features, jitter_seconds
from saberlm.finetune.lessons import TaskPick, make_lesson
from saberlm.finetune.shards import DifficultyStream, SongShard
from saberlm.prompts import vocab as v
from saberlm.prompts.context import split_lights
from saberlm.prompts.header import Conditions, drop_fields, onset_conditions, without_lights
from saberlm.prompts.mirror import mirror
from saberlm.prompts.snap import snap
from saberlm.prompts.stream import LATENTS_PER_SEGMENT, MapPrompt, TokenStream
from saberlm.prompts.tokens import decode, encode

MARGIN_BARS = 1
MAX_WINDOW_TOKENS = 896
"""Windows of dense light shows hold fewer bars: attention's cost grows with the square of this."""
HEADER_TOKENS = 64
"""About what a header takes."""
UNKNOWN_TICK, SILENT_TICK, NOTE_TICK, OTHER_TICK = -1, 0, 1, 2


@dataclass(frozen=True)
class WindowRow:
    """One training row before padding; features are raw grid frames with `MARGIN_BARS` bars either
    side."""

    stream: TokenStream
    features: np.ndarray  # ((bars + 2 margins) * 48, D)
    sketch: np.ndarray  # (K, D)
    first_bar: int
    num_bars: int
    onset_targets: np.ndarray  # (bars * 192,) int8
    onset_conditions: np.ndarray  # (4,)
    task: str | None = None
    latents: np.ndarray | None = None  # (bars * 16, H_a) of a window without places for sound


def mirrored(stream: DifficultyStream) -> tuple[np.ndarray, ...]:
    """The bars of the mirrored map."""
    beatmap, _ = snap(mirror(decode([bar.tolist() for bar in stream.bars])[0]))
    bars = [np.array(bar, dtype=np.int16) for bar in encode(beatmap)]
    return tuple(bars + [np.zeros(0, np.int16)] * (len(stream.bars) - len(bars)))


def taught_bars(stream: DifficultyStream, num_bars: int) -> tuple[int, int]:
    """First and one-past-last bar that carry loss: from the song's start to its end, or to the
    last note if unfinished."""
    return 0, num_bars if stream.finished else stream.last_bar + 1


def window_starts(stream: DifficultyStream, num_bars: int, size: int) -> range:
    """Starts of windows that tile the taught bars."""
    _, end = taught_bars(stream, num_bars)
    return range(0, max(1, end), size)


def onset_targets(bars: list[np.ndarray], learn: list[bool]) -> np.ndarray:
    """What starts at every tick, ``(bars * 192,)`` int8, `UNKNOWN_TICK` in bars that are not
    taught."""
    positions, notes = v.block_range("position"), v.block_range("note")
    out = np.full((len(bars), v.TICKS_PER_SEGMENT), UNKNOWN_TICK, dtype=np.int8)
    for row, tokens, taught in zip(out, bars, learn, strict=True):
        if not taught:
            continue
        row[:] = SILENT_TICK
        ids = np.asarray(tokens, dtype=np.int64)
        at = np.flatnonzero((ids >= positions.start) & (ids < positions.stop))
        first = ids[at + 1] if len(at) else at
        is_note = (first >= notes.start) & (first < notes.stop)
        row[ids[at] - positions.start] = np.where(is_note, NOTE_TICK, OTHER_TICK)
    return out.reshape(-1)


def fitting_bars(
    bars: tuple[np.ndarray, ...],
    first_bar: int,
    most: int,
    sketch_bars: int,
    latents: int = LATENTS_PER_SEGMENT,
) -> int:
    """How many bars from ``first_bar`` stay within `MAX_WINDOW_TOKENS`; at least one, at most
    ``most``. A bar has places for ``latents`` of its sound."""
    total = HEADER_TOKENS + sketch_bars
    for count in range(most):
        total += len(bars[first_bar + count]) + latents + 2
        if total > MAX_WINDOW_TOKENS and count > 0:
            return count
    return most


def make_row(
    song: SongShard,
    stream: DifficultyStream,
    bars: tuple[np.ndarray, ...],
    first_bar: int,
    size: int,
    sketch: np.ndarray,
    random: Random | None,
    *,
    field_dropout: float = 0.0,
    pick: TaskPick | None = None,
    latents: np.ndarray | None = None,
    places: bool = True,
) -> WindowRow:
    """A window of a difficulty as a training row.

    Args:
        song: its frames.
        stream: the difficulty.
        bars: its bars, mirrored or not.
        first_bar: where the window starts.
        size: bars of the window (fewer at the song's end).
        sketch: `SongShard.sketch`, made once a song.
        random: augment with it; None leaves the sound and the header as they are.
        field_dropout: chance for each header field to be unknown.
        pick: the task; None, or one that these bars cannot show, makes the map from the song alone.
        latents: of the whole song ``(K * 16, H_a)``, for a window without places.
        places: False leaves no places for the sound, which is heard at the ticks by ``latents``
            or, without any, not at all; ``sketch`` and the row's features are then empty.
    """
    if not places:
        return _bare_row(song, stream, bars, first_bar, size, random, field_dropout, pick, latents)
    conditions = stream.conditions
    shift = 0.0
    if random is not None:
        conditions = drop_fields(conditions, field_dropout, random)
        shift = jitter_seconds(random)
    count = fitting_bars(bars, first_bar, min(size, song.num_bars - first_bar), song.num_bars)
    built, count, task = _stream(song, stream, conditions, bars, first_bar, count, pick)
    features = song.grid(first_bar - MARGIN_BARS, size + 2 * MARGIN_BARS, shift)
    if random is not None:
        features = augment_features(features, random)
    return WindowRow(
        built,
        features,
        sketch,
        first_bar,
        count,
        onset_targets(
            list(bars[first_bar : first_bar + count]), _taught(song, stream, first_bar, count)
        ),
        onset_conditions(conditions),
        task,
    )


SHOW_LIGHTS = 0.35
"""Share of windows without places for sound that keep their lights: without lights a window holds
three times the bars, and flow is hard where lights are easy."""


def _bare_row(
    song: SongShard,
    stream: DifficultyStream,
    bars: tuple[np.ndarray, ...],
    first_bar: int,
    size: int,
    random: Random | None,
    field_dropout: float,
    pick: TaskPick | None,
    latents: np.ndarray | None,
) -> WindowRow:
    """A window without places for the sound, mostly without its lights."""
    conditions = stream.conditions
    wants_lights = pick is not None and pick.task == "lights"
    show = random.random() < SHOW_LIGHTS if random is not None else latents is not None
    if conditions.lights and not wants_lights and not show:
        bars = tuple(np.array(split_lights(bar)[0], dtype=np.int16) for bar in bars)
        conditions = without_lights(conditions)
    if random is not None:
        conditions = drop_fields(conditions, field_dropout, random)
    count = fitting_bars(bars, first_bar, min(size, song.num_bars - first_bar), 0, latents=0)
    built, count, task = _stream(
        song, stream, conditions, bars, first_bar, count, pick, places=False
    )
    heard = None
    if latents is not None:
        reach = slice(first_bar * LATENTS_PER_SEGMENT, (first_bar + count) * LATENTS_PER_SEGMENT)
        heard = latents[reach].astype(np.float32)
    return WindowRow(
        built,
        np.zeros((0, 1), np.float32),
        np.zeros((0, 1), np.float32),
        first_bar,
        count,
        np.zeros(0, np.int8),
        onset_conditions(conditions),
        task,
        heard,
    )


def _taught(song: SongShard, stream: DifficultyStream, first_bar: int, count: int) -> list[bool]:
    _, end = taught_bars(stream, song.num_bars)
    return [first_bar + i < end for i in range(count)]


def _stream(
    song: SongShard,
    stream: DifficultyStream,
    conditions: Conditions,
    bars: tuple[np.ndarray, ...],
    first_bar: int,
    count: int,
    pick: TaskPick | None,
    *,
    places: bool = True,
) -> tuple[TokenStream, int, str | None]:
    """Ids and loss mask of a window, the bars that it holds with all that is given for them, and
    its task."""
    while pick is not None:
        taught = _taught(song, stream, first_bar, count)
        lesson = make_lesson(pick, stream, bars, first_bar, count, taught)
        if lesson is None:
            break
        built = MapPrompt(conditions, song.num_bars, lesson.context, places).window(
            first_bar, lesson.bars, lesson.learn, ends=first_bar + count == song.num_bars
        )
        if len(built.ids) <= MAX_WINDOW_TOKENS or count == 1:
            return built, count, pick.task
        count -= 1
    plain = MapPrompt(conditions, song.num_bars, None, places).window(
        first_bar,
        [bar.tolist() for bar in bars[first_bar : first_bar + count]],
        _taught(song, stream, first_bar, count),
        ends=first_bar + count == song.num_bars,
    )
    return plain, count, None
