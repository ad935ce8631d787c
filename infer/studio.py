"""Songs in, levels out, for several people at once: what stands behind the page of `saberlm app`.

A `Studio` holds one model and a folder. A `Job` is one person's songs: it waits for its turn, can
be stopped at any bar, and goes on with the next song when one fails. Knows no page.
"""

from __future__ import annotations

import logging
import re
import secrets
import shutil
import threading
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from saberlm.adapter.audio import audio_info, load_audio
from saberlm.adapter.style_pack import pack_path
from saberlm.eval.report import LevelReport, check_level
from saberlm.infer.level_request import LevelRequest
from saberlm.infer.level_work import LevelWork
from saberlm.infer.mapper import Mapper
from saberlm.infer.onsets import RATE
from saberlm.infer.pace import Pace
from saberlm.infer.preview import preview_page, write_page
from saberlm.infer.tags import read_meta
from saberlm.infer.tempo import estimate_tempo
from saberlm.infer.tempo_estimate import TempoEstimate

MAX_SONG_SECONDS = 30 * 60.0
KEPT_SECONDS = 24 * 3600.0
"""How long finished levels stay."""
_UNFIT_FOR_NAMES = re.compile(r'[<>:/\\|?*"\x00-\x1f]+')
_WAIT_SECONDS = 0.2
_SEEDS = 1_000_000

Wanted = LevelRequest | LevelWork
"""A song to map, or a level to work on."""

_log = logging.getLogger(__name__)


class StoppedError(Exception):
    """The person stopped the job, or left."""


@dataclass(frozen=True)
class HeardFile:
    """A song as it was found: title and artist, length in seconds, tempo; or the problem with
    it, in words, and then no tempo."""

    path: Path
    title: str
    artist: str
    seconds: float = 0.0
    tempo: TempoEstimate | None = None
    problem: str = ""


@dataclass(frozen=True)
class MadeLevel:
    """A finished level: its key, whose it is and what was asked; its zip and its preview page, and
    what the judge says. ``tempo`` is None where the level's own was taken; ``other`` is the key of
    one made before with another seed, to look at side by side; ``lora`` is the style pack that it
    was made with, ``warnings`` are what to know of it."""

    key: str
    owner: str
    request: Wanted
    title: str
    archive: Path
    page: Path
    report: LevelReport
    tempo: TempoEstimate | None
    other: str | None = None
    lora: str | None = None
    warnings: tuple[str, ...] = ()
    made: float = field(default_factory=time.time)


@dataclass
class Job:
    """One person's songs on their way to levels; read its fields at any time. ``others`` are keys
    of the levels that came of the same wishes before, where they are drawn again; ``lora`` is a
    style pack."""

    owner: str
    requests: Sequence[Wanted]
    others: Sequence[str | None] = ()
    lora: str | None = None
    stage: str = "starting"
    song: int = 0
    bars: int = 0
    num_bars: int = 0
    pace: Pace = field(default_factory=Pace)
    levels: list[MadeLevel] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    finished: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Ends the job at its next bar."""
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Whether somebody stopped it."""
        return self._stop.is_set()

    def check(self) -> None:
        """Raises `StoppedError` once somebody stopped it."""
        if self._stop.is_set():
            raise StoppedError

    def advance(self, done: int, total: int) -> None:
        """Takes the decoder's progress, in bars of rows."""
        self.bars, self.num_bars = done, total
        self.pace.advance(done, total)
        self.check()

    @property
    def seconds_left(self) -> float | None:
        """Of decoding this song, at the pace so far; None while that is unknown."""
        return self.pace.seconds_left if 0 < self.bars < self.num_bars else None


class Studio:
    """Maps songs one after another, for whoever asks.

    Args:
        root: an empty folder for levels; whoever makes the studio removes it.
        model: a shipped model or a model folder.
    """

    def __init__(self, root: Path, model: str = "nano", *, device: str = "cpu") -> None:
        self.root = root
        self.levels: dict[str, MadeLevel] = {}
        self.jobs: dict[str, Job] = {}
        self._model, self._device = model, device
        self._packed: tuple[object, Mapper] | None = None
        self._turn = threading.Lock()

    @cached_property
    def mapper(self) -> Mapper:
        """The model, loaded when it is first needed.

        Raises:
            ValueError: as `Mapper.from_pretrained`.
        """
        return Mapper.from_pretrained(self._model, device=self._device)

    def mapper_with(self, lora: str | None) -> Mapper:
        """The model, or the model with a style pack; the last one of these is kept.

        Raises:
            ValueError: as `Mapper.from_pretrained`.
        """
        if lora is None:
            return self.mapper
        path = pack_path(lora)
        key = path, path.stat().st_mtime_ns
        if self._packed is None or self._packed[0] != key:
            made = Mapper.from_pretrained(self._model, lora=path, device=self._device)
            self._packed = key, made
        return self._packed[1]

    def hear(self, path: Path) -> HeardFile:
        """A song's tags, length and tempo; a file that cannot be mapped gets the reason."""
        meta = read_meta(path)
        seconds = 0.0
        try:
            seconds = _checked_length(audio_info(path).seconds)  # before it is decoded
            samples = load_audio(path, RATE)[0]
            seconds = _checked_length(len(samples) / RATE)  # not every header states it
            tempo = estimate_tempo(samples, RATE)
        except (ValueError, OSError) as error:
            return HeardFile(path, meta.title, meta.artist, seconds, None, plain(error, path))
        return HeardFile(path, meta.title, meta.artist, seconds, tempo)

    def start(
        self,
        owner: str,
        requests: Sequence[Wanted],
        others: Sequence[str | None] = (),
        *,
        lora: str | None = None,
    ) -> Job:
        """Begins a job in the background; an older one of the same owner is stopped."""
        self.stop(owner)
        self._forget_old()
        job = self.jobs[owner] = Job(owner, requests, others, lora)
        threading.Thread(target=self._run, args=(job,), name="saberlm-job", daemon=True).start()
        return job

    def again(self, owner: str) -> Job:
        """Begins the owner's last job once more, with another seed.

        Raises:
            ValueError: there was none.
        """
        last = self.jobs.get(owner)
        if last is None:
            raise ValueError("Make a level first.")
        seeded = [_with_seed(one, secrets.randbelow(_SEEDS)) for one in last.requests]
        before = [
            next((level.key for level in reversed(last.levels) if level.request == one), None)
            for one in last.requests
        ]
        return self.start(owner, seeded, before, lora=last.lora)

    def stop(self, owner: str) -> None:
        """Stops the owner's job, if one is running."""
        job = self.jobs.get(owner)
        if job is not None:
            job.stop()

    def made_by(self, owner: str) -> list[MadeLevel]:
        """The owner's levels, the newest first."""
        return [one for one in reversed(list(self.levels.values())) if one.owner == owner]

    def archive_of(self, keys: Sequence[str]) -> Path:
        """One zip with the zips of several levels in it.

        Raises:
            KeyError: a level that is not there.
        """
        found = [self.levels[key] for key in keys]
        out = self.root / f"{secrets.token_urlsafe(12)}.zip"
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            names: set[str] = set()
            for one in found:
                name = one.archive.name
                while name in names:
                    name = f"{Path(name).stem}_.zip"
                names.add(name)
                archive.write(one.archive, name)
        return out

    def _run(self, job: Job) -> None:
        try:
            for index, request in enumerate(job.requests):
                job.song, job.bars, job.num_bars, job.pace = index, 0, 0, Pace()
                self._wait(job)
                try:
                    self._map(job, request)
                finally:
                    self._turn.release()
        except StoppedError:
            job.stage = "stopped"
        else:
            job.stage = "done"
        finally:
            job.finished = True

    def _wait(self, job: Job) -> None:
        job.stage = "waiting for another song to be finished"
        while not self._turn.acquire(timeout=_WAIT_SECONDS):
            job.check()

    def _map(self, job: Job, wanted: Wanted) -> None:
        """One song or level; a problem with it is noted, and the next one's turn comes."""
        path = Path(wanted.level if isinstance(wanted, LevelWork) else wanted.song)
        try:
            key = secrets.token_urlsafe(12)
            folder = self.root / key
            tempo: TempoEstimate | None = None
            warnings: tuple[str, ...] = ()
            if isinstance(wanted, LevelWork):
                archive, warnings = self._worked_on(job, wanted, folder)
            else:
                archive, tempo = self._mapped(job, wanted, folder)
            job.stage = "judging"
            report = check_level(archive)
            page = folder / "preview.html"
            write_page(page, preview_page(archive, report))
            job.check()
            title = report.title or archive.stem
            other = job.others[job.song] if job.others else None
            made = MadeLevel(
                key, job.owner, wanted, title, archive, page, report, tempo, other, job.lora,
                warnings,
            )  # fmt: skip
            self.levels[key] = made
            job.levels.append(made)
        except StoppedError:
            raise
        except (ValueError, OSError) as error:
            job.problems.append(f"{path.name}: {plain(error, path)}")
        except Exception:  # one song's fault must not end the others'
            _log.exception("mapping %s failed", path.name)
            job.problems.append(
                f"{path.name}: something went wrong inside saberlm; the terminal says more"
            )

    def _mapped(self, job: Job, request: LevelRequest, folder: Path) -> tuple[Path, TempoEstimate]:
        job.stage = "listening"
        mapper = self.mapper_with(job.lora)
        heard = mapper.listen(request, keep_sound=True)
        job.check()
        job.stage = "mapping"
        level = mapper.map(heard, progress=job.advance)
        job.stage = "packing"
        folder.mkdir()
        title = request.title or Path(request.song).stem
        archive = folder / f"{safe_name(request.artist, title)}.zip"
        level.save(archive)
        return archive, level.tempo

    def _worked_on(self, job: Job, work: LevelWork, folder: Path) -> tuple[Path, tuple[str, ...]]:
        job.stage = "mapping"
        edited = work.run(self.mapper_with(job.lora), job.advance)
        job.stage = "packing"
        folder.mkdir()
        archive = folder / f"{safe_name(None, work.level.stem)}.zip"
        edited.save(archive)
        return archive, edited.warnings

    def _forget_old(self) -> None:
        for key, one in list(self.levels.items()):
            if time.time() - one.made > KEPT_SECONDS:
                del self.levels[key]
                shutil.rmtree(one.archive.parent, ignore_errors=True)


def _with_seed(wanted: Wanted, seed: int) -> Wanted:
    if isinstance(wanted, LevelWork):
        return wanted.with_seed(seed)
    return replace(wanted, seed=seed)


def _checked_length(seconds: float) -> float:
    if seconds > MAX_SONG_SECONDS:
        raise ValueError(
            f"expected a song of at most {MAX_SONG_SECONDS / 60:.0f} minutes, found one of"
            f" {seconds / 60:.0f}; a whole album?"
        )
    return seconds


def plain(error: Exception, path: Path) -> str:
    """An error in words, without the folders that people did not choose."""
    said = str(error) or type(error).__name__
    return " ".join(said.replace(f"{path}: ", "").replace(str(path.parent), "").split())


def safe_name(artist: str | None, title: str) -> str:
    """A file name for a level that every system takes."""
    whole = f"{artist} - {title}" if artist else title
    plain_name = " ".join(_UNFIT_FOR_NAMES.sub(" ", whole).split())
    return plain_name.strip(" .")[:80].strip() or "level"
