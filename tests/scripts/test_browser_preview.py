"""The preview page alone in a real browser: it draws, plays, answers the keyboard, takes levels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_kit import picture_of
from level_kit import picture, sound

from saberlm.eval.report import check_level
from saberlm.infer import preview
from saberlm.infer.preview import empty_page, preview_page, write_page
from saberlm.prompts.beatmap import (
    Arc,
    Beatmap,
    Bomb,
    Chain,
    ColorNote,
    Difficulty,
    LevelInfo,
    LightEvent,
    Obstacle,
)
from saberlm.prompts.mapfile import write_level
from saberlm.scripts.browser import CHROMIUM, until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not on the PATH"),
]
pytest.importorskip("playwright.sync_api", reason="the extra browser is not installed")

KINDS = ("notes", "bombs", "walls", "arcs", "chains", "lights")


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Any]:
    faults: list[str] = []
    pages = []

    def show(text: str, place: str = "", width: int = 800, height: int = 480) -> Any:
        write_page(tmp_path / "page.html", text)
        page = browser.new_page(viewport={"width": width, "height": height})
        pages.append(page)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.on("request", lambda r: r.url.startswith("http") and faults.append(r.url))
        page.goto(f"{(tmp_path / 'page.html').as_uri()}{place}")
        page.wait_for_selector("body[data-ready]")
        return page

    yield show
    for page in pages:
        page.close()
    assert faults == []


def level_zip(path: Path, version: int = 3) -> Path:
    """Two difficulties; at beat 8 (4 s) the hard one claps its hands before a bomb, a wall, an arc
    and a chain."""
    notes = (ColorNote(8, 1, 1, 0, 3), ColorNote(8, 2, 1, 1, 2), ColorNote(10, 3, 0, 1, 1))
    lights = tuple(LightEvent(0, group, 5) for group in range(5))
    hard = Beatmap(
        color_notes=notes,
        bombs=(Bomb(9, 0, 0),),
        obstacles=(Obstacle(9, 3, 0, 2, 1, 5),),
        arcs=() if version == 2 else (Arc(8, 2, 1, 1, 2, 10, 3, 0, 1),),
        chains=() if version == 2 else (Chain(10, 3, 0, 1, 1, 10.5, 2, 0, 4),),
        lights=lights,
    )
    easy = Beatmap(color_notes=notes[2:])
    difficulties = [
        Difficulty("Standard", "Easy", 10.0, 0.0, easy),
        Difficulty("Standard", "Expert", 16.0, 0.0, hard),
    ]
    info = LevelInfo(title="<b>Bold</b>", bpm=120, artist="A", mapper="B")
    write_level(
        path, info, difficulties, {"song.egg": sound(), "cover.png": picture()}, version=version
    )
    return path


def test_the_page_plays_and_goes_where_one_clicks(show: Any, tmp_path: Path) -> None:
    path = level_zip(tmp_path / "level.zip")
    page = show(preview_page(path, check_level(path)))
    assert page.inner_text("#title") == "<b>Bold</b>"
    assert "3 notes, 1 bomb, 1 wall, 1 arc, 1 chain, 5 lights" in page.inner_text("#counts")
    still = picture_of(page, "#stage")
    page.keyboard.press("Space")
    until(lambda: page.inner_text("#clock") >= "0:02.0", "two seconds", 20)
    page.keyboard.press("Space")
    assert picture_of(page, "#stage") != still
    page.locator(".finding", has_text="handclap").click()
    until(lambda: page.inner_text("#clock").startswith("0:03."), "the clap")
    box = page.locator("#timeline").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 4)
    until(lambda: page.inner_text("#clock") == "0:10.0 / 0:20.0", "the middle")
    page.keyboard.press("1")
    assert "1 note;" in page.inner_text("#counts")
    page.keyboard.press("ArrowUp")
    assert page.locator("#speed option:checked").inner_text() == "125 %"
    page.keyboard.press("Home")
    until(lambda: page.inner_text("#clock").startswith("0:00.0"), "the start")


def test_a_sound_that_never_starts_or_breaks_off_does_not_hold_the_map(
    show: Any, tmp_path: Path
) -> None:
    """As where there is no device; and a pause by a key of the headphones is one of the page."""
    page = show(preview_page(level_zip(tmp_path / "level.zip")))
    page.evaluate("""() => {
        const aborted = () => Promise.reject(new DOMException('', 'AbortError'));
        HTMLMediaElement.prototype.play = aborted;
    }""")
    page.keyboard.press("Space")
    until(lambda: page.inner_text("#clock") >= "0:01.0", "the map without sound", 60)
    assert "does not start the sound" in page.inner_text("#message")
    page.keyboard.press("Home")
    until(lambda: "0:00.5" <= page.inner_text("#clock") < "0:03", "the start, running on", 20)
    page.keyboard.press("Space")
    until(lambda: page.locator("#play.playing").count() == 0, "the pause", 20)

    page = show(preview_page(level_zip(tmp_path / "level.zip")))
    page.evaluate("""() => {
        const play = HTMLMediaElement.prototype.play;
        HTMLMediaElement.prototype.play = function () {
            window.song = this;
            return play.call(this);
        };
    }""")
    page.keyboard.press("Space")
    until(lambda: page.inner_text("#clock") >= "0:01.0", "a second with sound", 20)
    assert page.locator("#message:visible").count() == 0
    page.evaluate("window.song.pause()")
    until(lambda: page.locator("#play.playing").count() == 0, "the page to pause", 20)


def test_each_kind_of_object_and_light_is_to_be_seen(
    show: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = preview.preview_level

    def lacking(level: Any, report: Any = None) -> Any:
        """The hard difficulty, and once more for each kind without it."""
        found = whole(level, report)
        full = found["difficulties"][-1]
        found["difficulties"] = [full, *({**full, kind: []} for kind in KINDS)]
        return found

    monkeypatch.setattr(preview, "preview_level", lacking)
    page = show(preview_page(level_zip(tmp_path / "level.zip")), "#t=3.9")
    pictures = []
    for index in range(len(KINDS) + 1):
        page.select_option("#difficulty", str(index))
        page.evaluate(
            "async () => { for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame) }"
        )
        pictures.append(picture_of(page, "#stage"))
    for kind, picture_without in zip(KINDS, pictures[1:], strict=True):
        assert picture_without != pictures[0], kind


@pytest.mark.parametrize("version", [2, 3, 4])
def test_a_level_of_any_version_can_be_opened_in_the_page(
    show: Any, tmp_path: Path, version: int
) -> None:
    page = show(empty_page())
    page.set_input_files("#file", str(level_zip(tmp_path / "level.zip", version)))
    page.wait_for_selector("#counts:has-text('3 notes')")
    assert page.inner_text("#title") == "<b>Bold</b>"
    (tmp_path / "broken.zip").write_bytes(b"PK no zip")
    page.set_input_files("#file", str(tmp_path / "broken.zip"))
    page.wait_for_selector("#message:has-text('no zip')")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (300, 742)])
def test_a_phone_shows_all_of_it(show: Any, tmp_path: Path, width: int, height: int) -> None:
    """Alone, and as the app's frame, in which it should not have to be scrolled to be played."""
    page = show(preview_page(level_zip(tmp_path / "level.zip")), "#t=3.9", width, height)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for part in ("#scene", "#timeline", "#play", "#difficulty", "#speed"):
        box = page.locator(part).bounding_box()
        assert box["width"] > 20
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width + 1
        assert box["y"] + box["height"] <= height


def test_two_thousand_notes_in_sight_are_drawn(show: Any, tmp_path: Path) -> None:
    notes = tuple(ColorNote(8 + i / 2000, i % 4, i // 4 % 3, i % 2, i % 9) for i in range(2000))
    path = tmp_path / "dense.zip"
    files = {"song.egg": sound(), "cover.png": picture()}
    difficulty = Difficulty("Standard", "Expert", 16.0, 0.0, Beatmap(color_notes=notes))
    write_level(path, LevelInfo(title="dense", bpm=120), [difficulty], files)
    page = show(preview_page(path), "#t=3.6")
    milliseconds = page.evaluate(
        """async () => {
            document.getElementById('play').click();
            const times = [];
            let last = performance.now();
            for (let i = 0; i < 20; i++) {
                await new Promise(requestAnimationFrame);
                times.push(performance.now() - last);
                last = performance.now();
            }
            return times.sort((a, b) => a - b)[10];
        }"""
    )
    assert milliseconds < 1500, "still to be used without a GPU"
