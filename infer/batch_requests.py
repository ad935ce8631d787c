"""The songs of a batch run: files, folders and JSON lines of requests, each with the name of its
level."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from saberlm.infer.level_request import FILES, LevelRequest
from saberlm.infer.sampling import SamplingParams
from saberlm.prompts.errors import HeaderError

SOUND_SUFFIXES = (
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".egg", ".m4a", ".aac", ".aif", ".aiff",
)  # fmt: skip
REQUEST_SUFFIXES = (".jsonl", ".ndjson")


@dataclass(frozen=True)
class BatchItem:
    """A request and the file name of its level."""

    request: LevelRequest
    output: str


def find_requests(songs: Sequence[str | Path], settings: Mapping[str, Any]) -> list[BatchItem]:
    """The requests of a run.

    Args:
        songs: sound files; folders, whose sound files are taken, those of their folders too; and
            files of requests, a JSON object a line, with the fields of `LevelRequest` and
            `saberlm.infer.sampling.SamplingParams` and perhaps ``output``. Paths in it are
            relative to the file they stand in.
        settings: fields for all requests; a line's own go before them.

    Returns:
        Each different request once, in the order found. Levels are named after their songs; where
        two would have one name, each gets six letters of the hash of its path, or where that is
        the same of the whole request.

    Raises:
        ValueError: nothing there, no sound files, a line that is no request (named by its number),
            or two requests with one ``output``.
    """
    found: list[tuple[LevelRequest, str | None, str]] = []
    for one in map(Path, songs):
        if one.suffix.lower() in REQUEST_SUFFIXES and one.is_file():
            found += _from_lines(one, settings)
        elif one.is_dir():
            inside = sorted(
                path
                for path in one.rglob("*")
                if path.suffix.lower() in SOUND_SUFFIXES
                and not any(part.startswith(".") for part in path.relative_to(one).parts)
            )
            if not inside:
                raise ValueError(
                    f"{one}: expected sound files ({', '.join(SOUND_SUFFIXES[:6])}, ...), found"
                    " none in the folder: likely another folder"
                )
            found += [(LevelRequest.of(path, **settings), None, str(path)) for path in inside]
        else:  # a missing song is reported with the others that fail
            found.append((LevelRequest.of(one, **settings), None, str(one)))
    return _named(found)


def _from_lines(
    path: Path, settings: Mapping[str, Any]
) -> list[tuple[LevelRequest, str | None, str]]:
    found: list[tuple[LevelRequest, str | None, str]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            own = json.loads(line)
            if not isinstance(own, dict):
                raise ValueError(f"expected a JSON object, found {line.strip()[:60]!r}")
            if not isinstance(own.get("song"), str):
                raise ValueError(f"expected a field song with a path, found {own.get('song')!r}")
            for name in FILES:
                if isinstance(own.get(name), str):
                    own[name] = path.parent / own[name]
            song, output = own.pop("song"), own.pop("output", None)
            if output is not None:
                _check_output(output)
            request = LevelRequest.of(song, **{**settings, **own})
        except HeaderError as error:
            at = f"prompt, characters {error.start + 1} to {error.end}"
            raise ValueError(f"{where}: {at}: {error.reason}") from None
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        found.append((request, output, where))
    if not found:
        raise ValueError(f"{path}: expected requests, a JSON object a line, found none")
    return found


def request_line(item: BatchItem) -> str:
    """An item as a line of a file of requests, paths made absolute; what is as usual is left
    out."""
    asked = item.request
    told: dict[str, Any] = {"song": asked.song, "output": item.output}
    for record in (asked, asked.sampling):
        usual: Any = SamplingParams() if record is asked.sampling else LevelRequest(asked.song)
        for name in (one.name for one in fields(record) if one.name not in ("song", "sampling")):
            if getattr(record, name) != getattr(usual, name):
                told[name] = getattr(record, name)
    for name in FILES:
        if name in told:
            told[name] = str(Path(told[name]).absolute())
    return json.dumps(told, ensure_ascii=False)


def _check_output(output: object) -> None:
    if not isinstance(output, str) or not output.endswith(".zip") or Path(output).name != output:
        raise ValueError(f"output: expected a file name like NAME.zip, found {output!r}")
    if output.startswith("."):
        raise ValueError(f"output: expected a name without a dot in front, found {output!r}")


def _named(found: Sequence[tuple[LevelRequest, str | None, str]]) -> list[BatchItem]:
    unique: dict[tuple[LevelRequest, str | None], str] = {}
    for request, output, where in found:
        unique.setdefault((request, output), where)
    # the plainest name that no other level has: of the song, of its path, of the request
    names: list[dict[int, str]] = []
    for name_of in (_plain_name, _path_name, _request_name):
        names.append({i: out or name_of(request) for i, (request, out) in enumerate(unique)})
    times = [Counter(name.lower() for name in one.values()) for one in names]
    items: dict[str, tuple[BatchItem, str]] = {}
    for i, ((request, _), where) in enumerate(unique.items()):
        free = (
            one[i] for one, number in zip(names, times, strict=True) if number[one[i].lower()] == 1
        )
        name = next(free, names[-1][i])
        if name.lower() in items:
            raise ValueError(
                f"{where}: expected a name of its own for each level, found {name} for"
                f" {items[name.lower()][1]} too"
            )
        items[name.lower()] = BatchItem(request, name), where
    return [item for item, _ in items.values()]


def _plain_name(request: LevelRequest) -> str:
    return f"{Path(request.song).stem.lstrip('.') or 'song'}.zip"


def _path_name(request: LevelRequest) -> str:
    return _with_hash(request, str(Path(request.song).resolve()))


def _request_name(request: LevelRequest) -> str:
    return _with_hash(request, json.dumps(asdict(request), sort_keys=True, default=str))


def _with_hash(request: LevelRequest, text: str) -> str:
    letters = hashlib.sha256(text.encode()).hexdigest()[:6]
    return f"{Path(_plain_name(request)).stem}-{letters}.zip"
