"""Difficulty files v2 and v3 from the neutral beatmap and back: all is kept or counted."""

import json
import math
from collections import Counter
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
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
    NjsEvent,
    Obstacle,
    RotationEvent,
    Waypoint,
)
from saberlm.prompts.group_lights import COLOR, ColorBoxEvent, EventBox, EventBoxGroup
from saberlm.prompts.tempo import TempoMap

BPM = 120.0
# Making up a whole map takes long on a busy machine; that says nothing of the code.
whole_maps = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
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
GROUP = EventBoxGroup(
    1.5, COLOR, 3, (EventBox(color_events=(ColorBoxEvent(0.5, extra={"zz": 1}),)),)
)

number = st.floats(-5000, 5000) | st.floats(allow_nan=False, allow_infinity=False)
integer = st.integers(-2, 10) | st.integers(-(2**31), 2**31 - 1)
json_value = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(integer)
custom_data = st.just({}) | st.fixed_dictionaries(
    {"customData": st.dictionaries(st.text(max_size=3), json_value, min_size=1)}
)


def extras(*names: str) -> st.SearchStrategy[dict[str, Any] | None]:
    unknown = st.dictionaries(st.sampled_from(names), json_value, max_size=2)
    return st.builds(lambda a, b: {**a, **b} or None, unknown, custom_data)


def by_beat(
    record: Any, extra: st.SearchStrategy[Any], *values: st.SearchStrategy[Any]
) -> st.SearchStrategy[tuple[Any, ...]]:
    things = st.lists(st.builds(record, *values, extra=extra), max_size=3)
    return things.map(lambda found: tuple(sorted(found, key=lambda thing: thing.beat)))


def beatmaps(extra: st.SearchStrategy[Any], **other: Any) -> st.SearchStrategy[Beatmap]:
    i, n = integer, number
    collections: dict[str, Any] = {
        "color_notes": by_beat(ColorNote, extra, n, i, i, i, i, i),
        "bombs": by_beat(Bomb, extra, n, i, i),
        "obstacles": by_beat(Obstacle, extra, n, i, i, n, i, i),
        "arcs": by_beat(Arc, extra, n, i, i, i, i, n, i, i, i, n, n, i),
        "chains": by_beat(Chain, extra, n, i, i, i, i, n, i, i, i, n),
        "lights": by_beat(LightEvent, extra, n, i | st.sampled_from((5, 14, 15, 100)), i, n),
        "boosts": by_beat(BoostEvent, extra, n, st.booleans()),
        "bpm_events": by_beat(BpmEvent, extra, n, st.floats(0.001, 1000)),
        "rotations": by_beat(RotationEvent, extra, n, i, n),
        "waypoints": by_beat(Waypoint, extra, n, i, i, i),
        "group_lights": st.sampled_from([(), (GROUP,)]),
        "event_keywords": st.sampled_from([(), ({"k": "a", "e": [1, 2], "zz": 3},)]),
        "normal_events_compatible": st.booleans(),
        "extra": extra,
    }
    return st.builds(Beatmap, **(collections | other))


V3_EXTRA, V2_EXTRA = extras("zz", "tag", "a b"), extras("_zz", "_tag", "_")
v3_beatmaps = beatmaps(V3_EXTRA)
small = st.integers(0, 7)
full_walls = by_beat(Obstacle, V2_EXTRA, number, integer, st.just(0), number, integer, st.just(5))
crouch_walls = by_beat(Obstacle, V2_EXTRA, number, integer, st.just(2), number, integer, st.just(3))
modded_walls = full_walls.map(
    lambda walls: tuple(
        replace(wall, extra={**(wall.extra or {}), "_type": 4001}) for wall in walls
    )
)
NONE: st.SearchStrategy[Any] = st.just(())
v2_beatmaps = beatmaps(
    V2_EXTRA,
    color_notes=by_beat(ColorNote, V2_EXTRA, number, integer, integer, st.integers(0, 1), integer),
    obstacles=full_walls | crouch_walls | modded_walls,
    lights=by_beat(
        LightEvent, V2_EXTRA, number, integer.filter(lambda kind: kind not in (5, 100)), integer
    ).map(lambda lights: tuple(e for e in lights if e.type not in (14, 15) or 8 <= e.value < 1000)),
    rotations=by_beat(
        RotationEvent,
        V2_EXTRA,
        number,
        st.integers(0, 1),
        st.sampled_from((-60, -45, -30, -15, 15, 30, 45, 60)).map(float),
    ),
    arcs=NONE,
    chains=NONE,
    bpm_events=NONE,
    group_lights=NONE,
    event_keywords=NONE,
    normal_events_compatible=st.just(True),
)


def with_extras(thing: Any) -> Any:
    """What a record says, its extra fields too, which comparing records leaves out."""
    if is_dataclass(thing):
        return [with_extras(getattr(thing, field.name)) for field in fields(thing)]
    return [with_extras(item) for item in thing] if isinstance(thing, tuple) else thing


def through_json(written: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(written, allow_nan=False))
    return read


def mended(counts: dict[str, int]) -> dict[str, int]:
    return {reason: count for reason, count in counts.items() if not reason.startswith("kept: ")}


@whole_maps
@given(v3_beatmaps)
def test_v3_gives_back_all_that_it_wrote(beatmap: Beatmap) -> None:
    lost: Counter[str] = Counter()
    back, counts = schema_v3.deserialize(through_json(schema_v3.serialize(beatmap, lost)))
    assert not lost
    assert not mended(counts)
    assert with_extras(back) == with_extras(beatmap)


@whole_maps
@given(v2_beatmaps)
def test_v2_gives_back_what_it_can_hold(beatmap: Beatmap) -> None:
    lost: Counter[str] = Counter()
    back, counts = schema_v2.deserialize(through_json(schema_v2.serialize(beatmap, lost, BPM)))
    assert not lost
    assert not mended(counts)
    assert with_extras(back) == with_extras(beatmap)


LOST_WHOLE = {
    "arc": "arcs",
    "chain": "chains",
    "jump speed event": "njs_events",
    "group lighting event box group": "group_lights",
    "event keyword": "event_keywords",
    "tempo event that says the base tempo": "bpm_events",
    "note of a colour other than red and blue": "color_notes",
    "wall that is neither a full nor a crouch wall": "obstacles",
    "light of a type that means something else in v2": "lights",
    "lane rotation by other than 15, 30, 45 or 60 degrees": "rotations",
}
LOST_IN_PART = {
    "angle offset of a note",
    "brightness of a light",
    "switch that turns basic events off",
    "unknown field of another format version",
}


@whole_maps
@given(
    beatmaps(
        extras("zz", "_tag", "_time", "_type", "_notes"),
        bpm_events=by_beat(BpmEvent, custom_data, number, st.just(BPM)),
        njs_events=by_beat(NjsEvent, custom_data, number, number, integer, integer),
    )
    | v2_beatmaps
)
def test_v2_counts_all_that_it_loses(beatmap: Beatmap) -> None:
    lost: Counter[str] = Counter()
    back, counts = schema_v2.deserialize(through_json(schema_v2.serialize(beatmap, lost, BPM)))
    assert set(lost) <= LOST_WHOLE.keys() | LOST_IN_PART
    assert not mended(counts)
    for collection in ("bombs", "boosts", "waypoints", *LOST_WHOLE.values()):
        gone = sum(lost[reason] for reason, of in LOST_WHOLE.items() if of == collection)
        assert len(getattr(back, collection)) + gone == len(getattr(beatmap, collection))
    assert (with_extras(back) == with_extras(beatmap)) == (not lost)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0, 400), min_size=1, max_size=5),
    st.lists(
        st.builds(BpmEvent, st.floats(0, 300), st.floats(30, 400)), min_size=1, max_size=4
    ).filter(lambda events: any(event.bpm != BPM for event in events)),
)
def test_v2_keeps_objects_on_their_second_where_the_tempo_changes(
    beats: list[float], events: list[BpmEvent]
) -> None:
    tempo = TempoMap(BPM, tuple(events))
    beatmap = Beatmap(
        color_notes=tuple(ColorNote(beat, 0, 0, 0, 0) for beat in sorted(beats)),
        obstacles=tuple(Obstacle(beat, 0, 0, 2.5, 1, 5) for beat in sorted(beats)),
        bpm_events=tuple(events),
        extra={"customData": {"_time": 5}},
    )
    lost: Counter[str] = Counter()
    written = schema_v2.serialize(beatmap, lost, BPM)
    assert lost[
        "tempo change kept for editors only, objects moved to beats of the base tempo"
    ] == len(events)
    back, _ = schema_v2.deserialize(through_json(written))
    base = TempoMap(BPM)
    for was, now in zip(beatmap.color_notes, back.color_notes, strict=True):
        assert base.to_seconds(now.beat) == pytest.approx(tempo.to_seconds(was.beat), abs=1e-6)
    for was, now in zip(beatmap.obstacles, back.obstacles, strict=True):
        end, end_now = was.beat + was.duration, now.beat + now.duration
        assert base.to_seconds(end_now) == pytest.approx(tempo.to_seconds(end), abs=1e-6)
    changes = written["_customData"]["_BPMChanges"]
    assert sorted(change["_BPM"] for change in changes) == sorted(event.bpm for event in events)
    assert written["_customData"]["_time"] == 5
    assert changes[0].keys() == {"_time", "_BPM", "_beatsPerBar", "_metronomeOffset"}


def test_v2_leaves_an_editors_tempo_changes_as_they_are() -> None:
    beatmap = Beatmap(bpm_events=(BpmEvent(4.0, 90.0),), extra={"customData": {"_BPMChanges": [1]}})
    written = schema_v2.serialize(beatmap, Counter(), BPM)
    assert written["_customData"] == {"_BPMChanges": [1]}


def test_v3_counts_jump_speed_events_as_lost() -> None:
    lost: Counter[str] = Counter()
    schema_v3.serialize(Beatmap(njs_events=(NjsEvent(1.0, 2.0), NjsEvent(2.0, 0.0))), lost)
    assert lost == {"jump speed event": 2}


def test_a_field_of_another_version_never_takes_the_place_of_ones_own() -> None:
    note = ColorNote(1.0, 1, 0, 0, 1, 15, {"a": 99, "_zz": 1, "zz": 2, "customData": {"t": 1}})
    beatmap = Beatmap(color_notes=(note,), extra={"colorNotes": [], "version": "9", "_time": 3})
    lost: Counter[str] = Counter()
    written = schema_v3.serialize(beatmap, lost)
    assert written["version"] == "3.3.0"
    assert written["colorNotes"] == [
        {"b": 1.0, "x": 1, "y": 0, "c": 0, "d": 1, "a": 15, "zz": 2, "customData": {"t": 1}}
    ]
    assert lost == {"unknown field of another format version": 5}
    written = schema_v2.serialize(beatmap, Counter(), BPM)
    assert written["_time"] == 3
    assert written["_notes"][0].keys() - {"_zz", "_customData"} == {
        *("_time", "_lineIndex", "_lineLayer", "_type", "_cutDirection")
    }
    assert written["_notes"][0]["_customData"] == {"t": 1}


def test_custom_data_that_no_file_could_hold_is_counted_as_lost() -> None:
    extra = {"customData": {"a": [math.nan, 1.5], "b": {"c": -math.inf}}}
    beatmap = Beatmap(bombs=(Bomb(1.0, 0, 0, extra),), extra=extra)
    lost: Counter[str] = Counter()
    written = through_json(schema_v3.serialize(beatmap, lost))
    assert written["customData"] == {"a": [None, 1.5], "b": {"c": None}}
    assert written["bombNotes"][0]["customData"] == written["customData"]
    assert lost == {"unknown field's number that JSON cannot hold": 4}


def test_v3_writes_every_array_and_field_sorted() -> None:
    empty = schema_v3.serialize(Beatmap(), Counter())
    assert set(empty) == V3_KEYS
    assert empty["version"] == "3.3.0"
    notes = (ColorNote(4.0, 1, 0, 1, 8), ColorNote(2.0, 2, 0, 0, 1))
    written = schema_v3.serialize(Beatmap(color_notes=notes), Counter())["colorNotes"]
    assert written[0] == {"b": 2.0, "x": 2, "y": 0, "c": 0, "d": 1, "a": 0}
    assert [note["b"] for note in written] == [2.0, 4.0]


def test_v2_writes_what_every_reader_asks_for_sorted() -> None:
    lights = (LightEvent(4.0, 0, 1), LightEvent(1.0, 0, 1))
    beatmap = Beatmap(lights=lights, boosts=(BoostEvent(2.0, True),))
    written = schema_v2.serialize(beatmap, Counter(), BPM)
    assert written == {
        "_version": "2.2.0",
        "_notes": [],
        "_obstacles": [],
        "_events": [
            {"_time": 1.0, "_type": 0, "_value": 1},
            {"_time": 2.0, "_type": 5, "_value": 1},
            {"_time": 4.0, "_type": 0, "_value": 1},
        ],
        "_waypoints": [],
        "_customData": {},
    }
