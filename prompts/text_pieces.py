"""The text pieces that spell a header: field names, usual values, single characters, and bytes as
a last resort.

Part of the vocabulary (see `saberlm.prompts.vocab`): the order is the id, so never reorder, only
use a spare.
"""

from __future__ import annotations

FIELD_NAMES = (
    "Difficulty",
    "NPS",
    "NJS",
    "BPM",
    "Style",
    "Rating",
    "Year",
    "Mapper",
    "Lights",
    "Arcs",
    "Chains",
    "Bombs",
    "Walls",
    "Seconds",
    "Environment",
    "Parity",
)
VALUES = (
    *("Easy", "Normal", "Hard", "Expert", "ExpertPlus", "unknown", "on", "off"),
    # BeatSaver's style tags
    *("accuracy", "balanced", "challenge", "dance-style", "fitness", "speed", "tech"),
    # words mappers use of a style
    *(
        "streams",
        "jumps",
        "flow",
        "vibro",
        "poodle",
        "acc",
        "midspeed",
        "chill",
        "gimmick",
        "technical",
        "modern",
        "classic",
    ),
    # BeatSaver's genre tags
    *(
        "alternative",
        "ambient",
        "anime",
        "classical-orchestral",
        "comedy-meme",
        "dance",
        "drum-and-bass",
        "dubstep",
        "electronic",
    ),
    *(
        "folk-acoustic",
        "funk-disco",
        "hardcore",
        "hip-hop-rap",
        "holiday",
        "house",
        "indie",
        "instrumental",
        "j-pop",
        "j-rock",
    ),
    *(
        "jazz",
        "k-pop",
        "kids-family",
        "metal",
        "nightcore",
        "pop",
        "punk",
        "rb",
        "rock",
        "soul",
        "speedcore",
        "swing",
    ),
    *("tv-movie-soundtrack", "techno", "trance", "video-game-soundtrack", "vocaloid"),
)
SEPARATORS = (": ", " | ", ", ")
CHARACTERS = tuple(chr(code) for code in range(32, 127))
# added later, in the place of spares: a header field, and words of saberlm.prompts.descriptors
ADDED = (
    *("Stars", "doubles", "wide", "vertical", "crossovers", "sliders", "walls"),
    *("dense lights", "sparse lights"),
)
SPARE = tuple(f"<text spare {i}>" for i in range(len(ADDED), 32))
BYTES = tuple(f"<0x{value:02X}>" for value in range(256))

TEXT_PIECES: tuple[str, ...] = (
    *FIELD_NAMES,
    *VALUES,
    *SEPARATORS,
    *CHARACTERS,
    *ADDED,
    *SPARE,
    *BYTES,
)

_INDEX = {
    piece: i for i, piece in enumerate(TEXT_PIECES) if piece not in SPARE and piece not in BYTES
}
_LONGEST = max(map(len, _INDEX))
_FIRST_BYTE = len(TEXT_PIECES) - 256


def encode_text(text: str) -> list[int]:
    """Spell ``text`` by the longest piece that fits, left to right; other characters as UTF-8
    bytes."""
    pieces: list[int] = []
    start = 0
    while start < len(text):
        for length in range(min(_LONGEST, len(text) - start), 0, -1):
            found = _INDEX.get(text[start : start + length])
            if found is not None:
                pieces.append(found)
                start += length
                break
        else:
            pieces.extend(_FIRST_BYTE + byte for byte in text[start].encode())
            start += 1
    return pieces


def decode_text(pieces: list[int]) -> str:
    """The inverse of `encode_text`; byte runs that are not UTF-8 become the replacement
    character."""
    out = bytearray()
    for piece in pieces:
        out += bytes([piece - _FIRST_BYTE]) if piece >= _FIRST_BYTE else TEXT_PIECES[piece].encode()
    return out.decode(errors="replace")
