"""Notes a second, density curves and emphasis."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from map_kit import TEMPO, notes_at, random_map

from saberlm.eval.corruptions import shuffle_bars, thin
from saberlm.eval.fit import (
    MAX_WINDOWS,
    density_fit,
    emphasis,
    louder,
    notes_per_second,
    pearson,
    rate_fit,
)
from saberlm.prompts.beatmap import Beatmap, ColorNote
from saberlm.prompts.mirror import mirror
from saberlm.prompts.tempo import TempoMap


def test_rate() -> None:
    assert notes_per_second(notes_at(4, 5, 6, 8), TEMPO) == 2.0  # four notes in two seconds
    fit = rate_fit(2.0, 4.0)
    assert (fit.ratio, fit.error) == (0.5, -2.0)


def test_rate_edges() -> None:
    assert notes_per_second(Beatmap(), TEMPO) is None
    assert notes_per_second(notes_at(4), TEMPO) is None
    assert rate_fit(None, 4.0).ratio is None
    assert (rate_fit(3.0, 0.0).ratio, rate_fit(3.0, 0.0).error) == (None, 3.0)
    with pytest.raises(ValueError, match="notes a second asked"):
        rate_fit(3.0, math.nan)


def test_density_of_itself_and_of_the_mirror() -> None:
    human = random_map(1)
    for one in (human, mirror(human)):
        fit = density_fit(human, TEMPO, one, TEMPO)
        assert (fit.correlation, fit.rms_nps) == (pytest.approx(1), 0)


def test_density_sees_where_the_notes_are() -> None:
    uneven = notes_at(*range(0, 16), *range(16, 48, 4), *range(48, 80), *range(80, 96, 8))
    moved = shuffle_bars(uneven, TEMPO, 1)
    fit = density_fit(uneven, TEMPO, moved, TEMPO)
    assert fit.correlation is not None
    assert fit.correlation < 0.8
    half = density_fit(notes_at(*range(64)), TEMPO, notes_at(*range(0, 64, 2)), TEMPO)
    assert half.correlation is None  # an even map has no curve
    assert half.rms_nps == pytest.approx(1.0)  # one note a second instead of two


def test_density_is_by_seconds() -> None:
    human = notes_at(*range(0, 40), *range(40, 100, 4))
    twice = notes_at(*(2 * note.beat for note in human.color_notes))
    fit = density_fit(human, TempoMap(90.0), twice, TempoMap(180.0))
    assert fit.correlation == pytest.approx(1)
    assert fit.rms_nps == 0
    assert fit.windows == 7


def test_density_edges() -> None:
    nothing = density_fit(Beatmap(), TEMPO, Beatmap(), TEMPO)
    assert (nothing.windows, nothing.correlation, nothing.rms_nps) == (0, None, None)
    one = density_fit(notes_at(4), TEMPO, Beatmap(), TEMPO)
    assert (one.windows, one.correlation) == (1, None)
    assert one.rms_nps == pytest.approx(1 / 8)
    far = density_fit(notes_at(0, 1e9), TEMPO, notes_at(1), TEMPO)
    assert far.windows > MAX_WINDOWS
    assert far.correlation is None


def _loud_doubles(loud: float) -> tuple[Beatmap, np.ndarray]:
    notes = []
    strength = np.random.default_rng(0).uniform(0.1, 0.5, 4000)
    for i in range(40):
        notes.append(ColorNote(i, 2, 0, 1, 1))
        if i % 3 == 0:
            notes.append(ColorNote(i, 1, 0, 0, 1))
            strength[round(TEMPO.to_seconds(float(i)) * 100)] = loud
    return Beatmap(color_notes=tuple(sorted(notes))), strength


def test_emphasis() -> None:
    beatmap, strength = _loud_doubles(1.0)
    found = emphasis(beatmap, TEMPO, strength, 100).doubles
    assert (found.moments, found.others, found.auc) == (14, 26, 1.0)
    assert found.z is not None
    assert found.z > 1
    same = emphasis(mirror(beatmap), TEMPO, strength, 100)
    assert same.doubles.auc == 1.0


def test_high_swings() -> None:
    rows = [0, 0, 2, 0, 0, 0, 2, 0, 0, 2]
    notes = tuple(ColorNote(float(i), 2, y, 1, 1) for i, y in enumerate(rows))
    strength = np.full(600, 0.1)
    strength[[round(50 * i) for i, y in enumerate(rows) if y == 2]] = 1
    found = emphasis(Beatmap(color_notes=notes), TEMPO, strength, 100).high_swings
    # the swing back down from the top row is two cells far as well
    assert (found.moments, found.others) == (5, 5)
    assert found.auc == pytest.approx((3 * 5 + 2 * 5 * 0.5) / 25)


def test_emphasis_edges() -> None:
    silent = np.zeros(600)
    assert emphasis(Beatmap(), TEMPO, silent, 100).doubles.auc is None
    assert emphasis(notes_at(1), TEMPO, silent, 100).high_swings.auc is None
    assert emphasis(notes_at(1), TEMPO, [], 100).doubles.moments == 0
    beatmap, _ = _loud_doubles(1.0)
    flat = emphasis(beatmap, TEMPO, np.zeros(4000), 100).doubles
    assert (flat.auc, flat.z) == (0.5, None)


def test_louder_is_the_chance_of_being_louder() -> None:
    rng = np.random.default_rng(3)
    loudness = rng.integers(0, 5, 30).astype(float)
    chosen = rng.random(30) < 0.4
    pairs = loudness[chosen][:, None] - loudness[~chosen][None]
    expected = (pairs > 0).mean() + (pairs == 0).mean() / 2
    assert louder(loudness, chosen).auc == pytest.approx(expected)


def test_pearson_edges() -> None:
    assert pearson([], []) is None
    assert pearson([1, 1, 1], [1, 2, 3]) is None
    assert pearson([0.1] * 7, np.arange(7)) is None  # whose mean is not quite 0.1
    assert pearson([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    assert pearson([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)


def test_thinning_halves_the_rate() -> None:
    human = random_map(2, 200)
    thinned = notes_per_second(thin(human, TEMPO, 0), TEMPO)
    fit = rate_fit(thinned, notes_per_second(human, TEMPO))
    assert fit.ratio == pytest.approx(0.5, abs=0.08)
    modded = replace(human, color_notes=(*human.color_notes, ColorNote(9.0, 3000, 0, 0, 1)))
    assert emphasis(modded, TEMPO, np.ones(9000), 100).doubles.auc == 0.5
