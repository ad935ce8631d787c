"""`saberlm preview` from the command line."""

from pathlib import Path
from typing import Any

from edit_kit import level_files, random_beatmap, write_level
from verb_kit import run


def test_without_a_level_the_page_waits_for_one(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "empty.html"
    code, _, said = run(capsys, "preview", "-o", out, "--no-open")
    assert code == 0
    assert f"wrote {out}" in said
    level = write_level(tmp_path / "level.zip", level_files(3, {"Hard": random_beatmap(0, 3)}))
    full = tmp_path / "full.html"
    assert run(capsys, "preview", level, "-o", full, "--no-judge", "--no-open")[0] == 0
    empty = out.read_text(encoding="utf-8")
    assert ">null</script>" in empty
    assert ">null</script>" not in full.read_text(encoding="utf-8")
