"""Batch runs on a Ray cluster: the same folder as a run without it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from saberlm.infer.batch_folder import LOCK_NAME, locked
from saberlm.infer.batch_ray import MapGroups, _share
from saberlm.infer.batch_requests import BatchItem, find_requests
from saberlm.infer.batch_run import BatchSettings, run_batch

RATE = 22_050
GRID = {"bpm": 120.0, "offset": 0.0, "max_segment_tokens": 30}
STORE_BYTES = 80 * 2**20


@pytest.fixture(scope="module")
def model_dir(tiny_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny_model.save_pretrained(folder)
    return folder


@pytest.fixture
def items(tmp_path: Path) -> list[BatchItem]:
    """Six songs of noise and a bad one."""
    folder = tmp_path / "songs"
    folder.mkdir()
    for i in range(6):
        noise = np.random.default_rng(i).normal(size=RATE * (5 + i)).astype(np.float32) * 0.1
        soundfile.write(folder / f"{i}.wav", noise, RATE)
    (folder / "bad.mp3").write_text("no music\n" * 40)
    return find_requests([folder], GRID)


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Two nodes of a core each."""
    if "ray" not in request.config.getoption("-m"):
        pytest.skip("starts a cluster: runs with -m ray")
    pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    one: dict[str, Any] = {"num_cpus": 1, "object_store_memory": STORE_BYTES}
    made = Cluster(initialize_head=True, head_node_args={**one, "include_dashboard": False})
    made.add_node(**one)
    made.wait_for_nodes()
    yield made
    made.shutdown()


def levels(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.zip")}


def node(**resources: float) -> dict[str, Any]:
    return {"Alive": True, "Resources": resources}


@pytest.mark.parametrize(
    ("device", "workers", "nodes", "share"),
    [
        ("cpu", 2, [node(CPU=8.0), node(CPU=8.0)], {"num_cpus": 8.0}),
        ("cpu", 1, [node(CPU=8.0), node(CPU=4.0)], {"num_cpus": 8.0}),
        ("cpu", 3, [node(CPU=1.0), node(CPU=2.0)], {"num_cpus": 1.0}),
        ("cuda", 2, [node(CPU=8.0, GPU=1.0), node(GPU=1.0)], {"num_cpus": 1.0, "num_gpus": 1.0}),
    ],
)
def test_workers_share_the_cluster(
    device: str, workers: int, nodes: list[dict[str, Any]], share: dict[str, float]
) -> None:
    settings = BatchSettings(Path("out"), device=device, workers=workers, ray="auto")
    assert _share(settings, nodes) == share


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_more_workers_than_the_cluster_has_room_for_are_refused(device: str) -> None:
    settings = BatchSettings(Path("out"), device=device, workers=3, ray="auto")
    gone = {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}
    with pytest.raises(ValueError, match=r"expected 2 or fewer .*found 3"):
        _share(settings, [node(CPU=1.0, GPU=2.0), node(CPU=1.0), gone])


def test_a_machine_without_the_folder_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = BatchSettings(tmp_path / "out")
    (tmp_path / "out").mkdir()
    with locked(tmp_path / "out"):
        (found,) = MapGroups(settings, str(tmp_path), "process 1 on elsewhere\n", 1)({})
        assert "file system that the machines share" in found["value"][0]
        lock = (tmp_path / "out" / LOCK_NAME).read_text()
        (found,) = MapGroups(settings, str(tmp_path / "nowhere"), lock, 1)({})
        assert "nowhere" in found["value"][0]


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_two_nodes_make_what_one_process_makes(
    cluster: Any, items: list[BatchItem], model_dir: Path, tmp_path: Path
) -> None:
    import ray

    run_batch(items, BatchSettings(tmp_path / "one", str(model_dir)))
    settings = BatchSettings(
        tmp_path / "two", str(model_dir), workers=2, rows=2, ray=cluster.address
    )
    free = []
    result = run_batch(
        items, settings, progress=lambda *_: free.append(ray.available_resources().get("CPU", 0))
    )
    assert (result.made, result.skipped, result.failed) == (6, 0, 1)
    assert min(free) == 0, "both nodes have a worker"
    assert levels(tmp_path / "one") == levels(tmp_path / "two")
    assert not ray.is_initialized()
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "two").glob("*.zip")}
    result = run_batch(items, settings)
    assert (result.made, result.skipped, result.failed) == (0, 6, 1)
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "two").glob("*.zip")}


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_songs_of_a_worker_that_dies_are_made_by_another(
    cluster: Any, items: list[BatchItem], model_dir: Path, tmp_path: Path
) -> None:
    import psutil

    settings = BatchSettings(
        tmp_path / "out", str(model_dir), workers=2, rows=1, ray=cluster.address
    )
    killed: list[int] = []

    def kill_one(*_: Any) -> None:
        if not killed:
            workers = [
                one.pid
                for one in psutil.Process().children(recursive=True)
                if "MapGroups" in " ".join(one.cmdline())
            ]
            killed.append(workers[0])
            os.kill(workers[0], signal.SIGKILL)

    said: list[str] = []
    wanted = [item for item in items if item.output != "bad.zip"]
    result = run_batch(wanted, settings, progress=kill_one, say=said.append)
    assert killed
    assert (result.songs, result.failed) == (6, 0)
    assert levels(tmp_path / "out").keys() == {item.output for item in wanted}
    run_batch(wanted, BatchSettings(tmp_path / "one", str(model_dir)))
    assert levels(tmp_path / "one") == levels(tmp_path / "out")


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_cannot_start_ends_the_run_with_its_reason(
    cluster: Any, items: list[BatchItem], model_dir: Path, tmp_path: Path
) -> None:
    settings = BatchSettings(tmp_path / "out", str(model_dir), engine="none", ray=cluster.address)
    with pytest.raises(ValueError, match="engine"):
        run_batch(items, settings)
