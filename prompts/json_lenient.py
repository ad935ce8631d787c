"""JSON as map editors, converters and broken downloads leave it.

Reading mends what has one meaning and counts it: gzip, a byte order mark, trailing commas, NaN,
control characters, NUL bytes behind the end, names given twice, halves of a surrogate pair. It is
bounded in memory and time: what unpacks to too much or nests too deep is refused.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

from saberlm.prompts.errors import LevelError

MAX_UNPACKED_BYTES = 256 * 2**20
MAX_DEPTH = 128
"""Levels of lists and objects in one another; real files have about ten."""

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = zlib.MAX_WBITS | 16
_CHUNK_BYTES = 2**20
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_WHITESPACE = " \t\r\n"

# A string that never ends matches up to the end of the text: were it to fail there, every quote in
# it would be tried as a beginning, which takes time by the square of the length.
_STRING_OR_TRAILING_COMMA = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|,(?=\s*+[\]}])', re.DOTALL)
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_json_lenient(data: bytes, name: str) -> tuple[Any, dict[str, int]]:
    """Parses JSON as the map editors write it, packed with gzip or not.

    Args:
        data: The file's bytes.
        name: The file's name, for the message.

    Returns:
        What was parsed, and how often each kind of thing was mended.

    Raises:
        LevelError: If it is not JSON even so, is damaged gzip, unpacks to over
            `MAX_UNPACKED_BYTES` or nests deeper than `MAX_DEPTH`; the message gives file and line.
    """
    mended: Counter[str] = Counter()
    if data.startswith(_GZIP_MAGIC):
        data = _unpacked(data, name)
        mended["gzip data unpacked"] += 1
    text = _decoded(data, mended)
    if (end := text.rstrip(_WHITESPACE + "\0")) != text:
        if "\0" in text[len(end) :]:
            mended["NUL bytes behind the end removed"] += 1
        text = end
    try:
        parsed, parse, text = _parsed(text, mended)
    except json.JSONDecodeError as error:
        raise LevelError(
            f"{name}: expected JSON, found a fault at line {error.lineno} column {error.colno} "
            f"({error.msg}): likely a damaged file or one edited by hand"
        ) from error
    except (ValueError, RecursionError) as error:
        found = "too deep a nesting" if isinstance(error, RecursionError) else error
        raise LevelError(
            f"{name}: expected JSON, found {found}: likely a damaged or malicious file"
        ) from error
    # Every name in the text is followed by a colon, so a text with as many colons as the parsed
    # objects have names holds none twice; only otherwise are the names worth counting one by one.
    colons = sum(text.count(before + ":") for before in '"' + _WHITESPACE)
    if colons != _num_names(parsed, name) and (repeated := _num_repeated_names(text, parse)):
        mended["name given twice in one object, the last one read"] += repeated
    if _SURROGATE_ESCAPE.search(text):
        parsed = _without_lone_surrogates(parsed, mended)
    return parsed, dict(mended)


def _unpacked(data: bytes, name: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        while data.startswith(_GZIP_MAGIC):  # a gzip file may hold several members
            unpacker = zlib.decompressobj(_GZIP_WINDOW)
            while not unpacker.eof:
                part = unpacker.decompress(data, _CHUNK_BYTES)
                data = unpacker.unconsumed_tail
                if not part and not unpacker.eof and not data:
                    raise zlib.error("an end before the data's end")
                parts.append(part)
                size += len(part)
                if size > MAX_UNPACKED_BYTES:
                    raise LevelError(
                        f"{name}: expected at most {MAX_UNPACKED_BYTES >> 20} MiB of text in gzip "
                        "data, found more: likely a malicious file"
                    )
            data = unpacker.unused_data
    except zlib.error as error:
        raise LevelError(
            f"{name}: expected whole gzip data, found {error}: likely a damaged or cut off file"
        ) from error
    return b"".join(parts)


def _decoded(data: bytes, mended: Counter[str]) -> str:
    encoding = next((encoding for bom, encoding in _BOMS if data.startswith(bom)), "utf-8")
    if encoding != "utf-8":
        mended["byte order mark removed"] += 1
    if encoding == "utf-16":
        mended["UTF-16 read"] += 1
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode(encoding, errors="replace")
        mended["bytes that are not text replaced"] += text.count("\ufffd")
        return text


def _parsed(text: str, mended: Counter[str]) -> tuple[Any, Callable[..., Any], str]:
    """Returns what the text says, the parser that understood it, and the text as mended for it."""
    words: Counter[str] = Counter()

    def constant(word: str) -> float:
        words[f"{word} read as a number"] += 1
        return float(word)

    def parse(text: str, **options: Any) -> Any:
        return json.loads(text, parse_constant=constant, strict=not lenient, **options)

    lenient = False
    try:
        parsed = parse(text)
    except json.JSONDecodeError:
        words.clear()
        lenient = True
        without = _STRING_OR_TRAILING_COMMA.sub(lambda m: " " if m[0] == "," else m[0], text)
        parsed = parse(without)
        commas = sum(a != b for a, b in zip(text, without, strict=True)) if without != text else 0
        mended["trailing comma removed" if commas else "control character kept"] += commas or 1
        text = without
    mended.update(words)
    return parsed, parse, text


def _num_names(parsed: Any, name: str) -> int:
    """Returns how many names the objects have, checking level by level how deep it goes."""
    count = depth = 0
    level = [parsed] if isinstance(parsed, (dict, list)) else []
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise LevelError(
                f"{name}: expected at most {MAX_DEPTH} lists and objects in one another, found "
                "more: likely a damaged or malicious file"
            )
        count += sum(len(container) for container in level if type(container) is dict)
        level = [
            value
            for container in level
            for value in (container.values() if type(container) is dict else container)
            if type(value) is dict or type(value) is list
        ]
    return count


def _num_repeated_names(text: str, parse: Callable[..., Any]) -> int:
    repeated = 0

    def count(pairs: list[tuple[str, Any]]) -> None:
        nonlocal repeated
        repeated += len(pairs) - len({name for name, _ in pairs})

    parse(text, object_pairs_hook=count)
    return repeated


def _without_lone_surrogates(value: Any, mended: Counter[str]) -> Any:
    """Returns the value with U+FFFD for halves of a surrogate pair, which no file could hold."""
    if isinstance(value, str):
        text, count = _SURROGATE.subn("\ufffd", value)
        if count:
            mended["half of a surrogate pair replaced"] += count
        return text
    if isinstance(value, list):
        return [_without_lone_surrogates(item, mended) for item in value]
    if isinstance(value, dict):
        return {
            _without_lone_surrogates(name, mended): _without_lone_surrogates(item, mended)
            for name, item in value.items()
        }
    return value
