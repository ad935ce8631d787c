"""Worker processes of a batch run: each has its own model, and takes a song whenever a row is free.

On Linux they are forked from one process that has imported what they need and runs nothing;
elsewhere each starts from nothing. A worker that dies (memory, a crash in a library) is replaced;
the songs it was at are tried again one by one, and one that ends a worker twice is reported.
Workers end with the run, however it ends.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from saberlm.infer.batch_run import (
    BatchSettings,
    DiskFullError,
    Groups,
    Job,
    Row,
    Say,
    failed_row,
    map_jobs,
    work_folder,
)

ROW, NEXT, STOPPED = "row", "next", "stopped"
_IMPORTED = "saberlm.infer.batch_start"


@dataclass
class _Worker:
    """A process, the pipe to it, and the jobs given to it that are not settled."""

    process: BaseProcess
    pipe: Connection
    left: list[Job] = field(default_factory=list)
    asks: bool = False  # whether it waits for a song
    used: bool = False

    def give(self, job: Job | None) -> None:
        """Answer with a song, or that there is none for now."""
        if job is not None:
            self.left.append(job)
            self.used = True
        self.asks = False
        with contextlib.suppress(OSError):  # it died: seen when it is read from
            self.pipe.send(job)


def in_workers(groups: Groups, settings: BatchSettings, say: Say) -> Generator[Row, None, None]:
    """Rows of all groups, as workers finish them.

    Raises:
        ValueError: what ended a worker before it took any song (no such model).
        DiskFullError: a worker found the disk full.
    """
    waiting = deque(job for group in groups for job in group)
    workers = [_start(settings) for _ in range(min(settings.workers, len(waiting)))]
    suspects: set[str] = set()
    try:
        while waiting or any(worker.left for worker in workers):
            for pipe in wait([worker.pipe for worker in workers]):
                worker = next(one for one in workers if one.pipe is pipe)
                try:
                    kind, value = worker.pipe.recv()
                except (EOFError, OSError):
                    workers.remove(worker)
                    yield from _after_death(worker, waiting, suspects, say)
                    if waiting and worker.used:
                        workers.append(_start(settings))
                    continue
                if kind == ROW:
                    worker.left = [j for j in worker.left if j.item.output != value["output"]]
                    yield value
                elif kind == STOPPED:
                    raise value
                else:
                    worker.asks = True
            if not workers and waiting:
                raise ValueError(
                    "expected workers that start, found that they end before their first song:"
                    " likely out of memory; try fewer --workers"
                )
            for worker in workers:
                if worker.asks:
                    _answer(worker, waiting, suspects)
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()


def _answer(worker: _Worker, waiting: deque[Job], suspects: set[str]) -> None:
    """Give a worker that asks its next song; a suspect goes alone. One that has nothing left and
    can have nothing waits."""
    alone = {job.item.output for job in (*worker.left, *list(waiting)[:1])} & suspects
    if waiting and not (worker.left and alone):
        worker.give(waiting.popleft())
    elif worker.left:
        worker.give(None)


def _after_death(
    worker: _Worker, waiting: deque[Job], suspects: set[str], say: Say
) -> Iterator[Row]:
    """Songs of a dead worker wait again, each alone; one that killed a second one has failed."""
    worker.process.join()
    worker.pipe.close()
    code = worker.process.exitcode
    again = []
    for job in worker.left:
        if job.item.output in suspects and len(worker.left) == 1:
            error = RuntimeError(
                f"the process that mapped it ended twice ({code}): likely out of memory; try fewer"
                " --workers or --rows"
            )
            yield failed_row(job.item, error)
        else:
            suspects.add(job.item.output)
            again.append(job)
    if again:
        say(f"a worker ended ({code}): trying its {len(again)} songs again, one by one")
    waiting.extendleft(reversed(again))


def _start(settings: BatchSettings) -> _Worker:
    ours, theirs = multiprocessing.Pipe()
    process: BaseProcess
    if sys.platform == "linux":
        forked = multiprocessing.get_context("forkserver")
        forked.set_forkserver_preload([_IMPORTED])  # without effect once that process is there
        process = forked.Process(target=_work, args=(theirs, settings), daemon=True)
    else:
        spawned = multiprocessing.get_context("spawn")
        process = spawned.Process(target=_work, args=(theirs, settings), daemon=True)
    process.start()
    theirs.close()  # so that the worker's end is the only one, and its death an end of file
    return _Worker(process, ours)


def _work(pipe: Connection[Any, Any], settings: BatchSettings) -> None:
    """A worker's life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears ctrl-C, and ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(
        max(1, min(torch.get_num_threads(), (os.cpu_count() or 1) // settings.workers))
    )
    try:
        tempfile.tempdir = str(work_folder(settings.out))
        mapper = settings.mapper()
        while True:
            for row in map_jobs(mapper, _asked(pipe), settings.out):
                pipe.send((ROW, row))
    except DiskFullError as error:
        pipe.send((STOPPED, error))
    except (ValueError, OSError) as error:
        pipe.send((STOPPED, ValueError(str(error))))
    except EOFError:
        return


def _asked(pipe: Connection[Any, Any]) -> Iterator[Job]:
    """Songs from the parent, one when it is asked for."""
    while True:
        pipe.send((NEXT, None))
        job = pipe.recv()
        if job is None:
            return
        yield job


def _end_with_parent() -> None:
    """A worker whose parent was killed ends at once."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
