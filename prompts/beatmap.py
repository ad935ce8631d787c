"""The neutral beatmap: what a difficulty contains, whichever file version it came from.

Times are **beats** of the map (see `saberlm.prompts.tempo` for seconds). Cells are ``x`` 0-3 from
the left and ``y`` 0-2
from the bottom. Objects are plain frozen records; nothing here knows a file format, a token or a
sound.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

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


@dataclass(frozen=True, slots=True, order=True)
class Bomb:
    """A bomb: must not be touched."""

    beat: float
    x: int
    y: int


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


@dataclass(frozen=True, slots=True, order=True)
class LightEvent:
    """A basic (classic environment) event: lights, rings, laser speeds. Types are in the map
    format's numbering."""

    beat: float
    type: int
    value: int
    brightness: float = 1.0


@dataclass(frozen=True, slots=True, order=True)
class BoostEvent:
    """Switches the environment to its boost colours or back."""

    beat: float
    on: bool


@dataclass(frozen=True, slots=True, order=True)
class BpmEvent:
    """From ``beat`` on the tempo is ``bpm``."""

    beat: float
    bpm: float


@dataclass(frozen=True)
class Beatmap:
    """One difficulty's contents, every collection sorted by beat."""

    color_notes: tuple[ColorNote, ...] = ()
    bombs: tuple[Bomb, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    arcs: tuple[Arc, ...] = ()
    chains: tuple[Chain, ...] = ()
    lights: tuple[LightEvent, ...] = ()
    boosts: tuple[BoostEvent, ...] = ()
    bpm_events: tuple[BpmEvent, ...] = ()


@dataclass(frozen=True)
class Difficulty:
    """A difficulty as a level lists it, with the file's version and what reading it mended or
    dropped."""

    characteristic: str
    name: str
    njs: float
    offset: float
    beatmap: Beatmap
    filename: str = ""
    version: str = ""
    notes_on_reading: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class LevelInfo:
    """What Info.dat says of the song; ``bpm`` is the base tempo that beats are counted in."""

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


@dataclass(frozen=True)
class Level:
    """A whole level without its sound: info plus difficulties in Info order."""

    info: LevelInfo
    difficulties: tuple[Difficulty, ...]
