"""The page's fields become requests, and its words hold no markup from outside."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from level_kit import picture, sound

from saberlm.eval.playability_scene import FAULT
from saberlm.eval.report import check_level
from saberlm.infer.level_request import LevelRequest
from saberlm.infer.studio import HeardFile, Job
from saberlm.infer.tempo_estimate import Reading, TempoEstimate
from saberlm.prompts.beatmap import Beatmap, ColorNote, Difficulty, LevelInfo
from saberlm.prompts.mapfile import write_level
from saberlm.scripts.app_plots import density_plot
from saberlm.scripts.app_request import (
    PARTS,
    Settings,
    SongFields,
    WorkFields,
    make_requests,
    make_work,
)
from saberlm.scripts.app_words import (
    heard_words,
    level_cards,
    notice,
    pair_of_frames,
    progress_words,
)

TEMPO = TempoEstimate(127.99912345, 0.24712345, 0.87, "found")
HEARD = HeardFile(Path("/songs/a.ogg"), "Tune", "Somebody", 51.2, TEMPO)
BAD = HeardFile(Path("/songs/b.ogg"), "b", "", problem="expected a song")
SETTINGS = Settings(
    ["Expert"], None, list(PARTS), False, None, "", "", "", "none", "", None, None, None, 9, "soft",
    1, 0,
)  # fmt: skip
EVIL = "<img src=x onerror=alert(1)>"


def test_a_tempo_that_was_not_touched_is_found_anew_with_its_changes() -> None:
    (request,) = make_requests([HEARD], [SongFields.of(HEARD)], SETTINGS)
    assert (request.bpm, request.offset) == (None, None)
    assert (request.title, request.artist, request.song) == ("Tune", "Somebody", HEARD.path)
    assert request.lights
    assert request.prompt is None


def test_a_tempo_that_was_changed_is_given() -> None:
    shown = SongFields.of(HEARD)
    (one,) = make_requests([HEARD], [replace(shown, bpm=64.0)], SETTINGS)
    assert (one.bpm, one.offset) == (64.0, TEMPO.offset_seconds)
    (other,) = make_requests([HEARD], [replace(shown, offset=0.5)], SETTINGS)
    assert (other.bpm, other.offset) == (TEMPO.bpm, 0.5)
    (emptied,) = make_requests([HEARD], [replace(shown, bpm=None, offset=None)], SETTINGS)
    assert (emptied.bpm, emptied.offset) == (None, None)


def test_every_setting_reaches_the_request() -> None:
    settings = Settings(
        ["Hard", "Expert"], ["tech", "my own"], ["chains"], True, "/up/level.zip", "one", "high",
        "none", "low", "neon", 5.5, 16, ["chill"], 7, "strict", 3, 42,
    )  # fmt: skip
    (request,) = make_requests([HEARD], [SongFields("T", " ", 128, 0.1)], settings)
    assert request.difficulties == ("Hard", "Expert")
    assert (request.style, request.nps, request.njs) == ("tech, my own", 5.5, 16)
    assert (request.rating, request.candidates, request.seed) == (7, 3, 42)
    assert (request.sampling.playability, request.sampling.negative_style) == ("strict", "chill")
    assert request.sampling.cfg_scale == 1
    for conditions in request.conditions:
        assert (conditions.lights, conditions.bombs, conditions.arcs) == (False, False, False)
        assert (conditions.walls, conditions.chains) == (True, None)
    assert (request.walls, request.chroma) == ("high", "neon")
    assert (request.decorative_walls, request.full_spread) == ("low", True)
    assert request.reference == "/up/level.zip"


def test_work_is_on_the_level_that_was_given_or_the_newest_one() -> None:
    fields = WorkFields("/up/a.zip", "range", " 0:20-0:35 ", [], False)
    wish = make_work(fields, Path("/made/b.zip"), replace(SETTINGS, style=["tech"], seed=3))
    assert (wish.level, wish.task, wish.span) == (Path("/up/a.zip"), "range", "0:20-0:35")
    assert (wish.request.style, wish.request.seed) == ("tech", 3)
    assert wish.request.difficulties is None
    colored = make_work(fields, None, replace(SETTINGS, chroma="neon", decorative_walls="high"))
    assert (colored.request.chroma, colored.request.decorative_walls) == ("neon", "high")
    assert wish.with_seed(9).request.seed == 9
    newest = make_work(replace(fields, level=None), Path("/made/b.zip"), SETTINGS)
    assert newest.level == Path("/made/b.zip")
    with pytest.raises(ValueError, match="make a level first"):
        make_work(replace(fields, level=None), None, SETTINGS)
    with pytest.raises(ValueError, match="range"):
        make_work(replace(fields, span="from here to there"), None, SETTINGS)


def test_songs_that_cannot_be_mapped_are_left_out_and_none_is_an_error() -> None:
    fields = [SongFields.of(BAD), SongFields.of(HEARD)]
    assert [one.song for one in make_requests([BAD, HEARD], fields, SETTINGS)] == [HEARD.path]
    with pytest.raises(ValueError, match="Drop a song"):
        make_requests([], [], SETTINGS)
    with pytest.raises(ValueError, match="None of these"):
        make_requests([BAD], fields, SETTINGS)
    with pytest.raises(ValueError, match="difficulty"):
        make_requests([HEARD], [SongFields.of(HEARD)], replace(SETTINGS, difficulties=[]))
    with pytest.raises(ValueError, match="nps"):
        make_requests([HEARD], [SongFields.of(HEARD)], replace(SETTINGS, nps=99))


def test_no_word_from_outside_is_markup() -> None:
    evil = HeardFile(Path(f"/songs/{EVIL[:-1]}.ogg"), EVIL, EVIL, problem=EVIL)
    report = SimpleNamespace(valid=False, errors=[SimpleNamespace(message=EVIL)], difficulties=[])
    request = LevelRequest.of("x.ogg", style=EVIL)
    level = SimpleNamespace(
        key="k", title=EVIL, archive=Path(f'{EVIL[:-1]}".zip'), report=report, tempo=TEMPO,
        request=replace(request, reference=f"/up/{EVIL[:-1]}.zip"), lora=EVIL, warnings=(EVIL,),
    )  # fmt: skip
    assert "<img" not in pair_of_frames(level, level)
    job = Job("me", [request], problems=[EVIL], finished=True)
    for words in (heard_words(evil), notice(EVIL), level_cards([level]), progress_words(job)):
        assert "<img" not in words
        assert "&lt;img" in words


def test_a_style_word_that_the_model_does_not_know_is_said_with_the_level() -> None:
    report = SimpleNamespace(valid=True, errors=[], difficulties=[])
    for style, warned in ((None, False), ("tech", False), ("tech, teck", True)):
        level = SimpleNamespace(
            key="k", title="Tune", archive=Path("a.zip"), report=report, tempo=TEMPO, lora=None,
            request=LevelRequest.of("x.ogg", style=style), warnings=(),
        )  # fmt: skip
        words = level_cards([level])
        assert ("sl-warn" in words) == warned
        assert ("(tech?)" in words) == warned


def test_an_unsure_beat_is_marked_and_the_others_are_offered() -> None:
    unsure = replace(TEMPO, confidence=0.2, alternatives=(Reading(64, 0.5, 0.1),))
    words = heard_words(replace(HEARD, tempo=unsure))
    assert "sl-warn" in words
    assert "64 BPM" in words
    assert "sl-warn" not in heard_words(HEARD)


def test_progress_says_how_far_it_is_and_the_time_left() -> None:
    job = Job("me", [LevelRequest.of("x.ogg")] * 2, stage="mapping", song=1)
    job.advance(4, 40)
    job.advance(10, 40)
    words = progress_words(job)
    assert "width:25.0%" in words
    assert "Song 2 of 2: mapping, 25%" in words
    assert "left" in words


def test_the_plot_shows_density_faults_and_the_critic(tmp_path: Path) -> None:
    notes = [ColorNote(beat, 1, 0, 0, 1) for beat in range(8, 40)]  # the same way twice each time
    difficulty = Difficulty("Standard", "Expert", 16.0, 0.0, Beatmap(color_notes=tuple(notes)))
    empty = Difficulty("Standard", "Easy", 10.0, 0.0, Beatmap())
    files = {"song.egg": sound(), "cover.png": picture()}
    write_level(tmp_path / "a.zip", LevelInfo(title="t", bpm=120), [empty, difficulty], files)
    report = {one.name: one for one in check_level(tmp_path / "a.zip").difficulties}
    assert density_plot(report["Easy"]) == ""
    marks, plot = ElementTree.fromstring(density_plot(report["Expert"]))
    columns = [one for one in plot if one.get("fill") == "#3d9be9"]
    assert [float(one.get("height")) > 0 for one in columns].count(True) == 8  # 4 to 20 s
    found = report["Expert"].judgement.findings
    assert len(marks) == sum(one.weight >= FAULT for one in found) > 0
    assert len(plot) > len(columns), "the critic's bars"
