"""Bars beside each other: every object of the bars is drawn, and none from outside them."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib")

from saberlm.eval.bar_plots import HANDS, BarPair, draw_pairs
from saberlm.prompts.beatmap import Beatmap, Bomb, ColorNote, LightEvent, Obstacle


def drawn(path: Path, pairs: list[BarPair], bars: int = 2) -> list[str]:
    """The page's shapes and texts as strings."""
    draw_pairs(pairs, bars, "page", "made", path)
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    return [ElementTree.tostring(one, encoding="unicode") for one in root.iter()]


def fills(shapes: list[str], color: str) -> int:
    return sum(f"fill: {color}" in one and one.lstrip().startswith("<ns0:path") for one in shapes)


def test_notes_of_the_bars_are_drawn_and_no_others(tmp_path: Path) -> None:
    inside = [ColorNote(8 + i / 2, i % 4, i % 3, 0, i % 8) for i in range(16)]
    outside = [ColorNote(beat, 0, 0, 0, 1) for beat in (0.0, 7.99, 16.0, 20.0)]
    human = Beatmap(color_notes=tuple(sorted([*inside, *outside])))
    shapes = drawn(tmp_path / "a.svg", [BarPair("song 1", 8.0, human, Beatmap())])
    assert fills(shapes, HANDS[0]) == 16, "an arrow each"
    assert fills(shapes, HANDS[1]) == 0


def test_a_page_holds_anything_a_map_may_hold(tmp_path: Path) -> None:
    wild = Beatmap(
        color_notes=(ColorNote(0, 3, 2, 1, 8), ColorNote(1, -5, 9, 0, 1000)),
        bombs=(Bomb(1, 2, 7),),
        obstacles=(
            Obstacle(-4, 0, 0, 100, 1, 5),
            Obstacle(1, 2, 2, 1, 2, 3),
            Obstacle(1, 2, 2, -3, -1, 3),
        ),
        lights=tuple(LightEvent(i / 4, kind, i) for i, kind in enumerate(range(-1, 16))),
    )
    pairs = [BarPair(f"song {i}", 0.0, Beatmap() if i else wild, wild) for i in range(5)]
    draw_pairs(pairs, 1, "page", "made", tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes()[:4] == b"\x89PNG"
    assert [path.name for path in tmp_path.iterdir()] == ["b.png"], "no half file left"


def test_made_maps_stand_alone_where_the_human_is_left_out(tmp_path: Path) -> None:
    made = Beatmap(color_notes=(ColorNote(0, 1, 1, 1, 0),))
    alone = drawn(tmp_path / "c.svg", [BarPair("song 1", 0.0, None, made)])
    both = drawn(tmp_path / "d.svg", [BarPair("song 1", 0.0, made, made)])
    assert (fills(alone, HANDS[1]), fills(both, HANDS[1])) == (1, 2)
    with pytest.raises(ValueError, match="expected bars"):
        draw_pairs([], 1, "page", "made", tmp_path / "e.png")
