"""The picture of votes and scores."""

import lzma
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from saberlm.scripts.plot_quality import main


def test_every_map_is_drawn_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "key,upvotes,downvotes\n" + "".join(f"{i // 2},{50 + i},{i % 9}\n" for i in range(40))
    path = tmp_path / "votes.csv.xz"
    path.write_bytes(lzma.compress(rows.encode()))
    assert main([str(path), "--out", str(tmp_path / "plot.png")]) == 0
    assert "over 20 maps" in capsys.readouterr().out
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_other_columns_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "votes.csv"
    path.write_text("key,likes\n1,2\n")
    assert main([str(path), "--out", str(tmp_path / "plot.png")]) == 1
    assert "found no downvotes, upvotes" in capsys.readouterr().err
