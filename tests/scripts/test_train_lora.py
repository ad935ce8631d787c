"""`saberlm train lora` from the command line."""

import copy
from pathlib import Path
from typing import Any

import pytest
from edit_kit import level_files, random_beatmap, write_level
from verb_kit import run

pytest.importorskip("trl")
pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_pack_is_made_once_and_found_by_its_name(
    tiny_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("SABERLM_PACKS", str(tmp_path / "packs"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = copy.deepcopy(tiny_model)
    model.config.audio_places = False
    model.save_pretrained(tmp_path / "tiny")
    (tmp_path / "maps").mkdir()
    for i in range(10):
        files = level_files(3, {"Hard": random_beatmap(i, 3)})
        files["info.dat"] = files["info.dat"].replace(b'"_songName": "', b'"_songName": "%d ' % i)
        write_level(tmp_path / "maps" / f"level{i}.zip", files)
    words = (
        "train", "lora", "--maps", tmp_path / "maps", "--name", "mine",
        "--base_model", tmp_path / "tiny", "--minutes", 0, "--max_steps", 1, "--bf16", "false",
        "--window_bars", 2, "--valid_windows", 1, "--lora_rank", 2, "--threads", 0,
        "--disable_tqdm", "true",
    )  # fmt: skip
    code, printed, said = run(capsys, *words)
    assert code == 0, said
    made = tmp_path / "packs" / "mine.safetensors"
    assert printed.splitlines()[-1] == str(made)
    assert "loss on the maps not trained on" in said
    assert list((tmp_path / "cache" / "saberlm" / "style_packs" / "mine").iterdir()) == []
    code, _, said = run(capsys, *words)
    assert code == 1
    assert "--overwrite" in said
    for odd, code in (
        (("train", "lora", "--maps", tmp_path), 2),
        (("train", "lora", "--maps", tmp_path, "--name", "../x"), 1),
        (("train", "sft", "--name", "x"), 2),
        (("train", "sft"), 2),
    ):
        assert run(capsys, *odd)[0] == code
