"""A server that speaks BeatSaver's JSON, with maps of its own making and faults on demand."""

import hashlib
import io
import json
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Fault = Callable[[BaseHTTPRequestHandler, int], bool]
"""Given the request and how often its path was asked before; True where it has answered."""


def level_zip(number: int) -> tuple[bytes, str]:
    """A small level as BeatSaver packs it, and its hash."""
    difficulty = json.dumps(
        {
            "_version": "2.0.0",
            "_notes": [
                {
                    "_time": beat / 2,
                    "_lineIndex": beat % 4,
                    "_lineLayer": 0,
                    "_type": beat % 2,
                    "_cutDirection": 1,
                }
                for beat in range(4, 60)
            ],
            "_obstacles": [],
            "_events": [],
        }
    ).encode()
    info = json.dumps(
        {
            "_version": "2.0.0",
            "_songName": f"song {number}",
            "_songSubName": "",
            "_songAuthorName": "",
            "_levelAuthorName": f"mapper {number}",
            "_beatsPerMinute": 120,
            "_songTimeOffset": 0,
            "_shuffle": 0,
            "_shufflePeriod": 0.5,
            "_previewStartTime": 0,
            "_previewDuration": 10,
            "_songFilename": "song.egg",
            "_coverImageFilename": "cover.jpg",
            "_environmentName": "DefaultEnvironment",
            "_difficultyBeatmapSets": [
                {
                    "_beatmapCharacteristicName": "Standard",
                    "_difficultyBeatmaps": [
                        {
                            "_difficulty": "Expert",
                            "_difficultyRank": 7,
                            "_beatmapFilename": "ExpertStandard.dat",
                            "_noteJumpMovementSpeed": 14,
                            "_noteJumpStartBeatOffset": 0,
                        }
                    ],
                }
            ],
        },
        indent=2,
    ).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Info.dat", info)
        archive.writestr("ExpertStandard.dat", difficulty)
        archive.writestr("song.egg", f"not really sound {number}".encode() * 200)
    return packed.getvalue(), hashlib.sha1(info + difficulty).hexdigest()


class FakeBeatSaver:
    """Maps, what was asked, and faults.

    Attributes:
        maps: documents as the API gives them, the newest first.
        zips: bytes by hash.
        asked: requests by path.
        faults: by path; see `Fault`.
        address: of the API.
    """

    def __init__(self, count: int) -> None:
        self.maps: list[dict[str, Any]] = []
        self.zips: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()
        self.queries: list[dict[str, str]] = []
        self.faults: dict[str, Fault] = {}
        self.address = ""
        for number in range(count):
            data, digest = level_zip(number)
            self.zips[digest] = data
            self.maps.append(self.document(number, digest))

    def document(self, number: int, digest: str) -> dict[str, Any]:
        """A map's JSON; the higher the number the older and the worse."""
        day = f"2024-01-{28 - number % 28:02d}T{23 - number // 28 % 24:02d}:00:00Z"
        return {
            "id": f"{0x1A000 + number:x}",
            "name": f"song {number}",
            "uploader": {"id": 100 + number % 40, "name": f"mapper {number % 40}"},
            "metadata": {
                "bpm": 120,
                "duration": 30,
                "songName": f"song {number}",
                "songSubName": "",
                "songAuthorName": "someone",
                "levelAuthorName": f"mapper {number % 40}",
            },
            "stats": {"upvotes": 400 - number, "downvotes": 10, "score": 0.95 - number / 1000},
            "uploaded": day,
            "automapper": False,
            "ranked": number % 7 == 0,
            "qualified": False,
            "blRanked": False,
            "declaredAi": "None",
            "tags": ["tech"],
            "versions": [
                {
                    "hash": digest,
                    "state": "Published",
                    "createdAt": day,
                    "sageScore": 4,
                    "downloadURL": f"ADDRESS/{digest}.zip",
                    "diffs": [
                        {
                            "njs": 14,
                            "offset": 0,
                            "notes": 56,
                            "nps": 2.0 + number % 5,
                            "characteristic": "Standard",
                            "difficulty": "Expert",
                            "chroma": True,
                            "me": False,
                            "ne": False,
                            "cinema": False,
                        }
                    ],
                }
            ],
        }

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one GET."""
        url = urlsplit(request.path)
        before = self.asked[url.path]
        self.asked[url.path] += 1
        fault = self.faults.get(url.path)
        if fault is not None and fault(request, before):
            return
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        self.queries.append(query)
        size = int(query.get("pageSize", 20))
        if url.path == "/maps/latest":
            older = [m for m in self.maps if m["uploaded"] < query.get("before", "9")]
            older.sort(key=lambda m: m["uploaded"], reverse=True)
            self.send_json(request, {"docs": older[:size]})
        elif url.path.startswith("/search/text/"):
            page = int(url.path.rpartition("/")[2])
            self.send_json(request, {"docs": self.maps[page * size : (page + 1) * size]})
        elif (data := self.zips.get(url.path.strip("/").removesuffix(".zip"))) is not None:
            send(request, 200, data)
        else:
            send(request, 404, b'{"error":"Not Found"}')

    def send_json(self, request: BaseHTTPRequestHandler, value: Any) -> None:
        """Send JSON, addresses filled in."""
        send(request, 200, json.dumps(value).replace("ADDRESS", self.address).encode())


def send(
    request: BaseHTTPRequestHandler,
    status: int,
    data: bytes,
    headers: dict[str, str] | None = None,
    cut: int | None = None,
) -> None:
    """Send an answer, or the first ``cut`` bytes of it and no more."""
    request.send_response(status)
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(data)))
    request.end_headers()
    request.wfile.write(data[:cut])
    request.wfile.flush()
    if cut is not None:
        request.close_connection = True


@contextmanager
def serving(count: int) -> Iterator[FakeBeatSaver]:
    """A server with so many maps, on a free port of this machine."""
    fake = FakeBeatSaver(count)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            fake.answer(self)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
