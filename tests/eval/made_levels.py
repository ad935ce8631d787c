"""Strategies for whole levels that break no rule, by the version that can hold them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from level_kit import SECONDS, picture, sound

from saberlm.prompts.audio_data import AudioData
from saberlm.prompts.beatmap import (
    Arc,
    Beatmap,
    Bomb,
    BoostEvent,
    BpmEvent,
    Chain,
    ColorNote,
    ColorScheme,
    Difficulty,
    Level,
    LevelInfo,
    LightEvent,
    NjsEvent,
    Obstacle,
    Waypoint,
)
from saberlm.prompts.group_lights import (
    COLOR,
    FX,
    ROTATION,
    TRANSLATION,
    ColorBoxEvent,
    EventBox,
    EventBoxGroup,
    IndexFilter,
    ValueBoxEvent,
)
from saberlm.prompts.mapfile import read_level, write_level

FILES: Mapping[str, bytes | Path] = {"song.egg": sound(), "cover.png": picture()}
RATE = 22050
COLORS = """
saberAColor saberBColor environmentColor0 environmentColor1 obstaclesColor environmentColor0Boost
environmentColor1Boost
"""

Strategy = st.SearchStrategy

beats = st.integers(0, 24 * 64).map(lambda ticks: ticks / 64)
ways = st.sampled_from([0, 3, 7, 9])
lengths = st.integers(1, 64).map(lambda ticks: ticks / 64)
columns, rows, hands, cuts = (st.integers(0, most) for most in (3, 2, 1, 8))
extras = st.none() | st.fixed_dictionaries(
    {"customData": st.dictionaries(st.sampled_from(["_color", "track"]), st.integers(), min_size=1)}
)
walls_v2 = st.builds(
    lambda beat, x, shape, length, extra: Obstacle(
        beat, x, shape[0], length, 4 - x, shape[1], extra
    ),
    *(beats, columns, st.sampled_from([(0, 5), (2, 3)]), lengths, extras),
)
walls_v3 = st.builds(
    lambda beat, x, y, length, extra: Obstacle(beat, x, y, length, 1, 5 - y, extra),
    *(beats, columns, rows, lengths, extras),
)
arcs = st.builds(
    lambda beat, length, *rest: Arc(beat, *rest[:4], beat + length, *rest[4:]),
    *(beats, lengths, columns, rows, hands, cuts, columns, rows, cuts),
    *(st.sampled_from([0.5, 1.0]), st.sampled_from([0.25, 1.0]), st.integers(0, 2), extras),
)
chains = st.builds(
    lambda beat, length, *rest: Chain(beat, *rest[:4], beat + length, *rest[4:]),
    *(beats, lengths, columns, rows, hands, cuts, columns, rows),
    *(st.integers(2, 8), st.sampled_from([0.5, 1.0]), extras),
)
light_types = st.sampled_from([0, 1, 2, 3, 4, 8, 9, 12, 13])
filters = st.builds(
    IndexFilter,
    *(st.integers(1, 2), st.integers(1, 4), st.integers(0, 3), st.integers(0, 1)),
    *(st.integers(0, 4), st.integers(0, 3), st.integers(0, 9), st.sampled_from([0.0, 0.5])),
    *(st.integers(0, 3),),
)
box_values = (
    *(filters, st.sampled_from([0.0, 1.5]), st.integers(1, 2), st.sampled_from([0.0, 30.0])),
    *(st.integers(1, 2), st.integers(0, 1), st.integers(0, 30)),
)
color_events = st.builds(
    ColorBoxEvent,
    *(lengths, st.integers(0, 2), st.integers(0, 2), st.sampled_from([0.5, 1.0])),
    *(st.integers(0, 4), st.sampled_from([0.0, 0.5]), st.integers(0, 1)),
)
turns = st.builds(
    ValueBoxEvent,
    *(lengths, st.integers(-90, 90).map(float), st.integers(0, 1), st.integers(-1, 30)),
    *(st.integers(0, 3), st.integers(0, 2)),
)
moves = st.builds(
    ValueBoxEvent,
    *(lengths, st.integers(-9, 9).map(float), st.integers(0, 1), st.integers(-1, 30)),
)
axis, flip = st.integers(0, 2), st.integers(0, 1)


def by_beat(things: Strategy[Any], most: int = 3) -> Strategy[Any]:
    """Up to ``most`` of them, sorted by beat."""
    return st.lists(things, max_size=most).map(
        lambda found: tuple(sorted(found, key=lambda thing: thing.beat))
    )


def _boxes(kind: str) -> Strategy[Any]:
    if kind == COLOR:
        inner = by_beat(color_events)
        return st.builds(EventBox, *box_values, st.just(0), st.just(0), inner)
    if kind == FX:
        inner = by_beat(moves)
        return st.builds(EventBox, *box_values, st.just(0), st.just(0), st.just(()), inner)
    inner = by_beat(turns if kind == ROTATION else moves)
    return st.builds(EventBox, *box_values, axis, flip, st.just(()), inner)


def _groups(kind: str) -> Strategy[Any]:
    boxes = st.lists(_boxes(kind), min_size=1, max_size=2).map(tuple)
    return st.builds(EventBoxGroup, beats, st.just(kind), st.integers(0, 9), boxes)


@st.composite
def _tempo_events(draw: st.DrawFn) -> tuple[BpmEvent, ...]:
    """Changes that are none twice, inside the song."""
    places = sorted(draw(st.sets(st.integers(1, 16), max_size=3)))
    events: list[BpmEvent] = []
    for beat in places:
        last = events[-1].bpm if events else 120.0
        bpm = draw(st.sampled_from([b for b in (100.0, 150.0, 174.5, 240.0) if b != last]))
        events.append(BpmEvent(float(beat), bpm))
    return tuple(events)


@st.composite
def beatmaps(draw: st.DrawFn, version: int) -> Beatmap:
    """Beatmaps that every version from ``version`` on (2 to 4) can hold."""
    angles = st.just(0) if version == 2 else st.sampled_from([0, 15, -45])
    brightness = st.just(1.0) if version == 2 else st.sampled_from([0.0, 0.5, 1.0])
    notes = draw(by_beat(st.builds(ColorNote, beats, columns, rows, hands, cuts, angles, extras)))
    found = Beatmap(
        bombs=draw(by_beat(st.builds(Bomb, beats, columns, rows, extras))),
        obstacles=draw(by_beat(walls_v2 if version == 2 else walls_v3)),
        lights=draw(
            by_beat(st.builds(LightEvent, beats, light_types, st.integers(0, 12), brightness))
        ),
        boosts=draw(by_beat(st.builds(BoostEvent, beats, st.booleans()))),
        waypoints=draw(by_beat(st.builds(Waypoint, beats, columns, rows, ways))),
        color_notes=notes,
        extra=draw(extras),
    )
    if version >= 3:
        kinds = (COLOR, ROTATION, TRANSLATION, FX)
        groups = [group for kind in kinds for group in draw(by_beat(_groups(kind), 2))]
        linked = draw(by_beat(chains))
        heads = [ColorNote(one.beat, one.x, one.y, one.color, one.direction) for one in linked]
        found = replace(
            found,
            color_notes=tuple(sorted([*notes, *heads], key=lambda note: note.beat)),
            arcs=draw(by_beat(arcs)),
            chains=linked,
            group_lights=tuple(sorted(groups, key=lambda group: group.beat)),
            event_keywords=draw(st.sampled_from([(), ({"k": "SECRET", "e": [40, 41]},)])),
            normal_events_compatible=draw(st.booleans()),
        )
    if version >= 4:
        speeds = st.builds(
            NjsEvent, beats, st.integers(-3, 3).map(float), st.integers(0, 1), st.integers(-1, 30)
        )
        found = replace(found, njs_events=draw(by_beat(speeds)))
    return found


channels = st.integers(0, 255).map(lambda level: level / 255)
schemes = st.builds(
    lambda name, override, colors: ColorScheme(
        name, override, override, dict(zip(COLORS.split(), colors, strict=True))
    ),
    *(st.sampled_from(["User0", "Red"]), st.booleans()),
    st.lists(st.tuples(channels, channels, channels, channels), min_size=7, max_size=7),
)


@st.composite
def levels(draw: st.DrawFn, version: int) -> Level:
    """Levels that every version from ``version`` on can hold, with two difficulties at most."""
    colors = tuple(draw(st.lists(schemes, max_size=2)))
    environments = draw(
        st.sampled_from([(), ("NiceEnvironment", "WeaveEnvironment", "BTSEnvironment")])
    )
    info = LevelInfo(
        title=draw(st.sampled_from(["Übung", "曲", 'a "title"'])),
        bpm=120.0,
        subtitle="sub",
        artist="A",
        mapper="B",
        environment="NiceEnvironment",
        preview_start=3.5,
        custom_data=draw(st.sampled_from([{}, {"_editors": {"_lastEditedBy": "test"}}])),
        environments=environments,
        color_schemes=colors,
    )
    events = draw(_tempo_events()) if version >= 3 else ()
    names = draw(st.sampled_from([("Hard",), ("Easy", "ExpertPlus")]))
    difficulties = tuple(
        Difficulty(
            "Standard",
            name,
            draw(st.sampled_from([10.0, 16.5])),
            -0.5,
            replace(draw(beatmaps(version)), bpm_events=events),
            filename=f"{name}.dat",
            environment_index=draw(st.integers(0, max(0, len(environments) - 1))),
            color_scheme_index=draw(st.integers(-1, len(colors) - 1)),
            extra=draw(extras),
        )
        for name in names
    )
    if environments:  # version 4 has no other word for it
        first = difficulties[0].environment_index
        info = replace(info, environment=environments[first])
    return Level(info, difficulties, AudioData(round(SECONDS * RATE), RATE))


def rewritten(level: Level, path: Path, version: int) -> tuple[Level, Counter[str]]:
    """The level read back from ``path``, where it was written in ``version``; and what was lost."""
    lost: Counter[str] = Counter()
    write_level(
        path,
        level.info,
        level.difficulties,
        FILES,
        version=version,
        audio=level.audio_data,
        lost=lost,
    )
    return read_level(path, characteristic=None), lost


def plain(level: Level) -> dict[str, Any]:
    """All that a level says, custom data too, without what tells its files' version."""
    info = replace(level.info, version="", audio_data_filename="", preview_filename="", duration=0)
    difficulties = [
        replace(one, version="", lightshow_filename="", mappers=(), notes_on_reading={})
        for one in level.difficulties
    ]
    return asdict(replace(level, info=info, difficulties=tuple(difficulties), audio_data=None))
