"""The judge of followed tempi, on estimates whose errors are known."""

import numpy as np
import pytest

from saberlm.infer.tempo_estimate import TempoEstimate, TempoPiece
from saberlm.scripts.bench_tempo_changes import judge, table_row
from saberlm.scripts.synthetic_songs import (
    RATE,
    SyntheticSong,
    drift_song,
    free_intro_song,
    steady_song,
    step_song,
)

STEP = np.concatenate([0.5 * np.arange(20), 10 + 0.4 * np.arange(20)])


def test_errors_are_those_of_the_nearest_beats() -> None:
    song = SyntheticSong("x", np.zeros(1, np.float32), STEP)
    right = TempoEstimate(120.0, 0.0, 1.0, "x", (TempoPiece(10.0, 150.0),))
    assert judge(song, right).max_ms == pytest.approx(0, abs=1e-6)
    assert judge(song, right).num_pieces == 2
    late = TempoEstimate(120.0, 0.01, 1.0, "x", (TempoPiece(10.01, 150.0),))
    assert judge(song, late).median_ms == pytest.approx(10)
    half = judge(song, TempoEstimate(120.0, 0.25, 1.0, "x", (TempoPiece(10.25, 150.0),)))
    assert half.max_ms == pytest.approx(250)
    assert judge(song, TempoEstimate(120.0, 0.0, 1.0, "x")).max_ms > 150
    assert "| 50% |" in table_row("x", [judge(song, right), half])


@pytest.mark.parametrize("maker", [steady_song, step_song, drift_song, free_intro_song])
def test_songs_are_heard_on_their_beats(maker) -> None:  # type: ignore[no-untyped-def]
    song, again = maker(3, seconds=30.0), maker(3, seconds=30.0)
    assert (song.samples == again.samples).all()
    assert song.samples.dtype == np.float32
    assert np.abs(song.samples).max() == pytest.approx(0.7)
    assert (np.diff(song.beats) > 0.2).all()
    assert song.beats[-1] < 30
    assert (maker(4, seconds=30.0).beats[:5] != song.beats[:5]).any()

    def loudness(late: float) -> float:
        at = np.round((song.beats[:-1] + late) * RATE).astype(int)
        return float(np.mean([np.abs(song.samples[max(0, a) : a + 660]).max() for a in at]))

    assert loudness(0.0) > loudness(-0.06)
