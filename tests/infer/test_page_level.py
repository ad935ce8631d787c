"""A level dropped on the page is read there as our own reader reads it."""

import base64
import json
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from level_files import hand_level, zip_files
from made_levels import levels, rewritten
from page_kit import in_node, needs_node

from saberlm.infer.preview import preview_level
from saberlm.prompts.beatmap import Level

pytestmark = needs_node

READ = """
    const { readLevelZip } = await load('level');
    const { prepare } = await load('prepare');
    const read = async (packed) => {
        try {
            const bytes = Uint8Array.from(Buffer.from(packed, 'base64'));
            const { level, song, cover } = await readLevelZip(bytes.buffer);
            const seconds = (one) => prepare(level, one).notes.map((note) => note.time);
            const times = level.difficulties.map(seconds);
            return { level, times, song: song?.length ?? 0, cover: cover?.length ?? 0 };
        } catch (problem) { return { problem: problem.message }; }
    };
    return await Promise.all(given.map(read));
"""
TIMES = """
    const { prepare } = await load('prepare');
    return given.map((l) => l.difficulties.map((one) => prepare(l, one).notes.map((n) => n.time)));
"""


def read_in_page(*paths: Path) -> list[dict[str, Any]]:
    packed = [base64.b64encode(path.read_bytes()).decode() for path in paths]
    found: list[dict[str, Any]] = in_node(READ, packed)
    return found


def comparable(level: dict[str, Any]) -> dict[str, Any]:
    """Without what the two count in words of their own; a tempo is compared by its seconds."""
    own = {"left_out", "tempo", "findings", "verdict"}
    difficulties = [
        {key: value for key, value in one.items() if key not in own}
        for one in level["difficulties"]
    ]
    # equal beats may stand in any order, and JSON knows one kind of number
    for one in difficulties:
        colors = one["colors"] or {}
        one["colors"] = {name: [round(x, 3) for x in rgb] for name, rgb in colors.items()}
        for key, rows in one.items():
            if key in ("notes", "bombs", "walls", "arcs", "chains", "lights", "boosts"):
                one[key] = sorted(json.dumps([float(x) for x in row]) for row in rows)
    return {**level, "difficulties": difficulties}


versions = st.sampled_from([2, 3, 4])


@settings(max_examples=6, phases=[Phase.generate])
@given(versions.flatmap(lambda version: st.tuples(st.just(version), levels(version))))
def test_every_version_is_read_as_our_reader_reads_it(made: tuple[int, Level]) -> None:
    least, level = made
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{version}.zip" for version in range(least, 5)]
        ours = [
            preview_level(rewritten(level, path, version)[0])
            for version, path in enumerate(paths, least)
        ]
        found = read_in_page(*paths)
    for mine, theirs in zip(ours, found, strict=True):
        read, expected = comparable(theirs["level"]), comparable(mine)
        assert len(read["difficulties"]) == len(expected["difficulties"])
        for one, other in zip(read.pop("difficulties"), expected.pop("difficulties"), strict=True):
            assert {key: (one[key], other[key]) for key in one if one[key] != other[key]} == {}
        assert read == expected
        assert theirs["song"] > 0 < theirs["cover"]
    for mine, theirs in zip(in_node(TIMES, ours), found, strict=True):
        for expected, times in zip(mine, theirs["times"], strict=True):
            assert times == pytest.approx(expected, abs=1e-3)  # regions count whole samples


def test_what_is_no_level_is_refused_in_words(tmp_path: Path) -> None:
    broken = tmp_path / "cut.zip"
    broken.write_bytes(zip_files(tmp_path / "whole.zip", hand_level()).read_bytes()[:-40])
    text = tmp_path / "text.zip"
    text.write_text("hello")
    empty = zip_files(tmp_path / "empty.zip", {"readme.txt": "x"})
    lost = hand_level()
    lost.pop("EXPERT.dat")
    without = zip_files(tmp_path / "without.zip", lost)
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Info.dat", b"{}" + b" " * 5_000_000)
    data = bomb.read_bytes()
    at = data.rindex(b"PK\x01\x02") + 24  # the directory lies about the size
    bomb.write_bytes(data[:at] + (100).to_bytes(4, "little") + data[at + 4 :])
    found = read_in_page(broken, text, empty, without, bomb)
    words = ["no zip", "no zip", "no Info.dat", "None of its difficulties", "larger than it says"]
    for one, wanted in zip(found, words, strict=True):
        assert wanted in one["problem"]


def test_modded_objects_are_left_out_and_counted(tmp_path: Path) -> None:
    files = hand_level()
    note = {"_time": 1, "_lineIndex": 0, "_lineLayer": 0, "_type": 0, "_cutDirection": 1}
    odd = [note | {"_lineIndex": 1500}, note | {"_cutDirection": 1180}, note | {"_time": -3}]
    files["EXPERT.dat"] = json.dumps({"_notes": [note, *odd], "_obstacles": [], "_events": []})
    (found,) = read_in_page(zip_files(tmp_path / "odd.zip", files))
    (difficulty,) = found["level"]["difficulties"]
    assert difficulty["notes"] == [[1, 0, 0, 0, 1, 0]]
    assert difficulty["left_out"] == {"notes of mods": 3}
