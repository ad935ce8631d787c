from pathlib import Path

import pytest

from saberlm.scripts import evaluate_onset_head, train_codec, warm_tower


def test_what_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train_codec.main([str(tmp_path / "maps"), "--out", str(tmp_path / "out")]) == 1
    assert "expected a folder of maps" in capsys.readouterr().err
    assert evaluate_onset_head.main([str(tmp_path)]) == 1
    assert "expected index.jsonl" in capsys.readouterr().err
    assert warm_tower.main([str(tmp_path), "--out", str(tmp_path), "--steps", "1"]) == 1
    assert "expected index.jsonl" in capsys.readouterr().err


def test_wrong_settings_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [str(tmp_path), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as left:
        train_codec.main([*given, "--crop", "1", "--wrong", "2"])
    assert left.value.code == 2
    (tmp_path / "manifest.jsonl").write_text('{"n": 1, "dat": "x", "audio": "y.ogg"}\n')
    assert train_codec.main([*given, "--ratios", "4", "5"]) == 1
    assert "ratios must be even" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        warm_tower.main([str(tmp_path), "--out", str(tmp_path)])
