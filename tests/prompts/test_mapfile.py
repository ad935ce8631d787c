"""Levels in folders and zips: what is read, what is refused, what is written."""

import gzip
import json
import logging
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from level_files import (
    FILES,
    INFO,
    LEVEL,
    SOUND,
    difficulty,
    hand_info,
    hand_level,
    write_files,
    zip_files,
)

from saberlm.prompts import schema_v3, schema_v4
from saberlm.prompts.beatmap import (
    Beatmap,
    BpmEvent,
    ColorNote,
    ColorScheme,
    LightEvent,
)
from saberlm.prompts.info_v2 import info_v2_to_dict
from saberlm.prompts.mapfile import difficulty_version, open_level_files, read_level, write_level


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
    info = info_v2_to_dict(INFO, [difficulty("ExpertPlus"), difficulty("Easy")])
    assert info["_version"] == "2.1.0"
    assert info["_songTimeOffset"] == 0
    assert info["_environmentNames"] == ["NiceEnvironment"]
    assert info["_allDirectionsEnvironmentName"] == "GlassDesertEnvironment"
    (group,) = info["_difficultyBeatmapSets"]
    assert [d["_difficultyRank"] for d in group["_difficultyBeatmaps"]] == [1, 9]
    assert group["_difficultyBeatmaps"][0]["_beatmapColorSchemeIdx"] == -1


def test_a_long_title_is_cut_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        info = info_v2_to_dict(replace(INFO, title="t" * 90, mapper="m" * 20), [difficulty("Hard")])
    assert len(info["_songName"]) + len(info["_levelAuthorName"]) == 100
    assert info["_levelAuthorName"] == "m" * 20
    assert "at most 100 characters" in caplog.text
    info = info_v2_to_dict(replace(INFO, title="t", mapper="m" * 200), [difficulty("Hard")])
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


def test_the_environment_list_is_kept_beside_the_single_name(tmp_path: Path) -> None:
    entry = {"_difficulty": "expert+", "_beatmapFilename": "Expert.dat", "_environmentNameIdx": 1}
    group = {"_beatmapCharacteristicName": "Standard", "_difficultyBeatmaps": [entry]}
    names = {"_environmentName": "A", "_environmentNames": ["B", "C"]}
    files = hand_level(_difficultyBeatmapSets=[group], **names)
    level = read_level(write_files(tmp_path / "level", files))
    assert level.info.environment == "A"
    assert level.info.environments == ("B", "C")
    assert level.difficulties[0].environment_index == 1
    assert level.difficulties[0].name == "ExpertPlus"


INFO_V4 = {"version": "4.0.0", "song": {}, "audio": {"bpm": 120}}
BAD_LEVELS: list[tuple[dict[str, Any], str]] = [
    ({"song.egg": b""}, "expected an Info.dat, found 1 other"),
    ({"Info.dat": "{"}, r"Info\.dat: expected JSON, found a fault at line 1"),
    ({"Info.dat": "[]"}, "expected a JSON object, found list"),
    ({"Info.dat": json.dumps(INFO_V4)}, "list of objects `difficultyBeatmaps`, found none"),
    ({"Info.dat": json.dumps({"beatsPerMinute": 0})}, "`beatsPerMinute` above 0, found 0"),
    ({"Info.dat": b"\x1f\x8b\x08\x00"}, r"Info\.dat: expected whole gzip data"),
    ({"Info.dat": json.dumps(hand_info())}, r"expected a file 'Expert\.dat', found Info\.dat"),
    (hand_level(_beatsPerMinute=None), "`_beatsPerMinute` above 0, found None"),
    (hand_level(_beatsPerMinute=-1), "`_beatsPerMinute` above 0, found -1"),
    (hand_level(_beatsPerMinute="fast"), "finite number for `_beatsPerMinute`, found 'fast'"),
    (hand_level(_difficultyBeatmapSets=None), "list of objects `_difficultyBeatmapSets`, found no"),
    (hand_level() | {"EXPERT.dat": '{"version": "3.0.0"}'}, "expected a v3 difficulty"),
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


V2_FILE = {"_version": "2.0.0", "_notes": [], "_obstacles": [], "_events": []}
V3_FILE = schema_v3.serialize(Beatmap((ColorNote(2.0, 1, 0, 0, 1),)), Counter())
V4_FILE, SHOW = schema_v4.serialize(
    Beatmap((ColorNote(2.0, 1, 0, 0, 1),), lights=(LightEvent(1.0, 1, 3),)), Counter()
)
AUDIO_DATA = {
    "version": "4.0.0",
    "songChecksum": "",
    "songSampleCount": 300,
    "songFrequency": 10,
    "bpmData": [
        {"si": 0, "ei": 100, "sb": 0, "eb": 20},
        {"si": 100, "ei": 300, "sb": 20, "eb": 40},
    ],
    "lufsData": [],
}


def v4_entry(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "characteristic": "Standard",
        "difficulty": name,
        "beatmapAuthors": {"mappers": ["M"], "lighters": []},
        "environmentNameIdx": 0,
        "beatmapColorSchemeIdx": -1,
        "noteJumpMovementSpeed": 10,
        "noteJumpStartBeatOffset": 0,
        "beatmapDataFilename": f"{name}.dat",
        "lightshowDataFilename": "Lights.dat",
    } | changes


def v4_level(*names: str, **files: Any) -> dict[str, bytes | str]:
    """A level of Info v4 whose difficulties share one lightshow."""
    audio = {"songFilename": "song.ogg", "audioDataFilename": "AudioData.dat", "bpm": 120}
    info = {
        "version": "4.0.1",
        "song": {"title": "x"},
        "audio": audio,
        "environmentNames": ["NiceEnvironment"],
        "difficultyBeatmaps": [v4_entry(name) for name in names],
    }
    return {
        "Info.dat": json.dumps(info),
        "lights.DAT": json.dumps(SHOW),
        "AudioData.dat": json.dumps(AUDIO_DATA),
        **{f"{name}.dat": json.dumps(data) for name, data in files.items()},
    }


def test_info_v4_points_at_any_version(tmp_path: Path) -> None:
    files = v4_level("Easy", "Normal", "Hard", Easy=V4_FILE, Normal=V3_FILE, Hard=V2_FILE)
    level = read_level(write_files(tmp_path / "level", files))
    assert [one.version for one in level.difficulties] == ["4.1.0", "3.3.0", "2.0.0"]
    four, three, two = (one.beatmap for one in level.difficulties)
    # AudioData's tempo is the v4 difficulty's alone; the others have their own events
    assert four.bpm_events == (BpmEvent(20.0, 60.0),)
    assert three.bpm_events == two.bpm_events == ()
    assert level.notes_on_reading == {"difficulty whose tempo is not that of the tempo file": 2}
    assert four.lights == (LightEvent(1.0, 1, 3),)
    assert three.lights == ()
    assert [one.lightshow_filename for one in level.difficulties] == ["Lights.dat", "", ""]
    assert level.audio_data is not None
    assert level.audio_data.sample_count == 300


def test_lightshow_and_audio_data_may_be_missing_or_unreadable(tmp_path: Path) -> None:
    files = v4_level("Easy", "Hard", Easy=V4_FILE, Hard=V4_FILE)
    without = {name: data for name, data in files.items() if name in ("Info.dat", "Easy.dat")}
    level = read_level(write_files(tmp_path / "without", without))
    assert level.notes_on_reading == {"audio data file missing": 1}
    assert level.difficulties[0].notes_on_reading == {"lightshow file missing": 1}
    assert [name for name, _ in level.unread] == ["Hard.dat"]
    broken = files | {"lights.DAT": "{", "AudioData.dat": "[]"}
    level = read_level(write_files(tmp_path / "broken", broken))
    assert level.notes_on_reading == {"tempo file that cannot be read ignored": 1}
    for one in level.difficulties:
        assert one.notes_on_reading == {"lightshow file that cannot be read ignored": 1}


def test_gzip_files_are_read(tmp_path: Path) -> None:
    files = {
        name: gzip.compress(data.encode() if isinstance(data, str) else data)
        for name, data in v4_level("Easy", Easy=V4_FILE).items()
    }
    level = read_level(zip_files(tmp_path / "level.zip", files))
    assert level.difficulties[0].beatmap.lights
    assert level.notes_on_reading == {"gzip data unpacked": 2}


@pytest.mark.parametrize(
    ("data", "version"),
    [
        (V2_FILE, 2),
        (V3_FILE, 3),
        (V4_FILE, 4),
        ({"_notes": [], "colorNotes": [], "_version": "2.0.0"}, 2),
        ({"colorNotes": [], "version": "4"}, 4),
        ({"colorNotes": [{"b": 1, "i": 0}]}, 4),
        ({"colorNotes": [{"b": 1, "x": 0}]}, 3),
        ({"_notes": [], "bpmEvents": [], "version": "3.3.0"}, 2),
        ({"version": "4.0.0"}, 4),
        ({}, 2),
    ],
)
def test_a_difficulty_is_judged_by_its_content(data: dict[str, Any], version: int) -> None:
    assert difficulty_version(data) == version
    signs = {key: value for key, value in data.items() if "version" not in key}
    if version != 4 or "colorNotesData" in data:
        for wrong in ({"_version": "9"}, {"version": "x"}, {"version": None}):
            assert difficulty_version(signs | wrong) == version


def test_a_wrong_version_is_counted(tmp_path: Path) -> None:
    files = hand_level() | {"EXPERT.dat": json.dumps(V3_FILE | {"version": "2.0.0"})}
    (only,) = read_level(write_files(tmp_path / "level", files)).difficulties
    assert only.beatmap.color_notes
    assert list(only.notes_on_reading.values()) == [1]


def test_what_cannot_be_read_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    entries = [
        {"_difficulty": name, "_beatmapFilename": f"{name}.dat"}
        for name in ("Easy", "Normal", "Hard", "Expert")
    ]
    group = {"_beatmapCharacteristicName": "Standard", "_difficultyBeatmaps": entries}
    files = hand_level(_difficultyBeatmapSets=[group]) | {"Easy.dat": "{", "Hard.dat": "{}"}
    level = read_level(write_files(tmp_path / "level", files))
    assert [one.name for one in level.difficulties] == ["Expert"]
    assert [name for name, _ in level.unread] == ["Easy.dat", "Normal.dat", "Hard.dat"]
    assert all(reason.startswith(str(tmp_path)) for _, reason in level.unread)


BPM_INFO = {
    "_version": "2.0.0",
    "_songSampleCount": 300,
    "_songFrequency": 10,
    "_regions": [{"_startSampleIndex": 0, "_endSampleIndex": 300, "_startBeat": 0, "_endBeat": 60}],
}


@pytest.mark.parametrize(("end_beat", "disagrees"), [(60, False), (90, True)])
def test_a_bpm_info_is_carried_and_never_applied(
    tmp_path: Path, end_beat: int, disagrees: bool
) -> None:
    region = BPM_INFO["_regions"][0] | {"_endBeat": end_beat}  # type: ignore[index]
    files = hand_level() | {"bpminfo.dat": json.dumps(BPM_INFO | {"_regions": [region]})}
    level = read_level(write_files(tmp_path / "level", files))
    assert level.audio_data is not None
    assert level.audio_data.regions[0].end_beat == end_beat
    assert level.difficulties[0].beatmap.bpm_events == ()
    assert bool(level.notes_on_reading) is disagrees


RICH_INFO = {
    "_songTimeOffset": 0.5,
    "_shuffle": 1,
    "_shufflePeriod": 0.25,
    "_allDirectionsEnvironmentName": "OtherEnvironment",
    "_environmentNames": ["A", "B"],
    "_colorSchemes": [
        {
            "useOverride": True,
            "colorScheme": {
                "colorSchemeId": "User",
                "saberAColor": {"r": 0.1, "g": 0.2, "b": 0.3, "a": 1},
            },
        }
    ],
    "_unknown": [1],
    "_customData": {"_contributors": []},
    "_difficultyBeatmapSets": [
        {
            "_beatmapCharacteristicName": "Standard",
            "_customData": {"_label": "set"},
            "_difficultyBeatmaps": [
                {
                    "_difficulty": "Expert",
                    "_difficultyRank": 7,
                    "_beatmapFilename": "Expert.dat",
                    "_noteJumpMovementSpeed": 12,
                    "_noteJumpStartBeatOffset": 0,
                    "_beatmapColorSchemeIdx": 0,
                    "_environmentNameIdx": 1,
                    "_customData": {"_requirements": ["Chroma"]},
                    "_odd": True,
                }
            ],
        }
    ],
}


def test_everything_of_an_info_v2_is_written_again(tmp_path: Path) -> None:
    files = hand_level(**RICH_INFO)
    level = read_level(write_files(tmp_path / "level", files))
    lost: Counter[str] = Counter()
    written = info_v2_to_dict(level.info, level.difficulties, lost)
    assert lost == Counter()
    assert {key: written[key] for key in RICH_INFO} == RICH_INFO


def test_info_v2_counts_what_is_only_version_4s() -> None:
    info = replace(
        INFO,
        lufs=-3.0,
        duration=9.0,
        preview_filename="other.ogg",
        extra={"unknown": 1},
        color_schemes=(ColorScheme("x", True, False, {}),),
    )
    one = replace(difficulty("Hard"), mappers=("B", "C"), lighters=("D",), extra={"odd": 1})
    lost: Counter[str] = Counter()
    info_v2_to_dict(info, [one], lost)
    assert sum(lost.values()) == 8


def test_difficulties_may_share_a_file(tmp_path: Path) -> None:
    shared = [
        replace(difficulty("Hard"), filename="one.dat"),
        replace(difficulty("Easy"), filename="ONE.dat"),
        replace(difficulty("Expert"), filename="one.dat", beatmap=Beatmap()),
    ]
    write_level(tmp_path / "level", INFO, shared, FILES)
    level = read_level(tmp_path / "level")
    assert sorted(one.filename for one in level.difficulties) == [
        "ExpertStandard.dat",
        "one.dat",
        "one.dat",
    ]
    named = [replace(difficulty("Hard"), filename="Info.dat")]
    write_level(tmp_path / "other", INFO, named, FILES)
    assert read_level(tmp_path / "other").difficulties[0].filename == "HardStandard.dat"


def test_an_unknown_version_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected version 2, 3 or 4 to write, found 5"):
        write_level(tmp_path / "level", INFO, [], {}, version=5)


def test_more_difficulties_than_any_level_has_are_refused(tmp_path: Path) -> None:
    files = hand_level()
    info = json.loads(files["info.dat"])
    members = info["_difficultyBeatmapSets"][0]["_difficultyBeatmaps"]
    info["_difficultyBeatmapSets"][0]["_difficultyBeatmaps"] = members * 300
    path = write_files(tmp_path / "level", {**files, "info.dat": json.dumps(info)})
    with pytest.raises(ValueError, match="expected at most 200 difficulties, found"):
        read_level(path)
