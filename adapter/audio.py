"""Sound files in and out: any song becomes mono float32 at one rate, any signal becomes Ogg Vorbis.

libsndfile reads wav, flac, ogg (vorbis, opus) and mp3, recognised by content and not by name;
everything else (m4a, aac, wma, ...) goes through ``ffmpeg`` when it is on the PATH. Knows nothing
of maps, tempo or tokens.
"""

from __future__ import annotations

import functools
import io
import logging
import os
import re
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr

MIN_SECONDS = 5.0  # shorter than this is no song
MAX_SECONDS = 1800.0  # 30 minutes; also bounds memory
SILENCE_PEAK = 1e-4  # -80 dBFS: the loudest sample of a silent file stays below it
MIN_SOURCE_RATE = (
    4000  # Hz; a file that states less (or more than the next line) has a broken header
)
MAX_SOURCE_RATE = 384_000  # Hz
BLOCK_FRAMES = 65_536  # frames a read or write; libsndfile's Ogg writer crashes on one large write
CUT_SHARE = 0.98  # a file that decodes to less than this share of its stated length is cut
OGG_SERIAL = 0x5ABE  # fixed, so that equal samples give equal bytes (libsndfile draws a random one)

_CONTAINERS = {4: (b"ftyp", "MP4/M4A"), 0: (b"\x30\x26\xb2\x75", "WMA/ASF")}
_MAX_PAGE_BYTES = 27 + 255 + 255 * 255  # of an Ogg page
_ZIP = b"PK\x03\x04"
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))

logger = logging.getLogger(__name__)
_warn_once = functools.lru_cache(maxsize=256)(logger.warning)  # a song is decoded more than once

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a sound file's header states.

    ``format`` is libsndfile's name, or FFMPEG; ``seconds`` and ``channels`` are 0 where a file that
    needs ffmpeg does not state them.
    """

    format: str
    subtype: str
    sample_rate: int
    channels: int
    seconds: float


def load_audio(
    path: str | os.PathLike[str], sample_rate: int, keep: list[FloatArray] | None = None
) -> FloatArray:
    """Decodes a song: all channels averaged, resampled to ``sample_rate`` Hz.

    Args:
        path: any sound file; what libsndfile does not read goes through ffmpeg.
        sample_rate: Hz.
        keep: takes what was decoded, at the file's own rate, block by block: ``(n, C)``, more than
            two channels or what ffmpeg read averaged to one.

    Returns:
        samples: ``(1, T)``, float32, nominally in -1..1.

    Raises:
        ValueError: the file is missing, no audio, damaged, too short, too long, silent or holds
        NaN.
    """
    path = Path(path)
    info = audio_info(path)
    if info.seconds > 0 or info.format != "FFMPEG":
        _check_length(path, info.seconds, "its header states")
    blocks = _ffmpeg_blocks(path, info) if info.format == "FFMPEG" else _sndfile_blocks(path)
    resampler = soxr.ResampleStream(info.sample_rate, sample_rate, 1, dtype="float32")
    pieces: list[FloatArray] = []
    num_frames, peak = 0, 0.0
    for block in blocks:
        with np.errstate(invalid="ignore", over="ignore"):  # NaN and infinity are refused below
            mono = block.mean(axis=1)
        if keep is not None:
            keep.append(block if block.shape[1] <= 2 else mono[:, np.newaxis])
        num_frames += len(mono)
        peak = max(peak, float(np.abs(mono).max(initial=0.0)))  # NaN is caught below
        if not np.isfinite(mono).all():
            raise ValueError(
                f"{path}: expected finite samples, found NaN or infinity at about "
                f"{num_frames / info.sample_rate:.1f} s; the export that wrote it is broken"
            )
        if num_frames > MAX_SECONDS * info.sample_rate:
            _check_length(path, num_frames / info.sample_rate, "it goes on for at least")
        pieces.append(resampler.resample_chunk(mono))
    seconds = num_frames / info.sample_rate
    if seconds < CUT_SHARE * info.seconds:
        if seconds < MIN_SECONDS:
            raise ValueError(
                f"{path}: expected {info.seconds:.1f} s of audio as its header states, "
                f"found {seconds:.1f} s; the file is cut short (an unfinished download?)"
            )
        _warn_once(
            "%s: the header states %.1f s but only %.1f s decode: the file is cut short",
            path,
            info.seconds,
            seconds,
        )
    _check_length(path, seconds, "it decodes to")
    if info.format == "OGG" and _ogg_is_cut(path):
        _warn_once(
            "%s: the file stops in the middle, after %.1f s: an unfinished download?", path, seconds
        )
    if peak < SILENCE_PEAK:
        raise ValueError(
            f"{path}: expected music, found silence (peak {peak:.1e}); a muted or wrong export?"
        )
    pieces.append(resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
    return np.concatenate(pieces)[np.newaxis]


def mono_of(blocks: Sequence[FloatArray], source_rate: int, sample_rate: int) -> FloatArray:
    """What `load_audio` gives ``(1, T)``, of the blocks that it kept."""
    resampler = soxr.ResampleStream(source_rate, sample_rate, 1, dtype="float32")
    pieces = [resampler.resample_chunk(block.mean(axis=1)) for block in blocks]
    pieces.append(resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
    return np.concatenate(pieces)[np.newaxis]


def audio_info(path: str | os.PathLike[str]) -> AudioInfo:
    """Reads the header of a sound file; raises ``ValueError`` for what is not one."""
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path}: expected a sound file, found a folder")
    if not path.exists():
        raise ValueError(f"{path}: expected a sound file, found nothing there; is the path right?")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: expected a sound file, found 0 bytes; an unfinished download?")
    try:
        with path.open("rb") as file, sf.SoundFile(file) as sound:
            seconds = sound.frames / sound.samplerate
            info = AudioInfo(sound.format, sound.subtype, sound.samplerate, sound.channels, seconds)
    except sf.SoundFileError:
        info = _ffmpeg_info(path)
    if not MIN_SOURCE_RATE <= info.sample_rate <= MAX_SOURCE_RATE:
        raise ValueError(
            f"{path}: expected a sample rate of {MIN_SOURCE_RATE} to {MAX_SOURCE_RATE} Hz, "
            f"found {info.sample_rate} Hz; the header is damaged"
        )
    return info


def is_ogg_vorbis(path: str | os.PathLike[str]) -> bool:
    """Whether the file is an Ogg container whose first stream is Vorbis (what the game plays)."""
    with Path(path).open("rb") as file:
        first_page = file.read(64)
    return first_page[:4] == b"OggS" and first_page[28:35] == b"\x01vorbis"


def write_ogg_vorbis(
    path: str | os.PathLike[str],
    samples: npt.NDArray[Any],
    sample_rate: int,
    *,
    quality: float = 0.6,
) -> None:
    """Writes an Ogg Vorbis file, whole or not at all; equal samples give equal bytes.

    Args:
        path: the file to write or to replace; its folder exists.
        samples: ``(C, T)``, float, in -1..1.
        sample_rate: Hz, 8000 to 192000.
        quality: Vorbis quality, 0 to 1 (0.4 is about 128 kbit/s in stereo, 0.6 about 192).
    """
    path = Path(path)
    if samples.ndim != 2 or 0 in samples.shape:
        raise ValueError(f"expected samples (C, T), none of them 0, found shape {samples.shape}")
    if not 8000 <= sample_rate <= 192_000:
        raise ValueError(f"expected a rate of 8000 to 192000 Hz for Vorbis, found {sample_rate}")
    if not np.isfinite(samples).all():
        raise ValueError("expected finite samples, found NaN or infinity")
    encoded = io.BytesIO()
    with sf.SoundFile(
        encoded,
        "w",
        sample_rate,
        samples.shape[0],
        format="OGG",
        subtype="VORBIS",
        compression_level=1.0 - quality,
    ) as sound:
        for start in range(0, samples.shape[1], BLOCK_FRAMES):
            block = samples[:, start : start + BLOCK_FRAMES].T  # (C, T) -> (T, C)
            sound.write(np.ascontiguousarray(block, dtype=np.float32))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(_with_fixed_serial(encoded.getvalue()))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _check_length(path: Path, seconds: float, how: str) -> None:
    if seconds > MAX_SECONDS:
        raise ValueError(
            f"{path}: expected at most {MAX_SECONDS / 60:.0f} minutes of audio, found that {how} "
            f"{seconds / 60:.1f} minutes; a mix or a podcast? cut out one song"
        )
    if seconds < MIN_SECONDS:
        raise ValueError(
            f"{path}: expected at least {MIN_SECONDS:.0f} s of audio, found that {how} "
            f"{seconds:.2f} s; a sound effect, or a file that was cut?"
        )


def _sndfile_blocks(path: Path) -> Iterator[FloatArray]:
    """The file as blocks ``(n, C)``."""
    try:
        # By file object, not by name: libsndfile then goes by the content and not by the extension.
        with path.open("rb") as file, sf.SoundFile(file) as sound:
            while len(block := sound.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
                yield block
    except sf.SoundFileError as error:
        reason = " ".join(str(error).removeprefix("Error : ").split())
        raise ValueError(
            f"{path}: expected decodable audio, found damage ({reason.rstrip('.')}); "
            "the file is cut short or corrupt"
        ) from error


def _ffmpeg_info(path: Path) -> AudioInfo:
    """What ffmpeg says of a file that libsndfile refused."""
    wanted = "expected wav, flac, ogg, opus or mp3 audio"
    with path.open("rb") as file:
        head = file.read(512)
    # Playlists and scripts, which ffmpeg would follow to other files, are text: they stop here.
    if _is_text(head):
        raise ValueError(f"{path}: {wanted}, found text; a renamed file or a saved web page?")
    if head.startswith(_ZIP):
        raise ValueError(
            f"{path}: {wanted}, found a zip; a level (to work on, not to map), or songs that have"
            " to be unpacked first?"
        )
    kinds = [kind for at, (mark, kind) in _CONTAINERS.items() if head[at:].startswith(mark)]
    found = kinds[0] if kinds else "an unknown format"
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise ValueError(
            f"{path}: {wanted}, found {found}; damaged, or a format (m4a, aac, wma, ...) that is "
            "read through ffmpeg, which is not on the PATH: install ffmpeg or convert the file"
        )
    arguments = [ffmpeg, "-hide_banner", "-nostdin", *_ffmpeg_input(path)]
    report = subprocess.run(arguments, capture_output=True, check=False).stderr.decode(
        errors="replace"
    )
    stream = re.search(r"Audio: (\w+).*?, (\d+) Hz, ([^,\n]+)", report)
    length = re.search(r"Duration: (\d+):(\d+):(\d+(?:\.\d+)?)", report)
    if stream is None:
        raise ValueError(
            f"{path}: {wanted}, found {found} in which ffmpeg sees no audio; damaged or no song"
        )
    channels = {"mono": 1, "stereo": 2, "5.1": 6, "7.1": 8}.get(stream[3].strip(), 0)
    seconds = 0.0
    if length is not None and "Estimating duration" not in report:
        seconds = 3600 * int(length[1]) + 60 * int(length[2]) + float(length[3])
    return AudioInfo("FFMPEG", stream[1], int(stream[2]), channels, seconds)


def _ffmpeg_input(path: Path) -> list[str]:
    return ["-protocol_whitelist", "file,pipe", "-i", f"file:{path}"]


def _ffmpeg_blocks(path: Path, info: AudioInfo) -> Iterator[FloatArray]:
    """The first audio stream, decoded by ffmpeg, as mono blocks ``(n, 1)`` at its own rate."""
    arguments = [shutil.which("ffmpeg") or "ffmpeg", "-v", "error", "-nostdin"]
    arguments += [*_ffmpeg_input(path), "-map", "0:a:0", "-ac", "1", "-ar", str(info.sample_rate)]
    arguments += ["-f", "f32le", "-c:a", "pcm_f32le", "pipe:1"]
    with (
        tempfile.TemporaryFile() as errors,  # a file, since a full pipe would stop ffmpeg
        subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        assert process.stdout is not None
        try:
            while data := process.stdout.read(4 * BLOCK_FRAMES):
                mono = np.frombuffer(data[: len(data) // 4 * 4], dtype="<f4").astype(np.float32)
                yield mono[:, np.newaxis]
        except GeneratorExit:
            process.kill()
            raise
        if process.wait() != 0:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").split("\n")
            raise ValueError(
                f"{path}: expected decodable audio, found damage (ffmpeg: {lines[0].strip()}); "
                "the file is cut short or corrupt"
            )


def _is_text(head: bytes) -> bool:
    """Whether these first bytes are text: no control characters, and UTF-8 up to a cut last one."""
    if any(byte < 32 and byte not in b"\t\n\r\f" for byte in head):
        return False
    try:
        head[: max(len(head) - 3, 1)].decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True


def _ogg_is_cut(path: Path) -> bool:
    """Whether an Ogg file's last page is not whole: no header states a length that could be
    missed."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _MAX_PAGE_BYTES))
        tail = file.read()
    start = tail.rfind(b"OggS")
    page = tail[start:]
    if start < 0 or len(page) < 27:
        return True
    num_segments = page[26]
    return len(page) < 27 + num_segments + sum(page[27 : 27 + num_segments])


def _with_fixed_serial(data: bytes) -> bytes:
    """The same Ogg file with ``OGG_SERIAL`` on every page, and checksums to match."""
    pages = bytearray(data)
    start = 0
    while start < len(pages):
        num_segments = pages[start + 26]
        end = start + 27 + num_segments + sum(pages[start + 27 : start + 27 + num_segments])
        pages[start + 14 : start + 18] = OGG_SERIAL.to_bytes(4, "little")
        pages[start + 22 : start + 26] = bytes(4)
        checksum = _ogg_checksum(bytes(pages[start:end]))
        pages[start + 22 : start + 26] = checksum.to_bytes(4, "little")
        start = end
    return bytes(pages)


def _ogg_checksum(page: bytes) -> int:
    """Ogg's CRC-32 (most significant bit first, no inversions), by way of zlib's mirrored one."""
    mirrored = zlib.crc32(page.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
