"""Style descriptors: the smallest map that earns a word, and one that does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saberlm.prompts.beatmap import Beatmap, ColorNote, LightEvent, Obstacle
from saberlm.prompts.descriptors import (
    DESCRIPTORS,
    MIN_ONSETS,
    WORDS,
    descriptor_values,
    style_of,
    unknown_words,
    words_for,
)
from saberlm.prompts.header import MAX_STYLE_CHARACTERS
from saberlm.prompts.mirror import mirror

COUNT = 2 * MIN_ONSETS


def alternating(step: float, **changed: int) -> list[ColorNote]:
    """Both hands in turn, up and down, each in its own inner lane."""
    return [
        ColorNote(
            i * step,
            **{"x": 1 + i % 2, "y": 0, "color": i % 2, "direction": 1 - i // 2 % 2} | changed,
        )
        for i in range(COUNT)
    ]


def words(notes: list[ColorNote], **more: tuple[object, ...]) -> tuple[str, ...]:
    return words_for(descriptor_values(Beatmap(color_notes=tuple(notes), **more)))  # type: ignore[arg-type]


def test_too_short_a_map_has_no_style() -> None:
    assert style_of(Beatmap(color_notes=tuple(alternating(1.0)[: MIN_ONSETS - 1]))) is None


def test_streams_are_quick_steps() -> None:
    assert "streams" in words(alternating(0.25))
    assert "streams" not in words(alternating(0.5))
    assert "chill" in words(alternating(0.5))


def test_doubles_are_two_notes_at_once() -> None:
    notes = alternating(1.0)
    second = [ColorNote(n.beat, 3 - n.x, 0, 1 - n.color, n.direction) for n in notes]
    assert "doubles" in words([*notes, *second])
    assert "doubles" not in words(notes)


def test_crossovers_lie_on_the_other_side() -> None:
    crossed = [ColorNote(n.beat, 3 - n.x, n.y, n.color, n.direction) for n in alternating(0.5)]
    assert "crossovers" in words(crossed)
    assert "crossovers" not in words(alternating(0.5))


def test_tech_turns_from_the_way_back() -> None:
    assert "tech" in words(alternating(0.5, direction=1))
    assert "tech" not in words(alternating(0.5))


def test_vertical_wide_jumps_and_sliders() -> None:
    assert "vertical" in words(alternating(0.5))
    assert "vertical" not in words(alternating(0.5, direction=2))
    outer = [ColorNote(n.beat, 3 * n.color, 0, n.color, n.direction) for n in alternating(0.5)]
    assert "wide" in words(outer)
    assert "wide" not in words(alternating(0.5))
    leaping = [
        ColorNote(n.beat, (n.x + 2 * (i // 2)) % 4, 0, n.color, n.direction)
        for i, n in enumerate(alternating(0.5))
    ]
    assert "jumps" in words(leaping)
    assert "jumps" not in words(alternating(0.5))
    notes = alternating(1.0)
    tails = [ColorNote(n.beat + 1 / 16, n.x, 1, n.color, n.direction) for n in notes]
    assert "sliders" in words([*notes, *tails])
    assert "sliders" not in words(notes)


def test_walls_and_lights_are_counted() -> None:
    notes = alternating(1.0)
    walls = tuple(Obstacle(float(i), 0, 0, 1.0, 1, 5) for i in range(10))
    assert "walls" in words(notes, obstacles=walls)
    assert "walls" not in words(notes, obstacles=walls[:2])
    lights = [LightEvent(i / 12, 1, 1, 1.0) for i in range(12 * COUNT)]
    assert "dense lights" in words(notes, lights=tuple(lights))
    assert "sparse lights" in words(notes, lights=tuple(lights[::12]))
    assert not {"dense lights", "sparse lights"} & set(words(notes))  # unlit: nothing known


@given(st.integers(0, 1_000))
def test_a_mirror_image_has_the_same_style(seed: int) -> None:
    from random import Random

    random = Random(seed)
    notes = tuple(
        ColorNote(i / 4, random.randrange(4), random.randrange(3), i % 2, random.randrange(9))
        for i in range(60)
    )
    beatmap = Beatmap(color_notes=notes)
    assert descriptor_values(mirror(beatmap)) == pytest.approx(descriptor_values(beatmap))


def test_all_words_at_once_fit_the_header() -> None:
    assert len(", ".join(WORDS)) <= MAX_STYLE_CHARACTERS
    assert len({d.word for d in DESCRIPTORS}) == len(DESCRIPTORS)


def test_words_that_no_map_goes_by_are_named_with_the_likely_one() -> None:
    assert unknown_words(None) is None
    assert unknown_words(", ".join(WORDS)) is None
    assert unknown_words("streams, ") is None
    said = unknown_words("streams, Teck, lights, soup")
    assert said is not None
    assert "'Teck' (tech?), 'lights' (dense lights or sparse lights?), 'soup':" in said
    assert all(word in said for word in WORDS)
