"""Info.dat v4 there and back, and what it cannot hold."""

import json
from collections import Counter
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saberlm.prompts.beatmap import DIFFICULTIES, Beatmap, ColorScheme, Difficulty, LevelInfo
from saberlm.prompts.info_v4 import (
    COLOR_NAMES,
    WHITE_COLOR_NAMES,
    info_v4_to_dict,
    read_info_v4,
)
from saberlm.prompts.level_entries import DifficultyEntry

unhurried = settings(deadline=None)

text = st.text(st.characters(codec="utf-8"), max_size=8)
name = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
number = st.floats(-500, 500)
channel = st.integers(0, 255).map(lambda step: step / 255)
color = st.tuples(channel, channel, channel, channel)
schemes = st.builds(
    ColorScheme,
    text,
    st.booleans(),
    st.booleans(),
    st.fixed_dictionaries(
        dict.fromkeys(COLOR_NAMES, color), optional=dict.fromkeys(WHITE_COLOR_NAMES, color)
    ),
)


@st.composite
def levels(draw):
    keys = draw(
        st.lists(
            st.tuples(st.sampled_from(("Standard", "90Degree")), st.sampled_from(DIFFICULTIES)),
            unique=True,
            min_size=1,
            max_size=4,
        )
    )
    environments = draw(st.lists(name, min_size=1, max_size=3))
    number_of_environment = st.integers(0, len(environments) - 1)
    entries = [
        DifficultyEntry(
            *key,
            *draw(st.tuples(number, number, name, name, number_of_environment)),
            color_scheme_index=draw(st.integers(-1, 2)),
            mappers=draw(st.lists(name, min_size=1, max_size=2).map(tuple)),
            lighters=draw(st.lists(text, max_size=2).map(tuple)),
            extra=draw(st.sampled_from((None, {"customData": {"label": "x"}}, {"zz": 1}))),
        )
        for key in keys
    ]
    info = LevelInfo(
        title=draw(text),
        bpm=draw(st.floats(1, 999)),
        subtitle=draw(text),
        artist=draw(text),
        mapper=", ".join(dict.fromkeys(who for entry in entries for who in entry.mappers)),
        audio_filename=draw(name),
        cover_filename=draw(text),
        environment=environments[entries[0].environment_index],
        preview_start=draw(number),
        preview_duration=draw(number),
        version="4.0.1",
        custom_data=draw(st.sampled_from(({}, {"editors": {"lastEditedBy": "x"}}))),
        environments=tuple(environments),
        color_schemes=draw(st.lists(schemes, max_size=2).map(tuple)),
        lufs=draw(number),
        duration=draw(number),
        preview_filename=draw(name),
        audio_data_filename=draw(text),
        extra=draw(st.sampled_from((None, {"zz": [1]}, {"song": {"zz": 1}, "audio": {"q": 2}}))),
    )
    return info, entries


def difficulty(entry):
    values = {field.name: getattr(entry, field.name) for field in fields(entry)}
    return Difficulty(**values, beatmap=Beatmap())


def written(info, entries, lost=None):
    lost = Counter() if lost is None else lost
    return json.loads(json.dumps(info_v4_to_dict(info, [*map(difficulty, entries)], lost)))


@unhurried
@given(levels())
def test_v4_keeps_a_level(level):
    info, entries = level
    lost = Counter()
    read, found, notes = read_info_v4(written(info, entries, lost), "Info.dat")
    assert read == info
    assert read.extra == info.extra
    assert found == entries
    assert [entry.extra for entry in found] == [entry.extra for entry in entries]
    assert not lost
    assert not notes


ENTRY = DifficultyEntry("Standard", "Hard", 10.0, 0.0, "Hard.dat")
INFO = LevelInfo("Song", 120.0, mapper="A & B")


def test_a_level_of_older_versions_is_written():
    lost = Counter()
    raw = written(INFO, [ENTRY], lost)
    assert not lost
    assert raw["difficultyBeatmaps"][0]["beatmapAuthors"] == {"mappers": ["A & B"], "lighters": []}
    assert raw["environmentNames"] == ["DefaultEnvironment"]
    assert raw["songPreviewFilename"] == raw["audio"]["songFilename"] == "song.egg"


def test_turning_maps_keep_their_environment():
    turning = replace(ENTRY, characteristic="360Degree")
    raw = written(replace(INFO, all_directions_environment="X"), [ENTRY, turning])
    assert raw["environmentNames"] == ["DefaultEnvironment", "X"]
    assert [entry["environmentNameIdx"] for entry in raw["difficultyBeatmaps"]] == [0, 1]


@pytest.mark.parametrize(
    ("info", "phrase"),
    [
        (replace(INFO, time_offset=1.0), "time offset of the song"),
        (replace(INFO, shuffle=1.0), "shuffle"),
        (replace(INFO, all_directions_environment="X"), "environment for all directions"),
        (
            replace(INFO, environments=("X",)),
            "environment beside the list, where it is not the first difficulty's",
        ),
        (replace(INFO, extra={"_zz": 1}), "unknown field of another format version"),
        (
            replace(
                INFO,
                color_schemes=(
                    ColorScheme("", True, True, dict.fromkeys(COLOR_NAMES, (0.1,) * 4)),
                ),
            ),
            "colour rounded to 8 bits a channel",
        ),
    ],
)
def test_what_v4_cannot_hold_is_counted(info, phrase):
    lost = Counter()
    written(info, [ENTRY], lost)
    assert phrase in lost
    assert set(lost) == {phrase}


def test_absent_colours_are_counted():
    lost = Counter()
    scheme = ColorScheme("", True, False, {"saberAColor": (1.0, 0.0, 0.0, 1.0)})
    raw = written(replace(INFO, color_schemes=(scheme,)), [ENTRY], lost)
    assert raw["colorSchemes"][0]["saberAColor"] == "FF0000FF"
    assert lost.total() == len(COLOR_NAMES) - 1


@pytest.mark.parametrize(
    ("written_as", "value"),
    [("#FF000080", (1.0, 0.0, 0.0, 128 / 255)), ("ff0000", (1.0, 0.0, 0.0, 1.0)), ("red", None)],
)
def test_colours_are_hexadecimal(written_as, value):
    raw = written(INFO, [ENTRY])
    raw["colorSchemes"] = [{"useOverride": True, "saberAColor": written_as}]
    (scheme,) = read_info_v4(raw, "Info.dat")[0].color_schemes
    assert scheme.colors.get("saberAColor") == value
    assert (scheme.override_notes, scheme.override_lights) == (True, True)


def test_the_level_has_the_mappers_of_all_difficulties():
    entries = [
        replace(ENTRY, mappers=("A", "B")),
        replace(ENTRY, name="Easy", mappers=("B", "C")),
    ]
    info, _, _ = read_info_v4(written(INFO, entries), "Info.dat")
    assert info.mapper == "A, B, C"


junk = st.none() | st.booleans() | st.integers() | st.floats() | text
anything = junk | st.lists(junk, max_size=2) | st.dictionaries(name, junk, max_size=2)


@unhurried
@given(st.data())
def test_a_damaged_info_is_read_or_refused(data):
    raw = written(INFO, [ENTRY])
    raw["colorSchemes"] = [{"saberAColor": "FF0000FF"}]
    parts = [raw, raw["song"], raw["audio"], raw["colorSchemes"][0], raw["difficultyBeatmaps"][0]]
    for _ in range(2):
        part = data.draw(st.sampled_from(parts))
        part[data.draw(st.sampled_from(sorted(part)))] = data.draw(anything)
    refused = "Info.dat: expected"
    try:
        read_info_v4(raw, "Info.dat")
    except ValueError as error:
        refused = str(error)
    assert refused.startswith("Info.dat: expected")


@pytest.mark.parametrize("names", [("Hard", "Hard"), ("Harder",)])
def test_names_of_difficulties_are_checked(names):
    with pytest.raises(ValueError, match=r"expected .* difficulty"):
        written(INFO, [replace(ENTRY, name=each) for each in names])
