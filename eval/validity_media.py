"""Strict validity of a level's sound and cover, by content (`beat-saber.md` 1.1)."""

from __future__ import annotations

import io
import warnings

from saberlm.eval.findings import FindingLog

MIN_COVER_PIXELS = 256
_BLOCK_FRAMES = 1 << 18


def check_audio(data: bytes, log: FindingLog) -> float | None:
    """Check that the sound is Ogg Vorbis that decodes; its seconds, or None if unreadable."""
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            kind = f"{sound.format}/{sound.subtype}"
            if (sound.format, sound.subtype) != ("OGG", "VORBIS"):
                log.error("audio.format", "", f"expected Ogg Vorbis, found {kind}")
            elif not _decodes(sound):
                log.error("audio.decode", "", "expected sound that decodes, found damaged data")
            seconds = float(sound.frames / sound.samplerate) if sound.samplerate else 0.0
    except (soundfile.SoundFileError, RuntimeError, TypeError) as problem:
        text = str(problem).splitlines()[0][:80] if str(problem) else type(problem).__name__
        log.error("audio.unreadable", "", f"expected Ogg Vorbis, found an unreadable file: {text}")
        return None
    if not 0 < seconds < 1e6:
        log.error("audio.empty", "", f"expected a sound with a length, found {seconds:g} seconds")
        return None
    return seconds


def audio_seconds(data: bytes) -> float | None:
    """Length of a sound by its header alone; None where it has none or cannot be read."""
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            seconds = float(sound.frames / sound.samplerate) if sound.samplerate else 0.0
    except (soundfile.SoundFileError, RuntimeError, TypeError):
        return None
    return seconds if 0 < seconds < 1e6 else None


def _decodes(sound: object) -> bool:
    import soundfile

    assert isinstance(sound, soundfile.SoundFile)
    frames = 0
    try:
        while block := len(sound.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)):
            frames += block
    except (soundfile.SoundFileError, RuntimeError):
        return False
    return bool(frames >= sound.frames)


def check_cover(data: bytes, log: FindingLog) -> None:
    """Check that the cover is a PNG or JPEG by content, square and at least 256 pixels wide."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                kind, (width, height) = image.format, image.size
                if kind not in ("PNG", "JPEG"):
                    log.error("cover.format", "", f"expected a PNG or JPEG image, found {kind}")
                    return
                image.load()
    except UnidentifiedImageError:
        log.error("cover.format", "", "expected a PNG or JPEG image, found no image that is known")
        return
    except (
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as problem:
        text = f"expected an image that decodes, found: {str(problem)[:80]}"
        log.error("cover.decode", "", text)
        return
    if width != height:
        log.error("cover.square", "", f"expected a square cover, found {width} x {height} pixels")
    if min(width, height) < MIN_COVER_PIXELS:
        text = f"expected at least {MIN_COVER_PIXELS} pixels, found {width} x {height}"
        log.error("cover.size", "", text)
