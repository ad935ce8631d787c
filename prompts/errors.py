"""What reading a level, or a header written by hand, raises."""

from __future__ import annotations

import re

MAX_SHOWN = 80


class LevelError(ValueError):
    """A level, or a file of one, that cannot be read or written: one line that names the file and
    says what was expected, what was found and the likely cause."""


class HeaderError(ValueError):
    """A header that does not follow the grammar.

    Attributes:
        reason: what was expected and found.
        text: the header or template.
        start: where the wrong piece begins in it, in characters.
        end: where it ends.
    """

    def __init__(self, reason: str, text: str, start: int, end: int) -> None:
        self.reason, self.text, self.start, self.end = reason, text, start, end
        shown = re.sub(r"\s", " ", text)
        carets = " " * start + "^" * max(1, end - start)
        super().__init__(f"prompt: {reason}\n  {shown}\n  {carets}")


def shown(value: object) -> str:
    """Returns a value of a file for a message, in 80 characters at most."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."
