"""Which song a worker gets when it asks, and what becomes of those of one that died."""

import os
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from saberlm.infer import batch_run, batch_workers
from saberlm.infer.batch_requests import BatchItem
from saberlm.infer.batch_run import BatchSettings, DiskFullError, Job
from saberlm.infer.batch_workers import _after_death, _answer, _Worker
from saberlm.infer.level_request import LevelRequest


class FakePipe:
    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, what: Any) -> None:
        self.sent.append(what)

    def close(self) -> None:
        pass


class FakeProcess:
    exitcode = -9

    def join(self) -> None:
        pass


def worker() -> Any:
    return _Worker(FakeProcess(), FakePipe(), asks=True)  # type: ignore[arg-type]


def jobs(names: str) -> list[Job]:
    return [Job(BatchItem(LevelRequest(f"{name}.wav"), f"{name}.zip"), name) for name in names]


def test_songs_are_given_as_they_are_asked_for() -> None:
    one, other = worker(), worker()
    waiting = deque(jobs("abc"))
    for asking in (one, other, one, one):
        _answer(asking, waiting, set())
    assert [[job.fingerprint for job in each.left] for each in (one, other)] == [["a", "c"], ["b"]]
    assert one.pipe.sent[-1] is None, "it goes on with what it has"
    assert not one.asks


def test_one_that_has_nothing_and_can_have_nothing_waits() -> None:
    idle = worker()
    _answer(idle, deque(), set())
    assert idle.asks
    assert idle.pipe.sent == []


def test_songs_of_a_dead_worker_are_tried_alone_and_once_more() -> None:
    dead, other = worker(), worker()
    waiting = deque(jobs("abc"))
    suspects: set[str] = set()
    for _ in range(2):
        _answer(dead, waiting, suspects)
    said: list[str] = []
    assert list(_after_death(dead, waiting, suspects, said.append)) == []
    assert [job.fingerprint for job in waiting] == ["a", "b", "c"]
    assert "2 songs" in said[0]
    _answer(other, waiting, suspects)
    _answer(other, waiting, suspects)
    assert [job.fingerprint for job in other.left] == ["a"], "nothing beside a suspect"
    failed = list(_after_death(other, waiting, suspects, said.append))
    assert [row["output"] for row in failed] == ["a.zip"]
    assert [job.fingerprint for job in waiting] == ["b", "c"]
    busy = worker()
    busy.left = jobs("x")
    _answer(busy, waiting, suspects)
    assert busy.left == jobs("x"), "no suspect beside another"


def test_workers_that_cannot_start_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: BatchSettings) -> _Worker:
        ours, theirs = batch_workers.multiprocessing.Pipe()
        theirs.close()
        process = FakeProcess()
        process.kill = process.join  # type: ignore[attr-defined]
        return _Worker(process, ours)  # type: ignore[arg-type]

    monkeypatch.setattr(batch_workers, "_start", start)
    settings = BatchSettings(tmp_path, workers=2)
    with pytest.raises(ValueError, match="before their first song"):
        list(batch_workers.in_workers([jobs("ab"), jobs("c")], settings, print))


def test_an_interrupt_and_a_full_disk_end_all_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []

    def start(_: BatchSettings) -> _Worker:
        ours, theirs = batch_workers.multiprocessing.Pipe()
        theirs.send((batch_workers.NEXT, None))
        theirs.send((batch_workers.STOPPED, DiskFullError("no room")))
        process = FakeProcess()
        process.kill = lambda: ended.append(theirs)  # type: ignore[attr-defined]
        return _Worker(process, ours)  # type: ignore[arg-type]

    monkeypatch.setattr(batch_workers, "_start", start)
    settings = BatchSettings(tmp_path, workers=2)
    with pytest.raises(DiskFullError, match="no room"):
        list(batch_workers.in_workers([jobs("ab")], settings, print))
    assert len(ended) == 2

    def interrupted(_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(batch_workers, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(batch_workers.in_workers([jobs("ab")], settings, print))
    assert len(ended) == 4


def test_no_more_workers_than_cores_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= batch_run.usual_workers() <= (os.cpu_count() or 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    memory = {"SC_PHYS_PAGES": 3 * batch_run.WORKER_BYTES // 4096, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", memory.__getitem__, raising=False)
    assert batch_run.usual_workers() == 3
    memory["SC_PHYS_PAGES"] = 1
    assert batch_run.usual_workers() == 1
