"""The score of a found tempo."""

import pytest

from saberlm.eval.tempo import TempoScore, score_tempo


def _score(bpm: float, offset: float, stated: float = 120.0) -> TempoScore:
    return score_tempo(
        stated_bpm=stated,
        reference_bpm=120.0,
        reference_offset=0.3,
        first_seconds=2.0,
        last_seconds=182.0,
        bpm=bpm,
        offset_seconds=offset,
    )


def test_the_reference_itself_is_right_in_everything() -> None:
    for bars in (0, -3, 7):
        score = _score(120.0, 0.3 + 2.0 * bars)
        assert score.exact
        assert score.folded
        assert score.octave
        assert score.phase
        assert score.downbeat
        assert score.start_seconds == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("beats", [1, 2, 3])
def test_another_beat_of_the_bar_costs_the_downbeat_alone(beats: int) -> None:
    score = _score(120.0, 0.3 + 0.5 * beats)
    assert score.phase
    assert not score.downbeat
    assert abs(score.start_beats) == pytest.approx(min(beats, 4 - beats))


@pytest.mark.parametrize("bpm", [60.0, 240.0])
def test_other_octaves_keep_their_phase(bpm: float) -> None:
    score = _score(bpm, 0.3)
    assert (score.exact, score.folded, score.octave, score.phase) == (False, True, True, True)
    assert score.downbeat
    assert not _score(bpm, 0.55).phase


def test_the_stated_octave_is_the_exact_one() -> None:
    assert _score(60.0, 0.3, stated=60.0).exact
    assert not _score(120.0, 0.3, stated=60.0).exact


def test_a_slightly_wrong_tempo_fails_at_the_end_alone() -> None:
    score = _score(120.05, 0.3)
    assert score.exact
    assert not score.phase
    assert abs(score.start_seconds) < 0.002
    assert score.end_seconds == pytest.approx(-0.076, abs=0.002)


@pytest.mark.parametrize("bpm", [0.0, -120.0, float("nan")])
def test_no_tempo_is_refused(bpm: float) -> None:
    with pytest.raises(ValueError, match="finite tempo"):
        _score(bpm, 0.3)
