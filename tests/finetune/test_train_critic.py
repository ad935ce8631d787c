"""Training the critic: it learns to separate what differs, what ships runs the same, and its
figures are right."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from saberlm.eval.critic import Critic, load_critic
from saberlm.eval.critic_features import critic_input
from saberlm.finetune.critic_data import (
    HUMAN,
    UNTAUGHT,
    CropSampler,
    Example,
    build_examples,
    crop,
    human_maps,
    join,
)
from saberlm.finetune.critic_report import Balanced, auc, measure, table
from saberlm.finetune.critic_samples import (
    SampledMap,
    choose_songs,
    load_samples,
    save_samples,
)
from saberlm.finetune.shards import load_dataset
from saberlm.finetune.train_critic import (
    CriticConfig,
    CriticNet,
    human_quantiles,
    save_critic,
    split_songs,
    train_critic,
)
from saberlm.prompts.beatmap import Beatmap, ColorNote
from saberlm.prompts.tempo import TempoMap

SMALL = CriticConfig(width=16, steps=60, crops=4, crop_bars=8, check_every=20)


def swinging(seed: int, *, broken: bool) -> Beatmap:
    """Down and up in turn, or the same cut always; rhythm and columns at random."""
    rng = np.random.default_rng(seed)
    beats = np.cumsum(rng.choice([0.5, 1.0], 120))
    notes = [
        ColorNote(float(b), int(rng.integers(4)), 0, i % 2, 1 if broken else 1 - i // 2 % 2)
        for i, b in enumerate(beats)
    ]
    return Beatmap(color_notes=tuple(notes))


def examples(count: int = 12) -> list[Example]:
    out = []
    for i in range(count):
        for kind, family in ((HUMAN, ""), ("stuck", "corruption")):
            seen = critic_input(swinging(i, broken=bool(family)), TempoMap(120.0), "Hard")
            out.append(Example(f"song {i}", "Hard", kind, family, seen))
    return out


@pytest.fixture(scope="module")
def trained() -> tuple[Critic, list[Example]]:
    torch.set_num_threads(1)
    return train_critic(examples(), SMALL)


def test_it_learns_to_separate(trained):
    critic, _ = trained
    unseen = [
        Example(
            "new",
            "Hard",
            kind,
            family,
            critic_input(swinging(99, broken=bool(family)), TempoMap(120.0), "Hard"),
        )
        for kind, family in ((HUMAN, ""), ("stuck", "corruption"))
    ]
    (result, _) = measure(critic, unseen)
    assert result.bar_auc > 0.95
    assert result.map_auc == 1
    assert result.paired == 1


def test_a_run_repeats(trained):
    again, _ = train_critic(examples(), SMALL)
    for name, value in trained[0].weights.items():
        np.testing.assert_allclose(value, again.weights[name], atol=1e-6)


def test_songs_are_kept_apart(trained):
    learn, choose = split_songs(examples(), 0)
    assert choose
    assert not {e.song for e in learn} & {e.song for e in choose}
    assert {e.song for e in trained[1]} == {e.song for e in choose}


def test_numpy_and_torch_agree():
    torch.manual_seed(0)
    net = CriticNet(12).eval()
    parts = [one.seen for one in examples(3)]
    joined = join(parts)
    with torch.no_grad():
        theirs = net(*map(torch.from_numpy, (joined.notes, joined.bar_of_row, joined.bars)))
    critic = Critic(net.weights())
    np.testing.assert_allclose(critic.log_odds(joined), theirs.numpy(), atol=1e-4)
    alone = np.concatenate([critic.log_odds(one) for one in parts])
    np.testing.assert_allclose(critic.log_odds(joined), alone, atol=1e-4)


def test_what_is_saved_loads_and_judges_alike(trained, tmp_path):
    critic, chosen = trained
    critic.facts["human_scores"] = human_quantiles(critic, chosen)
    save_critic(critic, tmp_path)
    loaded = load_critic(tmp_path)
    seen = chosen[0].seen
    np.testing.assert_allclose(loaded.log_odds(seen), critic.log_odds(seen), atol=0.05)
    assert json.loads(json.dumps(loaded.facts)) == loaded.facts


def test_a_crop_in_the_middle_of_long_context_scores_nearly_alike():
    seen = examples(1)[0].seen
    part = crop(seen, 4, 6)
    assert len(part.bars) == 6
    assert (part.bar_of_row >= 0).sum() == seen.bar_notes[4:10].sum()
    assert set(np.unique(part.bar_of_row)) == set(range(-1, 6))


def test_batches_are_half_human():
    draws = CropSampler(examples(), 6, 0)
    batch, labels = draws.draw(5)
    assert labels.mean() == 0.5
    assert len(labels) == len(batch.bars) == 60


def test_one_kind_alone_is_refused():
    with pytest.raises(ValueError, match="found one kind alone"):
        CropSampler([e for e in examples() if e.kind == HUMAN], 6, 0)


@given(st.lists(st.integers(0, 5), min_size=1), st.lists(st.integers(0, 5), min_size=1))
def test_auc_is_the_rank_statistic(above, below):
    expected = mannwhitneyu(above, below).statistic / len(above) / len(below)
    assert auc(np.array(above, float), np.array(below, float)) == pytest.approx(expected)


def test_auc_of_nothing_is_no_number():
    assert np.isnan(auc(np.zeros(0), np.ones(2)))


def test_calibration_undoes_a_scale():
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, 20_000)
    human = rng.random(20_000) < 1 / (1 + np.exp(-true))
    weight = np.full(20_000, 1 / 20_000)
    scale, shift = Balanced(true * 3 + 1, human, weight).calibration()
    assert scale == pytest.approx(1 / 3, abs=0.03)
    assert shift == pytest.approx(-1 / 3, abs=0.06)
    honest = Balanced(true, human, weight).reliability()
    assert max(abs(row["promised"] - row["human"]) for row in honest) < 0.05


def test_a_cached_dataset_gives_every_kind(data_dir):
    shards = load_dataset(data_dir, "train")[:2]
    name, beatmap = next((name, beatmap) for _, name, beatmap in human_maps(shards[:1]))
    made = SampledMap(
        shards[0].key, "train", name, "off", shards[0].bpm,
        tuple(tuple(bar.tolist()) for bar in shards[0].difficulties[0].bars),
    )  # fmt: skip
    assert made.beatmap() == beatmap
    found = build_examples(shards, [made])
    kinds = {one.kind for one in found}
    assert {HUMAN, "shuffle directions", "half-beat baseline", "onset-peak baseline"} <= kinds
    assert not kinds & set(UNTAUGHT)
    assert {e.kind for e in build_examples(shards, [], all_kinds=True)} >= set(UNTAUGHT)
    results = measure(Critic(CriticNet(4).weights()), found)
    assert "half-beat baseline" in table(results)
    with pytest.raises(ValueError, match="samples of another split"):
        build_examples(shards[1:], [made])


def test_samples_are_kept(tmp_path, data_dir):
    one = SampledMap("0001", "train", "Hard", "soft", 120.0, ((1, 2), (), (3,)))
    save_samples([one], tmp_path / "samples.jsonl")
    assert load_samples(tmp_path / "samples.jsonl") == [one]
    path = tmp_path / "samples.jsonl"
    path.write_text(path.read_text().replace('"fingerprint": "', '"fingerprint": "0'))
    with pytest.raises(ValueError, match="likely sampled with an older model"):
        load_samples(path)


def test_songs_to_sample_are_the_shortest(data_dir):
    shards = load_dataset(data_dir, "train")
    assert len(choose_songs(shards, 3)) == 3
    assert len({s.key for s in choose_songs(shards, 3)}) == 3
    assert len(choose_songs(shards, 999)) == len(shards)
