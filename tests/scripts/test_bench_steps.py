"""Steps beside their limit: the table's figures, with either decoder."""

from typing import Any

import pytest

from saberlm.infer.decoder import CompiledDecoder
from saberlm.infer.torch_decoder import TorchDecoder
from saberlm.scripts import bench_steps


@pytest.mark.parametrize("kind", [CompiledDecoder, TorchDecoder])
def test_a_limit_is_what_the_memory_gives_of_weights_and_cache(
    kind: Any, tiny_model: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench_steps, "_speed", lambda _device, nbytes: 1e9 + nbytes)
    decoder = kind(tiny_model, 700)
    width = tiny_model.config.text_config.hidden_size
    figures = bench_steps.measure_steps(decoder, [1, 3], 20, width)
    assert [step["rows"] for step in figures["steps"]] == [1, 3]
    for step in figures["steps"]:
        rows = step["rows"]
        assert step["tokens_per_second"] == pytest.approx(rows / step["seconds"])
        read = decoder.weight_bytes + rows * 20 * decoder.token_bytes
        assert step["limits"][0] == pytest.approx(rows * figures["bandwidth"]["memory"] / read)
    assert decoder.token_bytes == 2 * 4 * decoder._shape[0] * decoder._shape[1] * decoder._shape[2]
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_the_memory_is_read_at_some_speed() -> None:
    assert bench_steps._reading(2**20) > 1e6
