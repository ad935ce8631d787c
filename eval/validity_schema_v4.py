"""The tables behind the checks of format v4: difficulty, lightshow and audio data.

Objects hold a beat and numbers of rows in ``...Data`` tables. Source: BeatSaver's upload check and
the wiki's format pages as collected in `beat-saber.md` 1.3 and 1.6; grid, direction, wall and chain
limits are those of a vanilla map.
"""

from __future__ import annotations

from dataclasses import dataclass

from saberlm.eval.fields import Field
from saberlm.eval.validity_schema import Collection

LAST_EASING = 30
GAME_EASINGS = (100, 101, 102)
EASINGS = (*range(-1, LAST_EASING + 1), *GAME_EASINGS)


@dataclass(frozen=True, slots=True)
class Listing:
    """One array of objects and the tables its fields number; ``until`` and ``since`` are the minor
    versions between which the array exists."""

    objects: Collection
    tables: tuple[tuple[str, str], ...]
    required: bool = True
    since: int = 0
    until: int = 99


def _beat(name: str = "b") -> Field:
    return Field(name, "float")


def _number(name: str = "i") -> Field:
    return Field(name, "int", 0, rule="index")


def _bit(name: str) -> Field:
    return Field(name, "int", 0, 1)


def _easing(name: str = "e") -> Field:
    return Field(name, "int", choices=EASINGS, rule="easing")


_X = Field("x", "int", 0, 3, rule="grid.x")
_Y = Field("y", "int", 0, 2, rule="grid.y")
_LANE = Field("r", "int")
_PLACED = (_beat(), _LANE, _number())

DIFFICULTY: tuple[Listing, ...] = (
    Listing(Collection("colorNotes", "b", _PLACED), (("i", "colorNotesData"),)),
    Listing(Collection("bombNotes", "b", _PLACED), (("i", "bombNotesData"),)),
    Listing(Collection("obstacles", "b", _PLACED), (("i", "obstaclesData"),)),
    Listing(
        Collection(
            "arcs",
            "hb",
            (
                _beat("hb"),
                _beat("tb"),
                Field("hr", "int"),
                Field("tr", "int"),
                _number("hi"),
                _number("ti"),
                _number("ai"),
            ),
            more_beats=("tb",),
        ),
        (("hi", "colorNotesData"), ("ti", "colorNotesData"), ("ai", "arcsData")),
    ),
    Listing(
        Collection(
            "chains",
            "hb",
            (
                _beat("hb"),
                _beat("tb"),
                Field("hr", "int"),
                Field("tr", "int"),
                _number("i"),
                _number("ci"),
            ),
            more_beats=("tb",),
        ),
        (("i", "colorNotesData"), ("ci", "chainsData")),
    ),
    Listing(
        Collection("spawnRotations", "b", (_beat(), _number())),
        (("i", "spawnRotationsData"),),
        required=False,
        until=0,
    ),
    Listing(
        Collection("njsEvents", "b", (_beat(), _number())),
        (("i", "njsEventData"),),
        required=False,
        since=1,
    ),
)

DIFFICULTY_TABLES: dict[str, tuple[Field, ...]] = {
    "colorNotesData": (
        _X,
        _Y,
        Field("c", "int", 0, 1, rule="color"),
        Field("d", "int", 0, 8, rule="direction"),
        Field("a", "int"),
    ),
    "bombNotesData": (_X, _Y),
    "obstaclesData": (
        Field("d", "float", 0, rule="wall.duration"),
        _X,
        _Y,
        Field("w", "int", 1, 4, rule="wall.size"),
        Field("h", "int", 1, 5, rule="wall.size"),
    ),
    "arcsData": (
        Field("m", "float"),
        Field("tm", "float"),
        Field("a", "int", 0, 2, rule="arc.anchor"),
    ),
    "chainsData": (
        Field("tx", "int", 0, 3, rule="grid.x"),
        Field("ty", "int", 0, 2, rule="grid.y"),
        Field("c", "int", 1, rule="chain.slices"),
        Field("s", "float", above=0, rule="chain.squish"),
    ),
    # when a turn takes effect is `t` on the wiki and `e` in bsmap, so it is left alone
    "spawnRotationsData": (Field("r", "float"),),
    "njsEventData": (Field("d", "float"), _bit("p"), _easing()),
}

LIGHTSHOW: tuple[Listing, ...] = (
    Listing(
        Collection("basicEvents", "b", (_beat(), _number()), harmless_late=True),
        (("i", "basicEventsData"),),
    ),
    Listing(
        Collection("colorBoostEvents", "b", (_beat(), _number()), harmless_late=True),
        (("i", "colorBoostEventsData"),),
    ),
    Listing(Collection("waypoints", "b", (_beat(), _number())), (("i", "waypointsData"),)),
)
GROUPS = Collection(
    "eventBoxGroups",
    "b",
    (_beat(), Field("g", "int"), Field("t", "int", 1, 4, rule="group.type"), Field("e", "list")),
    harmless_late=True,
)
GROUP_BOX = (_number("f"), _number("e"), Field("l", "list"))
GROUP_EVENT = (_beat(), _number())
BOX_TABLES = {
    1: ("lightColorEventBoxes", "lightColorEvents"),
    2: ("lightRotationEventBoxes", "lightRotationEvents"),
    3: ("lightTranslationEventBoxes", "lightTranslationEvents"),
    4: ("fxEventBoxes", "floatFxEvents"),
}
"""A group type's tables of boxes and of events."""

_SPREAD = Field("d", "int", 1, 2, rule="distribution")
_BOX = (
    Field("w", "float"),
    _SPREAD,
    Field("s", "float"),
    Field("t", "int", 1, 2, rule="distribution"),
    _bit("b"),
    _easing(),
)
_TURNING_BOX = (*_BOX, Field("a", "int", 0, 2, rule="axis"), _bit("f"))

LIGHTSHOW_TABLES: dict[str, tuple[Field, ...]] = {
    "basicEventsData": (
        Field("t", "int", 0, rule="event.type"),
        Field("i", "int"),
        Field("f", "float"),
    ),
    "colorBoostEventsData": (_bit("b"),),
    "waypointsData": (_X, _Y, Field("d", "int", 0, 9, rule="direction")),
    "indexFilters": (
        Field("f", "int", 1, 2, rule="filter"),
        Field("p", "int"),
        Field("t", "int"),
        _bit("r"),
        Field("c", "int", 0, rule="filter"),
        Field("n", "int", 0, 3, rule="filter"),
        Field("s", "int"),
        Field("l", "float"),
        Field("d", "int", 0, 3, rule="filter"),
    ),
    "lightColorEventBoxes": _BOX,
    "lightColorEvents": (
        _bit("p"),
        _easing(),
        Field("c", "int", -1, 2, rule="color"),
        Field("b", "float"),
        Field("f", "int"),
        Field("sb", "float"),
        _bit("sf"),
    ),
    "lightRotationEventBoxes": _TURNING_BOX,
    "lightRotationEvents": (
        _bit("p"),
        _easing(),
        Field("r", "float"),
        Field("d", "int", 0, 2, rule="rotation"),
        Field("l", "int"),
    ),
    "lightTranslationEventBoxes": _TURNING_BOX,
    "lightTranslationEvents": (_bit("p"), _easing(), Field("t", "float")),
    "fxEventBoxes": _BOX,
    "floatFxEvents": (_bit("p"), _easing(), Field("v", "float")),
}
LIGHTSHOW_TOP = (
    Field("basicEventTypesWithKeywords", "dict"),
    Field("useNormalEventsAsCompatibleEvents", "bool", optional=True),
)

AUDIO_DATA = (
    Field("songChecksum", "str"),
    Field("songSampleCount", "int", 0, rule="audio_data.length"),
    Field("songFrequency", "int", 1, rule="audio_data.length"),
    Field("bpmData", "list"),
    Field("lufsData", "list"),
)
BPM_REGION = (Field("si", "int"), Field("ei", "int"), Field("sb", "float"), Field("eb", "float"))
LUFS_REGION = (Field("si", "int"), Field("ei", "int"), Field("l", "float"))
