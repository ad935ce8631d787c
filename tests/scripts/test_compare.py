"""`saberlm compare`: two reports in, what moved out."""

import json
from pathlib import Path

import pytest

from saberlm.eval.evaluation import Evaluation, MapRow
from saberlm.scripts.cli import main


def write(path: Path, gain: float, model: str = "a", songs: int = 8) -> Path:
    rows = tuple(
        MapRow(str(i), "Expert", system, {"f1@50": 0.5 + 0.01 * i + add, "nps": 4.0})
        for i in range(songs)
        for system, add in (("human", 0.0), (f"{model} off", gain))
    )
    path.write_text(json.dumps(Evaluation({"models": [model]}, rows).to_dict()), encoding="utf-8")
    return path


def test_what_moved_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = write(tmp_path / "a.json", 0.1), write(tmp_path / "b.json", 0.15, "b")
    assert main(["compare", str(first), str(second)]) == 0
    text = capsys.readouterr().out
    assert "| Expert | model off | f1@50 |" in text
    assert "+0.050" in text
    assert "human" not in text
    assert "nps" not in text
    assert main(["compare", str(first), str(second), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {one["metric"] for one in found["changes"] if one["moved"]} == {"f1@50"}
    assert found["common_maps"] == 8


def test_nothing_moved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = write(tmp_path / "a.json", 0.1)
    assert main(["compare", str(first), str(first)]) == 0
    assert "0 of 0 figures moved" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "rows": [3]}', "\xff"])
def test_other_files_are_refused_in_one_line(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text(text, encoding="latin-1")
    assert main(["compare", str(bad), str(write(tmp_path / "a.json", 0.1))]) == 1
    shown = capsys.readouterr().err
    assert "expected" in shown
    assert shown.count("\n") == 1


def test_missing_files_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path / "no.json"), str(tmp_path / "no.json")]) == 1
    assert "No such file" in capsys.readouterr().err
