"""What the unmodded Standard game can play and the token language can say of a beatmap.

Readers keep modded objects as the file has them and count them with `fault_of`; `vanilla` takes
them out. It repairs nothing and knows no file format. Rules: the community wiki's map format page,
and BeatSaver's upload validator for walls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from saberlm.prompts.beatmap import (
    NUM_COLUMNS,
    NUM_ROWS,
    Arc,
    Beatmap,
    Bomb,
    BoostEvent,
    BpmEvent,
    Chain,
    ColorNote,
    CutDirection,
    LightEvent,
    Obstacle,
    RotationEvent,
    Waypoint,
)
from saberlm.prompts.extra_fields import CUSTOM_DATA

MAX_WALL_TOP = 5
"""A wall's row and height together: as high as a full wall, which stands on the bottom row."""
CHROMA_COLOUR_BASE = 2_000_000_000
"""Light values from here on are colours of an old mod."""
RAW_WALL_TYPE = "_type"
"""Where a wall's ``extra`` has its v2 type if that is of no shape the game knows."""

_MAX_MID_ANCHOR = 2
_OWN_LIST = {
    5: "for boost colours, which have their own list",
    100: "for the tempo, which has its own list",
    14: "that rotates the lanes",
    15: "that rotates the lanes",
}

_T = TypeVar("_T")
_BEFORE_0 = "before beat 0"
_OFF_GRID = "off the 4x3 grid"


def fault_of(thing: object) -> str | None:
    """Returns why the unmodded game cannot play an object, or the token language not say it.

    Args:
        thing: A record of `saberlm.prompts.beatmap`.

    Returns:
        A phrase that follows the object's name, such as "off the 4x3 grid"; None if it can.
    """
    judge = _FAULTS.get(type(thing))
    return judge(thing) if judge is not None else None


def vanilla(beatmap: Beatmap) -> tuple[Beatmap, Counter[str]]:
    """Leaves what the unmodded game can play and the tokens model; once is as good as twice.

    Args:
        beatmap: As a reader made it. Objects that mods mark as fake are kept like any other where
            they stand among the real ones, for that is how the unmodded game plays them.

    Returns:
        The beatmap without modded objects, lane rotations, waypoints, jump speed events, group
        lighting, keywords and custom data; and how often each kind of thing was left out.
    """
    counts: Counter[str] = Counter()
    kept = Beatmap(
        color_notes=_playable("note", beatmap.color_notes, counts),
        bombs=_playable("bomb", beatmap.bombs, counts),
        obstacles=_playable("wall", beatmap.obstacles, counts),
        arcs=_playable("arc", beatmap.arcs, counts),
        chains=_playable("chain", beatmap.chains, counts),
        lights=_playable("event", beatmap.lights, counts),
        boosts=_playable("boost event", beatmap.boosts, counts),
        bpm_events=_playable("tempo event", beatmap.bpm_events, counts),
    )
    for what, number in (
        ("lane rotations", len(beatmap.rotations)),
        ("waypoints", len(beatmap.waypoints)),
        ("jump speed events", len(beatmap.njs_events)),
        ("group lighting event boxes", len(beatmap.group_lights)),
        ("event keywords", len(beatmap.event_keywords)),
        ("basic events switched off", int(not beatmap.normal_events_compatible)),
        ("custom data of the file", int(CUSTOM_DATA in (beatmap.extra or ()))),
        ("unknown fields of the file", sum(key != CUSTOM_DATA for key in beatmap.extra or ())),
    ):
        if number:
            counts[f"not modelled: {what}"] += number
    return kept, counts


def _playable(kind: str, things: tuple[_T, ...], counts: Counter[str]) -> tuple[_T, ...]:
    kept: list[Any] = []
    thing: Any
    for thing in things:
        if (fault := fault_of(thing)) is not None:
            if not isinstance(thing, BpmEvent):
                counts[f"{kind} {fault} dropped"] += 1
                continue
            # Without it the tempo would be another from beat 0 on.
            counts[f"{kind} {fault} moved there"] += 1
            thing = replace(thing, beat=0.0)
        if thing.extra is not None:
            for key in thing.extra:
                what = "custom data" if key == CUSTOM_DATA else "unknown field"
                counts[f"not modelled: {what} of an object"] += 1
            thing = replace(thing, extra=None)
        kept.append(thing)
    return tuple(kept)


def _before_0(event: Any) -> str | None:
    return _BEFORE_0 if event.beat < 0 else None


def _note(note: ColorNote) -> str | None:
    return _bomb(note) or _colour(note.color) or _direction(note.direction)


def _bomb(bomb: Bomb | ColorNote) -> str | None:
    return _before_0(bomb) or _cell(bomb.x, bomb.y)


def _wall(wall: Obstacle) -> str | None:
    if wall.beat < 0:
        return _BEFORE_0
    faults = (
        (not 0 <= wall.x < NUM_COLUMNS, "with a column outside 0-3"),
        (not 0 <= wall.y < NUM_ROWS, "with a row outside 0-2"),
        (wall.width < 1, "with a width below 1"),
        (wall.x + wall.width > NUM_COLUMNS, "reaching past the right column"),
        (not 1 <= wall.height <= MAX_WALL_TOP, "with a height outside 1-5"),
        (wall.y + wall.height > MAX_WALL_TOP, "reaching above a full wall"),
        (wall.duration == 0, "lasting no time"),
        (wall.duration < 0, "lasting a negative time"),
        (RAW_WALL_TYPE in (wall.extra or ()), "of a type other than 0, 1 and 2"),
    )
    return next((reason for fault, reason in faults if fault), None)


def _arc(arc: Arc) -> str | None:
    return (
        _span(arc)
        or _direction(arc.tail_direction)
        or ("with a mid anchor outside 0-2" if not 0 <= arc.mid_anchor <= _MAX_MID_ANCHOR else None)
    )


def _chain(chain: Chain) -> str | None:
    if fault := _span(chain):
        return fault
    if chain.slice_count < 1:
        return "with fewer than 1 slice"
    if chain.squish <= 0:  # 0 crashes the game
        return "with a squish that is not above 0"
    return None


def _span(thing: Arc | Chain) -> str | None:
    """What arcs and chains have in common: a head, a tail, a colour and a direction."""
    return (
        _before_0(thing)
        or _cell(thing.x, thing.y)
        or _cell(thing.tail_x, thing.tail_y)
        or _colour(thing.color)
        or _direction(thing.direction)
        or ("with its tail before its head" if thing.tail_beat < thing.beat else None)
    )


def _light(event: LightEvent) -> str | None:
    if event.beat < 0:
        return _BEFORE_0
    if event.type < 0 or event.value < 0:
        return "with a negative type or value"
    if event.value >= CHROMA_COLOUR_BASE:
        return "with a Chroma colour for a value"
    return _OWN_LIST.get(event.type)


def _cell(x: int, y: int) -> str | None:
    return None if 0 <= x < NUM_COLUMNS and 0 <= y < NUM_ROWS else _OFF_GRID


def _colour(colour: int) -> str | None:
    return None if 0 <= colour <= 1 else "with a colour outside 0-1"


def _direction(direction: int) -> str | None:
    return None if 0 <= direction <= CutDirection.ANY else "with a cut direction outside 0-8"


_FAULTS: dict[type, Callable[[Any], str | None]] = {
    ColorNote: _note,
    Bomb: _bomb,
    Obstacle: _wall,
    Arc: _arc,
    Chain: _chain,
    LightEvent: _light,
    BoostEvent: _before_0,
    BpmEvent: _before_0,
    RotationEvent: _before_0,
    Waypoint: _before_0,
}
