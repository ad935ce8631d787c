"""Work on human levels of every version with a tiny random model: what is not asked for stays."""

import io
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from edit_kit import VERSIONS, info_without_changes, level_files, random_beatmap, write_level

from saberlm.adapter.frontend import LogMelFrontEnd
from saberlm.adapter.loading import LoadedModel
from saberlm.infer.chroma import COLORED_TYPES
from saberlm.infer.level_editor import LevelEditor
from saberlm.infer.level_edits import EditedLevel, Span
from saberlm.infer.level_request import LevelRequest
from saberlm.infer.mapper import Mapper
from saberlm.prompts.beatmap import Beatmap, BpmEvent, Obstacle
from saberlm.prompts.difficulty_edit import CHANGEABLE, PLAYABLE, SHOWN
from saberlm.prompts.errors import LevelError
from saberlm.prompts.level_edit import LevelDraft
from saberlm.prompts.mapfile import open_level_files, read_level
from saberlm.prompts.retempo import move_beats
from saberlm.prompts.tempo import TempoMap

SECONDS = 16.0
RATE = 22_050


def sound(seconds: float = SECONDS) -> bytes:
    noise = np.random.default_rng(0).normal(0, 0.1, int(RATE * seconds)).astype(np.float32)
    buffer = io.BytesIO()
    soundfile.write(buffer, noise, RATE, format="OGG", subtype="VORBIS")
    return buffer.getvalue()


SOUND = sound()


@pytest.fixture(scope="module")
def mapper(tiny_model: Any) -> Mapper:
    return Mapper(LoadedModel(tiny_model, LogMelFrontEnd(), "tiny"))


def level_of(
    folder: Path,
    version: int,
    names: tuple[str, ...] = ("Hard", "Expert"),
    *,
    beats: int = 28,
    late: float = 0.0,
    **more: Any,
) -> Path:
    """A level whose notes stand ``late`` beats behind their grid."""
    maps = {
        name: move_beats(random_beatmap(i, version, beats), lambda beat: beat + late)
        for i, name in enumerate(names)
    }
    files = level_files(version, maps, song=SOUND, **more)
    return write_level(folder / f"level{version}.zip", files)


def editor(mapper: Mapper, path: Path, song: Path | None = None, **given: Any) -> LevelEditor:
    request = LevelRequest.of(path, **{"max_segment_tokens": 24, "temperature": 1.0, **given})
    return LevelEditor(mapper, LevelDraft(path), request, song)


def beatmaps(path: Path) -> dict[str, Beatmap]:
    return {one.name: one.beatmap for one in read_level(path).difficulties}


def check_files(before: Path, after: Path, *, touched: set[str], added: set[str]) -> None:
    """Nothing but the files of these difficulties and Info.dat differs, and of Info.dat nothing but
    what may."""
    files = [open_level_files(path) for path in (before, after)]
    names = {f"{name}.dat" for name in touched} | {f"{name}.lightshow.dat" for name in touched}
    for name in set(files[0].names()) - names - {"info.dat"}:
        assert files[1].read(name) == files[0].read(name), name
    infos = [json.loads(one.read("info.dat")) for one in files]
    assert info_without_changes(infos[1], added) == info_without_changes(infos[0], added)
    customs = [one.get("_customData") or one.get("customData") for one in infos]
    for key, value in customs[0].items():
        if isinstance(value, dict):
            assert value.items() <= customs[1][key].items()
        else:
            assert customs[1][key] == value


def outside(
    beatmap: Beatmap, span: tuple[float, float], tempo: TempoMap, groups: tuple[str, ...]
) -> dict[str, list[Any]]:
    """Objects with no end in a stretch of seconds, with what readers do not know of them."""

    def inside(item: Any) -> bool:
        ends = (item.beat, getattr(item, "tail_beat", item.beat))
        return any(span[0] - 1e-6 <= tempo.to_seconds(beat) < span[1] - 1e-6 for beat in ends)

    return {
        group: [(item, item.extra) for item in getattr(beatmap, group) if not inside(item)]
        for group in groups
    }


TEMPO = TempoMap(120.0)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("late", "new_lights"), [(0.0, False), (0.137, True)])
def test_a_range_is_made_anew_and_nothing_else(
    mapper: Mapper, tmp_path: Path, version: int, late: float, new_lights: bool
) -> None:
    path = level_of(tmp_path, version, late=late)
    edited = editor(mapper, path, difficulties=["Expert"], seed=3).remap(
        Span.parse("4-9.5s"), new_lights=new_lights
    )
    out = tmp_path / "out.zip"
    edited.save(out)
    check_files(path, out, touched={"Expert"}, added=set())
    (one,) = edited.difficulties
    assert 4.0 <= one.seconds[0] < one.seconds[1] <= 9.5
    before, after = beatmaps(path), beatmaps(out)
    assert after["Hard"] == before["Hard"]
    for group in CHANGEABLE:
        if group in SHOWN and not new_lights:
            assert getattr(after["Expert"], group) == getattr(before["Expert"], group)
    same = [outside(b["Expert"], one.seconds, TEMPO, CHANGEABLE) for b in (before, after)]
    assert same[0] == same[1]
    assert one.change.added.color_notes
    for note in one.change.added.color_notes:
        assert one.seconds[0] - 1e-6 <= TEMPO.to_seconds(note.beat) < one.seconds[1]
        tick = (note.beat - late) * 48
        assert abs(tick - round(tick)) < 0.1  # on the beats of the human's notes
    assert not edited.draft.lost
    custom = read_level(out).info.custom_data
    assert custom["_saberlm"]["automapper"] is True  # type: ignore[index]
    assert "Expert: notes" in str(custom["_information"])


@pytest.mark.parametrize("version", VERSIONS)
def test_an_unfinished_map_goes_on(mapper: Mapper, tmp_path: Path, version: int) -> None:
    path = level_of(tmp_path, version, beats=15)
    edited = editor(mapper, path, difficulties=["Hard"]).go_on()
    out = tmp_path / "out.zip"
    edited.save(out)
    check_files(path, out, touched={"Hard"}, added=set())
    before, after = beatmaps(path)["Hard"], beatmaps(out)["Hard"]
    added = edited.difficulties[0].change.added
    last = max(n.beat for n in before.color_notes)
    assert added.color_notes
    assert added.lights  # the show ended where the notes did
    for group in CHANGEABLE:
        kept = list(getattr(before, group))
        new = getattr(added, group)
        assert sorted(getattr(after, group)) == sorted([*kept, *new])
        assert all(item.beat > last for item in new)


def test_a_map_may_go_on_within_its_last_bar(mapper: Mapper, tmp_path: Path) -> None:
    """Some seed has a note between the last given one and the end of that bar."""
    path = level_of(tmp_path, 3, beats=13)
    last = max(n.beat for n in beatmaps(path)["Hard"].color_notes)
    bar_end = 4 * (last // 4 + 1)
    beats = [
        note.beat
        for seed in range(4)
        for note in editor(mapper, path, difficulties=["Hard"], seed=seed, nps=8.0)
        .go_on(new_lights=False)
        .difficulties[0]
        .change.added.color_notes
    ]
    assert any(last < beat < bar_end for beat in beats)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("each", [False, True])
def test_lights_alone_leave_all_that_is_played(
    mapper: Mapper, tmp_path: Path, version: int, each: bool
) -> None:
    path = level_of(tmp_path, version)
    edited = editor(mapper, path).light(each=each)
    out = tmp_path / "out.zip"
    edited.save(out)
    check_files(path, out, touched={"Hard", "Expert"}, added=set())
    before, after = beatmaps(path), beatmaps(out)
    for name in before:
        for group in PLAYABLE:
            assert getattr(after[name], group) == getattr(before[name], group)
        assert after[name].lights
        assert after[name].lights != before[name].lights
    assert (after["Hard"].lights == after["Expert"].lights) is not each
    assert "automapper" not in read_level(out).info.custom_data["_saberlm"]  # type: ignore[operator]


@pytest.mark.parametrize("version", VERSIONS)
def test_new_lights_are_coloured_for_those_who_have_the_mod(
    mapper: Mapper, tmp_path: Path, version: int
) -> None:
    path = level_of(tmp_path, version)
    outs = []
    for chroma in (None, "neon"):
        edited = editor(mapper, path, chroma=chroma).light()
        outs.append(tmp_path / f"{chroma}.zip")
        edited.save(outs[-1])
        assert not edited.draft.lost
    plain, colored = map(beatmaps, outs)
    assert plain == colored  # what the unmodded game shows is the same
    burning = [e for e in colored["Hard"].lights if e.type in COLORED_TYPES and e.value > 0]
    assert burning
    key = "_color" if version == 2 else "color"
    assert all(key in (event.extra or {})["customData"] for event in burning)
    assert all("customData" not in (event.extra or {}) for event in plain["Hard"].lights)
    suggested = [
        LevelDraft(out).entry_custom(one).get("_suggestions", [])
        for out in outs
        for one in read_level(out).difficulties
    ]
    assert suggested == [[], [], ["Chroma"], ["Chroma"]]


def test_a_range_with_new_lights_colours_these_alone(mapper: Mapper, tmp_path: Path) -> None:
    path = level_of(tmp_path, 3)
    edited = editor(mapper, path, difficulties=["Hard"], chroma="ember").remap(
        Span.parse("4-8s"), new_lights=True
    )
    edited.save(tmp_path / "out.zip")
    for event in beatmaps(tmp_path / "out.zip")["Hard"].lights:
        if "customData" in (event.extra or {}):
            assert 4.0 <= TEMPO.to_seconds(event.beat) < 8.0
    kept = editor(mapper, path, difficulties=["Hard"], chroma="ember").remap(Span.parse("4-8s"))
    assert "_suggestions" not in kept.draft.contents()["info.dat"].decode()


def test_a_map_for_mods_is_worked_on_with_a_warning(mapper: Mapper, tmp_path: Path) -> None:
    beatmap = random_beatmap(0, 3)
    far = replace(beatmap, obstacles=(*beatmap.obstacles, Obstacle(6.0, 7, 0, 1.0, 1, 5)))
    files = level_files(3, {"Hard": far, "Expert": beatmap}, song=SOUND)
    path = write_level(tmp_path / "level.zip", files)
    edited = editor(mapper, path).remap(Span.parse("4-8s"))
    (warning,) = edited.warnings
    assert warning.startswith("Hard has objects for mods")
    assert "(1 objects were not looked at)" in warning
    info = json.loads(files["info.dat"])
    for entry in info["_difficultyBeatmapSets"][0]["_difficultyBeatmaps"]:
        entry.setdefault("_customData", {})["_requirements"] = ["Noodle Extensions", "Chroma"]
    files["info.dat"] = json.dumps(info).encode()
    path = write_level(tmp_path / "noodle.zip", files)
    warnings = editor(mapper, path).light().warnings
    assert [one.partition(":")[0] for one in warnings] == [
        f"{name} is made for Noodle Extensions and Chroma" for name in ("Hard", "Expert")
    ]
    assert editor(mapper, level_of(tmp_path, 3)).light().warnings == ()


def test_new_difficulties_may_have_decorative_walls(mapper: Mapper, tmp_path: Path) -> None:
    path = level_of(tmp_path, 3, ("Expert",))
    made = [
        editor(mapper, path, difficulties=["Easy"], nps=1.0, decorative_walls=amount).spread()
        for amount in ("none", "high")
    ]
    plain, decorated = (one.difficulties[0].change.added for one in made)
    assert decorated.color_notes == plain.color_notes
    assert len(decorated.obstacles) > len(plain.obstacles)


@pytest.mark.parametrize("version", VERSIONS)
def test_missing_difficulties_join_the_others(mapper: Mapper, tmp_path: Path, version: int) -> None:
    path = level_of(tmp_path, version, ("Normal", "Expert"))
    edited = editor(mapper, path).spread()
    out = tmp_path / "out.zip"
    edited.save(out)
    added = {"Easy", "Hard", "ExpertPlus"}
    check_files(path, out, touched=set(), added=added)
    level = read_level(out)
    assert [d.name for d in level.difficulties] == [
        "Easy",
        "Normal",
        "Hard",
        "Expert",
        "ExpertPlus",
    ]
    before, after = beatmaps(path), beatmaps(out)
    ticks = {round(n.beat * 48) for n in before["Expert"].color_notes}
    assert {round(n.beat * 48) for n in after["Hard"].color_notes} <= ticks
    for name, source in {"Easy": "Normal", "Hard": "Expert", "ExpertPlus": "Expert"}.items():
        assert after[name].color_notes
        assert after[name].lights == before[source].lights
        for group in PLAYABLE:
            changes = next(d.change for d in edited.difficulties if d.name == name)
            assert sorted(getattr(after[name], group)) == sorted(getattr(changes.added, group))
    if version == 2:
        assert not any(after[name].arcs or after[name].chains for name in added)
        assert all((w.y, w.height) == (0, 5) for n in added for w in after[n].obstacles)
    assert not edited.draft.lost
    with pytest.raises(LevelError, match="saberlm map"):
        editor(mapper, path, difficulties=["Expert"]).spread()


def test_equal_seeds_give_equal_levels(mapper: Mapper, tmp_path: Path) -> None:
    path = level_of(tmp_path, 3)

    def made(seed: int) -> EditedLevel:
        return editor(mapper, path, difficulties=["Hard"], seed=seed).remap(Span.parse("2-12s"))

    contents = [made(seed).draft.contents() for seed in (1, 1, 2)]
    assert contents[0] == contents[1]
    assert contents[0]["Hard.dat"] != contents[2]["Hard.dat"]


def test_a_tempo_that_changes_is_followed(mapper: Mapper, tmp_path: Path) -> None:
    events = (BpmEvent(0.0, 120.0), BpmEvent(12.0, 150.0))
    beatmap = replace(random_beatmap(0, 3), bpm_events=events)
    files = level_files(3, {"Hard": beatmap}, song=SOUND)
    path = write_level(tmp_path / "level.zip", files)
    edited = editor(mapper, path).remap(Span.parse("7-12s"))
    (one,) = edited.difficulties
    tempo = TempoMap(120.0, events)
    assert one.change.added.color_notes
    for note in one.change.added.color_notes:
        assert 7.0 <= tempo.to_seconds(note.beat) < 12.0
        assert note.beat * 48 == pytest.approx(round(note.beat * 48), abs=1e-6)
    edited.save(tmp_path / "out.zip")
    (after,) = beatmaps(tmp_path / "out.zip").values()
    assert after.bpm_events == events


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("60-90s", Span(60, 90, "s")),
        ("1:00-1:30.5", Span(60, 90.5, "s")),
        (" 16 - 48b", Span(16, 48, "b")),
        ("2s-4s", Span(2, 4, "s")),
    ],
)
def test_spans(text: str, span: Span) -> None:
    assert Span.parse(text) == span


@pytest.mark.parametrize(
    "text", ["", "90-60s", "60-60s", "a-bs", "60-90", "2s-4b", "-3-5s", "1.2.3-9s"]
)
def test_spans_that_mean_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="--range"):
        Span.parse(text)


def test_beats_and_seconds_of_a_span_agree(mapper: Mapper, tmp_path: Path) -> None:
    path = level_of(tmp_path, 3)
    made = [
        editor(mapper, path, difficulties=["Hard"]).remap(Span.parse(text)).difficulties[0]
        for text in ("8-16b", "4-8s")
    ]
    assert made[0].change == made[1].change
    assert made[0].seconds == pytest.approx((4.0, 8.0))


def test_what_cannot_be_done_is_said(mapper: Mapper, tmp_path: Path) -> None:
    path = level_of(tmp_path, 3)
    for span, said in (("10-60s", "within the song"), ("4.1-5.9s", "whole bar")):
        with pytest.raises(LevelError, match=said):
            editor(mapper, path).remap(Span.parse(span))
    with pytest.raises(LevelError, match=r"\(Hard, Expert\), found Easy"):
        editor(mapper, path, difficulties=["Easy"]).remap(Span.parse("4-8s"))
    with pytest.raises(LevelError, match="ends 10 s or more before the song"):
        editor(mapper, path).go_on()
    files = level_files(3, {"Hard": random_beatmap(0, 3)})
    silent = write_level(tmp_path / "silent.zip", files)
    with pytest.raises(LevelError, match=r"the song 'song\.ogg'"):
        editor(mapper, silent)
    song = tmp_path / "song.ogg"
    song.write_bytes(SOUND)
    assert editor(mapper, silent, song).remap(Span.parse("4-8s")).difficulties
    broken = write_level(tmp_path / "broken.zip", files | {"song.ogg": b"not a sound at all"})
    with pytest.raises(LevelError, match=r"broken\.zip: song\.ogg"):
        editor(mapper, broken)
    newer = level_files(
        3, {"Hard": random_beatmap(0, 3)}, song=SOUND, environment="WeaveEnvironment"
    )
    with pytest.raises(LevelError, match="WeaveEnvironment"):
        editor(mapper, write_level(tmp_path / "weave.zip", newer)).light()
    lawless = {
        name: data.replace(b'"Standard"', b'"Lawless"')
        for name, data in level_files(3, {"Hard": random_beatmap(0, 3)}, song=SOUND).items()
    }
    with pytest.raises(LevelError, match="found Lawless Hard"):
        editor(mapper, write_level(tmp_path / "lawless.zip", lawless)).spread()


def test_notes_on_no_grid_are_refused(mapper: Mapper, tmp_path: Path) -> None:
    beats = random.Random(0)
    beatmap = random_beatmap(0, 3)
    notes = tuple(replace(n, beat=beats.uniform(0, 30)) for n in beatmap.color_notes)
    files = level_files(3, {"Hard": Beatmap(color_notes=notes)}, song=SOUND)
    path = write_level(tmp_path / "level.zip", files)
    with pytest.raises(LevelError, match="Hard: expected a map on the song's grid"):
        editor(mapper, path).remap(Span.parse("4-8s"))
