"""vLLM as the decoder: the same maps as from our own engine. Opt-in: `make test-vllm`."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile

from saberlm.infer.mapper import Mapper
from saberlm.infer.rounds import HeardSong
from saberlm.infer.vllm_plugin import Feed

DEMO = Path(__file__).parents[2] / "examples" / "demo_song.ogg"
GREEDY = {"temperature": 0.0, "position_temperature": 0.0}


def test_without_vllm_the_engine_says_what_is_missing(tiny_model: Any) -> None:
    if importlib.util.find_spec("vllm"):
        pytest.skip("vLLM is here")
    from saberlm.infer.vllm_engine import VllmEngine

    with pytest.raises(ValueError, match=r"saberlm\[vllm\]"):
        VllmEngine(tiny_model)


@pytest.mark.parametrize("given", [1, 3])
def test_a_row_feeds_what_it_says_one_by_one_and_stops_when_its_past_changes(given: int) -> None:
    import numpy as np

    from saberlm.infer.vllm_engine import _GO_ON, _STOP, _RowFeed

    class FakeRow:
        done, past_fed, piece = False, True, None

    row, asked = FakeRow(), []

    def say(logits: Any) -> None:
        asked.append(logits)
        row.piece = np.arange(given, dtype=np.float32)[:, None] + 10 * len(asked)
        row.past_fed = len(asked) < 3

    feed: Feed = _RowFeed(row, say)  # type: ignore[arg-type]
    assert feed.embedding is None
    fed = []
    for step in range(2 * given):
        assert feed.answer(np.zeros(1, np.float32)) == _GO_ON
        assert feed.embedding is not None
        fed.append(float(feed.embedding[0]))
        assert len(asked) == step // given + 1
    assert fed == [10.0 * (1 + i // given) + i % given for i in range(2 * given)]
    assert feed.answer(np.zeros(1, np.float32)) == _STOP


@pytest.fixture(scope="module")
def mappers(request: pytest.FixtureRequest) -> tuple[Mapper, Mapper]:
    """The shipped model with our engine and with vLLM, three rows at a time."""
    if "vllm" not in request.config.getoption("-m"):
        pytest.skip("starts vLLM: runs with -m vllm")
    pytest.importorskip("vllm")
    native = Mapper.from_pretrained("nano", rows=3)
    return native, Mapper(native.loaded, rows=3, engine="vllm")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten bars of the demo song: past what the model sees at once."""
    samples, rate = soundfile.read(DEMO, dtype="float32")
    path = tmp_path_factory.mktemp("songs") / "clip.wav"
    soundfile.write(path, samples[: rate * 20], rate)
    return path


def tokens(mapper: Mapper, heard: HeardSong) -> dict[tuple[str, int], list[int]]:
    said: dict[tuple[str, int], list[int]] = {}

    def on_bar(_song: int, difficulty: str, bar: int, ids: list[int]) -> None:
        said[difficulty, bar] = list(ids)

    list(mapper.each([heard], on_bar))
    return said


@pytest.mark.vllm
@pytest.mark.filterwarnings("ignore")
def test_the_demo_song_gets_the_same_greedy_tokens(mappers: tuple[Mapper, Mapper]) -> None:
    native, vllm = mappers
    heard = native.listen(native.request(DEMO, difficulties=["Normal", "Expert"], **GREEDY))
    wanted = tokens(native, heard)
    assert len(wanted) == 2 * heard.encoding.num_bars
    assert sum(map(len, wanted.values())) > 500
    assert tokens(vllm, heard) == wanted


@pytest.mark.vllm
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("places", [True, False])
def test_sampled_rows_that_wait_for_each_other_are_the_same(
    mappers: tuple[Mapper, Mapper], clip: Path, places: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    native, vllm = mappers
    asked = {"difficulties": ["Hard", "Expert"], "candidates": 2, "full_spread": True, "seed": 3}
    heard = native.listen(native.request(clip, bpm=128.0, offset=0.0, **asked))
    for mapper in mappers:  # a short past, so that old bars leave it within the clip
        for name, value in (("places", places), ("context_bars", 8), ("kept_bars", 4)):
            monkeypatch.setattr(mapper.engine, name, value)
    assert heard.encoding.num_bars > native.engine.context_bars
    assert tokens(vllm, heard) == tokens(native, heard)


@pytest.mark.vllm
@pytest.mark.filterwarnings("ignore")
def test_guidance_is_refused_and_the_engine_goes_on(
    mappers: tuple[Mapper, Mapper], clip: Path
) -> None:
    native, vllm = mappers
    asked = native.request(clip, bpm=128.0, offset=0.0, difficulties=["Easy", "Hard"])
    heard = native.listen(asked)
    guided = replace(asked, sampling=replace(asked.sampling, cfg_scale=2.0))
    with pytest.raises(ValueError, match="cfg scale: expected 1"):
        list(vllm.each([heard, replace(heard, request=guided)]))
    assert tokens(vllm, heard) == tokens(native, heard)
