"""The Python API: a model that maps songs, one or many, and the levels that come of it.

::

    from saberlm.infer import Mapper

    mapper = Mapper.from_pretrained("nano")
    level = mapper.map("song.ogg", difficulties=["Expert"], style="tech")
    level.save("out.zip")

    levels = mapper.map_batch(["a.ogg", {"song": "b.mp3", "difficulties": ["Hard"], "nps": 3.5}])

    live = mapper.stream("song.ogg")
    async for bar in live:
        ...  # bar.number, bar.seconds, bar.beatmap
    live.level.save("out.zip")
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from saberlm.adapter.audio import FloatArray, load_audio
from saberlm.adapter.loading import LoadedModel, load_model
from saberlm.adapter.style_pack import read_pack, with_pack
from saberlm.infer.decoration import decorated
from saberlm.infer.engine import Engine
from saberlm.infer.level_request import LevelRequest, as_request
from saberlm.infer.live import LiveMap
from saberlm.infer.njs import NoteJump, choose_njs, peak_swings
from saberlm.infer.pack import PackedLevel, meta_from_filename, pack_level
from saberlm.infer.pipeline import Song, encode_song
from saberlm.infer.reference import Reference
from saberlm.infer.report import describe_difficulties
from saberlm.infer.rounds import HeardSong, MappedDifficulty, OnBar, map_songs
from saberlm.infer.tempo import estimate_tempo
from saberlm.infer.tempo_estimate import TempoEstimate
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.vocab import fingerprint

ROWS = 16
"""Rows that decode side by side, unless something else is said."""
ENGINES = ("native", "vllm")
"""What can decode: `Engine`, and `saberlm.infer.vllm_engine.VllmEngine` where vLLM is installed."""

Progress = Callable[[int, int], None]
Wanted = LevelRequest | Mapping[str, Any] | str | os.PathLike[str]


@dataclass(frozen=True)
class MappedLevel:
    """A level that was made and is not written yet.

    Attributes:
        request: what was asked.
        tempo: of the song, as found or given.
        beatmaps: by difficulty, in beats from the song's beat 0.
        note_jumps: by difficulty.
        counts: by difficulty, what decoding had to mend or drop.
        scores: by difficulty, how each candidate did; empty where there was one alone.
        seconds: what each stage took; ``decode`` from the song's first row to its last, with other
            songs beside it.
        model_name: of the model.
        sound: the song as it was read, where it was kept.
    """

    request: LevelRequest
    tempo: TempoEstimate
    tempo_map: TempoMap
    beatmaps: dict[str, Beatmap]
    note_jumps: dict[str, NoteJump]
    counts: dict[str, Counter[str]]
    scores: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    model_name: str = ""
    sound: list[FloatArray] | None = field(default=None, repr=False)

    def save(
        self, out: str | os.PathLike[str], *, record: Mapping[str, object] | None = None
    ) -> PackedLevel:
        """Write the level: whole, or not at all. The song's file must still be there.

        Args:
            out: the zip (a folder when it does not end in ``.zip``); an older one is replaced.
            record: more for the level's own record of how it was made.

        Raises:
            ValueError: as `saberlm.infer.pack.pack_level`; also where the disk is full.
        """
        asked = self.request
        meta = meta_from_filename(Path(asked.song), mapper=asked.mapper)
        meta = replace(
            meta,
            title=meta.title if asked.title is None else asked.title,
            artist=meta.artist if asked.artist is None else asked.artist,
        )
        packed = pack_level(
            Path(out),
            Path(asked.song),
            self.tempo.bpm,
            self.tempo.offset_seconds,
            self.beatmaps,
            meta,
            note_jumps=self.note_jumps,
            cover=asked.loaded_cover(),
            environment=asked.environment,
            chroma=asked.chroma,
            seed=asked.seed,
            model_name=self.model_name,
            record=record,
            sound=self.sound,
        )
        self.seconds["pack"] = packed.seconds
        return packed

    def describe(self) -> dict[str, dict[str, float | int]]:
        """Counts, notes a second and NJS by difficulty."""
        return describe_difficulties(self.beatmaps, self.tempo_map, self.note_jumps)


class Mapper:
    """Maps songs with one model.

    Args:
        loaded: model and front end.
        rows: difficulties, candidates counted, that decode side by side.
        engine: one of `ENGINES`.
    """

    def __init__(self, loaded: LoadedModel, *, rows: int = ROWS, engine: str = "native") -> None:
        if rows < 1:
            raise ValueError(f"rows (--rows): expected 1 or more, found {rows}")
        self.loaded = loaded
        self.engine = _engine(engine)(loaded.model, max_rows=rows)

    @classmethod
    def from_pretrained(
        cls,
        name_or_dir: str | Path = "nano",
        *,
        lora: str | Path | None = None,
        device: str = "cpu",
        rows: int = ROWS,
        engine: str = "native",
    ) -> Mapper:
        """A mapper with a shipped model (``nano``) or a model folder.

        Args:
            name_or_dir: the model.
            lora: a style pack of it, by name or file (`saberlm.adapter.style_pack`).
            device: ``cpu`` or ``cuda``.
            rows: see the class.
            engine: see the class.

        Raises:
            ValueError: as `saberlm.adapter.loading.load_model`; also a pack that is none or another
                model's, or an engine that is none or not installed.
        """
        pack = None if lora is None else read_pack(lora)
        loaded = load_model(name_or_dir, fingerprint(), device=device, bare=True)
        if pack is not None:
            loaded = with_pack(loaded, pack)
        return cls(loaded, rows=rows, engine=engine)

    def listen(self, wanted: Wanted, *, keep_sound: bool = False) -> HeardSong:
        """Load a song, find its tempo, encode it.

        Args:
            wanted: what is asked.
            keep_sound: keep it as it was read, some 20 MB a minute, so that the level that is
                written needs no second reading (a twentieth of all the work).

        Raises:
            ValueError: a request that means nothing, or a file that cannot be used.
        """
        request = as_request(wanted)
        request.check_files()
        reference = None if request.reference is None else Reference.of(Path(request.reference))
        seconds: dict[str, float] = {}
        started = time.perf_counter()
        rate = self.loaded.frontend.sample_rate
        sound: list[FloatArray] | None = [] if keep_sound else None
        samples = load_audio(Path(request.song), rate, keep=sound)[0]
        tempo = request.given_tempo()
        if tempo is None:
            tempo = estimate_tempo(
                samples, rate, bpm=request.stated_bpm, offset_seconds=request.offset
            )
        seconds["tempo"] = time.perf_counter() - started
        song = Song.on_estimate(samples, rate, tempo)
        started = time.perf_counter()
        encoding = encode_song(self.loaded.model, self.loaded.frontend, song)
        seconds["encode"] = time.perf_counter() - started
        return HeardSong(request, tempo, song, encoding, seconds, reference, sound)

    def map(
        self, song: Wanted | HeardSong, *, progress: Progress | None = None, **given: Any
    ) -> MappedLevel:
        """Map one song.

        Args:
            song: its path (then ``given`` are fields of `LevelRequest` and `SamplingParams`), a
                request, or a song that was listened to.
            progress: called with bars of rows done and their number, those of lights counted;
                bars made anew do not count.

        Raises:
            ValueError: an unknown field, a value that means nothing, or a file that cannot be used.
        """
        heard = song if isinstance(song, HeardSong) else self.listen(self.request(song, **given))
        lit = sum(bool(one.lights) for one in heard.request.conditions)
        total = heard.encoding.num_bars * (heard.request.num_rows + lit)
        done = 0

        def on_bar(*_: object) -> None:
            nonlocal done
            done += 1
            if progress is not None:
                progress(done, total)

        ((_, level),) = self.each([heard], on_bar)
        return level

    def map_batch(
        self, wanted: Iterable[Wanted], *, progress: Progress | None = None
    ) -> list[MappedLevel]:
        """Map many songs, several side by side; the first that cannot be mapped ends it.

        Args:
            wanted: paths or requests, or mappings of their fields.
            progress: called with songs done and their number.

        Raises:
            ValueError: as `map`.
        """
        requests = list(map(as_request, wanted))
        levels: dict[int, MappedLevel] = {}
        for number, level in self.each(map(self.listen, requests)):
            levels[number] = level
            if progress is not None:
                progress(len(levels), len(requests))
        return [levels[number] for number in range(len(requests))]

    def stream(self, song: Wanted, **given: Any) -> LiveMap:
        """A song mapped in the background, to be watched bar by bar; see `LiveMap`.

        Raises:
            ValueError: as `map`; also with candidates or weak bars made anew, since no bar of
                these is the level's before the end.
        """
        request = self.request(song, **given)
        return LiveMap(request, self.listen, self.each)

    def each(
        self, heard: Iterable[HeardSong], on_bar: OnBar | None = None
    ) -> Iterator[tuple[int, MappedLevel]]:
        """Map songs that were listened to, one being taken when a row is free for it; their
        numbers in the order in which they finish, with their levels."""
        begun: dict[int, tuple[HeardSong, float]] = {}

        def noted() -> Iterator[HeardSong]:
            for number, one in enumerate(heard):
                begun[number] = one, time.perf_counter()
                yield one

        for number, made in map_songs(self.loaded.model, self.engine, noted(), on_bar):
            one, started = begun.pop(number)
            yield number, self._level(one, made, time.perf_counter() - started)

    @staticmethod
    def request(song: Wanted, **given: Any) -> LevelRequest:
        """A request; fields can be given with a song's path alone.

        Raises:
            ValueError: as `LevelRequest.of`.
        """
        if isinstance(song, str | os.PathLike):
            return LevelRequest.of(song, **given)
        if given:
            raise ValueError(
                f"expected settings in the request, found {', '.join(given)} beside it"
            )
        return as_request(song)

    def _level(
        self, heard: HeardSong, made: Mapping[str, MappedDifficulty], seconds: float
    ) -> MappedLevel:
        names = [one.difficulty or "" for one in heard.request.conditions]
        jumps = {
            name: choose_njs(
                name,
                peak_swings(made[name].beatmap, heard.song.tempo),
                heard.tempo.bpm,
                njs=made[name].conditions.njs,
            )
            for name in names
        }
        beatmaps = {name: made[name].beatmap for name in names}
        beatmaps = decorated(beatmaps, heard.request.decorative_walls, heard.song)
        return MappedLevel(
            heard.request,
            heard.tempo,
            heard.song.tempo,
            beatmaps,
            jumps,
            {name: made[name].counts for name in names},
            {name: made[name].scores for name in names if made[name].scores},
            {**heard.seconds, "decode": seconds},
            self.loaded.name,
            heard.sound,
        )


def _engine(name: str) -> type[Engine]:
    if name not in ENGINES:
        raise ValueError(f"engine (--engine): expected one of {', '.join(ENGINES)}, found {name!r}")
    if name == "native":
        return Engine
    from saberlm.infer.vllm_engine import VllmEngine

    return VllmEngine
