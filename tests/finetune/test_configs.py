"""Every training configuration runs, on a random stand-in of its base's architecture."""

from pathlib import Path

import pytest
import yaml

pytest.importorskip("trl")
pytestmark = pytest.mark.filterwarnings("ignore")

CONFIGS = Path(__file__).parents[2] / "scripts" / "configs"
ON_BASE = ["sft_135m", "sft_1b", "sft_1b_qlora", "sft_8b", "sft_8b_qlora"]


@pytest.mark.parametrize("name", ON_BASE)
def test_a_config_runs_from_end_to_end(
    name: str, data_dir: Path, tiny_base: Path, tmp_path: Path
) -> None:
    """One step of each, then the model comes back for decoding."""
    from trl import SFTConfig, TrlParser

    from saberlm.adapter.loading import load_model
    from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
    from saberlm.finetune.lora import LoraSettings
    from saberlm.finetune.run_config import RunConfig
    from saberlm.finetune.sft import run_sft
    from saberlm.prompts.vocab import fingerprint

    overrides = {
        "decoder": tiny_base.name,
        "decoder_folder": str(tiny_base),
        "data_dir": str(data_dir),
        "output_dir": str(tmp_path),
        "max_steps": 1,
        "window_bars": 1,
        "valid_windows": 1,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 1,
        "dataloader_num_workers": 0,
        "dataloader_persistent_workers": False,
        "context_tasks": {},
        "eval_strategy": "no",
        "use_cpu": True,
        "disable_tqdm": True,
    }
    config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text()) | overrides
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    run, args = TrlParser((RunConfig, SFTConfig)).parse_args_and_config(
        ["--config", str(tmp_path / "run.yaml")]
    )
    assert isinstance(run.lora(), LoraSettings)
    assert (run.quantize == "nf4") == name.endswith("qlora")
    if run.quantize == "nf4":
        pytest.importorskip("bitsandbytes")
    final = run_sft(run, args)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SABERLM_BASES", str(tiny_base.parent))
        model = load_model(final, fingerprint()).model
    assert isinstance(model, SaberForConditionalGeneration)
    assert model.config.decoder_base["name"] == tiny_base.name


@pytest.mark.parametrize(
    "path",
    sorted([*CONFIGS.glob("sft_*.yaml"), *CONFIGS.glob("lora_*.yaml")]),
    ids=lambda p: p.stem,
)
def test_an_unknown_key_is_refused(path: Path, tmp_path: Path) -> None:
    from trl import SFTConfig, TrlParser

    from saberlm.finetune.run_config import RunConfig

    parser = TrlParser((RunConfig, SFTConfig))
    run, args = parser.parse_args_and_config(["--config", str(path), "--use_cpu", "true"])
    assert isinstance(run, RunConfig)
    assert args.output_dir.startswith("runs/")
    odd = path.read_text() + "learning_rat: 1.0e-3\nuse_cpu: true\n"
    (tmp_path / "odd.yaml").write_text(odd)
    with pytest.raises(ValueError, match="learning_rat"):
        parser.parse_args_and_config(["--config", str(tmp_path / "odd.yaml")])


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("accelerate_*.yaml")), ids=lambda p: p.stem)
def test_accelerate_reads_its_configs(path: Path) -> None:
    from accelerate.commands.config.config_args import ClusterConfig

    config = ClusterConfig.from_yaml_file(yaml_file=str(path))
    assert config.mixed_precision == "bf16"
    fsdp = yaml.safe_load(path.read_text()).get("fsdp_config")
    assert (fsdp is not None) == (str(config.distributed_type).endswith("FSDP"))
    if fsdp:
        from accelerate import FullyShardedDataParallelPlugin

        known = set(FullyShardedDataParallelPlugin.__dataclass_fields__)
        renamed = {"transformer_layer_cls_to_wrap": "transformer_cls_names_to_wrap"}
        names = {renamed.get(n, n) for n in (k.removeprefix("fsdp_") for k in fsdp)}
        names -= {"offload_params", "version"}  # read under other names
        assert names <= known


NANO_STEPS = ["sft_nano", "sft_nano_flow", "sft_own"]


def test_nanos_configs_follow_each_other(data_dir: Path, tmp_path: Path) -> None:
    """One step of each in the README's order, each from the one before; the last changed what it
    says that it changes."""
    import torch
    from trl import SFTConfig, TrlParser

    from saberlm.adapter.loading import load_model
    from saberlm.finetune.run_config import RunConfig
    from saberlm.finetune.sft import run_sft
    from saberlm.prompts.vocab import fingerprint

    small = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "audio_hidden_size": 24,
        "audio_num_layers": 1,
        "warmup_minutes": 0.01,
    }
    last: Path | None = None
    weights: list[dict[str, torch.Tensor]] = []
    for name in NANO_STEPS:
        config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
        assert ("base_model" in config) == (last is not None)
        changes: dict[str, object] = {
            "data_dir": str(data_dir),
            "output_dir": str(tmp_path / name),
            "max_steps": 1,
            "minutes": 0,
            "window_bars": 2,
            "valid_windows": 1,
            "per_device_train_batch_size": 1,
            "eval_strategy": "no",
            "threads": 0,
            "disable_tqdm": True,
        }
        changes |= {"more_data": [str(data_dir)]} if "more_data" in config else {}
        changes |= small if last is None else {"base_model": str(last)}
        changes |= {"tower_from": str(last)} if "tower_from" in config else {}
        (tmp_path / "run.yaml").write_text(yaml.safe_dump(config | changes))
        run, args = TrlParser((RunConfig, SFTConfig)).parse_args_and_config(
            ["--config", str(tmp_path / "run.yaml")]
        )
        last = run_sft(run, args)
        loaded = load_model(last, fingerprint()).model
        assert loaded.config.audio_places == loaded.config.tick_latents == (name == "sft_nano")
        weights.append({k: t.clone() for k, t in loaded.state_dict().items()})

    def changed(before: int, after: int) -> set[str]:
        old, new = weights[before], weights[after]
        return {name for name in new if not torch.equal(old[name], new[name])}

    deaf = {n for pair in ((0, 1), (1, 2)) for n in changed(*pair) if "tower" in n}
    assert not deaf, "what hears stays as it is"
    assert changed(0, 1)
    assert changed(1, 2)


def test_the_road_alone_learns_where_that_is_asked(data_dir: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file
    from trl import SFTConfig, TrlParser

    from saberlm.finetune.run_config import RunConfig
    from saberlm.finetune.sft import run_sft

    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1,
             "num_attention_heads": 2, "audio_hidden_size": 24, "audio_num_layers": 1,
             "warmup_minutes": 0.01}  # fmt: skip
    common = {"data_dir": str(data_dir), "max_steps": 1, "minutes": 0, "window_bars": 2,
              "valid_windows": 1, "eval_strategy": "no", "disable_tqdm": True}  # fmt: skip
    finals: list[Path] = []
    for name in ("sft_nano", "sft_nano_ticks"):
        config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text()) | common
        config |= {"output_dir": str(tmp_path / name), "rate_warmup_steps": 1}
        config |= {"base_model": str(finals[0]), "tower_from": str(finals[0])} if finals else sizes
        (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
        run, args = TrlParser((RunConfig, SFTConfig)).parse_args_and_config(
            ["--config", str(tmp_path / "run.yaml")]
        )
        finals.append(run_sft(run, args))
    old, new = (load_file(final / "model.safetensors") for final in finals)
    assert {n for n in new if not new[n].equal(old[n])} == {"model.projector.tick.weight"}
