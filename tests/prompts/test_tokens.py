from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saberlm.prompts import vocab as v
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
from saberlm.prompts.grammar import STATES, Grammar, first_illegal
from saberlm.prompts.mirror import mirror
from saberlm.prompts.snap import snap
from saberlm.prompts.tokens import decode, encode

GRAMMAR = Grammar()

beats = st.integers(0, 48 * 40).map(lambda tick: tick / 48) | st.floats(0, 40, width=32).map(float)
column, row = st.integers(0, 3), st.integers(0, 2)
colors, directions = st.integers(0, 1), st.integers(0, 8)
multipliers = st.floats(0, 5, width=32).map(float)

notes = st.builds(
    ColorNote, beats, column, row, colors, directions, st.sampled_from([0, 0, 15, -45, 180])
)
walls = st.builds(
    Obstacle, beats, column, row, st.floats(0.01, 150), st.integers(1, 4), st.integers(1, 5)
)
arcs = st.builds(
    Arc,
    beats,
    column,
    row,
    colors,
    directions,
    beats,
    column,
    row,
    directions,
    multipliers,
    multipliers,
    st.integers(0, 2),
)
chains = st.builds(
    Chain,
    beats,
    column,
    row,
    colors,
    directions,
    beats,
    column,
    row,
    st.integers(1, 30),
    st.floats(0.1, 2),
)
lights = st.builds(
    LightEvent,
    beats,
    st.sampled_from([*v.LIGHT_TYPES, *v.LASER_TYPES]),
    st.integers(0, 12),
    st.floats(0, 2),
)
beatmaps = st.builds(
    Beatmap,
    st.lists(notes, max_size=30).map(tuple),
    st.lists(st.builds(Bomb, beats, column, row), max_size=6).map(tuple),
    st.lists(walls, max_size=6).map(tuple),
    st.lists(arcs, max_size=8).map(tuple),
    st.lists(chains, max_size=5).map(tuple),
    st.lists(lights, max_size=20).map(tuple),
    st.lists(st.builds(BoostEvent, beats, st.booleans()), max_size=4).map(tuple),
    st.lists(st.builds(BpmEvent, beats, st.floats(20, 900)), max_size=3).map(tuple),
)


@settings(max_examples=150, deadline=None)
@given(beatmaps)
def test_decode_is_the_inverse_of_encode_and_the_grammar_admits_it(beatmap: Beatmap) -> None:
    snapped, _ = snap(beatmap)
    segments = encode(snapped)
    assert first_illegal(segments, GRAMMAR) is None
    again, dropped = decode(segments)
    assert again == snapped
    assert not dropped


@settings(max_examples=80, deadline=None)
@given(beatmaps)
def test_snapping_twice_changes_nothing_more(beatmap: Beatmap) -> None:
    snapped, _ = snap(beatmap)
    again, counts = snap(snapped)
    assert again == snapped
    assert not any(what.startswith("dropped") for what in counts)


@settings(max_examples=80, deadline=None)
@given(beatmaps)
def test_the_mirror_is_its_own_inverse(beatmap: Beatmap) -> None:
    snapped = snap(beatmap)[0]
    assert snap(mirror(snap(mirror(snapped))[0]))[0] == snapped or snapped.arcs or snapped.chains


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_whatever_the_grammar_allows_can_be_decoded(seed: int) -> None:
    """A random walk through the grammar is a map, and that map's own tokens say the same map."""
    rng = np.random.default_rng(seed)
    state = GRAMMAR.start(1)
    # even odds for each block, so that rare objects are met
    kinds = np.array([list(v.SIZES).index(v.token_of(i).kind) for i in range(v.VOCAB_SIZE)])
    segments: list[list[int]] = []
    for _ in range(4):
        bar: list[int] = []
        while True:
            legal = np.flatnonzero(GRAMMAR.allowed(state)[0])
            assert len(legal), "a dead end"
            legal = legal[legal != v.AUDIO]
            kind = rng.choice(np.unique(kinds[legal]))
            token = int(rng.choice(legal[kinds[legal] == kind]))
            if v.token_of(token).kind == "duration_more" and rng.random() < 0.8:
                continue
            state = GRAMMAR.step(state, np.array([token]))
            if token == v.END_SEG:
                break
            bar.append(token)
        segments.append(bar)
        for token in (v.SEG, v.AUDIO):
            assert GRAMMAR.allowed(state)[0, token]
            state = GRAMMAR.step(state, np.array([token]))
    beatmap, _ = decode(segments)
    assert all(note.beat * 48 == round(note.beat * 48) for note in beatmap.color_notes)
    assert all(arc.tail_beat > arc.beat for arc in beatmap.arcs)
    assert all(wall.duration > 0 and wall.x + wall.width <= 4 for wall in beatmap.obstacles)
    cells = Counter((n.beat, n.x, n.y) for n in (*beatmap.color_notes, *beatmap.bombs))
    assert max(cells.values(), default=1) == 1
    assert decode(encode(beatmap))[0] == beatmap


@settings(max_examples=20, deadline=None)
@given(beatmaps)
def test_admits_is_allowed_at_one_token(beatmap: Beatmap) -> None:
    state = GRAMMAR.start(1)
    for tokens in encode(snap(beatmap)[0])[:3]:
        for token in (*tokens, v.END_SEG, v.SEG, v.AUDIO):
            mask = GRAMMAR.allowed(state)[0]
            every = np.arange(0, v.VOCAB_SIZE, 7)
            repeated = np.repeat(state, len(every), 0)
            assert (GRAMMAR.admits(repeated, every) == mask[every]).all()
            state = GRAMMAR.step(state, np.array([token]))


def _towards_the_end(state: np.ndarray, mask: np.ndarray) -> int:
    """A legal token on a short way to ``</map>``: finish the object, close the arcs, close the
    bar."""
    red_open, blue_open = state[0, 4], state[0, 5]
    free = v.OFFSETS["free"]
    anchors = [*range(free, free + 12)] * bool(red_open) + [*range(free + 12, free + 24)] * bool(
        blue_open
    )
    ways: list[list[int]] = [
        [v.END_MAP],
        list(v.block_range("arc_end")),
        anchors,
        [] if red_open or blue_open else [v.END_SEG],
        list(v.block_range("position"))[: v.TICKS_PER_SEGMENT],
        [v.END_SEG, v.SEG, v.AUDIO],
        *(
            list(v.block_range(kind))
            for kind in ("chain_tail", "squish", "wall_width", "wall_height")
        ),
        [v.token_id("duration_beats", 0)],
        [v.token_id("duration_beats", 1)],
        list(v.block_range("duration_ticks")),
        [*v.block_range("digit")][::-1],
        list(v.block_range("chain")),
        list(v.block_range("bomb")),
        list(v.block_range("boost")),
    ]
    return next(token for way in ways for token in way if mask[token])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 60))
def test_a_closed_map_can_be_reached_from_anywhere(seed: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = np.array([list(v.SIZES).index(v.token_of(i).kind) for i in range(v.VOCAB_SIZE)])
    state = GRAMMAR.start(1)
    for _ in range(steps):
        legal = np.flatnonzero(GRAMMAR.allowed(state)[0])
        kind = rng.choice(np.unique(kinds[legal]))
        token = int(rng.choice(legal[kinds[legal] == kind]))
        if token == v.END_MAP:
            return
        state = GRAMMAR.step(state, np.array([token]))
    for _ in range(80):
        token = _towards_the_end(state, GRAMMAR.allowed(state)[0])
        if token == v.END_MAP:
            return
        state = GRAMMAR.step(state, np.array([token]))
    pytest.fail("no way to </map>")


def test_batched_states_equal_single_ones() -> None:
    rng = np.random.default_rng(0)
    single = [GRAMMAR.start(1) for _ in range(5)]
    batch = GRAMMAR.start(5)
    for _ in range(200):
        masks = GRAMMAR.allowed(batch)
        tokens = []
        for i in range(5):
            assert (masks[i] == GRAMMAR.allowed(single[i])[0]).all()
            choices = np.flatnonzero(masks[i])
            choices = choices[choices != v.END_MAP]
            tokens.append(int(rng.choice(choices)))
            single[i] = GRAMMAR.step(single[i], np.array(tokens[-1:]))
        batch = GRAMMAR.step(batch, np.array(tokens))
        assert (batch == np.concatenate(single)).all()


def test_the_map_cannot_end_with_an_open_arc() -> None:
    note, start = v.token_id("note", 0), v.token_id("arc_start", 0)
    state = GRAMMAR.start(1)
    for token in (v.token_id("position", 5), note, start, v.END_SEG):
        assert GRAMMAR.allowed(state)[0, token]
        state = GRAMMAR.step(state, np.array([token]))
    assert state[0, 0] == STATES["closed"]
    assert not GRAMMAR.allowed(state)[0, v.END_MAP]
    assert GRAMMAR.allowed(state)[0, v.SEG]


def test_positions_rise_and_cells_are_taken_once() -> None:
    red, blue = (
        v.token_id("note", v.note_value(0, 0, 1, 1)),
        v.token_id("note", v.note_value(1, 0, 1, 1)),
    )
    state = GRAMMAR.step(GRAMMAR.start(1), np.array([v.token_id("position", 10)]))
    state = GRAMMAR.step(state, np.array([red]))
    mask = GRAMMAR.allowed(state)[0]
    assert not mask[blue]
    assert not mask[v.token_id("bomb", 1)]
    assert not mask[[v.token_id("position", i) for i in range(11)]].any()
    assert mask[v.token_id("position", 11)]


def test_what_cannot_be_said_is_counted() -> None:
    beatmap = Beatmap(
        color_notes=(
            ColorNote(1.0, 0, 0, 0, 1),
            ColorNote(1.001, 0, 0, 1, 1),
            ColorNote(-2.0, 0, 0, 0, 1),
        ),
        obstacles=(Obstacle(1.0, 2, 0, 1.0, 4, 5),),
        arcs=(Arc(1.0, 0, 0, 0, 1, 1.0, 0, 0, 1),),
        lights=(
            LightEvent(0.0, 1, 2_000_000_123),
            LightEvent(0.0, 99, 1),
            LightEvent(1.0, 2, 1),
            LightEvent(1.0, 2, 5),
        ),
        bpm_events=(BpmEvent(4.0, 100), BpmEvent(4.001, 120)),
    )
    snapped, counts = snap(beatmap)
    assert len(snapped.color_notes) == 1
    assert snapped.lights == (LightEvent(1.0, 2, 1), LightEvent(1.0, 2, 5))
    for what in (
        "dropped: second note in one cell and tick",
        "dropped: note before beat 0",
        "dropped: wall reaching past the right column",
        "dropped: arc shorter than a tick",
        "dropped: event with a Chroma colour for a value",
        "dropped: light of an unknown type",
        "dropped: tempo overridden in its tick",
    ):
        assert counts[what] == 1, what


def test_a_free_anchor_is_for_cells_without_a_note_of_its_colour() -> None:
    """What hangs in a note's cell hangs on the note: else a map would have two streams."""
    red = v.token_id("note", v.note_value(0, 1, 2, 1))
    state = GRAMMAR.step(GRAMMAR.start(1), np.array([v.token_id("position", 10)]))
    state = GRAMMAR.step(state, np.array([red]))
    mask = GRAMMAR.allowed(state)[0]
    assert not mask[v.token_id("free", 6)]
    assert mask[v.token_id("free", 12 + 6)]
    assert mask[v.token_id("free", 7)]


def test_what_happens_twice_in_a_tick_is_kept_in_order() -> None:
    """Rings that spin twice, a light that flashes and goes out, two walls from one cell."""
    beatmap = Beatmap(
        obstacles=(Obstacle(1.0, 0, 0, 2.0, 2, 5), Obstacle(1.0, 0, 0, 1.0, 1, 5)),
        lights=(LightEvent(0.999, 8, 3), LightEvent(1.0, 8, 0), LightEvent(1.0, 8, 0)),
        boosts=(BoostEvent(1.0, True), BoostEvent(1.0, False)),
    )
    snapped, counts = snap(beatmap)
    assert counts == {"moved: object not on a tick": 1}
    assert decode(encode(snapped))[0] == snapped
    assert [e.value for e in snapped.lights] == [3, 0, 0]
    assert [w.duration for w in snapped.obstacles] == [2.0, 1.0]
    assert [e.on for e in snapped.boosts] == [True, False]


def test_a_faulty_time_makes_no_endless_map() -> None:
    beatmap = Beatmap(
        color_notes=(ColorNote(1e12, 0, 0, 0, 1), ColorNote(1.0, 0, 0, 0, 1)),
        obstacles=(Obstacle(1.0, 0, 0, 1e300, 1, 5),),
    )
    snapped, counts = snap(beatmap)
    assert counts["dropped: object at or after beat 65536"] == 1
    assert counts["moved: wall duration"] == 1
    assert decode(encode(snapped))[0] == snapped


def test_snapping_rounds_to_the_nearest_tick() -> None:
    note = ColorNote(1 + 0.9 / 48, 0, 0, 0, 1)
    assert snap(Beatmap((note,)))[0].color_notes[0].beat == 1 + 1 / 48


def test_a_stream_outside_the_grammar_is_refused() -> None:
    with pytest.raises(ValueError, match="expected wall_width"):
        decode([[v.token_id("position", 0), v.token_id("wall", 0), v.END_SEG]])
