"""Beat lists and levels that give a tempo."""

from pathlib import Path

import numpy as np
import pytest

from saberlm.infer.tempo_given import given_tempo, read_beats
from saberlm.infer.tempo_pieces import events_of
from saberlm.prompts.beatmap import Beatmap, BpmEvent, ColorNote, Difficulty, LevelInfo
from saberlm.prompts.mapfile import write_level
from saberlm.prompts.tempo import TempoMap

BEATS = 1.25 + np.arange(60) * 0.5  # the third of them begins a bar
PLACES = (np.arange(60) + 2) % 4 + 1

FORMS = {
    "plain": lambda s, p: f"{s:.4f}",
    "madmom": lambda s, p: f"{s:.4f}\t{p}",
    "float column": lambda s, p: f"{s:.4f} {p}.0",
    "bar and beat": lambda s, p: f"{s:.6f},7.{p}",
    "semicolons": lambda s, p: f'{s:.4f};"{p}"',
    "audacity": lambda s, p: f"{s:.6f}\t{s:.6f}\t{p}",
    "audacity spans": lambda s, p: f"{s:.6f}\t{s + 0.5:.6f}\t{p}\n\\\t100.0\t200.0",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_beats(form: str, tmp_path: Path) -> None:
    path = tmp_path / "beats.txt"
    rows = [FORMS[form](s, p) for s, p in zip(BEATS, PLACES, strict=True)]
    path.write_text("\ufeff# a comment\ntime,label\n\n" + "\n".join(rows) + "\n", encoding="utf-8")
    found = read_beats(path)
    np.testing.assert_allclose(found.seconds, BEATS)
    if form == "plain":
        assert found.places is None
    else:
        np.testing.assert_array_equal(found.places, PLACES)
    tempo = given_tempo(path, None)
    assert tempo is not None
    assert (tempo.bpm, tempo.events) == (120.0, ())
    first = 1.25 if form == "plain" else 2.25
    assert 0 <= tempo.offset_seconds < 2
    late = (first - tempo.offset_seconds) % 2
    assert min(late, 2 - late) < 1e-3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found 0"),
        ("1.0\n", "found 1"),
        ("1.0\nabc\n", "line 2: expected a time"),
        ("1.0\n2.0\n1.5\n", "line 3: expected times in rising order"),
        ("1.0\nnan\n", "line 2"),
        ("0.001\n0.002\n0.003\n", "1000 BPM"),
    ],
)
def test_what_is_no_beat_list_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "beats.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        given_tempo(path, None)
    with pytest.raises(ValueError, match="expected a text file"):
        given_tempo(tmp_path / "none.txt", None)
    with pytest.raises(ValueError, match="found both"):
        given_tempo(path, tmp_path)


def test_flags_override_what_is_given(tmp_path: Path) -> None:
    path = tmp_path / "beats.txt"
    steps = np.repeat([0.5, 0.4], 40)
    path.write_text("\n".join(str(1 + t) for t in np.cumsum(steps)))
    found = given_tempo(path, None)
    assert found is not None
    assert len(found.events) == 1
    moved = given_tempo(path, None, offset_seconds=found.offset_seconds + 0.1)
    assert moved is not None
    assert moved.events[0].seconds == pytest.approx(found.events[0].seconds + 0.1)
    steady = given_tempo(path, None, bpm=133.0)
    assert steady is not None
    assert (steady.bpm, steady.events) == (133.0, ())
    assert given_tempo(None, None, bpm=133.0) is None


@pytest.mark.parametrize("version", [3, 4])
def test_a_level_gives_its_tempo(version: int, tmp_path: Path) -> None:
    events = (BpmEvent(16.0, 150.0), BpmEvent(30.0, 90.0))
    beatmap = Beatmap(color_notes=tuple(ColorNote(float(b), 1, 0, 0, 1) for b in range(60)),
                      bpm_events=events)  # fmt: skip
    info = LevelInfo("x", 120.0, time_offset=250.0 if version == 3 else 0.0, duration=60.0)
    write_level(tmp_path / "l.zip", info, [Difficulty("Standard", "Hard", 12, 0, beatmap)],
                {"song.egg": b"", "cover.png": b""}, version=version)  # fmt: skip
    found = given_tempo(None, tmp_path / "l.zip")
    assert found is not None
    assert (found.bpm, found.offset_seconds) == (120.0, 0.25 if version == 3 else 0.0)
    assert [(e.beat, pytest.approx(e.bpm)) for e in events_of(found)] == [
        (e.beat, e.bpm) for e in events
    ]


def test_editors_changes_begin_a_beat_anew(tmp_path: Path) -> None:
    """The grid of `_BPMChanges` falls on whole beats of the tempo that is made of it."""
    changes = [{"_time": 2.915, "_BPM": 100}, {"_time": 20.0, "_BPM": 125}]
    changes += [{"_time": "x"}, {"_time": 30.3, "_BPM": 125}]
    beatmap = Beatmap(
        color_notes=(ColorNote(5.0, 1, 0, 0, 1),),
        extra={"_customData": {"_BPMChanges": changes}},
    )
    write_level(tmp_path / "l.zip", LevelInfo("x", 100.0),
                [Difficulty("Standard", "Hard", 12, 0, beatmap)],
                {"song.egg": b"", "cover.png": b""}, version=2)  # fmt: skip
    found = given_tempo(None, tmp_path / "l.zip")
    assert found is not None
    tempo = TempoMap(found.bpm, events_of(found))
    for beat, bpm in ((2.915, 100), (20.0, 125), (30.3, 125)):
        at = tempo.to_beats(beat * 0.6 - found.offset_seconds)
        assert at == pytest.approx(round(at), abs=0.03)
        after = tempo.to_seconds(at + 1.0) - tempo.to_seconds(at)
        assert after == pytest.approx(60 / bpm, rel=0.01)
