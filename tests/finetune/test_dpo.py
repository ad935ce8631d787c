"""DPO through TRL on tiny models: what trains, what the reference is, resume, 4 and 8 bits."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from pair_kit import save_tiny_model, write_longer

pytest.importorskip("trl")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def tiny(make_config: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(make_config, tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def long_dir(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_longer(data_dir, tmp_path_factory.mktemp("longer") / "data")


@pytest.fixture(scope="module")
def pairs_dir(long_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Corruptions of one kind, which even a tiny model can learn to tell."""
    from saberlm.eval.critic import load_critic
    from saberlm.finetune.preference_corruptions import corrupted_pairs
    from saberlm.finetune.preferences import candidates, for_play, save_pairs
    from saberlm.finetune.shards import load_dataset

    out = tmp_path_factory.mktemp("pairs")
    for split in ("train", "valid"):
        pairs = []
        for i, song in enumerate(load_dataset(long_dir, "train")[:4]):
            from random import Random

            plain = for_play(song)
            places = candidates(plain, plain.difficulties[0])
            random = Random(f"{split} {i}")
            pairs += list(corrupted_pairs(places, 3, load_critic(), random))
        save_pairs(pairs, out / split)
    return out


def run(long_dir: Path, pairs_dir: Path, out: Path, model: Path, **settings: Any) -> Path:
    from dataclasses import fields

    from trl import DPOConfig

    from saberlm.finetune.dpo import DpoRunConfig, run_dpo

    resume = settings.pop("resume", False)
    own = {field.name for field in fields(DpoRunConfig)}
    told: dict[str, Any] = {
        "data_dir": str(long_dir),
        "pairs_dir": str(pairs_dir),
        "model": str(model),
        "lora_rank": 4,
        "lora_alpha": 8,
        "minutes": 0,
        "rate_warmup_steps": 1,
    }
    args: dict[str, Any] = {
        "output_dir": str(out),
        "max_steps": 4,
        "loss_type": ["sigmoid_norm", "sft"],
        "loss_weights": [1.0, 0.0],
        "beta": 2.0,
        "per_device_train_batch_size": 2,
        "learning_rate": 2e-2,
        "bf16": False,
        "use_cpu": True,
        "logging_steps": 1,
        "eval_strategy": "no",
        "save_steps": 2,
        "report_to": "none",
        "seed": 1,
        "disable_tqdm": True,
    }
    for name, value in settings.items():
        (told if name in own else args)[name] = value
    return run_dpo(DpoRunConfig(**told), DPOConfig(**args), resume=resume)


def losses(folder: Path) -> list[float]:
    log = json.loads((folder / "log.json").read_text())
    return [row["loss"] for row in log if "loss" in row]


def test_a_run_begins_at_the_reference_learns_and_loads_again(
    long_dir: Path, pairs_dir: Path, tiny: Path, tmp_path: Path
) -> None:
    from saberlm.adapter.loading import load_model
    from saberlm.prompts.vocab import fingerprint

    final = run(
        long_dir, pairs_dir, tmp_path, tiny, max_steps=8, eval_strategy="steps", eval_steps=4
    )
    told = losses(tmp_path)
    assert told[0] == pytest.approx(torch.tensor(2.0).log().item(), abs=1e-4), "no reward yet"
    assert min(told[-3:]) < told[0] - 0.005
    valid = [json.loads(line) for line in (tmp_path / "valid.jsonl").read_text().splitlines()]
    assert [row["step"] for row in valid] == [4, 8]
    assert valid[-1]["corrupted"]["pairs"] > 4
    assert valid[-1]["corrupted"]["divergence"] > 0
    assert "| corrupted |" in (tmp_path / "report.md").read_text()
    before, after, lone = (
        load_model(path, fingerprint()).model for path in (tiny, final, tmp_path / "lora")
    )
    changed = set()
    for name, weight in after.named_parameters():
        torch.testing.assert_close(weight, lone.get_parameter(name))
        if not torch.equal(weight, before.get_parameter(name)):
            changed.add(name)
    assert len(changed) == 14, "seven matrices of each of two layers"
    assert all("language_model.layers" in name for name in changed)


def test_a_run_may_be_told_not_to_hear(
    long_dir: Path, pairs_dir: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saberlm.finetune import dpo

    heard = []
    original = dpo.SaberDPOTrainer.training_step

    def spy(self: Any, model: Any, inputs: Any, *rest: Any) -> Any:
        heard.append("audio_latents" in inputs)
        return original(self, model, inputs, *rest)

    monkeypatch.setattr(dpo.SaberDPOTrainer, "training_step", spy)
    for hear in (True, False):
        run(long_dir, pairs_dir, tmp_path / str(hear), tiny, max_steps=1, hear=hear)
    assert heard == [True, False]


def test_a_second_round_is_one_change_of_the_first_model(
    long_dir: Path, pairs_dir: Path, tiny: Path, tmp_path: Path
) -> None:
    from saberlm.adapter.decoder_lora import PREFERENCE_NAME, read_lora
    from saberlm.adapter.loading import load_model
    from saberlm.prompts.vocab import fingerprint

    run(long_dir, pairs_dir, tmp_path / "one", tiny, max_steps=2)
    run(long_dir, pairs_dir, tmp_path / "two", tmp_path / "one" / "lora", max_steps=2, seed=2)
    lora = read_lora(tmp_path / "two" / "lora" / PREFERENCE_NAME)
    assert lora.base == str(tiny.resolve())
    assert {len(a) for a, _ in lora.factors.values()} == {8}
    final, lone = (
        load_model(tmp_path / "two" / name, fingerprint()).model for name in ("final", "lora")
    )
    for name, weight in final.named_parameters():
        torch.testing.assert_close(weight, lone.get_parameter(name))


def test_a_stopped_run_goes_on_to_the_same_losses(
    long_dir: Path, pairs_dir: Path, tiny: Path, tmp_path: Path
) -> None:
    run(long_dir, pairs_dir, tmp_path / "whole", tiny, max_steps=4)
    stopped = run(long_dir, pairs_dir, tmp_path / "parts", tiny, max_steps=4, slice_minutes=1e-6)
    assert stopped.name == "checkpoint-1"
    run(long_dir, pairs_dir, tmp_path / "parts", tiny, max_steps=4, resume=True)
    assert losses(tmp_path / "parts") == pytest.approx(losses(tmp_path / "whole"), abs=1e-5)


def test_batches_hold_chosen_then_rejected_with_the_sound_of_their_window(
    long_dir: Path, pairs_dir: Path, tiny: Path, tmp_path: Path
) -> None:
    """Cached latents give the log-probabilities that the tower itself would."""
    import numpy as np

    from saberlm.adapter.loading import load_model
    from saberlm.finetune.preference_collator import DataCollatorForPreference, cached_latents
    from saberlm.finetune.preferences import judged_mask, load_pairs
    from saberlm.finetune.shards import load_dataset
    from saberlm.prompts import vocab as v

    model = load_model(tiny, v.fingerprint()).model
    songs = {song.key: song for song in load_dataset(long_dir, "train")}
    pairs = load_pairs(pairs_dir / "train")[:3]
    heard = cached_latents(model, songs.values(), tmp_path)
    collate = DataCollatorForPreference(heard)
    batch = collate([asdict(pair) for pair in pairs])
    for i, ids in enumerate([p.chosen for p in pairs] + [p.rejected for p in pairs]):
        pair = pairs[i % 3]
        row = [*pair.prompt, *ids]
        assert batch["input_ids"][i, : len(row)].tolist() == row
        assert batch["attention_mask"][i].sum() == len(row)
        mask = [0] * len(pair.prompt) + judged_mask(ids, when=pair.when)
        assert batch["completion_mask"][i, : len(row)].tolist() == mask
    given = {k: t for k, t in batch.items() if k != "completion_mask"}
    with torch.no_grad():
        cached = model(**given).logits
        for i, pair in enumerate(pairs):
            song = songs[pair.song]
            grid = song.grid(-1, song.num_bars + 2).astype(np.float32)
            bars = torch.tensor([song.num_bars])
            out = model.model.get_audio_features(
                torch.from_numpy(grid)[None],
                bars,
                torch.from_numpy(song.sketch().astype(np.float32))[None],
                bars,
                torch.zeros(1, dtype=torch.long),
                1,
                return_dict=True,
            )
            own = model(
                input_ids=batch["input_ids"][i : i + 1],
                attention_mask=batch["attention_mask"][i : i + 1],
                audio_latents=out.last_hidden_state[:, 16 * pair.first_bar :][
                    :, : 16 * pair.num_bars
                ],
            ).logits
            live = batch["attention_mask"][i].bool()
            torch.testing.assert_close(cached[i][live], own[0][live], atol=0.02, rtol=0.02)
    again = cached_latents(model, songs.values(), tmp_path)
    assert torch.equal(again[pairs[0].song], heard[pairs[0].song])


def test_qlora_and_an_optimiser_of_8_bits_take_a_step_on_the_cpu(
    long_dir: Path,
    pairs_dir: Path,
    tiny_base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The recipe of the 8B model, small: on a base, in nf4, AdamW's moments in 8 bits."""
    pytest.importorskip("bitsandbytes")
    from saberlm.adapter.decoder_lora import PREFERENCE_NAME, read_lora
    from saberlm.adapter.loading import load_model
    from saberlm.adapter.on_base import save_trained
    from saberlm.finetune import dpo
    from saberlm.finetune.lora import LoraSettings, model_with_lora
    from saberlm.finetune.run_config import RunConfig, new_config
    from saberlm.prompts.vocab import fingerprint

    monkeypatch.setenv("SABERLM_BASES", str(tiny_base.parent))
    torch.manual_seed(5)
    config = new_config(RunConfig(audio_hidden_size=24, audio_num_layers=1, window_bars=32))
    config.audio_places = False
    sft = model_with_lora(config, tiny_base.name, tiny_base, LoraSettings(4, 8), use_cpu=True)
    save_trained(sft, tmp_path / "sft")
    seen: dict[str, Any] = {}
    original = dpo.SaberDPOTrainer.training_step

    def spy(self: Any, model: Any, *rest: Any, **named: Any) -> Any:
        owner = self.accelerator.unwrap_model(model).get_base_model()
        part = owner.model.language_model.layers[0].self_attn.q_proj
        seen["layer"] = type(part.base_layer).__name__
        seen["bytes"] = part.base_layer.weight.element_size() * part.base_layer.weight.numel()
        seen["head"] = type(owner.lm_head).__name__
        inner = getattr(self.optimizer, "optimizer", self.optimizer)
        seen["optimizer"] = type(inner).__module__.partition(".")[0]
        seen["moments"] = {str(one["state1"].dtype) for one in inner.state.values()}
        return original(self, model, *rest, **named)

    monkeypatch.setattr(dpo.SaberDPOTrainer, "training_step", spy)
    final = run(
        long_dir,
        pairs_dir,
        tmp_path / "run",
        tmp_path / "sft",
        quantize="nf4",
        decoder=tiny_base.name,
        lora_rank=128,  # bitsandbytes leaves matrices under 4,096 weights in 32 bits
        lora_alpha=128,
        optim="adamw_8bit",
        bf16=True,
        max_steps=2,
        gradient_checkpointing=True,
        gradient_checkpointing_kwargs={"use_reentrant": False},
    )
    assert seen == {
        "layer": "Linear4bit",
        "bytes": 128 * 128 // 2,
        "head": "Linear",
        "optimizer": "bitsandbytes",
        "moments": {"torch.uint8"},
    }
    told = losses(tmp_path / "run")
    assert told[0] == pytest.approx(torch.tensor(2.0).log().item(), abs=5e-3)
    assert all(map(torch.isfinite, map(torch.tensor, told)))
    lora = read_lora(final / PREFERENCE_NAME)
    assert any(bool(b.abs().sum() > 0) for _, b in lora.factors.values()), "it has moved"
    after, before = (load_model(p, fingerprint()).model for p in (final, tmp_path / "sft"))
    name, (a, b) = next(iter(lora.factors.items()))
    moved = after.get_parameter(f"{name}.weight") - before.get_parameter(f"{name}.weight")
    torch.testing.assert_close(moved, b @ a, atol=1e-5, rtol=1e-2)
    with pytest.raises(ValueError, match="expected a model on llama-3-8b, found one on tiny-llama"):
        run(long_dir, pairs_dir, tmp_path / "x", tmp_path / "sft", decoder="llama-3-8b", bf16=True)


def test_bad_settings_fail_at_once(
    long_dir: Path, pairs_dir: Path, tiny: Path, tmp_path: Path
) -> None:
    from saberlm.finetune.dpo import DpoRunConfig

    with pytest.raises(ValueError, match="corrupted_share: expected a share"):
        DpoRunConfig(corrupted_share=3)
    with pytest.raises(ValueError, match="quantize: expected one of"):
        DpoRunConfig(quantize="int3")
    with pytest.raises(ValueError, match="found sft alone"):
        run(long_dir, pairs_dir, tmp_path, tiny, loss_type=["sft"], loss_weights=[1.0])
    with pytest.raises(ValueError, match="found no pairs"):
        run(long_dir, tmp_path, tmp_path, tiny)


def test_a_model_with_places_for_sound_is_refused(
    long_dir: Path, pairs_dir: Path, make_config: Any, tmp_path: Path
) -> None:
    from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
    from saberlm.finetune.preference_data import PairSettings, build_pairs

    folder = tmp_path / "model"
    SaberForConditionalGeneration(make_config()).save_pretrained(folder)
    with pytest.raises(ValueError, match="places for sound between its tokens"):
        run(long_dir, pairs_dir, tmp_path / "run", folder)
    settings = PairSettings(("sampled",), str(folder), songs=1, windows=1, samples=2)
    with pytest.raises(ValueError, match="expected a model trained with `audio: ticks`"):
        build_pairs(long_dir, tmp_path / "pairs", settings)


@pytest.mark.parametrize("name", ["dpo_nano", "dpo_8b"])
def test_the_shipped_configs_are_read_by_trl(name: str) -> None:
    from trl import DPOConfig, TrlParser

    from saberlm.finetune.dpo import FOR_LENGTHS, DpoRunConfig

    path = Path(__file__).parents[2] / "scripts" / "configs" / f"{name}.yaml"
    parser = TrlParser((DpoRunConfig, DPOConfig))
    told, args = parser.parse_args_and_config(
        ["--config", str(path), "--minutes", "5", "--use_cpu", "true"]
    )
    assert told.minutes == 5
    assert set(args.loss_type) <= set(FOR_LENGTHS)
    assert len(args.loss_weights) == len(args.loss_type)
    with pytest.raises((ValueError, SystemExit)):
        parser.parse_args_and_config(["--config", str(path), "--no_such_key", "5"])
