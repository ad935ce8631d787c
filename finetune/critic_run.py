"""The whole way from a cached dataset to a critic that ships: sample, learn, measure, write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from saberlm.adapter.loading import load_model
from saberlm.finetune.critic_data import build_examples
from saberlm.finetune.critic_report import balanced, measure, table
from saberlm.finetune.critic_samples import (
    SampledMap,
    choose_songs,
    load_samples,
    sample_maps,
    save_samples,
)
from saberlm.finetune.shards import SongShard, load_dataset
from saberlm.finetune.train_critic import CriticConfig, human_quantiles, save_critic, train_critic
from saberlm.infer.sampling import SamplingParams
from saberlm.prompts.vocab import fingerprint

PLAYABILITY = ("off", "soft")
"""Ways to sample: as the model would, and as maps are made for players."""


def run_critic(
    data_dir: Path,
    out: Path,
    samples_dir: Path,
    config: CriticConfig,
    *,
    model: str = "nano",
    songs: dict[str, int] | None = None,
    log: Callable[[str], None] = print,
) -> None:
    """Train the critic on the train split, measure it on the valid split and write it.

    Args:
        data_dir: dataset of `saberlm data build`.
        out: folder for the weights and the facts.
        samples_dir: where model-made maps are kept; what is there already is not sampled again.
        config: of the training.
        model: whose maps it learns to tell from human ones.
        songs: how many songs of each split to sample.
        log: takes lines.

    Raises:
        ValueError: no such dataset, or samples of another vocabulary.
    """
    counts = {"train": 14, "valid": 6} if songs is None else songs
    shards = {split: load_dataset(data_dir, split) for split in ("train", "valid")}
    samples = {
        split: _samples(of_split, split, samples_dir, model, counts[split], log)
        for split, of_split in shards.items()
    }
    log("making features")
    learn = build_examples(shards["train"], samples["train"], seed=config.seed)
    critic, chosen_by = train_critic(learn, config, log)
    unseen = build_examples(shards["valid"], samples["valid"], seed=config.seed, all_kinds=True)
    results = measure(critic, unseen)
    view = balanced(critic, unseen)
    measured: dict[str, Any] = {
        "songs": len(shards["valid"]),
        "loss": round(view.loss(), 4),
        "bar_auc": round(view.auc(), 4),
        "reliability": view.reliability(),
        "by_kind": [one.to_dict() for one in results],
    }
    quantiles = human_quantiles(critic, [*chosen_by, *unseen])
    facts = {**critic.facts, "human_scores": quantiles, "valid": measured}
    save_critic(replace(critic, facts=facts), out)
    log(table(results))


def _samples(
    shards: list[SongShard],
    split: str,
    folder: Path,
    model: str,
    count: int,
    log: Callable[[str], None],
) -> list[SampledMap]:
    out = []
    for i, playability in enumerate(PLAYABILITY, start=1):
        path = folder / f"{split}-{playability}.jsonl"
        if not path.exists():
            log(f"sampling {count} songs of split {split}, playability {playability}")
            loaded = load_model(model, fingerprint())
            params = SamplingParams(playability=playability, seed=i)
            folder.mkdir(parents=True, exist_ok=True)
            save_samples(sample_maps(loaded.model, choose_songs(shards, count), params), path)
        out += load_samples(path)
    return out


__all__ = ["run_critic"]
