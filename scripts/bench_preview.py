"""How long a frame of the preview takes with 2,000 notes in sight: ``python -m
saberlm.scripts.bench_preview``.

The page's own arithmetic for a frame is timed in node: what a machine with a GPU has left to
do beside drawing; the whole frame in Chromium, which here draws in software.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from saberlm.infer.preview import preview_page, write_page
from saberlm.prompts.beatmap import Beatmap, ColorNote, Difficulty, LevelInfo
from saberlm.prompts.mapfile import write_level
from saberlm.scripts.browser import CHROMIUM, FLAGS

SIZES = ((640, 360), (1280, 720))
SIGHT_SECONDS = 0.45
"""All notes lie in so long a stretch, which a jump of this speed shows at once."""
FRAMES = 20

# three.js draws on no page here: of one it wants nothing but a canvas for a glow
_NODE = """
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';
const [page] = process.argv.slice(1);
const given = JSON.parse(readFileSync(0, 'utf8'));
globalThis.window = globalThis; globalThis.self = globalThis;
const brush = { createRadialGradient: () => ({ addColorStop() {} }), fillRect() {},
  createImageData: (w, h) => ({ data: new Uint8ClampedArray(w * h * 4) }), putImageData() {} };
globalThis.document = { createElement: () => ({ getContext: () => brush }) };
vm.runInThisContext(readFileSync(`${page}/vendor/three.min.js`, 'utf8'));
const load = (name) => import(pathToFileURL(`${page}/${name}.js`));
const [{ prepare }, { Track }] = [await load('prepare'), await load('track')];
const scene = new THREE.Scene();
const track = new Track(scene);
const map = prepare(given, given.difficulties[0]);
track.show(map);
const times = [];
for (let i = 0; i < 400; i++) {
  const start = performance.now();
  track.update(map.notes[0].time - 0.1 + i * 1e-5);
  times.push(performance.now() - start);
}
const meshes = Object.values(track.instanced).filter((mesh) => mesh.count > 0);
process.stdout.write(JSON.stringify({
  milliseconds: times.slice(100).sort((a, b) => a - b)[150],
  notes: track.counts.block,
  draws: meshes.length,
}));
"""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notes", type=int, default=2000, metavar="N")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        level = dense_level(Path(folder) / "level.zip", args.notes)
        page_file = Path(folder) / "page.html"
        page = preview_page(level)
        write_page(page_file, page)
        node = shutil.which("node")
        if node is not None:
            found = in_node(node, page)
            print(
                f"arithmetic (node): {found['milliseconds']:.2f} ms a frame for {found['notes']}"
                f" notes in {found['draws']} draws"
            )
        if CHROMIUM is not None:
            for size in SIZES:
                times = in_browser(page_file, size)
                print(
                    f"whole frame (Chromium, software rendering, {size[0]}x{size[1]}): median"
                    f" {statistics.median(times):.0f} ms of {len(times)}"
                )
    return 0


def dense_level(path: Path, count: int) -> Path:
    """A level whose notes are all in sight at once."""
    beats = 2 * SIGHT_SECONDS  # at 120 BPM
    notes = tuple(
        ColorNote(8 + i * beats / count, i % 4, i // 4 % 3, i % 2, i % 9) for i in range(count)
    )
    difficulty = Difficulty("Standard", "Expert", 16.0, 0.0, Beatmap(color_notes=notes))
    write_level(path, LevelInfo(title="dense", bpm=120), [difficulty], {})
    return path


def in_node(node: str, page: str) -> dict[str, float]:
    """Median milliseconds of placing all objects, how many notes, in how many draws."""
    level = page.split('id="level">', 1)[1].split("</script>", 1)[0]
    folder = str(files("saberlm.infer") / "page")
    done = subprocess.run(
        [node, "--input-type=module", "--eval", _NODE, folder],
        input=level, capture_output=True, text=True, encoding="utf-8", check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    return found


def in_browser(page_file: Path, size: tuple[int, int]) -> list[float]:
    """Milliseconds from asking for another moment to the frame after it, at full sharpness."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page: Any = browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.set_default_timeout(0)
        page.goto(page_file.as_uri())
        page.wait_for_selector("body[data-ready]")
        times: list[float] = page.evaluate(
            """async (frames) => {
                const times = [];
                const next = (target, name) =>
                    new Promise((done) => target.addEventListener(name, done, { once: true }));
                for (let i = 0; i < frames; i++) {
                    const moved = next(window, 'hashchange');
                    location.hash = `t=${(3.9 + i * 1e-3).toFixed(3)}`;
                    await moved;
                    const start = performance.now();
                    await new Promise(requestAnimationFrame); // the page draws in this one
                    await new Promise(requestAnimationFrame); // which comes when that is shown
                    times.push(performance.now() - start);
                }
                return times;
            }""",
            FRAMES,
        )
        browser.close()
    return times


if __name__ == "__main__":
    sys.exit(main())
