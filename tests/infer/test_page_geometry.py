"""The page's arithmetic: against the map format's own numbers and against our Python."""

import math
import random

import pytest
from page_kit import in_node, needs_node

from saberlm.eval.playability_setup import half_jump_beats
from saberlm.prompts.beatmap import BpmEvent, CutDirection
from saberlm.prompts.tempo import TempoMap

pytestmark = needs_node


def test_a_note_is_turned_as_the_format_says() -> None:
    degrees = in_node("return (await load('geometry')).CUT_DEGREES")
    by_name = {CutDirection(i).name: angle for i, angle in enumerate(degrees)}
    # counter-clockwise from down
    assert by_name | {"ANY": 0} == {
        "UP": 180, "DOWN": 0, "LEFT": 270, "RIGHT": 90, "UP_LEFT": 225, "UP_RIGHT": 135,
        "DOWN_LEFT": 315, "DOWN_RIGHT": 45, "ANY": 0,
    }  # fmt: skip


def test_the_saber_moves_where_the_name_says_and_the_angle_offset_adds_to_the_turn() -> None:
    found = in_node(
        "const g = await load('geometry');"
        "return given.map((d) => [g.cutVector(d), g.noteRadians(d, 0), g.noteRadians(d, 30)])",
        [int(direction) for direction in CutDirection],
    )
    for direction, (vector, turned, more) in zip(CutDirection, found, strict=True):
        assert more - turned == pytest.approx(math.radians(30))
        if direction == CutDirection.ANY:
            assert vector is None
            continue
        x = ("RIGHT" in direction.name) - ("LEFT" in direction.name)
        y = ("UP" in direction.name) - ("DOWN" in direction.name)
        length = math.hypot(x, y)
        assert vector == pytest.approx([x / length, y / length])
        # turning the arrow that points down by the angle gives that way
        assert [math.sin(turned), -math.cos(turned)] == pytest.approx(vector)


def test_columns_go_right_rows_go_up_and_a_wall_covers_its_columns() -> None:
    found = in_node(
        "const g = await load('geometry');"
        "return {x: [0,1,2,3].map(g.laneX), y: [0,1,2].map(g.rowY),"
        " full: g.wallBox(1, 0, 2, 5), crouch: g.wallBox(0, 2, 4, 3)}"
    )
    assert found["x"] == sorted(found["x"])
    assert found["x"][0] == -found["x"][3]
    assert found["y"] == sorted(found["y"])
    full, crouch = found["full"], found["crouch"]
    assert (full["x"], crouch["x"]) == (0, 0)
    assert crouch["width"] == pytest.approx(2 * full["width"])
    lower = crouch["y"] - crouch["height"] / 2
    assert found["y"][0] < lower < found["y"][2], "one ducks under it"
    assert lower + crouch["height"] == pytest.approx(full["y"] + full["height"] / 2)


def test_the_note_jump_is_the_judges() -> None:
    rng = random.Random(5)
    cases = [
        (rng.uniform(5, 30), rng.choice([-1.5, -0.25, 0, 0.5, 2]), rng.uniform(40, 400))
        for _ in range(200)
    ]
    cases += [(18.0, 0.0, 120.0), (17.999, 0.0, 60.0)]
    found = in_node(
        "const g = await load('geometry');"
        "return given.map((c) => [g.halfJumpBeats(...c), g.noteJump(...c)])",
        cases,
    )
    for (njs, offset, bpm), (beats, jump) in zip(cases, found, strict=True):
        assert beats == half_jump_beats(njs, offset, bpm)
        assert jump["seconds"] == pytest.approx(beats * 60 / bpm)
        assert 2 * jump["metres"] == pytest.approx(2 * njs * 60 / bpm * beats)  # jump distance


def test_a_level_without_a_speed_is_played_at_the_games() -> None:
    names = ["Easy", "Normal", "Hard", "Expert", "ExpertPlus"]
    found = in_node(
        "const g = await load('geometry'); return given.map((n) => [g.playedNjs(0, n),"
        " g.playedNjs(13, n)])",
        names,
    )
    assert found == [[10, 13], [10, 13], [10, 13], [12, 13], [16, 13]]


def test_beats_and_seconds_are_those_of_the_tempo_map() -> None:
    rng = random.Random(7)
    for _ in range(5):
        changes = sorted([rng.randint(-2, 60) + 0.5, rng.uniform(60, 240)] for _ in range(6))
        beats = [rng.uniform(-4, 90) for _ in range(40)]
        seconds, back = in_node(
            "const { TempoMap } = await load('geometry');"
            "const map = new TempoMap(128, given.changes);"
            "const seconds = given.beats.map((b) => map.toSeconds(b));"
            "return [seconds, seconds.map((s) => map.toBeats(s))]",
            {"changes": changes, "beats": beats},
        )
        tempo = TempoMap(128, tuple(BpmEvent(beat, bpm) for beat, bpm in changes))
        assert seconds == pytest.approx([tempo.to_seconds(beat) for beat in beats])
        assert back == pytest.approx(beats)


def test_arcs_and_chains_run_from_head_to_tail_and_leave_along_the_cut() -> None:
    span = {"time": 2, "tailTime": 3, "x": 1, "y": 0, "tailX": 3, "tailY": 2, "direction": 0}
    arc = span | {"tailDirection": 8, "multiplier": 1, "tailMultiplier": 1}
    chain = span | {"slices": 5, "squish": 0.5}
    points, links, ends = in_node(
        "const g = await load('geometry'); return [g.arcPoints(given[0], 10),"
        " g.chainLinks(given[1]), [g.laneX(1), g.rowY(0), g.laneX(3), g.rowY(2)]]",
        [arc, chain],
    )
    assert points[0] == pytest.approx([*ends[:2], 0])
    assert points[-1] == pytest.approx([*ends[2:], 1])
    assert points[1][1] > points[0][1], "up, as the head is cut"
    assert len(links) == 4, "the head is a note of its own"
    assert [link["time"] for link in links] == sorted(link["time"] for link in links)
    assert links[-1]["time"] == pytest.approx(2.5), "squish 0.5: half the way"
    assert links[0]["y"] > ends[1]
