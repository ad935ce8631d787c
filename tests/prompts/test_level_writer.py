"""Writing a level: all of it or nothing."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from level_files import FILES, INFO, LEVEL, difficulty

from saberlm.prompts import levelzip
from saberlm.prompts.beatmap import (
    Beatmap,
    Bomb,
    Difficulty,
)
from saberlm.prompts.mapfile import write_level


def no_note(beat: float) -> Difficulty:
    return replace(difficulty("Hard"), beatmap=Beatmap(bombs=(Bomb(beat, 0, 0),)))


BAD_WRITES: list[tuple[list[Difficulty], dict[str, Any], str]] = [
    ([difficulty("Expert+")], {}, r"found 'Expert\+': likely a display name"),
    ([difficulty("Hard"), difficulty("Hard")], {}, "Standard Hard twice"),
    ([no_note(math.nan)], {}, r"HardStandard\.dat: expected values that JSON can hold"),
    ([difficulty("Hard")], {"../x": b""}, "file names inside the level"),
    ([difficulty("Hard")], {"": b""}, "file names inside the level"),
    ([difficulty("Hard")], {"a/b": b""}, "flat list of different file names"),
    ([difficulty("Hard")], {"info.dat": b""}, "flat list of different file names"),
    ([difficulty("Hard")], {"song.egg": Path("/nowhere/a.egg")}, "likely .* a missing file"),
]


@pytest.mark.parametrize("name", ["level", "level.zip"])
@pytest.mark.parametrize(("difficulties", "files", "match"), BAD_WRITES)
def test_a_failed_write_leaves_nothing(
    tmp_path: Path,
    name: str,
    difficulties: list[Difficulty],
    files: dict[str, bytes | Path],
    match: str,
) -> None:
    with pytest.raises(ValueError, match=match) as error:
        write_level(tmp_path / name, INFO, difficulties, files)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_the_older_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "level.zip"
    write_level(path, LEVEL.info, LEVEL.difficulties, FILES)
    before = path.read_bytes()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(levelzip, "_copy", full_disk)
    with pytest.raises(ValueError, match="No space left on device"):
        write_level(path, replace(INFO, title="other"), LEVEL.difficulties, FILES)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["level", "level.zip"])
def test_writing_where_one_cannot_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="likely a missing or read-only folder"):
        write_level(tmp_path / "missing" / name, INFO, LEVEL.difficulties, FILES)
    (tmp_path / "level").write_text("a file")
    (tmp_path / "level.zip").mkdir()
    with pytest.raises(ValueError, match="expected to write the level"):
        write_level(tmp_path / name, INFO, LEVEL.difficulties, FILES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["level", "level.zip"]
