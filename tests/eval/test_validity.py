"""Each rule of the validity check, broken alone in an otherwise valid level."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from level_kit import Kit, KitV4, picture, sound
from validity_cases_v4 import ERRORS_V4, WARNINGS_V4

from saberlm.eval.findings import MAX_PER_RULE, Finding
from saberlm.eval.validity import validate_level

Change = Callable[[Kit], object]


def _check(kit: Kit, tmp_path: Path) -> tuple[Finding, ...]:
    return validate_level(kit.folder(tmp_path / "level"))


def _v3(collection: str, name: str, value: Any) -> Change:
    return lambda kit: kit.v3[collection][0].__setitem__(name, value)


def _v2(collection: str, name: str, value: Any) -> Change:
    return lambda kit: kit.v2[collection][0].__setitem__(name, value)


def _info(name: str, value: Any) -> Change:
    return lambda kit: kit.info.__setitem__(name, value)


def _entry(name: str, value: Any) -> Change:
    return lambda kit: kit.entry().__setitem__(name, value)


def _file(name: str, data: bytes | None) -> Change:
    return lambda kit: kit.files.__setitem__(name, data)


def _old_info(kit: Kit, keep: str) -> None:
    kit.info["_version"] = "2.0.0"
    for name in ("_environmentNames", "_colorSchemes"):
        if name != keep:
            kit.info.pop(name)
    for index in (0, 1):
        for name in ("_environmentNameIdx", "_beatmapColorSchemeIdx"):
            if name != keep or index == 0:
                kit.entry(index).pop(name)


def _raw(name: str, old: str, new: str) -> Change:
    def change(kit: Kit) -> None:
        text = kit.contents()[name].decode()
        assert old in text
        kit.files[name] = text.replace(old, new, 1).encode()

    return change


def _set(kit: Kit) -> dict[str, Any]:
    found: dict[str, Any] = kit.info["_difficultyBeatmapSets"][0]
    return found


ERRORS: list[tuple[str, Change]] = [
    # numbers and types
    ("field.type", _v3("colorNotes", "d", "8")),
    ("field.type", _v3("colorNotes", "x", True)),
    ("field.type", _v3("colorNotes", "x", 1.0)),
    ("field.type", _v3("colorNotes", "b", None)),
    ("field.type", _v3("colorBoostBeatmapEvents", "o", 1)),
    ("field.type", _v2("_notes", "_time", "4")),
    ("field.type", _v2("_events", "_value", False)),
    ("field.type", lambda kit: kit.v3["colorNotes"].append(3)),
    ("field.type", _info("_beatsPerMinute", "120")),
    ("json.nan", _raw("Expert.dat", '"b": 4', '"b": NaN')),
    ("json.nan", _raw("Expert.dat", '"b": 4', '"b": -Infinity')),
    ("number.finite", _raw("Expert.dat", '"b": 4', '"b": 1e999')),
    ("number.finite", _raw("Hard.dat", '"_duration": 1', '"_duration": 1e999')),
    ("json.syntax", _raw("Expert.dat", "}]", "},]")),
    ("json.syntax", _file("Expert.dat", b"")),
    ("json.syntax", _file("Expert.dat", b"[" * 200_000)),
    ("json.encoding", _file("Expert.dat", b"\x1f\x8b\x08\x00")),
    ("json.object", _file("Expert.dat", b"[]")),
    ("json.object", _file("Expert.dat", b"null")),
    ("json.object", _file("Info.dat", b"null")),
    # objects of a v3 file
    ("grid.x", _v3("colorNotes", "x", 4)),
    ("grid.x", _v3("bombNotes", "x", -1)),
    ("grid.y", _v3("colorNotes", "y", 3)),
    ("grid.x", _v3("burstSliders", "tx", 4)),
    ("grid.y", _v3("sliders", "ty", -1)),
    ("color", _v3("colorNotes", "c", 3)),
    ("direction", _v3("colorNotes", "d", 9)),
    ("direction", _v3("colorNotes", "d", 1090)),
    ("direction", _v3("sliders", "tc", -1)),
    ("arc.anchor", _v3("sliders", "m", 3)),
    ("tail.before_head", _v3("sliders", "tb", 5)),
    ("tail.before_head", _v3("burstSliders", "tb", 5.99)),
    ("chain.squish", _v3("burstSliders", "s", 0)),
    ("chain.squish", _v3("burstSliders", "s", -1)),
    ("chain.squish", lambda kit: kit.v3["burstSliders"][0].pop("s")),
    ("chain.slices", _v3("burstSliders", "sc", 0)),
    ("chain.head", lambda kit: kit.v3["colorNotes"].pop(2)),
    ("chain.head", lambda kit: kit.v3["colorNotes"][2].update(c=0)),
    ("wall.duration", _v3("obstacles", "d", -1)),
    ("wall.size", _v3("obstacles", "w", 0)),
    ("wall.size", _v3("obstacles", "w", -2)),
    ("wall.size", _v3("obstacles", "h", -1)),
    ("wall.size", _v3("obstacles", "h", 6)),
    ("wall.outside", _v3("obstacles", "w", 2)),
    ("wall.outside", _v3("obstacles", "y", 2)),
    ("beat.negative", _v3("colorNotes", "b", -0.01)),
    ("beat.after_end", _v3("bombNotes", "b", 40.1)),
    ("beat.after_end", _v3("colorNotes", "b", 41)),
    ("beat.after_end", _v3("sliders", "tb", 100)),
    ("beat.after_end", _v3("obstacles", "b", 41)),
    ("beat.after_end", lambda kit: kit.v3["bpmEvents"][0].update(m=20)),
    ("bpm", _v3("bpmEvents", "m", 0)),
    ("bpm", _v3("bpmEvents", "m", -120)),
    ("rotation", lambda kit: kit.v3["rotationEvents"].append({"b": 1, "e": 2, "r": 15})),
    ("collection.missing", lambda kit: kit.v3.pop("burstSliders")),
    ("collection.missing", lambda kit: kit.v3.pop("vfxEventBoxGroups")),
    ("collection.type", lambda kit: kit.v3.update(colorNotes={})),
    ("field.missing", lambda kit: kit.v3.pop("basicEventTypesWithKeywords")),
    (
        "field.missing",
        lambda kit: (kit.v3.update(version="3.2.0"), kit.v3["bombNotes"][0].pop("x")),
    ),
    # objects of a v2 file
    ("grid.x", _v2("_notes", "_lineIndex", 4)),
    ("grid.x", _v2("_notes", "_lineIndex", 3500)),
    ("grid.y", _v2("_notes", "_lineLayer", -1)),
    ("color", _v2("_notes", "_type", 2)),
    ("direction", _v2("_notes", "_cutDirection", 1090)),
    ("wall.type", _v2("_obstacles", "_type", 3)),
    ("wall.duration", _v2("_obstacles", "_duration", -0.5)),
    ("wall.size", _v2("_obstacles", "_width", 0)),
    ("wall.outside", lambda kit: kit.v2["_obstacles"][0].update(_width=4, _lineIndex=3)),
    ("wall.outside", lambda kit: kit.v2["_obstacles"][1].update(_height=5)),
    ("field.missing", lambda kit: kit.v2["_obstacles"][1].pop("_height")),
    ("field.missing", lambda kit: kit.v2["_notes"][0].pop("_time")),
    ("beat.after_end", _v2("_notes", "_time", 41)),
    ("beat.negative", _v2("_notes", "_time", -1)),
    ("collection.missing", lambda kit: kit.v2.pop("_events")),
    # versions
    ("version.both", lambda kit: kit.v3.update(_version="2.0.0")),
    ("version.both", _info("version", "4.0.0")),
    ("version.missing", lambda kit: kit.v2.pop("_version")),
    ("version.format", lambda kit: kit.v3.update(version="3.3")),
    ("version.format", lambda kit: kit.v3.update(version=3)),
    ("version.field", lambda kit: kit.v2.update(_version="3.0.0")),
    ("version.unknown", lambda kit: kit.v3.update(version="5.0.0")),
    ("collection.missing", lambda kit: kit.v3.update(version="4.0.0")),
    ("version.unknown", _info("_version", "1.0.0")),
    # Info.dat
    ("field.missing", lambda kit: kit.info.pop("_songSubName")),
    ("field.missing", lambda kit: kit.info.pop("_shufflePeriod")),
    ("field.missing", lambda kit: kit.entry().pop("_noteJumpStartBeatOffset")),
    ("info.title", _info("_songName", "  ")),
    ("info.name_length", _info("_songName", "x" * 95)),
    ("info.bpm", _info("_beatsPerMinute", 9)),
    ("info.bpm", _info("_beatsPerMinute", 1001)),
    ("info.song_offset", _info("_songTimeOffset", 0.1)),
    ("info.preview", _info("_previewStartTime", -1)),
    ("info.environment", _info("_environmentName", "BigMirror")),
    ("info.environment", _info("_environmentNames", ["NowhereEnvironment"])),
    ("info.environment", _info("_environmentNames", [None])),
    ("info.color", lambda kit: _color(kit).update(r=2)),
    ("field.missing", lambda kit: _color(kit).pop("g")),
    ("info.no_sets", _info("_difficultyBeatmapSets", [])),
    ("info.empty_set", lambda kit: _set(kit).update(_difficultyBeatmaps=[])),
    ("info.characteristic", lambda kit: _set(kit).update(_beatmapCharacteristicName="Tabs")),
    (
        "info.characteristic_twice",
        lambda kit: kit.info["_difficultyBeatmapSets"].append(_set(kit)),
    ),
    (
        "info.rotation_environment",
        lambda kit: (
            _set(kit).update(_beatmapCharacteristicName="90Degree"),
            kit.info.update(_allDirectionsEnvironmentName="NiceEnvironment"),
        ),
    ),
    ("info.difficulty", _entry("_difficulty", "Expert+")),
    ("info.rank", _entry("_difficultyRank", 9)),
    ("info.rank", _entry("_difficultyRank", 6)),
    (
        "info.difficulty_twice",
        lambda kit: kit.entry().update(_difficulty="Hard", _difficultyRank=5),
    ),
    ("info.njs", _entry("_noteJumpMovementSpeed", -1)),
    ("info.index", _entry("_environmentNameIdx", 2)),
    ("info.index", _entry("_environmentNameIdx", -1)),
    ("info.index", _entry("_beatmapColorSchemeIdx", -2)),
    ("info.index", _entry("_beatmapColorSchemeIdx", 1)),
    ("info.before_2_1", lambda kit: _old_info(kit, "_environmentNames")),
    ("info.before_2_1", lambda kit: _old_info(kit, "_environmentNameIdx")),
    ("info.before_2_1", lambda kit: _old_info(kit, "_beatmapColorSchemeIdx")),
    ("info.custom_key", _entry("_requirements", [])),
    ("info.custom_key", _info("_contributors", [])),
    ("info.custom_data", _entry("_customData", {"_requirements": "Chroma"})),
    # files
    ("info.missing", _file("Info.dat", None)),
    ("file.missing", _file("song.egg", None)),
    ("file.missing", _file("cover.png", None)),
    ("file.missing", _file("Expert.dat", None)),
    ("audio.unreadable", _file("song.egg", b"not a sound")),
    ("audio.unreadable", _file("song.egg", b"")),
    ("audio.format", _file("song.egg", sound("PCM_16", "WAV"))),
    ("audio.format", _file("song.egg", sound("OPUS"))),
    ("cover.format", _file("cover.png", b"not a picture")),
    ("cover.format", _file("cover.png", picture(kind="GIF"))),
    ("cover.decode", _file("cover.png", picture()[:120])),
    ("cover.square", _file("cover.png", picture(300, 256))),
    ("cover.size", _file("cover.png", picture(128, 128))),
]


def _color(kit: Kit) -> dict[str, Any]:
    found: dict[str, Any] = kit.info["_colorSchemes"][0]["colorScheme"]["saberAColor"]
    return found


WARNINGS: list[tuple[str, Change]] = [
    ("collection.unsorted", lambda kit: kit.v3["colorNotes"].reverse()),
    ("stacked", lambda kit: kit.v3["colorNotes"].insert(1, dict(kit.v3["colorNotes"][0]))),
    ("stacked", lambda kit: kit.v3["bombNotes"][0].update(b=4, x=1)),
    ("field.defaulted", lambda kit: kit.v3["colorNotes"][0].pop("a")),
    ("beat.after_end", lambda kit: kit.v3["basicBeatmapEvents"][1].update(b=50)),
    ("beat.negative", lambda kit: kit.v2["_events"][0].update(_time=-1)),
    ("json.bom", _raw("Info.dat", "{", "\ufeff{")),
    ("json.duplicate", _raw("Info.dat", '"_shuffle": 0', '"_shuffle": 0, "_shuffle": 0')),
    ("info.spelling", lambda kit: kit.files.update({"Info.dat": None, "info.dat": _info_of(kit)})),
]


def _info_of(kit: Kit) -> bytes:
    return json.dumps(kit.info).encode()


@pytest.mark.parametrize("kit", [Kit, KitV4])
def test_a_valid_level_has_no_findings(kit: type[Kit], tmp_path: Path) -> None:
    assert _check(kit(), tmp_path) == ()
    assert validate_level(kit().zip(tmp_path / "level.zip")) == ()


def _cases(older: list[Any], newer: list[Any]) -> list[Any]:
    """Broken levels up to version 3 and of version 4."""
    return [
        pytest.param(kit, rule, change, id=f"{kit.__name__}-{rule}-{at}")
        for kit, cases in ((Kit, older), (KitV4, newer))
        for at, (rule, change) in enumerate(cases)
    ]


def test_older_versions_and_jpeg_are_valid(tmp_path: Path) -> None:
    kit = Kit()
    _old_info(kit, keep="")
    kit.files["cover.png"] = picture(kind="JPEG")
    kit.v2["_version"] = "2.0.0"
    kit.v2.pop("_sliders")
    kit.v3["version"] = "3.0.0"
    for name in ("lightTranslationEventBoxGroups", "vfxEventBoxGroups", "_fxEventsCollection"):
        kit.v3.pop(name)
    assert _check(kit, tmp_path) == ()


@pytest.mark.parametrize(("make", "rule", "change"), _cases(ERRORS, ERRORS_V4))
def test_a_broken_rule_is_an_error(
    make: type[Kit], rule: str, change: Callable[[Any], object], tmp_path: Path
) -> None:
    kit = make()
    change(kit)
    findings = _check(kit, tmp_path)
    assert (rule, "error") in {(one.rule, one.severity) for one in findings}
    assert all("\n" not in one.message and one.message for one in findings)


@pytest.mark.parametrize(("make", "rule", "change"), _cases(WARNINGS, WARNINGS_V4))
def test_a_blemish_is_a_warning(
    make: type[Kit], rule: str, change: Callable[[Any], object], tmp_path: Path
) -> None:
    kit = make()
    change(kit)
    assert {(one.rule, one.severity) for one in _check(kit, tmp_path)} == {(rule, "warning")}


def test_tempo_changes_move_the_end(tmp_path: Path) -> None:
    kit = Kit()
    kit.v3["bpmEvents"] = [{"b": 0, "m": 120}, {"b": 20, "m": 240}]
    kit.v3["bombNotes"] = [{"b": 59.9, "x": 0, "y": 0}]
    assert _check(kit, tmp_path) == ()


def test_zip_rules(tmp_path: Path) -> None:
    def rules(path: Path) -> set[tuple[str, str]]:
        return {(one.rule, one.severity) for one in validate_level(path)}

    assert rules(Kit().zip(tmp_path / "a.zip", "folder/")) == {("zip.folder", "error")}
    lower = Kit()
    lower.files |= {"Info.dat": None, "info.dat": _info_of(lower)}
    assert rules(lower.zip(tmp_path / "b.zip")) == {("info.spelling", "error")}
    twice = Kit(files={"SONG.egg": b"other"})
    assert rules(twice.zip(tmp_path / "c.zip")) == {("zip.name_twice", "error")}
    big = Kit(files={"big.bin": bytes(16 * 2**20)})
    assert rules(big.zip(tmp_path / "d.zip")) == {("zip.size", "warning")}


def test_findings_of_one_rule_are_summed_up(tmp_path: Path) -> None:
    kit = Kit()
    kit.v3["bombNotes"] = [{"b": 12, "x": 9, "y": 0} for _ in range(MAX_PER_RULE + 30)]
    grid = [one for one in _check(kit, tmp_path) if one.rule == "grid.x"]
    assert len(grid) == MAX_PER_RULE + 1
    assert grid[-1].message == "and 30 more of the same"
    assert grid[0].where == "Expert.dat bombNotes[0]"
    assert grid[0].beat == 12


def test_no_level_at_all(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected"):
        validate_level(tmp_path / "nothing")
