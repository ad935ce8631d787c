"""Self-similarity of bars and its agreement between two maps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from map_kit import TEMPO, notes_at, random_map

from saberlm.eval.corruptions import repeat_bar, shuffle_bars, strip_lights
from saberlm.eval.structure import MAX_BARS, structure_fit
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.mirror import mirror
from saberlm.prompts.tempo import TempoMap


def song(form: str, seed: int = 0) -> Beatmap:
    """A map whose bars are written as letters: the same letter is the same bar; "-" is a rest."""
    notes = []
    for bar, letter in enumerate(form):
        if letter != "-":
            part = random_map(seed * 100 + ord(letter), 8)
            notes += [replace(n, beat=n.beat - 4 + 4 * bar) for n in part.color_notes]
    return Beatmap(color_notes=tuple(sorted(notes)))


def test_a_bar_that_comes_back() -> None:
    """A bar is as like another as the letters say; a rest is like a rest only."""

    def similarity(form: str) -> float | None:
        return structure_fit(song(form), TEMPO, song(form), TEMPO).reference_similarity

    assert similarity("aa") == pytest.approx(1)
    assert 0 < similarity("ab") < 0.7
    assert similarity("a--a") == pytest.approx(2 / 6)  # the two rests, and the two bars


def test_the_same_form_agrees() -> None:
    human = song("aabcaabcddaabc")
    again = structure_fit(human, TEMPO, human, TEMPO)
    assert again.correlation == pytest.approx(1)
    assert structure_fit(human, TEMPO, mirror(human), TEMPO).correlation == pytest.approx(
        1, abs=0.1
    )
    other_notes = structure_fit(human, TEMPO, song("aabcaabcddaabc", 1), TEMPO)
    other_form = structure_fit(human, TEMPO, shuffle_bars(human, TEMPO, 0), TEMPO)
    assert other_notes.correlation is not None
    assert other_form.correlation is not None
    assert other_notes.correlation > 0.8 > 0.5 > other_form.correlation
    assert structure_fit(human, TEMPO, strip_lights(human, TEMPO), TEMPO) == again


def test_symmetric_with_one_tempo() -> None:
    one, two = song("abcabcab"), song("ababccab", 2)
    there, back = structure_fit(one, TEMPO, two, TEMPO), structure_fit(two, TEMPO, one, TEMPO)
    assert there.correlation == pytest.approx(back.correlation)
    assert there.reference_similarity == pytest.approx(back.estimate_similarity)


def test_bars_are_the_references() -> None:
    human = song("abcaabca")
    twice = tuple(replace(n, beat=2 * n.beat) for n in human.color_notes)
    fit = structure_fit(human, TEMPO, Beatmap(color_notes=twice), TempoMap(2 * TEMPO.bpm))
    assert fit.bars == 8
    assert fit.correlation == pytest.approx(1)


def test_lengths_differ() -> None:
    fit = structure_fit(song("abcaabca"), TEMPO, song("abcaa"), TEMPO)
    assert fit.bars == 5
    assert fit.correlation == pytest.approx(1)


def test_dull_repetition_has_no_structure() -> None:
    human = song("abcaabca")
    fit = structure_fit(human, TEMPO, repeat_bar(human, TEMPO, 0), TEMPO)
    assert fit.correlation is None
    assert fit.estimate_similarity == pytest.approx(1)
    assert fit.reference_similarity < 0.6


def test_edges() -> None:
    for one, two in ((Beatmap(), notes_at(1)), (Beatmap(), Beatmap()), (notes_at(1), notes_at(90))):
        assert structure_fit(one, TEMPO, two, TEMPO) == structure_fit(two, TEMPO, one, TEMPO)
        assert structure_fit(one, TEMPO, two, TEMPO).correlation is None
    three = song("abc")
    assert structure_fit(three, TEMPO, three, TEMPO).correlation is None
    endless = notes_at(0, 1e9)
    fit = structure_fit(endless, TEMPO, endless, TEMPO)
    assert fit.bars > MAX_BARS
    assert fit.correlation is None
