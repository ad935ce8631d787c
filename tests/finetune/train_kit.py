"""Tiny runs for the tests of training; also a program: ``python train_kit.py SETTINGS.json``."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "audio_hidden_size": 24,
    "audio_num_layers": 1,
}


def run_tiny(data_dir: Path, output: Path, resume: bool = False, **settings: Any) -> Path:
    """A run of a few steps; settings go to `RunConfig` or to `SFTConfig` by name."""
    from dataclasses import fields

    from trl import SFTConfig

    from saberlm.finetune.run_config import RunConfig
    from saberlm.finetune.sft import run_sft

    own = {field.name for field in fields(RunConfig)}
    run: dict[str, Any] = {
        **SIZES,
        "data_dir": str(data_dir),
        "minutes": 0,
        "warmup_minutes": 0,
        "window_bars": 2,
        "valid_windows": 2,
        "rate_warmup_steps": 1,
    }
    args: dict[str, Any] = {
        "output_dir": str(output),
        "max_steps": 8,
        "per_device_train_batch_size": 2,
        "learning_rate": 1e-2,
        "bf16": False,
        "use_cpu": True,
        "logging_steps": 1,
        "eval_strategy": "no",
        "save_steps": 3,
        "report_to": "none",
        "seed": 1,
        "disable_tqdm": True,
    }
    for name, value in settings.items():
        (run if name in own else args)[name] = value
    return run_sft(RunConfig(**run), SFTConfig(**args), resume=resume)


def losses(folder: Path) -> list[float]:
    """The training loss of every step that a finished run logged."""
    log = json.loads((folder / "log.json").read_text())
    return [row["loss"] for row in log if "loss" in row]


def kill_after(step: int) -> None:
    """Make this process kill itself (as by ``kill -9``) while step ``step`` is under way."""
    from saberlm.finetune import sft

    original = sft.SaberSFTTrainer.compute_loss

    def dying(self: Any, *given: Any, **named: Any) -> Any:
        if self.state.global_step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, *given, **named)

    sft.SaberSFTTrainer.compute_loss = dying  # type: ignore[method-assign]


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text())
    die = settings.pop("kill_after", None)
    if die is not None:
        kill_after(die)
    run_tiny(Path(settings.pop("data_dir")), Path(settings.pop("output")), **settings)


if __name__ == "__main__":
    main()
