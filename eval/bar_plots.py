"""Bars of maps drawn beside each other: what the human placed, and what was made.

Time runs upwards, in beats of the human's grid. From left to right a panel has the four lanes with
their notes (arrows for cuts, dots for any direction), bombs and walls; the three rows, bottom to
top from left to right, so that each note stands in both; and the light events by type. Needs
matplotlib (the extra ``report``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrow, Rectangle

from saberlm.prompts.beatmap import NUM_COLUMNS, NUM_ROWS, Beatmap, ColorNote, LightEvent

BAR_BEATS = 4
HANDS = ("#d62a3a", "#2456c8")
_ANGLES = (90, 270, 180, 0, 135, 45, 225, 315)
"""Degrees of the cut directions 0-7 on the page, 0 to the right."""
LIGHT_TYPES = {0: "back", 1: "ring", 2: "left", 3: "right", 4: "centre"}
"""The lights of every environment; the other types are drawn as one."""
_OTHER = "other"
_LIGHT_COLORS = {"off": "0.75", "blue": "#2456c8", "red": "#d62a3a", "white": "#e0a800"}
_ROWS_AT = NUM_COLUMNS + 0.35
_ROW_WIDTH = 0.42
_LIGHTS_AT = _ROWS_AT + NUM_ROWS * _ROW_WIDTH + 0.4
_LIGHT_WIDTH = 0.42
_WIDTH = _LIGHTS_AT + (len(LIGHT_TYPES) + 1) * _LIGHT_WIDTH
_EPSILON = 1e-4


@dataclass(frozen=True)
class BarPair:
    """The same bars of two maps of a song.

    Attributes:
        title: Song, difficulty and bars.
        first_beat: Where the bars begin, in beats of both maps.
        human: The human's map; None draws the other alone.
        made: The other one.
    """

    title: str
    first_beat: float
    human: Beatmap | None
    made: Beatmap


def draw_pairs(
    pairs: Sequence[BarPair],
    bars: int,
    heading: str,
    made_name: str,
    path: Path,
    columns: int = 3,
    *,
    human_name: str = "human",
) -> None:
    """Draw a page of pairs.

    Args:
        pairs: What to draw, left to right and then down.
        bars: Length of each.
        heading: Above the page.
        made_name: What to call the made maps.
        path: A png or svg by its name, written whole or not at all.
        columns: Pairs beside each other; twice as many where no human's map is drawn.
        human_name: What to call the maps on the left.

    Raises:
        ValueError: nothing to draw.
    """
    if not pairs:
        raise ValueError("expected bars to draw, found none")
    beside = 1 + any(pair.human is not None for pair in pairs)
    columns = min(columns * 2 // beside, len(pairs))
    lines = math.ceil(len(pairs) / columns)
    size = (max(9.0, 2.95 * beside * columns), (2.2 * bars + 0.75) * lines + 0.7)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(f"{heading}\n{_LEGEND}", fontsize=10 if columns > 1 else 7, wrap=True)
    parts = figure.subfigures(lines, columns, squeeze=False, wspace=0.03, hspace=0.02)
    for part, pair in zip(parts.flat, pairs, strict=False):
        part.suptitle(pair.title, fontsize=9.5, fontweight="bold")
        axes = iter(part.subplots(1, beside, squeeze=False).flat)
        if pair.human is not None:
            _panel(next(axes), pair.human, pair.first_beat, bars, human_name)
        _panel(next(axes), pair.made, pair.first_beat, bars, made_name)
    kind = path.suffix.lstrip(".").lower() or "png"
    temporary = path.with_name(path.name + ".partial")
    figure.savefig(temporary, format=kind, dpi=100)
    temporary.replace(path)


_LEGEND = (
    "time upwards, beats of the bar at the left; lanes: arrow = cut direction, dot = any, x = bomb,"
    " grey = wall; rows: bottom, middle, top; lights by type: bar = on, ring = off"
)


def _panel(axis: Axes, beatmap: Beatmap, first: float, bars: int, name: str) -> None:
    beats = bars * BAR_BEATS
    for beat in range(beats + 1):
        color, width = ("0.6", 1.0) if beat % BAR_BEATS == 0 else ("0.88", 0.6)
        axis.axhline(beat, color=color, linewidth=width, zorder=0)
    for lane in range(NUM_COLUMNS + 1):
        axis.axvline(lane, color="0.85", linewidth=0.6, zorder=0)
    for edge in (_ROWS_AT, _ROWS_AT + NUM_ROWS * _ROW_WIDTH, _LIGHTS_AT, _WIDTH):
        axis.axvline(edge, color="0.85", linewidth=0.6, zorder=0)
    _walls(axis, beatmap, first, beats)
    notes = [n for n in beatmap.color_notes if _inside(n.beat, first, beats)]
    for note in notes:
        _note(axis, note, note.beat - first)
    for bomb in beatmap.bombs:
        if _inside(bomb.beat, first, beats):
            y = bomb.beat - first
            axis.plot(bomb.x + 0.5, y, "x", color="0.15", markersize=6, markeredgewidth=1.6)
            axis.plot(_row_at(bomb.y), y, "x", color="0.15", markersize=3.5)
    for light in beatmap.lights:
        if _inside(light.beat, first, beats):
            _light(axis, light, light.beat - first)
    axis.set_xlim(-0.05, _WIDTH + 0.05)
    axis.set_ylim(-0.35, beats + 0.1)
    axis.set_yticks(range(beats), [str(beat % BAR_BEATS + 1) for beat in range(beats)], fontsize=7)
    places = [lane + 0.5 for lane in range(NUM_COLUMNS)]
    places += [_row_at(row) for row in range(NUM_ROWS)]
    places += [_light_at(name) for name in (*LIGHT_TYPES.values(), _OTHER)]
    labels = [str(lane + 1) for lane in range(NUM_COLUMNS)] + ["b", "m", "t"]
    axis.set_xticks(places, [*labels, *LIGHT_TYPES.values(), _OTHER], fontsize=6.5)
    for label in axis.get_xticklabels()[NUM_COLUMNS + NUM_ROWS :]:
        label.set_rotation(90)
    axis.tick_params(length=0, pad=1)
    axis.set_title(f"{name} ({len(notes)} notes)", fontsize=8, pad=2)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _inside(beat: float, first: float, beats: int) -> bool:
    return -_EPSILON <= beat - first < beats - _EPSILON


def _row_at(row: int) -> float:
    return _ROWS_AT + (min(max(row, 0), NUM_ROWS - 1) + 0.5) * _ROW_WIDTH


def _light_at(name: str) -> float:
    names = (*LIGHT_TYPES.values(), _OTHER)
    return _LIGHTS_AT + (names.index(name) + 0.5) * _LIGHT_WIDTH


def _note(axis: Axes, note: ColorNote, y: float) -> None:
    """An arrow that points the way of the cut, in its lane, and a dot in its row."""
    color, x = HANDS[note.color % 2], note.x + 0.5
    beside = 0.08 if note.color % 2 else -0.08  # both hands may be in one row
    axis.plot(_row_at(note.y) + beside, y, "o", color=color, markersize=3.6)
    if note.direction >= len(_ANGLES):
        axis.plot(x, y, "o", color=color, markersize=7)
        return
    angle = math.radians(_ANGLES[note.direction])
    # in lanes and beats, of about one length on the page; quarter beats in one lane hardly overlap
    dx, dy = 0.3 * math.cos(angle), 0.26 * math.sin(angle)
    axis.add_patch(
        FancyArrow(
            x - dx, y - dy, 2 * dx, 2 * dy, width=0.12, head_width=0.42, head_length=0.3,
            length_includes_head=True, facecolor=color, edgecolor="white", linewidth=0.5,
            zorder=3,
        )
    )  # fmt: skip


def _walls(axis: Axes, beatmap: Beatmap, first: float, beats: int) -> None:
    for wall in beatmap.obstacles:
        start, end = wall.beat - first, wall.beat + wall.duration - first
        if start < beats and end > 0 and wall.width > 0 and wall.duration > 0:
            low, high = max(start, 0.0), min(end, float(beats))
            full = wall.y == 0
            axis.add_patch(
                Rectangle(
                    (wall.x, low), wall.width, high - low, facecolor="0.5", alpha=0.3,
                    hatch=None if full else "//", edgecolor="0.4", zorder=1, clip_on=True,
                )
            )  # fmt: skip


def _light(axis: Axes, light: LightEvent, y: float) -> None:
    name = LIGHT_TYPES.get(light.type, _OTHER)
    x, color = _light_at(name), "0.45"
    if name != _OTHER:
        kinds = ("off", *["blue"] * 4, *["red"] * 4, *["white"] * 4)
        color = _LIGHT_COLORS[kinds[light.value] if 0 <= light.value < len(kinds) else "white"]
        if light.value == 0:
            axis.plot(x, y, "o", color=color, markersize=3, markerfacecolor="none")
            return
    axis.plot([x - 0.17, x + 0.17], [y, y], "-", color=color, linewidth=2.2, solid_capstyle="butt")
