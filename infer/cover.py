"""A level's cover picture: drawn from the song, or the user's own.

The drawn one is the song's mel spectrogram wound once around the centre, low notes inside, in
colours that the title picks. BeatSaver wants a square png or jpg of 256 px or more.
"""

from __future__ import annotations

import io
import itertools
import logging
import warnings
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

Array = npt.NDArray[np.float32]

SIZE = 512  # px
MIN_SIZE = 256  # px, BeatSaver's least
MAX_BYTES = 2 << 20  # a larger file is drawn again at SIZE, as the zip may hold 15 MiB
_FRAMES = 720  # spectra around the circle
_WINDOW = 4096  # samples a spectrum
_BANDS = 96
_INNER, _OUTER = 0.20, 0.94  # radii, 1 being half the picture

_log = logging.getLogger(__name__)


def draw_cover(
    samples: npt.ArrayLike, title: str, *, sample_rate: int = 22050, seed: int = 0
) -> bytes:
    """A 512 px square PNG of the song; the same song, title and seed give the same picture.

    Args:
        samples: (T,) or (1, T) mono samples.
        title: with ``seed`` it chooses the colours.
        sample_rate: samples a second.
        seed: any whole number.

    Raises:
        ValueError: no samples, or samples that are not finite.
    """
    audio = np.asarray(samples, np.float32).reshape(-1)
    if not len(audio) or not np.isfinite(audio).all():
        raise ValueError(
            f"expected finite samples, found none or NaN among {len(audio)}; "
            "the decoded audio is damaged"
        )
    mel = _mel(audio, sample_rate)
    ramp = _ramp((zlib.crc32(title.encode()) + 7919 * seed) % 360 / 360)
    sheet = _sheet()
    value = (0.06 + 0.94 * mel).take(sheet.place)
    value = np.where(sheet.inside, value, sheet.glow)
    value = np.clip(value + sheet.edge, 0, 1)
    pixels = ramp.take((value * (len(ramp) - 1)).astype(np.int32), axis=0)
    return _png(Image.fromarray(pixels, "RGB").resize((SIZE, SIZE), Image.Resampling.BOX))


@dataclass(frozen=True)
class _Sheet:
    """What every cover has at its pixels, twice as many to a side as it will have.

    Attributes:
        place: of the spectrogram's values, the one that is shown.
        inside: whether it is shown at all.
        glow: what is there elsewhere.
        edge: brightness that the two circles add.
    """

    place: npt.NDArray[np.int32]
    inside: npt.NDArray[np.bool_]
    glow: Array
    edge: Array


@cache
def _sheet() -> _Sheet:
    big = SIZE * 2
    axis = (np.arange(big, dtype=np.float32) + 0.5) / SIZE - 1
    x, y = axis[None, :], axis[:, None]
    radius = np.sqrt(x * x + y * y)
    turn = (np.arctan2(x, -y) / (2 * np.pi)) % 1  # clockwise from the top
    band = np.clip((radius - _INNER) / (_OUTER - _INNER), 0, 0.9999) * _BANDS
    edge = np.exp(-(((radius - _INNER) / 0.008) ** 2)) + 0.5 * np.exp(
        -(((radius - _OUTER) / 0.005) ** 2)
    )
    return _Sheet(
        (turn * _FRAMES).astype(np.int32) % _FRAMES * _BANDS + band.astype(np.int32),
        (radius >= _INNER) & (radius <= _OUTER),
        (0.10 * np.clip(1.25 - radius, 0, 1)).astype(np.float32),
        (0.8 * edge).astype(np.float32),
    )


def load_cover(path: Path) -> tuple[str, bytes]:
    """The user's picture as a level takes it.

    Returns:
        File name (``cover.png`` or ``cover.jpg``) and bytes: the file's own when it is already a
        square png or jpg of 256 px or more, else its middle cut square and resized to 512 px.

    Raises:
        ValueError: no such file, or no picture that can be decoded.
    """
    try:
        data = Path(path).read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
                image.load()
                form, size, cmyk = image.format, image.size, image.mode == "CMYK"
                picture = ImageOps.exif_transpose(image).convert("RGB")
    except (
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        reason = str(error).split("\n")[0]
        if isinstance(error, FileNotFoundError):
            reason = "no such file"
        elif isinstance(error, UnidentifiedImageError):
            reason = "something else"
        raise ValueError(
            f"{path}: expected a png or jpg cover, found {reason}; another format or damaged?"
        ) from error
    if size[0] == size[1] >= MIN_SIZE and len(data) <= MAX_BYTES and not cmyk:
        return ("cover.png" if form == "PNG" else "cover.jpg"), data
    _log.info("%s: %dx%d px made a square of %d px", path, *size, SIZE)
    return "cover.png", _png(ImageOps.fit(picture, (SIZE, SIZE), Image.Resampling.LANCZOS))


def _mel(audio: Array, sample_rate: int) -> Array:
    """Loudness 0-1 of (_FRAMES, _BANDS), from windows spread evenly over the song."""
    padded = np.pad(audio, (0, _WINDOW))
    starts = np.linspace(0, len(audio) - 1, _FRAMES).astype(np.int64)
    frames = padded[starts[:, None] + np.arange(_WINDOW)] * np.hanning(_WINDOW).astype(np.float32)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    top = min(16000.0, sample_rate / 2)
    edges = 700 * np.expm1(np.linspace(np.log1p(40 / 700), np.log1p(top / 700), _BANDS + 1))
    index = np.clip((edges * _WINDOW / sample_rate).astype(np.int64), 0, power.shape[1] - 2)
    bands = np.stack(
        [power[:, a : max(a + 1, b)].mean(axis=1) for a, b in itertools.pairwise(index)],
        axis=1,
    )
    level = np.log10(bands + 1e-9)
    level -= np.median(level, axis=0) * 0.6  # high bands are quieter in every song
    low, high = np.percentile(level, (15, 99.5))
    scaled: Array = np.clip((level - low) / max(1e-6, high - low), 0, 1).astype(
        np.float32
    ) ** np.float32(1.4)
    return scaled


def _ramp(hue: float) -> npt.NDArray[np.uint8]:
    """256 colours (256, 3): night blue, through the hue and its warmer neighbour, to near white."""
    stops = np.array(
        [
            _hsv(hue, 0.75, 0.06),
            _hsv(hue, 0.85, 0.35),
            _hsv(hue + 0.06, 0.8, 0.8),
            _hsv(hue + 0.14, 0.55, 1),
        ]
    )
    stops = np.concatenate([stops, _hsv(hue + 0.2, 0.12, 1)[None]])
    places = np.linspace(0, 1, 256)
    at = (0.0, 0.3, 0.6, 0.85, 1.0)
    ramp = np.stack([np.interp(places, at, stops[:, channel]) for channel in range(3)], axis=1)
    return np.round(ramp * 255).astype(np.uint8)


def _hsv(hue: float, saturation: float, value: float) -> npt.NDArray[np.float64]:
    wheel = np.clip(np.abs((hue * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    colour: npt.NDArray[np.float64] = value * (1 - saturation * (1 - wheel))
    return colour


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=9)
    return out.getvalue()
