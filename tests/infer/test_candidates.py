"""Ranking maps, and making weak bars anew."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saberlm.adapter.frontend import LogMelFrontEnd
from saberlm.eval.style import StyleReference
from saberlm.eval.usual_style import KEPT, usual_style, write_usual_styles
from saberlm.infer.candidates import (
    CRITIC,
    LOWEST,
    MAX_RANGE_BARS,
    MAX_RANGES,
    WEAK_BAR,
    Redone,
    Scorer,
    badness,
    keep_better,
    replaced,
    weak_ranges,
    weak_tasks,
)
from saberlm.infer.engine import Engine
from saberlm.infer.given import SongGrid
from saberlm.infer.pipeline import Song, encode_song
from saberlm.infer.sampling import SamplingParams
from saberlm.infer.tasks import TaskSong, run_tasks
from saberlm.prompts.beatmap import Beatmap, ColorNote, CutDirection, NoteColor
from saberlm.prompts.header import Conditions
from saberlm.prompts.tempo import TempoMap

SONG = Song(
    np.random.default_rng(0).normal(size=24_000 * 24).astype(np.float32) * 0.1, 24_000, 120.0, 0.0
)
EXPERT = Conditions("Expert", nps=3.0, lights=False)


def flow(beats: int = 40) -> Beatmap:
    """Both hands, up and down in turn, two notes a beat."""
    notes = []
    for i in range(2 * (beats - 4)):
        red, down = i % 2 == 0, i // 2 % 2 == 0
        color = NoteColor.RED if red else NoteColor.BLUE
        cut = CutDirection.DOWN if down else CutDirection.UP
        notes.append(ColorNote(4 + i / 2, 1 if red else 2, 0 if down else 2, color, cut))
    return Beatmap(color_notes=tuple(notes))


def broken(beatmap: Beatmap, start: float, end: float) -> Beatmap:
    """The same with all cuts down in a stretch."""
    notes = tuple(
        replace(note, direction=CutDirection.DOWN) if start <= note.beat < end else note
        for note in beatmap.color_notes
    )
    return replace(beatmap, color_notes=notes)


def test_faults_cost_and_the_critic_is_clipped() -> None:
    scorer = Scorer.of(SONG, EXPERT)
    good, bad = scorer.score(flow()), scorer.score(broken(flow(), 8, 24))
    assert good.findings < bad.findings
    assert good.total > bad.total
    assert scorer.score(Beatmap()).total == LOWEST
    assert good.critic is not None
    assert good.style is not None
    without = replace(scorer, critic=None, usual=None).score(flow())
    assert (without.critic, without.style) == (None, None)
    assert good.total <= CRITIC[1]


def test_the_broken_bars_are_the_weak_ones() -> None:
    scorer = Scorer.of(SONG, EXPERT)
    grid = SongGrid.of(SONG, SONG.num_bars)
    bad = badness(scorer.judge(broken(flow(), 16, 24)), grid)
    clean = badness(scorer.judge(flow()), grid)
    worst = max(bad, key=lambda bar: bad[bar] - clean.get(bar, 0.0))
    assert worst in range(4, 7)


@given(st.dictionaries(st.integers(-2, 40), st.floats(0, 20)), st.integers(1, 40))
def test_weak_ranges_are_short_apart_within_the_song_and_weak(
    bad: dict[int, float], num_bars: int
) -> None:
    ranges = weak_ranges(bad, num_bars)
    assert len(ranges) <= MAX_RANGES
    bars = [bar for one in ranges for bar in one]
    assert all(bad[bar] >= WEAK_BAR and 0 <= bar < num_bars for bar in bars)
    assert all(1 <= len(one) <= MAX_RANGE_BARS for one in ranges)
    assert all(b.start > a.stop for a, b in pairwise(ranges))
    worst = max((v for k, v in bad.items() if 0 <= k < num_bars), default=0.0)
    assert bool(ranges) == (worst >= WEAK_BAR)
    if ranges:
        assert worst in [bad[bar] for bar in bars]


def test_a_range_is_taken_and_the_rest_stays() -> None:
    grid = SongGrid.of(SONG, SONG.num_bars)
    one, other = flow(), broken(flow(), 0, 99)
    both = replaced(one, other, grid, range(2, 4))
    for note, a, b in zip(both.color_notes, one.color_notes, other.color_notes, strict=True):
        assert note == (b if 8 <= note.beat < 16 else a)


def test_redoing_never_lowers_the_score(tiny_model: Any) -> None:
    encoding = encode_song(tiny_model, LogMelFrontEnd(), SONG)
    on = TaskSong(tiny_model, encoding, SONG)
    scorer = Scorer.of(SONG, EXPERT)
    params = SamplingParams(max_segment_tokens=30)
    beatmap = broken(flow(), 16, 24)
    judged = scorer.judge(beatmap)

    def redone() -> Redone:
        engine = Engine(tiny_model)
        ranges = weak_tasks(on, judged, beatmap, EXPERT, seed=1)
        drawn = [
            (one.bars, [m for m, _ in run_tasks(engine, one.tasks, params)]) for one in ranges[:2]
        ]
        assert drawn
        return keep_better(scorer, on.grid, beatmap, judged.score, drawn)

    first = redone()
    assert first.score.total >= judged.score.total
    assert first.score == scorer.score(first.beatmap)
    assert bool(first.counts["weak ranges made better"]) == (first.beatmap != beatmap)
    kept = [n for n in beatmap.color_notes if n.beat < 8]
    assert [n for n in first.beatmap.color_notes if n.beat < 8] == kept
    assert redone() == first


def test_the_usual_style_survives_its_file(tmp_path: Path) -> None:
    tempo = TempoMap(120.0)
    reference = StyleReference.from_maps([(flow(), tempo), (broken(flow(), 8, 30), tempo)])
    path = tmp_path / "style" / "human.json"
    write_usual_styles(path, {"Expert": reference})
    read = usual_style("Expert", path)
    assert read is not None
    assert usual_style("Easy", path) is None
    assert usual_style("Expert", tmp_path / "none.json") is None
    ours, theirs = (one.distances(flow(60), tempo).to_dict() for one in (read, reference))
    for aspect in KEPT:
        assert ours[aspect] == pytest.approx(theirs[aspect])
    shipped = usual_style("Expert")
    assert shipped is not None
    assert shipped.maps > 100
