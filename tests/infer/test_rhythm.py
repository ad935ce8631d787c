"""The planned rhythm: the best ticks, spaced, as many as asked, whatever was made before."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saberlm.infer.density import DensityControl
from saberlm.infer.rhythm import (
    MIN_GAP_TICKS,
    NOTES_PER_ONSET,
    PLANNED_LOGIT,
    STREAM_TICKS,
    RhythmPlan,
    alike_bars,
    alone,
    joined_with_alike,
    spaced_peaks,
    with_streams,
)

BARS = 12
TICKS = BARS * 192


def density(seed: int = 0, nps: float = 4.0) -> DensityControl:
    logits = torch.randn(TICKS, generator=torch.Generator().manual_seed(seed)) * 2 - 3
    logits[:192] = -30.0
    return DensityControl(logits, BARS * 2.0, nps, 1.25)


@given(st.integers(0, 1000), st.integers(1, 20))
def test_peaks_are_spaced_and_leave_nothing_better_out(seed: int, gap: int) -> None:
    logits = np.random.default_rng(seed).normal(size=300)
    peaks = spaced_peaks(logits, gap)
    assert (np.diff(np.sort(peaks)) >= gap).all()
    assert (np.diff(logits[peaks]) <= 0).all()
    for tick in set(range(300)) - set(peaks.tolist()):
        near = peaks[np.abs(peaks - tick) < gap]
        assert logits[near].max() >= logits[tick]


def test_the_plan_has_the_onsets_asked_for_at_the_heads_best_ticks() -> None:
    asked = density()
    plan = RhythmPlan(asked)
    onsets = np.flatnonzero(plan.planned)
    assert len(onsets) == round(asked.wanted / NOTES_PER_ONSET)
    assert onsets.min() >= 192, "no song, no notes"
    assert np.diff(onsets).min() >= MIN_GAP_TICKS
    assert asked.logits[onsets].mean() > asked.logits[192:].mean() + 2
    logits = plan.note_logits(slice(192, 384))
    assert set(logits.abs().tolist()) == {PLANNED_LOGIT}
    assert torch.equal(logits > 0, torch.from_numpy(plan.planned[192:384]))


@pytest.mark.parametrize("notes_an_onset", [1.0, 1.25, 1.6])
def test_the_notes_wanted_come_however_many_an_onset_brings(notes_an_onset: float) -> None:
    asked = density(nps=3.0)
    plan = RhythmPlan(asked)
    made = 0.0
    for bar in range(BARS):
        made += notes_an_onset * plan.planned[bar * 192 : (bar + 1) * 192].sum()
        plan.after((bar + 1) * 192, round(made))
    assert made == pytest.approx(asked.wanted, rel=0.16)


def test_what_was_played_stays_and_noise_is_its_seeds() -> None:
    plan = RhythmPlan(density())
    before = plan.planned[:960].copy()
    plan.after(960, 0)
    assert (plan.planned[:960] == before).all()
    plans = [RhythmPlan(density(), 0.5, np.random.default_rng(seed)).planned for seed in (1, 1, 2)]
    assert (plans[0] == plans[1]).all()
    assert (plans[0] != plans[2]).any()


@given(st.integers(0, 1000))
def test_bars_that_sound_the_same_share_their_rhythm_and_others_keep_theirs(seed: int) -> None:
    random = np.random.default_rng(seed)
    latents = random.normal(size=(BARS, 16, 32))
    latents[7] = latents[3]
    logits = random.normal(size=(BARS, 192)) - 2
    joined = joined_with_alike(logits.ravel(), latents.reshape(-1, 32)).reshape(BARS, 192)
    before = np.abs(logits[3] - logits[7]).mean()
    assert np.abs(joined[3] - joined[7]).mean() < 0.5 * before
    others = [bar for bar in range(BARS) if bar not in (3, 7)]
    assert np.abs(joined[others] - logits[others]).mean() < 0.1
    weights = alike_bars(latents.reshape(BARS, -1))
    assert (np.diag(weights) == 0).all()
    assert (weights.sum(1) <= 1).all()


def test_a_song_of_one_bar_is_alike_to_nothing() -> None:
    logits = np.linspace(-5, 1, 192)
    assert np.allclose(joined_with_alike(logits, np.ones((16, 8))), logits)


def test_streams_gather_quarters_where_the_song_is_busy() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=TICKS) - 3
    logits[: TICKS // 2 : 12] += 2.0  # the busy half
    logits[:192] = -30.0

    def quick(nats: float) -> float:
        onsets = np.sort(spaced_peaks(with_streams(logits, nats), 6)[:150])
        return float((np.diff(onsets) <= 12).mean())

    assert quick(0) < quick(1.5)
    assert with_streams(logits, 0.0) is logits
    assert (with_streams(logits, 2.0)[:192] == -30.0).all()
    flat = np.full(TICKS, -30.0)
    assert (with_streams(flat, 2.0) == flat).all()


@given(st.integers(0, 1000))
def test_without_streams_quarters_come_only_where_the_notes_need_them(seed: int) -> None:
    def plan(nps: float, streams: float) -> RhythmPlan:
        return RhythmPlan(density(seed, nps), streams=streams)

    sparse, dense = plan(1.5, -1.5), plan(12.0, -1.5)
    assert (np.diff(np.flatnonzero(sparse.planned)) > STREAM_TICKS).all()
    assert dense.planned.sum() == plan(12.0, 0.0).planned.sum(), "as many notes all the same"
    assert (np.diff(np.flatnonzero(dense.planned)) <= STREAM_TICKS).any()
    apart = alone(density(seed).logits.double().numpy())
    assert (np.diff(np.flatnonzero(apart)) > STREAM_TICKS).all()
    assert dense.planned[apart].all(), "those apart come first"
