"""What `saberlm evaluate` does with each song: make every system's maps, judge them, keep the
result."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from saberlm.adapter.audio import load_audio
from saberlm.adapter.loading import LoadedModel
from saberlm.eval.baselines import half_beat_map, onset_peak_map, onset_strength
from saberlm.eval.copied import PatternIndex
from saberlm.eval.counts import count_objects
from saberlm.eval.critic import Critic
from saberlm.eval.evaluation import (
    HALF_BEAT,
    HUMAN,
    ONSET_PEAKS,
    OTHER_SONG,
    Evaluation,
    MapRow,
    map_row,
)
from saberlm.eval.fit import notes_per_second
from saberlm.eval.judge import judge_map
from saberlm.eval.objects import human_objects
from saberlm.eval.playability_scene import SetUp
from saberlm.eval.report import check_level, shipped_critic
from saberlm.eval.style import StyleReference
from saberlm.eval.timing import Floats, unique_onsets
from saberlm.finetune.held_out import HeldOutSong, read_held_out
from saberlm.finetune.retime import retime
from saberlm.finetune.sources import MapSource, read_levels
from saberlm.infer.engine import Engine, SongEncoding
from saberlm.infer.lighting import generate_lit, make_passes
from saberlm.infer.njs import choose_njs, peak_swings
from saberlm.infer.onsets import FPS, RATE, onset_curve
from saberlm.infer.other_song import laid_over
from saberlm.infer.pack import SongMeta, pack_level
from saberlm.infer.pipeline import (
    Song,
    completed,
    encode_song,
    read_song,
    to_beatmap,
)
from saberlm.infer.sampling import SamplingParams
from saberlm.infer.tempo import estimate_tempo
from saberlm.prompts.beatmap import DIFFICULTIES, Beatmap
from saberlm.prompts.grid import FittedGrid
from saberlm.prompts.header import Conditions
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.vanilla import vanilla
from saberlm.scripts.evaluate_maps import SETTINGS_NAME, KeptMaps, MadeMaps, write_text
from saberlm.scripts.evaluate_style import styles_of

RATING_ASKED = 9
"""As `saberlm map` asks by default."""


@dataclass(frozen=True)
class TrainMaps:
    """The human maps that style is measured against and copies are looked for in."""

    references: Mapping[str, StyleReference]
    patterns: PatternIndex | None


@dataclass(frozen=True)
class _Heard:
    """A held-out song that is being judged."""

    song: HeldOutSong
    path: Path
    length: float  # seconds from the grid's beat 0 to the song's end
    strength: tuple[Floats, float]  # frame 0 at the grid's beat 0, as is the next
    peaks: tuple[Floats, float]


class SongJudge:
    """Makes and judges the maps of one song after the other.

    Args:
        settings: As `saberlm evaluate` keeps them.
        out: Folder of the run.
        models: By the name that reports use.
        train: What to measure style and copying against.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        out: Path,
        models: Mapping[str, LoadedModel],
        train: TrainMaps,
    ) -> None:
        self.settings = settings
        self.out = out
        self.models = models
        self.train = train
        self.critic: Critic | None = shipped_critic()

    def judge(self, song: HeldOutSong, other: HeldOutSong | None) -> None:
        """Judge every system on a song and keep the rows in its file, whole or not at all.

        A song whose sound cannot be used is kept as such, with the reason.

        Args:
            song: The song.
            other: The song whose audio the control hears; None where there is no other.
        """
        rows: list[MapRow] = []
        seconds: dict[str, float] = {}
        fault = ""
        try:
            with song.audio() as path:
                heard = self._listen(song, path)
                rows += self._human_and_baselines(heard, seconds)
                for name in self.models:
                    rows += self._model(heard, other, name, seconds)
        except (ValueError, OSError) as error:
            fault = str(error)
            rows = []
            sys.stderr.write(f"\nsong {song.key} left out: {fault}\n")
        kept = {"fault": fault, "seconds": seconds, "rows": [row.to_dict() for row in rows]}
        write_text(
            song_file(self.out, song.key), json.dumps(kept, ensure_ascii=False, allow_nan=False)
        )

    def _listen(self, song: HeldOutSong, path: Path) -> _Heard:
        samples = load_audio(path, RATE)[0]
        offset = song.grid.offset_seconds
        curve = onset_curve(samples, RATE).full
        peaks, rate = onset_strength(samples, RATE)
        return _Heard(
            song,
            path,
            len(samples) / RATE - offset,
            (from_beat_0(curve, FPS, offset), FPS),
            (from_beat_0(peaks, rate, offset), rate),
        )

    def _human_and_baselines(self, heard: _Heard, seconds: dict[str, float]) -> list[MapRow]:
        grid = heard.song.grid
        rows = []
        for name, human in heard.song.maps.items():
            rows.append(self._row(heard, HUMAN, name, human.beatmap))
            started = time.perf_counter()
            plain = half_beat_map(grid.bpm, heard.length)
            seconds[HALF_BEAT] = time.perf_counter() - started
            rows.append(self._row(heard, HALF_BEAT, name, plain))
            notes = len(human.beatmap.color_notes)
            moments = len(unique_onsets(n.beat for n in human.beatmap.color_notes))
            share = count_objects(human.beatmap, heard.song.tempo).doubles_share
            doubles = min(notes // 2, round(share * moments))
            started = time.perf_counter()
            peaks = onset_peak_map(*heard.peaks, grid.bpm, notes, doubles=doubles,
                                   seconds=heard.length)  # fmt: skip
            seconds[ONSET_PEAKS] = time.perf_counter() - started
            rows.append(self._row(heard, ONSET_PEAKS, name, peaks))
        return rows

    def _model(
        self, heard: _Heard, other: HeldOutSong | None, name: str, seconds: dict[str, float]
    ) -> list[MapRow]:
        """Rows of one model: each setting of the masks, then the first with another's sound."""
        modes = list(self.settings["playability"])
        systems = [(f"{name} {mode}", mode, False) for mode in modes]
        if other is not None and self.settings["other_song"] and modes:
            systems.append((f"{name} {modes[0]}{OTHER_SONG}", modes[0], True))
        kept = KeptMaps(self.out, heard.song.key)
        maker: _Maker | None = None
        rows = []
        for system, mode, is_control in systems:
            made = kept.get(system)
            if made is None:
                maker = maker or _Maker(name, self.models[name], heard, self.settings, seconds)
                made = maker.make(mode, other if is_control else None)
                kept.put(system, made)
            seconds[system] = made.seconds
            rows += self._made_rows(heard, system, name, made)
        return rows

    def _made_rows(self, heard: _Heard, system: str, name: str, made: MadeMaps) -> list[MapRow]:
        loaded = self.models[name]
        grid = heard.song.grid
        song = read_song(
            heard.path, loaded.frontend, made.bpm, made.offset_seconds, made.bpm_events
        )
        beatmaps, mended = {}, {}
        for difficulty, generated in made.maps.items():
            beatmaps[difficulty], counts = to_beatmap(generated, song)
            mended[difficulty] = float(sum(counts.values()))
        valid: dict[str, float | None] = {}
        if self.settings["levels"] and not system.endswith(OTHER_SONG):
            valid = self._level(heard, system, song, beatmaps, loaded.name)
        # From the song's beat 0 to that of the human's grid, where all are judged from.
        shift = FittedGrid(song.bpm, grid.offset_seconds - song.offset_seconds, 1.0)
        tempo = TempoMap(song.bpm)
        rows = []
        for difficulty, beatmap in beatmaps.items():
            leaves_grid = shift.offset_seconds or song.bpm_events
            moved = retime(beatmap, song.tempo, shift) if leaves_grid else beatmap
            more = {
                "decode_seconds": made.seconds / len(made.maps),
                "mended": mended[difficulty],
                **valid,
            }
            rows.append(self._row(heard, system, difficulty, moved, tempo, more))
        return rows

    def _row(
        self,
        heard: _Heard,
        system: str,
        difficulty: str,
        beatmap: Beatmap,
        tempo: TempoMap | None = None,
        more: Mapping[str, float | None] | None = None,
    ) -> MapRow:
        song = heard.song
        human = song.maps[difficulty].beatmap
        sound = SetUp(
            duration=heard.length + song.grid.offset_seconds, beat_0=song.grid.offset_seconds
        )
        judged = judge_map(
            beatmap,
            tempo or song.tempo,
            difficulty,
            human=human,
            human_tempo=song.tempo,
            asked_nps=notes_per_second(human, song.tempo),
            strength=heard.strength,
            reference=self.train.references.get(difficulty),
            is_member=system == HUMAN and song.source.split == "train",
            patterns=self.train.patterns,
            song=song.key,
            critic=self.critic,
            objects=human_objects(difficulty),
            set_up=replace(sound, **_note_jump(song, system, difficulty, beatmap, tempo)),
        )
        return map_row(song.key, system, judged, beatmap, tempo or song.tempo, more)

    def _level(
        self, heard: _Heard, system: str, song: Song, beatmaps: dict[str, Beatmap], model: str
    ) -> dict[str, float | None]:
        """Write the level as `saberlm map` does, and validate it."""
        path = self.out / "levels" / f"{heard.song.key} {system.replace('/', ' ')}.zip"
        path.parent.mkdir(parents=True, exist_ok=True)
        meta = SongMeta(heard.song.key)
        seed = int(self.settings["seed"])
        pack_level(
            path, heard.path, song.bpm, song.offset_seconds, beatmaps, meta, seed=seed,
            model_name=model,
        )  # fmt: skip
        return {"valid": float(check_level(path).valid)}


class _Maker:
    """A model at one song: its sound encoded once, all difficulties decoded in one batch."""

    def __init__(
        self,
        name: str,
        loaded: LoadedModel,
        heard: _Heard,
        settings: Mapping[str, Any],
        seconds: dict[str, float],
    ) -> None:
        self.loaded = loaded
        self.maps = heard.song.maps
        self.settings = settings
        grid = heard.song.grid
        started = time.perf_counter()
        song = read_song(heard.path, loaded.frontend, grid.bpm, grid.offset_seconds)
        if "bpm" not in settings["given"]:
            tempo = estimate_tempo(song.samples, song.sample_rate)
            song = Song.on_estimate(song.samples, song.sample_rate, tempo)
        self.song = song
        seconds[f"{name} tempo"] = time.perf_counter() - started
        started = time.perf_counter()
        self.encoding = encode_song(loaded.model, loaded.frontend, song)
        seconds[f"{name} encode"] = time.perf_counter() - started

    def make(self, mode: str, other: HeldOutSong | None) -> MadeMaps:
        """All difficulties with one setting of the masks, from the sound of ``other`` if given."""
        model, song = self.loaded.model, self.song
        encoding = self.encoding if other is None else self._laid_over(other)
        rhythm = self.settings["rhythm"]
        params = SamplingParams(playability=mode, rhythm=rhythm, seed=self.settings["seed"])
        passes = []
        for name in self.maps:
            asked = completed(model, song, self._asked(name))
            seed = params.seed * 10 + DIFFICULTIES.index(name)
            passes.append(make_passes(model, encoding, song, asked, seed))
        started = time.perf_counter()
        made = generate_lit(Engine(model), passes, [params] * len(passes))
        seconds = time.perf_counter() - started
        maps = dict(zip(self.maps, made, strict=True))
        return MadeMaps(song.bpm, song.offset_seconds, seconds, maps, song.bpm_events)

    def _laid_over(self, other: HeldOutSong) -> SongEncoding:
        model, frontend = self.loaded.model, self.loaded.frontend
        with other.audio() as path:
            theirs = read_song(path, frontend, other.grid.bpm, other.grid.offset_seconds)
        return laid_over(model, encode_song(model, frontend, theirs), self.encoding.num_bars)

    def _asked(self, name: str) -> Conditions:
        """What a user would ask for who knows as much as the model may."""
        human = self.maps[name].conditions
        given = self.settings["given"]
        return Conditions(
            difficulty=name,
            nps=human.nps if "nps" in given else None,
            rating=RATING_ASKED,
            lights=human.lights if given else True,
        )


def _note_jump(
    song: HeldOutSong, system: str, difficulty: str, beatmap: Beatmap, tempo: TempoMap | None
) -> dict[str, float]:
    """How notes fly in: as the human's level says, or as `saberlm map` chooses."""
    if system == HUMAN:
        human = song.maps[difficulty]
        return {"njs": human.njs, "offset": human.njs_offset, "bpm": song.stated_bpm}
    tempo = tempo or song.tempo
    jump = choose_njs(difficulty, peak_swings(beatmap, tempo), tempo.bpm)
    return {"njs": jump.njs, "offset": jump.offset_beats}


def open_run(out: Path, settings: Mapping[str, Any]) -> None:
    """Begin a run in a folder, or go on with the one in it.

    Raises:
        ValueError: The folder holds a run with other settings.
    """
    (out / "songs").mkdir(parents=True, exist_ok=True)
    path = out / SETTINGS_NAME
    if path.exists():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            found = {}
        changed = sorted(k for k in {*settings, *found} if settings.get(k) != found.get(k))
        if changed:
            raise ValueError(
                f"expected {out} to be new or a run with these settings, found one with other "
                f"{', '.join(changed)}: give another --out"
            )
        return
    write_text(path, json.dumps(settings, indent=1))


def song_file(out: Path, key: str) -> Path:
    """Where a song's judgement is kept."""
    return out / "songs" / f"{key}.json"


def is_done(out: Path, key: str) -> bool:
    """Whether a song was judged; one that was left out is tried again."""
    path = song_file(out, key)
    return path.exists() and not json.loads(path.read_text(encoding="utf-8"))["fault"]


def read_songs(
    sources: Sequence[MapSource], difficulties: Sequence[str]
) -> tuple[list[HeldOutSong], Counter[str]]:
    """The songs with usable human maps, in order of their keys, and what was left out."""
    songs, left_out = [], Counter[str]()
    for source in sorted(sources, key=lambda one: one.key):
        song, counts = read_held_out(source, difficulties)
        left_out.update(counts)
        songs += [song] if song is not None else []
    return songs, left_out


def read_train_maps(sources: Sequence[MapSource]) -> TrainMaps:
    """All playable train maps, by difficulty and as an index of their patterns."""
    found: list[tuple[str, str, Beatmap, TempoMap]] = []
    for source, level in read_levels(sources):
        for one in level.difficulties:
            beatmap = vanilla(one.beatmap)[0]
            if beatmap.color_notes:
                tempo = TempoMap(level.info.bpm, beatmap.bpm_events)
                found.append((source.key, one.name, beatmap, tempo))
    references = {
        name: StyleReference.from_maps((b, t) for _, d, b, t in found if d == name)
        for name in DIFFICULTIES
        if any(d == name for _, d, _, _ in found)
    }
    index = PatternIndex.from_maps((key, b, t) for key, _, b, t in found) if found else None
    return TrainMaps(references, index)


def to_evaluation(
    out: Path,
    songs: Sequence[HeldOutSong],
    settings: Mapping[str, Any],
    left_out: Mapping[str, int],
    references: Mapping[str, StyleReference],
) -> Evaluation:
    """All kept songs of a run as one evaluation, styles against the reference maps."""
    rows: list[MapRow] = []
    seconds, reasons = {}, Counter(left_out)
    for song in songs:
        kept = json.loads(song_file(out, song.key).read_text(encoding="utf-8"))
        if kept["fault"]:
            reasons[f"song {song.key}: {kept['fault']}"] += 1
            continue
        rows += [MapRow(**row) for row in kept["rows"]]
        seconds[song.key] = {name: round(value, 3) for name, value in kept["seconds"].items()}
    about = {**settings, "songs": len(seconds)}
    systems = list(dict.fromkeys(row.system for row in rows))
    judged = [song for song in songs if song.key in seconds]
    styles = styles_of(out, judged, systems, references, int(settings["seed"]))
    return Evaluation(about, tuple(rows), seconds, dict(reasons), tuple(styles))


def from_beat_0(strength: Any, rate: float, offset_seconds: float) -> Floats:
    """An onset strength whose frame 0 is the grid's beat 0, which is not after second 0."""
    heard = np.asarray(strength, np.float64)
    frames = np.arange(len(heard) + max(0, math.ceil(-offset_seconds * rate)))
    at = frames + offset_seconds * rate
    laid: Floats = np.interp(at, np.arange(len(heard)), heard, left=0.0, right=0.0)
    return laid
