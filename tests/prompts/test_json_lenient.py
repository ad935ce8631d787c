"""JSON as editors and broken downloads leave it: mended, counted, bounded."""

import contextlib
import gzip
import json
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saberlm.prompts import json_lenient
from saberlm.prompts.json_lenient import read_json_lenient

plain_text = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | plain_text,
    lambda inner: st.lists(inner) | st.dictionaries(plain_text, inner),
    max_leaves=20,
)


@given(values, st.sampled_from(["", " ", "\n\t"]))
def test_good_json_is_read_as_it_stands(value: Any, space: str) -> None:
    text = json.dumps(value, indent=1, separators=("," + space, space + ":"), allow_nan=True)
    mended = {"Infinity read as a number", "-Infinity read as a number"}
    parsed, counts = read_json_lenient(text.encode(), "x.dat")
    assert parsed == value
    assert set(counts) <= mended


@pytest.mark.parametrize(
    ("data", "value", "mended"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}, {"byte order mark removed": 1}),
        (
            '\ufeff{"a": 1}'.encode("utf-16-le"),
            {"a": 1},
            {"byte order mark removed": 1, "UTF-16 read": 1},
        ),
        (
            '\ufeff{"a": 1}'.encode("utf-16-be"),
            {"a": 1},
            {"byte order mark removed": 1, "UTF-16 read": 1},
        ),
        (b"[1,2, ],", None, None),
        (b'{"a,]": [1, 2,], }', {"a,]": [1, 2]}, {"trailing comma removed": 2}),
        (b'"a\tb"', "a\tb", {"control character kept": 1}),
        (b"[1]\0\0 \0\n", [1], {"NUL bytes behind the end removed": 1}),
        (b"[1]  \n", [1], {}),
        (b"[1] x", None, None),
        (b"[-Infinity]", [-math.inf], {"-Infinity read as a number": 1}),
        (
            b'{"a": 1, "b": {"c": 1, "c": 2}, "a": 3, "a": 4}',
            {"a": 4, "b": {"c": 2}},
            {"name given twice in one object, the last one read": 3},
        ),
        (b'{"a" : ": 1 : 2"}', {"a": ": 1 : 2"}, {}),
        (
            b'{"\\ud800": ["\\uDFFF", "\\ud83d\\ude00"]}',
            {"\ufffd": ["\ufffd", "\U0001f600"]},
            {"half of a surrogate pair replaced": 2},
        ),
        (b'["\xff"]', ["\ufffd"], {"bytes that are not text replaced": 1}),
        (gzip.compress(b"[1]"), [1], {"gzip data unpacked": 1}),
        (gzip.compress(b"[") + gzip.compress(b"1]"), [1], {"gzip data unpacked": 1}),
        (b"", None, None),
        (b"\0\0", None, None),
        (b'["' + b"\\", None, None),
        (b"[" + b"1" * 5000 + b"]", None, None),
        (b"[" * 100_000, None, None),
        (b"[" * 200 + b"]" * 200, None, None),
        (b'{"a":' * 200 + b"1" + b"}" * 200, None, None),
        (gzip.compress(b"[1]")[:-6], None, None),
        (gzip.compress(b"[1]")[:-8] + b"12345678", None, None),
        (gzip.compress(b"[1]")[:12], None, None),
        (b"\x1f\x8b", None, None),
    ],
)
def test_what_has_one_meaning_is_mended_and_the_rest_refused(
    data: bytes, value: Any, mended: dict[str, int] | None
) -> None:
    if mended is None:
        with pytest.raises(ValueError, match=r"^x.dat: expected .*, found .*: likely ") as error:
            read_json_lenient(data, "x.dat")
        assert "\n" not in str(error.value)
    else:
        assert read_json_lenient(data, "x.dat") == (value, mended)


def test_nan_is_counted() -> None:
    (number,), mended = read_json_lenient(b"[NaN]", "x.dat")
    assert math.isnan(number)
    assert mended == {"NaN read as a number": 1}


def test_gzip_is_unpacked_only_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(b"[" + b" " * 3_000_000 + b"1]")
    assert read_json_lenient(packed, "x.dat")[0] == [1]
    monkeypatch.setattr(json_lenient, "MAX_UNPACKED_BYTES", 2**20)
    with pytest.raises(ValueError, match="expected at most 1 MiB"):
        read_json_lenient(packed, "x.dat")


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_read_or_refused(data: bytes, packed: bool) -> None:
    refused = ""
    try:
        read_json_lenient(gzip.compress(data) if packed else data, "x.dat")
    except ValueError as error:
        refused = str(error)
    assert refused == "" or refused.startswith("x.dat: expected")


@pytest.mark.parametrize(
    "data",
    [
        b'["' + b'\\"' * 500_000,
        b"[" + b'"' * 500_000,
        b"[" + b",   \n" * 200_000,
        b"[1," + b" " * 1_000_000 + b"x",
        b'["' + b"\\" * 1_000_000,
        b"[" + b"1" * 1_000_000,
        b"[1." + b"1" * 1_000_000 + b"]",
        b'{"a":1' + b',"a":1' * 100_000 + b"}",
        b"[1" + b",[1,]" * 100_000 + b"]",
    ],
    ids=range(9),
)
def test_a_hostile_megabyte_takes_no_longer_than_a_good_one(data: bytes) -> None:
    start = time.perf_counter()
    with contextlib.suppress(ValueError):
        read_json_lenient(data, "x.dat")
    assert time.perf_counter() - start < 3
