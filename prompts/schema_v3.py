"""Difficulty files v3.0-3.3 into the neutral `Beatmap`, and the beatmap into v3.3.0.

From v3.3 on a field at its default (0) may be left out of a file; reading allows that for every
version. Writing leaves nothing out: BeatSaver requires every top-level array, and CustomJSONData on
Quest misreads defaulted fields. Rules: the community wiki's map format page and BeatSaver's upload
validator (beatsaver-common-mp).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from saberlm.prompts.beatmap import (
    Arc,
    Beatmap,
    Bomb,
    BoostEvent,
    Chain,
    ColorNote,
    CutDirection,
    LightEvent,
    Obstacle,
)
from saberlm.prompts.schema_fields import DropError, FieldReader, checked_arc, checked_wall

VERSION = "3.3.0"

_Item: TypeAlias = Mapping[str, Any]

_GROUP_LIGHTING = (
    "lightColorEventBoxGroups",
    "lightRotationEventBoxGroups",
    "lightTranslationEventBoxGroups",
    "vfxEventBoxGroups",
)
_NOT_BASIC = {
    5: "for boost colours, which have their own list in v3",
    100: "for the tempo, which has its own list in v3",
}


def deserialize(data: dict[str, Any]) -> tuple[Beatmap, dict[str, int]]:
    """Reads a v3.x difficulty; a missing `version` is no hindrance.

    Args:
        data: The file's parsed JSON.

    Returns:
        The beatmap, and how often each kind of thing was mended or dropped.

    Raises:
        ValueError: If ``data`` is no v3 difficulty.
    """
    if not isinstance(data, dict) or "colorNotes" not in data:
        raise ValueError(
            "expected a v3 difficulty with `colorNotes`, found none: likely another kind"
        )
    reader = FieldReader()
    beatmap = Beatmap(
        color_notes=reader.collect(
            "note", reader.items(data, "colorNotes"), lambda item: _note(reader, item)
        ),
        bombs=reader.collect(
            "bomb", reader.items(data, "bombNotes"), lambda item: _bomb(reader, item)
        ),
        obstacles=reader.collect(
            "wall", reader.items(data, "obstacles"), lambda item: _wall(reader, item)
        ),
        arcs=reader.collect("arc", reader.items(data, "sliders"), lambda item: _arc(reader, item)),
        chains=reader.collect(
            "chain", reader.items(data, "burstSliders"), lambda item: _chain(reader, item)
        ),
        lights=reader.collect(
            "event", reader.items(data, "basicBeatmapEvents"), lambda item: _light(reader, item)
        ),
        boosts=reader.collect(
            "boost event",
            reader.items(data, "colorBoostBeatmapEvents"),
            lambda item: BoostEvent(reader.beat(item, "b"), reader.flag(item, "o")),
        ),
        bpm_events=reader.collect(
            "tempo event",
            reader.items(data, "bpmEvents"),
            lambda item: reader.bpm_event(reader.beat(item, "b"), reader.number(item, "m")),
        ),
    )
    reader.unmodelled(data, "group lighting event boxes", _GROUP_LIGHTING)
    reader.unmodelled(data, "lane rotations", ("rotationEvents",))
    reader.unmodelled(data, "waypoints", ("waypoints",))
    return beatmap, dict(reader.counts)


def serialize(beatmap: Beatmap) -> dict[str, Any]:
    """Writes a v3.3.0 difficulty with every array and every field, each collection sorted by beat.

    Args:
        beatmap: What to write. It is not judged here: an illegal object is written as it stands.

    Returns:
        An object for `json.dumps`; a number that is not finite stays so and is for the JSON writer
        to refuse.
    """
    return {
        "version": VERSION,
        "bpmEvents": [
            {"b": e.beat, "m": e.bpm} for e in sorted(beatmap.bpm_events, key=lambda e: e.beat)
        ],
        "rotationEvents": [],
        "colorNotes": [
            {
                "b": n.beat,
                "x": n.x,
                "y": n.y,
                "c": int(n.color),
                "d": int(n.direction),
                "a": n.angle_offset,
            }
            for n in sorted(beatmap.color_notes, key=lambda n: n.beat)
        ],
        "bombNotes": [
            {"b": b.beat, "x": b.x, "y": b.y} for b in sorted(beatmap.bombs, key=lambda b: b.beat)
        ],
        "obstacles": [
            {"b": w.beat, "d": w.duration, "x": w.x, "y": w.y, "w": w.width, "h": w.height}
            for w in sorted(beatmap.obstacles, key=lambda w: w.beat)
        ],
        "sliders": [_arc_item(arc) for arc in sorted(beatmap.arcs, key=lambda arc: arc.beat)],
        "burstSliders": [
            _chain_item(chain) for chain in sorted(beatmap.chains, key=lambda chain: chain.beat)
        ],
        "waypoints": [],
        "basicBeatmapEvents": [
            {"b": e.beat, "et": e.type, "i": e.value, "f": e.brightness}
            for e in sorted(beatmap.lights, key=lambda e: e.beat)
        ],
        "colorBoostBeatmapEvents": [
            {"b": e.beat, "o": bool(e.on)} for e in sorted(beatmap.boosts, key=lambda e: e.beat)
        ],
        **{group: [] for group in _GROUP_LIGHTING},
        "_fxEventsCollection": {"_fl": [], "_il": []},
        "basicEventTypesWithKeywords": {"d": []},
        "useNormalEventsAsCompatibleEvents": True,
    }


def _note(reader: FieldReader, item: _Item) -> ColorNote:
    x, y = reader.cell(item, "x", "y")
    return ColorNote(
        reader.beat(item, "b"),
        x,
        y,
        reader.choice(item, "c", 1, "colour"),
        reader.choice(item, "d", CutDirection.ANY, "cut direction"),
        reader.integer(item, "a"),
    )


def _bomb(reader: FieldReader, item: _Item) -> Bomb:
    return Bomb(reader.beat(item, "b"), *reader.cell(item, "x", "y"))


def _wall(reader: FieldReader, item: _Item) -> Obstacle:
    beat, duration = reader.beat(item, "b"), reader.number(item, "d")
    x, y, width, height = (reader.integer(item, key) for key in "xywh")
    return checked_wall(Obstacle(beat, x, y, duration, width, height))


def _arc(reader: FieldReader, item: _Item) -> Arc:
    x, y = reader.cell(item, "x", "y")
    tail_x, tail_y = reader.cell(item, "tx", "ty")
    return checked_arc(
        Arc(
            beat=reader.beat(item, "b"),
            x=x,
            y=y,
            color=reader.choice(item, "c", 1, "colour"),
            direction=reader.choice(item, "d", CutDirection.ANY, "cut direction"),
            tail_beat=reader.beat(item, "tb"),
            tail_x=tail_x,
            tail_y=tail_y,
            tail_direction=reader.choice(item, "tc", CutDirection.ANY, "cut direction"),
            multiplier=reader.number(item, "mu"),
            tail_multiplier=reader.number(item, "tmu"),
            mid_anchor=reader.choice(item, "m", 2, "mid anchor"),
        )
    )


def _chain(reader: FieldReader, item: _Item) -> Chain:
    x, y = reader.cell(item, "x", "y")
    tail_x, tail_y = reader.cell(item, "tx", "ty")
    chain = Chain(
        beat=reader.beat(item, "b"),
        x=x,
        y=y,
        color=reader.choice(item, "c", 1, "colour"),
        direction=reader.choice(item, "d", CutDirection.ANY, "cut direction"),
        tail_beat=reader.beat(item, "tb"),
        tail_x=tail_x,
        tail_y=tail_y,
        slice_count=reader.integer(item, "sc"),
        squish=reader.number(item, "s"),
    )
    if chain.tail_beat < chain.beat:
        raise DropError("with its tail before its head")
    if chain.slice_count < 1:
        raise DropError("with fewer than 1 slice")
    if chain.squish <= 0:  # 0 crashes the game
        raise DropError("with a squish that is not above 0")
    return chain


def _light(reader: FieldReader, item: _Item) -> LightEvent:
    beat, kind = reader.beat(item, "b"), reader.integer(item, "et")
    if kind in _NOT_BASIC:
        raise DropError(_NOT_BASIC[kind])
    return reader.light(beat, kind, reader.integer(item, "i"), reader.number(item, "f"))


def _arc_item(arc: Arc) -> dict[str, Any]:
    return {
        "c": int(arc.color),
        "b": arc.beat,
        "x": arc.x,
        "y": arc.y,
        "d": int(arc.direction),
        "mu": arc.multiplier,
        "tb": arc.tail_beat,
        "tx": arc.tail_x,
        "ty": arc.tail_y,
        "tc": int(arc.tail_direction),
        "tmu": arc.tail_multiplier,
        "m": arc.mid_anchor,
    }


def _chain_item(chain: Chain) -> dict[str, Any]:
    return {
        "c": int(chain.color),
        "b": chain.beat,
        "x": chain.x,
        "y": chain.y,
        "d": int(chain.direction),
        "tb": chain.tail_beat,
        "tx": chain.tail_x,
        "ty": chain.tail_y,
        "sc": chain.slice_count,
        "s": chain.squish,
    }
