"""A batch run over the machines of a Ray cluster: Ray Data deals groups of songs out to workers,
each with its own model, and rows come back as songs are finished.

The run's folder, the songs and the model (a folder) lie where every machine finds them under the
same paths: levels are written where they are made. The process that started the run keeps lock and
summary, so a run is resumed as any other. A worker that dies loses what it was at; those songs are
tried again one by one, and one that ends a worker twice is reported.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import socket
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from saberlm.infer.batch_folder import LOCK_NAME
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

LOCAL = "local"
"""The address of a cluster that is made for the run, of this machine alone."""
_OBJECT_STORE_BYTES = 100 * 2**20
_ROW, _FULL, _STOPPED = "row", "full", "stopped"


class MapGroups:
    """A worker: maps the groups that Ray Data gives it.

    Args:
        settings: of the run.
        home: the folder that paths of songs are relative to.
        lock: what the run's lock says, by which the run's folder is known.
        threads: of the decoder.
    """

    def __init__(self, settings: BatchSettings, home: str, lock: str, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._out = settings.out
        self._fault = ""
        try:
            _enter(settings.out, home, lock)
            tempfile.tempdir = str(work_folder(settings.out))
            self._mapper = settings.mapper()
        except (ValueError, OSError) as error:
            self._fault = str(error)

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, list[str]]]:
        """Rows of the summary, one at a time, of the one group in a batch."""
        if self._fault:
            yield {"kind": [_STOPPED], "value": [self._fault]}
            return
        try:
            for row in map_jobs(self._mapper, pickle.loads(batch["jobs"][0]), self._out):
                yield {"kind": [_ROW], "value": [json.dumps(row)]}
        except DiskFullError as error:
            yield {"kind": [_FULL], "value": [str(error)]}


def _enter(out: Path, home: str, lock: str) -> None:
    """Go to the folder that paths are relative to, and see that the run's folder is there.

    Raises:
        ValueError: it is not, with the machine's name.
    """
    if Path(home).is_dir():
        os.chdir(home)
    path = out / LOCK_NAME
    found = path.read_text(encoding="utf-8") if path.is_file() else None
    if found != lock or not Path(home).is_dir():
        raise ValueError(
            f"{out}: expected the run's folder, and {home}, on every machine of the cluster, found"
            f" {'none' if found is None else 'others'} on {socket.gethostname()}: likely no file"
            " system that the machines share"
        )


def in_ray(groups: Groups, settings: BatchSettings, say: Say) -> Generator[Row, None, None]:
    """Rows of all groups, as workers anywhere finish them.

    Raises:
        ValueError: Ray is missing, its cluster cannot be reached or is too small, or what ended a
            worker before it took any song.
        DiskFullError: a worker found the disk full.
    """
    if not groups:
        return
    lock = (settings.out / LOCK_NAME).read_text(encoding="utf-8")
    with _cluster(settings) as resources:
        own = (settings, str(Path.cwd()), lock, max(1, int(resources["num_cpus"])))
        left = {job.item.output: job for group in groups for job in group}
        for row in _run(groups, own, resources):
            left.pop(row["output"], None)
            yield row
        if not left:
            return
        say(f"a worker of the cluster ended: trying {len(left)} songs again, one by one")
        for row in _run([[job] for job in left.values()], own, resources):
            left.pop(row["output"], None)
            yield row
        for job in left.values():
            fault = RuntimeError(
                "the process that mapped it ended twice: likely out of memory; try fewer --workers"
                " or --rows"
            )
            yield failed_row(job.item, fault)


def _run(
    groups: Sequence[Sequence[Job]],
    own: tuple[BatchSettings, str, str, int],
    resources: dict[str, float],
) -> Iterator[Row]:
    """Rows of groups through one Ray dataset; those of dead workers are missing."""
    import ray.data
    import ray.exceptions

    dataset = ray.data.from_items(
        [{"jobs": pickle.dumps(list(group))} for group in groups], override_num_blocks=len(groups)
    ).map_batches(
        MapGroups,
        fn_constructor_args=own,
        batch_size=1,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(
            size=min(own[0].workers, len(groups)), max_tasks_in_flight_per_actor=1
        ),
        max_restarts=-1,
        max_task_retries=0,  # a song that ends its worker must not end all others
        **resources,
    )
    batches = dataset.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0)
    try:
        for batch in batches:
            for kind, value in zip(batch["kind"], batch["value"], strict=True):
                if kind == _FULL:
                    raise DiskFullError(value)
                if kind == _STOPPED:
                    raise ValueError(value)
                yield json.loads(value)
    except ray.exceptions.RayError as error:
        told = " ".join(str(error).split())[:300]
        raise ValueError(
            f"--ray {own[0].ray}: expected a cluster whose workers start and stay, found {told}"
        ) from error


@contextmanager
def _cluster(settings: BatchSettings) -> Iterator[dict[str, float]]:
    """Be joined to the run's cluster; what each worker takes of it.

    Raises:
        ValueError: see `in_ray`.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ValueError(
            f"--ray: expected Ray in this environment, found none ({error}): likely the extra"
            " saberlm[ray] was left out"
        ) from None
    made = (
        {"object_store_memory": _OBJECT_STORE_BYTES, "include_dashboard": False}
        if settings.ray == LOCAL
        else {}
    )
    try:
        ray.init(settings.ray, logging_level=logging.ERROR, log_to_driver=False, **made)
    except (ConnectionError, RuntimeError, ValueError) as error:
        told = " ".join(str(error).split())
        raise ValueError(f"--ray {settings.ray}: expected a Ray cluster, found {told}") from None
    try:
        context = ray.data.DataContext.get_current()
        context.target_max_block_size = 1  # a row goes on its way as it is made
        context.max_errored_blocks = -1  # see `in_ray`
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        yield _share(settings, ray.nodes())
    finally:
        ray.shutdown()


def _share(settings: BatchSettings, nodes: Sequence[dict[str, Any]]) -> dict[str, float]:
    """What one worker takes: a GPU, or its part of the cluster's cores.

    Raises:
        ValueError: there is not enough for all.
    """
    kind = "GPU" if settings.device.startswith("cuda") else "CPU"
    has = [int(node["Resources"].get(kind, 0)) for node in nodes if node["Alive"]]
    if kind == "GPU":
        room, share = sum(has), {"num_cpus": 1.0, "num_gpus": 1.0}
    else:
        each = max(1, min(sum(has) // settings.workers, max(has)))
        room, share = sum(own // each for own in has), {"num_cpus": float(each)}
    if room < settings.workers:
        raise ValueError(
            f"workers (--workers): expected {room} or fewer on a cluster with {sum(has)} {kind}s,"
            f" found {settings.workers}"
        )
    return share
