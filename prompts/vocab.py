"""The map vocabulary: one token per fact, laid out in blocks, with a fingerprint that every
checkpoint carries.

Token ids are arithmetic: a block has an offset and a size, and a value's id is offset + value. The
vocabulary is code, not configuration: changing anything here makes trained weights unreadable, and
the fingerprint says so on load. Header text is spelled with the pieces of
`saberlm.prompts.text_pieces` (which fall back to bytes), so the header is open text over a small
table.

``python -m saberlm.prompts.vocab`` prints the table.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import accumulate

from saberlm.prompts.text_pieces import TEXT_PIECES

TICKS_PER_BEAT = 48
BEATS_PER_SEGMENT = 4
TICKS_PER_SEGMENT = TICKS_PER_BEAT * BEATS_PER_SEGMENT

LIGHT_TYPES = (0, 1, 2, 3, 4, 6, 7, 10, 11, 8, 9, 16, 17, 18, 19, 40, 41, 42, 43)
"""Basic event types with values 0-12: light groups, ring spin and zoom, environment specials."""
LASER_TYPES = (12, 13)
"""Laser speeds left and right, values 0-31."""
NUM_LIGHT_VALUES = 13
NUM_LASER_VALUES = 32
NUM_BRIGHTNESS = 41
"""Brightness in steps of 0.05 from 0 to 2; 1.0 is left unsaid."""
BRIGHTNESS_STEP = 0.05
ANGLE_STEP = 5
NUM_ANGLES = 72
"""Angle offsets in steps of 5 degrees, modulo 360; 0 is left unsaid."""
MULTIPLIER_STEP = 0.1
NUM_MULTIPLIERS = 51
SQUISH_STEP = 0.05
NUM_SQUISH = 41
NUM_SLICES = 33
NUM_ARC_SLOTS = 8
MAX_WALL_WIDTH = 4
MAX_WALL_HEIGHT = 5
NUM_DURATION_BEATS = 64
BPM_DIGITS = 7
"""A tempo is spelled as seven digits: thousandths of a beat per minute."""

SPECIALS = (
    "<pad>",
    "<unk>",
    "<map>",
    "</map>",
    "<header>",
    "</header>",
    "<sketch>",
    "<audio>",
    "<seg>",
    "</seg>",
    "<ctx lights>",
    "<ctx difficulty>",
    "<ctx continue>",
    "<ctx remap>",
    "<ctx reference>",
    "</ctx>",
    "<target>",
    "<gap>",
    *(f"<spare {i}>" for i in range(14)),
)

BLOCKS: tuple[tuple[str, int], ...] = (
    ("special", len(SPECIALS)),
    ("position", TICKS_PER_SEGMENT),  # tick in the bar
    ("tempo", 1),  # followed by BPM_DIGITS digits
    ("digit", 10),
    ("note", 2 * 3 * 4 * 9),  # colour, row, column, direction
    ("angle", NUM_ANGLES),  # degrees / 5 of the note before
    ("free", 2 * 3 * 4),  # colour, row, column of an arc or chain end that hangs on no note
    ("chain", NUM_SLICES),  # slice count; then tail cell, squish, duration
    ("chain_tail", 3 * 4),
    ("squish", NUM_SQUISH),
    ("arc_end", NUM_ARC_SLOTS),  # closes the slot here
    ("arc_start", NUM_ARC_SLOTS),  # opens the slot here
    ("arc_direction", 9),  # only where it differs from the note's (free: from "any")
    ("multiplier", NUM_MULTIPLIERS),  # only where it is not 1
    ("anchor", 3),  # mid anchor mode, only where it is not 0
    ("bomb", 3 * 4),
    ("wall", 3 * 4),  # cell; then width, height, duration
    ("wall_width", MAX_WALL_WIDTH),
    ("wall_height", MAX_WALL_HEIGHT),
    ("duration_more", 1),  # + 64 beats
    ("duration_beats", NUM_DURATION_BEATS),
    ("duration_ticks", TICKS_PER_BEAT),
    ("boost", 2),
    ("light", len(LIGHT_TYPES) * NUM_LIGHT_VALUES),
    ("laser", len(LASER_TYPES) * NUM_LASER_VALUES),
    ("brightness", NUM_BRIGHTNESS),
    ("text", len(TEXT_PIECES)),
)

SIZES = dict(BLOCKS)
OFFSETS = dict(
    zip(
        (name for name, _ in BLOCKS),
        accumulate((size for _, size in BLOCKS), initial=0),
        strict=False,
    )
)
VOCAB_SIZE = sum(SIZES.values())

PAD, UNK, MAP, END_MAP, HEADER, END_HEADER, SKETCH, AUDIO, SEG, END_SEG = range(10)
CTX_LIGHTS, CTX_DIFFICULTY, CTX_CONTINUE, CTX_REMAP, CTX_REFERENCE, END_CTX, TARGET, GAP = range(
    10, 18
)


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart: its block and its value within the block."""

    kind: str
    value: int


_KIND_OF: tuple[Token, ...] = tuple(
    Token(name, value) for name, size in BLOCKS for value in range(size)
)


def token_id(kind: str, value: int) -> int:
    """The id of ``value`` in block ``kind``.

    Raises:
        ValueError: the value lies outside the block.
    """
    if not 0 <= value < SIZES[kind]:
        raise ValueError(f"{kind} value {value} is outside 0..{SIZES[kind] - 1}")
    return OFFSETS[kind] + value


def token_of(token: int) -> Token:
    """The inverse of `token_id`."""
    if not 0 <= token < VOCAB_SIZE:
        raise ValueError(f"token {token} is outside the vocabulary of {VOCAB_SIZE}")
    return _KIND_OF[token]


def block_range(kind: str) -> range:
    """All ids of a block."""
    return range(OFFSETS[kind], OFFSETS[kind] + SIZES[kind])


def note_value(color: int, y: int, x: int, direction: int) -> int:
    """Value of a note in its block: colour, row, column, direction, the last fastest."""
    return ((color * 3 + y) * 4 + x) * 9 + direction


def note_parts(value: int) -> tuple[int, int, int, int]:
    """``(color, y, x, direction)`` of a note value."""
    cell, direction = divmod(value, 9)
    color, cell = divmod(cell, 12)
    return color, cell // 4, cell % 4, direction


_DIRECTION_NAMES = (
    "up",
    "down",
    "left",
    "right",
    "up-left",
    "up-right",
    "down-left",
    "down-right",
    "any",
)
_COLOR_NAMES = ("red", "blue")
_LIGHT_NAMES = {
    0: "back",
    1: "rings",
    2: "left",
    3: "right",
    4: "centre",
    8: "ring-spin",
    9: "ring-zoom",
    12: "left-speed",
    13: "right-speed",
}
_LIGHT_VALUE_NAMES = (
    "off",
    *(
        f"{color}-{how}"
        for color in ("blue", "red", "white")
        for how in ("on", "flash", "fade", "transition")
    ),
)


def describe(token: int) -> str:
    """A token as a person reads it."""
    part = token_of(token)
    kind, value = part.kind, part.value
    if kind == "special":
        return SPECIALS[value]
    if kind == "text":
        return TEXT_PIECES[value]
    if kind == "position":
        return f"<p{value}>"
    if kind == "note":
        color, y, x, direction = note_parts(value)
        return f"<{_COLOR_NAMES[color]} y{y} x{x} {_DIRECTION_NAMES[direction]}>"
    if kind in ("light", "laser"):
        types, size = (
            (LIGHT_TYPES, NUM_LIGHT_VALUES) if kind == "light" else (LASER_TYPES, NUM_LASER_VALUES)
        )
        event, level = types[value // size], value % size
        named = kind == "light" and event not in (8, 9)
        shown = _LIGHT_VALUE_NAMES[level] if named else str(level)
        return f"<light {_LIGHT_NAMES.get(event, event)} {shown}>"
    return f"<{kind} {_shown_value(kind, value)}>"


def _shown_value(kind: str, value: int) -> str:
    """A value of the smaller blocks in the units of the map format."""
    if kind in ("bomb", "wall", "chain_tail"):
        return f"y{value // 4} x{value % 4}"
    if kind == "free":
        return f"{_COLOR_NAMES[value // 12]} y{value % 12 // 4} x{value % 4}"
    if kind == "boost":
        return ("off", "on")[value]
    if kind == "arc_direction":
        return _DIRECTION_NAMES[value]
    if kind in ("wall_width", "wall_height"):
        return str(value + 1)
    scale = {
        "angle": ANGLE_STEP,
        "squish": SQUISH_STEP,
        "multiplier": MULTIPLIER_STEP,
        "brightness": BRIGHTNESS_STEP,
    }.get(kind, 1)
    return f"{value * scale:g}"


def fingerprint() -> str:
    """Hash of the whole layout; stored in every checkpoint and compared on load."""
    layout = json.dumps(
        [
            BLOCKS,
            SPECIALS,
            LIGHT_TYPES,
            LASER_TYPES,
            TICKS_PER_BEAT,
            BEATS_PER_SEGMENT,
            TEXT_PIECES,
        ],
        ensure_ascii=True,
    )
    return hashlib.sha256(layout.encode()).hexdigest()[:16]


def table() -> str:
    """The vocabulary as a printable table: block, first id, size."""
    rows = [
        f"{name:15} {OFFSETS[name]:5} .. {OFFSETS[name] + size - 1:5}  {size:4}"
        for name, size in BLOCKS
    ]
    return "\n".join([*rows, f"{VOCAB_SIZE} tokens, fingerprint {fingerprint()}"])


if __name__ == "__main__":
    import sys

    sys.stdout.write(table() + "\n")
