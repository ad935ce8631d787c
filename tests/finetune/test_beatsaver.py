"""BeatSaver's client against a server of its own that lies, cuts, forgets and refuses."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from beatsaver_kit import FakeBeatSaver, level_zip, send, serving

pytest.importorskip("httpx2")

from saberlm.finetune.beatsaver import BeatSaverClient, DamagedError, check_map, map_hash
from saberlm.finetune.beatsaver_records import MapFilter, MapRecord, Sieve
from saberlm.finetune.beatsaver_store import DownloadReport, fetch_maps, find_maps, write_manifest
from saberlm.finetune.sources import find_sources
from saberlm.prompts.mapfile import read_level
from saberlm.scripts.cli import main


@pytest.fixture
def server() -> Iterator[FakeBeatSaver]:
    with serving(12) as fake:
        yield fake


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(server: FakeBeatSaver, waits: list[float]) -> Iterator[BeatSaverClient]:
    """Its clock stands still but for what it sleeps."""
    with BeatSaverClient(server.address, sleep=waits.append, clock=lambda: sum(waits)) as made:
        yield made


def record(server: FakeBeatSaver, number: int) -> MapRecord:
    found = MapRecord.of(server.maps[number])
    assert found is not None
    address = server.address
    return replace(found, download_url=found.download_url.replace("ADDRESS", address))


def download(client: BeatSaverClient, out: Path, **wanted: Any) -> DownloadReport:
    records, report = find_maps(client, out, MapFilter(**wanted))
    return fetch_maps(client, out, records, report)


def test_what_is_fetched_is_what_the_build_reads(
    client: BeatSaverClient, server: FakeBeatSaver, tmp_path: Path
) -> None:
    report = download(client, tmp_path, min_rating=0.94)
    assert report.fetched == 11
    assert report.refused == {"score too low": 1}
    sources = find_sources(tmp_path, tmp_path / "work")
    assert {s.key for s in sources} == {f"{int(m['id'], 16):04d}" for m in server.maps[:11]}
    assert {s.rating for s in sources} == {m["stats"]["score"] for m in server.maps[:11]}
    for source in sources:
        assert source.audio is None, "the sound is in the zip"
        assert len(read_level(source.level).difficulties[0].beatmap.color_notes) == 56
    assert not list(tmp_path.rglob("*.partial"))


def test_one_request_a_second(client: BeatSaverClient, waits: list[float], tmp_path: Path) -> None:
    download(client, tmp_path)
    assert client.requests == 13
    assert sum(waits) == pytest.approx(12.0), "one page and twelve maps"
    assert max(waits) <= 1.0


def test_paging_goes_to_the_end_and_sees_every_map_once(waits: list[float], tmp_path: Path) -> None:
    with serving(230) as server, BeatSaverClient(server.address, sleep=waits.append) as client:
        records, report = find_maps(client, tmp_path, MapFilter())
        assert len({one.id for one in records}) == len(records) == report.scanned == 230
        assert server.asked["/maps/latest"] == 3
        again, _ = find_maps(client, tmp_path, MapFilter(min_rating=0.9))
        assert server.asked["/maps/latest"] == 3, "other filters over the same pages ask nothing"
        assert 0 < len(again) < 230
        few, _ = find_maps(client, tmp_path / "few", MapFilter(), limit=7)
        assert len(few) == 7
        assert server.asked["/maps/latest"] == 4


def test_a_search_hands_its_filters_on(
    client: BeatSaverClient, server: FakeBeatSaver, tmp_path: Path
) -> None:
    query = {"q": "night", "minRating": "0.9"}
    records, _ = find_maps(client, tmp_path, MapFilter(), query=query)
    assert len(records) == 12
    assert server.asked["/search/text/0"] == server.asked["/search/text/1"] == 1
    assert server.queries[0].items() >= query.items()


@pytest.mark.parametrize("said", ["7", "date"])
def test_too_many_requests_are_waited_out(
    client: BeatSaverClient, server: FakeBeatSaver, waits: list[float], tmp_path: Path, said: str
) -> None:
    def busy(request: Any, before: int) -> bool:
        if before < 2:
            asked = formatdate(time.time() + 8, usegmt=True) if said == "date" else said
            send(request, 429, b"slow down", {"Retry-After": asked})
        return before < 2

    server.faults["/maps/latest"] = busy
    report = download(client, tmp_path)
    assert report.fetched == 12
    assert sum(w > 6 for w in waits) == 2, "twice as long as the server asked"


def test_pauses_grow_and_it_gives_up_in_words(
    client: BeatSaverClient, server: FakeBeatSaver, waits: list[float], tmp_path: Path
) -> None:
    def broken(request: Any, before: int) -> bool:
        send(request, 503, b"")
        return True

    server.faults["/maps/latest"] = broken
    with pytest.raises(ValueError, match="within 7 tries, found status 503"):
        find_maps(client, tmp_path, MapFilter())
    pauses = [w for w in waits if w > 1]
    assert pauses == sorted(pauses)
    assert pauses[-1] > 30


def test_a_pause_of_hours_is_not_waited_for(
    client: BeatSaverClient, server: FakeBeatSaver, waits: list[float], tmp_path: Path
) -> None:
    def shut(request: Any, before: int) -> bool:
        send(request, 429, b"", {"Retry-After": "7200"})
        return True

    server.faults["/maps/latest"] = shut
    with pytest.raises(ValueError, match="pause of 7200 s: run the command again later"):
        find_maps(client, tmp_path, MapFilter())
    assert sum(waits) < 10


def test_cut_connections_are_tried_again(
    client: BeatSaverClient, server: FakeBeatSaver, tmp_path: Path
) -> None:
    first, second = record(server, 0), record(server, 1)

    def cut(request: Any, before: int) -> bool:
        if before == 0:
            send(request, 200, server.zips[first.hash], cut=300)
        return before == 0

    def cut_page(request: Any, before: int) -> bool:
        if before == 0:
            send(request, 200, b'{"docs": [' + b" " * 100, cut=40)
        return before == 0

    server.faults[f"/{first.hash}.zip"] = cut
    server.faults["/maps/latest"] = cut_page
    report = download(client, tmp_path)
    assert report.fetched == 12
    assert server.asked[f"/{first.hash}.zip"] == server.asked["/maps/latest"] == 2
    assert server.asked[f"/{second.hash}.zip"] == 1
    check_map(tmp_path / "zips" / f"{first.hash}.zip", first.hash)


def test_wrong_hashes_damage_and_vanished_maps_are_left_out(
    client: BeatSaverClient, server: FakeBeatSaver, tmp_path: Path
) -> None:
    other, gone, rotten = (record(server, i) for i in (1, 2, 3))
    server.zips[other.hash] = level_zip(99)[0]
    del server.zips[gone.hash]
    data = bytearray(server.zips[rotten.hash])
    at = data.index(b"song.egg") + 40  # in its sound, which no hash covers
    data[at] ^= 0xFF
    server.zips[rotten.hash] = bytes(data)
    report = download(client, tmp_path)
    assert report.fetched == 9
    told = "\n".join(report.failed)
    assert f"expected the map {other.hash}, found the map {level_zip(99)[1]}" in told
    assert "the server has it no more" in told
    assert "song.egg" in told or "damaged" in told or "Error" in told
    assert server.asked[f"/{other.hash}.zip"] == 2, "asked for once more"
    names = {one["beatsaver_hash"] for one in manifest(tmp_path)}
    assert not names & {other.hash, gone.hash, rotten.hash}
    assert len(list((tmp_path / "zips").iterdir())) == 9


def manifest(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("score", [None, 0.5])
def test_scores_that_say_nothing_are_refused_loudly(
    score: float | None, waits: list[float], tmp_path: Path
) -> None:
    with serving(25) as server, BeatSaverClient(server.address, sleep=waits.append) as client:
        for one in server.maps:
            one["stats"]["score"] = score
        with pytest.raises(ValueError, match=r"all 25 maps: nothing was\s+downloaded"):
            find_maps(client, tmp_path, MapFilter())
        code = main(["data", "download", str(tmp_path), "--api", server.address, "--rate", "1000"])
        assert code == 1
        assert sum(server.asked[path] for path in server.asked if path.endswith(".zip")) == 0


def test_a_few_missing_scores_only_fail_a_rating(server: FakeBeatSaver) -> None:
    server.maps[0]["stats"]["score"] = None
    del server.maps[1]["stats"]["score"]
    sieve = Sieve(MapFilter(min_rating=0.5))
    sieve.add(server.maps)
    assert sieve.refused == {"no score": 2}
    assert len(sieve.chosen) == 10


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"automapper": True}, "machine-made"),
        ({"declaredAi": "Uploader"}, "machine-made"),
        ({"declaredAi": "SageScore"}, "machine-made"),
        ({"sageScore": -3}, "machine-made"),
        ({"ne": True}, "needs mods"),
        ({"me": True}, "needs mods"),
        ({"chroma": True}, None),
        ({"characteristic": "Lawless"}, "no Standard difficulty"),
        ({"nps": 11.0}, "notes/s out of range"),
        ({"state": "Testplay"}, "no published version"),
    ],
)
def test_filters(server: FakeBeatSaver, change: dict[str, Any], why: str | None) -> None:
    one = server.maps[0]
    version = one["versions"][0]
    for name, value in change.items():
        owner = one if name in one else version if name in version else version["diffs"][0]
        owner[name] = value
    sieve = Sieve(MapFilter(max_nps=10))
    sieve.add([one])
    assert dict(sieve.refused) == ({why: 1} if why else {})
    assert len(sieve.chosen) == (0 if why else 1)


def test_bad_filters_and_other_answers_are_named(
    client: BeatSaverClient, server: FakeBeatSaver, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="from 0 to 1, found 85: likely per cent"):
        MapFilter(min_rating=85)
    with pytest.raises(ValueError, match="since: expected a date"):
        MapFilter(since="last year")
    for one in server.maps:
        del one["stats"]
    with pytest.raises(ValueError, match="found no 'stats': likely its API changed"):
        find_maps(client, tmp_path, MapFilter())

    def page(request: Any, before: int) -> bool:
        send(request, 200, b'{"maps": []}')
        return True

    server.faults["/maps/latest"] = page
    with pytest.raises(ValueError, match="expected JSON with a list named docs"):
        find_maps(client, tmp_path / "new", MapFilter())


def test_no_song_and_no_mapper_is_in_both_splits(tmp_path: Path, server: FakeBeatSaver) -> None:
    base = record(server, 0)
    records = [
        replace(base, id=f"{i:x}", uploader=str(i % 60), title=f"song {i % 90}") for i in range(400)
    ]
    report = DownloadReport()
    write_manifest(tmp_path, records, report)
    rows = manifest(tmp_path)
    by_id = {int(one.id, 16): one for one in records}
    songs: dict[str, set[str]] = {"train": set(), "valid": set()}
    mappers: dict[str, set[str]] = {"train": set(), "valid": set()}
    for row in rows:
        songs[row["split"]].add(row["song"])
        mappers[row["split"]].add(by_id[row["n"]].uploader)
    assert songs["valid"]
    assert not songs["train"] & songs["valid"]
    assert not mappers["train"] & mappers["valid"]
    assert len(rows) + report.splits["left out of train (song of the valid split)"] == 400


def test_the_hash_is_that_of_info_and_difficulties(tmp_path: Path) -> None:
    data, digest = level_zip(3)
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    assert map_hash(path) == digest
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "folder")
    assert map_hash(tmp_path / "folder") == digest
    (tmp_path / "cut.zip").write_bytes(data[:-30])
    with pytest.raises(DamagedError, match="likely a download that was cut short"):
        check_map(tmp_path / "cut.zip", digest)


def test_a_dry_run_says_what_it_would_fetch_and_fetches_nothing(
    server: FakeBeatSaver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "maps"
    asked = ["data", "download", str(out), "--api", server.address, "--rate", "1000"]
    assert main([*asked, "--min-rating", "0.94", "--limit", "3", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "would fetch 3 maps" in told
    assert told.count(" by mapper ") == 3
    assert not out.exists()
    assert set(server.asked) == {"/maps/latest"}
    assert main([*asked, "--limit", "2"]) == 0
    assert "2 fetched" in capsys.readouterr().out
    assert main([*asked, "--limit", "3", "--dry-run"]) == 0
    assert "would fetch 1 maps (2 are here)" in capsys.readouterr().out
    pages = server.asked["/maps/latest"]
    assert main([*asked, "--limit", "2"]) == 0
    assert server.asked["/maps/latest"] == pages
    assert main([*asked, "--limit", "2", "--rescan"]) == 0
    assert server.asked["/maps/latest"] == pages + 1
    assert "2 were here, 0 fetched" in capsys.readouterr().out


def test_kill_9_and_go_on(server: FakeBeatSaver, tmp_path: Path) -> None:
    """Killed in the middle of a map: what was whole is not asked for again, what was half is."""
    order = [
        one["versions"][0]["hash"]
        for one in sorted(server.maps, key=lambda m: m["uploaded"], reverse=True)
    ]
    halfway = threading.Event()

    def half(request: Any, before: int) -> bool:
        if before == 0:
            data = server.zips[order[4]]
            request.send_response(200)
            request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            request.wfile.write(data[:200])
            request.wfile.flush()
            halfway.set()
            time.sleep(3)
            request.close_connection = True
        return before == 0

    server.faults[f"/{order[4]}.zip"] = half
    command = [sys.executable, "-m", "saberlm.scripts.cli", "data", "download", str(tmp_path)]
    command += ["--api", server.address, "--rate", "1000"]
    first = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert halfway.wait(60)
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    whole = {path.stem for path in (tmp_path / "zips").glob("*.zip")}
    assert whole == set(order[:4])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "4 were here, 8 fetched, 0 failed" in done.stdout
    assert {server.asked[f"/{one}.zip"] for one in order[:4]} == {1}
    assert server.asked["/maps/latest"] == 1, "the page was kept"
    assert len(manifest(tmp_path)) == sum(
        row["split"] in ("train", "valid") for row in manifest(tmp_path)
    )
    assert not list(tmp_path.rglob("*.partial"))
    assert len(list((tmp_path / "zips").iterdir())) == 12
