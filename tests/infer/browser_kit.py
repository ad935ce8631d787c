"""What the tests in a browser share."""

from pathlib import Path
from typing import Any

DEMO_SONG = Path(__file__).parents[2] / "examples" / "demo_song.ogg"


def picture_of(page: Any, selector: str) -> bytes:
    """What is to be seen of an element, as PNG."""
    found: bytes = page.locator(selector).screenshot()
    return found
