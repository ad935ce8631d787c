"""Rewards of one model against another, measured on pairs."""

from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from pair_kit import save_tiny_model, write_longer

pytest.importorskip("datasets")

from saberlm.adapter.loading import load_model
from saberlm.eval.critic import load_critic
from saberlm.finetune.preference_collator import DataCollatorForPreference
from saberlm.finetune.preference_corruptions import corrupted_pairs
from saberlm.finetune.preference_report import measure_models, summary
from saberlm.finetune.preferences import PreferencePair, candidates, for_play, save_pairs
from saberlm.finetune.shards import load_dataset
from saberlm.prompts.vocab import fingerprint
from saberlm.scripts.preference_accuracy import main


@pytest.fixture(scope="module")
def pairs(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[PreferencePair]:
    long_dir = write_longer(data_dir, tmp_path_factory.mktemp("longer") / "data", songs=3)
    found = []
    for song in map(for_play, load_dataset(long_dir, "train")):
        places = candidates(song, song.difficulties[0])
        found += list(corrupted_pairs(places, 4, load_critic(), Random(song.key)))
    return found


@pytest.fixture(scope="module")
def folders(make_config: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model, and the same with a head of its own."""
    one, other = (tmp_path_factory.mktemp("models") / name for name in ("one", "other"))
    save_tiny_model(make_config, one, tick_latents=False)
    model = load_model(one, fingerprint()).model
    with torch.no_grad():
        model.lm_head.weight += 0.1 * torch.randn_like(model.lm_head.weight)
    model.save_pretrained(other)
    return one, other


def test_two_models_against_each_other_have_opposite_margins(
    pairs: list[PreferencePair], folders: tuple[Path, Path]
) -> None:
    rows, collate = [asdict(pair) for pair in pairs], DataCollatorForPreference()
    one, other = (load_model(folder, fingerprint()).model for folder in folders)
    there = measure_models(one, other, rows, collate, batch=2)
    back = measure_models(other, one, rows, collate, batch=3)
    assert [a.margin for a in there] == pytest.approx([-b.margin for b in back], abs=1e-5)
    assert all(a.margin != 0 and a.divergence > 0 for a in there)
    assert [a.score_gap for a in there] == [pair.score_gap for pair in pairs]
    accuracy = summary(there)["all"]["accuracy"] + summary(back)["all"]["accuracy"]
    assert accuracy == pytest.approx(1, abs=2e-4)
    same = summary(measure_models(one, one, rows, collate))["all"]
    assert (same["accuracy"], same["margin"], same["divergence"]) == (0.5, 0, 0)


def test_the_table_has_every_source_and_the_wide_gaps(
    pairs: list[PreferencePair],
    folders: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_pairs([PreferencePair(**{**asdict(p), "source": "sampled"}) for p in pairs], tmp_path)
    names = list(map(str, folders))
    wide = sorted(pair.score_gap for pair in pairs)[len(pairs) // 2]
    told = [*names, str(tmp_path.parent), "--split", tmp_path.name, "--gaps", str(wide), "1e9"]
    assert main(told) == 0
    counts = {
        cells[1].strip(): int(cells[2])
        for line in capsys.readouterr().out.splitlines()[2:]
        if (cells := line.split("|"))
    }
    assert counts["sampled"] == counts["all"] == len(pairs)
    more = sum(pair.score_gap >= wide for pair in pairs)
    assert counts[f"sampled, gap {wide:g} or more"] == more < len(pairs)
    assert main([*names, str(tmp_path)]) == 1
    assert "expected preference pairs" in capsys.readouterr().err
