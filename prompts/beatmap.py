"""The neutral beatmap: what a difficulty contains, whichever file version it came from.

Times are **beats** of the map (see `saberlm.prompts.tempo` for seconds). Cells are ``x`` 0-3 from
the left and ``y`` 0-2 from the bottom. Objects are plain frozen records; nothing here knows a file
format, a token or a sound.

Reading keeps what a file holds, modded objects too: cells off the grid, precise directions and
walls of any shape stand here as the file has them. `saberlm.prompts.vanilla.vanilla` leaves what
the unmodded game can play. ``extra`` holds an object's fields that no version of the format
defines; its custom data is always under ``"customData"``, whatever the file called it. It takes no
part in comparisons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from saberlm.prompts.audio_data import AudioData
from saberlm.prompts.group_lights import EventBoxGroup

DIFFICULTIES = ("Easy", "Normal", "Hard", "Expert", "ExpertPlus")
DIFFICULTY_RANK = {"Easy": 1, "Normal": 3, "Hard": 5, "Expert": 7, "ExpertPlus": 9}
NUM_COLUMNS = 4
NUM_ROWS = 3


class NoteColor(IntEnum):
    """Which saber cuts the note: red is the left hand, blue the right."""

    RED = 0
    BLUE = 1


class CutDirection(IntEnum):
    """The way the saber moves through the note; ``ANY`` is a dot note."""

    UP = 0
    DOWN = 1
    LEFT = 2
    RIGHT = 3
    UP_LEFT = 4
    UP_RIGHT = 5
    DOWN_LEFT = 6
    DOWN_RIGHT = 7
    ANY = 8


@dataclass(frozen=True, slots=True, order=True)
class ColorNote:
    """A note; ``angle_offset`` is in degrees counter-clockwise."""

    beat: float
    x: int
    y: int
    color: int
    direction: int
    angle_offset: int = 0
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, order=True)
class Bomb:
    """A bomb: must not be touched."""

    beat: float
    x: int
    y: int
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, order=True)
class Obstacle:
    """A wall from ``beat`` lasting ``duration`` beats; full wall is y 0 h 5, crouch wall y 2 h
    3."""

    beat: float
    x: int
    y: int
    duration: float
    width: int
    height: int
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, order=True)
class Arc:
    """A guide line from a head to a tail; gives its notes their follow-through or pre-swing
    points."""

    beat: float
    x: int
    y: int
    color: int
    direction: int
    tail_beat: float
    tail_x: int
    tail_y: int
    tail_direction: int
    multiplier: float = 1.0
    tail_multiplier: float = 1.0
    mid_anchor: int = 0
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, order=True)
class Chain:
    """A burst slider; ``slice_count`` includes the head."""

    beat: float
    x: int
    y: int
    color: int
    direction: int
    tail_beat: float
    tail_x: int
    tail_y: int
    slice_count: int
    squish: float = 1.0
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, order=True)
class LightEvent:
    """A basic (classic environment) event: lights, rings, laser speeds. Types are in the map
    format's numbering."""

    beat: float
    type: int
    value: int
    brightness: float = 1.0
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, order=True)
class BoostEvent:
    """Switches the environment to its boost colours or back."""

    beat: float
    on: bool
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, order=True)
class BpmEvent:
    """From ``beat`` on the tempo is ``bpm``."""

    beat: float
    bpm: float
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, order=True)
class RotationEvent:
    """Turns the lanes by ``degrees`` clockwise (360 and 90 degree maps); ``late`` leaves the
    objects of its own beat."""

    beat: float
    late: int
    degrees: float
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, order=True)
class Waypoint:
    """Where the dancers of one environment walk."""

    beat: float
    x: int
    y: int
    direction: int
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, order=True)
class NjsEvent:
    """Changes the note jump speed by ``change`` against the difficulty's own (format v4.1)."""

    beat: float
    change: float
    use_previous: int = 0
    easing: int = 0
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Beatmap:
    """One difficulty's contents, every collection sorted by beat.

    ``event_keywords`` and ``extra`` (the file's custom data, where mods keep fake notes and
    editors their bookmarks) are carried as they are.
    """

    color_notes: tuple[ColorNote, ...] = ()
    bombs: tuple[Bomb, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    arcs: tuple[Arc, ...] = ()
    chains: tuple[Chain, ...] = ()
    lights: tuple[LightEvent, ...] = ()
    boosts: tuple[BoostEvent, ...] = ()
    bpm_events: tuple[BpmEvent, ...] = ()
    rotations: tuple[RotationEvent, ...] = ()
    waypoints: tuple[Waypoint, ...] = ()
    njs_events: tuple[NjsEvent, ...] = ()
    group_lights: tuple[EventBoxGroup, ...] = ()
    event_keywords: tuple[Mapping[str, Any], ...] = ()
    normal_events_compatible: bool = True
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Difficulty:
    """A difficulty as a level lists it, with the file's version and what reading it mended, kept
    although the unmodded game cannot play it, or dropped.

    ``environment_index`` and ``color_scheme_index`` number the level's lists (-1: no scheme of its
    own); ``mappers`` and ``lighters`` are format v4's; ``extra`` is what else its entry in Info.dat
    says (labels, requirements).
    """

    characteristic: str
    name: str
    njs: float
    offset: float
    beatmap: Beatmap
    filename: str = ""
    version: str = ""
    notes_on_reading: dict[str, int] = field(default_factory=dict)
    environment_index: int = 0
    color_scheme_index: int = -1
    lightshow_filename: str = ""
    mappers: tuple[str, ...] = ()
    lighters: tuple[str, ...] = ()
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class ColorScheme:
    """Colours that a level brings along: ``colors`` by v2's field names, each (r, g, b, a) in
    0-1."""

    name: str
    override_notes: bool
    override_lights: bool
    colors: Mapping[str, tuple[float, float, float, float]]
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class LevelInfo:
    """What Info.dat says of the song; ``bpm`` is the base tempo that beats are counted in.

    ``environments`` is the list that difficulties number; empty, it is ``environment`` alone.
    ``lufs`` and ``duration`` (seconds) are format v4's, 0 where unknown.
    """

    title: str
    bpm: float
    subtitle: str = ""
    artist: str = ""
    mapper: str = ""
    audio_filename: str = "song.egg"
    cover_filename: str = "cover.png"
    environment: str = "DefaultEnvironment"
    preview_start: float = 0.0
    preview_duration: float = 10.0
    version: str = ""
    custom_data: dict[str, object] = field(default_factory=dict)
    environments: tuple[str, ...] = ()
    all_directions_environment: str = "GlassDesertEnvironment"
    color_schemes: tuple[ColorScheme, ...] = ()
    time_offset: float = 0.0
    shuffle: float = 0.0
    shuffle_period: float = 0.5
    lufs: float = 0.0
    duration: float = 0.0
    preview_filename: str = ""
    audio_data_filename: str = ""
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Level:
    """A whole level without its sound: info plus difficulties in Info order.

    ``unread`` names the difficulty files that could not be read, each with the reason;
    ``audio_data`` is the tempo file beside the difficulties (``AudioData.dat``, or
    ``BPMInfo.dat``), if there is one; ``notes_on_reading`` is about Info.dat and that file.
    """

    info: LevelInfo
    difficulties: tuple[Difficulty, ...]
    audio_data: AudioData | None = None
    unread: tuple[tuple[str, str], ...] = ()
    notes_on_reading: dict[str, int] = field(default_factory=dict)
