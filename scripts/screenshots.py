"""Pictures of the app and the preview, and a clip, as they stand in ``examples/``:
``python -m saberlm.scripts.screenshots [--out examples]``.

Needs Chromium on the PATH and the extra ``browser``. The demo song is mapped by the shipped model,
so that the pictures can be taken again whenever it changes. All is drawn in software: minutes.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from saberlm.scripts.browser import CHROMIUM, FLAGS, served

QUALITY = 80
WIDE, NARROW = (1280, 860), (390, 844)
CLIP_SIZE = (640, 360)
CLIP_QUALITY = 60
PATIENCE_MILLISECONDS = 120_000
SCROLL_MILLISECONDS = 2_000


def main() -> int:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("examples"), metavar="DIR")
    parser.add_argument("--song", type=Path, default=Path("examples/demo_song.ogg"))
    parser.add_argument("--model", default="nano", metavar="NAME|DIR")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chroma", metavar="PALETTE", help="colours of the lights")
    parser.add_argument("--at", type=float, default=30.0, help="second of the still pictures")
    parser.add_argument("--clip-seconds", type=float, default=6.0)
    parser.add_argument("--clip-rate", type=int, default=15, help="pictures a second")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if CHROMIUM is None:
        print("screenshots: expected chromium on the PATH, found none", file=sys.stderr)
        return 1
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page_file = shoot_app(browser, Path(folder), args)
        shoot_preview(browser, page_file, args)
        browser.close()
    return 0


def shoot_app(browser: Any, folder: Path, args: argparse.Namespace) -> Path:
    """The app, from the empty page to two levels side by side; gives the preview's page."""
    from saberlm.infer.studio import Studio
    from saberlm.scripts.app_server import make_app

    studio = Studio(folder / "levels", args.model)
    with served(make_app(studio, folder / "uploads")) as address:
        page = browser.new_page(viewport=_size(WIDE))
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.goto(address)
        page.set_input_files("#songs input[type=file]", str(args.song))
        page.wait_for_selector("#song-0 :text('sure')")
        page.click("#more button")  # what it folds is made when it is opened
        page.fill("#seed input", str(args.seed))
        if args.chroma:
            page.get_by_label("Light colours").click()
            page.get_by_role("option", name=args.chroma).click()
        page.click("#more button")
        page.click("#go")
        page.wait_for_selector("#progress :text('Done')")
        _frame_at(page, "sl-preview", args.at)
        page.evaluate("window.scrollTo(0, 0)")
        _shoot(page, args.out / "app_1280.webp")
        page.locator("#preview").scroll_into_view_if_needed()
        page.evaluate("document.getElementById('preview').scrollIntoView()")
        _frame_at(page, "sl-preview", args.at)
        _shoot(page, args.out / "app_preview_1280.webp")
        page.set_viewport_size(_size(NARROW))
        page.evaluate("window.scrollTo(0, 0)")
        _shoot(page, args.out / "app_390.webp")
        page.evaluate("document.getElementById('results').scrollIntoView()")
        _frame_at(page, "sl-preview", args.at)
        _shoot(page, args.out / "app_results_390.webp")
        page.set_viewport_size(_size(WIDE))
        (first,) = studio.levels.values()
        page.click("#again")
        page.wait_for_selector(".sl-pair")
        page.wait_for_timeout(SCROLL_MILLISECONDS)  # the page goes to what it says by itself
        page.evaluate("document.getElementById('preview').scrollIntoView()")  # unseen: not drawn
        for name in ("sl-preview-before", "sl-preview"):
            _frame_at(page, name, args.at)
        _shoot(page, args.out / "app_pair_1280.webp")
        page.close()
    return first.page


def shoot_preview(browser: Any, page_file: Path, args: argparse.Namespace) -> None:
    """The preview alone, wide and narrow, and a clip of it."""
    for size in (WIDE, NARROW):
        page = _open(browser, page_file, size, args.at)
        _shoot(page, args.out / f"preview_{size[0]}.webp")
        page.close()
    page = _open(browser, page_file, CLIP_SIZE, args.at)
    page.add_style_tag(
        content="header, .controls, #timeline, aside, #start, #message { display: none !important }"
        " .screen { height: 100vh !important; min-height: 0 !important }"
    )
    frames = []
    for number in range(round(args.clip_seconds * args.clip_rate)):
        _seek(page, args.at + number / args.clip_rate)
        frames.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    page.close()
    frames[0].save(
        args.out / "preview.webp", save_all=True, append_images=frames[1:], loop=0, method=6,
        duration=round(1000 / args.clip_rate), quality=CLIP_QUALITY,
    )  # fmt: skip


def _open(browser: Any, page_file: Path, size: tuple[int, int], second: float) -> Any:
    page = browser.new_page(viewport=_size(size))
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    page.goto(page_file.as_uri())
    page.wait_for_selector("body[data-ready]")
    _seek(page, second)
    return page


def _frame_at(page: Any, name: str, second: float) -> None:
    frame = page.wait_for_selector(f"iframe[name={name}]").content_frame()
    frame.wait_for_selector("body[data-ready]")
    _seek(frame, second)


def _seek(page: Any, second: float) -> None:
    """Shows a moment and waits until it is drawn."""
    page.evaluate(
        """async (second) => {
            location.hash = `t=${second.toFixed(3)}`;
            for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
        }""",
        second,
    )


def _shoot(page: Any, path: Path) -> None:
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(path, quality=QUALITY, method=6)


def _size(size: tuple[int, int]) -> dict[str, int]:
    return {"width": size[0], "height": size[1]}


if __name__ == "__main__":
    sys.exit(main())
