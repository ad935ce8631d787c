"""A dataset small enough to carry: slices of so many megabytes, each a folder, unpacked one by one.

A song is one xz file. Spectrograms are kept as steps of `STEP` (their flux is made again from
them), other features as 8 bits between each one's least and greatest; both as differences in time.
Tokens are kept as they are.
"""

from __future__ import annotations

import hashlib
import json
import lzma
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from saberlm.finetune.pieces import join, split
from saberlm.finetune.shards import (
    INDEX_NAME,
    DifficultyStream,
    SongShard,
    load_shard,
    save_shard,
)
from saberlm.prompts import vocab as v
from saberlm.prompts.header import Conditions

STEP = 0.25
"""Of the logarithm of a band's power: 1.1 dB, an error of 0.07 beside a deviation of 1.4."""
NUM_MELS, NUM_FLUX = 80, 40
LIST_NAME = "slices.json"
_FILE_PIECE = 8_000_000


@dataclass(frozen=True)
class Packed:
    """What packing came to."""

    slices: int
    songs: int
    megabytes: float
    rms_error: float


def flux_of(mel: np.ndarray) -> np.ndarray:
    """The flux bands of `LogMelFrontEnd` from its log-mel bands: ``(F, 80)`` -> ``(F, 40)``, and so
    for any even number of bands."""
    before = np.concatenate([mel[:1], mel[:1], mel])[: len(mel)]
    rise = np.maximum(mel - before, 0).reshape(len(mel), mel.shape[1] // 2, 2).mean(2)
    edge = np.full((1, rise.shape[1]), -np.inf, dtype=rise.dtype)
    wide = np.concatenate([edge, rise, edge])
    return np.maximum(np.maximum(wide[:-2], wide[1:-1]), wide[2:])


def _encode_frames(frames: np.ndarray) -> tuple[dict[str, Any], bytes]:
    """About the code, and the codes ``(D, F)`` uint8 as differences in time."""
    values = frames.astype(np.float32)
    about: dict[str, Any] = {"frames": len(values)}
    mel = values[:, :NUM_MELS]
    is_mel = values.shape[1] == NUM_MELS + NUM_FLUX and bool(
        np.abs(flux_of(mel) - values[:, NUM_MELS:]).max(initial=0) < 0.05
    )
    if is_mel and float(np.ptp(mel)) < 254 * STEP:
        least = float(mel.min())
        codes = np.round((mel - least) / STEP)
        about |= {"code": "logmel", "least": least, "step": STEP}
    else:
        low = values.min(0)
        scale = np.maximum((values.max(0) - low) / 255, 1e-8)
        codes = np.round((values - low) / scale)
        about |= {"code": "8-bit", "least": low.tolist(), "step": scale.tolist()}
    steps = np.diff(codes.astype(np.uint8), axis=0, prepend=np.zeros((1, codes.shape[1]), np.uint8))
    return about, np.ascontiguousarray(steps.T).tobytes()


def _decode_frames(about: dict[str, Any], raw: bytes) -> np.ndarray:
    steps = np.frombuffer(raw, dtype=np.uint8).reshape(-1, about["frames"])
    codes = np.cumsum(steps, axis=1, dtype=np.uint8).T.astype(np.float32)
    values = codes * np.float32(about["step"]) + np.asarray(about["least"], dtype=np.float32)
    if about["code"] == "logmel":
        values = np.concatenate([values, flux_of(values)], axis=1)
    return values.astype(np.float32)


def encode_song(song: SongShard) -> bytes:
    """A song as one xz file."""
    code, frames = _encode_frames(song.frames)
    about = {
        "key": song.key,
        "split": song.split,
        "frame_rate": song.frame_rate,
        "bpm": song.bpm,
        "offset_seconds": song.offset_seconds,
        "num_bars": song.num_bars,
        "fingerprint": v.fingerprint(),
        "frames": code,
        "difficulties": [
            {
                "conditions": asdict(d.conditions),
                "first_bar": d.first_bar,
                "last_bar": d.last_bar,
                "finished": d.finished,
                "lengths": [len(bar) for bar in d.bars],
            }
            for d in song.difficulties
        ],
    }
    tokens = np.concatenate(
        [np.zeros(0, np.int16), *(bar for d in song.difficulties for bar in d.bars)]
    ).astype("<i2")
    head = json.dumps(about).encode()
    body = len(head).to_bytes(4, "little") + head + tokens.tobytes() + frames
    return lzma.compress(body, preset=4)


def decode_song(data: bytes) -> SongShard:
    """What `encode_song` wrote.

    Raises:
        ValueError: the file is damaged, or of another vocabulary.
    """
    try:
        body = lzma.decompress(data)
    except (lzma.LZMAError, EOFError) as error:
        raise ValueError(f"expected a packed song, found one that does not read: {error}") from None
    size = int.from_bytes(body[:4], "little")
    about = json.loads(body[4 : 4 + size])
    if about["fingerprint"] != v.fingerprint():
        raise ValueError(
            f"expected a song of vocabulary {v.fingerprint()}, found {about['fingerprint']}:"
            " pack a dataset of this version"
        )
    place, difficulties = 4 + size, []
    for row in about["difficulties"]:
        lengths = np.array(row["lengths"], dtype=np.int64)
        tokens = np.frombuffer(body, dtype="<i2", count=int(lengths.sum()), offset=place)
        place += tokens.nbytes
        difficulties.append(
            DifficultyStream(
                Conditions(**row["conditions"]),
                tuple(np.split(tokens, np.cumsum(lengths)[:-1])) if len(lengths) else (),
                row["first_bar"],
                row["last_bar"],
                row["finished"],
            )
        )
    return SongShard(
        about["key"],
        about["split"],
        _decode_frames(about["frames"], body[place:]),
        about["frame_rate"],
        about["bpm"],
        about["offset_seconds"],
        about["num_bars"],
        tuple(difficulties),
    )


def pack(cache: Path, out: Path, *, slice_megabytes: float, files: list[Path]) -> Packed:
    """Write ``out/slice_00`` and so on; what an earlier try packed is not packed again.

    Args:
        cache: a dataset.
        out: folder to write.
        slice_megabytes: of a slice at most.
        files: to carry too (a base model), in pieces.

    Raises:
        ValueError: no dataset, or a single item is larger than a slice.
    """
    index = cache / INDEX_NAME
    if not index.is_file():
        raise ValueError(f"expected {INDEX_NAME} in {cache}, found none: likely no dataset")
    rows = [json.loads(line) for line in index.read_text().splitlines()]
    loose = out / "loose"
    loose.mkdir(parents=True, exist_ok=True)
    errors = []
    for row in tqdm(rows, desc="pack", unit="song", disable=None):
        path = loose / f"{row['key']}.xz"
        if path.exists():
            continue
        song = load_shard(cache / row["shard"])
        data = encode_song(song)
        back = decode_song(data).frames
        errors.append(float(np.sqrt(np.mean((back - song.frames.astype(np.float32)) ** 2))))
        temporary = path.with_suffix(".partial")
        temporary.write_bytes(data)
        temporary.replace(path)
    for file in files:
        split(file, loose, piece_bytes=min(_FILE_PIECE, int(slice_megabytes * 1e6)))
    items = sorted(p for p in loose.iterdir() if p.suffix != ".partial")
    groups = list(_groups(items, int(slice_megabytes * 1e6)))
    listed = {
        "slices": [[p.name for p in group] for group in groups],
        "sha256": {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in items},
        "index": [{**row, "shard": f"shards/{row['key']}.safetensors"} for row in rows],
        "files": [file.name for file in files],
    }
    total = sum(p.stat().st_size for p in items)
    for number, group in enumerate(groups):
        folder = out / f"slice_{number:02d}"
        folder.mkdir(exist_ok=True)
        for path in group:
            path.rename(folder / path.name)
        (folder / LIST_NAME).write_text(json.dumps(listed))
    loose.rmdir()
    return Packed(len(groups), len(rows), total / 1e6, float(np.mean(errors)) if errors else 0.0)


def _groups(items: list[Path], most: int) -> Iterator[list[Path]]:
    group: list[Path] = []
    used = 0
    for path in items:
        size = path.stat().st_size
        if size > most:
            raise ValueError(
                f"{path.name}: expected items of at most {most / 1e6:.1f} MB for slices of that"
                f" size, found {size / 1e6:.1f} MB"
            )
        if used + size > most:
            yield group
            group, used = [], 0
        group.append(path)
        used += size
    if group:
        yield group


def unpack(slice_folder: Path, state: Path) -> list[str]:
    """Unpack a slice into ``state/cache`` and ``state/files``.

    Args:
        slice_folder: that `pack` wrote.
        state: of the work; slices that came before are in it.

    Returns:
        What is still missing, by slice; empty when all is there.

    Raises:
        ValueError: no slice, or a file of it is damaged.
    """
    path = slice_folder / LIST_NAME
    if not path.is_file():
        raise ValueError(f"expected {LIST_NAME} in {slice_folder}, found none: likely no slice")
    listed = json.loads(path.read_text())
    shards, pieces = state / "cache" / "shards", state / "pieces"
    for folder in (shards, pieces):
        folder.mkdir(parents=True, exist_ok=True)
    for item in sorted(p for p in slice_folder.iterdir() if p.name != LIST_NAME):
        data = item.read_bytes()
        if hashlib.sha256(data).hexdigest() != listed["sha256"].get(item.name):
            raise ValueError(
                f"{item}: expected the file that was packed, found another: likely cut in transfer"
            )
        if item.suffix != ".xz":
            (pieces / item.name).write_bytes(data)
        elif not (shards / f"{item.stem}.safetensors").exists():
            song = decode_song(data)
            kept = replace(song, frames=song.frames.astype(np.float16))
            save_shard(kept, shards / f"{item.stem}.safetensors")
    missing = []
    for number, names in enumerate(listed["slices"]):
        if not all(_there(name, shards, pieces) for name in names):
            missing.append(f"slice_{number:02d}")
    if not missing:
        rows = "".join(json.dumps(row) + "\n" for row in listed["index"])
        (state / "cache" / INDEX_NAME).write_text(rows)
        (state / "files").mkdir(exist_ok=True)
        for name in listed["files"]:
            if not (state / "files" / name).exists():
                join(pieces, name, state / "files" / name)
    return missing


def _there(name: str, shards: Path, pieces: Path) -> bool:
    if name.endswith(".xz"):
        return (shards / f"{name.removesuffix('.xz')}.safetensors").exists()
    return (pieces / name).exists()
