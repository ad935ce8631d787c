"""The fuzzer, run for a few hundred levels: a longer run is
``python -m saberlm.scripts.fuzz_levels``."""

import zipfile
from pathlib import Path
from random import Random

import pytest

from saberlm.prompts.mapfile import read_level
from saberlm.scripts import fuzz_levels


@pytest.mark.parametrize("seed", range(3))
def test_damaged_levels_are_read_or_refused_in_our_words(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    seeds = fuzz_levels.made_up_levels()
    outcomes = []
    for _ in range(80):
        path = tmp_path / "level.zip"
        path.write_bytes(fuzz_levels.damaged(random.choice(seeds), random))
        outcomes.append(fuzz_levels.try_level(path))
    assert not [one for one in outcomes if one.startswith("FAULT")]
    assert {"read", "refused"} == set(outcomes)


def test_undamaged_seeds_are_read_in_every_version(tmp_path: Path) -> None:
    versions = set()
    for files in fuzz_levels.made_up_levels():
        path = tmp_path / "level.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        assert fuzz_levels.try_level(path) == "read"
        versions |= {d.version[0] for d in read_level(path).difficulties}
    assert versions == {"2", "3", "4"}


def test_another_exception_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(fuzz_levels, "read_level", broken)
    assert fuzz_levels.try_level(tmp_path / "level.zip").startswith("FAULT: another exception")
