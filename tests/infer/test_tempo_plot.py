"""Beats to look at, and tempi in words and as JSON."""

import json
from pathlib import Path

import numpy as np
import pytest
from synth import RATE, drums

from saberlm.infer.onsets import onset_curve
from saberlm.infer.tempo_estimate import Reading, TempoEstimate, TempoPiece
from saberlm.infer.tempo_plot import drift, grid_beats, plot_tempo
from saberlm.infer.tempo_report import describe_tempo, tempo_json

UNSURE = TempoEstimate(
    120.0, 1.3, 0.3, "found", (TempoPiece(5.3, 132.0),), (Reading(60.0, 1.3, 0.2),)
)


def test_beats_go_on_through_changes_and_back_to_the_start() -> None:
    times, numbers = grid_beats(UNSURE, 10.0)
    assert times[0] == pytest.approx(0.3)
    assert numbers[0] == -2
    assert times[numbers == 0] == pytest.approx(1.3)
    assert times[numbers == 8] == pytest.approx(5.3)
    assert np.diff(times[numbers >= 8]) == pytest.approx(60 / 132)
    assert times[-1] < 10.0


def test_drift_shows_a_grid_that_comes_late() -> None:
    curve = onset_curve(drums(120, 0.3, seconds=30), RATE)
    steady = drift(curve, np.arange(0.3, 29, 0.5))
    moved = drift(curve, np.arange(0.3, 29, 0.5) + 0.015)
    assert np.abs(steady.late).max() < 0.012
    assert (moved.late - steady.late) == pytest.approx(-0.015, abs=0.004)
    assert (steady.clear > 0.5).all()


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_plot_is_written(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"beats.{suffix}"
    plot_tempo(UNSURE, onset_curve(drums(120, 0.3, seconds=12), RATE), out, "drums")
    assert out.read_bytes()[:5] in (b"<?xml", b"\x89PNG\r")
    assert list(tmp_path.iterdir()) == [out]


def test_other_pictures_are_refused(tmp_path: Path) -> None:
    curve = onset_curve(drums(120, 0.3, seconds=12), RATE)
    with pytest.raises(ValueError, match=r"\.svg or \.png"):
        plot_tempo(UNSURE, curve, tmp_path / "beats.txt", "drums")
    with pytest.raises(ValueError, match="folder"):
        plot_tempo(UNSURE, curve, tmp_path / "none" / "beats.png", "drums")


def test_a_low_confidence_is_said_with_the_next_readings() -> None:
    lines = describe_tempo(UNSURE)
    assert "120 BPM" in lines[0]
    assert any("warning" in line for line in lines)
    assert any("--bpm 60 --offset 1.300" in line for line in lines)
    sure = TempoEstimate(120.0, 1.3, 0.9, "found", alternatives=UNSURE.alternatives)
    assert len(describe_tempo(sure)) == 1


def test_json_has_both_offsets() -> None:
    found = json.loads(json.dumps(tempo_json(UNSURE)))
    assert found["offset"] == pytest.approx(0.3)
    assert found["downbeat_offset"] == 1.3
    assert found["events"] == [{"seconds": 5.3, "bpm": 132.0}]
    assert found["alternatives"][0]["probability"] == 0.2
    assert set(found) >= {"bpm", "confidence", "method"}
