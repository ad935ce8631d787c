"""A style pack trained on made maps: whole or not there, resumed, for its own model alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("trl")
pytestmark = pytest.mark.filterwarnings("ignore")

BARS = 12


def write_maps(root: Path, count: int, titles: int = 99, mapper: str = "Somebody") -> Path:
    """Levels without songs: small maps of ``titles`` songs."""
    from saberlm.prompts.beatmap import Beatmap, ColorNote, Difficulty, LevelInfo
    from saberlm.prompts.mapfile import write_level

    root.mkdir(exist_ok=True)
    for i in range(count):
        rng = np.random.default_rng(i)
        notes = tuple(
            ColorNote(float(b), int(rng.integers(4)), 0, k % 2, int(rng.integers(9)))
            for k, b in enumerate(np.arange(4, 4 * BARS, 0.75))
        )
        made = [Difficulty("Standard", "Hard", 12.0, 0.0, Beatmap(color_notes=notes))]
        info = LevelInfo(f"song {i % titles}", 120.0, mapper=mapper)
        write_level(root / f"{mapper}{i}", info, made, {})
    return root


@pytest.fixture
def model_dir(tiny_model: Any, tmp_path: Path) -> Path:
    import copy

    model = copy.deepcopy(tiny_model)
    model.config.audio_places = False
    model.save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def train(maps: Path, model: Path, out: Path, work: Path, **more: Any) -> Any:
    from trl import SFTConfig

    from saberlm.finetune.run_config import RunConfig
    from saberlm.finetune.train_pack import find_maps, train_pack

    resume = more.pop("resume", False)
    run = RunConfig(
        data_dir=str(work / "data"), base_model=str(model), audio="none", lora_alone=True,
        lora_rank=2, lora_alpha=4, lora_dropout=0.0, minutes=0, warmup_minutes=0, window_bars=4,
        valid_windows=2, rate_warmup_steps=1, onset_weight=0.0, context_tasks={},
    )  # fmt: skip
    args = SFTConfig(
        output_dir=str(work / "run"), max_steps=4, per_device_train_batch_size=2,
        learning_rate=3e-2, bf16=False, use_cpu=True, logging_steps=1, eval_strategy="no",
        eval_on_start=True, save_steps=1, report_to="none", seed=1, disable_tqdm=True,
    )  # fmt: skip
    found = find_maps(maps, work, more.pop("mapper", None))
    return train_pack(out.stem, out, found, run, args, resume=resume)


def test_a_run_that_was_ended_leaves_no_pack_and_goes_on(
    model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saberlm.adapter.loading import load_model
    from saberlm.adapter.style_pack import read_pack, with_pack
    from saberlm.finetune.sft import SaberSFTTrainer
    from saberlm.prompts.vocab import fingerprint

    maps = write_maps(tmp_path / "maps", 11)
    out, work = tmp_path / "packs" / "one.safetensors", tmp_path / "work"
    original = SaberSFTTrainer.compute_loss
    steps = []

    def dying(self: Any, *given: Any, **named: Any) -> Any:
        steps.append(self.state.global_step)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return original(self, *given, **named)

    monkeypatch.setattr(SaberSFTTrainer, "compute_loss", dying)
    with pytest.raises(KeyboardInterrupt):
        train(maps, model_dir, out, work)
    assert not out.parent.exists()
    made = train(maps, model_dir, out, work, resume=True)
    assert steps == [0, 1, 2, 2, 3], "it went on from the second step"
    assert not (work / "run").exists()
    assert made.about["maps"] == 11
    assert made.about["held_out"] == 2
    assert made.about["steps"] == 4
    assert made.about["mappers"] == {"Somebody": 11}
    assert len(made.words()) >= 3
    pack = read_pack(out)
    assert set(pack.densities["median_nps"]) == {"Hard"}
    assert sum(pack.cut_shares["Hard"]) == pytest.approx(1, abs=1e-3)
    before, after = (load_model(model_dir, fingerprint()) for _ in range(2))
    changed = with_pack(after, pack).model
    moved = {
        name
        for name, weight in before.model.named_parameters()
        if not (weight == changed.get_parameter(name)).all()
    }
    assert moved
    assert all("language_model.layers" in name and "proj" in name for name in moved)


def test_too_few_maps_and_copies_of_one_are_refused(model_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "one.safetensors"
    nine = write_maps(tmp_path / "nine", 9)
    with pytest.raises(ValueError, match="maps of 10 or more songs by one mapper, found 9"):
        train(nine, model_dir, out, tmp_path / "work")
    copies = write_maps(tmp_path / "copies", 12, titles=4)
    with pytest.raises(ValueError, match="found 4"):
        train(copies, model_dir, out, tmp_path / "work")
    write_maps(tmp_path / "nine", 3, mapper="Somebody Else")
    with pytest.raises(ValueError, match="found 3"):
        train(nine, model_dir, out, tmp_path / "work", mapper="somebody else")
    with pytest.raises(ValueError, match=r"maps of Nobody.*Somebody \(9\)"):
        train(nine, model_dir, out, tmp_path / "work", mapper="Nobody")
    assert not out.exists()


def test_songs_lie_on_one_side(tmp_path: Path) -> None:
    import json

    from saberlm.finetune.train_pack import _hold_out

    rows = [{"key": f"k{i}", "split": "train", "shard": "x"} for i in range(24)]
    (tmp_path / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    titles = {f"k{i}": f"song {i // 2}" for i in range(24)}
    assert _hold_out(tmp_path, titles, 10, []) == 4
    sides: dict[str, set[str]] = {}
    for line in (tmp_path / "index.jsonl").read_text().splitlines():
        row = json.loads(line)
        sides.setdefault(titles[row["key"]], set()).add(row["split"])
    assert all(len(side) == 1 for side in sides.values())
    assert {"valid"} in sides.values()
    why = [f"song {i}: off the grid" for i in range(6)]
    with pytest.raises(ValueError, match=r"found 12 that could be used \(song 0.*; and 2 more\)"):
        _hold_out(tmp_path, titles, 13, why)


def test_a_model_that_hears_in_its_sequence_is_refused(tiny_model: Any, tmp_path: Path) -> None:
    tiny_model.save_pretrained(tmp_path / "tiny")
    maps = write_maps(tmp_path / "maps", 10)
    with pytest.raises(ValueError, match="without places for sound"):
        train(maps, tmp_path / "tiny", tmp_path / "one.safetensors", tmp_path / "work")
