"""The notebook runs top to bottom, in a folder of its own, without a notebook's own packages."""

import ast
import json
from pathlib import Path

import pytest

from saberlm.eval.report import check_level
from saberlm.prompts.mapfile import read_level

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOK = json.loads((EXAMPLES / "saberlm.ipynb").read_text("utf-8"))


def test_it_is_kept_without_outputs() -> None:
    code = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert NOTEBOOK["nbformat"] == 4
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.filterwarnings("ignore")  # a user's session has no such filters
def test_its_cells_run_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "demo_song.ogg").write_bytes((EXAMPLES / "demo_song.ogg").read_bytes())
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for number, cell in enumerate(NOTEBOOK["cells"]):
        if cell["cell_type"] == "code":
            tree = ast.parse("".join(cell["source"]))
            exec(compile(tree, f"cell {number}", "exec"), names)
    said = capsys.readouterr().out
    assert "128 BPM" in said
    assert "valid" in said
    for name in ("demo", "calm", "demo_again"):
        assert check_level(tmp_path / "levels" / f"{name}.zip").valid
    assert (tmp_path / "levels" / "demo.html").is_file()
    (calm,) = read_level(tmp_path / "levels" / "calm.zip").difficulties
    assert calm.name == "Normal"
    assert calm.beatmap.bombs == ()
