"""What reading a level raises."""

from __future__ import annotations

MAX_SHOWN = 80


class LevelError(ValueError):
    """A level, or a file of one, that cannot be read or written: one line that names the file and
    says what was expected, what was found and the likely cause."""


def shown(value: object) -> str:
    """Returns a value of a file for a message, in 80 characters at most."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."
