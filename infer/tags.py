"""What a sound file says of itself: title and artist, from its tags or its name."""

from __future__ import annotations

from pathlib import Path

import soundfile as sf

from saberlm.infer.pack import SongMeta, meta_from_filename

MAX_CHARACTERS = 90


def read_meta(path: Path, *, mapper: str = "saberlm") -> SongMeta:
    """Title and artist from the file's tags (ID3, Vorbis comments, RIFF); what they do not say from
    its name. A file that cannot be read has what its name says."""
    named = meta_from_filename(path, mapper=mapper)
    try:
        with path.open("rb") as file, sf.SoundFile(file) as sound:
            found = sound.copy_metadata()
    except (OSError, ValueError, sf.SoundFileError):  # ValueError: tags that are no UTF-8
        return named
    title, artist = (_line(found.get(key, "")) for key in ("title", "artist"))
    if not title:
        return named
    return SongMeta(title=title, artist=artist or named.artist, mapper=mapper)


def _line(text: str) -> str:
    """One line of printable text, not longer than a level may say it."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(shown.split())[:MAX_CHARACTERS]
