import json
import re
from pathlib import Path

import numpy as np
import pytest

from saberlm.adapter.frontend import LogMelFrontEnd
from saberlm.finetune.build import build_dataset
from saberlm.finetune.shards import INDEX_NAME, load_dataset, load_shard
from saberlm.finetune.sources import find_sources
from saberlm.finetune.windows import mirrored
from saberlm.prompts.beatmap import Beatmap, ColorNote, Difficulty, LevelInfo
from saberlm.prompts.grammar import first_illegal
from saberlm.prompts.grid import fit_grid, on_quarters
from saberlm.prompts.mapfile import write_level
from saberlm.prompts.tempo import fold_bpm
from saberlm.prompts.tokens import decode


@pytest.mark.parametrize("offset", [0.0, 0.081, 0.31, 0.49])
def test_fit_finds_a_constant_offset(offset: float) -> None:
    rng = np.random.default_rng(0)
    beats = np.sort(rng.choice(np.arange(0, 400) / 4 * 2, 150, replace=False)) / 2
    seconds = beats * 60 / 140 + offset + rng.normal(0, 0.002, 150)
    grid = fit_grid(np.clip(seconds, 0, None), 140.0)
    assert grid.on_grid > 0.9
    quarter = 60 / 140 / 4
    distance = (grid.offset_seconds - offset) / quarter
    assert abs(distance - round(distance)) * quarter < 0.004
    assert grid.offset_seconds <= 1e-6, "bar 0 holds second 0"
    assert grid.offset_seconds > -4 * 60 / 140


def test_bpm_is_folded_by_octaves() -> None:
    assert fold_bpm(87) == 174
    assert fold_bpm(210) == 105
    assert fold_bpm(128) == 128


def test_random_notes_are_on_no_grid() -> None:
    seconds = np.sort(np.random.default_rng(1).uniform(0, 100, 300))
    assert fit_grid(seconds, 128.0).on_grid < 0.6
    assert on_quarters(np.arange(20) * 60 / 128 / 4, 128.0, 0.0) == 1.0


def test_build_keeps_what_fits_and_says_why_the_rest_is_gone(
    data_dir: Path, maps_dir: Path
) -> None:
    rows = [json.loads(line) for line in (data_dir / INDEX_NAME).read_text().splitlines()]
    assert len(rows) == 10
    report = (data_dir / "report.txt").read_text()
    assert "dropped: off the grid" in report
    assert "dropped: could not be read" in report
    assert "phase moved off the map's own beat 0" in report
    assert "unlit: taught without its lights" in report
    assert len(find_sources(maps_dir, data_dir)) == 12


def test_a_map_for_mods_alone_is_left_out_with_the_reason(tmp_path: Path) -> None:
    beatmap = Beatmap(tuple(ColorNote(b / 2, 1, 0, 0, 1) for b in range(8, 60)))
    difficulty = Difficulty("Standard", "Expert", 12.0, 0.0, beatmap)
    (tmp_path / "maps").mkdir()
    for name in ("plain", "modded"):
        write_level(tmp_path / "maps" / name, LevelInfo("t", 120.0), [difficulty], {})
    (file,) = (tmp_path / "maps" / "modded").glob("Expert*.dat")
    file.write_text(re.sub(r'("x": ?)1\b', r"\g<1>2500", file.read_text()))
    report = build_dataset(tmp_path / "maps", tmp_path / "data", None)
    assert report.songs["kept"] == 1
    (why,) = report.dropped
    assert "no Standard difficulty of 40 notes that the unmodded game plays" in why


def test_streams_are_legal_and_say_the_map(data_dir: Path) -> None:
    for path in sorted((data_dir / "shards").glob("*.safetensors")):
        shard = load_shard(path)
        for stream in shard.difficulties:
            bars = [bar.tolist() for bar in stream.bars]
            assert first_illegal(bars) is None
            beatmap, dropped = decode(bars)
            assert not dropped
            assert len(beatmap.color_notes) == 84
            # on the fitted grid every note is on a quarter
            assert all((n.beat * 4) % 1 == 0 for n in beatmap.color_notes)
            assert len(stream.bars) == shard.num_bars
            assert stream.conditions.nps == pytest.approx(4.0, rel=0.03)
            flipped, _ = decode([bar.tolist() for bar in mirrored(stream)])
            assert len(flipped.color_notes) == 84


def test_a_stopped_build_goes_on(maps_dir: Path, data_dir: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(data_dir, tmp_path / "again")
    kept = sorted((tmp_path / "again" / "shards").glob("*.safetensors"))
    before = {p.name: p.stat().st_mtime_ns for p in kept[1:]}
    kept[0].unlink()
    kept[0].with_suffix(".json").unlink()
    (tmp_path / "again" / INDEX_NAME).unlink()
    build_dataset(maps_dir, tmp_path / "again", LogMelFrontEnd())
    assert (tmp_path / "again" / INDEX_NAME).read_text() == (data_dir / INDEX_NAME).read_text()
    assert {p.name: p.stat().st_mtime_ns for p in kept[1:]} == before


def test_nothing_to_build_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found none of them"):
        build_dataset(tmp_path, tmp_path / "out", LogMelFrontEnd())
    with pytest.raises(ValueError, match="found no folder"):
        build_dataset(tmp_path / "nowhere", tmp_path / "out", LogMelFrontEnd())
    with pytest.raises(ValueError, match="saberlm data build"):
        load_dataset(tmp_path, "train")


def test_shards_of_another_vocabulary_are_refused(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = next((data_dir / "shards").glob("*.safetensors"))
    monkeypatch.setattr("saberlm.prompts.vocab.fingerprint", lambda: "another")
    with pytest.raises(ValueError, match="build the data again"):
        load_shard(path)


def test_a_level_in_a_zip_is_built_like_its_folder(maps_dir: Path, tmp_path: Path) -> None:
    import zipfile

    maps = tmp_path / "maps"
    maps.mkdir()
    with zipfile.ZipFile(maps / "level0.zip", "w") as archive:
        for file in sorted((maps_dir / "level0").iterdir()):
            archive.write(file, file.name)
    report = build_dataset(maps, tmp_path / "out", LogMelFrontEnd())
    assert report.difficulties["kept"] == 2
    assert report.songs["kept"] == 1
