"""Work on a human's level: a range made anew, an unfinished map continued, a light show, missing
difficulties.

What the human made stays object for object and file for file (`saberlm.prompts.level_edit`);
outside what was asked nothing changes, except that an arc with one end in a range made anew goes
with it. The level gets a note on which part a machine made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from saberlm.infer.amounts import held_to
from saberlm.infer.chroma import CHROMA, paint, sections_of
from saberlm.infer.constraints import withheld_in_v2
from saberlm.infer.declaration import declared
from saberlm.infer.decoration import decorated
from saberlm.infer.engine import SongEncoding
from saberlm.infer.level_edits import (
    EditedDifficulty,
    EditedLevel,
    Span,
    bars_within,
    change_of,
    check_lightable,
    kept_whole,
    modded_words,
    only,
    rank,
    times_of,
)
from saberlm.infer.level_request import LevelRequest
from saberlm.infer.level_song import LevelSong, level_song, load_level_song
from saberlm.infer.level_spread import nearest_harder, spread_task
from saberlm.infer.mapper import Mapper
from saberlm.infer.njs import choose_njs, peak_swings
from saberlm.infer.pipeline import encode_song
from saberlm.infer.tasks import (
    MapTask,
    TaskSong,
    continue_map,
    light_map,
    light_range,
    remap_range,
    run_tasks,
)
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import DIFFICULTIES, Beatmap, Difficulty
from saberlm.prompts.descriptors import style_of
from saberlm.prompts.difficulty_edit import PLAYABLE, SHOWN, Change, states_brightness
from saberlm.prompts.errors import LevelError
from saberlm.prompts.header import Conditions, without_lights
from saberlm.prompts.level_edit import LevelDraft

STANDARD = "Standard"
UNFINISHED_SECONDS = 10.0
"""A difficulty whose last object is further from the song's end is one to go on with, where none is
named."""
Progress = Callable[[int, int], None]


class LevelEditor:
    """Works on one level, once.

    Args:
        mapper: the model.
        draft: the level, opened.
        request: how new parts are to be: style, notes/s, sampling, seed and the rest as for a new
            map; what is not given is as in the map at hand. Its difficulties are those to work on,
            its ``song`` is not looked at.
        song: the level's sound in a file of its own, where the level has none.

    Raises:
        ValueError: the song cannot be used.
    """

    def __init__(
        self,
        mapper: Mapper,
        draft: LevelDraft,
        request: LevelRequest,
        song: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.mapper, self.request, self.progress = mapper, request, progress
        self.draft = draft
        self._encodings: dict[tuple[object, ...], tuple[LevelSong, SongEncoding]] = {}
        self.seconds: dict[str, float] = {}
        self.warnings: list[str] = []
        started = time.perf_counter()
        rate = mapper.loaded.frontend.sample_rate
        self.samples = load_level_song(self.draft.level, self.draft.files, song, rate)
        self.song_seconds = len(self.samples) / rate
        self.seconds["load"] = time.perf_counter() - started

    def remap(self, span: Span, *, new_lights: bool = False) -> EditedLevel:
        """A stretch of the difficulties made anew, in whole bars that lie within it; their light
        show stays, if ``new_lights`` does not say otherwise.

        Raises:
            ValueError: a difficulty that is not there or not on a grid, a stretch outside the song
                or without a whole bar.
        """
        made = []
        for difficulty in self._named():
            on, where = self._on(difficulty)
            bars = bars_within(
                self.draft.path, where, span, on.encoding.num_bars, self.song_seconds
            )
            given = where.to_song(difficulty.beatmap)
            asked = self._asked(difficulty, given)
            seed = self._seed(difficulty.name)
            task = remap_range(on, given, bars, without_lights(asked), seed)
            edge = [bars.start * v.BEATS_PER_SEGMENT, bars.stop * v.BEATS_PER_SEGMENT]
            relight = partial(light_range, on, bars=bars, conditions=asked, seed=seed)
            times = times_of(where, edge, self.song_seconds)
            made.append(
                _Work(difficulty, where, given, task, times, relight if new_lights else None)
            )
        return self._changed(made, "notes" + (" and lights" if new_lights else ""))

    def go_on(self, *, new_lights: bool | None = None) -> EditedLevel:
        """The difficulties from their last object to the song's end; with lights where the show
        goes no further than the notes do (None), or as ``new_lights`` says.

        Raises:
            ValueError: a difficulty that is not there or not on a grid, or none that has song left.
        """
        named = self.request.difficulties is not None
        made = []
        for difficulty in self._named():
            on, where = self._on(difficulty)
            given = where.to_song(difficulty.beatmap)
            last = max(
                (_end(item) for name in PLAYABLE for item in getattr(given, name)), default=0
            )
            left = self.song_seconds - where.seconds(last + where.shift)
            tick = max(0, on.grid.tick(last))
            bar, rest = divmod(tick + 1, v.TICKS_PER_SEGMENT)
            too_late = bar >= on.encoding.num_bars
            too_late = too_late or not given.color_notes
            if too_late and named:
                raise LevelError(
                    f"{self.draft.path}: {difficulty.name}: expected notes and some song after"
                    f" them, found {len(given.color_notes)} notes, the last {left:.1f} s before the"
                    " song's end: likely a finished or an empty difficulty"
                )
            if too_late or (left < UNFINISHED_SECONDS and not named):
                continue
            lit = [event.beat for event in given.lights]
            unlit_rest = bool(lit) and max(lit) < last + v.BEATS_PER_SEGMENT * 4
            lights = unlit_rest if new_lights is None else new_lights
            asked = self._asked(difficulty, given)
            seed = self._seed(difficulty.name)
            task = continue_map(on, given, bar, without_lights(asked), seed, given_ticks=rest)
            grid_beats = [(tick + 1) / v.TICKS_PER_BEAT, on.encoding.num_bars * 4.0]
            bars = range(bar, on.encoding.num_bars)
            relight = partial(
                light_range, on, bars=bars, conditions=asked, seed=seed, given_ticks=rest
            )
            times = times_of(where, grid_beats, self.song_seconds)
            made.append(_Work(difficulty, where, given, task, times, relight if lights else None))
        if not made:
            raise LevelError(
                f"{self.draft.path}: expected a difficulty that ends {UNFINISHED_SECONDS:g} s or"
                " more before the song, found none: name one with -d to go on with it"
            )
        return self._changed(made, "the end", keep=True)

    def light(self, *, each: bool = False) -> EditedLevel:
        """A new light show; old ones are replaced, all else stays.

        Args:
            each: a show for each difficulty's own notes; else all have that of the hardest, as far
                as their tempo is one.

        Raises:
            ValueError: a difficulty that is not there or not on a grid, or an environment without
                classic lights.
        """
        difficulties = self._named()
        check_lightable(self.draft, difficulties)
        leaders: dict[object, Difficulty] = {}
        for difficulty in sorted(difficulties, key=rank, reverse=True):
            key = difficulty.name if each else difficulty.beatmap.bpm_events
            leaders.setdefault(key, difficulty)
        made = []
        for difficulty in leaders.values():
            on, where = self._on(difficulty)
            given = where.to_song(difficulty.beatmap)
            task = light_map(on, given, self._asked(difficulty, given), self._seed(difficulty.name))
            made.append(_Work(difficulty, where, given, task, (0.0, self.song_seconds)))
        done = self._run(made)
        edited = []
        for difficulty in difficulties:
            key = difficulty.name if each else difficulty.beatmap.bpm_events
            leader = done[leaders[key].name]
            change = Change(only(difficulty.beatmap, SHOWN), leader.change.added)
            edited.append(replace(leader, name=difficulty.name, change=change))
        return self._finished(difficulties, edited, "lights", notes=False)

    def spread(self) -> EditedLevel:
        """Difficulties that the level lacks (all, or the request's), each from the next harder one
        of the level, or where there is none from its hardest: sparser than the harder one and
        within its rhythm, with the light show of the one it comes from.

        Raises:
            ValueError: a difficulty that is there already, or none is missing.
        """
        there = {one.name: one for one in self._standard()}
        wanted = self.request.difficulties or tuple(n for n in DIFFICULTIES if n not in there)
        double = [name for name in wanted if name in there]
        if double or not wanted:
            raise LevelError(
                f"{self.draft.path}: expected difficulties that the level lacks, found"
                f" {', '.join(double) or 'all five'} in it already: likely meant for saberlm map"
                " --from-level"
            )
        beatmaps = {name: one.beatmap for name, one in there.items()}
        edited: list[EditedDifficulty] = []
        conditions = self._conditions(wanted)
        total, done = 0, 0
        for name in sorted(wanted, key=DIFFICULTIES.index, reverse=True):
            source = nearest_harder(there, name)
            on, where = self._on(source)
            total = total or on.encoding.num_bars * len(wanted)
            task = spread_task(on, where, source, conditions[name], beatmaps, self._seed(name))
            task = self._held(task, source)
            ((merged, counts),) = run_tasks(
                self.mapper.engine, [task], self.request.sampling, self._progress(done, total)
            )
            done += task.request.num_bars
            walls = self.request.decorative_walls
            merged = decorated({name: merged}, walls, where.song)[name]
            playable: dict[str, Any] = {
                group: tuple(map(where.to_level, getattr(merged, group))) for group in PLAYABLE
            }
            made = Beatmap(**playable, bpm_events=source.beatmap.bpm_events)
            beatmaps[name] = made
            jump = choose_njs(
                name,
                peak_swings(made, where.song.tempo),
                self.draft.level.info.bpm,
                njs=conditions[name].njs,
            )
            gone = only(source.beatmap, PLAYABLE)
            come = replace(made, bpm_events=())
            new = Difficulty(
                STANDARD, name, jump.njs, jump.offset_beats, come, mappers=(self.request.mapper,)
            )
            change = Change(gone, come)
            self.draft.add(source, new, change)
            times = (0.0, self.song_seconds)
            edited.append(EditedDifficulty(name, change, times, counts, source.name))
        self._note(edited, "the whole map", notes=True)
        return EditedLevel(self.draft, edited, self.seconds, tuple(self.warnings))

    def _standard(self) -> list[Difficulty]:
        """The level's difficulties for two sabers looking ahead.

        Raises:
            LevelError: it has none.
        """
        level = self.draft.level
        found = [one for one in level.difficulties if one.characteristic == STANDARD]
        if not found:
            others = ", ".join(f"{d.characteristic} {d.name}" for d in level.difficulties)
            raise LevelError(
                f"{self.draft.path}: expected a Standard difficulty, found {others or 'none'}:"
                " saberlm knows no other kind"
            )
        return found

    def _named(self) -> list[Difficulty]:
        """The difficulties to work on, easy ones first.

        Raises:
            LevelError: one is not there.
        """
        there = {one.name: one for one in self._standard()}
        wanted = self.request.difficulties or tuple(there)
        for name in wanted:
            if name not in there:
                unread = dict(self.draft.level.unread)
                why = f": {next(iter(unread.values()))}" if unread else ": likely a mistyped name"
                raise LevelError(
                    f"{self.draft.path}: expected one of the level's difficulties"
                    f" ({', '.join(there)}), found {name}{why}"
                )
        named = sorted((there[name] for name in wanted), key=rank)
        for one in named:
            self._look_for_mods(one)
        return named

    def _look_for_mods(self, difficulty: Difficulty) -> None:
        modded = modded_words(self.draft, difficulty)
        if modded is not None and modded not in self.warnings:
            self.warnings.append(modded)

    def _on(self, difficulty: Difficulty) -> tuple[TaskSong, LevelSong]:
        """The song on the difficulty's beats, heard once for each grid.

        Raises:
            LevelError: the difficulty is on no grid.
        """
        loaded = self.mapper.loaded
        self._look_for_mods(difficulty)
        try:
            where = level_song(
                self.samples, loaded.frontend.sample_rate, self.draft.level, difficulty
            )
        except ValueError as error:
            raise LevelError(f"{self.draft.path}: {difficulty.name}: {error}") from error
        song = where.song
        key = song.bpm, song.bpm_events, song.offset_seconds
        if key not in self._encodings:
            started = time.perf_counter()
            self._encodings[key] = where, encode_song(loaded.model, loaded.frontend, song)
            took = time.perf_counter() - started
            self.seconds["encode"] = self.seconds.get("encode", 0.0) + took
        where, encoding = self._encodings[key]
        return TaskSong(loaded.model, encoding, where.song), where

    def _seed(self, name: str) -> int:
        return self.request.seed * 10 + DIFFICULTIES.index(name)

    def _conditions(self, names: Iterable[str]) -> dict[str, Conditions]:
        """What the request asks of difficulties, by name."""
        named = tuple(sorted(names, key=DIFFICULTIES.index))
        request = replace(self.request, difficulties=named)
        return {one.difficulty or "": one for one in request.conditions}

    def _asked(self, difficulty: Difficulty, given: Beatmap) -> Conditions:
        """What is asked of a part of a difficulty: what nobody said is as in the map."""
        asked = self._conditions([difficulty.name])[difficulty.name]
        return replace(
            asked,
            lights=True,
            njs=asked.njs or (difficulty.njs if difficulty.njs > 0 else None),
            style=style_of(given) if asked.style is None else asked.style,
        )

    def _held(self, task: MapTask, difficulty: Difficulty) -> MapTask:
        """The row with the request's amounts, and without what the file cannot hold."""
        request = task.request
        if self.draft.file_version(difficulty) == 2:
            bright = states_brightness(self.draft.raw(difficulty))
            conditions = replace(request.conditions, arcs=False, chains=False)
            withheld = withheld_in_v2(brightness=bright)
            request = replace(request, conditions=conditions, withheld=withheld)
        return MapTask(held_to(request, self.request.amounts), task.merge)

    def _progress(self, done: int, total: int) -> Callable[[int], None] | None:
        if self.progress is None:
            return None
        report, made = self.progress, done

        def advance(bars: int) -> None:
            nonlocal made
            made += bars
            report(made, total)

        return advance

    def _run(self, made: Sequence[_Work], *, keep: bool = False) -> dict[str, EditedDifficulty]:
        """Decode rows side by side; what each changes, by difficulty."""
        tasks = [self._held(one.task, one.difficulty) for one in made]
        total = sum(task.request.num_bars for task in tasks)
        total += sum(task.request.num_bars * (one.relight is not None)
                     for one, task in zip(made, tasks, strict=True))  # fmt: skip
        started = time.perf_counter()
        sampling, engine = self.request.sampling, self.mapper.engine
        merged = run_tasks(engine, tasks, sampling, self._progress(0, total))
        lit = [i for i, one in enumerate(made) if one.relight is not None]
        shows = [
            self._held(relight(merged[i][0]), made[i].difficulty)
            for i in lit
            if (relight := made[i].relight) is not None
        ]
        done = sum(task.request.num_bars for task in tasks)
        after = run_tasks(engine, shows, sampling, self._progress(done, total))
        for i, (beatmap, counts) in zip(lit, after, strict=True):
            merged[i] = beatmap, merged[i][1] + counts
        self.seconds["decode"] = time.perf_counter() - started
        out = {}
        for one, (beatmap, counts) in zip(made, merged, strict=True):
            original = one.difficulty.beatmap
            change = self._painted(change_of(original, one.given, beatmap, one.where), one.where)
            if keep:
                change = kept_whole(original, change)
            name = one.difficulty.name
            out[name] = EditedDifficulty(name, change, one.seconds, counts)
        return out

    def _painted(self, change: Change, where: LevelSong) -> Change:
        """The change with Chroma colours on its new lights, where they are asked for."""
        if self.request.chroma is None or not change.added.lights:
            return change
        parts = [replace(part, beat=part.beat + where.shift) for part in sections_of(where.song)]
        return replace(change, added=paint(change.added, self.request.chroma, parts))

    def _changed(self, made: Sequence[_Work], what: str, *, keep: bool = False) -> EditedLevel:
        done = self._run(made, keep=keep)
        difficulties = [one.difficulty for one in made]
        return self._finished(
            difficulties, [done[one.name] for one in difficulties], what, notes=True
        )

    def _finished(
        self,
        difficulties: Sequence[Difficulty],
        edited: Sequence[EditedDifficulty],
        what: str,
        *,
        notes: bool,
    ) -> EditedLevel:
        for difficulty, one in zip(difficulties, edited, strict=True):
            self.draft.change(difficulty, one.change)
            if self.request.chroma is not None and one.change.added.lights:
                self.draft.suggest(difficulty, CHROMA)
        self._note(edited, what, notes=notes)
        return EditedLevel(self.draft, list(edited), self.seconds, tuple(self.warnings))

    def _note(self, edited: Sequence[EditedDifficulty], what: str, *, notes: bool) -> None:
        """The level says what was made."""
        parts = [
            f"{one.name}: {what}"
            + (f" from {one.seconds[0]:.1f} s to {one.seconds[1]:.1f} s" if notes else "")
            for one in sorted(edited, key=lambda one: DIFFICULTIES.index(one.name))
        ]
        said = f"Generated by saberlm, an automatic mapper: {'; '.join(parts)}."
        record = {
            "made": what,
            "model": self.mapper.loaded.name,
            "seed": self.request.seed,
            "difficulties": {one.name: list(map(_rounded, one.seconds)) for one in edited},
        }
        self.draft.note(declared(self.draft.custom_data, said, record, notes=notes))


class _Work(NamedTuple):
    """A difficulty to be changed: where it stands, the same in the song's beats, the row that makes
    the notes, song times between which things change, and what lights the result."""

    difficulty: Difficulty
    where: LevelSong
    given: Beatmap
    task: MapTask
    seconds: tuple[float, float]
    relight: Callable[[Beatmap], MapTask] | None = None


def _end(item: Any) -> float:
    """The beat of an object's head, or of its tail if it has one."""
    return float(getattr(item, "tail_beat", item.beat))


def _rounded(number: float) -> float:
    return round(number, 3)
