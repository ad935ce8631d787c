"""The tables behind the checks of difficulty files: what each v2 and v3 array holds.

Source: BeatSaver's upload check and the wiki's format pages as collected in `beat-saber.md` 1.4 and
1.5; grid, direction, wall and chain limits are those of a vanilla map (no Mapping Extensions).
"""

from __future__ import annotations

from dataclasses import dataclass

from saberlm.eval.fields import Field


@dataclass(frozen=True, slots=True)
class Collection:
    """One array of a difficulty: its fields, which of them are beats, and how late ones count."""

    name: str
    beat: str
    fields: tuple[Field, ...]
    more_beats: tuple[str, ...] = ()
    harmless_late: bool = False
    optional: bool = False


def _beat(name: str) -> Field:
    return Field(name, "float")


def _x(name: str) -> Field:
    return Field(name, "int", 0, 3, rule="grid.x")


def _y(name: str) -> Field:
    return Field(name, "int", 0, 2, rule="grid.y")


def _direction(name: str) -> Field:
    return Field(name, "int", 0, 8, rule="direction")


def _color(name: str) -> Field:
    return Field(name, "int", 0, 1, rule="color")


def _wall_size(name: str, most: int) -> Field:
    return Field(name, "int", 1, most, rule="wall.size")


_V3_CELL = (_beat("b"), _x("x"), _y("y"))
_V3_TAIL = (_beat("tb"), _x("tx"), _y("ty"))
_V3_GROUP = (_beat("b"), Field("g", "int"), Field("e", "list"))

V3: tuple[Collection, ...] = (
    Collection("bpmEvents", "b", (_beat("b"), Field("m", "float", above=0, rule="bpm"))),
    Collection(
        "rotationEvents",
        "b",
        (_beat("b"), Field("e", "int", 0, 1, rule="rotation"), Field("r", "float")),
    ),
    Collection("colorNotes", "b", (*_V3_CELL, _color("c"), _direction("d"), Field("a", "int"))),
    Collection("bombNotes", "b", _V3_CELL),
    Collection(
        "obstacles",
        "b",
        (
            *_V3_CELL,
            Field("d", "float", 0, rule="wall.duration"),
            _wall_size("w", 4),
            _wall_size("h", 5),
        ),
    ),
    Collection(
        "sliders",
        "b",
        (
            *_V3_CELL,
            _color("c"),
            _direction("d"),
            Field("mu", "float"),
            *_V3_TAIL,
            _direction("tc"),
            Field("tmu", "float"),
            Field("m", "int", 0, 2, rule="arc.anchor"),
        ),
        more_beats=("tb",),
    ),
    Collection(
        "burstSliders",
        "b",
        (
            *_V3_CELL,
            _color("c"),
            _direction("d"),
            *_V3_TAIL,
            Field("sc", "int", 1, rule="chain.slices"),
            Field("s", "float", above=0, rule="chain.squish"),
        ),
        more_beats=("tb",),
    ),
    Collection("waypoints", "b", (*_V3_CELL, Field("d", "int", 0, 9, rule="direction"))),
    Collection(
        "basicBeatmapEvents",
        "b",
        (
            _beat("b"),
            Field("et", "int", 0, rule="event.type"),
            Field("i", "int"),
            Field("f", "float"),
        ),
        harmless_late=True,
    ),
    Collection(
        "colorBoostBeatmapEvents", "b", (_beat("b"), Field("o", "bool")), harmless_late=True
    ),
    Collection("lightColorEventBoxGroups", "b", _V3_GROUP, harmless_late=True),
    Collection("lightRotationEventBoxGroups", "b", _V3_GROUP, harmless_late=True),
    Collection("lightTranslationEventBoxGroups", "b", _V3_GROUP, harmless_late=True),
    Collection("vfxEventBoxGroups", "b", _V3_GROUP, harmless_late=True),
)

V3_TOP = (
    Field("basicEventTypesWithKeywords", "dict"),
    Field("useNormalEventsAsCompatibleEvents", "bool"),
    Field("_fxEventsCollection", "dict"),
)


def sections_required(minor: int) -> frozenset[str]:
    """Top-level names that a v3 file of this minor version must hold (BeatSaver's rule)."""
    later = {"lightTranslationEventBoxGroups": 2, "vfxEventBoxGroups": 3, "_fxEventsCollection": 3}
    names = [one.name for one in V3] + [one.name for one in V3_TOP]
    if minor >= 3:  # a missing flag is read as false from 3.3 on
        names.remove("useNormalEventsAsCompatibleEvents")
    return frozenset(name for name in names if minor >= later.get(name, 0))


V2: tuple[Collection, ...] = (
    Collection(
        "_notes",
        "_time",
        (
            _beat("_time"),
            _x("_lineIndex"),
            _y("_lineLayer"),
            Field("_type", "int", choices=(0, 1, 3), rule="color"),
            _direction("_cutDirection"),
        ),
    ),
    Collection(
        "_obstacles",
        "_time",
        (
            _beat("_time"),
            Field("_type", "int", 0, 2, rule="wall.type"),
            _x("_lineIndex"),
            Field("_duration", "float", 0, rule="wall.duration"),
            _wall_size("_width", 4),
        ),
    ),
    Collection(
        "_events",
        "_time",
        (
            _beat("_time"),
            Field("_type", "int", 0, rule="event.type"),
            Field("_value", "int"),
            Field("_floatValue", "float", optional=True),
        ),
        harmless_late=True,
    ),
    Collection(
        "_sliders",
        "_headTime",
        (
            _color("_colorType"),
            _beat("_headTime"),
            _x("_headLineIndex"),
            _y("_headLineLayer"),
            _direction("_headCutDirection"),
            Field("_headControlPointLengthMultiplier", "float"),
            _beat("_tailTime"),
            _x("_tailLineIndex"),
            _y("_tailLineLayer"),
            _direction("_tailCutDirection"),
            Field("_tailControlPointLengthMultiplier", "float"),
            Field("_sliderMidAnchorMode", "int", 0, 2, rule="arc.anchor"),
        ),
        more_beats=("_tailTime",),
        optional=True,
    ),
    Collection(
        "_waypoints",
        "_time",
        (
            _beat("_time"),
            Field("_lineIndex", "int"),
            Field("_lineLayer", "int"),
            Field("_offsetDirection", "int"),
        ),
        optional=True,
    ),
)

V2_FREE_WALL = (_y("_lineLayer"), _wall_size("_height", 5))
"""What a v2.6 wall of type 2 holds besides."""
