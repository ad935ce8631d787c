"""Difficulty files v4.0-4.1 with their lightshow into the neutral `Beatmap`, and back.

Objects number rows of tables; arcs and chains number their heads and tails among the notes'. The
tempo is not here: a level's ``AudioData.dat`` holds it (`saberlm.prompts.tempo_files`). Rules: the
community wiki's map format page and BeatSaver's upload validator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

from saberlm.prompts.beatmap import (
    Arc,
    Beatmap,
    Bomb,
    Chain,
    ColorNote,
    NjsEvent,
    Obstacle,
    RotationEvent,
)
from saberlm.prompts.errors import LevelError
from saberlm.prompts.extra_fields import CUSTOM_DATA, writable_extra
from saberlm.prompts.lanes_v4 import (
    HEAD_LANE,
    TAIL_LANE,
    LaneReader,
    LaneWriter,
    own_lane,
    without_lanes,
)
from saberlm.prompts.lightshow_v4 import Lightshow, read_lightshow, referring, write_lightshow
from saberlm.prompts.schema_fields import FieldReader
from saberlm.prompts.tables_v4 import RowTable, merged_extra, row_of

VERSION = "4.1.0"

_Item: TypeAlias = Mapping[str, Any]
_T = TypeVar("_T", ColorNote, Arc, Chain)

_NOTES, _NOTES_DATA = "colorNotes", "colorNotesData"
_FILE = frozenset(
    {
        "version",
        _NOTES,
        _NOTES_DATA,
        "bombNotes",
        "bombNotesData",
        "obstacles",
        "obstaclesData",
        "arcs",
        "arcsData",
        "chains",
        "chainsData",
        "spawnRotations",
        "spawnRotationsData",
        "njsEvents",
        "njsEventData",
    }
)
_OBJECT = frozenset("bri")
_EVENT = frozenset("bi")
_NOTE = frozenset("xycda")
_BOMB = frozenset("xy")
_WALL = frozenset("dxywh")
_ARC = frozenset(("hb", "tb", "hr", "tr", "hi", "ti", "ai"))
_ARC_ROW = frozenset(("m", "tm", "a"))
_CHAIN = frozenset(("hb", "tb", "hr", "tr", "i", "ci"))
_CHAIN_ROW = frozenset(("tx", "ty", "c", "s"))
_ROTATION = frozenset("ter")
_NJS = frozenset("dpe")


def deserialize(
    data: Mapping[str, Any], lightshow: Mapping[str, Any] | None
) -> tuple[Beatmap, dict[str, int]]:
    """Reads a v4 difficulty and its lightshow.

    Args:
        data: The difficulty file's parsed JSON.
        lightshow: The lightshow file's, or None if there is none.

    Returns:
        The beatmap without tempo events, and how often each kind of thing was mended, kept although
        only mods can play it, or dropped.

    Raises:
        LevelError: If ``data`` is no v4 difficulty.
    """
    is_v4 = isinstance(data, Mapping) and (
        _NOTES_DATA in data or str(data.get("version", "")).startswith("4")
    )
    if not is_v4:
        raise LevelError(
            "expected a v4 difficulty with `colorNotesData`, found none: likely another kind"
        )
    reader = FieldReader()
    lanes = LaneReader(reader)
    rows = _Rows(reader, data, lanes)
    notes = reader.collect("note", reader.items(data, _NOTES), rows.note)
    bombs = reader.collect("bomb", reader.items(data, "bombNotes"), rows.bomb)
    walls = reader.collect("wall", reader.items(data, "obstacles"), rows.wall)
    arcs = reader.collect("arc", reader.items(data, "arcs"), rows.arc)
    chains = reader.collect("chain", reader.items(data, "chains"), rows.chain)
    rotations = lanes.rotations(
        reader.collect("lane rotation", reader.items(data, "spawnRotations"), rows.rotation)
    )
    extra = reader.extra(data, _FILE, "the file")
    lights = Lightshow() if lightshow is None else read_lightshow(reader, lightshow)
    beatmap = Beatmap(
        color_notes=lanes.settled("note", notes),
        bombs=lanes.settled("bomb", bombs),
        obstacles=lanes.settled("wall", walls),
        arcs=lanes.settled("arc", arcs),
        chains=lanes.settled("chain", chains),
        lights=lights.lights,
        boosts=lights.boosts,
        rotations=rotations,
        waypoints=lights.waypoints,
        njs_events=reader.collect(
            "jump speed event", reader.items(data, "njsEvents"), rows.njs_event
        ),
        group_lights=lights.group_lights,
        event_keywords=lights.event_keywords,
        normal_events_compatible=lights.normal_events_compatible,
        extra=_both(reader, extra, lights.extra),
    )
    return beatmap, dict(reader.counts)


def serialize(beatmap: Beatmap, lost: Counter[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Writes a difficulty 4.1.0 and a lightshow 4.0.0 with every table and field explicit.

    Rows are in the order of first use, each once. Lane rotations become the objects' lanes; those
    that reading could not find again there are counted.

    Args:
        beatmap: What to write. It is not judged here. Its tempo events are for ``AudioData.dat``.
        lost: Counts what the format cannot hold.

    Returns:
        The difficulty and the lightshow, for `json.dumps`.
    """
    lanes = LaneWriter(beatmap.rotations, lost)
    tables = {name: RowTable() for name in (_NOTES_DATA, "arcsData", "chainsData")}
    bombs, bomb_rows = referring(
        beatmap.bombs, lambda bomb: {"x": bomb.x, "y": bomb.y}, _OBJECT, lost, lanes.lane
    )
    walls, wall_rows = referring(beatmap.obstacles, _wall_row, _OBJECT, lost, lanes.lane)
    notes = [
        {
            "b": note.beat,
            "r": lanes.lane(note),
            "i": tables[_NOTES_DATA].number(
                _note_row(note.x, note.y, note.color, note.direction, note.angle_offset)
            ),
            **writable_extra(without_lanes(note.extra), lost, _OBJECT),
        }
        for note in _by_beat(beatmap.color_notes)
    ]
    arcs = [_arc_item(arc, tables, lanes, lost) for arc in _by_beat(beatmap.arcs)]
    chains = [_chain_item(chain, tables, lanes, lost) for chain in _by_beat(beatmap.chains)]
    njs, njs_rows = referring(
        beatmap.njs_events,
        lambda e: {"d": e.change, "p": e.use_previous, "e": e.easing},
        _EVENT,
        lost,
    )
    lanes.count_lost()
    for event in beatmap.bpm_events:
        if event.extra:
            lost["unknown field of a tempo event"] += len(event.extra)
    difficulty = {
        "version": VERSION,
        _NOTES: notes,
        _NOTES_DATA: tables[_NOTES_DATA].rows,
        "bombNotes": bombs,
        "bombNotesData": bomb_rows,
        "obstacles": walls,
        "obstaclesData": wall_rows,
        "arcs": arcs,
        "arcsData": tables["arcsData"].rows,
        "chains": chains,
        "chainsData": tables["chainsData"].rows,
        "njsEvents": njs,
        "njsEventData": njs_rows,
        **writable_extra(beatmap.extra, lost, _FILE),
    }
    return difficulty, write_lightshow(beatmap, lost)


class _Rows:
    """Reads objects together with the rows they number."""

    def __init__(self, reader: FieldReader, data: _Item, lanes: LaneReader) -> None:
        self._reader = reader
        self._data = data
        self._lanes = lanes

    def note(self, item: _Item) -> ColorNote:
        row = self._row(_NOTES_DATA, item, "i")
        x, y, color, direction, angle = (self._reader.integer(row, key) for key in "xycda")
        extra = merged_extra(self._reader, item, _OBJECT, row, _NOTE)
        beat = self._reader.beat(item, "b")
        return self._lanes.read(ColorNote(beat, x, y, color, direction, angle, extra), item)

    def bomb(self, item: _Item) -> Bomb:
        row = self._row("bombNotesData", item, "i")
        x, y = (self._reader.integer(row, key) for key in "xy")
        extra = merged_extra(self._reader, item, _OBJECT, row, _BOMB)
        return self._lanes.read(Bomb(self._reader.beat(item, "b"), x, y, extra), item)

    def wall(self, item: _Item) -> Obstacle:
        row = self._row("obstaclesData", item, "i")
        x, y, width, height = (self._reader.integer(row, key) for key in "xywh")
        beat, duration = self._reader.beat(item, "b"), self._reader.number(row, "d")
        extra = merged_extra(self._reader, item, _OBJECT, row, _WALL)
        return self._lanes.read(Obstacle(beat, x, y, duration, width, height, extra), item)

    def arc(self, item: _Item) -> Arc:
        reader = self._reader
        head, tail = self._row(_NOTES_DATA, item, "hi"), self._row(_NOTES_DATA, item, "ti")
        row = self._row("arcsData", item, "ai")
        color = reader.integer(head, "c")
        if reader.integer(tail, "c") != color:
            reader.counts["colour of an arc's tail ignored for its head's"] += 1
        arc = Arc(
            beat=reader.beat(item, "hb"),
            x=reader.integer(head, "x"),
            y=reader.integer(head, "y"),
            color=color,
            direction=reader.integer(head, "d"),
            tail_beat=reader.beat(item, "tb"),
            tail_x=reader.integer(tail, "x"),
            tail_y=reader.integer(tail, "y"),
            tail_direction=reader.integer(tail, "d"),
            multiplier=reader.number(row, "m"),
            tail_multiplier=reader.number(row, "tm"),
            mid_anchor=reader.integer(row, "a"),
            extra=merged_extra(reader, item, _ARC, row, _ARC_ROW),
        )
        return self._lanes.read(arc, item)

    def chain(self, item: _Item) -> Chain:
        reader = self._reader
        head, row = self._row(_NOTES_DATA, item, "i"), self._row("chainsData", item, "ci")
        chain = Chain(
            beat=reader.beat(item, "hb"),
            x=reader.integer(head, "x"),
            y=reader.integer(head, "y"),
            color=reader.integer(head, "c"),
            direction=reader.integer(head, "d"),
            tail_beat=reader.beat(item, "tb"),
            tail_x=reader.integer(row, "tx"),
            tail_y=reader.integer(row, "ty"),
            slice_count=reader.integer(row, "c"),
            squish=reader.number(row, "s"),
            extra=merged_extra(reader, item, _CHAIN, row, _CHAIN_ROW),
        )
        return self._lanes.read(chain, item)

    def rotation(self, item: _Item) -> RotationEvent:
        row = self._row("spawnRotationsData", item, "i")
        late = self._reader.integer(row, "t" if "t" in row else "e")  # both spellings exist
        extra = merged_extra(self._reader, item, _EVENT, row, _ROTATION)
        beat, degrees = self._reader.beat(item, "b"), self._reader.number(row, "r")
        return RotationEvent(beat, late, degrees, extra)

    def njs_event(self, item: _Item) -> NjsEvent:
        row = self._row("njsEventData", item, "i")
        return NjsEvent(
            self._reader.beat(item, "b"),
            self._reader.number(row, "d"),
            self._reader.integer(row, "p"),
            self._reader.integer(row, "e"),
            merged_extra(self._reader, item, _EVENT, row, _NJS),
        )

    def _row(self, table: str, item: _Item, key: str) -> _Item:
        return row_of(self._reader, self._data, table, item, key)


def _by_beat(things: Iterable[_T]) -> list[_T]:
    return sorted(things, key=lambda thing: thing.beat)


def _note_row(x: int, y: int, color: int, direction: int, angle: int = 0) -> dict[str, Any]:
    return {"x": x, "y": y, "c": int(color), "d": int(direction), "a": angle}


def _wall_row(wall: Obstacle) -> dict[str, Any]:
    return {"d": wall.duration, "x": wall.x, "y": wall.y, "w": wall.width, "h": wall.height}


def _arc_item(
    arc: Arc, tables: Mapping[str, RowTable], lanes: LaneWriter, lost: Counter[str]
) -> dict[str, Any]:
    head = _note_row(arc.x, arc.y, arc.color, arc.direction)
    tail = _note_row(arc.tail_x, arc.tail_y, arc.color, arc.tail_direction)
    row = {"m": arc.multiplier, "tm": arc.tail_multiplier, "a": arc.mid_anchor}
    lane = lanes.lane(arc)
    return {
        "hb": arc.beat,
        "tb": arc.tail_beat,
        HEAD_LANE: lane,
        TAIL_LANE: own_lane(arc.extra, TAIL_LANE, lane),
        "hi": tables[_NOTES_DATA].number(head),
        "ti": tables[_NOTES_DATA].number(tail),
        "ai": tables["arcsData"].number(row),
        **writable_extra(without_lanes(arc.extra), lost, _ARC),
    }


def _chain_item(
    chain: Chain, tables: Mapping[str, RowTable], lanes: LaneWriter, lost: Counter[str]
) -> dict[str, Any]:
    head = _note_row(chain.x, chain.y, chain.color, chain.direction)
    row = {"tx": chain.tail_x, "ty": chain.tail_y, "c": chain.slice_count, "s": chain.squish}
    lane = lanes.lane(chain)
    return {
        "hb": chain.beat,
        "tb": chain.tail_beat,
        HEAD_LANE: lane,
        TAIL_LANE: own_lane(chain.extra, TAIL_LANE, lane),
        "i": tables[_NOTES_DATA].number(head),
        "ci": tables["chainsData"].number(row),
        **writable_extra(without_lanes(chain.extra), lost, _CHAIN),
    }


def _both(reader: FieldReader, extra: _Item | None, lights: _Item | None) -> _Item | None:
    """The unknown fields of both files in one; the difficulty's go first."""
    if not lights:
        return extra
    extra = extra or {}
    both = {**lights, **extra}
    ours, theirs = extra.get(CUSTOM_DATA), lights.get(CUSTOM_DATA)
    shared = lights.keys() & extra.keys() - {CUSTOM_DATA}
    if isinstance(ours, dict) and isinstance(theirs, dict):
        shared |= ours.keys() & theirs.keys()
        both[CUSTOM_DATA] = {**theirs, **ours}
    elif ours:
        shared |= {CUSTOM_DATA} if theirs else set()
    if shared:
        reader.counts["field of the lightshow that the difficulty has too dropped"] += len(shared)
    return both
