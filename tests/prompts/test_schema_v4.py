"""Difficulty files v4 with their lightshows: there and back, faults, lanes."""

import copy
import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saberlm.prompts import group_lights_v3, schema_v4
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
from saberlm.prompts.group_lights import (
    COLOR,
    FX,
    ColorBoxEvent,
    EventBox,
    EventBoxGroup,
    ValueBoxEvent,
)
from saberlm.prompts.schema_fields import FieldReader

busy = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

number = st.floats(-500, 500) | st.floats(allow_nan=False, allow_infinity=False)
integer = st.integers(-2, 10) | st.integers(-(2**31), 2**31 - 1)
flag = st.booleans()
GROUPS = (
    EventBoxGroup(
        0.5, COLOR, 1, (EventBox(color_events=(ColorBoxEvent(0.0), ColorBoxEvent(1.0))),)
    ),
    EventBoxGroup(1.5, FX, 3, (EventBox(value_events=(ValueBoxEvent(0.5, 2.0),)),)),
)


def several(record, *fields):
    things = st.lists(st.builds(record, *fields), max_size=4)
    return things.map(lambda found: tuple(sorted(found, key=lambda thing: thing.beat)))


maps = st.builds(
    Beatmap,
    color_notes=several(ColorNote, number, integer, integer, integer, integer, integer),
    bombs=several(Bomb, number, integer, integer),
    obstacles=several(Obstacle, number, integer, integer, number, integer, integer),
    arcs=several(
        Arc,
        *(number, integer, integer, integer, integer),
        *(number, integer, integer, integer, number, number, integer),
    ),
    chains=several(
        Chain,
        *(number, integer, integer, integer, integer),
        *(number, integer, integer, integer, number),
    ),
    lights=several(LightEvent, number, integer, integer, number),
    boosts=several(BoostEvent, number, flag),
    waypoints=several(Waypoint, number, integer, integer, integer),
    njs_events=several(NjsEvent, number, number, integer, integer),
    group_lights=st.sampled_from(((), GROUPS, GROUPS[:1])),
    event_keywords=st.sampled_from(((), ({"k": "SECRET", "e": [40, 41]},))),
    normal_events_compatible=flag,
)
FULL = Beatmap(
    color_notes=(
        ColorNote(1.0, 1, 0, 0, 1),
        ColorNote(1.0, 2, 0, 1, 1),
        ColorNote(2.0, 1, 0, 0, 1),
    ),
    bombs=(Bomb(3.0, 0, 0),),
    obstacles=(Obstacle(4.0, 0, 0, 1.0, 1, 5),),
    arcs=(Arc(1.0, 1, 0, 0, 1, 2.0, 1, 0, 1),),
    chains=(Chain(5.0, 2, 2, 1, 1, 5.25, 2, 0, 3),),
    lights=(LightEvent(0.0, 1, 3), LightEvent(1.0, 1, 3)),
    boosts=(BoostEvent(2.0, True),),
    waypoints=(Waypoint(1.0, 1, 1, 1),),
    njs_events=(NjsEvent(2.0, 1.5, 0, 4),),
    group_lights=GROUPS,
)


def written(beatmap, lost=None):
    return schema_v4.serialize(beatmap, Counter() if lost is None else lost)


def again(beatmap, lost=None):
    """Through text, so that nothing stays but what JSON holds."""
    difficulty, lightshow = json.loads(json.dumps(written(beatmap, lost)))
    return schema_v4.deserialize(difficulty, lightshow)


@busy
@given(maps)
def test_v4_keeps_a_map(beatmap):
    lost = Counter()
    read, notes = again(beatmap, lost)
    assert read == beatmap
    assert not lost
    assert all(note.startswith("kept") for note in notes)


@busy
@given(maps)
def test_rows_are_shared_and_used(beatmap):
    difficulty, _ = written(beatmap)
    rows = difficulty["colorNotesData"]
    assert len({repr(row) for row in rows}) == len(rows)
    used = {note["i"] for note in (*difficulty["colorNotes"], *difficulty["chains"])}
    used |= {arc[key] for arc in difficulty["arcs"] for key in ("hi", "ti")}
    assert used == set(range(len(rows)))
    assert written(beatmap) == written(beatmap)


def test_equal_notes_are_one_row():
    difficulty, lightshow = written(FULL)
    assert [note["i"] for note in difficulty["colorNotes"]] == [0, 1, 0]
    assert difficulty["arcs"][0]["hi"] == difficulty["arcs"][0]["ti"] == 0
    assert len(lightshow["basicEventsData"]) == 1


beats = st.integers(0, 12).map(float)


@st.composite
def turned_maps(draw):
    """Notes and walls under rotation events of whole degrees."""
    return Beatmap(
        color_notes=draw(several(ColorNote, beats, *[st.integers(0, 1)] * 4)),
        obstacles=draw(several(Obstacle, beats, *[st.integers(1, 2)] * 5)),
        rotations=draw(
            several(RotationEvent, beats, st.integers(0, 1), st.sampled_from((-15.0, 15.0, 30.0)))
        ),
    )


def lane(rotations, beat):
    return sum(r.degrees for r in rotations if r.beat < beat or (r.beat == beat and not r.late))


@busy
@given(turned_maps())
def test_every_object_stays_in_its_lane(beatmap):
    lost = Counter()
    read, notes = again(beatmap, lost)
    assert read.color_notes == beatmap.color_notes
    for thing in (*read.color_notes, *read.obstacles):
        assert lane(read.rotations, thing.beat) == lane(beatmap.rotations, thing.beat)
        assert thing.extra is None
    assert not notes
    assert (read.rotations == beatmap.rotations) or lost
    assert again(read) == (read, {})


@busy
@given(
    st.lists(st.tuples(beats, st.sampled_from((0, 0, 15, -30))), max_size=6).map(
        lambda lanes: [{"b": beat, "r": degrees, "i": 0} for beat, degrees in sorted(lanes)]
    )
)
def test_lanes_of_a_file_come_back(notes):
    data = {"version": "4.1.0", "colorNotes": notes, "colorNotesData": [{"x": 1}]}
    read, _ = schema_v4.deserialize(data, None)
    difficulty, _ = written(read)
    assert [(n["b"], n["r"]) for n in difficulty["colorNotes"]] == [(n["b"], n["r"]) for n in notes]


def test_an_object_may_have_a_lane_of_its_own():
    data, _ = written(FULL)
    data["colorNotes"][1]["r"] = 30
    data["arcs"][0]["tr"] = 15
    read, notes = schema_v4.deserialize(data, None)
    assert read.rotations == ()
    assert read.color_notes[1].extra == {"r": 30}
    assert read.arcs[0].extra == {"tr": 15}
    assert notes == {
        "kept: note in a lane of its own": 1,
        "kept: arc in a lane of its own": 1,
    }
    assert written(read)[0] == data


def test_rotation_events_of_v4_0_are_read():
    data = {
        "version": "4.0.0",
        "colorNotes": [{"b": 4}],
        "colorNotesData": [{"x": 1}],
        "spawnRotations": [{"b": 2, "i": 0}, {"b": 4, "i": 1}],
        "spawnRotationsData": [{"t": 0, "r": 15}, {"t": 1, "r": 30}],
    }
    read, notes = schema_v4.deserialize(data, None)
    assert read.rotations == (RotationEvent(2.0, 0, 15.0), RotationEvent(4.0, 1, 30.0))
    assert not notes
    lost = Counter()
    difficulty, _ = written(read, lost)
    assert difficulty["colorNotes"][0]["r"] == 15
    assert lost == {"lane rotation said by the lanes of later objects": 2}


def test_a_fraction_of_a_degree_is_lost():
    beatmap = Beatmap(
        color_notes=(ColorNote(1.0, 1, 0, 0, 1),), rotations=(RotationEvent(0, 0, 7.5),)
    )
    lost = Counter()
    written(beatmap, lost)
    assert lost["fraction of a degree of an object's lane"] == 1


def test_absent_fields_are_0():
    data = {"version": "4.0.0", "colorNotes": [{}], "colorNotesData": [{}]}
    lights = {"version": "4.0.0", "basicEvents": [{}], "basicEventsData": [{}]}
    read, notes = schema_v4.deserialize(data, lights)
    assert read.color_notes == (ColorNote(0.0, 0, 0, 0, 0),)
    assert read.lights == (LightEvent(0.0, 0, 0, 0.0),)
    assert not notes


@pytest.mark.parametrize(
    ("table", "collections"),
    [
        ("colorNotesData", ("color_notes", "arcs", "chains")),
        ("bombNotesData", ("bombs",)),
        ("obstaclesData", ("obstacles",)),
        ("arcsData", ("arcs",)),
        ("chainsData", ("chains",)),
        ("njsEventData", ("njs_events",)),
        ("basicEventsData", ("lights",)),
        ("colorBoostEventsData", ("boosts",)),
        ("waypointsData", ("waypoints",)),
    ],
)
def test_what_numbers_a_missing_row_is_counted(table, collections):
    files = written(FULL)
    for data in files:
        if table in data:
            data[table] = []
    read, notes = schema_v4.deserialize(*files)
    gone = sum(len(getattr(FULL, name)) for name in collections)
    assert sum(notes.values()) == gone
    assert all(f"a number that {table} does not have dropped" in note for note in notes)
    assert read == replace(FULL, **{name: () for name in collections})


def test_unknown_fields_and_custom_data_stay():
    custom = {"customData": {"color": [1, 0, 0]}, "zz": 1}
    beatmap = replace(
        FULL,
        color_notes=(replace(FULL.color_notes[0], extra=custom),),
        arcs=(replace(FULL.arcs[0], extra=custom),),
        lights=(replace(FULL.lights[0], extra=custom),),
        extra={"customData": {"bookmarks": []}},
    )
    lost = Counter()
    read, _ = again(beatmap, lost)
    assert not lost
    assert read.color_notes[0].extra == custom
    assert read.arcs[0].extra == custom
    assert read.lights[0].extra == custom
    assert read.extra == beatmap.extra


def test_custom_data_of_a_row_and_of_the_lightshow_is_read():
    difficulty, lightshow = written(FULL)
    difficulty["bombNotesData"][0]["customData"] = {"track": "a"}
    lightshow["customData"] = {"environment": [1]}
    read, _ = schema_v4.deserialize(difficulty, lightshow)
    assert read.bombs[0].extra == {"customData": {"track": "a"}}
    assert read.extra == {"customData": {"environment": [1]}}


def test_fields_of_another_version_are_counted():
    beatmap = replace(
        FULL,
        bombs=(Bomb(1.0, 0, 0, {"_gone": 1}),),
        bpm_events=(BpmEvent(0.0, 100.0, {"customData": {}}),),
    )
    lost = Counter()
    written(beatmap, lost)
    assert lost == {
        "unknown field of another format version": 1,
        "unknown field of a tempo event": 1,
    }


junk = st.sampled_from(
    (None, True, "", "7", "x", [], {}, [1], {"b": "x"}, -1, 0.5, 1e300, 10**400, 99, float("nan"))
)


@st.composite
def damaged(draw, data):
    """The data with a few values, anywhere, replaced by others or gone."""
    data = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, 6))):
        at = data
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(at[key], dict | list) and draw(st.integers(0, 4)):
                at = at[key]
            elif isinstance(at, dict) and draw(st.booleans()):
                del at[key]
                break
            else:
                at[key] = copy.deepcopy(draw(junk))  # a later step may write into it
                break
    return data


@busy
@given(damaged(list(written(FULL))))
def test_a_damaged_file_is_read_or_refused(files):
    difficulty, lightshow = files if len(files) == 2 else (files, None)
    lightshow = lightshow if isinstance(lightshow, dict) else None
    try:
        read, _ = schema_v4.deserialize(difficulty, lightshow)
    except ValueError:
        return
    assert again(read)[0] == replace(read, rotations=again(read)[0].rotations)


@busy
@given(damaged(group_lights_v3.write_groups(GROUPS, Counter())))
def test_damaged_v3_groups_are_read(data):
    groups = group_lights_v3.read_groups(FieldReader(), data)
    lost = Counter()
    written_again = group_lights_v3.write_groups(groups, lost)
    assert group_lights_v3.read_groups(FieldReader(), written_again) == groups


def test_another_version_is_refused():
    for data in ({}, {"version": "3.3.0", "colorNotes": []}, []):
        with pytest.raises(ValueError, match="expected a v4 difficulty"):
            schema_v4.deserialize(data, None)
