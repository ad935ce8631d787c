"""A DPO run's curves."""

import json
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from PIL import Image

from saberlm.scripts.plot_preference import main, read_run


def test_curves_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = tmp_path / "run", tmp_path / "curves.png"
    run.mkdir()
    assert main([str(run), str(out)]) == 1
    assert "found none" in capsys.readouterr().err
    steps = [{"step": i, "loss": 0.7 - 0.01 * i, "rewards/margins": 0.1 * i} for i in range(5)]
    one = {"pairs": 3, "accuracy": 0.6, "divergence": 0.01}
    rows = [{"step": i, "seconds": i, "sampled": one, "all": one} for i in (2, 4)]
    (run / "valid.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    history = [*steps, {"step": 5, "train_runtime": 3}]
    (run / "checkpoint-4").mkdir()
    (run / "checkpoint-4" / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    assert main([str(run), str(out)]) == 0
    (run / "log.json").write_text(json.dumps(history[:2]))
    assert len(read_run(run)[0]) == 2
    with Image.open(out) as picture:
        assert min(picture.size) > 300
