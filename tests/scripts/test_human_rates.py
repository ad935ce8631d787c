"""`human_rates` from a folder of levels to its tables."""

from __future__ import annotations

from pathlib import Path

from saberlm.prompts.beatmap import Beatmap, ColorNote, Difficulty, LevelInfo
from saberlm.prompts.mapfile import write_level
from saberlm.scripts.human_rates import main


def _levels(folder: Path, number: int) -> Path:
    """Levels without sound; each has one parity error in 100 notes."""
    notes = tuple(ColorNote(4 + i, 2, 0, 1, (i + (i > 50)) % 2) for i in range(100))
    for each in range(number):
        difficulty = Difficulty("Standard", "Hard", 12.0, 0.0, Beatmap(color_notes=notes))
        path = folder / f"level {each}"
        path.mkdir(parents=True)
        write_level(path, LevelInfo(title=f"song {each}", bpm=120.0), [difficulty], {})
    return folder


def test_the_tables(tmp_path: Path) -> None:
    out = tmp_path / "rates.md"
    assert main([str(_levels(tmp_path / "maps", 6)), "--out", str(out)]) == 0
    text = out.read_text(encoding="utf-8")
    assert "| `parity` | 1 [1, 1], 0% |" in text
    assert "| `double_directional` | 1 [1, 1], 0% |" in text
    assert "| `handclap` | 0 |" in text
    assert "| `outro` | 0 |" in text, "the song's length is not known"
    assert "### 0 maps rated 0.85 or more against 0 rated less" in text
    assert "Left out: sound that cannot be read:" in text


def test_no_maps_of_the_split(tmp_path: Path) -> None:
    out = tmp_path / "rates.md"
    maps = str(_levels(tmp_path / "maps", 2))
    assert main([maps, "--split", "neither", "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8").startswith("0 maps of 0 songs, split neither.")
