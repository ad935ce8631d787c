"""The Python API: one song, many, the same whichever way."""

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from saberlm.adapter.frontend import LogMelFrontEnd
from saberlm.adapter.loading import LoadedModel
from saberlm.eval.report import check_level
from saberlm.infer import LevelRequest, LiveBar, MappedLevel, Mapper
from saberlm.prompts.mapfile import read_level

RATE = 22_050
GIVEN: dict[str, Any] = {"bpm": 120.0, "offset": 0.0, "max_segment_tokens": 30}


@pytest.fixture(scope="module")
def mapper(tiny_model: Any) -> Mapper:
    return Mapper(LoadedModel(tiny_model, LogMelFrontEnd(), "tiny"))


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("songs")
    for i in range(3):
        noise = np.random.default_rng(i).normal(size=RATE * (7 + 2 * i)).astype(np.float32) * 0.1
        soundfile.write(folder / f"Someone - {i}.wav", noise, RATE)
    return sorted(folder.iterdir())


def test_a_song_becomes_a_level_that_is_valid(
    mapper: Mapper, songs: list[Path], tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    level = mapper.map(
        songs[0], difficulties=["Hard", "Expert"], style="tech", title="T", **GIVEN,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert isinstance(level, MappedLevel)
    assert told[-1][0] == told[-1][1]
    assert told == sorted(told)
    out = tmp_path / "out.zip"
    level.save(out)
    assert check_level(out).valid
    written = read_level(out)
    assert (written.info.title, written.info.artist) == ("T", "Someone")
    assert level.describe().keys() == {"Hard", "Expert"}
    assert {"tempo", "encode", "decode", "pack"} <= level.seconds.keys()


def test_decorative_walls_join_the_map_and_nothing_else_changes(
    mapper: Mapper, songs: list[Path], tmp_path: Path
) -> None:
    wish = {**GIVEN, "difficulties": ["Easy"], "nps": 1.0, "walls": "none"}
    plain, decorated = (
        mapper.map(songs[2], decorative_walls=amount, **wish) for amount in (None, "high")
    )
    before, after = plain.beatmaps["Easy"], decorated.beatmaps["Easy"]
    assert replace(after, obstacles=before.obstacles) == before
    assert set(before.obstacles) < set(after.obstacles)
    decorated.save(tmp_path / "out.zip")
    assert check_level(tmp_path / "out.zip").valid


def test_a_failed_save_leaves_the_older_level(
    mapper: Mapper, songs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.zip"
    out.write_bytes(b"older")
    level = mapper.map(songs[0], **GIVEN)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("saberlm.prompts.levelzip._copy", full)
        with pytest.raises(ValueError, match="No space"):
            level.save(out)
    assert out.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [out]
    level.save(out)
    assert read_level(out).difficulties


def test_a_batch_is_its_songs_one_by_one(mapper: Mapper, songs: list[Path]) -> None:
    wanted = [
        LevelRequest.of(songs[0], seed=1, full_spread=True, difficulties=["Easy", "Hard"], **GIVEN),
        LevelRequest.of(songs[1], candidates=2, redo_weak=True, **GIVEN),
        LevelRequest.of(songs[2], temperature=0.7, **GIVEN),
    ]
    alone = [mapper.map(one) for one in wanted]
    for rows in (1, 2, 8):
        together = Mapper(mapper.loaded, rows=rows).map_batch(wanted)
        assert [one.beatmaps for one in together] == [one.beatmaps for one in alone]
        assert [one.scores for one in together] == [one.scores for one in alone]
    assert alone[0].beatmaps.keys() == {"Easy", "Hard"}


def test_live_bars_together_are_the_level(mapper: Mapper, songs: list[Path]) -> None:
    live = mapper.stream(songs[1], difficulties=["Hard", "Expert"], **GIVEN)
    with pytest.raises(RuntimeError, match="when all bars have come"):
        _ = live.level

    async def watch() -> list[LiveBar]:
        return [bar async for bar in live]

    bars = asyncio.run(watch())
    level = live.level
    assert level.beatmaps == mapper.map(songs[1], difficulties=["Hard", "Expert"], **GIVEN).beatmaps
    for name, beatmap in level.beatmaps.items():
        every = [bar for bar in bars if bar.difficulty == name]
        half = len(every) // 2
        for dark, lit in zip(every[:half], every[half:], strict=True):
            assert not dark.beatmap.lights
            assert dark.beatmap == replace(lit.beatmap, lights=(), boosts=())
        own = every[half:]
        assert [bar.number for bar in own] == list(range(own[0].num_bars))
        assert [bar.seconds for bar in own] == pytest.approx([2.0 * i for i in range(len(own))])
        for group in ("color_notes", "bombs", "chains", "lights"):
            together = [item for bar in own for item in getattr(bar.beatmap, group)]
            assert together == list(getattr(beatmap, group))


def test_a_live_map_can_be_left_and_says_what_goes_wrong(
    mapper: Mapper, songs: list[Path], tmp_path: Path
) -> None:
    async def first() -> LiveBar:
        bars = aiter(mapper.stream(songs[0], **GIVEN))
        bar = await anext(bars)
        await bars.aclose()
        return bar

    assert asyncio.run(first()).number == 0
    assert threading.active_count() < 10

    async def all_of(path: Path) -> None:
        async for _ in mapper.stream(path):
            pass

    with pytest.raises(ValueError, match=r"none\.wav"):
        asyncio.run(all_of(tmp_path / "none.wav"))
    with pytest.raises(ValueError, match="one candidate"):
        mapper.stream(songs[0], candidates=2)


def test_the_first_candidate_is_the_map_alone_and_the_best_is_kept(
    mapper: Mapper, songs: list[Path]
) -> None:
    longer = GIVEN | {"walls": "none", "bombs": "none", "arcs": False, "chains": False}
    longer["nps"] = 3.0
    alone = mapper.map(songs[1], **longer)
    three = mapper.map(songs[1], candidates=3, **longer)
    (scores,) = three.scores.values()
    totals = [one["total"] for one in scores]
    assert len(totals) == len({one["findings"] for one in scores}) == 3, "three maps"
    if totals[0] == max(totals):
        assert three.beatmaps == alone.beatmaps
    else:
        assert three.beatmaps != alone.beatmaps
    assert alone.scores == {}


def test_unknown_settings_are_refused(mapper: Mapper, songs: list[Path]) -> None:
    with pytest.raises(ValueError, match="temperature"):
        mapper.map(songs[0], temprature=0.5)
    with pytest.raises(ValueError, match="settings in the request"):
        mapper.map(LevelRequest.of(songs[0]), seed=3)
