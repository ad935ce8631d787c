"""Many songs in one run: what is done is skipped, one bad song is reported and the run goes on.

Rows of several songs decode side by side; a level is written as soon as its song is done. One
process does it all, or several workers take a group of songs each, on this machine
(`saberlm.infer.batch_workers`) or over a cluster (`saberlm.infer.batch_ray`).
A run may be killed at any moment and be started again with the same command;
`saberlm.infer.batch_folder` says why nothing is lost.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import math
import os
import shutil
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from saberlm.adapter.audio import audio_info
from saberlm.adapter.loading import model_folder
from saberlm.adapter.style_pack import pack_path
from saberlm.infer.batch_folder import WORK_NAME, Summary, clear_leftovers, locked, made_here
from saberlm.infer.batch_requests import BatchItem
from saberlm.infer.level_request import file_digest
from saberlm.infer.mapper import ROWS, MappedLevel, Mapper
from saberlm.infer.rounds import HeardSong
from saberlm.infer.tempo_report import LOW_CONFIDENCE

DONE, FAILED = "done", "failed"
GROUPS_EACH = 4
"""Groups that each worker gets about, so that none waits long for the last."""
WORKER_BYTES = 3 * 2**29
"""Memory that a worker wants with `ROWS` songs at a time."""
SOUND_BYTES = 2**28
"""Memory for songs as they were read, in each process: while less is used, a song is kept, and not
read again when its level is written (`Mapper.listen`; a fifteenth of a batch's work)."""
MIN_FREE_BYTES = 2**20
"""With less than this left, a failed write is the disk's fault."""

Row = dict[str, Any]
Say = Callable[[str], None]

_log = logging.getLogger(__name__)


class DiskFullError(ValueError):
    """There is no room for the next level."""


@dataclass(frozen=True)
class BatchSettings:
    """How a run works.

    Args:
        out: folder of the levels, made where it is missing.
        model: shipped model or a folder.
        lora: a style pack of the model, by name or file.
        device: ``cpu`` or ``cuda``.
        workers: processes; each has the model and the device for itself.
        rows: difficulties, candidates counted, that decode side by side in one process.
        engine: what decodes; see `Mapper`.
        ray: address of a Ray cluster that the workers run on; None: this machine without Ray.
    """

    out: Path
    model: str = "nano"
    lora: str | None = None
    device: str = "cpu"
    workers: int = 1
    rows: int = ROWS
    engine: str = "native"
    ray: str | None = None

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        for name, value in (("workers", self.workers), ("rows", self.rows)):
            if value < 1:
                raise ValueError(f"{name} (--{name}): expected 1 or more, found {value}")

    def mapper(self) -> Mapper:
        """A mapper of a process of the run.

        Raises:
            ValueError: no such model, device or engine.
        """
        return Mapper.from_pretrained(
            self.model, lora=self.lora, device=self.device, rows=self.rows, engine=self.engine
        )


@dataclass(frozen=True)
class Job:
    """A song to do: its request, its level's name, and the fingerprint that marks it done."""

    item: BatchItem
    fingerprint: str


@dataclass(frozen=True)
class BatchResult:
    """How a run ended: songs made, skipped as done before, and failed."""

    made: int
    skipped: int
    failed: int

    @property
    def songs(self) -> int:
        """All of them."""
        return self.made + self.skipped + self.failed


Groups = Sequence[Sequence[Job]]
Runner = Callable[[Groups, BatchSettings, Say], Generator[Row, None, None]]


def run_batch(
    items: Sequence[BatchItem],
    settings: BatchSettings,
    *,
    runner: Runner | None = None,
    progress: Callable[[Row, int, int], None] | None = None,
    say: Say = _log.warning,
) -> BatchResult:
    """Map songs into a folder.

    Args:
        items: from `saberlm.infer.batch_requests.find_requests`.
        settings: of the run.
        runner: does the groups; None: this process, ``settings.workers`` of its own, or of a
            cluster.
        progress: called with each new row of the summary, how many songs are settled and how many
            there are.
        say: takes remarks for people.

    Raises:
        ValueError: the folder is another run's, or cannot be made; no such model.
        DiskFullError: the disk is full; what is finished stays.
    """
    out = settings.out
    weights = weights_digest(model_folder(settings.model), settings.lora)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"{out}: expected a folder to write to, found {error.strerror or error}"
        ) from error
    counts: Counter[str] = Counter()
    with locked(out) as left_behind:
        parts = clear_leftovers(out)
        if left_behind is not None:
            say(f"{out}: {left_behind} ended without finishing; going on ({parts} parts removed)")
        summary = Summary(out)
        order = dict.fromkeys(item.output for item in items)
        try:
            waiting = _unsettled(items, weights, out, summary, counts, say)
            summary.rewrite(order)
            run = runner or _runner(settings, len(waiting))
            parts = 1 if run is _here else settings.workers * GROUPS_EACH
            # closed before anything is cleared: no worker is left that writes
            with closing(run(_groups(waiting, parts), settings, say)) as rows:
                for row in rows:
                    counts[row["status"]] += 1
                    summary.put(row)
                    if row["status"] == FAILED:
                        say(f"{row['song']}: {row['error']}")
                    if progress is not None:
                        progress(row, sum(counts.values()), len(items))
            summary.rewrite(order)
        except OSError as error:
            if is_disk_full(error, out):
                raise disk_full(out) from error
            raise
        finally:
            clear_leftovers(out)
    return BatchResult(counts[DONE], counts["skipped"], counts[FAILED])


def unsure(summary: Summary, items: Iterable[BatchItem]) -> list[str]:
    """Names of the levels whose song's beat is more likely wrong than right."""
    return [
        item.output
        for item in items
        if summary.rows.get(item.output, {}).get("confidence", 1.0) < LOW_CONFIDENCE
    ]


def _unsettled(
    items: Sequence[BatchItem],
    weights: str,
    out: Path,
    summary: Summary,
    counts: Counter[str],
    say: Say,
) -> list[Job]:
    """What is to be done, long songs first; what is settled goes into summary and counts."""
    waiting = []
    for item in items:
        job, row = _settled(item, weights, out, summary)
        if job is not None:
            waiting.append(job)
        elif row["status"] == FAILED:
            counts[FAILED] += 1
            summary.put(row)
            say(f"{item.request.song}: {row['error']}")
        else:
            counts["skipped"] += 1
            if summary.rows.get(item.output) != row:
                summary.put(row)
    # so that no long one is left alone at the end
    return sorted(waiting, key=lambda job: -_seconds_of(Path(job.item.request.song)))


def _settled(item: BatchItem, weights: str, out: Path, summary: Summary) -> tuple[Job | None, Row]:
    """What is to be done for a song, or the row of one that is settled already."""
    try:
        fingerprint = item.request.fingerprint(weights)
    except OSError as error:
        return None, failed_row(item, error)
    path = out / item.output
    if path.exists():
        found = made_here(path)
        if found == fingerprint:
            known = summary.rows.get(item.output, {})
            if known.get("status") == DONE and known.get("fingerprint") == fingerprint:
                return None, known
            return None, _row(item, DONE, fingerprint=fingerprint)
        if found is None:
            fault = ValueError(
                f"{path}: expected no file or a level of an earlier run, found another: give"
                " another --out, or move it"
            )
            return None, failed_row(item, fault)
    return Job(item, fingerprint), {}


def _runner(settings: BatchSettings, songs: int) -> Runner:
    """What does the groups."""
    if settings.ray is not None:
        return _in_ray
    return _here if min(settings.workers, songs) <= 1 else _in_workers


def usual_workers() -> int:
    """As many workers as this machine has cores, and memory for."""
    try:
        cores = len(os.sched_getaffinity(0))
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # no such calls here
        return os.cpu_count() or 1
    return max(1, min(cores, memory // WORKER_BYTES))


def _groups(jobs: Sequence[Job], parts: int) -> list[list[Job]]:
    """So many runs of songs, or fewer."""
    size = max(1, math.ceil(len(jobs) / parts))
    return [list(jobs[start : start + size]) for start in range(0, len(jobs), size)]


def _seconds_of(path: Path) -> float:
    """Length of a song; 0 for one that is bad."""
    try:
        return audio_info(path).seconds
    except (ValueError, OSError):
        return 0.0


def _here(groups: Groups, settings: BatchSettings, say: Say) -> Generator[Row, None, None]:
    """All groups in this process."""
    if not groups:
        return
    mapper = settings.mapper()
    before = tempfile.tempdir
    tempfile.tempdir = str(work_folder(settings.out))
    try:
        for group in groups:
            yield from map_jobs(mapper, group, settings.out)
    finally:
        tempfile.tempdir = before


def _in_workers(groups: Groups, settings: BatchSettings, say: Say) -> Generator[Row, None, None]:
    from saberlm.infer.batch_workers import in_workers

    return in_workers(groups, settings, say)


def _in_ray(groups: Groups, settings: BatchSettings, say: Say) -> Generator[Row, None, None]:
    from saberlm.infer.batch_ray import in_ray

    return in_ray(groups, settings, say)


def work_folder(out: Path) -> Path:
    """Where temporary files of the run go: a later run clears it after a kill."""
    folder = out / WORK_NAME
    folder.mkdir(exist_ok=True)
    return folder


def map_jobs(mapper: Mapper, jobs: Iterable[Job], out: Path) -> Iterator[Row]:
    """Map songs side by side, each taken when a row is free for it; a row of the summary for each
    as it is finished, its level written.

    Raises:
        DiskFullError: there is no room for a level.
    """
    coming = iter(jobs)
    failed: deque[Row] = deque()
    ended = False
    while not ended:
        at_work: dict[int, Job] = {}
        try:
            for number, level in mapper.each(_listened(mapper, coming, at_work, failed, out)):
                while failed:
                    yield failed.popleft()
                yield _saved(at_work.pop(number), level, out)
            ended = True
        except DiskFullError:
            raise
        except Exception as error:  # one bad song must not end the run
            if not at_work:
                raise
            if len(at_work) == 1:
                failed.append(failed_row(next(iter(at_work.values())).item, error))
                continue
            _log.debug("decoding failed, now each song alone:", exc_info=error)
            for job in at_work.values():
                yield from map_jobs(mapper, [job], out)
    yield from failed


def _listened(
    mapper: Mapper,
    coming: Iterator[Job],
    at_work: dict[int, Job],
    failed: deque[Row],
    out: Path,
) -> Iterator[HeardSong]:
    """Songs as the mapper takes them, by their numbers; a row in ``failed`` of each that cannot be
    used."""
    numbers = count()
    kept: Counter[int] = Counter()  # bytes of sound by number
    for job in coming:
        try:
            free = sum(kept[number] for number in at_work) < SOUND_BYTES
            heard = mapper.listen(job.item.request, keep_sound=free)
        except Exception as error:  # one bad song must not end the run
            if is_disk_full(error, out):
                raise disk_full(out) from error
            failed.append(failed_row(job.item, error))
            continue
        number = next(numbers)
        at_work[number] = job
        kept[number] = sum(block.nbytes for block in heard.sound or ())
        yield heard


def _saved(job: Job, level: MappedLevel, out: Path) -> Row:
    try:
        level.save(out / job.item.output, record={"fingerprint": job.fingerprint})
    except Exception as error:
        if is_disk_full(error, out):
            raise disk_full(out) from error
        return failed_row(job.item, error)
    more: Row = {"scores": level.scores} if level.scores else {}
    return _row(
        job.item,
        DONE,
        fingerprint=job.fingerprint,
        bpm=level.tempo.bpm,
        offset=level.tempo.offset_seconds,
        confidence=round(level.tempo.confidence, 4),
        difficulties=level.describe(),
        seconds={name: round(value, 3) for name, value in level.seconds.items()},
        **more,
    )


def _row(item: BatchItem, status: str, **more: Any) -> Row:
    return {"output": item.output, "song": str(item.request.song), "status": status, **more}


def failed_row(item: BatchItem, error: BaseException) -> Row:
    """The summary's row of a song that could not be mapped."""
    _log.debug("%s failed here:", item.request.song, exc_info=error)
    text = " ".join(str(error).split()) or type(error).__name__
    text = text.removeprefix(f"{item.request.song}: ")  # the row names it
    if not isinstance(error, ValueError | OSError):  # not in our words: say at least what it is
        text = f"{type(error).__name__}: {text}"
    return _row(item, FAILED, error=text)


def is_disk_full(error: BaseException, out: Path) -> bool:
    """Whether an error comes of a full disk (or quota), through whatever library."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        cause = cause.__cause__ or cause.__context__
    return shutil.disk_usage(out).free < MIN_FREE_BYTES


def disk_full(out: Path) -> DiskFullError:
    """The error that says so."""
    free = shutil.disk_usage(out).free / 2**20
    return DiskFullError(
        f"{out}: expected room for the next level, found the disk full ({free:.1f} MB free): make"
        " room and run the same command again; finished levels stay and are not made anew"
    )


def weights_digest(folder: Path, lora: str | None = None) -> str:
    """A hash of a model folder's weights and configuration, and of a style pack's file.

    Raises:
        ValueError: no such pack.
    """
    names = sorted(one for one in folder.iterdir() if one.suffix in (".safetensors", ".json"))
    told = [f"{one.name} {file_digest(one)}" for one in names if one.is_file()]
    told += [] if lora is None else [file_digest(pack_path(lora))]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()
