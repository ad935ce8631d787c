"""The app in a real browser: from the song to the zip, stopping, bad files, two people.

Runs with ``pytest -m browser`` where Chromium and the extra ``browser`` are there;
`saberlm.scripts.screenshots` takes the pictures.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_kit import DEMO_SONG, picture_of

from saberlm.eval.report import check_level
from saberlm.prompts.mapfile import read_level
from saberlm.prompts.tempo import TempoMap
from saberlm.scripts.browser import CHROMIUM, served, until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not on the PATH"),
    pytest.mark.filterwarnings("ignore"),  # of gradio's and uvicorn's own plans
]
pytest.importorskip("gradio", reason="the extra browser is not installed")
pytest.importorskip("playwright.sync_api", reason="the extra browser is not installed")

EVIL = "<img src=x onerror=alert(1)>"
PATIENCE_MILLISECONDS = 300_000
HUGE_BYTES = 200 * 2**20


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from saberlm.infer.studio import Studio

    return Studio(tmp_path_factory.mktemp("app") / "levels")


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes each bar take a second, as on a slow machine, until it is called with 0."""
    from saberlm.infer.studio import Job

    pause = [1.0]
    advance = Job.advance

    def slow(job: Job, done: int, total: int) -> None:
        advance(job, done, total)
        end = time.monotonic() + pause[0]
        while time.monotonic() < end and not job.stopped:
            time.sleep(0.01)

    monkeypatch.setattr(Job, "advance", slow)
    return lambda seconds: pause.__setitem__(0, seconds)


@pytest.fixture(scope="module")
def address(studio: Any) -> Iterator[str]:
    from saberlm.scripts.app_server import make_app

    with served(make_app(studio, studio.root.parent / "uploads")) as where:
        yield where


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Any]:
    """Opens the app as another person each time; nothing may be asked of another machine."""
    contexts = []
    outside: list[str] = []

    def visit(width: int = 1100, height: int = 600) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.on("request", lambda r: _note_outside(r.url, address, outside))
        page.on("dialog", lambda dialog: outside.append(f"a script ran: {dialog.message}"))
        page.goto(address)
        page.wait_for_selector("#go")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert outside == []


def _note_outside(url: str, address: str, outside: list[str]) -> None:
    if not url.startswith((address, "data:", "blob:")):
        outside.append(url)


def drop(page: Any, *paths: Path) -> None:
    page.set_input_files("#songs input[type=file]", [str(path) for path in paths])


def test_full_spread_chooses_all_and_a_reference_goes_with_it(
    visit: Any, studio: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the page's fields say reaches the request by the right names."""
    asked: list[Any] = []
    monkeypatch.setattr(
        type(studio), "start", lambda _, owner, requests, *more, **named: asked.extend(requests)
        or finished_job(owner, requests),
    )  # fmt: skip
    reference = tmp_path / "manner.zip"
    reference.write_bytes(b"looked at later")
    page = visit()
    drop(page, DEMO_SONG)
    page.wait_for_selector("text=128 BPM")
    page.click("#full-spread input")
    until(lambda: page.locator("#difficulties input:checked").count() == 5, "all five")
    page.click("#more button")
    page.wait_for_timeout(1000)
    page.set_input_files("#reference input[type=file]", str(reference))
    page.wait_for_selector("#reference :text('manner')")
    page.click("#decorative-walls input")
    page.get_by_role("option", name="medium").click()
    page.click("#go")
    until(lambda: asked, "the request")
    (request,) = asked
    assert request.full_spread
    assert len(request.conditions) == 5
    assert Path(request.reference).name == "manner.zip"
    assert (request.decorative_walls, request.walls) == ("medium", None)


def test_what_a_button_answers_comes_into_sight_on_a_narrow_page(visit: Any) -> None:
    page = visit(width=390, height=640)
    page.click("#go")
    page.wait_for_selector("#progress :text('Drop a song first')")
    in_sight = """() => {
        const box = document.querySelector('#progress .sl-note').getBoundingClientRect();
        return box.top >= 0 && box.bottom <= innerHeight + 1;
    }"""
    page.wait_for_function(in_sight)


def finished_job(owner: str, requests: Any) -> Any:
    from saberlm.infer.studio import Job

    return Job(owner, requests, finished=True, problems=["not made"])


def choose_only(page: Any, name: str) -> None:
    for box in page.locator("#difficulties input").all():
        box.set_checked(box.get_attribute("name") == name)


def preview_of(page: Any, name: str = "sl-preview") -> Any:
    frame = page.wait_for_selector(f"iframe[name={name}]").content_frame()
    frame.wait_for_selector("body[data-ready]")
    return frame


def play(touched: Any, other: Any) -> None:
    """Plays both (or one, given twice); a browser short of time may lose the first click."""
    for last in (False, False, True):
        touched.click("#play")
        try:
            until(lambda: other.inner_text("#clock") > "0:01", "a second of the song", 60)
            return
        except TimeoutError as error:
            playing = touched.locator("#play.playing").count() > 0
            if last:
                drawn, said = _draws(other), other.inner_text("#message")
                raise TimeoutError(
                    f"{error}: playing {playing}, frames drawn {drawn}, message {said!r}"
                ) from error
        if playing:
            touched.click("#play")


def _draws(frame: Any) -> bool:
    """Whether the browser still asks the frame for pictures: one out of sight it does not."""
    frames = """() => new Promise((resolve) => {
        requestAnimationFrame(() => resolve(true));
        setTimeout(() => resolve(false), 10000);
    })"""
    return bool(frame.evaluate(frames))


def test_from_the_song_to_the_zip_with_a_stop_between(
    visit: Any, slowly: Any, studio: Any, tmp_path: Path
) -> None:
    page = visit()
    drop(page, DEMO_SONG)
    page.wait_for_selector("text=128 BPM")
    choose_only(page, "Expert")
    page.click("#go")
    page.wait_for_selector("#progress :text('%')")
    page.click("#stop")
    page.wait_for_selector("#progress :text('Stopped')")
    assert page.locator(".sl-level").count() == 0
    slowly(0)
    page.click("#go")
    page.wait_for_selector("#progress :text('Done: 1 of 1')")
    assert "notes" in page.inner_text(".sl-level")
    with page.expect_download() as download:
        page.click(".sl-links a:text-is('Download')")
    download.value.save_as(tmp_path / "level.zip")
    assert download.value.suggested_filename == "demo song.zip"
    assert check_level(tmp_path / "level.zip").valid

    frame = preview_of(page)
    frame.locator("#stage").scroll_into_view_if_needed()
    before = picture_of(frame, "#stage")
    play(frame, frame)
    until(lambda: frame.inner_text("#clock") > "0:04", "four seconds of the song")
    assert picture_of(frame, "#stage") != before
    frame.click("#play")
    finding = frame.locator(".finding").last
    place = finding.locator("b").inner_text()
    finding.click()
    until(lambda: frame.inner_text("#clock")[:3] == place[:3], "the finding's place")
    assert "chosen" in finding.get_attribute("class")
    page.click("#again")
    page.wait_for_selector(".sl-pair")
    assert page.locator(".sl-level").count() == 2
    both = [preview_of(page, name) for name in ("sl-preview-before", "sl-preview")]
    play(*both)
    both[1].click("#play")
    until(lambda: both[0].locator("#play.playing").count() == 0, "both to stop")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.click("#work button")
    page.wait_for_timeout(
        1000
    )  # what was folded is made now; sooner than a person writes it is deaf
    page.fill("#span input, #span textarea", "0:16-0:30")
    page.keyboard.press("Tab")
    page.wait_for_timeout(500)
    page.click("#work-go")
    until(lambda: page.locator(".sl-level").count() == 3, "the level with a part made anew")
    assert "0:16-0:30 made anew" in page.locator(".sl-level").first.inner_text()
    old, new = (level for level in list(studio.levels.values())[-2:])
    assert new.report.valid
    before, after = (read_level(one.archive).difficulties[0].beatmap for one in (old, new))
    inside = [n for n in after.color_notes if n not in before.color_notes]
    tempo = TempoMap(128.0)
    assert inside
    assert all(15.9 < tempo.to_seconds(n.beat) < 30.1 for n in inside)


def test_a_broken_file_gets_a_message_and_a_song_beside_it_is_mapped(
    visit: Any, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"no song" * 100)
    page = visit()
    drop(page, broken)
    page.wait_for_selector("#song-0 .sl-bad")
    assert "expected" in page.inner_text("#song-0")
    page.click("#go")
    page.wait_for_selector("#progress :text('None of these')")


def test_a_huge_upload_gets_a_message_and_the_server_stays(visit: Any, tmp_path: Path) -> None:
    huge = tmp_path / "huge.mp3"
    with huge.open("wb") as file:
        file.truncate(HUGE_BYTES)
    page, other = visit(), visit()
    drop(page, huge)
    page.wait_for_selector("#song-0 .sl-bad")
    assert "expected" in page.inner_text("#song-0")
    drop(other, DEMO_SONG)
    other.wait_for_selector("text=128 BPM")


def test_markup_in_a_title_is_text(visit: Any, studio: Any) -> None:
    page = visit()
    drop(page, DEMO_SONG)
    page.wait_for_selector("text=128 BPM")
    page.get_by_label("Title").first.fill(EVIL)
    choose_only(page, "Easy")
    page.click("#go")
    page.wait_for_selector("#progress :text('Done')")
    assert page.inner_text(".sl-level h3") == EVIL
    frame = preview_of(page)
    assert frame.inner_text("#title") == EVIL
    assert page.locator("img[src=x]").count() == frame.locator("img[src=x]").count() == 0


def test_two_people_at_once_and_one_of_them_leaves(visit: Any, slowly: Any, studio: Any) -> None:
    one, other, third = visit(), visit(), visit()
    for page in (one, other, third):
        drop(page, DEMO_SONG)
        page.wait_for_selector("text=128 BPM")
        choose_only(page, "Hard")
    before = set(studio.jobs)
    for page in (one, other, third):
        page.click("#go")
        page.wait_for_selector("#stop:enabled")
    until(lambda: len(set(studio.jobs) - before) == 3, "three jobs")
    third.close()
    until(lambda: any(job.stopped for job in studio.jobs.values()), "the third to be missed")
    slowly(0)
    for page in (one, other):
        page.wait_for_selector("#progress :text('Done: 1 of 1')")
        assert page.locator(".sl-level").count() == 1, "each sees their own"
    jobs = [studio.jobs[owner] for owner in set(studio.jobs) - before]
    until(lambda: all(job.finished for job in jobs), "all to end")
    assert sorted(job.stopped for job in jobs) == [False, False, True]
