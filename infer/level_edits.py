"""What is asked of a human's level and what was made of it: a stretch of the song, the objects that
went and came, the level to be written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from saberlm.infer.given import GROUPS
from saberlm.infer.level_song import LevelSong
from saberlm.infer.pack import ENVIRONMENTS
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import DIFFICULTIES, Beatmap, Difficulty
from saberlm.prompts.difficulty_edit import PLAYABLE, SHOWN, Change
from saberlm.prompts.errors import LevelError
from saberlm.prompts.level_edit import LevelDraft
from saberlm.prompts.vanilla import fault_of

_SPAN = re.compile(r"^\s*([\d:.]+)\s*([sb]?)\s*-\s*([\d:.]+)\s*([sb]?)\s*$")


@dataclass(frozen=True)
class Span:
    """A stretch of a song: in seconds (``s``) or in the level's beats (``b``)."""

    start: float
    end: float
    unit: str

    @classmethod
    def parse(cls, text: str) -> Span:
        """``60-90s``, ``1:00-1:30`` or ``16-48b``.

        Raises:
            ValueError: something else, or an end that is not after the start.
        """
        found = _SPAN.match(text)
        units = {unit for unit in (found[2], found[4]) if unit} if found else set()
        if found and not units and ":" in text:
            units = {"s"}
        try:
            if found is None or len(units) != 1:
                raise ValueError
            span = cls(_number(found[1]), _number(found[3]), units.pop())
        except ValueError:
            raise ValueError(
                "range (--range): expected seconds like 60-90s or 1:00-1:30, or the level's beats"
                f" like 16-48b, found {text!r}"
            ) from None
        if not span.start < span.end:
            raise ValueError(
                f"range (--range): expected an end after the start, found {text!r}: likely inside"
                " out"
            )
        return span


@dataclass(frozen=True)
class EditedDifficulty:
    """What was made of one difficulty.

    Attributes:
        name: of the difficulty.
        change: what went and came, in the level's beats.
        seconds: song time from the first to the last moment that may differ.
        counts: what was replaced, dropped or not shown to the model.
        source: for a new difficulty, which one it goes by.
    """

    name: str
    change: Change
    seconds: tuple[float, float]
    counts: Counter[str]
    source: str | None = None

    def describe(self) -> dict[str, Any]:
        """Objects that came, notes a second, and the stretch."""
        came = self.change.added
        length = max(1e-9, self.seconds[1] - self.seconds[0])
        return {
            "from": round(self.seconds[0], 3),
            "to": round(self.seconds[1], 3),
            **{f"{what}s": len(getattr(came, group)) for group, what in GROUPS.items()},
            "nps": round(len(came.color_notes) / length, 3),
            **({} if self.source is None else {"source": self.source}),
        }


@dataclass
class EditedLevel:
    """A level that was worked on and is not written yet; ``warnings`` are for the person."""

    draft: LevelDraft
    difficulties: list[EditedDifficulty]
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def save(self, out: Path, *, overwrite: bool = False) -> None:
        """See `saberlm.prompts.level_edit.LevelDraft.save`."""
        self.draft.save(out, overwrite=overwrite)


def check_lightable(draft: LevelDraft, difficulties: Iterable[Difficulty]) -> None:
    """Refuse difficulties in environments without classic lights.

    Raises:
        LevelError: see above.
    """
    info = draft.level.info
    for difficulty in difficulties:
        names = info.environments or (info.environment,)
        index = difficulty.environment_index
        name = names[index] if 0 <= index < len(names) else info.environment
        if name not in ENVIRONMENTS:
            raise LevelError(
                f"{draft.path}: {difficulty.name}: expected an environment with classic lights"
                f" ({', '.join(ENVIRONMENTS[:3])}, ... {len(ENVIRONMENTS)}), found {name}: newer"
                " ones take group lights, which saberlm does not write; choose another in an editor"
            )


def modded_words(draft: LevelDraft, difficulty: Difficulty) -> str | None:
    """What to say of a difficulty that was made for mods, of which only what the unmodded game
    plays is looked at; None for others."""
    needs = draft.needs(difficulty)
    hidden = sum(
        fault_of(item) is not None and item.beat >= 0
        for group in PLAYABLE
        for item in getattr(difficulty.beatmap, group)
    )
    if not needs and not hidden:
        return None
    made_for = f"is made for {' and '.join(needs)}" if needs else "has objects for mods"
    return (
        f"{difficulty.name} {made_for}: saberlm sees only what the unmodded game plays"
        + (f" ({hidden} objects were not looked at)" if hidden else "")
        + ". What it makes may not fit the rest: play it with the mods before you share it"
    )


def bars_within(
    path: Path, where: LevelSong, span: Span, num_bars: int, song_seconds: float
) -> range:
    """The model's bars within a stretch.

    Raises:
        LevelError: it lies outside the song, or holds no whole bar; with the level's ``path``.
    """
    song = where.song
    if span.unit == "s":
        times = [span.start, span.end]
    else:
        times = [where.seconds(beat) for beat in (span.start, span.end)]
    if times[0] < -1e-3 or times[1] > song_seconds + 1e-3:
        raise LevelError(
            f"{path}: expected a range within the song (0-{song_seconds:.1f} s), found"
            f" {times[0]:.1f}-{times[1]:.1f} s: likely another song, or beats for seconds"
        )
    first, last = (song.grid_beat_at(t) - song.first_beat for t in times)
    start = max(0, -int(-(first - 1e-6) // v.BEATS_PER_SEGMENT))
    stop = min(num_bars, int((last + 1e-6) // v.BEATS_PER_SEGMENT))
    if times[1] > song_seconds - 1e-3:
        stop = num_bars
    if start >= stop:
        edges = [start - 1, start, start + 1]
        near = [times_of(where, [edge * 4.0], song_seconds)[0] for edge in edges if edge >= 0]
        raise LevelError(
            f"{path}: expected a range that holds a whole bar of four beats, found"
            f" {times[0]:.2f}-{times[1]:.2f} s; bars begin at"
            f" {', '.join(f'{one:.2f}' for one in near)} s"
        )
    return range(start, stop)


def times_of(
    where: LevelSong, grid_beats: Sequence[float], song_seconds: float
) -> tuple[float, float]:
    """Song times of the first and the last of some beats from the model's bar 0, within the
    song."""
    song = where.song
    times = [
        min(max(song.bar_zero_seconds + float(song.bar_tempo.to_seconds(beat)), 0.0), song_seconds)
        for beat in grid_beats
    ]
    return times[0], times[-1]


def only(beatmap: Beatmap, groups: Iterable[str]) -> Beatmap:
    """Some collections of a beatmap alone."""
    named: dict[str, Any] = {group: getattr(beatmap, group) for group in groups}
    return Beatmap(**named)


def change_of(original: Beatmap, given: Beatmap, merged: Beatmap, where: LevelSong) -> Change:
    """What went and came of a difficulty, in the level's beats.

    Args:
        original: the difficulty.
        given: the same in the song's beats, object by object.
        merged: the result, in which given objects that stay are the same records.
        where: the way between the beats.
    """
    removed: dict[str, Any] = {}
    added: dict[str, Any] = {}
    for name in GROUPS:
        before, after = getattr(given, name), getattr(merged, name)
        left, known = {id(item) for item in after}, {id(item) for item in before}
        pairs = zip(getattr(original, name), before, strict=True)
        removed[name] = tuple(own for own, item in pairs if id(item) not in left)
        added[name] = tuple(where.to_level(item) for item in after if id(item) not in known)
    return Change(Beatmap(**removed), Beatmap(**added))


def kept_whole(original: Beatmap, change: Change) -> Change:
    """The change without anything going: of the light show what follows the human's own is new."""
    shown: dict[str, Any] = {}
    for name in SHOWN:
        last = max((event.beat for event in getattr(original, name)), default=-1e9)
        shown[name] = tuple(e for e in getattr(change.added, name) if e.beat > last)
    return Change(Beatmap(), replace(change.added, **shown))


def rank(difficulty: Difficulty) -> int:
    """A difficulty's place from Easy on; -1 for a name that the game does not know."""
    return DIFFICULTIES.index(difficulty.name) if difficulty.name in DIFFICULTIES else -1


def _number(text: str) -> float:
    """Seconds or beats; ``1:30`` is 90.

    Raises:
        ValueError: neither.
    """
    minutes, colon, rest = text.rpartition(":")
    return float(rest) + (60 * float(minutes) if colon else 0.0)
