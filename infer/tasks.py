"""The tasks beyond a map from the song alone: lights for given notes, a difficulty from another, a
map continued, a range made anew, a reference followed.

Each function gives a `MapTask`: a row for the engine (rows of several tasks and songs decode in one
batch) and the way from what was made to a beatmap, in which everything that was given stands
object for object. Given maps are in beats from the song's beat 0 and on its grid; others are
refused. `saberlm.prompts.context` has the layout of the prompts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from saberlm.infer.amounts import objects_a_bar
from saberlm.infer.engine import Engine, GeneratedMap, MapRequest, SongEncoding
from saberlm.infer.given import (
    SongGrid,
    described,
    given_bars,
    joined,
    kept_outside,
    reference_bars,
    within,
)
from saberlm.infer.lighting import lights_row, make_passes
from saberlm.infer.pipeline import Song, completed, make_request, to_beatmap
from saberlm.infer.sampling import SamplingParams
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.context import (
    REFERENCE_BARS,
    Context,
    before_tick,
    continue_context,
    cut_arcs,
    difficulty_context,
    notes_only,
    reference_context,
    remap_context,
    split_lights,
)
from saberlm.prompts.header import Conditions

if TYPE_CHECKING:
    from saberlm.adapter.modeling_saber import SaberForConditionalGeneration

Made = tuple[Beatmap, Counter[str]]


@dataclass(frozen=True)
class MapTask:
    """A row for the engine; ``merge`` makes of its result the whole map, with counts of all that
    was replaced, removed or not shown to the model."""

    request: MapRequest
    merge: Callable[[GeneratedMap], Made]


@dataclass(frozen=True)
class TaskSong:
    """A song ready for tasks: the model, what its tower made of the song, and the grid."""

    model: SaberForConditionalGeneration
    encoding: SongEncoding
    song: Song

    @property
    def grid(self) -> SongGrid:
        """Where given maps stand on the model's bars."""
        return SongGrid.of(self.song, self.encoding.num_bars)

    def bars(self, beatmap: Beatmap, *, ours: bool = False) -> tuple[list[list[int]], Counter[str]]:
        """See `saberlm.infer.given.given_bars`."""
        return given_bars(beatmap, self.song, self.encoding.num_bars, ours=ours)

    def wanted(self, conditions: Conditions) -> Conditions:
        """What is wanted of a new map: lit and at the usual notes/s unless something else is
        said."""
        lights = True if conditions.lights is None else conditions.lights
        return completed(self.model, self.song, replace(conditions, lights=lights))

    def request(self, conditions: Conditions, seed: int) -> MapRequest:
        """See `saberlm.infer.pipeline.make_request`; without lights as the first pass of
        `saberlm.infer.lighting`."""
        if conditions.lights is not False:
            return make_request(self.model, self.encoding, self.song, conditions, seed)
        lit = replace(conditions, lights=True)
        return make_passes(self.model, self.encoding, self.song, lit, seed).notes


def run_tasks(
    engine: Engine,
    tasks: Sequence[MapTask],
    params: SamplingParams,
    progress: Callable[[int], None] | None = None,
) -> list[Made]:
    """Decode tasks in one batch; maps and counts in their order."""
    made = engine.generate([task.request for task in tasks], params, progress)
    return [task.merge(each) for task, each in zip(tasks, made, strict=True)]


def light_map(
    on: TaskSong, beatmap: Beatmap, conditions: Conditions, seed: int, *, ours: bool = False
) -> MapTask:
    """A light show for a map's notes; a show that it has is replaced, event box groups stay.

    Args:
        on: the song.
        beatmap: the map to light.
        conditions: what is known of it; what is not is taken from it.
        seed: of the sampling.
        ours: it was made on this song's grid, on whichever ticks.
    """
    bars, hidden = on.bars(beatmap, ours=ours)
    asked = replace(described(conditions, beatmap, on.song), lights=True)
    request = on.request(asked, seed)
    ticks = {on.grid.tick(note.beat) for note in beatmap.color_notes}
    request = lights_row(request, bars, ticks)

    def merge(generated: GeneratedMap) -> Made:
        made, counts = to_beatmap(generated, on.song)
        counts["replaced: light"] += len(beatmap.lights)
        counts["replaced: boost"] += len(beatmap.boosts)
        return replace(beatmap, lights=made.lights, boosts=made.boosts), +(counts + hidden)

    return MapTask(request, merge)


def light_range(
    on: TaskSong,
    beatmap: Beatmap,
    bars: range,
    conditions: Conditions,
    seed: int,
    *,
    given_ticks: int = 0,
) -> MapTask:
    """The lights of some bars made anew, the show before them given.

    Args:
        on: the song.
        beatmap: the map, whose notes may be made on the song's grid.
        bars: the model's bars to light.
        conditions: as in `light_map`.
        seed: of the sampling.
        given_ticks: of the first bar whose show stays, too.
    """
    shown, hidden = on.bars(beatmap, ours=True)
    asked = replace(described(conditions, beatmap, on.song), lights=True)
    shows = [split_lights(bar)[1] for bar in shown]
    ticks = {on.grid.tick(note.beat) for note in beatmap.color_notes}
    request = replace(
        lights_row(on.request(asked, seed), shown, ticks),
        fixed=dict(enumerate(shows[: bars.start])),
        begun={bars.start: before_tick(shows[bars.start], given_ticks)} if given_ticks else {},
        end_bar=bars.stop,
        around=objects_a_bar([*shows[: bars.start], *shows[bars.stop :]]),
    )
    first = bars.start * v.TICKS_PER_SEGMENT + given_ticks
    lit = range(first, bars.stop * v.TICKS_PER_SEGMENT)

    def merge(generated: GeneratedMap) -> Made:
        alone = [[] if bar < bars.start else ids for bar, ids in enumerate(generated.bars)]
        made, counts = to_beatmap(GeneratedMap(alone, generated.counts), on.song)
        made = within(made, on.grid, lit, lights=True)[0]
        left, gone = kept_outside(beatmap, on.grid, lit, keep_lights=False)
        show = joined(Beatmap(lights=left.lights, boosts=left.boosts), made)
        counts += Counter({what: gone[what] for what in ("replaced: light", "replaced: boost")})
        return replace(beatmap, lights=show.lights, boosts=show.boosts), +(counts + hidden)

    return MapTask(request, merge)


def difficulty_from(
    on: TaskSong,
    source: Beatmap,
    source_conditions: Conditions,
    conditions: Conditions,
    seed: int,
    *,
    share_lights: bool = False,
) -> MapTask:
    """A difficulty of a song from another of its difficulties.

    Args:
        on: the song.
        source: the map to go by.
        source_conditions: its difficulty; an unknown notes/s is counted.
        conditions: what is wanted.
        seed: of the sampling.
        share_lights: take the source's light show, event box groups included, as it is.
    """
    bars, hidden = on.bars(source)
    told = described(source_conditions, source, on.song)
    asked = on.wanted(conditions)
    if share_lights:
        asked = replace(asked, lights=False)
    request = replace(on.request(asked, seed), context=difficulty_context(told, bars))

    def merge(generated: GeneratedMap) -> Made:
        made, counts = to_beatmap(generated, on.song)
        if share_lights:
            made = replace(
                made,
                lights=source.lights,
                boosts=source.boosts,
                group_lights=source.group_lights,
                event_keywords=source.event_keywords,
                normal_events_compatible=source.normal_events_compatible,
            )
        return made, +(counts + hidden)

    return MapTask(request, merge)


def continue_map(
    on: TaskSong,
    beatmap: Beatmap,
    bar: int,
    conditions: Conditions,
    seed: int,
    *,
    given_ticks: int = 0,
) -> MapTask:
    """A map from a bar on, given what comes before it; what the map has from there is replaced.

    Args:
        on: the song.
        beatmap: the map to go on from.
        bar: the model's first bar to make (`saberlm.infer.given.bars_between`).
        conditions: what is wanted; what is unknown is as in the given map, with ``lights`` False
            the show stays whole.
        seed: of the sampling.
        given_ticks: of the bar that stay, too; the map goes on after them.

    Raises:
        ValueError: the bar is not within the song, the map not on its grid.
    """
    bars = range(bar, on.encoding.num_bars)
    return _range(on, beatmap, bars, conditions, seed, "continue", given_ticks)


def remap_range(
    on: TaskSong,
    beatmap: Beatmap,
    bars: range,
    conditions: Conditions,
    seed: int,
    *,
    ours: bool = False,
) -> MapTask:
    """Some bars of a map made anew, what is on both sides given.

    Args:
        on: the song.
        beatmap: the map.
        bars: the model's bars to make (`saberlm.infer.given.bars_between`).
        conditions: as in `continue_map`.
        seed: of the sampling.
        ours: it was made on this song's grid, on whichever ticks.

    Raises:
        ValueError: the bars are not within the song, the map not on its grid.
    """
    return _range(on, beatmap, bars, conditions, seed, "remap", ours=ours)


def _range(
    on: TaskSong,
    beatmap: Beatmap,
    bars: range,
    conditions: Conditions,
    seed: int,
    task: str,
    given_ticks: int = 0,
    *,
    ours: bool = False,
) -> MapTask:
    num_bars, grid = on.encoding.num_bars, on.grid
    lowest = 1 if task == "continue" and not given_ticks else 0
    if not (lowest <= bars.start < bars.stop <= num_bars):
        raise ValueError(
            f"expected bars within {lowest}-{num_bars - 1} to {task}, found {bars.start} to"
            f" {bars.stop - 1}: likely a stretch outside the song"
        )
    shown, hidden = on.bars(beatmap, ours=ours)
    asked = described(conditions, beatmap, on.song)
    lit = asked.lights is not False
    if not lit:
        shown = [split_lights(bar)[0] for bar in shown]
    borders = [bars.start] if task == "continue" else [bars.start, bars.stop]
    cut = [list(bar) for bar in cut_arcs(shown, borders)[0]]
    following = shown[bars.stop] if bars.stop < num_bars else None
    context = (
        continue_context()
        if task == "continue"
        else remap_context(bars.start, bars.stop, following)
    )
    request = replace(
        on.request(asked, seed),
        context=context,
        fixed=dict(enumerate(cut[: bars.start])),
        begun={bars.start: before_tick(cut[bars.start], given_ticks)} if given_ticks else {},
        end_bar=bars.stop,
        around=objects_a_bar([*cut[: bars.start], *cut[bars.stop :]]),
    )
    first = bars.start * v.TICKS_PER_SEGMENT + given_ticks
    # past the song's last bar nothing is made; what the map has there goes when it is continued
    last = 10**9 if task == "continue" else bars.stop * v.TICKS_PER_SEGMENT

    def merge(generated: GeneratedMap) -> Made:
        alone = [[] if bar < bars.start else ids for bar, ids in enumerate(generated.bars)]
        made, counts = to_beatmap(GeneratedMap(alone, generated.counts), on.song)
        made, held = within(made, grid, range(first, bars.stop * v.TICKS_PER_SEGMENT), lights=lit)
        kept, gone = kept_outside(beatmap, grid, range(first, last), keep_lights=not lit)
        return joined(kept, made), +(counts + held + gone + hidden)

    return MapTask(request, merge)


def follow_reference(
    on: TaskSong, reference: Beatmap, reference_bpm: float, conditions: Conditions, seed: int
) -> MapTask:
    """A map in the manner of another, of this song or any.

    Args:
        on: the song.
        reference: the map to follow, in beats of its own song.
        reference_bpm: that song's tempo.
        conditions: what is wanted.
        seed: of the sampling.

    Raises:
        ValueError: as `shown_reference`.
    """
    context = shown_reference(reference, reference_bpm)
    request = replace(on.request(on.wanted(conditions), seed), context=context)
    return MapTask(request, lambda generated: to_beatmap(generated, on.song))


def shown_reference(reference: Beatmap, bpm: float) -> Context:
    """What a prompt shows of a map to follow, in beats of its own song at ``bpm``.

    Raises:
        ValueError: the reference has no notes, changes its tempo or is not on its own grid.
    """
    bars = reference_bars(reference, bpm)
    if not any(bars):
        raise ValueError("expected a reference with notes, found none: likely a lights-only file")
    first = typical_run([len(notes_only(bar)) for bar in bars], REFERENCE_BARS)
    return reference_context(bars[first : first + REFERENCE_BARS])


def typical_run(sizes: Sequence[int], length: int) -> int:
    """The start of the run of ``length`` bars whose tokens are the median among runs that have
    any, so that neither a break nor a climax speaks for the map."""
    starts = range(max(1, len(sizes) - length + 1))
    runs = sorted((sum(sizes[start : start + length]), start) for start in starts)
    busy = [run for run in runs if run[0] > 0]
    return busy[len(busy) // 2][1]


__all__ = [
    "MapTask",
    "TaskSong",
    "continue_map",
    "difficulty_from",
    "follow_reference",
    "light_map",
    "light_range",
    "remap_range",
    "run_tasks",
    "shown_reference",
]
