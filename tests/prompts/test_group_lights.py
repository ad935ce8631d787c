"""Group lighting: v3 and v4 and back, and what only one of them can say."""

from collections import Counter
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saberlm.prompts import group_lights_v3, group_lights_v4
from saberlm.prompts.group_lights import (
    COLOR,
    FX,
    GROUP_KINDS,
    INT_FX,
    ROTATION,
    TRANSLATION,
    ColorBoxEvent,
    EventBox,
    EventBoxGroup,
    IndexFilter,
    ValueBoxEvent,
)
from saberlm.prompts.schema_fields import FieldReader

linear = st.just(0)
busy = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

number = st.floats(-100, 100) | st.sampled_from((0.0, 0.5, 1.0))
count = st.integers(0, 4)
index_filters = st.builds(
    IndexFilter, count, count, count, count, count, count, count, number, count
)


@st.composite
def color_events(draw, easings=linear):
    transition = draw(st.integers(0, 2))
    return ColorBoxEvent(
        draw(number),
        transition,
        *draw(st.tuples(count, number, count, number, count)),
        easing=draw(easings) if transition else 0,
    )


@st.composite
def value_events(draw, kind):
    turns = kind == ROTATION
    return ValueBoxEvent(
        draw(number),
        value=draw(st.integers(-9, 9).map(float) if kind == INT_FX else number),
        use_previous=draw(count),
        easing=0 if kind == INT_FX else draw(st.integers(-1, 30)),
        loops=draw(count) if turns else 0,
        direction=draw(count) if turns else 0,
    )


def by_beat(events):
    return st.lists(events, max_size=3).map(lambda e: tuple(sorted(e, key=lambda x: x.beat)))


@st.composite
def boxes(draw, kind, easings):
    colors, has_axis = kind == COLOR, kind in (ROTATION, TRANSLATION)
    return EventBox(
        draw(index_filters),
        *draw(st.tuples(number, count, number, count, count, count)),
        axis=draw(count) if has_axis else 0,
        flip=draw(count) if has_axis else 0,
        color_events=draw(by_beat(color_events(easings))) if colors else (),
        value_events=() if colors else draw(by_beat(value_events(kind))),
    )


@st.composite
def group_lists(draw, kinds=GROUP_KINDS, easings=linear):
    found = []
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=4)):
        inside = draw(st.lists(boxes(kind, easings), max_size=3))
        found.append(EventBoxGroup(draw(number), kind, draw(count), tuple(inside)))
    return group_lights_v3.in_order(found)


def through_v3(groups, lost=None):
    lost = Counter() if lost is None else lost
    return group_lights_v3.read_groups(FieldReader(), group_lights_v3.write_groups(groups, lost))


def through_v4(groups, lost=None):
    lost = Counter() if lost is None else lost
    return group_lights_v4.read_groups(FieldReader(), group_lights_v4.write_groups(groups, lost))


@busy
@given(group_lists((*GROUP_KINDS, INT_FX)))
def test_v3_keeps_all_it_can_say(groups):
    lost = Counter()
    assert through_v3(groups, lost) == groups
    assert not lost


@busy
@given(group_lists(easings=st.sampled_from((0, 1, 7, 30, 100))))
def test_v4_keeps_all_it_can_say(groups):
    lost = Counter()
    assert through_v4(groups, lost) == groups
    assert not lost


@busy
@given(group_lists())
def test_v3_through_v4_and_back_is_the_same(groups):
    lost = Counter()
    assert through_v3(through_v4(through_v3(groups, lost), lost), lost) == groups
    assert not lost


@busy
@given(group_lists(easings=st.sampled_from((0, 4, 30))))
def test_v3_counts_every_easing_it_loses(groups):
    eased = sum(
        event.easing != 0 for group in groups for box in group.boxes for event in box.color_events
    )
    lost = Counter()
    again = through_v3(groups, lost)
    assert lost.total() == eased
    assert (again == groups) == (eased == 0)


@busy
@given(group_lists())
def test_no_v4_table_has_a_row_twice_or_unused(groups):
    data = group_lights_v4.write_groups(groups, Counter())
    boxes = [(group["t"], box) for group in data[group_lights_v4.GROUPS] for box in group["e"]]
    assert {box["f"] for _, box in boxes} == set(range(len(data[group_lights_v4.FILTERS])))
    for number, kind in enumerate(GROUP_KINDS, 1):
        used = [box for kind_number, box in boxes if kind_number == number]
        rows = data[group_lights_v4.BOX_TABLES[kind]]
        assert {box["e"] for box in used} == set(range(len(rows)))
        assert len({repr(row) for row in rows}) == len(rows)
        events = {event["i"] for box in used for event in box["l"]}
        assert events == set(range(len(data[group_lights_v4.EVENT_TABLES[kind]])))


def test_transitions_are_easings_in_v4():
    events = tuple(ColorBoxEvent(float(beat), transition=beat) for beat in range(3))
    group = EventBoxGroup(0.0, COLOR, 0, (EventBox(color_events=events),))
    rows = group_lights_v4.write_groups((group,), Counter())["lightColorEvents"]
    assert [(row["p"], row["e"]) for row in rows] == [(0, -1), (0, 0), (1, 0)]


def test_an_extended_colour_without_easing_is_the_same_as_with():
    group = EventBoxGroup(0.0, COLOR, 0, (EventBox(color_events=(ColorBoxEvent(0.0, 2),)),))
    data = group_lights_v4.write_groups((group,), Counter())
    data["lightColorEvents"][0]["e"] = -1
    assert group_lights_v4.read_groups(FieldReader(), data) == (group,)


def test_whole_number_effects_are_v3_only():
    group = EventBoxGroup(1.0, INT_FX, 2, (EventBox(value_events=(ValueBoxEvent(0.0, 3.0),)),))
    lost = Counter()
    assert through_v4((group,), lost) == ()
    assert lost.total() == 1
    data = group_lights_v3.write_groups((group,), Counter())
    assert [event["v"] for event in data["_fxEventsCollection"]["_il"]] == [3]
    assert not data["_fxEventsCollection"]["_fl"]


def test_effects_whose_number_leads_nowhere_are_counted():
    group = EventBoxGroup(1.0, FX, 2, (EventBox(value_events=(ValueBoxEvent(0.0, 3.0),)),))
    data = group_lights_v3.write_groups((group,), Counter())
    data["vfxEventBoxGroups"][0]["e"][0]["l"] = [7, -1, "0"]
    reader = FieldReader()
    (read,) = group_lights_v3.read_groups(reader, data)
    assert read.boxes[0].value_events == ()
    assert reader.counts["light box event whose number leads nowhere dropped"] == 3
    assert reader.counts["effect event that no group uses dropped"] == 1


def test_what_v4_numbers_must_be_there():
    group = EventBoxGroup(
        0.0, COLOR, 0, (EventBox(color_events=(ColorBoxEvent(0.0), ColorBoxEvent(1.0, color=1))),)
    )
    for table, left, boxes_left in (("lightColorEvents", 1, 1), ("indexFilters", 0, 0)):
        data = group_lights_v4.write_groups((group,), Counter())
        del data[table][-1]
        reader = FieldReader()
        (read,) = group_lights_v4.read_groups(reader, data)
        assert len(read.boxes) == boxes_left
        assert sum(len(box.color_events) for box in read.boxes) == left
        assert sum(reader.counts.values()) == 1


def test_unknown_fields_stay_with_their_object():
    event = ColorBoxEvent(0.0, extra={"customData": {"color": [1, 0, 0]}, "q": 1})
    box = EventBox(replace(IndexFilter(), extra={"q": 2}), color_events=(event,), extra={"q": 3})
    groups = (EventBoxGroup(0.0, COLOR, 0, (box,), extra={"q": 4}),)
    for through in (through_v3, through_v4):
        (read,) = through(groups)
        assert read.extra == {"q": 4}
        assert read.boxes[0].extra == {"q": 3}
        assert read.boxes[0].filter.extra == {"q": 2}
        assert read.boxes[0].color_events[0].extra == event.extra
