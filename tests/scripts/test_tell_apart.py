"""What tells maps apart: a kept map against train maps, and the errors of its command line."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from saberlm.infer.engine import GeneratedMap
from saberlm.prompts.beatmap import Beatmap, ColorNote, Difficulty, LevelInfo
from saberlm.prompts.mapfile import write_level
from saberlm.prompts.tokens import encode
from saberlm.scripts import tell_apart
from saberlm.scripts.evaluate_maps import KeptMaps, MadeMaps

BPM, RATE, TRAIN = 120.0, 8000, 4


def beatmap(seed: int, *, both: bool) -> Beatmap:
    """Hands in turn in any row, now and then together; or always."""
    rng = np.random.default_rng(seed)
    return Beatmap(
        color_notes=tuple(
            ColorNote(half / 2, 1 + hand, int(rng.integers(3)), hand, half % 2)
            for half in range(4, 52)
            for hand in (0, 1)
            if both or hand == half % 2 or rng.random() < 0.1
        )
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run on one song whose kept map is all doubles, and its maps: hands in turn."""
    maps, out = tmp_path_factory.mktemp("maps"), tmp_path_factory.mktemp("run")
    rows = []
    for n in range(1 + TRAIN):
        level = Difficulty("Standard", "Expert", 14.0, 0.0, beatmap(n, both=False))
        write_level(maps / str(n), LevelInfo(f"song {n}", BPM), [level], {})
        noise = np.random.default_rng(n).normal(size=RATE * 15) * 0.1
        soundfile.write(maps / f"{n}.wav", noise, RATE)
        split = "train" if n else "valid"
        rows.append({"n": n, "dat": str(n), "audio": f"{n}.wav", "split": split})
    (maps / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    settings = {"split": "valid", "difficulties": ["Expert"]}
    (out / "settings.json").write_text(json.dumps(settings))
    made = MadeMaps(BPM, 0.0, 1.0, {"Expert": GeneratedMap(encode(beatmap(9, both=True)))})
    KeptMaps(out, "0000").put("m off", made)
    return out, maps


def test_the_kinds_that_differ_are_told(
    run: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out, maps = run
    assert tell_apart.main([str(out), str(maps), "--top", "40"]) == 0
    printed = capsys.readouterr().out
    assert f"**Expert**: 1 maps, {TRAIN} train maps" in printed
    assert "m off, split valid" in printed
    rows = [
        line.split(" | ") for line in printed.splitlines() if line.startswith("| hands, three |")
    ]
    ((_, times, human, most),) = rows
    assert float(times) > 1.5 * float(human)
    assert most.startswith("DDD 1.000")


def test_errors_say_what_was_expected(
    run: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out, maps = run
    assert tell_apart.main([str(out), str(maps), "--system", "m strict"]) == 1
    assert "'m strict'" in capsys.readouterr().err
    assert tell_apart.main([str(maps), str(maps)]) == 1
    assert "expected a run of `saberlm evaluate`" in capsys.readouterr().err
    assert tell_apart.main([str(out), str(maps), "-d", "Easy"]) == 1
    assert "found none" in capsys.readouterr().err
