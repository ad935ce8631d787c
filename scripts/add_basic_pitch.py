"""``python -m saberlm.scripts.add_basic_pitch DATA MAPS OUT --model nmp.onnx``: a dataset with what
basic-pitch hears beside log-mel.

Writes the songs of DATA once more, each frame followed by 44 posteriors that a note sounds and 44
that one starts: the network's 88 keys (Bittner et al. 2022), the louder of every two. For
``python -m saberlm.scripts.ablate DATA --also basic-pitch OUT``; ``--songs`` and ``--valid-songs``
choose as they do there. A call that was stopped goes on where it was.

The network (230 KB, Apache-2.0) lies in a wheel, and onnxruntime runs it:
``pip install onnxruntime && pip download --no-deps basic-pitch==0.4.0`` and
``unzip -j basic_pitch-0.4.0-*.whl '*/nmp.onnx'``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from saberlm.finetune.shards import SongShard
    from saberlm.finetune.sources import MapSource

# of the network, as basic_pitch/constants.py has them
SAMPLE_RATE = 22_050
HOP = 256
NUM_FRAMES = 172
NUM_SAMPLES = 2 * SAMPLE_RATE - HOP
NUM_KEYS = 88

EDGE_FRAMES = 15
"""Left out at either end of a window, where the network hears half of what it needs."""
_KEPT_FRAMES = NUM_FRAMES - 2 * EDGE_FRAMES - 1
"""Windows are so many whole hops apart, so that their frames stand at even steps."""
_BATCH = 8
_MOST_APART = 0.1

Model = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Windows ``(B, NUM_SAMPLES)`` to posteriors of notes and of onsets, each ``(B, 172, 88)``."""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="add_basic_pitch", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path, help="a dataset made by `saberlm data build`")
    parser.add_argument("maps", type=Path, help="the folder that it was made from")
    parser.add_argument("out", type=Path, help="folder of the new dataset")
    parser.add_argument("--model", type=Path, required=True, metavar="FILE", help="nmp.onnx")
    parser.add_argument("--songs", type=int, default=0, help="train songs, evenly spread (0: all)")
    parser.add_argument("--valid-songs", type=int, default=0, help="likewise")
    args = parser.parse_args(argv)
    counts = {"train": args.songs, "valid": args.valid_songs}
    try:
        failed = add_to_dataset(args.data, args.maps, args.out, open_model(args.model), counts)
    except (ValueError, OSError) as error:
        print(f"add_basic_pitch: {error}", file=sys.stderr)
        return 1
    for reason in failed:
        print(f"add_basic_pitch: left out: {reason}", file=sys.stderr)
    return 1 if failed else 0


def open_model(path: Path) -> Model:
    """basic-pitch's network, on one thread.

    Raises:
        ValueError: no onnxruntime here, no file there, or another network in it.
    """
    try:
        import onnxruntime
    except ImportError:
        raise ValueError(
            "expected onnxruntime, found none: `pip install onnxruntime` (no extra has it)"
        ) from None
    if not path.is_file():
        raise ValueError(f"expected basic-pitch's nmp.onnx, found no file at {path}: see --help")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    wanted = ["StatefulPartitionedCall:1", "StatefulPartitionedCall:2"]  # notes, onsets
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        found = {one.name for one in session.get_outputs()}
        (given,) = (one.name for one in session.get_inputs())
    except Exception as error:  # onnxruntime's own classes share no other base
        raise ValueError(f"{path}: expected basic-pitch's nmp.onnx, found {error}") from None
    if not found.issuperset(wanted):
        raise ValueError(
            f"{path}: expected the outputs {wanted} of basic-pitch 0.4's nmp.onnx,"
            f" found {sorted(found)}"
        )

    def run(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        notes, onsets = session.run(wanted, {given: windows[..., None]})
        return notes, onsets

    return run


def add_to_dataset(
    data: Path, maps: Path, out: Path, model: Model, counts: dict[str, int]
) -> list[str]:
    """Write the songs of a dataset with posteriors beside their frames, then the index.

    Args:
        data: the dataset; an archive of ``maps`` that its build unpacked here is not unpacked
            again.
        maps: what it was built from.
        out: the new dataset; songs that it has are kept.
        model: the network.
        counts: of songs to take, by split, spread evenly; 0 for all.

    Returns:
        Why songs were left out.

    Raises:
        ValueError: no dataset, no maps, ``out`` is ``data``, or no song could be read.
    """
    from tqdm import tqdm

    from saberlm.finetune.shards import INDEX_NAME, load_shard, save_shard
    from saberlm.finetune.sources import find_sources
    from saberlm.scripts.ablate import spread

    if not (data / INDEX_NAME).exists():
        raise ValueError(f"expected {INDEX_NAME} of a dataset in {data}, found none")
    if out.resolve() == data.resolve():
        raise ValueError(f"expected a folder other than the dataset's for the new one, found {out}")
    lines = (data / INDEX_NAME).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    kinds = {split: [row for row in rows if row["split"] == split] for split in counts}
    chosen = {row["key"] for split, count in counts.items() for row in spread(kinds[split], count)}
    sources = {source.key: source for source in find_sources(maps, data)}
    (out / "shards").mkdir(parents=True, exist_ok=True)
    kept, failed = [], []
    todo = [row for row in rows if row["key"] in chosen]
    for row in tqdm(todo, unit="song", desc="add_basic_pitch"):
        target = out / row["shard"]
        try:
            if not target.exists():
                song = load_shard(data / row["shard"])
                save_shard(with_posteriors(song, sources.get(row["key"]), model), target)
        except (ValueError, OSError) as error:
            failed.append(f"song {row['key']}: {error}")
            continue
        kept.append(json.dumps(row) + "\n")
    if not kept:
        first = failed[0] if failed else f"{data} holds none"
        raise ValueError(f"expected songs, found none to write: {first}")
    partial = out / f"{INDEX_NAME}.partial"
    partial.write_text("".join(kept), encoding="utf-8")
    partial.replace(out / INDEX_NAME)
    return failed


def with_posteriors(song: SongShard, source: MapSource | None, model: Model) -> SongShard:
    """A song with frames ``(F, 208)`` for its log-mel ones ``(F, 120)``.

    Raises:
        ValueError: frames of another front end, or not this song's sound.
    """
    from saberlm.finetune.build import read_audio
    from saberlm.finetune.slices import NUM_FLUX, NUM_MELS
    from saberlm.prompts.mapfile import read_level

    if song.frames.shape[1] != NUM_MELS + NUM_FLUX:
        raise ValueError(
            f"expected {NUM_MELS + NUM_FLUX} log-mel features, found {song.frames.shape[1]}: data"
            " without sound, or of another front end"
        )
    if source is None:
        raise ValueError("expected it among the maps, found no such key: other maps than the data?")
    name = "" if source.audio else read_level(source.level).info.audio_filename
    samples = read_audio(source, name, SAMPLE_RATE)
    seconds, wanted = len(samples) / SAMPLE_RATE, len(song.frames) / song.frame_rate
    if abs(seconds - wanted) > _MOST_APART:
        raise ValueError(
            f"expected {wanted:.1f} s of sound as the data have, found {seconds:.1f} s: other maps"
            " than the data?"
        )
    times = np.arange(len(song.frames)) / song.frame_rate
    heard = posteriors(samples, times, model)
    return replace(song, frames=np.concatenate([song.frames.astype(np.float32), heard], axis=1))


def posteriors(samples: np.ndarray, times: np.ndarray, model: Model) -> np.ndarray:
    """What the network hears at given times, between its frames in a straight line.

    Args:
        samples: ``(T,)`` at `SAMPLE_RATE`.
        times: ``(F,)`` rising seconds from 0 on.
        model: see `Model`; its frame i is centred on sample i * `HOP` of the window.

    Returns:
        ``(F, 88)`` float32: 44 pairs of keys' notes, low to high, then their onsets.
    """
    places = times * SAMPLE_RATE / HOP
    step = _KEPT_FRAMES * HOP
    count = int(places[-1] + 1) // _KEPT_FRAMES + 1
    padded = np.zeros((count - 1) * step + NUM_SAMPLES, np.float32)
    lead = EDGE_FRAMES * HOP
    part = samples[: len(padded) - lead]
    padded[lead : lead + len(part)] = part
    starts = np.arange(count) * step
    heard = []
    for first in range(0, count, _BATCH):
        windows = np.stack([padded[s : s + NUM_SAMPLES] for s in starts[first : first + _BATCH]])
        both = np.stack(model(windows), axis=2)  # (B, 172, 2, 88)
        heard.append(both[:, EDGE_FRAMES : EDGE_FRAMES + _KEPT_FRAMES])
    frames = np.concatenate(heard).reshape(-1, 2, NUM_KEYS // 2, 2).max(-1).reshape(-1, NUM_KEYS)
    low = places.astype(np.int64)
    share = (places - low)[:, None].astype(np.float32)
    return frames[low] * (1 - share) + frames[low + 1] * share


if __name__ == "__main__":
    sys.exit(main())
