"""Pairs: prompt and completions are the stream, the mask is on what is played, sources judge."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from pair_kit import busy_song, later, save_tiny_model, write_longer

pytest.importorskip("datasets")

from saberlm.eval.critic import load_critic
from saberlm.finetune.preference_corruptions import KINDS, WHEN, corrupt, corrupted_pairs
from saberlm.finetune.preference_data import PairSettings, build_pairs
from saberlm.finetune.preference_humans import human_pairs, on_grid_of
from saberlm.finetune.preference_samples import (
    Sampled,
    choose_stretches,
    judge,
    sample_stretches,
    sampled_pairs,
)
from saberlm.finetune.preference_score import score_stretch
from saberlm.finetune.preferences import (
    asked,
    candidates,
    completion_bars,
    for_play,
    judged_mask,
    load_pairs,
    make_pair,
    num_notes,
    save_pairs,
)
from saberlm.finetune.quality import quality_of
from saberlm.finetune.shards import SongShard, load_dataset
from saberlm.prompts import vocab as v
from saberlm.prompts.grammar import first_illegal
from saberlm.prompts.stream import MapPrompt


@pytest.fixture(scope="module")
def long_dir(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_longer(data_dir, tmp_path_factory.mktemp("longer") / "data")


@pytest.fixture(scope="module")
def songs(long_dir: Path) -> list[SongShard]:
    return [for_play(song) for song in load_dataset(long_dir, "train")]


def test_prompt_and_completion_are_the_stream_of_training(songs: list[SongShard]) -> None:
    song = songs[0]
    at = candidates(song, song.difficulties[0])[1]
    other = [list(bar) for bar in reversed(at.human)]
    pair = make_pair(at, at.human, other, source="x", kind="y", score_gap=1)
    whole = MapPrompt(asked(at.stream), song.num_bars, audio=False).window(
        at.first_bar, [*at.prefix, *at.human], [True] * at.num_bars, ends=False
    )
    assert [*pair.prompt, *pair.chosen] == whole.ids
    assert [*pair.prompt, *pair.rejected] != whole.ids
    assert pair.prompt[-1] == v.SEG, "the first bar is opened"
    assert pair.chosen.count(v.SEG) == at.num_bars - at.prefix_bars - 1
    assert not {v.AUDIO, v.SKETCH}.intersection(whole.ids)


def test_pairs_are_about_play(long_dir: Path) -> None:
    lights = {*v.block_range("light"), *v.block_range("brightness"), *v.block_range("boost")}
    for song in load_dataset(long_dir, "train")[:2]:
        assert any(lights.intersection(bar.tolist()) for bar in song.difficulties[0].bars)
        plain = for_play(song).difficulties[0]
        assert not any(lights.intersection(bar.tolist()) for bar in plain.bars)
        assert num_notes(plain.bars) == num_notes(song.difficulties[0].bars)
        assert asked(plain).lights is False
        assert first_illegal([bar.tolist() for bar in plain.bars]) is None


def test_what_is_judged(songs: list[SongShard]) -> None:
    song = songs[0]
    for at in candidates(song, song.difficulties[0])[:4]:
        pair = make_pair(at, at.human, at.human, source="x", kind="y", score_gap=1)
        ids = np.array(pair.chosen)
        notes = np.isin(ids, list(v.block_range("note")))
        positions = np.isin(ids, list(v.block_range("position")))
        what, when = (np.array(judged_mask(pair.chosen, when=w)) for w in (False, True))
        assert what[notes].all()
        framing = positions | (ids == v.SEG) | (ids == v.END_SEG)
        # what ends a tick says that no more comes there; the rest says when
        after_note = np.append(False, notes[:-1])
        assert what[framing & after_note].all()
        assert not what[framing & ~after_note].any()
        before_note = positions & np.append(notes[1:], False)
        assert when[before_note].all()
        assert (when - what)[~positions].sum() == 0


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_corruptions_change_what_they_are_about(songs: list[SongShard], kind: str) -> None:
    changed = 0
    for song in songs[:4]:
        for at in candidates(song, song.difficulties[0])[:3]:
            made = corrupt(at, kind, 3)
            if made is None:
                continue
            before, after = made
            assert before == at.human
            assert corrupt(at, kind, 3) == made
            assert first_illegal([*at.prefix, *after]) is None
            if kind not in (*WHEN, "repeat one beat"):
                assert num_notes(before) == num_notes(after)
            changed += 1
    # the made maps have no doubles, so emphasis cannot go wrong in them
    assert changed == 0 if kind == "misplaced emphasis" else changed > 2


def test_corrupted_pairs_never_have_more_faults_on_the_better_side(
    songs: list[SongShard],
) -> None:
    critic = load_critic()
    stretches = candidates(songs[0], songs[0].difficulties[0])
    pairs = list(corrupted_pairs(stretches, 6, critic, Random(1)))
    assert pairs
    assert pairs == list(corrupted_pairs(stretches, 6, critic, Random(1)))
    assert all(pair.when == (pair.kind in WHEN) for pair in pairs)
    places = {at.first_bar: at for at in stretches}
    for pair in pairs:
        at = places[pair.first_bar]
        better = score_stretch(at.prefix, at.human, songs[0].bpm, at.difficulty, critic)
        assert better is not None
        worse = better.value - pair.score_gap
        assert np.isfinite(worse)


def test_two_maps_of_one_recording_by_their_votes(songs: list[SongShard]) -> None:
    first = busy_song(songs[0], 1)
    second = later(busy_song(songs[0], 1), 1.5, "later")
    stream = second.difficulties[0]
    worse = replace(stream, bars=tuple(stream.bars[i] for i in np.roll(range(len(stream.bars)), 1)))
    second = replace(second, difficulties=(worse,))
    loved, poor = quality_of(900, 10), quality_of(100, 80)
    for quality, winner in (
        ({first.key: loved, "later": poor}, first),
        ({first.key: poor, "later": loved}, second),
    ):
        counts: Counter[str] = Counter()
        pairs = human_pairs([first, second], quality, windows=3, random=Random(0), counts=counts)
        assert len(pairs) == 3
        assert {pair.song for pair in pairs} == {winner.key}
        assert {pair.score_gap for pair in pairs} == {loved.value - poor.value}
        assert counts == {"two songs of one recording": 1}
    for quality, why in (
        ({first.key: loved}, "of them without votes"),
        ({first.key: loved, "later": loved}, "of them without a clear gap"),
    ):
        counts = Counter()
        args: Any = {"windows": 3, "random": Random(0), "counts": counts}
        assert human_pairs([first, second], quality, **args) == []
        assert counts[why] == 1


def test_a_map_lands_on_the_other_ones_grid(songs: list[SongShard]) -> None:
    song = songs[0]
    beat = 60 / song.bpm
    behind = later(song, 4 * beat, "a bar later")
    same = on_grid_of(song, behind, behind.difficulties[0], 4 * beat)
    assert same is not None
    assert same == [bar.tolist() for bar in song.difficulties[0].bars]
    moved = on_grid_of(song, behind, behind.difficulties[0], 0.0)
    assert moved is not None
    assert moved[1:] == same[:-1], "a bar later, as there is no lag"
    assert on_grid_of(song, behind, behind.difficulties[0], 0.1 * beat) is None
    assert on_grid_of(song, replace(behind, bpm=song.bpm * 1.01), song.difficulties[0], 0) is None


@pytest.fixture(scope="module")
def tiny(make_config: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(make_config, tmp_path_factory.mktemp("tiny"))


def test_samples_follow_the_humans_bars_whoever_is_beside_them(
    songs: list[SongShard], tiny: Path
) -> None:
    from saberlm.adapter.loading import load_model
    from saberlm.infer.sampling import SamplingParams

    model = load_model(tiny, v.fingerprint()).model
    stretches = choose_stretches(songs[:2], 1, Random(0))
    assert len(stretches) == 2
    params = SamplingParams(playability="off", seed=4, max_segment_tokens=40)

    def ways(rows: int) -> dict[str, Sampled]:
        batches = list(sample_stretches(model, stretches, 2, params, rows=rows))
        return {made.at.song.key: made for batch in batches for made in batch}

    wide, narrow = ways(8), ways(2)
    for key, made in wide.items():
        assert made.ways == narrow[key].ways
        assert made.ways[0] != made.ways[1]
        at = made.at
        for way in made.ways:
            assert first_illegal([*at.prefix, *way]) is None


def test_samples_have_the_humans_rhythm(songs: list[SongShard], tiny: Path) -> None:
    from saberlm.adapter.loading import load_model
    from saberlm.infer.lighting import note_ticks
    from saberlm.infer.sampling import SamplingParams

    model = load_model(tiny, v.fingerprint()).model
    params = SamplingParams(playability="off", seed=4, max_segment_tokens=400)
    ((made,),) = sample_stretches(model, choose_stretches(songs[:1], 1, Random(0)), 2, params)
    asked_for = set(note_ticks(made.at.human))
    for way in made.ways:
        found = set(note_ticks(way))
        assert len(found - asked_for) <= 0.1 * len(found)
        assert len(found & asked_for) > 0.5 * len(asked_for), "a bar closed at the cap ends early"


def test_the_better_sample_wins_and_only_liked_humans_stand_for_good(
    songs: list[SongShard],
) -> None:
    song = songs[0]
    at = candidates(song, song.difficulties[0])[2]
    critic = load_critic()
    broken = [made[1] for k in range(6) if (made := corrupt(at, "break parity", k)) is not None]
    made = judge(Sampled(at, (broken[0], at.human, *broken[1:])), critic)
    liked = {song.key: quality_of(500, 5)}
    pairs = list(sampled_pairs([(at, made)], liked, ("sampled", "human")))
    assert {pair.source for pair in pairs} == {"sampled", "human"}
    for pair in pairs:
        better, worse = (
            score_stretch(at.prefix, completion_bars(ids), song.bpm, at.difficulty, critic)
            for ids in (pair.chosen, pair.rejected)
        )
        assert better is not None
        assert worse is not None
        assert better.value - worse.value == pytest.approx(pair.score_gap)
        assert pair.score_gap >= (2 if pair.source == "sampled" else 0)
    disliked = {song.key: quality_of(50, 50)}
    sources = [p.source for p in sampled_pairs([(at, made)], disliked, ("sampled", "human"))]
    assert "human" not in sources


def test_pairs_are_kept_with_their_vocabulary(
    songs: list[SongShard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stretches = candidates(songs[0], songs[0].difficulties[0])
    pairs = list(corrupted_pairs(stretches, 3, load_critic(), Random(0)))
    save_pairs(pairs, tmp_path / "pairs")
    assert load_pairs(tmp_path / "pairs") == pairs
    with pytest.raises(ValueError, match="found no pairs"):
        load_pairs(tmp_path)
    about = tmp_path / "pairs" / "pairs.json"
    about.write_text(about.read_text().replace(v.fingerprint(), "another"))
    with pytest.raises(ValueError, match="found another: make them again"):
        load_pairs(tmp_path / "pairs")


def test_a_stopped_build_goes_on_to_the_same_pairs(
    long_dir: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saberlm.finetune import preference_data

    settings = PairSettings(
        ("sampled", "corrupted"), str(tiny), songs=2, windows=1, samples=2, corrupted=1
    )
    whole = build_pairs(long_dir, tmp_path / "whole", settings).render()
    assert "corrupted" in whole
    original, left = preference_data.preference_samples.judge, [1]

    def dying(*args: Any) -> Any:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return original(*args)

    monkeypatch.setattr(preference_data.preference_samples, "judge", dying)
    with pytest.raises(KeyboardInterrupt):
        build_pairs(long_dir, tmp_path / "stopped", settings)
    monkeypatch.setattr(preference_data.preference_samples, "judge", original)
    build_pairs(long_dir, tmp_path / "stopped", settings)
    for split in ("train", "valid"):
        if (tmp_path / "whole" / split).is_dir():
            folders = (tmp_path / name / split for name in ("whole", "stopped"))
            first, second = map(load_pairs, folders)
            assert first == second
    with pytest.raises(ValueError, match="begun with another seed"):
        build_pairs(long_dir, tmp_path / "whole", replace(settings, seed=5))
    with pytest.raises(ValueError, match="sources: expected some of"):
        PairSettings(("dreams",))


def test_held_out_pairs_may_be_made_alone(long_dir: Path, tmp_path: Path) -> None:
    settings = PairSettings(("corrupted",), corrupted=2)
    build_pairs(long_dir, tmp_path / "both", settings)
    report = build_pairs(long_dir, tmp_path / "one", settings, splits=("valid",)).render()
    assert "valid" in report
    assert "train" not in report
    assert not (tmp_path / "one" / "train").exists()
    assert load_pairs(tmp_path / "one" / "valid") == load_pairs(tmp_path / "both" / "valid")
    with pytest.raises(ValueError, match="splits: expected some of train, valid, found test"):
        build_pairs(long_dir, tmp_path / "two", settings, splits=("test",))
