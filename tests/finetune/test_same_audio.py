"""One recording is known again behind silence, and other songs are not taken for it."""

from pathlib import Path

import pytest
from pair_kit import busy_song, later

from saberlm.finetune.same_audio import same_recordings
from saberlm.finetune.shards import SongShard, load_dataset


@pytest.fixture
def songs(data_dir: Path) -> list[SongShard]:
    first = load_dataset(data_dir, "train")[0]
    return [busy_song(first, seed) for seed in range(4)]


@pytest.mark.parametrize("seconds", [0.0, 0.73, 3.1])
def test_the_same_recording_is_found_with_its_lag(songs: list[SongShard], seconds: float) -> None:
    (found,) = same_recordings([*songs, later(songs[2], seconds, "again")])
    assert (found.first, found.second) == (2, 4)
    assert found.lag_seconds == pytest.approx(seconds, abs=0.006)
    assert found.correlation > 0.95


def test_other_songs_are_none(songs: list[SongShard]) -> None:
    assert same_recordings(songs) == []
    assert same_recordings(songs[:1]) == []
