"""Human maps of held-out songs as a judge wants them: on the fitted grid, with what to ask for.

Songs and difficulties that the data build would drop are left out here too, by the same limits, and
counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from saberlm.eval.timing import note_seconds
from saberlm.finetune.build import MAX_NPS, MIN_NOTES, MIN_ON_GRID
from saberlm.finetune.retime import conditions_of, retime
from saberlm.finetune.sources import MapSource
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.grid import FittedGrid, fit_grid, on_quarters
from saberlm.prompts.header import Conditions
from saberlm.prompts.mapfile import open_level_files, read_level
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.vanilla import vanilla


@dataclass(frozen=True)
class HeldOutMap:
    """A human difficulty.

    Attributes:
        beatmap: In beats of the song's fitted grid.
        conditions: What to ask for to get its like.
        njs: Note jump speed that the level states; 0 is the game's own.
        njs_offset: Note jump offset in beats of the level's tempo.
    """

    beatmap: Beatmap
    conditions: Conditions
    njs: float
    njs_offset: float


@dataclass(frozen=True)
class HeldOutSong:
    """A song with its human maps.

    Attributes:
        source: Where it comes from.
        audio_name: Name of the sound inside the level.
        grid: Fitted to all its notes; beat 0 falls at ``grid.offset_seconds``, not after second 0.
        stated_bpm: Tempo that the level states.
        maps: By difficulty.
    """

    source: MapSource
    audio_name: str
    grid: FittedGrid
    stated_bpm: float
    maps: dict[str, HeldOutMap]

    @property
    def key(self) -> str:
        """Name of the song in reports."""
        return self.source.key

    @property
    def tempo(self) -> TempoMap:
        """The grid's tempo; its second 0 is the grid's beat 0."""
        return TempoMap(self.grid.bpm)

    @contextmanager
    def audio(self) -> Iterator[Path]:
        """A file with the sound; one inside a zip is unpacked for as long as it takes.

        Raises:
            ValueError: The level holds no such file.
        """
        if self.source.audio is not None or self.source.level.is_dir():
            path = self.source.audio or self.source.level / self.audio_name
            if not path.is_file():
                raise ValueError(f"song {self.key}: expected audio at {path}, found no file")
            yield path
            return
        files = open_level_files(self.source.level)
        if self.audio_name not in files:
            raise ValueError(f"song {self.key}: expected {self.audio_name} in the zip, found none")
        with TemporaryDirectory(prefix="saberlm-") as folder:
            unpacked = Path(folder) / Path(self.audio_name).name
            unpacked.write_bytes(files.read(self.audio_name))
            yield unpacked


def read_held_out(
    source: MapSource, difficulties: Sequence[str]
) -> tuple[HeldOutSong | None, Counter[str]]:
    """Read a song's human maps onto its fitted grid.

    Args:
        source: The song.
        difficulties: Names of those wanted. The grid is fitted to all usable ones.

    Returns:
        The song, None where no wanted difficulty can be used; and what was left out, by reason.
    """
    left_out: Counter[str] = Counter()
    try:
        level = read_level(source.level)
    except (ValueError, OSError):
        return None, Counter({"song that cannot be read": 1})
    left_out["difficulty that cannot be read"] += len(level.unread)
    found = []
    for one in level.difficulties:
        beatmap = vanilla(one.beatmap)[0]
        tempo = TempoMap(level.info.bpm, beatmap.bpm_events)
        seconds = note_seconds(beatmap, tempo)
        if len(seconds) < MIN_NOTES:
            left_out[f"difficulty under {MIN_NOTES} notes"] += one.name in difficulties
        else:
            found.append((one, beatmap, tempo, seconds))
    if not found:
        left_out["song without a usable difficulty"] += 1
        return None, +left_out
    grid = fit_grid(np.concatenate([seconds for *_, seconds in found]), level.info.bpm)
    phase = grid.offset_seconds * grid.bpm / 60
    maps = {}
    for one, beatmap, tempo, seconds in found:
        if one.name not in difficulties:
            continue
        if on_quarters(seconds, grid.bpm, phase) < MIN_ON_GRID:
            left_out["difficulty off the fitted grid"] += 1
        elif len(seconds) / max(seconds[-1] - seconds[0], 1e-9) > MAX_NPS:
            left_out[f"difficulty over {MAX_NPS:g} notes/s"] += 1
        else:
            moved = retime(beatmap, tempo, grid)
            asked = conditions_of(one, moved, grid, None)
            maps[one.name] = HeldOutMap(moved, asked, one.njs, one.offset)
    if not maps:
        left_out["song without a wanted difficulty"] += 1
        return None, +left_out
    return HeldOutSong(source, level.info.audio_filename, grid, level.info.bpm, maps), +left_out


def songs_with(
    sources: Iterable[MapSource], difficulty: str, split: str | None, most: int | None = None
) -> list[HeldOutSong]:
    """The first songs of a split (None: of all) that can be used in a difficulty, in order of their
    keys; at most so many."""
    own = sorted((one for one in sources if split in (None, one.split)), key=lambda s: s.key)
    found = (song for one in own if (song := read_held_out(one, [difficulty])[0]) is not None)
    return list(islice(found, most))
