"""The balance of cuts: each hand keeps its mass, and what is said too often becomes rarer."""

import numpy as np
import pytest
from note_logits import HANDS, NOTES, check_hands_keep_their_mass

from saberlm.infer.cut_balance import (
    NUM_CUTS,
    CutBalance,
    balanced_shares,
    count_cuts,
    human_shares,
    right_hand_cuts,
)
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import DIFFICULTIES
from saberlm.prompts.mirror import mirrored_note_token


def test_a_note_and_its_mirror_image_are_one_cut() -> None:
    cuts = right_hand_cuts()
    assert sorted(cuts.tolist()) == sorted([*range(NUM_CUTS), *range(NUM_CUTS)])
    for token in NOTES:
        image = mirrored_note_token(token)
        assert cuts[token - NOTES.start] == cuts[image - NOTES.start]


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_shares_are_those_of_human_maps(difficulty: str) -> None:
    shares = human_shares(difficulty)
    assert shares is not None
    assert shares.sum() == pytest.approx(1)
    assert shares.min() > 0
    down = v.note_value(1, 0, 2, 1)  # the right hand's bottom inner cell, down
    assert shares[down - NUM_CUTS] == shares.max()
    assert human_shares("Lawless") is None


def draw(strength: float, taste: np.ndarray, notes: int, seed: int = 0) -> np.ndarray:
    """Shares of the cuts drawn from logits ``taste`` ``(NUM_CUTS,)`` of either hand."""
    rng = np.random.default_rng(seed)
    shares = human_shares("Expert")
    assert shares is not None
    bias = CutBalance(shares, strength)
    counts = np.zeros(NUM_CUTS)
    for i in range(notes):
        logits = np.full(v.OFFSETS["text"], -1.0, np.float32)
        hand = HANDS[i % 2]
        cuts = right_hand_cuts()[hand.start - NOTES.start :][:NUM_CUTS]
        logits[hand] = taste[cuts]
        bias.adjust(logits, 12 * i)
        chance = np.exp(logits[hand].astype(np.float64))
        token = hand.start + int(rng.choice(NUM_CUTS, p=chance / chance.sum()))
        bias.say(token, 12 * i)
        counts[cuts[token - hand.start]] += 1
    return counts / counts.sum()


def test_a_map_caught_in_a_rare_cut_gets_out_of_it() -> None:
    shares = human_shares("Expert")
    assert shares is not None
    rare = int(np.argmin(shares))
    taste = np.log(shares)
    taste[rare] = 3.0
    free, held = draw(0.0, taste, 600), draw(0.5, taste, 600)
    assert free[rare] > 0.9
    assert held[rare] < 0.6 * free[rare]


def test_a_mapper_s_own_taste_is_hardly_moved() -> None:
    shares = human_shares("Expert")
    assert shares is not None
    far = {s: np.abs(draw(s, np.log(shares), 2000) - shares).sum() for s in (0.0, 0.5)}
    assert far[0.5] <= far[0.0]


@pytest.mark.parametrize("seed", range(3))
def test_hands_keep_their_mass_and_nothing_else_moves(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shares = human_shares("Hard")
    assert shares is not None
    bias = CutBalance(shares, 0.7)
    for token in rng.choice(np.array(NOTES), 100).tolist():
        bias.say(token, 0)
    before = rng.normal(size=v.OFFSETS["text"]).astype(np.float32)
    before[NOTES.start + 5] = -np.inf
    after = before.copy()
    bias.adjust(after, 0)
    assert after[NOTES.start + 5] == -np.inf
    check_hands_keep_their_mass(before, after)


def test_a_hand_that_cannot_play_stays_so() -> None:
    shares = human_shares("Expert")
    assert shares is not None
    bias = CutBalance(shares, 1.0)
    bias.say(NOTES.start + 3, 0)
    logits = np.zeros(v.OFFSETS["text"], np.float32)
    logits[HANDS[0]] = -np.inf
    bias.adjust(logits, 0)
    assert np.isneginf(logits[HANDS[0]]).all()
    assert not np.isnan(logits).any()


def test_a_pack_brings_its_own_shares() -> None:
    own = np.linspace(0, 1, NUM_CUTS)
    own /= own.sum()
    held = balanced_shares({"Hard": own.tolist()}, "Hard")
    assert held is not None
    assert held.sum() == pytest.approx(1)
    assert held.min() > 0
    usual, other = human_shares("Expert"), balanced_shares({"Hard": own.tolist()}, "Expert")
    assert usual is not None
    assert other is not None
    assert np.array_equal(usual, other)
    for wrong in ([0.5, 0.5], [*own[:-1], 7.0], [*own[:-1], float("nan")]):
        with pytest.raises(ValueError, match="expected 108 shares"):
            balanced_shares({"Hard": wrong}, "Hard")


def test_cuts_of_both_hands_are_counted_together() -> None:
    left = NOTES.start + 17
    bars = [[v.block_range("position").start, left, mirrored_note_token(left)], [], [left]]
    counts = count_cuts(bars)
    assert counts.max() == counts.sum() == 3
    assert not count_cuts([]).any()


def test_a_tilt_acts_from_the_first_note_on_and_is_what_the_map_is_held_to() -> None:
    shares = human_shares("Expert")
    assert shares is not None
    tilt = np.zeros(NUM_CUTS)
    tilt[: NUM_CUTS // 3] = 1.0  # the bottom row
    first = np.zeros(v.OFFSETS["text"], np.float32)
    CutBalance(shares, 0.0, tilt).adjust(first, 0)
    own = np.exp(first[HANDS[1]])
    assert own[: NUM_CUTS // 3].mean() == pytest.approx(
        np.e * own[NUM_CUTS // 3 :].mean(), rel=0.01
    )
    wanted = shares * np.exp(tilt)
    bias = CutBalance(shares, 1.0, tilt)
    rng = np.random.default_rng(0)
    for token in rng.choice(np.arange(NUM_CUTS), 3000, p=wanted / wanted.sum()).tolist():
        bias.say(HANDS[1].start + token, 0)
    held = np.zeros(v.OFFSETS["text"], np.float32)
    bias.adjust(held, 0)
    moved, bottom = (held - first)[HANDS[1]], slice(NUM_CUTS // 3)
    above = slice(NUM_CUTS // 3, None)
    low, high = (float(np.average(moved[rows], weights=wanted[rows])) for rows in (bottom, above))
    assert abs(low - high) < 0.3
