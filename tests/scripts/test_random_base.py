"""A random base has the shape of the one it stands for."""

from pathlib import Path

import pytest

from saberlm.adapter import bases
from saberlm.scripts.random_base import main


def test_it_passes_for_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(bases.BASES, "toy", bases.BaseModel(32, 2, 4, 2, 48, 100))
    assert main(["toy", str(tmp_path)]) == 0
    assert "random weights" in capsys.readouterr().out
    assert bases.check_base(tmp_path, "toy")["dtype"] == "bfloat16"
    with pytest.raises(ValueError, match="vocab_size 128256, found 100"):
        bases.check_base(tmp_path, "mine", {"vocab_size": 128_256})
    with pytest.raises(ValueError, match="expected a base of"):
        main(["no such", str(tmp_path)])
