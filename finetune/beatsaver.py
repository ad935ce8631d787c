"""A polite client of BeatSaver: pages of maps and map files, one request a second unless told.

It waits as long as a server asks (Retry-After), tries again after cut connections and server
errors, longer each time, and says plainly when it gives up. It keeps nothing between runs:
`saberlm.finetune.beatsaver_store` does.
"""

from __future__ import annotations

import email.utils
import hashlib
import json
import logging
import random
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from saberlm.prompts.json_lenient import read_json_lenient
from saberlm.prompts.levelzip import open_level_files
from saberlm.prompts.mapfile import info_filename, info_version

API = "https://api.beatsaver.com"
PAGE_SIZE = 100
"""The most that the API gives at once."""
MAX_TRIES = 7
MAX_WAIT_SECONDS = 900.0
"""A server that asks for a longer pause is left for another day."""
MAX_ZIP_BYTES = 200_000_000
"""BeatSaver takes at most 50 MB."""
AGENT = "saberlm (an automatic mapper; downloads maps for training)"

_log = logging.getLogger(__name__)


class GoneError(ValueError):
    """The server has no such thing (any more)."""


class DamagedError(ValueError):
    """A map file that is not what its hash says."""


@dataclass(frozen=True)
class Page:
    """Maps as the API gave them, and where to go on: None at the end."""

    documents: list[dict[str, Any]]
    cursor: str | None


class BeatSaverClient:
    """Requests to BeatSaver's API and its file servers.

    Args:
        api: address of the API.
        requests_per_second: to any of its servers, at most.
        sleep: waits; for tests to look at.
        clock: seconds; as above.
    """

    def __init__(
        self,
        api: str = API,
        *,
        requests_per_second: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if requests_per_second <= 0:
            raise ValueError(f"expected a rate above 0, found {requests_per_second:g} a second")
        self.api = api.rstrip("/")
        self.interval = 1 / requests_per_second
        self.requests = 0
        self._sleep, self._clock = sleep, clock
        self._last: float | None = None
        self._random = random.Random(0)
        self._http = httpx2.Client(
            headers={"User-Agent": AGENT}, timeout=30.0, follow_redirects=True
        )

    def __enter__(self) -> BeatSaverClient:
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.close()

    def latest(self, cursor: str | None = None) -> Page:
        """Maps by time of upload, the newest first; declared machine maps are left out.

        Args:
            cursor: of the page before; None begins with the newest.

        Raises:
            ValueError: no answer, or none that can be read.
        """
        asked = {"pageSize": str(PAGE_SIZE)}
        documents = self._documents("/maps/latest", asked | ({"before": cursor} if cursor else {}))
        if len(documents) < PAGE_SIZE:
            return Page(documents, None)
        last = documents[-1].get("uploaded")
        if not last or last == cursor:
            raise ValueError(
                f"{self.api}/maps/latest: expected a page that ends before {cursor}, found the same"
                " time again: likely its paging changed"
            )
        return Page(documents, str(last))

    def search(self, query: Mapping[str, str], cursor: str | None = None) -> Page:
        """Maps that a search finds.

        Args:
            query: BeatSaver's own parameters (``q``, ``order``, ``minRating``, ``minNps``, ...).
            cursor: of the page before.

        Raises:
            ValueError: as `latest`.
        """
        number = int(cursor or 0)
        asked = {"pageSize": str(PAGE_SIZE), **query}
        documents = self._documents(f"/search/text/{number}", asked)
        return Page(documents, str(number + 1) if documents else None)

    def _documents(self, path: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        answer = self._request(f"{self.api}{path}", params, _read_json)
        documents = answer.get("docs") if isinstance(answer, dict) else None
        if not isinstance(documents, list) or not all(isinstance(d, dict) for d in documents):
            raise ValueError(
                f"{self.api}{path}: expected JSON with a list named docs, found"
                f" {json.dumps(answer)[:80]}: likely not BeatSaver's API"
            )
        return documents

    def download(self, url: str, wanted_hash: str, target: Path) -> None:
        """Fetch a map's zip, check it and put it in its place; a stop leaves no half file there.

        Args:
            url: where it lies.
            wanted_hash: of the map.
            target: file to write.

        Raises:
            GoneError: the server has it no more.
            DamagedError: what came is not that map, twice.
            ValueError: no answer.
        """
        partial = target.with_name(target.name + ".partial")

        def save(response: httpx2.Response) -> None:
            size = 0
            with partial.open("wb") as f:
                for block in response.iter_bytes():
                    size += len(block)
                    if size > MAX_ZIP_BYTES:
                        raise DamagedError(f"{url}: expected a map, found over {size} bytes")
                    f.write(block)

        for last in (False, True):
            self._request(url, {}, save)
            try:
                check_map(partial, wanted_hash)
                break
            except DamagedError:
                partial.unlink()
                if last:
                    raise
        partial.replace(target)

    def _request(
        self, url: str, params: Mapping[str, str], read: Callable[[httpx2.Response], Any]
    ) -> Any:
        """One GET, tried again as long as there is hope; what ``read`` makes of the answer."""
        why = ""
        for attempt in range(MAX_TRIES):
            self._pace()
            wait = min(60.0, 2.0**attempt) * (1 + 0.25 * self._random.random())
            try:
                with self._http.stream("GET", url, params=dict(params)) as response:
                    status = response.status_code
                    if status == 200:
                        return read(response)
                    why = f"status {status}"
                    if status in (404, 410):
                        raise GoneError(f"{url}: the server has it no more ({why})")
                    if status != 429 and status < 500:
                        raise ValueError(
                            f"{url}: expected an answer, found {why}: likely blocked, or a request"
                            " that the API knows no more"
                        )
                    wait = max(wait, _retry_after(response))
            except (httpx2.TransportError, httpx2.DecodingError, json.JSONDecodeError) as error:
                why = f"{type(error).__name__}: {error}"
            if wait > MAX_WAIT_SECONDS:
                raise ValueError(
                    f"{url}: {why}, and the server asks for a pause of {wait:.0f} s: run the"
                    " command again later, it goes on where it stopped"
                )
            _log.info("%s: %s, waiting %.1f s", url, why, wait)
            self._sleep(wait)
        raise ValueError(
            f"{url}: expected an answer within {MAX_TRIES} tries, found {why}: run the command"
            " again later, it goes on where it stopped"
        )

    def _pace(self) -> None:
        if self._last is not None:
            self._sleep(max(0.0, self._last + self.interval - self._clock()))
        self._last = self._clock()
        self.requests += 1


def pages(turn: Callable[[str | None], Page], cursor: str | None = None) -> Iterator[Page]:
    """All pages from a cursor on.

    Args:
        turn: gives the page at a cursor (`BeatSaverClient.latest`, or a search).
        cursor: where to begin.
    """
    while True:
        page = turn(cursor)
        yield page
        cursor = page.cursor
        if cursor is None:
            return


def _read_json(response: httpx2.Response) -> Any:
    response.read()
    return response.json()


def _retry_after(response: httpx2.Response) -> float:
    """Seconds that the server asks to wait, as a number or as a date; 0 where it does not."""
    said = response.headers.get("Retry-After", "").strip()
    if not said:
        return 0.0
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return 0.0


def map_hash(path: Path) -> str:
    """The SHA-1 that BeatSaver and the game know a level by: over Info.dat, then v4's audio data,
    then each difficulty as Info.dat lists them (v4: each with its lights).

    Raises:
        ValueError: no level, or a file that Info.dat names is missing.
    """
    files = open_level_files(path)
    name = info_filename(files)
    info = files.read(name)
    digest = hashlib.sha1(info, usedforsecurity=False)
    said = read_json_lenient(info, name)[0]
    if info_version(said) == 4:
        digest.update(files.read(said["audio"]["audioDataFilename"]))
        for one in said["difficultyBeatmaps"]:
            digest.update(files.read(one["beatmapDataFilename"]))
            digest.update(files.read(one["lightshowDataFilename"]))
    else:
        for group in said["_difficultyBeatmapSets"]:
            for one in group["_difficultyBeatmaps"]:
                digest.update(files.read(one["_beatmapFilename"]))
    return digest.hexdigest()


def check_map(path: Path, wanted_hash: str) -> None:
    """Refuse a zip that is cut, damaged or another map.

    Raises:
        DamagedError: see above.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()  # the sound is in no hash
        found = map_hash(path) if broken is None else ""
    except (zipfile.BadZipFile, OSError, EOFError, KeyError, TypeError, ValueError) as error:
        raise DamagedError(
            f"{path.name}: expected the map {wanted_hash}, found {error or type(error).__name__}:"
            " likely a download that was cut short"
        ) from None
    if broken is not None or found != wanted_hash.lower():
        what = f"the map {found}" if broken is None else f"a broken file {broken}"
        raise DamagedError(f"{path.name}: expected the map {wanted_hash}, found {what}")
