"""What is left of a beatmap for the unmodded game, and what the pass counts."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from saberlm.prompts.group_lights import COLOR, EventBoxGroup
from saberlm.prompts.vanilla import fault_of, vanilla

NOTE = ColorNote(1.0, 1, 0, 1, 1, 45)
BOMB = Bomb(1.0, 3, 2)
WALL = Obstacle(1.0, 0, 0, 2.0, 4, 5)
ARC = Arc(1.0, 2, 0, 1, 1, 3.0, 3, 2, 0, -1.5, 0.5, 2)
CHAIN = Chain(1.0, 2, 0, 1, 1, 2.0, 3, 1, 4, 0.5)
LIGHT = LightEvent(1.0, 1, 3, 0.5)

MODDED = [
    ("color_notes", ColorNote(-0.1, 0, 0, 0, 0), "note before beat 0 dropped"),
    ("color_notes", ColorNote(1.0, 4, 0, 0, 0), "note off the 4x3 grid dropped"),
    ("color_notes", ColorNote(1.0, 0, -1, 0, 0), "note off the 4x3 grid dropped"),
    ("color_notes", ColorNote(1.0, 1500, 0, 0, 0), "note off the 4x3 grid dropped"),
    ("color_notes", ColorNote(1.0, 0, 0, 2, 0), "note with a colour outside 0-1 dropped"),
    ("color_notes", ColorNote(1.0, 0, 0, 0, 1090), "note with a cut direction outside 0-8 dropped"),
    ("bombs", Bomb(1.0, 0, 3), "bomb off the 4x3 grid dropped"),
    ("obstacles", Obstacle(1.0, -1, 0, 1.0, 1, 5), "wall with a column outside 0-3 dropped"),
    ("obstacles", Obstacle(1.0, 0, 3, 1.0, 1, 1), "wall with a row outside 0-2 dropped"),
    ("obstacles", Obstacle(1.0, 0, 0, 1.0, 0, 5), "wall with a width below 1 dropped"),
    ("obstacles", Obstacle(1.0, 2, 0, 1.0, 3, 5), "wall reaching past the right column dropped"),
    ("obstacles", Obstacle(1.0, 0, 0, 1.0, 1, 0), "wall with a height outside 1-5 dropped"),
    ("obstacles", Obstacle(1.0, 0, 1, 1.0, 1, 5), "wall reaching above a full wall dropped"),
    ("obstacles", Obstacle(1.0, 0, 0, 0.0, 1, 5), "wall lasting no time dropped"),
    ("obstacles", Obstacle(1.0, 0, 0, -3.0, 1, 5), "wall lasting a negative time dropped"),
    (
        "obstacles",
        Obstacle(1.0, 0, 0, 1.0, 1, 5, {"_type": 4001}),
        "wall of a type other than 0, 1 and 2 dropped",
    ),
    ("arcs", Arc(2.0, 0, 0, 0, 0, 1.9, 0, 0, 0), "arc with its tail before its head dropped"),
    ("arcs", Arc(2.0, 0, 0, 0, 0, 3.0, 4, 0, 0), "arc off the 4x3 grid dropped"),
    ("arcs", Arc(2.0, 0, 0, 0, 0, 3.0, 0, 0, 9), "arc with a cut direction outside 0-8 dropped"),
    (
        "arcs",
        Arc(2.0, 0, 0, 0, 0, 3.0, 0, 0, 0, 1.0, 1.0, 3),
        "arc with a mid anchor outside 0-2 dropped",
    ),
    ("chains", Chain(2.0, 0, 0, 0, 0, 1.0, 0, 0, 3), "chain with its tail before its head dropped"),
    ("chains", Chain(2.0, 0, 0, 0, 0, 3.0, 0, 0, 0), "chain with fewer than 1 slice dropped"),
    (
        "chains",
        Chain(2.0, 0, 0, 0, 0, 3.0, 0, 0, 3, 0.0),
        "chain with a squish that is not above 0 dropped",
    ),
    ("lights", LightEvent(1.0, -1, 0), "event with a negative type or value dropped"),
    (
        "lights",
        LightEvent(1.0, 1, 2_000_000_255),
        "event with a Chroma colour for a value dropped",
    ),
    (
        "lights",
        LightEvent(1.0, 5, 1),
        "event for boost colours, which have their own list dropped",
    ),
    ("lights", LightEvent(1.0, 100, 1), "event for the tempo, which has its own list dropped"),
    ("lights", LightEvent(1.0, 15, 9), "event that rotates the lanes dropped"),
    ("boosts", BoostEvent(-1.0, True), "boost event before beat 0 dropped"),
    ("rotations", RotationEvent(1.0, 0, 15.0), "not modelled: lane rotations"),
    ("waypoints", Waypoint(1.0, 0, 0, 0), "not modelled: waypoints"),
    ("njs_events", NjsEvent(1.0, 2.0), "not modelled: jump speed events"),
    ("group_lights", EventBoxGroup(1.0, COLOR, 0), "not modelled: group lighting event boxes"),
    ("event_keywords", {"k": "a", "e": [1]}, "not modelled: event keywords"),
]

PLAYABLE = {
    "color_notes": NOTE,
    "bombs": BOMB,
    "obstacles": WALL,
    "arcs": ARC,
    "chains": CHAIN,
    "lights": LIGHT,
    "boosts": BoostEvent(0.0, True),
    "bpm_events": BpmEvent(0.0, 120.0),
}


def test_what_the_game_can_play_is_left_alone() -> None:
    beatmap = Beatmap(**{kind: (thing,) for kind, thing in PLAYABLE.items()})
    assert vanilla(beatmap) == (beatmap, {})


@pytest.mark.parametrize(("kind", "thing", "reason"), MODDED)
def test_what_it_cannot_play_goes_and_is_counted(kind: str, thing: Any, reason: str) -> None:
    playable = (PLAYABLE[kind],) if kind in PLAYABLE else ()
    kept, counts = vanilla(Beatmap(**{kind: (*playable, thing)}))
    assert kept == Beatmap(**{kind: playable})
    assert counts == {reason: 1}
    fault = fault_of(thing)
    assert fault is None or reason.endswith(f" {fault} dropped")


def test_a_tempo_before_beat_0_holds_from_beat_0() -> None:
    kept, counts = vanilla(Beatmap(bpm_events=(BpmEvent(-1.0, 90.0),)))
    assert kept.bpm_events == (BpmEvent(0.0, 90.0),)
    assert counts == {"tempo event before beat 0 moved there": 1}


def test_custom_data_and_unknown_fields_go() -> None:
    note = ColorNote(1.0, 1, 0, 1, 1, extra={"customData": {"_fake": True}, "zz": 1})
    beatmap = Beatmap(
        color_notes=(note,), normal_events_compatible=False, extra={"customData": {}, "_x": 1}
    )
    kept, counts = vanilla(beatmap)
    assert kept == Beatmap(color_notes=(note,))
    assert kept.color_notes[0].extra is None
    assert kept.extra is None
    assert counts == {
        "not modelled: custom data of an object": 1,
        "not modelled: unknown field of an object": 1,
        "not modelled: custom data of the file": 1,
        "not modelled: unknown fields of the file": 1,
        "not modelled: basic events switched off": 1,
    }


integer = st.integers(-3, 12) | st.integers(-(2**31), 2**31 - 1)
number = st.floats(-5, 50)
extra = st.none() | st.just({"customData": {"a": 1}}) | st.just({"_type": 1000})


def some(record: Any, *fields: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.builds(record, *fields, extra=extra), max_size=4).map(tuple)


i, n = integer, number
beatmaps = st.builds(
    Beatmap,
    color_notes=some(ColorNote, n, i, i, i, i, i),
    bombs=some(Bomb, n, i, i),
    obstacles=some(Obstacle, n, i, i, n, i, i),
    arcs=some(Arc, n, i, i, i, i, n, i, i, i, n, n, i),
    chains=some(Chain, n, i, i, i, i, n, i, i, i, n),
    lights=some(LightEvent, n, i, i, n),
    boosts=some(BoostEvent, n, st.booleans()),
    bpm_events=some(BpmEvent, n, st.floats(1, 999)),
    rotations=some(RotationEvent, n, i, n),
    waypoints=some(Waypoint, n, i, i, i),
)


@settings(max_examples=50)
@given(beatmaps)
def test_once_is_as_good_as_twice_and_every_object_is_accounted_for(beatmap: Beatmap) -> None:
    kept, counts = vanilla(beatmap)
    assert vanilla(kept) == (kept, {})
    dropped = sum(count for reason, count in counts.items() if reason.endswith(" dropped"))
    assert sum(len(getattr(kept, kind)) for kind in PLAYABLE) + dropped == sum(
        len(getattr(beatmap, kind)) for kind in PLAYABLE
    )
    for kind in PLAYABLE:
        assert all(fault_of(thing) is None for thing in getattr(kept, kind))
        assert set(getattr(kept, kind)) <= {
            *getattr(beatmap, kind),
            *(BpmEvent(0.0, event.bpm) for event in beatmap.bpm_events),
        }
