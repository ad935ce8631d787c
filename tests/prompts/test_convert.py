"""Levels through every version and back: what each can hold stays, what it cannot is counted."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from made_levels import FILES, levels, plain, rewritten

from saberlm.eval.validity import validate_level
from saberlm.prompts.beatmap import (
    Arc,
    Beatmap,
    BpmEvent,
    ColorNote,
    Difficulty,
    Level,
    LevelInfo,
    NjsEvent,
)
from saberlm.prompts.convert import convert_level
from saberlm.prompts.mapfile import read_level, write_level
from saberlm.prompts.tempo import TempoMap


def through(level: Level, *versions: int) -> tuple[Level, Counter[str]]:
    """The level written and read in each version in turn, and all that was lost on the way."""
    lost: Counter[str] = Counter()
    with TemporaryDirectory() as folder:
        for number, version in enumerate(versions):
            path = Path(folder) / f"{number}.zip"
            level, lost_here = rewritten(level, path, version)
            lost += lost_here
            assert [one for one in validate_level(path) if one.severity == "error"] == []
            assert level.notes_on_reading == {}
    return level, lost


@settings(max_examples=25, deadline=None)
@given(levels(2))
def test_what_v2_holds_stays_through_every_version(level: Level) -> None:
    back, lost = through(level, 2, 3, 4, 3, 2)
    assert plain(back) == plain(level)
    assert lost == Counter()


@settings(max_examples=25, deadline=None)
@given(levels(3))
def test_what_v3_holds_stays_through_v4(level: Level) -> None:
    back, lost = through(level, 3, 4, 3)
    assert plain(back) == plain(level)
    assert lost == Counter()


@settings(max_examples=25, deadline=None)
@given(levels(4))
def test_v4_gives_back_what_it_wrote(level: Level) -> None:
    back, lost = through(level, 4, 4)
    assert plain(back) == plain(level)
    assert lost == Counter()


NOTES = (ColorNote(1.0, 1, 0, 0, 1), ColorNote(2.0, 2, 0, 1, 1), ColorNote(8.0, 1, 0, 0, 0))


def one_level(*beatmaps: Beatmap) -> Level:
    names = ("Easy", "Normal", "Hard")
    difficulties = tuple(
        Difficulty("Standard", name, 10.0, 0.0, beatmap, f"{name}.dat")
        for name, beatmap in zip(names, beatmaps, strict=False)
    )
    return Level(LevelInfo("x", 120.0, mapper="B"), difficulties)


def test_what_a_version_cannot_hold_is_counted(tmp_path: Path) -> None:
    arc = Arc(1.0, 1, 0, 0, 1, 2.0, 1, 2, 0)
    level = one_level(Beatmap(NOTES, arcs=(arc,), njs_events=(NjsEvent(1.0, 2.0),)))
    assert rewritten(level, tmp_path / "4.zip", 4)[1].keys() == {"song length estimated"}
    assert rewritten(level, tmp_path / "3.zip", 3)[1] == {"jump speed event": 1}
    back, lost = rewritten(level, tmp_path / "2.zip", 2)
    assert lost == {"jump speed event": 1, "arc": 1}
    assert back.difficulties[0].beatmap == Beatmap(NOTES)


def test_v4_counts_every_difficulty_in_the_first_ones_beats(tmp_path: Path) -> None:
    slow = Beatmap(NOTES, bpm_events=(BpmEvent(4.0, 60.0),))
    level = one_level(Beatmap(NOTES), slow, slow)
    back, lost = rewritten(level, tmp_path / "level.zip", 4)
    phrase = "difficulty with a tempo of its own: moved to the first difficulty's beats"
    assert lost[phrase] == 2
    for before, after in zip(level.difficulties, back.difficulties, strict=True):
        then, now = (TempoMap(120.0, d.beatmap.bpm_events) for d in (before, after))
        seconds = [then.to_seconds(note.beat) for note in before.beatmap.color_notes]
        found = [now.to_seconds(note.beat) for note in after.beatmap.color_notes]
        assert found == pytest.approx(seconds, abs=1e-9)
    assert [note.beat for note in back.difficulties[1].beatmap.color_notes] == [1.0, 2.0, 12.0]


def test_v2_holds_all_to_the_base_tempo_and_its_tempo_file_says_so(tmp_path: Path) -> None:
    slow = Beatmap(NOTES, bpm_events=(BpmEvent(4.0, 60.0),))
    level = one_level(slow)
    write_level(tmp_path / "4", level.info, level.difficulties, FILES, version=4)
    convert_level(tmp_path / "4", tmp_path / "3")
    convert_level(tmp_path / "3", tmp_path / "2", version=2)
    three, two = read_level(tmp_path / "3"), read_level(tmp_path / "2")
    assert three.difficulties[0].beatmap == slow
    assert [note.beat for note in two.difficulties[0].beatmap.color_notes] == [1.0, 2.0, 12.0]
    assert two.notes_on_reading == three.notes_on_reading == {}
    assert three.audio_data is not None
    assert two.audio_data is not None
    assert two.audio_data.sample_count == three.audio_data.sample_count
    assert (len(two.audio_data.regions), len(three.audio_data.regions)) == (1, 2)


def test_tempo_events_that_change_nothing_are_counted(tmp_path: Path) -> None:
    events = (BpmEvent(0.0, 120.0), BpmEvent(4.0, 60.0), BpmEvent(6.0, 60.0))
    level = one_level(Beatmap(NOTES, bpm_events=events))
    back, lost = rewritten(level, tmp_path / "level", 4)
    assert back.difficulties[0].beatmap.bpm_events == (BpmEvent(4.0, 60.0),)
    assert lost["tempo event that repeats the tempo in force"] == 2


def test_a_song_without_end_is_refused(tmp_path: Path) -> None:
    level = one_level(Beatmap((ColorNote(1e308, 0, 0, 0, 0),)))
    with pytest.raises(ValueError, match="expected a song of at most"):
        rewritten(level, tmp_path / "level", 4)


def test_equal_lightshows_are_one_file(tmp_path: Path) -> None:
    level = one_level(Beatmap(NOTES), Beatmap(NOTES[:1]), Beatmap(normal_events_compatible=False))
    back, _ = rewritten(level, tmp_path / "level", 4)
    shows = [one.lightshow_filename for one in back.difficulties]
    assert shows[0] == shows[1] != shows[2]
    assert all((tmp_path / "level" / name).is_file() for name in shows)


def write(path: Path, version: int = 3) -> Path:
    beatmap = Beatmap((replace(NOTES[0], extra={"customData": {"_track": "a"}}),))
    level = one_level(beatmap, Beatmap(NOTES))
    files = {**FILES, "cinema-video.json": b'{"video": 1}', "extra.bin": bytes(9)}
    write_level(path, level.info, level.difficulties, files, version=version)
    return path


@pytest.mark.parametrize("source", ["level", "level.zip"])
@pytest.mark.parametrize("version", [2, 3, 4])
def test_other_files_are_copied_byte_for_byte(tmp_path: Path, source: str, version: int) -> None:
    path = write(tmp_path / source)
    conversion = convert_level(path, tmp_path / "out", version=version)
    assert conversion.copied == ("cinema-video.json", "cover.png", "extra.bin", "song.egg")
    assert (tmp_path / "out" / "extra.bin").read_bytes() == bytes(9)
    assert (tmp_path / "out" / "song.egg").read_bytes() == FILES["song.egg"]
    assert plain(read_level(tmp_path / "out")) == plain(read_level(path))
    json.dumps(conversion.to_dict(), allow_nan=False)


@pytest.mark.parametrize(("version", "warned"), [(2, True), (3, False), (4, False)])
def test_custom_data_that_changes_family_is_warned_of(
    tmp_path: Path, version: int, warned: bool
) -> None:
    conversion = convert_level(write(tmp_path / "in"), tmp_path / "out", version=version)
    assert bool(conversion.difficulties[0].warnings) is warned
    assert not conversion.difficulties[1].warnings


def test_tempo_and_lightshow_files_follow_the_version(tmp_path: Path) -> None:
    convert_level(write(tmp_path / "3"), tmp_path / "4", version=4)
    names = {path.name for path in (tmp_path / "4").iterdir()}
    assert {"AudioData.dat", "EasyStandard.lightshow.dat"} <= names
    conversion = convert_level(tmp_path / "4", tmp_path / "back")
    names = {path.name for path in (tmp_path / "back").iterdir()}
    assert "BPMInfo.dat" in names
    assert not {name for name in names if "lightshow" in name or "AudioData" in name}
    assert conversion.left_out == ()


def test_the_song_length_goes_into_audio_data(tmp_path: Path) -> None:
    path = write(tmp_path / "in")
    convert_level(path, tmp_path / "out", version=4, measure_song=lambda files, name: (441, 44))
    audio = read_level(tmp_path / "out").audio_data
    assert audio is not None
    assert (audio.sample_count, audio.frequency) == (441, 44)


def test_an_unreadable_difficulty_stops_it_unless_skipped(tmp_path: Path) -> None:
    path = write(tmp_path / "in")
    (path / "Easy.dat").write_text("{")
    with pytest.raises(ValueError, match=r"Easy\.dat: expected to read every difficulty"):
        convert_level(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    conversion = convert_level(path, tmp_path / "out", skip_unreadable=True)
    assert [name for name, _ in conversion.unread] == ["Easy.dat"]
    assert conversion.left_out == ("Easy.dat",)
    assert [one.name for one in read_level(tmp_path / "out").difficulties] == ["Normal"]


def test_the_level_itself_is_not_written_over(tmp_path: Path) -> None:
    path = write(tmp_path / "in")
    with pytest.raises(ValueError, match="found the level itself"):
        convert_level(path, tmp_path / "x" / ".." / "in")
