"""What work on a level leaves alone stays, to the byte where it can."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from edit_kit import (
    EXTRA,
    VERSIONS,
    files_of,
    info_without_changes,
    level_files,
    random_beatmap,
    write_level,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from saberlm.prompts import schema_v2, schema_v3, schema_v4
from saberlm.prompts.beatmap import Beatmap, Difficulty, LightEvent
from saberlm.prompts.difficulty_edit import (
    CHANGEABLE,
    Change,
    edit_v2,
    edit_v3,
    edit_v4,
    states_brightness,
)
from saberlm.prompts.errors import LevelError
from saberlm.prompts.level_edit import LevelDraft
from saberlm.prompts.mapfile import open_level_files, read_level


def edited(beatmap: Beatmap, change: Change, version: int) -> tuple[Beatmap, list[dict[str, Any]]]:
    """A file changed and read again; both files as they were and became."""
    raw, show = files_of(beatmap, version)
    lost: Counter[str] = Counter()
    if version == 2:
        new = edit_v2(raw, change, 120.0, lost)
        return schema_v2.deserialize(new)[0], [raw, new]
    if version == 3:
        new = edit_v3(raw, change, lost)
        return schema_v3.deserialize(new)[0], [raw, new]
    assert show is not None
    new, new_show = edit_v4(raw, show, change, lost)
    return schema_v4.deserialize(new, new_show)[0], [raw, new, show, new_show]


@settings(max_examples=30)
@given(st.integers(0, 999), st.sampled_from(VERSIONS), st.floats(0, 28), st.floats(0, 28))
def test_objects_go_and_come_and_all_else_stays(
    seed: int, version: int, one: float, other: float
) -> None:
    beatmap, more = random_beatmap(seed, version), random_beatmap(seed + 1, version)
    start, end = sorted((one, other))

    def inside(item: Any) -> bool:
        return start <= item.beat < end

    gone: dict[str, Any] = {g: tuple(filter(inside, getattr(beatmap, g))) for g in CHANGEABLE}
    come: dict[str, Any] = {g: tuple(filter(inside, getattr(more, g))) for g in CHANGEABLE}
    change = Change(Beatmap(**gone), Beatmap(**come))
    result, files = edited(beatmap, change, version)
    for group in CHANGEABLE:
        left = [item for item in getattr(beatmap, group) if not inside(item)]
        wanted = sorted([*left, *come[group]], key=lambda item: item.beat)
        found = getattr(result, group)
        assert sorted(found) == sorted(wanted), group
        assert [item.beat for item in found] == [item.beat for item in wanted]
        assert sorted(str(i.extra) for i in found) == sorted(str(i.extra) for i in wanted)
    for before, after in zip(files[::2], files[1::2], strict=True):
        assert list(before) == list(after)
        for name, value in before.items():
            if not isinstance(value, list):
                assert after[name] == value
            elif name.endswith("Data"):
                assert after[name][: len(value)] == value


@pytest.mark.parametrize("version", VERSIONS)
def test_no_change_changes_nothing(version: int) -> None:
    beatmap = random_beatmap(5, version)
    files = edited(beatmap, Change(Beatmap(), Beatmap()), version)[1]
    for before, after in zip(files[::2], files[1::2], strict=True):
        assert json.dumps(before) == json.dumps(after)


def test_brightness_is_stated_where_the_file_states_it() -> None:
    light = Beatmap(lights=(LightEvent(1.0, 1, 5, 0.5),))
    for version, stated in (("2.0.0", False), ("2.5.0", True), ("2.6.0", True), ("2.10.0", True)):
        raw = {"_version": version, "_notes": [], "_obstacles": [], "_events": []}
        assert states_brightness(raw) is stated
        lost: Counter[str] = Counter()
        (event,) = edit_v2(raw, Change(Beatmap(), light), 120.0, lost)["_events"]
        assert event.get("_floatValue") == (0.5 if stated else None)
        assert bool(lost) is not stated


def test_arcs_of_version_2_6_go_by_both_ends() -> None:
    def slider(head: float, tail: float) -> dict[str, Any]:
        return {"_colorType": 0, "_headTime": head, "_tailTime": tail, "_mine": 1}

    raw = {"_version": "2.6.0", "_notes": [], "_obstacles": [], "_events": [],
           "_sliders": [slider(1, 2), slider(1, 3), slider(2, 3)]}  # fmt: skip
    arcs = schema_v2.deserialize(raw)[0].arcs
    new = edit_v2(raw, Change(Beatmap(arcs=arcs[1:2]), Beatmap()), 120.0, Counter())
    assert new["_sliders"] == [slider(1, 2), slider(2, 3)]


def opened(
    folder: Path, version: int, *, names: tuple[str, ...] = ("Hard", "Expert"), **more: Any
) -> tuple[LevelDraft, dict[str, bytes]]:
    maps = {name: random_beatmap(i, version) for i, name in enumerate(names)}
    files = level_files(version, maps, song=b"OggS", **more)
    return LevelDraft(write_level(folder / "level.zip", files)), files


def notes_change(difficulty: Difficulty) -> Change:
    """All notes go, one comes."""
    note = difficulty.beatmap.color_notes[0]
    gone = Beatmap(color_notes=difficulty.beatmap.color_notes)
    return Change(gone, Beatmap(color_notes=(replace(note, beat=99.0, extra=None),)))


def lights_change(difficulty: Difficulty) -> Change:
    gone = Beatmap(lights=difficulty.beatmap.lights, boosts=difficulty.beatmap.boosts)
    return Change(gone, Beatmap(lights=(LightEvent(2.0, 4, 1),)))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("change_of", [notes_change, lights_change])
def test_other_files_keep_their_bytes(tmp_path: Path, version: int, change_of: Any) -> None:
    draft, files = opened(tmp_path, version)
    expert = next(one for one in draft.level.difficulties if one.name == "Expert")
    draft.change(expert, change_of(expert))
    draft.note({"who": "me"})
    draft.save(tmp_path / "out.zip")
    after = open_level_files(tmp_path / "out.zip")
    touched = {"info.dat", "Expert.dat"} | ({"Expert.lightshow.dat"} if version == 4 else set())
    assert set(after.names()) == set(files)
    for name in set(files) - touched:
        assert after.read(name) == files[name], name
    info, before = (json.loads(data) for data in (after.read("info.dat"), files["info.dat"]))
    assert info_without_changes(info, set()) == info_without_changes(before, set())
    assert {"who": "me"} in (info.get("_customData"), info.get("customData"))
    read = {d.name: d.beatmap for d in read_level(tmp_path / "out.zip").difficulties}
    same = "color_notes" if change_of is lights_change else "lights"
    assert getattr(read["Expert"], same) == getattr(expert.beatmap, same)
    assert read["Expert"] != expert.beatmap


def test_a_light_show_that_others_share_gets_a_file_of_its_own(tmp_path: Path) -> None:
    draft, files = opened(tmp_path, 4, share_show=True)
    expert = next(one for one in draft.level.difficulties if one.name == "Expert")
    draft.change(expert, lights_change(expert))
    draft.save(tmp_path / "out.zip")
    after = open_level_files(tmp_path / "out.zip")
    for name in set(files) - {"info.dat"}:
        assert after.read(name) == files[name]
    assert set(after.names()) - set(files) == {"ExpertStandard.lightshow.dat"}
    read = {d.name: d.beatmap for d in read_level(tmp_path / "out.zip").difficulties}
    assert read["Hard"].lights == draft.level.difficulties[0].beatmap.lights
    assert read["Expert"].lights == (LightEvent(2.0, 4, 1),)


def test_a_show_that_all_change_alike_stays_one_file(tmp_path: Path) -> None:
    draft, files = opened(tmp_path, 4, share_show=True)
    for one in draft.level.difficulties:
        draft.change(one, lights_change(one))
    assert set(draft.contents()) == set(files)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_added_difficulty_stands_by_its_rank(tmp_path: Path, version: int) -> None:
    draft, files = opened(tmp_path, version, names=("Hard", "ExpertPlus"))
    hard, _ = draft.level.difficulties
    for name in ("Normal", "Expert"):
        new = Difficulty("Standard", name, 11.0, 0.25, Beatmap(), mappers=("saberlm",))
        gone = {g: getattr(hard.beatmap, g) for g in CHANGEABLE[:5]}
        draft.add(hard, new, Change(Beatmap(**gone), notes_change(hard).added))
    draft.save(tmp_path / "out.zip")
    after = open_level_files(tmp_path / "out.zip")
    for name in set(files) - {"info.dat"}:
        assert after.read(name) == files[name], name
    info, before = (json.loads(data) for data in (after.read("info.dat"), files["info.dat"]))
    added = {"Normal", "Expert"}
    assert info_without_changes(info, added) == info_without_changes(before, added)
    level = read_level(tmp_path / "out.zip")
    assert [d.name for d in level.difficulties] == ["Normal", "Hard", "Expert", "ExpertPlus"]
    normal = level.difficulties[0]
    assert (normal.njs, normal.offset) == (11.0, 0.25)
    assert len(normal.beatmap.color_notes) == 1
    assert normal.beatmap.lights == hard.beatmap.lights
    if version == 4:
        assert normal.lightshow_filename == hard.lightshow_filename
        assert (normal.mappers, normal.lighters) == (("saberlm",), ("Another",))
    assert not (normal.extra or {}).get("customData")


def test_folders_in_the_zip_stay_and_files_beside_the_level_are_told(tmp_path: Path) -> None:
    files = level_files(3, {"Hard": random_beatmap(0, 3)})
    files["autosaves/1/Hard.dat"] = EXTRA
    inside = LevelDraft(write_level(tmp_path / "a.zip", files))
    inside.save(tmp_path / "out.zip")
    inside.save(tmp_path / "out")
    assert open_level_files(tmp_path / "out.zip").read("autosaves/1/Hard.dat") == EXTRA
    assert (tmp_path / "out/autosaves/1/Hard.dat").read_bytes() == EXTRA
    assert not inside.lost
    with_other = {f"My Level/{k}": v for k, v in files.items()} | {"readme.txt": b"hello"}
    path = write_level(tmp_path / "c.zip", with_other)
    assert LevelDraft(path).lost["file outside the level's folder in the zip"] == 1


def test_what_cannot_be_worked_on_is_refused(tmp_path: Path) -> None:
    v1 = {"songName": "x", "beatsPerMinute": 100, "difficultyLevels": [
        {"difficulty": "Expert", "difficultyRank": 4, "audioPath": "song.ogg",
         "jsonPath": "Expert.json"}]}  # fmt: skip
    v1_map = {"_version": "1.5.0", "_beatsPerMinute": 100, "_notes": [], "_events": [],
              "_obstacles": []}  # fmt: skip
    files = {"info.json": json.dumps(v1).encode(), "Expert.json": json.dumps(v1_map).encode()}
    with pytest.raises(LevelError, match="saberlm convert"):
        LevelDraft(write_level(tmp_path / "v1", files))
    with pytest.raises(LevelError, match="inside the level"):
        LevelDraft(write_level(tmp_path / "bad.zip", {"../info.dat": b"{}"}))
    with pytest.raises(LevelError, match="nothing there"):
        LevelDraft(tmp_path / "none.zip")


def test_the_level_itself_is_not_overwritten_unless_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft, files = opened(tmp_path, 3)
    path = tmp_path / "level.zip"
    before = path.read_bytes()
    with pytest.raises(LevelError, match="--overwrite"):
        draft.save(path)
    assert path.read_bytes() == before

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("saberlm.prompts.levelzip._copy", full)
        for out in (path, tmp_path / "new.zip", tmp_path / "new"):
            with pytest.raises(LevelError, match="No space"):
                draft.save(out, overwrite=True)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before
    draft.save(path, overwrite=True)
    assert open_level_files(path).read("Hard.dat") == files["Hard.dat"]
    with pytest.raises(LevelError, match="existing folder"):
        draft.save(tmp_path / "no" / "out.zip")
