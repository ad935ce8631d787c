"""Windows with context blocks: training's ids are inference's, given tokens carry no loss, and
what is taught fits the budget."""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("datasets")

from saberlm.finetune.collator import DataCollatorForBeatmapModeling, task_batches
from saberlm.finetune.lessons import (
    DEFAULT_TASKS,
    TaskPick,
    check_tasks,
    draw_task,
    make_lesson,
)
from saberlm.finetune.shards import DifficultyStream, SongShard
from saberlm.finetune.windows import (
    MAX_WINDOW_TOKENS,
    WindowRow,
    make_row,
    mirrored,
    onset_targets,
)
from saberlm.infer.engine import MapRequest, SongEncoding
from saberlm.infer.engine_row import Row
from saberlm.infer.pipeline import Song
from saberlm.infer.sampling import SamplingParams
from saberlm.infer.tasks import (
    TaskSong,
    continue_map,
    difficulty_from,
    light_map,
    remap_range,
)
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import Arc, Beatmap, Bomb, BoostEvent, ColorNote, LightEvent
from saberlm.prompts.context import MARKS, merge_lights, notes_only, split_lights
from saberlm.prompts.grammar import first_illegal
from saberlm.prompts.header import Conditions
from saberlm.prompts.snap import snap
from saberlm.prompts.tokens import decode, encode

BARS, SIZE, BPM = 12, 4, 120.0


def stream(name: str, seed: int, *, lit: bool = True, dense: int = 2) -> DifficultyStream:
    rng = np.random.default_rng(seed)
    beats = np.arange(0, 4 * BARS, 1 / dense)
    notes = tuple(
        ColorNote(float(b), int(rng.integers(4)), int(rng.integers(3)), i % 2, int(rng.integers(9)))
        for i, b in enumerate(beats)
    )
    beatmap, _ = snap(
        Beatmap(
            color_notes=notes,
            bombs=tuple(Bomb(float(b) + 0.125, 1, 1) for b in beats[::5]),
            arcs=tuple(
                Arc(n.beat, n.x, n.y, n.color, n.direction, m.beat, m.x, m.y, m.direction)
                for n, m in zip(notes[:-10:6], notes[10::6], strict=False)
            ),
            lights=tuple(LightEvent(float(b), 2, int(rng.integers(1, 8))) for b in beats) * lit,
            boosts=(BoostEvent(9.0, True),) * lit,
        )
    )
    bars = encode(beatmap)
    bars += [[]] * (BARS - len(bars))
    conditions = Conditions(
        name,
        round(dense * BPM / 60, 2),
        bpm=BPM,
        lights=lit,
        arcs=True,
        chains=False,
        bombs=True,
        walls=False,
    )
    arrays = tuple(np.array(bar, dtype=np.int16) for bar in bars)
    return DifficultyStream(conditions, arrays, 0, BARS - 1, True)


def shard(**options: Any) -> SongShard:
    frames = np.random.default_rng(0).normal(size=(2500, 120)).astype(np.float32)
    streams = (stream("Expert", 1, **options), stream("Hard", 2, dense=1))
    return SongShard("a", "train", frames, 100.0, BPM, 0.0, BARS, streams)


@pytest.fixture(scope="module")
def song() -> SongShard:
    """Two difficulties with arcs, lit."""
    return shard()


def row_of(song: SongShard, task: str | None, first: int, share: float = 0.4) -> WindowRow:
    expert, hard = song.difficulties
    pick = TaskPick(task, share, (hard.conditions, hard.bars)) if task else None
    return make_row(song, expert, expert.bars, first, SIZE, song.sketch(), None, pick=pick)


def parts(row: WindowRow) -> tuple[list[list[int]], list[list[int]], list[list[int]]]:
    """What each bar of a row is given, its own tokens, and those of them that carry loss."""
    given: list[list[int]] = []
    own: list[list[int]] = []
    learnt: list[list[int]] = []
    inside = False
    for token, wanted in zip(row.stream.ids, row.stream.loss_mask, strict=True):
        if token == v.SEG:
            for side in (given, own, learnt):
                side.append([])
        elif token in MARKS.values() or token == v.END_CTX:
            inside = token != v.END_CTX
        elif own and inside:
            given[-1].append(token)
            assert not wanted
        elif own and token not in (v.AUDIO, v.END_SEG, v.END_MAP):
            own[-1].append(token)
            if wanted:
                learnt[-1].append(token)
    return given, own, learnt


def lists(bars: tuple[np.ndarray, ...]) -> list[list[int]]:
    return [bar.tolist() for bar in bars]


def test_lights_are_learnt_from_the_rest(song: SongShard) -> None:
    row = row_of(song, "lights", 3)
    given, own, learnt = parts(row)
    bars = lists(song.difficulties[0].bars[3 : 3 + row.num_bars])
    assert [merge_lights(*pair) for pair in zip(given, own, strict=True)] == bars
    assert learnt == own == [split_lights(bar)[1] for bar in bars]
    plain = row_of(song, None, 3)
    np.testing.assert_array_equal(row.onset_targets, plain.onset_targets)


def test_a_difficulty_is_learnt_whole_from_the_other_s_notes(song: SongShard) -> None:
    row = row_of(song, "difficulty", 3)
    given, own, learnt = parts(row)
    here = slice(3, 3 + row.num_bars)
    assert learnt == own == lists(song.difficulties[0].bars[here])
    assert given == [notes_only(bar) for bar in song.difficulties[1].bars[here]]


@pytest.mark.parametrize("task", ["continue", "remap"])
@pytest.mark.parametrize("share", [0.0, 0.4, 0.99])
def test_ranges_are_learnt_apart_from_what_is_given(
    song: SongShard, task: str, share: float
) -> None:
    row = row_of(song, task, 3, share)
    given, own, learnt = parts(row)
    start = next(i for i, bar in enumerate(learnt) if bar)
    assert (task == "continue" and start > 0) or start == int(share * row.num_bars)
    assert not any(learnt[:start])
    assert learnt[start:] == own[start:]
    end = len(own) if task == "remap" else None
    if end:
        assert first_illegal(own[start:end]) is None
        assert not decode(own[start:end])[1]
        following = notes_only(song.difficulties[0].bars[3 + row.num_bars])
        assert given[-1] == following
        assert given[-2] in ([v.GAP, *following], [])
    whole = decode(lists(song.difficulties[0].bars))[0]
    notes = [replace(n, beat=n.beat - 12) for n in whole.color_notes]
    assert list(decode(own)[0].color_notes) == [n for n in notes if 0 <= n.beat < 4 * row.num_bars]


def test_a_reference_shows_other_bars_of_the_map(song: SongShard) -> None:
    for share in (0.0, 0.5, 0.99):
        row = row_of(song, "reference", 4, share)
        ids = row.stream.ids
        opening = ids[ids.index(v.CTX_REFERENCE) + 1 : ids.index(v.END_CTX)]
        shown: list[list[int]] = [[]]
        for token in opening:
            if token == v.GAP:
                shown.append([])
            else:
                shown[-1].append(token)
        bars = [notes_only(bar) for bar in song.difficulties[0].bars]
        starts = [i for i in range(BARS) if bars[i : i + len(shown)] == shown]
        assert starts
        assert all(s + len(shown) <= 4 or s >= 4 + row.num_bars for s in starts)
        assert parts(row)[2] == lists(song.difficulties[0].bars[4 : 4 + row.num_bars])


@pytest.mark.parametrize("task", [*MARKS])
def test_blocks_count_towards_the_budget(task: str) -> None:
    dense = shard(dense=24)
    for share in (0.1, 0.9):
        row = row_of(dense, task, 2, share)
        assert row.num_bars >= 1
        assert len(row.stream.ids) <= MAX_WINDOW_TOKENS or row.num_bars == 1
        assert len(row.onset_targets) == row.num_bars * v.TICKS_PER_SEGMENT


def task_song(song: SongShard, model: Any) -> TaskSong:
    """The shard's song for inference: random latents on the same grid."""
    samples = np.zeros(int(100 * BARS * 240 / BPM), np.float32)
    encoding = SongEncoding(
        torch.randn(BARS * 16, 24), torch.randn(BARS * 16, 32), torch.randn(BARS, 32), BARS
    )
    return TaskSong(model, encoding, Song(samples, 100, BPM, 0.0))


@pytest.mark.parametrize("task", ["lights", "difficulty", "continue", "remap"])
@pytest.mark.parametrize("share", [0.0, 0.6])
def test_training_ids_are_those_that_inference_feeds(
    song: SongShard, tiny_model: Any, task: str, share: float
) -> None:
    """The request that inference makes from the beatmap, its rows' bars being the human's, has the
    same window, id for id, as the training row."""
    first = 3
    row = row_of(song, task, first, share)
    count, on = row.num_bars, task_song(song, tiny_model)
    expert, hard = (decode(lists(d.bars))[0] for d in song.difficulties)
    asked, source = (d.conditions for d in song.difficulties)
    _, own, learnt = parts(row)
    start = first + next(i for i, bar in enumerate(learnt) if bar)
    made = {
        "lights": lambda: light_map(on, expert, asked, 0),
        "difficulty": lambda: difficulty_from(on, hard, source, asked, 0),
        "continue": lambda: continue_map(on, expert, start, asked, 0),
        "remap": lambda: remap_range(on, expert, range(start, first + count), asked, 0),
    }[task]()
    request: MapRequest = made.request
    running = Row(0, request, SamplingParams())
    target = {first + i: bar for i, bar in enumerate(own)}
    running.bars = [
        list(request.fixed.get(bar, target.get(bar, []))) for bar in range(first + count)
    ]
    opened = running.window_ids(first, first + count - 1)
    assert [*opened, *own[-1], v.END_SEG] == row.stream.ids


def test_the_drawn_tasks_follow_their_chances(song: SongShard) -> None:
    random = Random(0)
    drawn = Counter(draw_task(song, 0, DEFAULT_TASKS, random) for _ in range(4000))
    for task, chance in DEFAULT_TASKS.items():
        assert drawn[task] / 4000 == pytest.approx(chance, abs=0.03)
    unlit = replace(song, difficulties=(stream("Hard", 3, lit=False),))
    drawn = Counter(draw_task(unlit, 0, DEFAULT_TASKS, random) for _ in range(500))
    assert not {"lights", "difficulty"} & drawn.keys()


def test_given_bars_are_mirrored_with_the_map(song: SongShard) -> None:
    collator = DataCollatorForBeatmapModeling([song], SIZE, seed=1, tasks={"difficulty": 1.0})
    sides = Counter[bool]()
    for collator.epoch in range(12):
        row = collator.row(0, 0, 4)
        given, own, _ = parts(row)
        here = slice(row.first_bar, row.first_bar + row.num_bars)
        turned = lists(mirrored(song.difficulties[0])[here]) == own
        maps = [mirrored(d) if turned else d.bars for d in song.difficulties]
        assert own == lists(maps[0][here])
        assert given == [notes_only(bar) for bar in maps[1][here]]
        sides[turned] += 1
    assert len(sides) == 2


def test_task_batches_show_the_task_and_fit_the_model(song: SongShard, tiny_model: Any) -> None:
    rows = [{"song": 0, "difficulty": d, "bar": bar} for d in (0, 1) for bar in (0, 4, 8)]
    for task, mark in MARKS.items():
        batches = task_batches([song], SIZE, rows, task, 4)
        assert batches
        for batch in batches:
            assert (batch["input_ids"] == mark).any(1).all()
            with torch.no_grad():
                assert torch.isfinite(tiny_model(**batch).loss)
    unlit = replace(song, difficulties=(stream("Hard", 3, lit=False),))
    assert task_batches([unlit], SIZE, rows[:1], "lights", 4) == []


def test_what_cannot_be_shown_is_not_a_lesson(song: SongShard) -> None:
    expert = song.difficulties[0]
    assert make_lesson(TaskPick("continue", 0.5), expert, expert.bars, 3, 1, [True]) is None
    pick = TaskPick("reference", 0.5)
    assert make_lesson(pick, expert, expert.bars, 0, BARS, [True] * BARS) is None
    assert row_of(song, "continue", BARS - 1).task is None


@pytest.mark.parametrize(
    ("chances", "message"),
    [({"dance": 0.1}, "dance"), ({"lights": 0.7, "remap": 0.4}, "sum"), ({"lights": -1.0}, "0 or")],
)
def test_bad_chances_are_refused(chances: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_tasks(chances)


def test_onset_targets_are_the_whole_map_s(song: SongShard) -> None:
    for task in MARKS:
        row = row_of(song, task, 3)
        bars = list(song.difficulties[0].bars[3 : 3 + row.num_bars])
        np.testing.assert_array_equal(row.onset_targets, onset_targets(bars, [True] * len(bars)))
