"""Reading difficulty files v2 and v3: what is kept, mended and dropped, and its counts."""

import math
from collections import Counter
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saberlm.prompts import schema_v2, schema_v3
from saberlm.prompts.beatmap import (
    Arc,
    Beatmap,
    Bomb,
    BoostEvent,
    BpmEvent,
    Chain,
    ColorNote,
    LightEvent,
    Obstacle,
    RotationEvent,
    Waypoint,
)
from saberlm.prompts.schema_fields import DropError, FieldReader


def test_v3_reads_left_out_fields_as_0() -> None:
    data = {
        "colorNotes": [{"b": 1}],
        "basicBeatmapEvents": [{"b": 2, "et": 4}],
        "bombNotes": [{}],
        "sliders": [{}],
        "burstSliders": [{"sc": 3}],
        "colorBoostBeatmapEvents": [{}],
        "rotationEvents": [{"r": 15}],
    }
    beatmap, counts = schema_v3.deserialize(data)
    assert beatmap == Beatmap(
        color_notes=(ColorNote(1.0, 0, 0, 0, 0),),
        lights=(LightEvent(2.0, 4, 0, 0.0),),
        bombs=(Bomb(0.0, 0, 0),),
        arcs=(Arc(0.0, 0, 0, 0, 0, 0.0, 0, 0, 0, 0.0, 0.0, 0),),
        chains=(Chain(0.0, 0, 0, 0, 0, 0.0, 0, 0, 3, 0.0),),
        boosts=(BoostEvent(0.0, False),),
        rotations=(RotationEvent(0.0, 0, 15.0),),
        normal_events_compatible=False,
    )
    assert counts == {"kept: chain with a squish that is not above 0": 1}


def v2(**collections: Any) -> dict[str, Any]:
    return {"_notes": [], "_obstacles": [], "_events": []} | collections


def v2_note(**changes: Any) -> dict[str, Any]:
    note = {"_time": 1, "_lineIndex": 1, "_lineLayer": 0, "_type": 0, "_cutDirection": 1}
    return note | changes


def v2_wall(**changes: Any) -> dict[str, Any]:
    return {"_time": 1, "_type": 0, "_lineIndex": 0, "_duration": 2, "_width": 1} | changes


def v2_event(kind: int, value: int = 0, **changes: Any) -> dict[str, Any]:
    return {"_time": 1, "_type": kind, "_value": value} | changes


def test_v2_reads_every_kind_of_object() -> None:
    arc = {
        "_colorType": 1,
        "_headTime": 1,
        "_headLineIndex": 2,
        "_headLineLayer": 0,
        "_headCutDirection": 1,
        "_headControlPointLengthMultiplier": 1.5,
        "_tailTime": 3,
        "_tailLineIndex": 3,
        "_tailLineLayer": 2,
        "_tailCutDirection": 0,
        "_tailControlPointLengthMultiplier": 0.5,
        "_sliderMidAnchorMode": 2,
    }
    keyword = {"_keyword": "a", "_specialEvents": [40]}
    beatmap, counts = schema_v2.deserialize(
        v2(
            _notes=[v2_note(), v2_note(_time=2.5, _type=3)],
            _obstacles=[
                v2_wall(),
                v2_wall(_type=1, _width=4, _lineLayer=2, _height=3),
                v2_wall(_type=2, _lineLayer=1, _height=2),
            ],
            _sliders=[arc],
            _events=[
                v2_event(100, _floatValue=90.5),
                v2_event(1, 3),
                v2_event(1, 3, _floatValue=0.5),
                v2_event(5, 1),
                v2_event(5, 0),
                v2_event(14, 0),
                v2_event(15, 7),
                v2_event(15, 1380),
            ],
            _waypoints=[{"_time": 4, "_lineIndex": 1, "_lineLayer": 2, "_offsetDirection": 3}],
            _specialEventsKeywordFilters={"_keywords": [keyword]},
        )
    )
    assert counts == {}
    assert beatmap == Beatmap(
        color_notes=(ColorNote(1.0, 1, 0, 0, 1),),
        bombs=(Bomb(2.5, 1, 0),),
        obstacles=(
            Obstacle(1.0, 0, 0, 2.0, 1, 5),
            Obstacle(1.0, 0, 2, 2.0, 4, 3),
            Obstacle(1.0, 0, 1, 2.0, 1, 2),
        ),
        arcs=(Arc(1.0, 2, 0, 1, 1, 3.0, 3, 2, 0, 1.5, 0.5, 2),),
        lights=(LightEvent(1.0, 1, 3, 1.0), LightEvent(1.0, 1, 3, 0.5)),
        boosts=(BoostEvent(1.0, True), BoostEvent(1.0, False)),
        bpm_events=(BpmEvent(1.0, 90.5),),
        rotations=(
            RotationEvent(1.0, 0, -60.0),
            RotationEvent(1.0, 1, 60.0),
            RotationEvent(1.0, 1, 20.0),
        ),
        waypoints=(Waypoint(4.0, 1, 2, 3),),
        event_keywords=({"k": "a", "e": [40]},),
    )
    assert [wall.extra for wall in beatmap.obstacles] == [None, None, None]


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        (v2_note(_time=math.nan), "note with a _time that is not finite dropped"),
        (v2_note(_time=10**400), "note with a _time that is not finite dropped"),
        (v2_note(_time="soon"), "note with a _time that is not a number dropped"),
        (v2_note(_time=[]), "note with a _time that is not a number dropped"),
        (v2_note(_lineIndex=1.5), "note with a fractional _lineIndex dropped"),
        (v2_note(_lineIndex=2**31), "note with a _lineIndex beyond 32 bits dropped"),
        (v2_note(_type=2), "note of a type other than 0, 1 and 3 dropped"),
        (7, "_notes entry that is not an object dropped"),
    ],
)
def test_v2_drops_what_it_cannot_read(note: Any, reason: str) -> None:
    beatmap, counts = schema_v2.deserialize(v2(_notes=[note, v2_note()]))
    assert len(beatmap.color_notes) == 1
    assert counts == {reason: 1}


@pytest.mark.parametrize(
    ("note", "kept", "reason"),
    [
        (v2_note(_time=-1), ColorNote(-1.0, 1, 0, 0, 1), "note before beat 0"),
        (v2_note(_lineIndex=1500), ColorNote(1.0, 1500, 0, 0, 1), "note off the 4x3 grid"),
        (
            v2_note(_cutDirection=1090),
            ColorNote(1.0, 1, 0, 0, 1090),
            "note with a cut direction outside 0-8",
        ),
    ],
)
def test_v2_keeps_modded_notes(note: Any, kept: ColorNote, reason: str) -> None:
    beatmap, counts = schema_v2.deserialize(v2(_notes=[note]))
    assert beatmap.color_notes == (kept,)
    assert counts == {f"kept: {reason}": 1}


def test_v2_keeps_modded_walls() -> None:
    walls = [v2_wall(_type=4001), v2_wall(_duration=-3), v2_wall(_width=0), v2_wall(_lineIndex=-2)]
    beatmap, counts = schema_v2.deserialize(v2(_obstacles=walls))
    assert beatmap.obstacles == (
        Obstacle(1.0, 0, 0, 2.0, 1, 5),
        Obstacle(1.0, 0, 0, -3.0, 1, 5),
        Obstacle(1.0, 0, 0, 2.0, 0, 5),
        Obstacle(1.0, -2, 0, 2.0, 1, 5),
    )
    assert beatmap.obstacles[0].extra == {"_type": 4001}
    assert counts == {
        "kept: wall of a type other than 0, 1 and 2": 1,
        "kept: wall lasting a negative time": 1,
        "kept: wall with a width below 1": 1,
        "kept: wall with a column outside 0-3": 1,
    }


def test_v2_events_that_stand_for_nothing() -> None:
    events = [v2_event(100), v2_event(14, 9), v2_event(1, 2_000_000_255), v2_event(5, 7)]
    beatmap, counts = schema_v2.deserialize(v2(_events=events))
    assert beatmap.lights == (LightEvent(1.0, 14, 9), LightEvent(1.0, 1, 2_000_000_255))
    assert beatmap.boosts == (BoostEvent(1.0, False),)
    assert counts == {
        "event with a tempo that is not above 0 dropped": 1,
        "kept: event that rotates the lanes": 1,
        "kept: event with a Chroma colour for a value": 1,
        "boost event of a value other than 0 and 1 read as off": 1,
    }


def test_v2_mends_and_counts_what_has_one_meaning() -> None:
    beatmap, counts = schema_v2.deserialize(
        v2(
            _notes=[v2_note(_time="4.5"), v2_note(_time=2, _lineLayer=None, _type=True)],
            _events=None,
            _obstacles="none",
            _specialEventsKeywordFilters=[],
        )
    )
    assert beatmap.color_notes == (ColorNote(2.0, 1, 0, 1, 1), ColorNote(4.5, 1, 0, 0, 1))
    assert counts == {
        "number given as string": 1,
        "null read as the default": 1,
        "number given as true or false": 1,
        "note collection sorted by beat": 1,
        "_obstacles that is not a list dropped": 1,
        "_specialEventsKeywordFilters that is not an object dropped": 1,
    }


def test_v2_carries_an_old_editors_grid_and_another_versions_collections() -> None:
    old = {"_BPMChanges": [{"_time": 8, "_BPM": 90}], "_bookmarks": [], "_time": 26}
    both = {"_customData": {"_a": 1, "_b": 1}, "customData": {"_a": 2, "c": 1}}
    beatmap, counts = schema_v2.deserialize(
        v2(_notes=[v2_note(_time=16)], **old, **both, colorNotes=[{"b": 1}], version="3.3.0")
    )
    assert beatmap == Beatmap(color_notes=(ColorNote(16.0, 1, 0, 0, 1),))
    assert beatmap.extra == {
        **old,
        "colorNotes": [{"b": 1}],
        "version": "3.3.0",
        "customData": {"_a": 1, "_b": 1, "c": 1},
    }
    assert counts == {
        "kept: unknown field of the file": 5,
        "kept: custom data of the file": 1,
        "two kinds of custom data of one object read as one": 1,
    }


ARC = {"b": 4, "tb": 5, "mu": 1, "tmu": 1}
CHAIN = {"b": 4, "tb": 5, "sc": 3, "s": 1}


@pytest.mark.parametrize(
    ("collection", "item", "reason"),
    [
        ("colorNotes", {"c": 2}, "kept: note with a colour outside 0-1"),
        ("colorNotes", {"b": math.inf}, "note with a b that is not finite dropped"),
        ("sliders", ARC | {"tb": 3}, "kept: arc with its tail before its head"),
        ("sliders", ARC | {"tx": 9}, "kept: arc off the 4x3 grid"),
        ("sliders", ARC | {"m": 0.5}, "arc with a fractional m dropped"),
        ("burstSliders", CHAIN | {"sc": 0}, "kept: chain with fewer than 1 slice"),
        ("bpmEvents", {"b": 1}, "tempo event with a tempo that is not above 0 dropped"),
        ("rotationEvents", {"b": -1, "r": 15}, "kept: lane rotation before beat 0"),
        ("waypoints", {"b": "x"}, "waypoint with a b that is not a number dropped"),
        ("basicBeatmapEvents", {"b": 1, "et": 14}, "kept: event that rotates the lanes"),
        ("colorNotes", {"customData": {"t": 1}}, "kept: custom data of an object"),
        ("colorNotes", {"zz": None}, "kept: unknown field of an object"),
    ],
)
def test_v3_keeps_what_is_a_number_and_drops_what_is_none(
    collection: str, item: dict[str, Any], reason: str
) -> None:
    beatmap, counts = schema_v3.deserialize({"colorNotes": []} | {collection: [item]})
    found = [thing for field in fields(Beatmap) for thing in _records(getattr(beatmap, field.name))]
    assert len(found) == reason.startswith("kept: ")
    assert counts == {reason: 1}


def _records(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else ()


def test_v3_keeps_fake_notes_in_its_custom_data() -> None:
    data = {"colorNotes": [], "customData": {"fakeColorNotes": [{"b": 1}]}}
    beatmap, _ = schema_v3.deserialize(data)
    assert beatmap.color_notes == ()
    written = schema_v3.serialize(beatmap, Counter())
    assert written["customData"] == data["customData"]


def test_a_switch_or_keywords_of_the_wrong_kind_refuse_no_file() -> None:
    _, counts = schema_v3.deserialize(
        {
            "colorNotes": [],
            "useNormalEventsAsCompatibleEvents": "",
            "basicEventTypesWithKeywords": {"d": [1], "e": 2},
        }
    )
    assert counts == {
        "file with a useNormalEventsAsCompatibleEvents that is not a number: read as false": 1,
        "d entry that is not an object dropped": 1,
        "unknown field of basicEventTypesWithKeywords dropped": 1,
    }


@pytest.mark.parametrize("empty", [None, {}, "", []])
def test_empty_custom_data_holds_nothing(empty: Any) -> None:
    reader = FieldReader()
    assert reader.extra({"b": 1, "customData": empty}, frozenset("b")) is None
    assert not reader.counts


def test_a_second_custom_data_that_cannot_be_joined_is_counted() -> None:
    reader = FieldReader()
    both = {"_customData": {"a": 1}, "customData": "text"}
    assert reader.extra(both, frozenset()) == {"customData": {"a": 1}}
    assert reader.counts["second custom data of one object dropped"] == 1


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6))
def test_a_number_is_finite_or_dropped(value: Any) -> None:
    reader = FieldReader()
    try:
        assert math.isfinite(reader.number({"b": value}, "b"))
        assert -(2**31) <= reader.integer({"b": value}, "b") < 2**31
    except DropError:
        pass


@pytest.mark.parametrize("data", [{}, [], {"events": []}])
def test_what_is_no_difficulty_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="expected a v2 difficulty"):
        schema_v2.deserialize(data)
    with pytest.raises(ValueError, match="expected a v3 difficulty"):
        schema_v3.deserialize(data)
