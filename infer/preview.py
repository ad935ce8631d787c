"""A level as one page that plays it: 3D view, lights, song, timeline, the judge's findings.

The page is one self-contained HTML file: nothing is fetched, and every string of the level is set
as text. Its sources are in ``page/``; each is an ECMAScript module, and here they become one script
in the order of `MODULES`. The level goes in as the neutral object of `preview_level`.
"""

from __future__ import annotations

import base64
import io
import json
import re
from contextlib import suppress
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from PIL import Image

from saberlm.eval.report import LevelReport
from saberlm.eval.verdict import verdict
from saberlm.prompts.beatmap import Beatmap, ColorScheme, Difficulty, Level, LightEvent
from saberlm.prompts.extra_fields import CUSTOM_DATA
from saberlm.prompts.mapfile import open_level_files, read_level
from saberlm.prompts.vanilla import fault_of, vanilla

FORMAT = 1
MODULES = (
    "geometry",
    "lights",
    "unzip",
    "level",
    "prepare",
    "player",
    "stage",
    "track",
    "view",
    "timeline",
    "main",
)
"""Of ``page/``, each after those that it imports."""
MAX_FINDINGS = 2000
MAX_SONG_BYTES = 60 * 2**20
"""A longer song is left out of the page, which then runs without sound."""
COVER_PIXELS = 128
MAX_COVER_PIXELS = 64_000_000

_COLOR_NAMES = {
    "left": "saberAColor",
    "right": "saberBColor",
    "wall": "obstaclesColor",
    "light0": "environmentColor0",
    "light1": "environmentColor1",
    "boost0": "environmentColor0Boost",
    "boost1": "environmentColor1Boost",
}
_NOTE_COLORS = ("left", "right", "wall")
_IMPORT = re.compile(r"^import .* from '\./[a-z]+\.js';\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function|class|const)", re.MULTILINE)


def preview_page(path: Path, report: LevelReport | None = None) -> str:
    """The whole page for a level.

    Args:
        path: a level's folder or zip, of any version that is read.
        report: its judgement (`saberlm.eval.report.check_level`); without one the page lists no
            findings.

    Raises:
        LevelError: no level, or none of its difficulties can be read.
    """
    level = read_level(path, characteristic=None)
    held = open_level_files(path)
    song = held.read(level.info.audio_filename) if level.info.audio_filename in held else b""
    picture = held.read(level.info.cover_filename) if level.info.cover_filename in held else b""
    return _page(
        level.info.title or "Untitled",
        preview_level(level, report),
        song if len(song) <= MAX_SONG_BYTES else b"",
        _small_cover(picture),
    )


def empty_page() -> str:
    """The page without a level: it waits for one to be dropped on it."""
    return _page("Preview", None, b"", b"")


def write_page(out: Path, page: str) -> None:
    """Writes a page whole or not at all.

    Raises:
        ValueError: its folder is missing or refuses the file.
    """
    part = out.with_name(f".{out.name}.part")
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(out)
    except OSError as error:
        with suppress(OSError):  # a folder that refuses one refuses the other
            part.unlink()
        raise ValueError(
            f"{out}: expected a file that can be written, found {error.strerror or error}; is the"
            " folder there, and not read-only?"
        ) from error


def preview_level(level: Level, report: LevelReport | None = None) -> dict[str, Any]:
    """The neutral object that the page shows; times in beats of the map.

    Rows are lists: notes ``[beat, x, y, color, direction, angle]``, bombs ``[beat, x, y]``, walls
    ``[beat, x, y, duration, width, height]``, arcs ``[beat, x, y, color, direction, tail beat, x,
    y, direction, multiplier, tail multiplier]``, chains ``[beat, x, y, color, direction, tail beat,
    x, y, slices, squish]``, lights ``[beat, type, value, brightness]`` and red, green, blue in 0-1
    where a Chroma colour is set, boosts ``[beat, on]``, tempo ``[beat, bpm]``.
    """
    info = level.info
    ours = info.custom_data.get("_saberlm")
    return {
        "format": FORMAT,
        "title": info.title,
        "subtitle": info.subtitle,
        "artist": info.artist,
        "mapper": info.mapper,
        "bpm": info.bpm,
        "machine": isinstance(ours, dict) and ours.get("automapper") is True,
        "difficulties": [_difficulty(level, one, report) for one in level.difficulties],
        "unread": [f"{name}: {reason}" for name, reason in level.unread],
    }


def _difficulty(level: Level, difficulty: Difficulty, report: LevelReport | None) -> dict[str, Any]:
    beatmap, left_out = vanilla(difficulty.beatmap)
    lights = [event for event in difficulty.beatmap.lights if fault_of(event) is None]
    custom = (difficulty.extra or {}).get(CUSTOM_DATA)
    label = custom.get("_difficultyLabel") if isinstance(custom, dict) else None
    return {
        "characteristic": difficulty.characteristic,
        "name": difficulty.name,
        "label": str(label or ""),
        "njs": difficulty.njs,
        "offset": difficulty.offset,
        "colors": _colors(level.info.color_schemes, difficulty.color_scheme_index),
        **_objects(beatmap),
        "lights": [[e.beat, e.type, e.value, e.brightness, *_chroma(e)] for e in lights],
        "left_out": {
            what.removeprefix("not modelled: "): count
            for what, count in left_out.items()
            if not what.endswith(("of an object", "of the file"))
        },
        **_judged(difficulty, report),
    }


def _objects(beatmap: Beatmap) -> dict[str, list[list[Any]]]:
    return {
        "tempo": [[e.beat, e.bpm] for e in sorted(beatmap.bpm_events, key=lambda e: e.beat)],
        "notes": [
            [n.beat, n.x, n.y, n.color, n.direction, n.angle_offset] for n in beatmap.color_notes
        ],
        "bombs": [[b.beat, b.x, b.y] for b in beatmap.bombs],
        "walls": [[w.beat, w.x, w.y, w.duration, w.width, w.height] for w in beatmap.obstacles],
        "arcs": [
            [a.beat, a.x, a.y, a.color, a.direction, a.tail_beat, a.tail_x, a.tail_y,
             a.tail_direction, a.multiplier, a.tail_multiplier]
            for a in beatmap.arcs
        ],
        "chains": [
            [c.beat, c.x, c.y, c.color, c.direction, c.tail_beat, c.tail_x, c.tail_y,
             c.slice_count, c.squish]
            for c in beatmap.chains
        ],
        "boosts": [[b.beat, b.on] for b in beatmap.boosts],
    }  # fmt: skip


def _chroma(event: LightEvent) -> list[float]:
    """Red, green and blue that an event brings along for players with Chroma; else nothing."""
    custom = (event.extra or {}).get(CUSTOM_DATA)
    found = custom.get("color", custom.get("_color")) if isinstance(custom, dict) else None
    parts = found[:3] if isinstance(found, list) else []
    numbers = [float(part) for part in parts if isinstance(part, int | float)]
    return numbers if len(numbers) == 3 else []


def _colors(schemes: tuple[ColorScheme, ...], index: int) -> dict[str, list[float]] | None:
    if not 0 <= index < len(schemes):
        return None
    scheme = schemes[index]
    found = {
        ours: list(scheme.colors[name][:3])
        for ours, name in _COLOR_NAMES.items()
        if name in scheme.colors
        and (scheme.override_notes if ours in _NOTE_COLORS else scheme.override_lights)
    }
    return found or None


def _judged(difficulty: Difficulty, report: LevelReport | None) -> dict[str, Any]:
    """The judge's verdict on a difficulty and its findings, the heaviest `MAX_FINDINGS`."""
    found = None
    if report is not None:
        key = (difficulty.characteristic, difficulty.name)
        found = next((r for r in report.difficulties if (r.characteristic, r.name) == key), None)
    if found is None:
        return {"findings": [], "verdict": ""}
    rows = []
    for one in found.judgement.findings[:MAX_FINDINGS]:
        cell = next((thing for thing in one.objects if "x" in thing and "y" in thing), {})
        rows.append(
            {"beat": one.beat, "rule": one.rule, "weight": one.weight, "message": one.message,
             "x": cell.get("x"), "y": cell.get("y")}
        )  # fmt: skip
    return {"findings": rows, "verdict": verdict(found.judgement)}


def _small_cover(picture: bytes) -> bytes:
    """The cover as a small JPEG; nothing where it is no picture."""
    try:
        with Image.open(io.BytesIO(picture), formats=("PNG", "JPEG")) as found:
            if found.width * found.height > MAX_COVER_PIXELS:
                return b""
            small = found.convert("RGB")
            small.thumbnail((COVER_PIXELS, COVER_PIXELS))
            out = io.BytesIO()
            small.save(out, "JPEG", quality=85)
            return out.getvalue()
    except (OSError, ValueError, SyntaxError):  # Pillow says SyntaxError of some broken PNG files
        return b""


def _page(title: str, level: dict[str, Any] | None, song: bytes, cover: bytes) -> str:
    # "<" is escaped so that no string of the level can end the element that carries it
    data = json.dumps(level, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Template(_source("preview.html")).substitute(
        title=escape(f"{title}: preview"),
        style=_source("preview.css"),
        level=data.replace("<", "\\u003c"),
        song=base64.b64encode(song).decode("ascii"),
        cover=base64.b64encode(cover).decode("ascii"),
        license=_source("vendor/three.LICENSE"),
        three=_source("vendor/three.min.js"),
        script=page_script(),
    )


@cache
def page_script() -> str:
    """All modules of the page as one script."""
    return "".join(_EXPORT.sub("", _IMPORT.sub("", _source(f"{name}.js"))) for name in MODULES)


@cache
def _source(name: str) -> str:
    return (files("saberlm.infer") / "page" / name).read_text(encoding="utf-8")
