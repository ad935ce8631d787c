"""Whatever a tiny random model makes, what was given comes back object for object."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saberlm.infer.engine import Engine, SongEncoding
from saberlm.infer.given import GROUPS, SongGrid, bars_between, given_bars
from saberlm.infer.pipeline import Song
from saberlm.infer.sampling import SamplingParams
from saberlm.infer.tasks import (
    MapTask,
    TaskSong,
    continue_map,
    difficulty_from,
    follow_reference,
    light_map,
    light_range,
    remap_range,
    run_tasks,
    typical_run,
)
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
from saberlm.prompts.context import Context
from saberlm.prompts.grammar import first_illegal
from saberlm.prompts.header import Conditions
from saberlm.prompts.stream import MapPrompt
from saberlm.prompts.tokens import decode

BARS = 7
PARAMS = SamplingParams(max_segment_tokens=24, position_temperature=1.0, hazard=0.2, decoder=1.0)
ASKED = Conditions("Expert")


def song_of(bpm: float = 120.0, offset: float = 0.0) -> Song:
    """As long as the bars, and the outro's seconds."""
    seconds = BARS * 240 / Song(np.zeros(1), 100, bpm, offset).grid_bpm
    return Song(np.zeros(int(100 * seconds), np.float32), 100, bpm, offset)


def on(model: Any, song: Song | None = None) -> TaskSong:
    generator = torch.Generator().manual_seed(3)
    encoding = SongEncoding(
        torch.randn(BARS * 16, 24, generator=generator),
        torch.randn(BARS * 16, 32, generator=generator),
        torch.randn(BARS, 32, generator=generator),
        BARS,
    )
    return TaskSong(model, encoding, song or song_of())


def beatmap(seed: int, *, lit: bool = True, modded: bool = False) -> Beatmap:
    """A map with everything in it, over the whole song of `song_of`."""
    rng = np.random.default_rng(seed)
    beats = np.arange(0, 4 * BARS, 0.5)
    notes = tuple(
        ColorNote(float(b), int(rng.integers(4)), int(rng.integers(3)), i % 2, int(rng.integers(9)))
        for i, b in enumerate(beats)
    )
    some = sorted(float(b) for b in rng.choice(beats, 6, replace=False))
    arcs = tuple(
        Arc(n.beat, n.x, n.y, n.color, n.direction, m.beat, m.x, m.y, m.direction)
        for n, m in ((a, b) for a in notes[::9] for b in notes[::7] if b.beat > a.beat)
        if n.color == m.color and m.beat < n.beat + 12
    )
    return Beatmap(
        color_notes=notes,
        bombs=tuple(Bomb(b + 0.25, 0, 0) for b in some),
        obstacles=tuple(Obstacle(b, 3, 0, 5.0, 1, 5) for b in some[:3]),
        arcs=arcs,
        chains=tuple(
            Chain(n.beat, n.x, n.y, n.color, n.direction, n.beat + 0.75, 1, 2, 5)
            for n in notes[3::11]
        ),
        lights=tuple(LightEvent(float(b), 1, int(rng.integers(1, 8))) for b in beats) * lit,
        boosts=(BoostEvent(5.0, True), BoostEvent(17.0, False)) * lit,
        extra={"customData": {"by": "a person"}} if modded else None,
    )


def split(given: Beatmap, bars: range, grid: SongGrid) -> dict[str, tuple[list[Any], list[Any]]]:
    """Objects in and out of bars, by the beat they start at."""
    out = {}
    for name in GROUPS:
        items = getattr(given, name)
        inside = [o for o in items if grid.bar(o.beat) in bars]
        out[name] = (inside, [o for o in items if grid.bar(o.beat) not in bars])
    return out


@pytest.fixture(scope="module")
def engine(tiny_model: Any) -> Engine:
    """An engine whose cache is made anew every other bar."""
    return Engine(tiny_model, context_bars=3)


def made_bars(engine: Engine, task: MapTask) -> list[list[int]]:
    return engine.generate([task.request], PARAMS)[0].bars


def test_lights_leave_the_map_as_it_is(engine: Engine) -> None:
    given_map = beatmap(1)
    task = light_map(on(engine.model), given_map, ASKED, seed=2)
    bars = made_bars(engine, task)
    kinds = {v.token_of(token).kind for bar in bars for token in bar}
    assert "light" in kinds
    assert kinds <= {"position", "light", "laser", "boost", "brightness"}
    assert first_illegal(bars) is None
    ((result, counts),) = run_tasks(engine, [task], PARAMS)
    assert replace(result, lights=(), boosts=()) == replace(given_map, lights=(), boosts=())
    assert result.lights
    assert result.lights != given_map.lights
    assert counts["replaced: light"] == len(given_map.lights)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(0, 99),
    st.integers(0, BARS - 1),
    st.integers(1, BARS),
    st.sampled_from([(120.0, 0.0), (60.0, 0.7), (240.0, 2.1)]),
    st.sampled_from([None, False]),
)
def test_a_remapped_range_keeps_both_sides(
    engine: Engine, seed: int, start: int, size: int, beat: tuple[float, float], lit: bool | None
) -> None:
    song = song_of(*beat)
    where = on(engine.model, song)
    scale = song.bpm / song.grid_bpm

    def to_song(o: Any) -> Any:
        """From beats of bar 0 to beats of the song's beat 0."""
        times = {k: getattr(o, k) for k in ("beat", "tail_beat", "duration") if hasattr(o, k)}
        shift = {"beat": song.first_beat, "tail_beat": song.first_beat, "duration": 0}
        return replace(o, **{k: (t + shift[k]) * scale for k, t in times.items()})

    on_bars = beatmap(seed)
    given_map = replace(
        on_bars, **{name: tuple(map(to_song, getattr(on_bars, name))) for name in GROUPS}
    )
    bars = range(start, min(BARS, start + size))
    task = remap_range(where, given_map, bars, replace(ASKED, lights=lit), seed)
    ((result, counts),) = run_tasks(engine, [task], PARAMS)
    before, after = split(given_map, bars, where.grid), split(result, bars, where.grid)
    for name, what in GROUPS.items():
        inside, outside = before[name]
        if name in ("lights", "boosts") and lit is False:
            assert getattr(result, name) == getattr(given_map, name)
        elif name != "arcs":
            assert after[name][1] == outside, name
            assert counts[f"replaced: {what}"] == len(inside)
    crossing = [
        a
        for a in given_map.arcs
        if (where.grid.bar(a.beat) in bars) != (where.grid.bar(a.tail_beat) in bars)
    ]
    assert counts["removed: arc across the range's border"] == len(crossing)
    kept = [a for a in before["arcs"][1] if a not in crossing]
    assert after["arcs"][1] == kept
    end = (bars.stop * 4 + where.grid.shift) / where.grid.scale
    for thing in ("obstacles", "chains", "arcs"):
        for o in set(getattr(result, thing)) - set(getattr(given_map, thing)):
            assert getattr(o, "tail_beat", o.beat) < end
            assert o.beat + getattr(o, "duration", 0) <= end + 1e-9


@pytest.mark.parametrize("bar", [1, 3, 5])
def test_a_continued_map_keeps_its_past(engine: Engine, bar: int) -> None:
    given_map, where = beatmap(5, modded=True), on(engine.model)
    ((result, counts),) = run_tasks(
        engine, [continue_map(where, given_map, bar, ASKED, seed=1)], PARAMS
    )
    future = range(bar, BARS)
    before, after = split(given_map, future, where.grid), split(result, future, where.grid)
    for name in GROUPS:
        lost = counts["removed: arc across the range's border"] if name == "arcs" else 0
        assert len(after[name][1]) == len(before[name][1]) - lost
        assert set(after[name][1]) <= set(before[name][1])
    assert after["color_notes"][0]
    assert result.extra == given_map.extra


def test_a_part_made_anew_knows_what_stands_on_both_sides_of_it(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saberlm.infer.amounts.LEAST_GIVEN_BARS", 2)
    where, bars = on(tiny_model), range(3, 5)
    other = beatmap(5)
    bombs = tuple(
        Bomb(4.0 * bar, cell % 4, cell // 4) for bar in range(BARS) for cell in range(bar)
    )
    given_map = replace(other, bombs=bombs, obstacles=(), lights=(), boosts=())
    kept = sum(where.grid.bar(bomb.beat) not in bars for bomb in bombs)
    remade, lit = (make(where, given_map, bars, ASKED, 1) for make in (remap_range, light_range))
    assert remade.request.around == pytest.approx({"bomb": kept / (BARS - len(bars))})
    assert lit.request.around == {}


def test_the_fixed_bars_are_fed_and_not_sampled(engine: Engine) -> None:
    given_map, where = beatmap(5), on(engine.model)
    task = remap_range(where, given_map, range(3, 5), ASKED, seed=1)
    bars = made_bars(engine, task)
    assert len(bars) == 5
    assert bars[:3] == [list(task.request.fixed[i]) for i in range(3)]
    assert first_illegal(bars) is None
    assert first_illegal(bars[3:]) is None


def test_a_difficulty_may_share_its_source_s_lights(engine: Engine) -> None:
    source, where = beatmap(6), on(engine.model)
    told = Conditions("Hard")
    tasks = [
        difficulty_from(where, source, told, replace(ASKED, lights=True), 4, share_lights=share)
        for share in (True, False)
    ]
    (shared, _), (own, _) = run_tasks(engine, tasks, PARAMS)
    assert (shared.lights, shared.boosts) == (source.lights, source.boosts)
    assert own.lights
    assert own.lights != source.lights
    assert shared.color_notes
    context = tasks[0].request.context
    assert context is not None
    given_notes = decode([list(context.bars[bar]) for bar in range(BARS)])[0]
    assert given_notes == Beatmap(source.color_notes)


def test_a_reference_may_be_of_another_tempo(engine: Engine) -> None:
    task = follow_reference(on(engine.model), beatmap(7), 240.0, ASKED, seed=0)
    assert task.request.context is not None
    assert task.request.context.opening.count(v.GAP) > 0
    assert made_bars(engine, task) != made_bars(
        engine, follow_reference(on(engine.model), beatmap(8), 240.0, ASKED, seed=0)
    )
    with pytest.raises(ValueError, match="expected a reference with notes"):
        follow_reference(on(engine.model), Beatmap(), 120.0, ASKED, seed=0)


def test_a_typical_run_is_neither_break_nor_climax() -> None:
    assert typical_run([0, 0, 5, 5, 5, 5, 30, 30, 0], 2) == 4
    assert typical_run([4], 2) == 0


def all_tasks(model: Any) -> list[MapTask]:
    where, given_map = on(model), beatmap(9)
    return [
        light_map(where, given_map, ASKED, 0),
        difficulty_from(where, given_map, Conditions("Easy"), ASKED, 1),
        continue_map(where, given_map, 4, ASKED, 2),
        remap_range(where, given_map, range(2, 5), ASKED, 3),
        follow_reference(where, given_map, 120.0, ASKED, 4),
    ]


def test_tasks_of_all_kinds_share_a_batch(engine: Engine) -> None:
    together = run_tasks(engine, all_tasks(engine.model), PARAMS)
    for task, beside in zip(all_tasks(engine.model), together, strict=True):
        assert run_tasks(engine, [task], PARAMS)[0] == beside


def test_what_the_decoder_sees_is_the_builder_s_window(tiny_model: Any) -> None:
    """Hidden states met while decoding a task are those of one forward over the window that
    training would build of the same bars."""
    engine = Engine(tiny_model, context_bars=BARS)
    for task in all_tasks(tiny_model):
        fed: list[torch.Tensor] = []
        original = engine._forward

        def spy(running: Any, original: Any = original, fed: Any = fed) -> Any:
            logits = original(running)
            fed.append(torch.from_numpy(engine.decoder.last_hidden[0].copy()))
            return logits

        engine._forward = spy  # type: ignore[method-assign]
        try:
            bars = engine.generate([task.request], PARAMS)[0].bars
        finally:
            engine._forward = original  # type: ignore[method-assign]
        song = task.request.song
        prompt = MapPrompt(task.request.conditions, song.num_bars, task.request.context)
        ids = prompt.window(0, bars, [True] * len(bars), ends=False).ids
        audio = torch.cat([song.sketch, song.embeds[: 16 * len(bars)]])
        with torch.no_grad():
            hidden = tiny_model.model(
                input_ids=torch.tensor([ids]),
                audio_embeds=audio,
                audio_latents=song.latents[None],
            ).last_hidden_state[0]
        at, expected = len(prompt.opening()) - 1, []
        for bar, tokens in enumerate(bars):
            at += len(prompt.bar(bar))
            if bar not in task.request.fixed:
                expected += [hidden[at + i] for i in range(len(tokens) + 1)]
            at += len(tokens) + 1
        assert len(expected) == len(fed)
        assert torch.allclose(torch.stack(expected), torch.stack(fed), atol=1e-4)


def test_the_oldest_bars_leave_and_the_opening_stays(tiny_model: Any) -> None:
    """With room for few tokens the past shrinks, but sketch, header and task stand first."""
    engine = Engine(tiny_model, context_bars=BARS)
    where = on(tiny_model)
    task = light_map(where, beatmap(3), ASKED, 0)
    opening = MapPrompt(task.request.conditions, BARS, task.request.context).opening()
    engine.positions = len(opening) + 180
    seen: list[tuple[int, list[int]]] = []
    original = engine._embed

    def spy(song: SongEncoding, ids: list[int], first_bar: int) -> Any:
        seen.append((max([0, *engine.decoder.lengths]), ids))
        return original(song, ids, first_bar)

    engine._embed = spy  # type: ignore[method-assign]
    bars = engine.generate([task.request], PARAMS)[0].bars
    assert len(bars) == BARS
    assert seen[0] == (0, opening)
    assert not any(v.HEADER in ids for _, ids in seen[1:])
    anew = [(held, ids) for held, ids in seen[1:] if ids[0] == v.SEG]
    assert len(anew) > 1
    for held, ids in anew:
        assert held == len(opening), "the opening stays and nothing else"
        assert ids.count(v.SEG) < BARS


@pytest.mark.parametrize(
    ("given_map", "message"),
    [
        (Beatmap(tuple(ColorNote(i + 0.137, 0, 0, 0, 1) for i in range(9))), "on the song's grid"),
        (Beatmap(bpm_events=(BpmEvent(4.0, 150.0),)), "at the song's tempo"),
    ],
)
def test_maps_off_the_grid_are_refused(given_map: Beatmap, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        given_bars(given_map, song_of(), BARS)


def test_what_the_prompt_cannot_show_is_counted_and_kept(engine: Engine) -> None:
    late = ColorNote(4.0 * BARS + 3, 1, 1, 0, 1)
    given_map = beatmap(1)
    given_map = replace(given_map, color_notes=(*given_map.color_notes, late))
    task = light_map(on(engine.model), given_map, ASKED, 0)
    ((result, counts),) = run_tasks(engine, [task], PARAMS)
    assert result.color_notes == given_map.color_notes
    assert counts["not shown to the model: note past the song's end"] == 1


@pytest.mark.parametrize("bars", [range(3, 3), range(5, BARS + 1), range(-1, 2)])
def test_ranges_outside_the_song_are_refused(engine: Engine, bars: range) -> None:
    with pytest.raises(ValueError, match="expected bars within"):
        remap_range(on(engine.model), beatmap(1), bars, ASKED, 0)


def test_bars_between_covers_the_stretch() -> None:
    assert bars_between(song_of(), 2.0, 6.0) == range(1, 3)
    assert bars_between(song_of(), 2.1, 6.1) == range(1, 4)


def test_contexts_name_their_task() -> None:
    assert Context("continue").opening_ids() == [v.CTX_CONTINUE, v.END_CTX]


def test_a_given_map_goes_by_the_song_s_changes_of_tempo(engine: Engine) -> None:
    """Its own changes are the song's: what is outside the range stays object for object."""
    changes = (BpmEvent(9.0, 131.0), BpmEvent(14.0, 118.0))
    where = on(engine.model, replace(song_of(), bpm_events=changes))
    given_map = replace(beatmap(5), bpm_events=changes)
    ((result, _),) = run_tasks(engine, [continue_map(where, given_map, 3, ASKED, seed=1)], PARAMS)
    past = range(3)
    before, after = split(given_map, past, where.grid), split(result, past, where.grid)
    assert after["color_notes"][0] == before["color_notes"][0]
    assert after["color_notes"][1]
    assert result.bpm_events == changes
    bars = bars_between(where.song, *where.song.seconds_of(np.array([8.0, 20.0])))
    assert bars == range(2, 5)
    with pytest.raises(ValueError, match="at the song's tempo"):
        given_bars(replace(given_map, bpm_events=()), where.song, BARS)
