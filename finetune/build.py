"""`saberlm data build`: maps with songs to a cached dataset of frames and token streams on each
map's fitted grid."""

from __future__ import annotations

import json
import logging
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from saberlm.adapter.audio import load_audio
from saberlm.adapter.frontend import FrontEnd
from saberlm.eval.timing import note_seconds
from saberlm.finetune.retime import conditions_of, is_lit, retime
from saberlm.finetune.shards import INDEX_NAME, DifficultyStream, SongShard, save_shard
from saberlm.finetune.sources import MapSource, find_sources
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import Beatmap, Difficulty
from saberlm.prompts.grid import FittedGrid, fit_grid, on_quarters
from saberlm.prompts.mapfile import open_level_files, read_level
from saberlm.prompts.snap import snap
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.tokens import encode
from saberlm.prompts.vanilla import vanilla

MIN_ON_GRID = 0.6
"""A difficulty with fewer of its notes on quarters of the fitted grid is dropped (DESIGN section
2)."""
MIN_NOTES = 40
MAX_NPS = 16.0
FINISHED_SECONDS = 20.0
BARELY = 1e-3
"""A map whose last note lies further from the song's end is taken as unfinished or cut short."""

_log = logging.getLogger(__name__)


@dataclass
class BuildReport:
    """What the build kept, mended and dropped, and why."""

    songs: Counter[str] = field(default_factory=Counter)
    difficulties: Counter[str] = field(default_factory=Counter)
    objects: Counter[str] = field(default_factory=Counter)
    dropped: list[str] = field(default_factory=list)

    def render(self) -> str:
        """The report as text, counts first, then one line a drop."""
        lines = []
        for title in ("songs", "difficulties", "objects"):
            counts: Counter[str] = getattr(self, title)
            lines += [f"{title}:", *(f"  {n:8} {what}" for what, n in sorted(counts.items()))]
        return "\n".join([*lines, "dropped:", *(f"  {row}" for row in self.dropped), ""])


def build_dataset(
    maps_dir: Path,
    out_dir: Path,
    frontend: FrontEnd | None,
    exclude: frozenset[str] = frozenset(),
    *,
    sources: Sequence[MapSource] | None = None,
) -> BuildReport:
    """Build or go on building a dataset.

    Finished shards are kept, so a build that was stopped goes on where it was. The index and the
    report are written last.

    Args:
        maps_dir: see `saberlm.finetune.sources.find_sources`.
        out_dir: where shards, ``index.jsonl``, ``report.txt`` and the features' mean and deviation
            go.
        frontend: makes the frames; None leaves the songs out, for learning flow alone.
        exclude: levels to leave out, by the name of their folder or zip, the song or the mapper,
            in lower case.
        sources: the maps to build from, where they were looked for already.

    Returns:
        The report over all songs.

    Raises:
        ValueError: nothing to build from, or nothing usable in it.
    """
    shards = out_dir / "shards"
    shards.mkdir(parents=True, exist_ok=True)
    report = BuildReport()
    index = []
    found = find_sources(maps_dir, out_dir) if sources is None else sources
    for source in tqdm(found, unit="song", desc="data build"):
        target = shards / f"{source.key}.safetensors"
        notes_file = shards / f"{source.key}.json"
        if not notes_file.exists():
            notes = _build_song(source, target, frontend, exclude)
            temporary = notes_file.with_suffix(".partial")
            temporary.write_text(json.dumps(notes))
            temporary.replace(notes_file)
        notes = json.loads(notes_file.read_text())
        for title in ("songs", "difficulties", "objects"):
            getattr(report, title).update(notes[title])
        report.dropped += notes["dropped"]
        if notes["kept"]:
            index.append(
                {"shard": f"shards/{target.name}", "split": source.split, **notes["about"]}
            )
    if not index:
        raise ValueError(
            f"no song of {maps_dir} could be used; see the reasons:\n{report.render()}"
        )
    _write(out_dir / INDEX_NAME, "".join(json.dumps(row) + "\n" for row in index))
    _write(out_dir / "report.txt", report.render())
    return report


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(".partial")
    temporary.write_text(text)
    temporary.replace(path)


def _build_song(
    source: MapSource, target: Path, frontend: FrontEnd | None, exclude: frozenset[str]
) -> dict[str, object]:
    """Build one shard; a song that cannot be used is reported, and does not stop the build."""
    report = BuildReport()
    about: dict[str, object] = {}
    try:
        shard = _shard_of(source, frontend, exclude, report)
    except (ValueError, OSError) as error:
        report.songs["dropped: could not be read"] += 1
        report.dropped.append(f"song {source.key}: {error}")
        shard = None
    if shard is not None:
        save_shard(shard, target)
        report.songs["kept"] += 1
        about = {
            "key": source.key,
            "bpm": shard.bpm,
            "offset_seconds": shard.offset_seconds,
            "bars": shard.num_bars,
            "difficulties": [d.conditions.difficulty for d in shard.difficulties],
        }
    return {
        "kept": shard is not None,
        "about": about,
        "songs": report.songs,
        "difficulties": report.difficulties,
        "objects": report.objects,
        "dropped": report.dropped,
    }


def _shard_of(
    source: MapSource, frontend: FrontEnd | None, exclude: frozenset[str], report: BuildReport
) -> SongShard | None:
    level = read_level(source.level)
    names = (source.level.name, level.info.title, level.info.mapper)
    if any(name.strip().lower() in exclude for name in names):
        report.songs["left out by name"] += 1
        return None
    report.difficulties["dropped: could not be read"] += len(level.unread)
    report.dropped += [f"song {source.key}: {reason}" for _, reason in level.unread]
    tempi = {d.name: TempoMap(level.info.bpm, d.beatmap.bpm_events) for d in level.difficulties}
    seconds = {d.name: note_seconds(d.beatmap, tempi[d.name]) for d in level.difficulties}
    played = {d.name: len(vanilla(d.beatmap)[0].color_notes) for d in level.difficulties}
    usable = [d for d in level.difficulties if played[d.name] >= MIN_NOTES]
    report.difficulties[f"dropped: under {MIN_NOTES} notes"] += len(level.difficulties) - len(
        usable
    )
    if not usable:
        report.songs["dropped: no Standard difficulty with notes"] += 1
        report.dropped.append(
            f"song {source.key}: no Standard difficulty of {MIN_NOTES} notes that the unmodded game"
            " plays"
        )
        return None
    grid = fit_grid(np.concatenate([seconds[d.name] for d in usable]), level.info.bpm)
    if frontend is None:
        # where the song ends is not known: what follows the last note is not taught
        last = max(float(seconds[d.name][-1]) for d in usable)
        duration = last + FINISHED_SECONDS + BARELY
        frames, frame_rate = np.zeros((0, 1)), 1.0
    else:
        samples = read_audio(source, level.info.audio_filename, frontend.sample_rate)
        duration = len(samples) / frontend.sample_rate
        frame_rate = frontend.frame_rate
    beats = (duration - grid.offset_seconds) * grid.bpm / 60
    num_bars = int(np.ceil(beats / v.BEATS_PER_SEGMENT))
    report.songs["tempo octave folded into 95-190"] += grid.bpm != level.info.bpm
    moved = (grid.offset_seconds * grid.bpm / 60) % 1
    report.songs["phase moved off the map's own beat 0"] += min(moved, 1 - moved) > 1e-6
    streams = []
    for d in usable:
        phase = grid.offset_seconds * grid.bpm / 60
        share = on_quarters(seconds[d.name], grid.bpm, phase)
        rate = len(seconds[d.name]) / max(seconds[d.name][-1] - seconds[d.name][0], 1e-9)
        if share < MIN_ON_GRID or rate > MAX_NPS:
            why = (
                f"{share:.0%} of notes on the grid"
                if share < MIN_ON_GRID
                else f"{rate:.1f} notes/s"
            )
            report.difficulties[
                "dropped: off the grid"
                if share < MIN_ON_GRID
                else f"dropped: over {MAX_NPS} notes/s"
            ] += 1
            report.dropped.append(f"song {source.key} {d.name}: {why} at {grid.bpm:g} BPM")
            continue
        streams.append(
            _stream_of(d, tempi[d.name], grid, source, num_bars, duration, seconds[d.name], report)
        )
    if not streams:
        report.songs["dropped: no difficulty left"] += 1
        return None
    if frontend is not None:
        frames = frontend.encode(torch.from_numpy(samples)).numpy()
    return SongShard(
        source.key,
        source.split,
        frames,
        frame_rate,
        grid.bpm,
        grid.offset_seconds,
        num_bars,
        tuple(streams),
    )


def read_audio(source: MapSource, name: str, sample_rate: int) -> np.ndarray:
    """The song's samples ``(T,)``; a song inside a zip is unpacked for as long as it takes."""
    if source.audio is not None:
        return load_audio(source.audio, sample_rate)[0]
    if source.level.is_dir():
        return load_audio(source.level / name, sample_rate)[0]
    data = open_level_files(source.level).read(name)
    with tempfile.TemporaryDirectory(prefix="saberlm-") as folder:
        path = Path(folder) / Path(name).name
        path.write_bytes(data)
        return load_audio(path, sample_rate)[0]


def _stream_of(
    difficulty: Difficulty,
    tempo: TempoMap,
    grid: FittedGrid,
    source: MapSource,
    num_bars: int,
    duration: float,
    seconds: np.ndarray,
    report: BuildReport,
) -> DifficultyStream:
    beatmap = retime(difficulty.beatmap, tempo, grid)
    for what, count in difficulty.notes_on_reading.items():
        report.objects[f"reading: {what}"] += count
    lit = is_lit(beatmap)
    if not lit:
        report.difficulties["unlit: taught without its lights"] += 1
        beatmap = replace(beatmap, lights=(), boosts=())
    conditions = conditions_of(
        difficulty,
        beatmap,
        grid,
        source.rating,
        stars=source.stars,
        year=source.year,
        mapper=source.mapper,
    )
    snapped, counts = snap(_before(beatmap, num_bars * v.BEATS_PER_SEGMENT))
    report.objects.update({f"snap: {what}": n for what, n in counts.items()})
    report.objects["notes"] += len(snapped.color_notes)
    report.objects["light events"] += len(snapped.lights)
    bars = [np.array(bar, dtype=np.int16) for bar in encode(snapped)]
    bars += [np.zeros(0, dtype=np.int16)] * (num_bars - len(bars))
    finished = duration - seconds[-1] <= FINISHED_SECONDS
    report.difficulties["kept"] += 1
    report.difficulties[f"kept: {difficulty.name}"] += 1
    report.difficulties["unfinished: silence after its last note not taught"] += not finished
    beats = [n.beat for n in snapped.color_notes]
    return DifficultyStream(
        conditions,
        tuple(bars[:num_bars]),
        int(min(beats) // v.BEATS_PER_SEGMENT),
        min(int(max(beats) // v.BEATS_PER_SEGMENT), num_bars - 1),
        bool(finished),
    )


def _before(beatmap: Beatmap, end_beat: float) -> Beatmap:
    """What starts before the song's last bar ends (late events would open bars without sound)."""
    limit = end_beat - 1 / v.TICKS_PER_BEAT
    return Beatmap(
        color_notes=tuple(n for n in beatmap.color_notes if n.beat < limit),
        bombs=tuple(b for b in beatmap.bombs if b.beat < limit),
        obstacles=tuple(o for o in beatmap.obstacles if o.beat < limit),
        arcs=tuple(a for a in beatmap.arcs if a.tail_beat < limit),
        chains=tuple(c for c in beatmap.chains if c.tail_beat < limit),
        lights=tuple(e for e in beatmap.lights if e.beat < limit),
        boosts=tuple(e for e in beatmap.boosts if e.beat < limit),
    )
