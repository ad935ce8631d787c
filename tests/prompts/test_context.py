"""What is given and what is made together are the whole map; each part is legal by itself."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import (
    Arc,
    Beatmap,
    Bomb,
    BoostEvent,
    Chain,
    ColorNote,
    LightEvent,
    Obstacle,
)
from saberlm.prompts.context import (
    MARKS,
    REFERENCE_BARS,
    REFERENCE_TOKENS,
    Context,
    continue_context,
    cut_arcs,
    difficulty_context,
    lights_context,
    merge_lights,
    notes_only,
    reference_context,
    remap_context,
    split_lights,
)
from saberlm.prompts.grammar import Grammar, first_illegal
from saberlm.prompts.header import Conditions, header_of_ids
from saberlm.prompts.snap import snap
from saberlm.prompts.stream import LATENTS_PER_SEGMENT, MapPrompt
from saberlm.prompts.tokens import decode, encode

GRAMMAR = Grammar()
BARS = 6
beats = st.integers(0, 48 * 4 * BARS - 1).map(lambda tick: tick / 48)
column, row, color, direction = (st.integers(0, n) for n in (3, 2, 1, 8))
angles = st.sampled_from([0, 0, 15])
notes = st.builds(ColorNote, beats, column, row, color, direction, angles)
arcs = st.builds(
    Arc, beats, column, row, color, direction, beats, column, row, direction, mid_anchor=row
)
chains = st.builds(Chain, beats, column, row, color, direction, beats, column, row, st.just(4))
walls = st.builds(Obstacle, beats, column, row, st.integers(1, 99), st.just(1), st.just(1))
types = st.sampled_from([*v.LIGHT_TYPES, *v.LASER_TYPES])
lights = st.builds(LightEvent, beats, types, st.integers(0, 12), st.sampled_from([1.0, 0.5]))


def _some(of: st.SearchStrategy, most: int) -> st.SearchStrategy:
    return st.lists(of, max_size=most).map(tuple)


beatmaps = st.builds(
    Beatmap,
    _some(notes, 30),
    _some(st.builds(Bomb, beats, column, row), 5),
    _some(walls, 4),
    _some(arcs, 6),
    _some(chains, 4),
    _some(lights, 25),
    _some(st.builds(BoostEvent, beats, st.booleans()), 4),
)


def bars_of(beatmap: Beatmap) -> list[list[int]]:
    bars = encode(snap(beatmap)[0])
    return bars + [[]] * (BARS - len(bars))


def say(*tokens: tuple[str, int]) -> list[int]:
    return [v.token_id(kind, value) for kind, value in tokens]


@settings(max_examples=80, deadline=None)
@given(beatmaps)
def test_lights_and_the_rest_are_legal_apart_and_the_map_together(beatmap: Beatmap) -> None:
    bars = bars_of(beatmap)
    parts = [split_lights(bar) for bar in bars]
    assert [merge_lights(*part) for part in parts] == bars
    whole, (without, alone) = (
        decode(bars)[0],
        (decode(list(s))[0] for s in zip(*parts, strict=True)),
    )
    assert without == replace(whole, lights=(), boosts=())
    assert alone == Beatmap(lights=whole.lights, boosts=whole.boosts)
    for side in zip(*parts, strict=True):
        assert first_illegal(list(side), GRAMMAR) is None


@settings(max_examples=50, deadline=None)
@given(beatmaps)
def test_notes_only_keeps_every_note_and_nothing_else(beatmap: Beatmap) -> None:
    bars = bars_of(beatmap)
    kept = [notes_only(bar) for bar in bars]
    assert decode(kept)[0] == Beatmap(decode(bars)[0].color_notes)


@settings(max_examples=80, deadline=None)
@given(beatmaps, st.integers(0, BARS - 1), st.integers(1, BARS))
def test_cut_arcs_leaves_parts_that_stand_alone(beatmap: Beatmap, start: int, size: int) -> None:
    end = min(BARS, start + size)
    bars = bars_of(beatmap)
    cut, removed = cut_arcs(bars, [start, end])
    assert len(cut) == len(bars)
    whole, left = decode(bars)[0], decode(cut)[0]
    assert replace(left, arcs=()) == replace(whole, arcs=())
    assert set(left.arcs) <= set(whole.arcs)
    assert len(whole.arcs) - len(left.arcs) == removed
    for part in (cut[:start], cut[start:end], cut[end:]):
        assert first_illegal([list(bar) for bar in part], GRAMMAR) is None
        assert not decode(list(part))[1], "nothing hangs over"
    inside = [
        (start * 4 <= a.beat < end * 4, start * 4 <= a.tail_beat < end * 4) for a in left.arcs
    ]
    assert all(head == tail for head, tail in inside)


def _contexts() -> list[Context]:
    bar = say(("position", 3), ("note", 7), ("light", 2))
    return [
        lights_context([bar] * 3, 5),
        difficulty_context(Conditions("Hard", 3.2), [bar] * 3, 5),
        continue_context(),
        remap_context(5, 8, bar),
        reference_context([bar] * 3),
    ]


@pytest.mark.parametrize("context", _contexts(), ids=lambda c: c.task)
def test_given_tokens_never_carry_loss(context: Context) -> None:
    bars = [say(("position", 9), ("light", 1)), [], say(("position", 8), ("light", 4))]
    prompt = MapPrompt(Conditions("Expert"), 9, context)
    stream = prompt.window(5, bars, [True] * 3, ends=True)
    learnt = [t for t, wanted in zip(stream.ids, stream.loss_mask, strict=True) if wanted]
    assert learnt == [*bars[0], v.END_SEG, v.END_SEG, *bars[2], v.END_SEG, v.END_MAP]
    pieces = prompt.opening()
    for i, bar in enumerate(bars):
        pieces += [*prompt.bar(5 + i), *bar, v.END_SEG]
    assert stream.ids == [*pieces, v.END_MAP]
    assert stream.ids.count(MARKS[context.task]) == stream.ids.count(v.END_CTX)
    assert stream.ids.count(v.AUDIO) == 3 * LATENTS_PER_SEGMENT


def test_a_remapped_range_is_told_how_far_its_end_is() -> None:
    following = say(("position", 0), ("note", 3), ("light", 9), ("position", 7), ("light", 9))
    notes = tuple(following[:2])
    context = remap_context(10, 14, following)
    assert context.bars == {12: (v.GAP, *notes), 13: notes}
    assert remap_context(13, 14, following).bars == {13: notes}
    assert remap_context(10, 14, None).bars == {}


def test_a_reference_stays_within_its_room() -> None:
    bar = say(("position", 1), ("note", 3), ("bomb", 2))
    opening = reference_context([bar] * 9).opening
    assert opening.count(v.GAP) == REFERENCE_BARS - 1
    dense = [t for i in range(0, 192, 4) for t in say(("position", i), ("note", 3))]
    opening = reference_context([bar, dense, dense]).opening
    assert opening == (*bar[:2], v.GAP, *dense)
    assert len(opening) <= REFERENCE_TOKENS


def test_a_difficulty_says_what_it_comes_from() -> None:
    context = difficulty_context(Conditions("Hard", 3.2, style="tech"), [])
    assert header_of_ids(list(context.opening)) == "Difficulty: Hard | NPS: 3.2"


def test_an_unknown_task_and_a_bar_without_positions_are_refused() -> None:
    with pytest.raises(ValueError, match="task must be one of"):
        Context("dance")
    with pytest.raises(ValueError, match="expected a position"):
        split_lights(say(("note", 0)))
    with pytest.raises(ValueError, match="expected a position"):
        merge_lights(say(("note", 0)), [])
