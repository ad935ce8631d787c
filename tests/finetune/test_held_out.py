"""Held-out songs: on the fitted grid, with what the data build would drop left out and counted."""

from pathlib import Path

import numpy as np
import pytest

from saberlm.finetune.held_out import read_held_out
from saberlm.finetune.sources import find_sources

NAMES = ("Hard", "Expert")


def read(maps_dir: Path, number: int, names: tuple[str, ...] = NAMES):
    (source,) = [s for s in find_sources(maps_dir, maps_dir) if s.level.name == f"level{number}"]
    return read_held_out(source, names)


@pytest.mark.parametrize("number", [0, 1])
def test_maps_lie_on_the_fitted_grid(maps_dir, number):
    song, left_out = read(maps_dir, number)
    assert set(song.maps) == set(NAMES)
    assert not left_out
    beats = np.array([n.beat for n in song.maps["Expert"].beatmap.color_notes])
    assert np.abs(beats * 4 - np.round(beats * 4)).max() < 1 / 12
    seconds = song.tempo.to_seconds(beats) + song.grid.offset_seconds
    assert seconds[0] == pytest.approx(1.0 + (0.065 if number else 0.0), abs=1e-6)
    assert song.grid.offset_seconds <= 0
    assert song.maps["Hard"].conditions.nps == pytest.approx(4, abs=0.1)


def test_only_what_is_wanted_and_usable_is_read(maps_dir):
    song, _ = read(maps_dir, 0, ("Hard",))
    assert set(song.maps) == {"Hard"}
    song, left_out = read(maps_dir, 0, ("Easy",))
    assert song is None
    assert left_out == {"song without a wanted difficulty": 1}


def test_what_does_not_fit_is_counted(maps_dir):
    song, left_out = read(maps_dir, 4)
    assert song is None
    assert left_out["difficulty off the fitted grid"] == 1
    song, left_out = read(maps_dir, 5)
    assert song is None
    assert left_out == {"song that cannot be read": 1}


def test_the_sound_is_found(maps_dir, tmp_path):
    song, _ = read(maps_dir, 0)
    with song.audio() as path:
        assert path.name == "song.ogg"
    import shutil
    import zipfile

    from saberlm.finetune.sources import MapSource

    archive = Path(shutil.make_archive(str(tmp_path / "level"), "zip", maps_dir / "level0"))
    zipped, _ = read_held_out(MapSource("z", archive, None, "valid", None), NAMES)
    with zipped.audio() as path:
        assert path.read_bytes() == (maps_dir / "level0" / "song.ogg").read_bytes()
    assert not path.exists()
    with zipfile.ZipFile(tmp_path / "mute.zip", "w") as out:
        for one in (maps_dir / "level0").glob("*.dat"):
            out.write(one, one.name)
    mute, _ = read_held_out(MapSource("m", tmp_path / "mute.zip", None, "valid", None), NAMES)
    with pytest.raises(ValueError, match=r"expected song\.ogg in the zip"), mute.audio():
        pass
