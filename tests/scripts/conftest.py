"""A small dataset for the verbs that train, and a browser for the pages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four songs of noise with one difficulty each, three to train and one to check."""
    import json

    from saberlm.finetune.shards import DifficultyStream, SongShard, save_shard
    from saberlm.prompts import vocab as v
    from saberlm.prompts.header import Conditions

    out = tmp_path_factory.mktemp("small")
    (out / "shards").mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for i in range(4):
        split = "valid" if i == 3 else "train"
        bars = tuple(
            np.array(
                [
                    token
                    for tick in (0, 48, 96, 144)
                    for token in (
                        v.token_id("position", tick),
                        v.token_id("note", int(rng.integers(v.SIZES["note"]))),
                    )
                ],
                dtype=np.int16,
            )
            for _ in range(6)
        )
        stream = DifficultyStream(Conditions("Expert", 2.0), bars, 0, 5, True)
        frames = rng.normal(size=(1300, 120)).astype(np.float16)
        shard = SongShard(f"song{i}", split, frames, 100.0, 120.0, 0.0, 6, (stream,))
        save_shard(shard, out / "shards" / f"song{i}.safetensors")
        rows.append({"shard": f"shards/song{i}.safetensors", "split": split, "key": f"song{i}"})
    (out / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright import sync_api

    from saberlm.scripts.browser import CHROMIUM, FLAGS

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
