"""Where the page really puts what flies at the player, read off the scene that it would draw."""

import math
from typing import Any

import pytest
from page_kit import PAGE, in_node, needs_node

from saberlm.eval.playability_setup import half_jump_beats

pytestmark = needs_node

# beat-saber.md 1.7: degrees counter-clockwise from down; a dot has none
DEGREES = (180, 0, 270, 90, 225, 135, 315, 45, 0)
SCENE = """
    const { readFileSync } = await import('node:fs');
    const vm = await import('node:vm');
    const brush = { createRadialGradient: () => ({ addColorStop() {} }), fillRect() {} };
    globalThis.document = { createElement: () => ({ getContext: () => brush }) };
    globalThis.self = globalThis;
    vm.runInThisContext(readFileSync(given.three, 'utf8'));
    const { Track } = await load('track');
    const { prepare } = await load('prepare');
    const track = new Track(new THREE.Scene());
    const map = prepare(given.level, given.level.difficulties[0]);
    track.show(map);
    const at = (name, i) => {
        const mesh = track.instanced[name];
        const m = mesh.instanceMatrix.array.slice(16 * i, 16 * i + 16);
        const degrees = Math.round((Math.atan2(m[1], m[0]) * 180) / Math.PI + 720) % 360;
        return { x: m[12], y: m[13], z: m[14], degrees };
    };
"""


def seen(script: str, notes: list[list[float]], **given: Any) -> Any:
    difficulty = {
        "name": "Expert", "njs": 16, "offset": 0, "tempo": [], "bombs": [], "walls": [],
        "arcs": [], "chains": [], "lights": [], "boosts": [], "findings": [], "notes": notes,
        "colors": None, **given,
    }  # fmt: skip
    level = {"bpm": 120, "difficulties": [difficulty]}
    three = str(PAGE / "vendor" / "three.min.js")
    return in_node(SCENE + script, {"level": level, "three": three})


def test_a_note_flies_at_the_maps_speed_and_comes_from_half_the_jump_distance() -> None:
    script = """
        const places = [];
        for (const before of given.level.before) {
            track.update(4 - before);
            places.push(at('block', 0));
        }
        return { places, jump: map.jump };
    """
    # beat 8 at 120 BPM is second 4
    notes = [[8, 3, 2, 1, 1, 0]]
    half = half_jump_beats(16, 0, 120) * 60 / 120
    times = [0.1, 0.25, half]
    found = seen(script.replace("given.level.before", str(times)), notes)
    for before, place in zip(times, found["places"], strict=True):
        assert place["z"] == pytest.approx(-16 * before, rel=1e-4)
        assert place["x"] == pytest.approx(0.9), "the lane to the right of the middle's two"
    assert found["jump"]["metres"] == pytest.approx(16 * half)


@pytest.mark.parametrize("angle", [0, 45, -20])
def test_each_direction_turns_block_and_arrow_alike(angle: int) -> None:
    script = """
        track.update(map.notes[0].time - 0.2);
        const turned = [];
        for (let i = 0; i < 9; i++) turned.push(at('block', i).degrees);
        for (let i = 0; i < 8; i++) turned.push(at('arrow', i).degrees);
        return [turned, track.counts];
    """
    turned, counts = seen(script, [[8, i % 4, 0, 0, i, angle] for i in range(9)])
    assert turned == [(d + angle) % 360 for d in (*DEGREES, *DEGREES[:8])]
    assert (counts["block"], counts["arrow"], counts["dot"]) == (9, 8, 1)


def test_rows_rise_and_lanes_go_right() -> None:
    script = """
        track.update(map.notes[0].time - 0.2);
        return [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((i) => at('block', i));
    """
    found = seen(script, [[8, x, y, 0, 8, 0] for y in range(3) for x in range(4)])
    rows = [found[i : i + 4] for i in (0, 4, 8)]
    for row in rows:
        assert [p["x"] for p in row] == pytest.approx([-0.9, -0.3, 0.3, 0.9])
        assert len({p["y"] for p in row}) == 1
    heights = [row[0]["y"] for row in rows]
    assert heights == sorted(heights)
    assert math.dist([heights[0]], [heights[2]]) > 0.6


def test_what_is_cut_or_not_yet_to_be_seen_is_not_there() -> None:
    script = """
        return [-60, -0.1, 1, 60].map((after) => {
            track.update(4 + after);
            return track.counts.block;
        });
    """
    assert seen(script, [[8, 1, 0, 0, 1, 0]]) == [0, 1, 0, 0]


def test_only_what_is_seen_goes_to_the_gpu() -> None:
    script = """
        const sent = (name) => [...track.instanced[name].instanceMatrix.updateRanges];
        track.update(map.notes[0].time - 0.2);
        const two = { block: sent('block'), dot: sent('dot'), bomb: sent('bomb') };
        track.update(map.notes[0].time - 60);
        return [two, sent('block'), track.instanced.block.visible];
    """
    two, none, visible = seen(script, [[8, 0, 0, 0, 1, 0], [8, 3, 0, 1, 8, 0]])
    assert two["block"] == [{"start": 0, "count": 32}], "two matrices"
    assert two["dot"] == [{"start": 0, "count": 16}]
    assert two["bomb"] == none == [{"start": 0, "count": 0}]
    assert not visible
