"""Levels in folders and zips: what is read, what is refused, what is written."""

import json
import logging
import math
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saberlm.prompts import levelzip
from saberlm.prompts.beatmap import Beatmap, Bomb, BpmEvent, ColorNote, Difficulty, Level, LevelInfo
from saberlm.prompts.mapfile import (
    difficulty_filename,
    info_to_dict,
    open_level_files,
    read_json_lenient,
    read_level,
    write_level,
)

SOUND = b"OggS" + bytes(range(256)) * 8
FILES: Mapping[str, bytes | Path] = {"song.egg": SOUND, "cover.png": b"\x89PNG"}
INFO = LevelInfo(
    title="Übung",
    bpm=128.5,
    subtitle="feat. nobody",
    artist="A",
    mapper="B",
    environment="NiceEnvironment",
    preview_start=3.5,
    version="2.1.0",
    custom_data={"_editors": {"_lastEditedBy": "test"}},
)


def difficulty(name: str, characteristic: str = "Standard") -> Difficulty:
    beatmap = Beatmap(
        color_notes=(ColorNote(1.0, 1, 0, 0, 1), ColorNote(1.25, 2, 0, 1, 8, 15)),
        bombs=(Bomb(3.0, 0, 2),),
        bpm_events=(BpmEvent(0.0, 128.5),),
    )
    filename = difficulty_filename(name, characteristic)
    return Difficulty(characteristic, name, 16.0, -0.5, beatmap, filename, "3.3.0")


LEVEL = Level(INFO, (difficulty("Hard"), difficulty("ExpertPlus"), difficulty("Easy", "OneSaber")))


def write_files(folder: Path, files: Mapping[str, bytes | str]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
    return folder


def zip_files(path: Path, files: Mapping[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def hand_info(**changes: Any) -> dict[str, Any]:
    entry = {"_difficulty": "Expert", "_beatmapFilename": "Expert.dat"}
    group = {"_beatmapCharacteristicName": "Standard", "_difficultyBeatmaps": [entry]}
    return {
        "_version": "2.0.0",
        "_songName": "x",
        "_beatsPerMinute": 120,
        "_difficultyBeatmapSets": [group],
    } | changes


def hand_level(**changes: Any) -> dict[str, str]:
    notes: dict[str, list[Any]] = {"_notes": [], "_obstacles": [], "_events": []}
    return {"info.dat": json.dumps(hand_info(**changes)), "EXPERT.dat": json.dumps(notes)}


@pytest.mark.parametrize("name", ["level", "level.zip"])
def test_reading_gives_back_what_was_written(tmp_path: Path, name: str) -> None:
    write_level(tmp_path / name, LEVEL.info, LEVEL.difficulties, FILES)
    assert read_level(tmp_path / name, characteristic=None) == LEVEL
    assert read_level(tmp_path / name).difficulties == LEVEL.difficulties[:2]
    assert read_level(tmp_path / name, characteristic="Lawless").difficulties == ()
    files = open_level_files(tmp_path / name)
    assert files.read("SONG.EGG") == SOUND
    assert "Info.dat" in files
    assert files.names() == (
        *("EasyOneSaber.dat", "ExpertPlusStandard.dat", "HardStandard.dat", "Info.dat"),
        *("cover.png", "song.egg"),
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_two_writes_are_byte_identical_and_a_path_is_copied(tmp_path: Path) -> None:
    source = tmp_path / "source.egg"
    source.write_bytes(SOUND)
    one, other = tmp_path / "one.zip", tmp_path / "other.zip"
    write_level(one, LEVEL.info, LEVEL.difficulties, FILES)
    shuffled = {"cover.png": FILES["cover.png"], "song.egg": source}
    write_level(other, LEVEL.info, LEVEL.difficulties[::-1][::-1], shuffled)
    write_level(other, LEVEL.info, LEVEL.difficulties, shuffled)  # over the first
    assert one.read_bytes() == other.read_bytes()
    with zipfile.ZipFile(one) as archive:
        assert archive.namelist()[0] == "Info.dat"
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_writing_into_a_folder_keeps_its_other_files(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "level", {"mine.txt": "kept", "Info.dat": "old"})
    write_level(folder, LEVEL.info, LEVEL.difficulties, FILES)
    assert read_level(folder, characteristic=None) == LEVEL
    assert (folder / "mine.txt").read_text() == "kept"


def test_info_has_every_field_and_difficulties_by_rank() -> None:
    info = info_to_dict(INFO, [difficulty("ExpertPlus"), difficulty("Easy")])
    assert info["_version"] == "2.1.0"
    assert info["_songTimeOffset"] == 0
    assert info["_environmentNames"] == ["NiceEnvironment"]
    assert info["_allDirectionsEnvironmentName"] == "GlassDesertEnvironment"
    (group,) = info["_difficultyBeatmapSets"]
    assert [d["_difficultyRank"] for d in group["_difficultyBeatmaps"]] == [1, 9]
    assert group["_difficultyBeatmaps"][0]["_beatmapColorSchemeIdx"] == -1


def test_a_long_title_is_cut_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        info = info_to_dict(replace(INFO, title="t" * 90, mapper="m" * 20), [difficulty("Hard")])
    assert len(info["_songName"]) + len(info["_levelAuthorName"]) == 100
    assert info["_levelAuthorName"] == "m" * 20
    assert "at most 100 characters" in caplog.text
    info = info_to_dict(replace(INFO, title="t", mapper="m" * 200), [difficulty("Hard")])
    assert (info["_songName"], len(info["_levelAuthorName"])) == ("t", 99)


def test_a_hand_written_level_is_read_in_any_letter_case(tmp_path: Path) -> None:
    level = read_level(write_files(tmp_path / "level", hand_level()))
    (only,) = level.difficulties
    assert (level.info.title, level.info.bpm, only.name, only.njs) == ("x", 120.0, "Expert", 0.0)


def test_a_zip_with_the_level_inside_a_folder_is_read(tmp_path: Path) -> None:
    files = {f"My level/{name}": content for name, content in hand_level().items()}
    path = zip_files(tmp_path / "level.zip", files | {"__MACOSX/._Info.dat": "x"})
    assert len(read_level(path).difficulties) == 1
    assert open_level_files(path).prefix == "My level/"


def test_the_environment_list_goes_before_the_single_name(tmp_path: Path) -> None:
    entry = {"_difficulty": "expert+", "_beatmapFilename": "Expert.dat", "_environmentNameIdx": 1}
    group = {"_beatmapCharacteristicName": "Standard", "_difficultyBeatmaps": [entry]}
    names = {"_environmentName": "A", "_environmentNames": ["B", "C"]}
    files = hand_level(_difficultyBeatmapSets=[group], **names)
    level = read_level(write_files(tmp_path / "level", files))
    assert level.info.environment == "C"
    assert level.difficulties[0].name == "ExpertPlus"


def test_lenient_json_mends_and_counts() -> None:
    data = b'\xef\xbb\xbf{"a": [1, 2,\n ], "b": ",]", "c": NaN, "d": -Infinity,}'
    parsed, mended = read_json_lenient(data, "x.dat")
    assert parsed["a"] == [1, 2]
    assert parsed["b"] == ",]"
    assert math.isnan(parsed["c"])
    assert parsed["d"] == -math.inf
    assert mended == {
        "byte order mark removed": 1,
        "trailing comma removed": 2,
        "NaN read as a number": 1,
        "-Infinity read as a number": 1,
    }
    assert read_json_lenient(b'{"a": "\xff"}', "x.dat")[1] == {
        "bytes that are not UTF-8 replaced": 1
    }
    assert read_json_lenient(b'{"a": "x\ny"}', "x.dat")[1] == {"control character kept": 1}


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b'{"a": 1,\n"b" 2}', r"x\.dat: expected JSON, found a fault at line 2 "),
        (b"", "fault at line 1"),
        (b"\x1f\x8b\x08", "found gzip data"),
        (b"[" * 200_000, "likely a damaged or malicious file"),
        (b"1" * 5000, "likely a damaged or malicious file"),
    ],
)
def test_what_is_not_json_is_refused(data: bytes, match: str) -> None:
    with pytest.raises(ValueError, match=match) as error:
        read_json_lenient(data, "x.dat")
    assert "\n" not in str(error.value)


INFO_V4 = {"version": "4.0.0", "song": {}, "audio": {}}
BAD_LEVELS: list[tuple[dict[str, Any], str]] = [
    ({"song.egg": b""}, "expected an Info.dat, found 1 other"),
    ({"Info.dat": "{"}, r"Info\.dat: expected JSON, found a fault at line 1"),
    ({"Info.dat": "[]"}, "expected a JSON object, found list"),
    ({"Info.dat": json.dumps(INFO_V4)}, "expected version 2, found 4.0.0"),
    ({"Info.dat": b"\x1f\x8b\x08\x00"}, "found gzip data"),
    ({"Info.dat": json.dumps(hand_info())}, r"expected a file 'Expert\.dat', found Info\.dat"),
    (hand_level(_beatsPerMinute=None), "`_beatsPerMinute` above 0, found None"),
    (hand_level(_beatsPerMinute=-1), "`_beatsPerMinute` above 0, found -1"),
    (hand_level(_beatsPerMinute="fast"), "finite number for `_beatsPerMinute`, found 'fast'"),
    (hand_level(_difficultyBeatmapSets=None), "list of objects `_difficultyBeatmapSets`, found no"),
    (hand_level() | {"EXPERT.dat": '{"version": "4.0.0"}'}, "version 4 is not read yet"),
    (hand_level() | {"EXPERT.dat": "{}"}, r"Expert\.dat: expected a v2 difficulty"),
    (hand_level() | {"EXPERT.dat": "3"}, r"Expert\.dat: expected a JSON object, found int"),
]


@pytest.mark.parametrize("write", [write_files, zip_files])
@pytest.mark.parametrize(("files", "match"), BAD_LEVELS)
def test_a_bad_level_is_refused_in_one_line(
    tmp_path: Path, write: Callable[..., Path], files: dict[str, Any], match: str
) -> None:
    path = write(tmp_path / "level", files)
    with pytest.raises(ValueError, match=match) as error:
        read_level(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_what_is_no_folder_or_zip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found nothing there: likely a mistyped path"):
        read_level(tmp_path / "nowhere")
    (tmp_path / "text.zip").write_text("not a zip")
    with pytest.raises(ValueError, match="folder or zip, found File is not a zip file"):
        read_level(tmp_path / "text.zip")
    with pytest.raises(ValueError, match="found no plain file"):
        read_level(Path("/dev/null"))


@pytest.mark.parametrize("name", ["../x.dat", "a/../../x", "/etc/x", "..\\x.dat", "C:/x", "\\x"])
def test_a_zip_with_a_name_outside_it_is_refused(tmp_path: Path, name: str) -> None:
    path = zip_files(tmp_path / "level.zip", hand_level() | {name: "x"})
    with pytest.raises(ValueError, match="expected file names inside the level, found"):
        read_level(path)


def test_zip_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zip_files(tmp_path / "level.zip", hand_level() | {"zeros": bytes(2**20)})
    read_level(path)
    monkeypatch.setattr(levelzip, "RATIO_FLOOR_BYTES", 2**19)
    with pytest.raises(ValueError, match="compression ratio of at most 200"):
        read_level(path)
    monkeypatch.setattr(levelzip, "MAX_UNPACKED_BYTES", 2**19)
    with pytest.raises(ValueError, match="expected at most 524288 bytes unpacked"):
        read_level(path)
    monkeypatch.setattr(levelzip, "MAX_MEMBERS", 2)
    with pytest.raises(ValueError, match="expected at most 2 files in the zip, found 3"):
        read_level(path)


def test_a_crowded_folder_or_huge_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_files(tmp_path / "level", hand_level())
    monkeypatch.setattr(levelzip, "MAX_UNPACKED_BYTES", 10)
    with pytest.raises(ValueError, match="over the limit of 10"):
        read_level(folder)
    monkeypatch.setattr(levelzip, "MAX_MEMBERS", 1)
    with pytest.raises(ValueError, match="at most 1 files, found more"):
        read_level(folder)


def test_a_damaged_zip_member_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "level.zip"
    write_level(path, LEVEL.info, LEVEL.difficulties, FILES)
    path.write_bytes(path.read_bytes().replace(SOUND[:100], bytes(100)))
    with pytest.raises(ValueError, match=r"expected to read 'song\.egg', found Bad CRC"):
        open_level_files(path).read("song.egg")


def no_note(beat: float) -> Difficulty:
    return replace(difficulty("Hard"), beatmap=Beatmap(bombs=(Bomb(beat, 0, 0),)))


BAD_WRITES: list[tuple[list[Difficulty], dict[str, Any], str]] = [
    ([difficulty("Expert+")], {}, r"found 'Expert\+': likely a display name"),
    ([difficulty("Hard"), difficulty("Hard")], {}, "Standard Hard twice"),
    ([no_note(math.nan)], {}, r"HardStandard\.dat: expected values that JSON can hold"),
    ([difficulty("Hard")], {"../x": b""}, "file names inside the level"),
    ([difficulty("Hard")], {"": b""}, "file names inside the level"),
    ([difficulty("Hard")], {"a/b": b""}, "flat list of different file names"),
    ([difficulty("Hard")], {"info.dat": b""}, "flat list of different file names"),
    ([difficulty("Hard")], {"song.egg": Path("/nowhere/a.egg")}, "likely .* a missing file"),
]


@pytest.mark.parametrize("name", ["level", "level.zip"])
@pytest.mark.parametrize(("difficulties", "files", "match"), BAD_WRITES)
def test_a_failed_write_leaves_nothing(
    tmp_path: Path,
    name: str,
    difficulties: list[Difficulty],
    files: dict[str, bytes | Path],
    match: str,
) -> None:
    with pytest.raises(ValueError, match=match) as error:
        write_level(tmp_path / name, INFO, difficulties, files)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_the_older_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "level.zip"
    write_level(path, LEVEL.info, LEVEL.difficulties, FILES)
    before = path.read_bytes()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(levelzip, "_copy", full_disk)
    with pytest.raises(ValueError, match="No space left on device"):
        write_level(path, replace(INFO, title="other"), LEVEL.difficulties, FILES)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["level", "level.zip"])
def test_writing_where_one_cannot_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="likely a missing or read-only folder"):
        write_level(tmp_path / "missing" / name, INFO, LEVEL.difficulties, FILES)
    (tmp_path / "level").write_text("a file")
    (tmp_path / "level.zip").mkdir()
    with pytest.raises(ValueError, match="expected to write the level"):
        write_level(tmp_path / name, INFO, LEVEL.difficulties, FILES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["level", "level.zip"]
