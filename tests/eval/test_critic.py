"""The learned critic: what it looks at, what it says, and that the shipped weights see through the
crudest faults."""

import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from map_kit import TEMPO, notes_at, random_map
from safetensors.numpy import save_file

from saberlm.eval.critic import FACTS_NAME, WEIGHTS_NAME, Critic, forward, load_critic
from saberlm.eval.critic_features import BAR_FEATURES, NOTE_FEATURES, PADDING, critic_input
from saberlm.eval.note_arrays import BAR_BEATS
from saberlm.prompts.beatmap import Beatmap, ColorNote
from saberlm.prompts.mirror import mirror
from saberlm.prompts.tempo import TempoMap

UP, DOWN, LEFT, RIGHT, UP_LEFT, UP_RIGHT, DOWN_LEFT, DOWN_RIGHT, DOT = range(9)


def flowing(bars: int = 24, seed: int = 0) -> Beatmap:
    """Both hands swing down and up near their own columns, in a handful of rhythms and shapes."""
    rng = np.random.default_rng(seed)
    rhythms = ((0, 1, 1.5, 2, 3, 3.5), (0, 0.5, 1, 2, 2.5, 3), (0, 1, 2, 2.5, 3, 3.5))
    shapes = (
        ((2, 0, DOWN), (2, 2, UP)),
        ((3, 0, DOWN_RIGHT), (2, 2, UP_LEFT)),
        ((2, 0, DOWN_LEFT), (3, 2, UP_RIGHT)),
        ((3, 0, DOWN), (3, 1, UP_RIGHT)),
    )
    flip = {DOWN: DOWN, UP: UP, UP_LEFT: UP_RIGHT, UP_RIGHT: UP_LEFT}
    flip |= {DOWN_LEFT: DOWN_RIGHT, DOWN_RIGHT: DOWN_LEFT}
    notes, swings, turn = [], [0, 0], 1
    for bar in range(1, bars + 1):
        rhythm = rhythms[int(rng.integers(3))]
        for offset in rhythm:
            double = offset == 0 and bar % 2 == 0
            for hand in (0, 1) if double else (turn,):
                shape = shapes[0 if double else int(rng.integers(4))]
                x, y, direction = shape[swings[hand] % 2]
                swings[hand] += 1
                if hand == 0:
                    x, direction = 3 - x, flip[direction]
                notes.append(ColorNote(bar * BAR_BEATS + offset, x, y, hand, direction))
            if not double:
                turn = 1 - turn
    return Beatmap(color_notes=tuple(sorted(notes)))


def moved(beatmap: Beatmap, beats: float) -> Beatmap:
    notes = tuple(replace(n, beat=n.beat + beats) for n in beatmap.color_notes)
    return Beatmap(color_notes=notes)


def any_weights(width: int = 8, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    sizes = {"note": (NOTE_FEATURES, width), "bar": (2 * width + BAR_FEATURES, width)}
    sizes |= {f"layer.{i}": (5 * width, width) for i in range(3)} | {"out": (width, 1)}
    weights = {f"{k}.weight": rng.normal(0, 0.2, size) for k, size in sizes.items()}
    weights |= {f"{k}.bias": rng.normal(0, 0.2, size[1]) for k, size in sizes.items()}
    return {name: value.astype(np.float32) for name, value in weights.items()}


@given(seed=st.integers(0, 50), bars=st.integers(-1, 9))
def test_whole_bars_of_shift_change_nothing(seed, bars):
    beatmap = random_map(seed, moments=40)
    here = critic_input(beatmap, TEMPO, "Expert")
    there = critic_input(moved(beatmap, bars * BAR_BEATS), TEMPO, "Expert")
    np.testing.assert_allclose(here.notes, there.notes, atol=1e-5)
    np.testing.assert_allclose(here.bars, there.bars, atol=1e-5)
    np.testing.assert_allclose(here.bar_beats + bars * BAR_BEATS, there.bar_beats)


@given(seed=st.integers(0, 50))
def test_a_mirror_image_scores_alike(seed):
    beatmap = random_map(seed, moments=40)
    critic = Critic(any_weights(seed=seed))
    odds = [critic.log_odds(critic_input(m, TEMPO, "Hard")) for m in (beatmap, mirror(beatmap))]
    np.testing.assert_allclose(*odds, atol=1e-4)


def test_a_map_stated_at_half_tempo_scores_alike():
    whole = flowing()
    notes = tuple(replace(n, beat=n.beat / 2) for n in whole.color_notes)
    half = Beatmap(color_notes=notes)
    ours = critic_input(whole, TempoMap(120.0), "Expert")
    theirs = critic_input(half, TempoMap(60.0), "Expert")
    np.testing.assert_allclose(ours.notes, theirs.notes, atol=1e-5)
    np.testing.assert_allclose(ours.bar_beats, 2 * theirs.bar_beats)


@pytest.mark.parametrize("hand", [0, 1])
def test_padding_keeps_hands_and_maps_apart(hand):
    notes = tuple(n for n in random_map(3).color_notes if n.color == hand)
    alone = critic_input(Beatmap(color_notes=notes), TEMPO, "Hard")
    weights = any_weights()
    twice = replace(
        alone,
        notes=np.concatenate([alone.notes, alone.notes]),
        bar_of_row=np.concatenate(
            [
                alone.bar_of_row,
                np.where(alone.bar_of_row < 0, -1, alone.bar_of_row + len(alone.bars)),
            ]
        ),
        bars=np.concatenate([alone.bars, alone.bars]),
    )
    one, both = forward(weights, alone), forward(weights, twice)
    np.testing.assert_allclose(both, np.concatenate([one, one]), atol=1e-5)
    assert (alone.bar_of_row < 0).sum() == 2 * PADDING


def test_bars_are_placed_and_counted():
    beatmap = notes_at(0, 1, 3.5, 4, 40)
    report = load_critic().score(beatmap, TempoMap(120.0), "Easy")
    assert [(bar.beat, bar.seconds, bar.notes) for bar in report.bars] == [
        (0.0, 0.0, 3),
        (4.0, 2.0, 1),
        (40.0, 20.0, 1),
    ]
    assert report.score == pytest.approx(np.mean([bar.log_odds for bar in report.bars]))
    assert report.weak_share == np.mean([bar.log_odds < 0 for bar in report.bars])
    assert report.weakest(1)[0].log_odds == min(bar.log_odds for bar in report.bars)


def test_no_notes_have_no_score():
    report = load_critic().score(Beatmap(), TEMPO, "Expert")
    assert (report.score, report.weak_share, report.human_percentile) == (None, None, None)
    assert report.to_dict()["bars"] == []


def test_modded_notes_are_left_out_and_counted():
    beatmap = Beatmap(color_notes=(ColorNote(1.0, 3500, 0, 1, 1), ColorNote(2.0, 1, 0, 0, 1)))
    report = load_critic().score(beatmap, TEMPO, "Expert")
    assert report.left_out == 1
    assert report.bars[0].notes == 1


@pytest.mark.parametrize("count", [1, 2])
def test_a_note_or_two_have_a_finite_score(count):
    report = load_critic().score(notes_at(*range(count)), TEMPO, "Expert")
    assert report.score is not None
    assert np.isfinite(report.score)
    json.dumps(report.to_dict(), allow_nan=False)


def test_notes_all_at_one_moment_have_a_finite_score():
    notes = tuple(sorted(ColorNote(1.0, x, y, x // 2, 1) for x in range(4) for y in range(3)))
    report = load_critic().score(Beatmap(color_notes=notes), TEMPO, "Expert")
    assert report.score is not None
    assert np.isfinite(report.score)


def test_fifty_thousand_notes_take_seconds():
    rng = np.random.default_rng(0)
    notes = [
        ColorNote(i / 8, int(rng.integers(4)), int(rng.integers(3)), i % 2, int(rng.integers(9)))
        for i in range(50_000)
    ]
    started = time.perf_counter()
    report = load_critic().score(Beatmap(color_notes=tuple(notes)), TEMPO, "ExpertPlus")
    assert time.perf_counter() - started < 10
    assert len(report.bars) == -(-50_000 // 32)


def test_a_thousand_notes_take_a_blink():
    beatmap = random_map(1, moments=750)
    load_critic().score(beatmap, TEMPO, "Expert")
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        load_critic().score(beatmap, TEMPO, "Expert")
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.3


def test_it_is_deterministic():
    beatmap = random_map(5)
    first, second = (load_critic().score(beatmap, TEMPO, "Hard") for _ in range(2))
    assert first == second


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_directions_and_cells_score_lower(seed):
    beatmap = flowing(seed=seed)
    rng = np.random.default_rng(seed)
    turned = tuple(
        replace(n, direction=int(d), x=int(x))
        for n, d, x in zip(
            beatmap.color_notes,
            rng.permutation([n.direction for n in beatmap.color_notes]),
            rng.integers(0, 4, len(beatmap.color_notes)),
            strict=True,
        )
    )
    good = load_critic().score(beatmap, TEMPO, "Expert").score
    bad = load_critic().score(Beatmap(color_notes=turned), TEMPO, "Expert").score
    assert good is not None
    assert bad is not None
    assert bad < good - 1


def test_only_the_spoiled_bars_lose():
    beatmap = flowing(bars=48)
    spoiled = tuple(
        replace(n, direction=UP, x=3 - n.x) if 96 <= n.beat < 112 else n
        for n in beatmap.color_notes
    )
    before = load_critic().score(beatmap, TEMPO, "Expert").bars
    after = load_critic().score(Beatmap(color_notes=spoiled), TEMPO, "Expert").bars
    change = {b.beat: a.log_odds - b.log_odds for a, b in zip(after, before, strict=True)}
    assert np.mean([change[beat] for beat in (96.0, 100.0, 104.0, 108.0)]) < -1
    far = [abs(value) for beat, value in change.items() if beat < 64 or beat > 144]
    assert max(far) < 0.5


def test_lights_play_no_part():
    beatmap = random_map(2)
    dark = replace(beatmap, lights=(), bombs=(), obstacles=())
    assert load_critic().score(beatmap, TEMPO, "Hard") == load_critic().score(dark, TEMPO, "Hard")


def test_unknown_difficulties_are_refused():
    with pytest.raises(ValueError, match=r"expected one of Easy.*found 'Expert\+'"):
        load_critic().score(Beatmap(), TEMPO, "Expert+")


def test_the_shipped_critic_states_what_it_was_measured_on():
    facts = load_critic().facts
    kinds = {row["kind"] for row in facts["valid"]["by_kind"]}
    assert {"shuffle directions", "half-beat baseline", "model, playability off"} <= kinds
    assert facts["human_scores"] == sorted(facts["human_scores"])


def test_folders_without_a_critic_are_refused(tmp_path):
    with pytest.raises(ValueError, match="found no such files"):
        load_critic(tmp_path)


def test_critics_of_another_format_are_refused(tmp_path):
    save_file({"note.weight": np.zeros((3, 2), np.float32)}, tmp_path / WEIGHTS_NAME)
    (tmp_path / FACTS_NAME).write_text('{"format": 1}')
    with pytest.raises(ValueError, match="found format 1 with 3"):
        load_critic(tmp_path)


def test_scoring_needs_no_torch():
    code = (
        "import sys; from saberlm.eval.critic import load_critic; load_critic();"
        " assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
