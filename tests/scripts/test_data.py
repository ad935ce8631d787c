"""`saberlm data base` on the command line."""

from pathlib import Path

import pytest

from saberlm.scripts.cli import main


def test_a_folder_is_registered_and_named(
    tiny_base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SABERLM_BASES", str(tmp_path))
    assert main(["data", "base", "mine", "--from", str(tiny_base)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "mine")
    assert main(["data", "base", "llama-3-8b", "--from", str(tiny_base)]) == 1
    assert "expected llama-3-8b with hidden_size 4096, found 128" in capsys.readouterr().err
    assert main(["data", "base", "llama-3-8b"]) == 1
    assert "expected --from DIR" in capsys.readouterr().err
    assert main(["data", "base", "smollm2", "--from", str(tmp_path / "none.gguf")]) == 1
    assert "found nothing at" in capsys.readouterr().err
