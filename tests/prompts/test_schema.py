"""Difficulty files v2 and v3 to the neutral beatmap and back."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
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
)

beat = st.floats(0, 2000, allow_nan=False).map(abs)
later = st.floats(2000, 4000)
column, row, colour, cut = (st.integers(0, most) for most in (3, 2, 1, 8))
positive = st.floats(0.001, 50)
walls = st.integers(0, 3).flatmap(
    lambda x: st.builds(
        Obstacle, beat, st.just(x), row, positive, st.integers(1, 4 - x), st.integers(1, 5)
    )
)
arcs = st.builds(
    *(Arc, beat, column, row, colour, cut, later, column, row, cut),
    *(st.floats(-2, 2), st.floats(-2, 2), st.integers(0, 2)),
)
chains = st.builds(
    Chain, beat, column, row, colour, cut, later, column, row, st.integers(1, 30), positive
)
light_types = st.integers(0, 40).filter(lambda kind: kind not in (5, 14, 15))


def by_beat(things: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(things, max_size=5).map(lambda xs: tuple(sorted(xs, key=lambda x: x.beat)))


beatmaps = st.builds(
    Beatmap,
    by_beat(st.builds(ColorNote, beat, column, row, colour, cut, st.integers(-360, 360))),
    by_beat(st.builds(Bomb, beat, column, row)),
    by_beat(walls),
    by_beat(arcs),
    by_beat(chains),
    by_beat(st.builds(LightEvent, beat, light_types, st.integers(0, 20), st.floats(0, 3))),
    by_beat(st.builds(BoostEvent, beat, st.booleans())),
    by_beat(st.builds(BpmEvent, beat, positive)),
)

V3_KEYS = {
    "version",
    "bpmEvents",
    "rotationEvents",
    "colorNotes",
    "bombNotes",
    "obstacles",
    "sliders",
    "burstSliders",
    "waypoints",
    "basicBeatmapEvents",
    "colorBoostBeatmapEvents",
    "lightColorEventBoxGroups",
    "lightRotationEventBoxGroups",
    "lightTranslationEventBoxGroups",
    "vfxEventBoxGroups",
    "_fxEventsCollection",
    "basicEventTypesWithKeywords",
    "useNormalEventsAsCompatibleEvents",
}


@settings(max_examples=50)
@given(beatmaps)
def test_v3_gives_back_what_it_wrote(beatmap: Beatmap) -> None:
    text = json.dumps(schema_v3.serialize(beatmap), allow_nan=False)
    assert schema_v3.deserialize(json.loads(text)) == (beatmap, {})


def test_v3_writes_every_array_and_field_sorted() -> None:
    empty = schema_v3.serialize(Beatmap())
    assert set(empty) == V3_KEYS
    assert empty["version"] == "3.3.0"
    notes = (ColorNote(4.0, 1, 0, 1, 8), ColorNote(2.0, 2, 0, 0, 1))
    written = schema_v3.serialize(Beatmap(color_notes=notes))["colorNotes"]
    assert written[0] == {"b": 2.0, "x": 2, "y": 0, "c": 0, "d": 1, "a": 0}
    assert [note["b"] for note in written] == [2.0, 4.0]


def test_v3_reads_left_out_fields_as_0() -> None:
    data = {"colorNotes": [{"b": 1}], "basicBeatmapEvents": [{"b": 2, "et": 4}], "bombNotes": [{}]}
    beatmap, counts = schema_v3.deserialize(data)
    assert beatmap.color_notes == (ColorNote(1.0, 0, 0, 0, 0),)
    assert beatmap.lights == (LightEvent(2.0, 4, 0, 0.0),)
    assert beatmap.bombs == (Bomb(0.0, 0, 0),)
    assert counts == {}


def v2(**collections: Any) -> dict[str, Any]:
    return {"_notes": [], "_obstacles": [], "_events": []} | collections


def v2_note(**changes: Any) -> dict[str, Any]:
    note = {"_time": 1, "_lineIndex": 1, "_lineLayer": 0, "_type": 0, "_cutDirection": 1}
    return note | changes


def v2_wall(**changes: Any) -> dict[str, Any]:
    return {"_time": 1, "_type": 0, "_lineIndex": 0, "_duration": 2, "_width": 1} | changes


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
    beatmap, counts = schema_v2.deserialize(
        v2(
            _notes=[v2_note(), v2_note(_time=2.5, _type=3)],
            _obstacles=[
                v2_wall(),
                v2_wall(_type=1, _width=4),
                v2_wall(_type=2, _lineLayer=1, _height=2),
            ],
            _sliders=[arc],
            _events=[
                {"_time": 0, "_type": 100, "_value": 0, "_floatValue": 90.5},
                {"_time": 1, "_type": 1, "_value": 3},
                {"_time": 1, "_type": 1, "_value": 3, "_floatValue": 0.5},
                {"_time": 2, "_type": 5, "_value": 1},
                {"_time": 3, "_type": 5, "_value": 0},
            ],
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
        boosts=(BoostEvent(2.0, True), BoostEvent(3.0, False)),
        bpm_events=(BpmEvent(0.0, 90.5),),
    )


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        (v2_note(_time=-1), "note before beat 0 dropped"),
        (v2_note(_time=math.nan), "note with a _time that is not finite dropped"),
        (v2_note(_time=10**400), "note with a _time that is not finite dropped"),
        (v2_note(_time="soon"), "note with a _time that is not a number dropped"),
        (v2_note(_lineIndex=4), "note off the 4x3 grid dropped"),
        (v2_note(_lineIndex=1000), "note off the 4x3 grid dropped"),
        (v2_note(_lineIndex=1.5), "note with a fractional _lineIndex dropped"),
        (v2_note(_cutDirection=1090), "note with a cut direction outside 0-8 dropped"),
        (v2_note(_type=2), "note of a type other than 0, 1 and 3 dropped"),
        (7, "_notes entry that is not an object dropped"),
    ],
)
def test_v2_drops_and_counts_bad_notes(note: Any, reason: str) -> None:
    beatmap, counts = schema_v2.deserialize(v2(_notes=[note, v2_note()]))
    assert len(beatmap.color_notes) == 1
    assert counts == {reason: 1}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"_lineIndex": -1}, "wall with a column outside 0-3 dropped"),
        ({"_width": 0}, "wall with a width below 1 dropped"),
        ({"_lineIndex": 2, "_width": 3}, "wall reaching past the right column dropped"),
        ({"_type": 2, "_lineLayer": 3, "_height": 1}, "wall with a row outside 0-2 dropped"),
        ({"_type": 2, "_lineLayer": 0, "_height": 6}, "wall with a height outside 1-5 dropped"),
        ({"_type": 4001}, "wall of a type other than 0, 1 and 2 dropped"),
        ({"_duration": 0}, "wall lasting no time dropped"),
        ({"_duration": -3}, "wall lasting a negative time dropped"),
    ],
)
def test_v2_drops_and_counts_bad_walls(changes: dict[str, Any], reason: str) -> None:
    beatmap, counts = schema_v2.deserialize(v2(_obstacles=[v2_wall(**changes)]))
    assert beatmap.obstacles == ()
    assert counts == {reason: 1}


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"_type": 14, "_value": 3}, "event that rotates the lanes dropped"),
        ({"_type": 1, "_value": 2_000_000_255}, "event with a Chroma colour for a value dropped"),
        ({"_type": 1, "_value": -2}, "event with a negative type or value dropped"),
        ({"_type": 100, "_floatValue": 0}, "event with a tempo that is not above 0 dropped"),
    ],
)
def test_v2_drops_and_counts_bad_events(event: dict[str, Any], reason: str) -> None:
    beatmap, counts = schema_v2.deserialize(v2(_events=[{"_time": 1, **event}]))
    assert beatmap == Beatmap()
    assert counts == {reason: 1}


def test_v2_mends_and_counts_what_has_one_meaning() -> None:
    beatmap, counts = schema_v2.deserialize(
        v2(
            _notes=[v2_note(_time="4.5"), v2_note(_time=2, _lineLayer=None, _type=True)],
            _events=None,
            _obstacles="none",
        )
    )
    assert beatmap.color_notes == (ColorNote(2.0, 1, 0, 1, 1), ColorNote(4.5, 1, 0, 0, 1))
    assert counts == {
        "number given as string": 1,
        "null read as the default": 1,
        "number given as true or false": 1,
        "note collection sorted by beat": 1,
        "_obstacles that is not a list ignored": 1,
    }


ARC = {"b": 4, "tb": 5, "mu": 1, "tmu": 1}
CHAIN = {"b": 4, "tb": 5, "sc": 3, "s": 1}


@pytest.mark.parametrize(
    ("collection", "item", "reason"),
    [
        ("colorNotes", {"c": 2}, "note with a colour outside 0-1 dropped"),
        ("colorNotes", {"b": math.inf}, "note with a b that is not finite dropped"),
        ("sliders", ARC | {"tb": 3}, "arc with its tail before its head dropped"),
        ("sliders", ARC | {"tx": 9}, "arc off the 4x3 grid dropped"),
        ("sliders", ARC | {"m": 3}, "arc with a mid anchor outside 0-2 dropped"),
        ("burstSliders", CHAIN | {"tb": 3}, "chain with its tail before its head dropped"),
        ("burstSliders", CHAIN | {"sc": 0}, "chain with fewer than 1 slice dropped"),
        ("burstSliders", CHAIN | {"s": 0}, "chain with a squish that is not above 0 dropped"),
        ("bpmEvents", {"b": 1}, "tempo event with a tempo that is not above 0 dropped"),
        ("rotationEvents", {"b": 1, "r": 15}, "lane rotations not modelled"),
        ("waypoints", {}, "waypoints not modelled"),
        ("lightColorEventBoxGroups", {"b": 1}, "group lighting event boxes not modelled"),
    ],
)
def test_v3_drops_and_counts(collection: str, item: dict[str, Any], reason: str) -> None:
    beatmap, counts = schema_v3.deserialize({"colorNotes": []} | {collection: [item]})
    assert beatmap == Beatmap()
    assert counts == {reason: 1}


def test_v3_drops_basic_events_that_have_a_list_of_their_own() -> None:
    events = [{"b": 1, "et": kind, "i": 1, "f": 1} for kind in (5, 100, 15, 4)]
    beatmap, counts = schema_v3.deserialize({"colorNotes": [], "basicBeatmapEvents": events})
    assert beatmap.lights == (LightEvent(1.0, 4, 1, 1.0),)
    assert sum(counts.values()) == 3


def test_custom_data_is_counted() -> None:
    _, counts = schema_v2.deserialize(v2(_notes=[v2_note(_customData={"_track": "a"})]))
    assert counts == {"custom data on an object ignored": 1}


@pytest.mark.parametrize("data", [{}, [], {"events": []}])
def test_what_is_no_difficulty_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="expected a v2 difficulty"):
        schema_v2.deserialize(data)
    with pytest.raises(ValueError, match="expected a v3 difficulty"):
        schema_v3.deserialize(data)
