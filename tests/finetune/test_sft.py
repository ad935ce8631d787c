"""A run of a few steps through TRL, resumed, and its result loaded for decoding."""

import json
from pathlib import Path

import pytest

pytest.importorskip("trl")


@pytest.mark.filterwarnings("ignore")
def test_a_short_run_learns_resumes_and_can_be_mapped_with(data_dir: Path, tmp_path: Path) -> None:
    from trl import SFTConfig

    from saberlm.adapter.loading import load_model
    from saberlm.finetune.run_config import RunConfig
    from saberlm.finetune.sft import run_sft
    from saberlm.prompts.vocab import fingerprint

    def args(steps: int) -> SFTConfig:
        return SFTConfig(
            output_dir=str(tmp_path / "run"),
            max_steps=steps,
            per_device_train_batch_size=2,
            learning_rate=1e-2,
            bf16=False,
            use_cpu=True,
            logging_steps=1,
            eval_strategy="no",
            save_steps=4,
            report_to="none",
            seed=1,
            disable_tqdm=True,
        )

    run = RunConfig(
        data_dir=str(data_dir),
        minutes=0,
        warmup_minutes=0.03,
        window_bars=2,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=2,
        audio_hidden_size=24,
        audio_num_layers=1,
        valid_windows=4,
        rate_warmup_steps=1,
        tower_rate=1.0,
    )
    run_sft(run, args(4))
    final = run_sft(run, args(8), resume=True)
    log = json.loads((tmp_path / "run" / "log.json").read_text())
    losses = [row["loss"] for row in log if "loss" in row]
    assert len(losses) == 8, "the resumed run went on from step 4"
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])
    assert any("onset_loss" in row for row in log)
    valid = [
        json.loads(line) for line in (tmp_path / "run" / "valid.jsonl").read_text().splitlines()
    ]
    assert {
        "eval_position_loss",
        "eval_note_loss",
        "eval_light_loss",
        "eval_wrong_position_loss",
        "eval_lights_light_loss",
        "eval_difficulty_note_loss",
        "eval_remap_loss",
    } <= valid[-1].keys()
    assert "eval_lights_note_loss" not in valid[-1], "the lights' task learns no notes"
    assert load_model(final, fingerprint()).model.config.context_segments == 2


@pytest.mark.filterwarnings("ignore")
def test_the_onset_head_learns_alongside(data_dir: Path, tmp_path: Path) -> None:
    """The onset loss has a gradient: without the decoder's loss reaching it, the head still
    moves."""
    import torch
    from trl import SFTConfig

    from saberlm.finetune import sft
    from saberlm.finetune.run_config import RunConfig

    seen: list[bool] = []
    original = sft.SaberSFTTrainer.compute_loss

    def spy(
        self: sft.SaberSFTTrainer, model: torch.nn.Module, *rest: object, **named: object
    ) -> torch.Tensor:
        loss = original(self, model, *rest, **named)  # type: ignore[arg-type]
        weight = model.model.audio_tower.onset_head.out.weight  # type: ignore[union-attr]
        (grad,) = torch.autograd.grad(loss, weight, retain_graph=True, allow_unused=True)
        seen.append(grad is not None and bool(grad.abs().sum() > 0))
        return loss

    sft.SaberSFTTrainer.compute_loss = spy  # type: ignore[method-assign, assignment]
    try:
        sft.run_sft(
            RunConfig(
                data_dir=str(data_dir),
                minutes=0,
                warmup_minutes=0,
                window_bars=2,
                hidden_size=32,
                intermediate_size=48,
                num_hidden_layers=1,
                num_attention_heads=2,
                audio_hidden_size=24,
                audio_num_layers=1,
                valid_windows=2,
            ),
            SFTConfig(
                output_dir=str(tmp_path),
                max_steps=2,
                per_device_train_batch_size=2,
                bf16=False,
                use_cpu=True,
                eval_strategy="no",
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
            ),
        )
    finally:
        sft.SaberSFTTrainer.compute_loss = original  # type: ignore[method-assign]
    assert seen == [True, True]


def test_bad_settings_fail_at_once() -> None:
    from saberlm.finetune.run_config import RunConfig

    with pytest.raises(ValueError, match="window_bars"):
        RunConfig(window_bars=0)
    with pytest.raises(ValueError, match="context tasks are"):
        RunConfig(context_tasks={"dance": 0.5})


def test_the_shipped_config_is_read_by_trl() -> None:
    from trl import SFTConfig, TrlParser

    from saberlm.finetune.run_config import RunConfig

    path = Path(__file__).parents[2] / "scripts" / "configs" / "sft_nano.yaml"
    run, args = TrlParser((RunConfig, SFTConfig)).parse_args_and_config(
        ["--config", str(path), "--minutes", "5"]
    )
    assert run.minutes == 5
    assert args.per_device_train_batch_size == 4
    with pytest.raises((ValueError, SystemExit)):
        TrlParser((RunConfig, SFTConfig)).parse_args_and_config(
            ["--config", str(path), "--no_such_key", "5"]
        )


def test_the_tower_has_a_gentler_rate() -> None:
    import torch

    from saberlm.finetune.sft import SaberSFTTrainer

    class Args:
        learning_rate, weight_decay = 1.0, 0.5
        adam_beta1, adam_beta2, adam_epsilon = 0.9, 0.98, 1e-8

    trainer = object.__new__(SaberSFTTrainer)
    trainer.model = torch.nn.ModuleDict(
        {"audio_tower": torch.nn.Linear(2, 2), "decoder": torch.nn.Linear(2, 2)}
    )
    trainer.args, trainer.tower_rate, trainer.optimizer = Args(), 0.1, None
    groups = trainer.create_optimizer().param_groups
    rates = {(len(g["params"]), g["lr"], g["weight_decay"]) for g in groups}
    assert rates == {(1, 0.1, 0.5), (1, 0.1, 0.0), (1, 1.0, 0.5), (1, 1.0, 0.0)}
