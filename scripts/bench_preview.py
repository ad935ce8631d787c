"""How long a frame of the preview takes with 2,000 notes in sight: ``python -m
saberlm.scripts.bench_preview [--level LEVEL]``.

Three figures. The page's own arithmetic in node. What a frame costs the browser's main thread, all
of it but the drawing: WebGL's draw calls are counted and not made, so this is what a machine has to
do beside its GPU, with the triangles and bytes that the GPU is given and what the heap grows by.
And the whole frame, drawn in software.
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
from typing import Any, NamedTuple

from saberlm.infer.preview import preview_page, write_page
from saberlm.prompts.beatmap import Beatmap, ColorNote, Difficulty, LevelInfo, LightEvent
from saberlm.prompts.mapfile import write_level
from saberlm.scripts.browser import CHROMIUM, FLAGS

SIZES = ((640, 360), (1280, 720))
SIGHT_SECONDS = 0.45
"""All notes lie in so long a stretch, which a jump of this speed shows at once."""
FRAMES = 20
COUNTED_FRAMES = 400
LEVEL_STEP_SECONDS = 0.25
"""Between the frames that a level is judged by."""
FIRST_FRAMES = 100
"""Not counted: the engine compiles what it runs often."""
BYTES_FLAGS = ["--enable-precise-memory-info", "--js-flags=--max-semi-space-size=64"]
"""The heap is told to the byte, and hardly ever swept meanwhile."""

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

# before the page's own scripts: draws are counted in place of made, frames are timed
_COUNTED = """
    const cost = (window.cost = { draws: 0, triangles: 0, bytes: 0, frames: [] });
    const gl = WebGL2RenderingContext.prototype;
    const drawn = (mode, count, copies) => {
      cost.draws += 1;
      if (mode === gl.TRIANGLES) cost.triangles += (count / 3) * copies;
    };
    gl.drawArrays = (mode, first, count) => drawn(mode, count, 1);
    gl.drawElements = (mode, count) => drawn(mode, count, 1);
    gl.drawArraysInstanced = (mode, first, count, copies) => drawn(mode, count, copies);
    gl.drawElementsInstanced = (mode, count, type, offset, copies) => drawn(mode, count, copies);
    const sent = (name, length) => {
      const send = gl[name];
      gl[name] = function (...given) {
        cost.bytes += length(...given);
        return send.apply(this, given);
      };
    };
    const size = (data) => data?.byteLength ?? 0;
    sent('bufferData', (target, data) => size(data));
    sent('bufferSubData', (target, to, data, from = 0, count = 0) =>
      count ? count * data.BYTES_PER_ELEMENT : size(data));
    const later = window.requestAnimationFrame.bind(window);
    window.requestAnimationFrame = (frame) =>
      later((now) => {
        const before = { ...cost, heap: performance.memory.usedJSHeapSize, at: performance.now() };
        frame(now);
        cost.frames.push({
          name: frame.name,
          milliseconds: performance.now() - before.at,
          heap: performance.memory.usedJSHeapSize - before.heap,
          draws: cost.draws - before.draws,
          triangles: cost.triangles - before.triangles,
          bytes: cost.bytes - before.bytes,
        });
      });
"""
_MOVE = """async ({ step, from, frames, first }) => {
    for (let i = 0; i < frames; i++) {
        if (i === first) window.cost.frames.length = 0;
        const moved = new Promise((done) =>
            window.addEventListener('hashchange', done, { once: true }));
        location.hash = `t=${(from + i * step).toFixed(3)}`;
        await moved;
        await new Promise(requestAnimationFrame); // the page draws before this one is called
    }
    return window.cost.frames.filter((one) => one.name === 'frame' && one.draws > 0);
}"""


class FrameCost(NamedTuple):
    """What a frame costs beside drawing: milliseconds of the main thread (median, and that which 95
    of 100 keep within), draw calls (median, and most), and medians of the triangles and kB sent to
    the GPU; by how many kB the heap grows (mean)."""

    milliseconds: float
    most_milliseconds: float
    draws: float
    most_draws: float
    triangles: float
    sent_kilobytes: float
    heap_kilobytes: float


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notes", type=int, default=2000, metavar="N")
    parser.add_argument("--level", type=Path, help="measure this one's hardest difficulty instead")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.level is not None:
            page_file = Path(folder) / "page.html"
            write_page(page_file, preview_page(args.level))
            print(_said(frame_cost(page_file, 0.0, LEVEL_STEP_SECONDS)))
            return 0
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
            print(_said(frame_cost(page_file, 3.5, 1e-3)))
            for size in SIZES:
                times = in_browser(page_file, size)
                print(
                    f"whole frame (Chromium, software rendering, {size[0]}x{size[1]}): median"
                    f" {statistics.median(times):.0f} ms of {len(times)}"
                )
    return 0


def dense_level(path: Path, count: int) -> Path:
    """A level whose notes are all in sight at once, with all lights on."""
    beats = 2 * SIGHT_SECONDS  # at 120 BPM
    notes = tuple(
        ColorNote(8 + i * beats / count, i % 4, i // 4 % 3, i % 2, i % 9) for i in range(count)
    )
    lights = tuple(LightEvent(0, group, 5) for group in range(5))
    beatmap = Beatmap(color_notes=notes, lights=lights)
    difficulty = Difficulty("Standard", "Expert", 16.0, 0.0, beatmap)
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


def frame_cost(page_file: Path, at: float, step: float) -> FrameCost:
    """Of frames so many seconds of the song apart, from a second on."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS + BYTES_FLAGS)
        page: Any = browser.new_page(viewport={"width": SIZES[1][0], "height": SIZES[1][1]})
        page.set_default_timeout(0)
        page.add_init_script(_COUNTED)
        page.goto(page_file.as_uri())
        page.wait_for_selector("body[data-ready]")
        frames_in_all = FIRST_FRAMES + COUNTED_FRAMES
        told = {"from": at, "step": step, "frames": frames_in_all, "first": FIRST_FRAMES}
        frames: list[dict[str, float]] = page.evaluate(_MOVE, told)
        browser.close()
    times = sorted(one["milliseconds"] for one in frames)
    grown = [max(one["heap"], 0.0) for one in frames]  # less: swept meanwhile
    return FrameCost(
        statistics.median(times),
        times[int(0.95 * len(times))],
        statistics.median(one["draws"] for one in frames),
        max(one["draws"] for one in frames),
        statistics.median(one["triangles"] for one in frames),
        statistics.median(one["bytes"] for one in frames) / 1e3,
        statistics.mean(grown) / 1e3,
    )


def _said(cost: FrameCost) -> str:
    return (
        f"main thread (Chromium, draws counted and not made): median {cost.milliseconds:.1f} ms a"
        f" frame, {cost.most_milliseconds:.1f} in 95 of 100; {cost.draws:.0f} draws"
        f" (at most {cost.most_draws:.0f}), {cost.triangles:,.0f} triangles,"
        f" {cost.sent_kilobytes:,.0f} kB to the GPU, heap grows by {cost.heap_kilobytes:,.0f} kB"
    )


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
