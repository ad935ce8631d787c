"""The page as one file: what is in it, and that no string of a level can leave its place."""

import json
import re
from pathlib import Path

import pytest
from level_files import FILES, INFO, hand_level, write_files, zip_files
from level_kit import picture
from page_kit import PAGE, needs_node

from saberlm.eval.report import check_level
from saberlm.infer.preview import (
    MODULES,
    empty_page,
    page_script,
    preview_level,
    preview_page,
    write_page,
)
from saberlm.prompts.beatmap import Beatmap, ColorNote, Difficulty, LightEvent
from saberlm.prompts.errors import LevelError
from saberlm.prompts.mapfile import read_level, write_level

EVIL = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> $title ]]>"


def carried(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="level">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def clapping(tmp_path: Path, title: str = "x") -> Path:
    """A level whose hands clap once, with a note before it and lights."""
    notes = (ColorNote(4, 1, 0, 0, 1), ColorNote(8, 1, 1, 0, 3), ColorNote(8, 2, 1, 1, 2))
    lights = (
        LightEvent(4, 1, 5),
        LightEvent(5, 1, 1, 0.5, {"customData": {"color": [0.25, 0.5, 1, 1]}}),
    )
    beatmap = Beatmap(color_notes=notes, lights=lights)
    difficulty = Difficulty("Standard", "Expert", 16.0, 0.0, beatmap)
    info = INFO.__class__(title=title, bpm=120, artist=title, mapper="m")
    write_level(tmp_path / "level.zip", info, [difficulty], {**FILES, "cover.png": picture()})
    return tmp_path / "level.zip"


def test_a_level_stands_in_the_page_with_its_findings(tmp_path: Path) -> None:
    path = clapping(tmp_path)
    page = preview_page(path, check_level(path))
    (difficulty,) = carried(page)["difficulties"]
    assert [row[0] for row in difficulty["notes"]] == [4, 8, 8]
    assert difficulty["lights"] == [[4, 1, 5, 1.0], [5, 1, 1, 0.5, 0.25, 0.5, 1.0]]
    (clap,) = [one for one in difficulty["findings"] if one["rule"] == "handclap"]
    assert (clap["beat"], clap["y"]) == (8, 1)
    assert "fault" in difficulty["verdict"]
    assert carried(preview_page(path))["difficulties"][0]["findings"] == []


def test_no_string_of_a_level_is_markup(tmp_path: Path) -> None:
    page = preview_page(clapping(tmp_path, EVIL))
    assert carried(page)["title"] == EVIL
    plain = preview_page(clapping(tmp_path, "x"))
    for sign in ("<script", "<img", "<!--", "</script"):
        assert page.count(sign) == plain.count(sign), sign


def test_nothing_is_fetched() -> None:
    page = empty_page()
    assert "default-src 'none'" in page
    assert carried(page) is None
    sources = "".join(path.read_text("utf-8") for path in PAGE.glob("*.*"))
    assert not re.search(r"""(src|href)=["']?(https?:)?//|fetch\(|XMLHttpRequest""", sources)
    assert "The MIT License" in page, "three.js' licence travels with it"


def test_no_text_of_a_level_is_ever_set_as_markup() -> None:
    for path in PAGE.glob("*.js"):
        words = path.read_text("utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", words)


@needs_node
def test_the_modules_make_one_script(tmp_path: Path) -> None:
    import subprocess

    script = tmp_path / "page.mjs"
    script.write_text(page_script(), encoding="utf-8")
    done = subprocess.run(["node", "--check", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr  # a name used in two modules is an error here
    assert not re.search(r"^(import|export) ", page_script(), re.MULTILINE)


def test_every_module_comes_after_those_it_imports() -> None:
    assert sorted(MODULES) == sorted(path.stem for path in PAGE.glob("*.js"))
    for at, name in enumerate(MODULES):
        wanted = re.findall(r"from '\./([a-z]+)\.js'", (PAGE / f"{name}.js").read_text("utf-8"))
        assert set(wanted) <= set(MODULES[:at]), name


def test_a_level_with_nothing_beside_it_still_makes_a_page(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "bare", hand_level())
    assert carried(preview_page(folder))["difficulties"][0]["notes"] == []
    odd = zip_files(
        tmp_path / "odd.zip", {**hand_level(_coverImageFilename="c"), "c": "no picture"}
    )
    assert preview_level(read_level(odd))["format"] == 1
    assert 'id="cover-data"></script>' in preview_page(odd)


def test_what_is_no_level_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(LevelError):
        preview_page(tmp_path / "none.zip")
    with pytest.raises(ValueError, match="is the folder there"):
        write_page(tmp_path / "missing" / "page.html", "x")
    assert list(tmp_path.iterdir()) == []
